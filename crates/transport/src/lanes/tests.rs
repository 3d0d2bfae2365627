use super::*;
use crate::enrolment::Purpose;
use crate::fleet::{Fleet, LOCAL, Pair};
use crate::limits::STREAMS_MAX;
use crate::opening;
use crate::tls::{accepting, transport};
use std::sync::Arc;
use std::time::Duration;

/// What is not what a lane is for, here.
const UNKNOWN: Kind = Kind { opening: 99, priority: 0 };

#[tokio::test]
async fn what_is_small_overtakes_what_takes_long() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let Lanes { mut sender, receiver: _receiver, control, bulk, acceptor: _acceptor } = dialler.split();
    let mut there = accepter.split();
    let (mut control_sender, mut bulk_sender) = (control.sender.unwrap(), bulk.sender.unwrap());
    let long = vec![7; FRAME_BYTES_MAX];
    let sending = async {
        bulk_sender.send(&long).await?;
        bulk_sender.finish().await
    };
    let receiving = async {
        // Nobody reads the long frame, of which a window is under way; the small ones do not wait for that.
        sender.send(b"small").await.unwrap();
        assert_eq!(there.receiver.receive().await, Ok(Some(b"small".to_vec())));
        control_sender.send(b"smaller").await.unwrap();
        assert_eq!(there.control.receiver.receive().await, Ok(b"smaller".to_vec()));
        there.bulk.receiver.receive().await
    };
    tokio::select! {
        (sent, received) = async { tokio::join!(sending, receiving) } => {
            assert_eq!(sent, Ok(()));
            assert!(received.unwrap() == long);
        }
        lost = there.acceptor.run() => panic!("{lost}"),
    }
}

/// What the first stream has to send is much, and read; what is sent later on the other goes before most of that.
#[tokio::test]
async fn control_does_not_wait_for_the_first_stream() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let mut here = dialler.split();
    let mut there = accepter.split();
    // A window of it, which is taken at once: many flights of a connection that is new.
    here.sender.send(&vec![7; 200_000]).await.unwrap();
    here.control.sender.as_mut().unwrap().send(b"small").await.unwrap();
    tokio::select! {
        biased;
        received = there.receiver.receive() => panic!("it came first: {:?}", received.map(|frame| frame.is_some())),
        received = there.control.receiver.receive() => assert_eq!(received, Ok(b"small".to_vec())),
        lost = there.acceptor.run() => panic!("{lost}"),
    }
}

/// W-114.
#[tokio::test]
async fn a_stream_for_something_else_is_turned_down_and_the_next_one_taken() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let (here, there) = (dialler.handle(), accepter.split());
    let mut receiver = there.bulk.receiver;
    // What was opened and not used is given back, so that there is room for others.
    drop(dialler.split());
    let exchange = async {
        tokio::join!(receiver.receive(), async {
            let mut unknown = here.quinn().open_uni().await.unwrap();
            unknown.write_all(&[UNKNOWN.opening, 1, 2, 3]).await.unwrap();
            assert_eq!(unknown.stopped().await.unwrap(), Some(CLOSE_CODE));
            drop(unknown);
            let mut known = FrameSender::opening(here.quinn().open_uni().await.unwrap(), BULK.opening);
            known.send(b"known").await.unwrap();
            known.finish().await.unwrap();
        })
    };
    tokio::select! {
        (received, ()) = exchange => assert_eq!(received, Ok(b"known".to_vec())),
        lost = there.acceptor.run() => panic!("{lost}"),
    }
}

/// One that is opened and stays silent is QUIC's way to open a later one first.
#[tokio::test]
async fn a_stream_without_a_byte_holds_up_no_other() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let here = dialler.split();
    let mut there = accepter.split();
    let (_silent, mut sender) = (here.bulk.sender.unwrap(), here.control.sender.unwrap());
    let received = async {
        sender.send(b"first").await.unwrap();
        there.control.receiver.receive().await
    };
    tokio::select! {
        received = received => assert_eq!(received, Ok(b"first".to_vec())),
        lost = there.acceptor.run() => panic!("{lost}"),
    }
}

/// W-113: what a third one would carry goes on the first.
#[tokio::test]
async fn a_peer_has_no_more_such_streams_than_there_are_lanes() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let handle = dialler.handle();
    let lanes = dialler.split();
    assert!(lanes.control.sender.is_some() && lanes.bulk.sender.is_some());
    assert!(UNKNOWN.sender(handle.quinn()).is_none());
    drop((lanes, accepter));
}

/// W-113.
#[tokio::test]
async fn one_stream_that_is_granted_is_for_what_takes_long() {
    let fleet = Fleet::new();
    let mut config = accepting(&fleet.identity("hub"), Purpose::Replication, Duration::ZERO);
    config.transport_config(Arc::new(transport(STREAMS_MAX, 1)));
    let (hub, store) = (quinn::Endpoint::server(config, LOCAL).unwrap(), fleet.endpoint("store-1"));
    let (dialled, accepted) = tokio::join!(store.connect(hub.local_addr().unwrap(), "hub"), async {
        let connection = hub.accept().await.unwrap().await.unwrap();
        let streams = opening::take(&connection).await.unwrap();
        lanes(&connection, streams)
    });
    let lanes = dialled.unwrap().split();
    assert!(lanes.bulk.sender.is_some() && lanes.control.sender.is_none());
    drop(accepted);
}

#[tokio::test]
async fn the_end_of_the_connection_is_said_on_every_lane() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let mut there = accepter.split();
    dialler.handle().close("enough");
    let closed = Disconnect::ClosedByPeer { reason: "enough".to_owned() };
    assert_eq!(there.acceptor.run().await, closed);
    assert_eq!(there.control.receiver.receive().await, Err(closed.clone().into()));
    assert_eq!(there.bulk.receiver.receive().await, Err(closed.into()));
}
