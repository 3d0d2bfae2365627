use super::*;
use crate::fleet::Pair;
use crate::limits::FRAME_BYTES_MAX;

#[tokio::test]
async fn what_is_small_overtakes_what_takes_long() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let Lanes { mut sender, receiver: _receiver, bulk_sender, .. } = dialler.split();
    let Lanes { sender: _sender, mut receiver, mut bulk_receiver, .. } = accepter.split();
    let mut bulk_sender = bulk_sender.expect("a stream for it");
    let long = vec![7; FRAME_BYTES_MAX];
    let sending = async {
        bulk_sender.send(&long).await?;
        bulk_sender.finish().await
    };
    let receiving = async {
        // Nobody reads the long frame, of which a window is under way; the small one does not wait for that.
        sender.send(b"small").await.unwrap();
        assert_eq!(receiver.receive().await, Ok(Some(b"small".to_vec())));
        bulk_receiver.receive().await
    };
    let (sent, received) = tokio::join!(sending, receiving);
    assert_eq!(sent, Ok(()));
    assert!(received.unwrap() == long);
}

/// W-114.
#[tokio::test]
async fn a_stream_for_something_else_is_turned_down_and_the_next_one_taken() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let connection = accepter.split().bulk_receiver.connection;
    let mut receiver = BulkReceiver::new(connection);
    let sending = dialler.split().bulk_receiver.connection;
    let (received, ()) = tokio::join!(receiver.receive(), async {
        let mut unknown = sending.open_uni().await.unwrap();
        unknown.write_all(&[99, 1, 2, 3]).await.unwrap();
        let stopped = unknown.stopped().await.unwrap();
        assert_eq!(stopped, Some(CLOSE_CODE));
        drop(unknown);
        let mut known = FrameSender::opening(sending.open_uni().await.unwrap(), BULK);
        known.send(b"known").await.unwrap();
        known.finish().await.unwrap();
    });
    assert_eq!(received.unwrap(), b"known");
}

/// W-113: what the second one would carry goes on the first.
#[tokio::test]
async fn a_peer_has_one_such_stream_at_a_time() {
    let Pair { dialler, accepter, endpoints: _endpoints } = Pair::connected().await;
    let Lanes { bulk_sender, bulk_receiver: BulkReceiver { connection, .. }, .. } = dialler.split();
    let _held = bulk_sender.expect("a stream for it");
    assert!(super::bulk_sender(&connection).is_none());
    drop(accepter);
}
