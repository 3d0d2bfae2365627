use std::net::UdpSocket;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use quinn::crypto::rustls::QuicClientConfig;
use rustls_pki_types::PrivateKeyDer;

use super::*;
use crate::disconnect::CertificateRefusal;
use crate::fleet::{Fleet, LOCAL, Pair, meet};
use crate::identity::{KEY_FILE, read_key};
use crate::incoming::AcceptError;
use crate::lanes::Lanes;
use crate::limits::{
    FAILED_HANDSHAKES_BURST, HANDSHAKES_MAX, IDLE_TIMEOUT, KEEP_ALIVE_INTERVAL, STREAM_WINDOW_BYTES,
};
use crate::term::Term;
use crate::tls::provider;

fn cause_of_connect(result: Result<Connection, ConnectError>) -> Disconnect {
    match result {
        Err(ConnectError::Disconnect { cause, .. }) => cause,
        other => panic!("connected or failed otherwise: {other:?}"),
    }
}

fn cause_of_accept(result: Result<Connection, AcceptError>) -> Disconnect {
    match result {
        Err(AcceptError::Disconnect { cause, .. }) => cause,
        other => panic!("accepted or failed otherwise: {other:?}"),
    }
}

/// A peer of the same fleet still gets through.
async fn check_serves(fleet: &Fleet, accepter: &Endpoint) {
    let good = fleet.endpoint("store-good");
    let (dialled, accepted) = meet(&good, accepter, "hub").await;
    assert_eq!(dialled.unwrap().peer().name, "hub");
    assert_eq!(accepted.unwrap().peer().name, "store-good");
}

#[tokio::test]
async fn each_end_knows_who_the_other_is() {
    let fleet = Fleet::new();
    let (store, hub) = (fleet.identity("store-1"), fleet.identity("hub"));
    let (dialler, accepter) = (Endpoint::bind(LOCAL, &store).unwrap(), Endpoint::bind(LOCAL, &hub).unwrap());
    let (dialled, accepted) = meet(&dialler, &accepter, "hub").await;
    let expected =
        |identity: &Identity| Peer { name: identity.name().to_owned(), public_key: identity.public_key() };
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!((dialled.peer(), accepted.peer()), (&expected(&hub), &expected(&store)));
    assert_eq!(dialled.handle().address(), accepter.local_address());
    let traffic = dialled.handle().traffic();
    assert!(traffic.sent_bytes > 1000 && traffic.received_bytes > 1000, "{traffic:?}");
}

#[tokio::test]
async fn a_dialler_of_another_authority_is_refused() {
    let (fleet, other) = (Fleet::new(), Fleet::new());
    let hub = fleet.endpoint("hub");
    // It trusts this fleet's authority and shows a certificate of the other one.
    let mut stranger = other.identity("store-1");
    stranger.roots = fleet.identity("store-2").roots;
    let stranger = Endpoint::bind(LOCAL, &stranger).unwrap();
    let (dialled, accepted) = meet(&stranger, &hub, "hub").await;
    let refusal = CertificateRefusal::OtherAuthority;
    assert_eq!(cause_of_connect(dialled), Disconnect::CertificateRefusedByPeer(refusal));
    assert_eq!(cause_of_accept(accepted), Disconnect::CertificateRefusedHere(refusal));
    check_serves(&fleet, &hub).await;
}

#[tokio::test]
async fn an_accepter_of_another_authority_is_refused() {
    let (fleet, other) = (Fleet::new(), Fleet::new());
    let (hub, stranger) = (fleet.endpoint("hub"), other.endpoint("store-1"));
    let (dialled, accepted) = meet(&stranger, &hub, "hub").await;
    let refusal = CertificateRefusal::OtherAuthority;
    assert_eq!(cause_of_connect(dialled), Disconnect::CertificateRefusedHere(refusal));
    assert_eq!(cause_of_accept(accepted), Disconnect::CertificateRefusedByPeer(refusal));
    check_serves(&fleet, &hub).await;
}

#[tokio::test]
async fn certificates_outside_their_validity_are_refused() {
    let fleet = Fleet::new();
    let hub = fleet.endpoint("hub");
    let late = Endpoint::bind(LOCAL, &fleet.expired("store-late")).unwrap();
    let refusal = CertificateRefusal::OutsideValidity;
    let (dialled, accepted) = meet(&late, &hub, "hub").await;
    assert_eq!(cause_of_connect(dialled), Disconnect::CertificateRefusedByPeer(refusal));
    assert_eq!(cause_of_accept(accepted), Disconnect::CertificateRefusedHere(refusal));
    let (dialled, _) = meet(&hub, &late, "store-late").await;
    assert_eq!(cause_of_connect(dialled), Disconnect::CertificateRefusedHere(refusal));
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused() {
    let fleet = Fleet::new();
    let hub = fleet.endpoint("hub");
    let mut thief = fleet.identity("store-1");
    let key = read_key(&fleet.issue("store-2").join(KEY_FILE)).unwrap();
    let key = provider().key_provider.load_private_key(PrivateKeyDer::Pkcs8(key)).unwrap();
    thief.certified = Arc::new(rustls::sign::CertifiedKey::new(thief.certified.cert.clone(), key));
    let thief = Endpoint::bind(LOCAL, &thief).unwrap();
    let (dialled, accepted) = meet(&thief, &hub, "hub").await;
    assert!(dialled.is_err() && accepted.is_err(), "{dialled:?} {accepted:?}");
    check_serves(&fleet, &hub).await;
}

#[tokio::test]
async fn another_name_than_the_expected_is_refused() {
    let fleet = Fleet::new();
    let (dialler, accepter) = (fleet.endpoint("store-1"), fleet.endpoint("store-9"));
    let (dialled, accepted) = meet(&dialler, &accepter, "hub").await;
    let (address, expected) = (accepter.local_address(), "hub".to_owned());
    let mismatch = ConnectError::NameMismatch { address, expected, found: "store-9".to_owned() };
    assert_eq!(dialled.unwrap_err(), mismatch);
    let refusal = Disconnect::CertificateRefusedByPeer(CertificateRefusal::Unsuitable);
    assert_eq!(cause_of_accept(accepted), refusal);
}

/// Dials with `tls` in place of what this crate would use; what the accepting end made of it.
async fn dial_with(tls: rustls::ClientConfig, accepter: &Endpoint) -> (Disconnect, Disconnect) {
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::client(LOCAL).unwrap();
    let connecting = endpoint.connect_with(config, accepter.local_address(), "hub").unwrap();
    let (dialled, accepted) = tokio::join!(
        async {
            match connecting.await {
                Ok(connection) => connection.closed().await,
                Err(error) => error,
            }
        },
        async { accepter.accept().await.unwrap().establish().await }
    );
    (Disconnect::from_quinn(dialled), cause_of_accept(accepted))
}

fn stranger_tls(roots: &rustls::RootCertStore, protocol: &[u8]) -> rustls::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls
}

#[tokio::test]
async fn strangers_are_refused_and_told_why() {
    let fleet = Fleet::new();
    let hub = fleet.endpoint("hub");
    let roots = fleet.identity("store-1").roots;
    let missing = CertificateRefusal::Missing;
    let causes = dial_with(stranger_tls(&roots, Purpose::Replication.protocol()), &hub).await;
    let expected =
        (Disconnect::CertificateRefusedByPeer(missing), Disconnect::CertificateRefusedHere(missing));
    assert_eq!(causes, expected);

    let causes = dial_with(stranger_tls(&roots, b"h3"), &hub).await;
    assert_eq!(causes, (Disconnect::ProtocolMismatch, Disconnect::ProtocolMismatch));
    check_serves(&fleet, &hub).await;
}

/// Each handshake costs a hub some milliseconds. Who has proven its address and fails again and again is refused before one.
#[tokio::test]
async fn a_stranger_that_dials_in_a_loop_is_refused_before_the_handshake() {
    let fleet = Fleet::new();
    let hub = fleet.endpoint("hub");
    let dialler = fleet.endpoint("store-1");
    let tls = stranger_tls(&dialler.identity().roots, Purpose::Replication.protocol());
    let hub_address = hub.local_address();
    let accepting = hub.clone();
    let accepting = tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            assert!(incoming.establish().await.is_err());
        }
    });
    let dial = async || {
        let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls.clone()).unwrap()));
        let connecting = dialler.endpoint.connect_with(config, hub_address, "hub").unwrap();
        // With TLS 1.3 who dials is through before its certificate is looked at.
        Disconnect::from_quinn(match connecting.await {
            Ok(connection) => connection.closed().await,
            Err(error) => error,
        })
    };
    assert_eq!(dial().await, Disconnect::CertificateRefusedByPeer(CertificateRefusal::Missing));
    // As if it had failed as often as is allowed. On a slow machine it earns one back before it dials.
    let refused = async {
        loop {
            (0..FAILED_HANDSHAKES_BURST).for_each(|_| hub.attempts(Purpose::Replication).failed(LOCAL.ip()));
            if dial().await == Disconnect::Busy {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
    accepting.abort();
}

/// A peer of the fleet that gets through the handshake and sends `opening` in place of what is expected.
async fn open_with(opening: Option<&[u8]>) -> (Disconnect, AcceptError) {
    let fleet = Fleet::new();
    let (hub, store) = (fleet.endpoint("hub"), fleet.endpoint("store-1"));
    let (config, _verifier) =
        store.credentials.borrow().dialling.config(Purpose::Replication, STREAM_WINDOW_BYTES);
    let connecting = store.endpoint.connect_with(config, hub.local_address(), "hub").unwrap();
    let (dialled, accepted) = tokio::join!(
        async {
            let connection = connecting.await.unwrap();
            let (mut sender, _receiver) = connection.open_bi().await.unwrap();
            if let Some(opening) = opening {
                sender.write_all(opening).await.unwrap();
            }
            connection.closed().await
        },
        async { hub.accept().await.unwrap().establish().await }
    );
    check_serves(&fleet, &hub).await;
    assert_eq!(hub.handshakes_free(), HANDSHAKES_MAX);
    (Disconnect::from_quinn(dialled), accepted.unwrap_err())
}

#[tokio::test]
async fn another_stream_than_the_expected_is_refused() {
    let (dialled, accepted) = open_with(Some(&[7])).await;
    let reason = "the stream is not opened for replication".to_owned();
    assert_eq!(dialled, Disconnect::ClosedByPeer { reason });
    assert!(matches!(accepted, AcceptError::Opening { .. }), "{accepted:?}");
}

#[tokio::test]
async fn a_peer_that_opens_nothing_is_dropped_at_the_deadline() {
    let (dialled, accepted) = open_with(None).await;
    assert!(matches!(dialled, Disconnect::ClosedByPeer { .. }), "{dialled:?}");
    assert!(matches!(accepted, AcceptError::TimedOut { .. }), "{accepted:?}");
}

#[tokio::test]
async fn nobody_answers() {
    let fleet = Fleet::new();
    let store = fleet.endpoint("store-1");
    let silent = UdpSocket::bind(LOCAL).unwrap();
    let address = silent.local_addr().unwrap();
    let refused = store.connect(address, "hub").await.unwrap_err();
    assert_eq!(refused, ConnectError::NoAnswer { address });
}

#[tokio::test]
async fn what_cannot_be_dialled_is_refused_at_once() {
    let fleet = Fleet::new();
    let store = fleet.endpoint("store-1");
    let local = store.local_address();
    assert_eq!(
        store.connect(LOCAL, "hub").await.unwrap_err(),
        ConnectError::Address { address: LOCAL, local }
    );
    assert!(matches!(store.connect(local, "Hub").await, Err(ConnectError::Name(_))));
    store.close("test");
    assert_eq!(store.connect(local, "hub").await.unwrap_err(), ConnectError::EndpointClosed);
    assert!(store.accept().await.is_none());
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let fleet = Fleet::new();
    let first = fleet.endpoint("store-1");
    let second = Endpoint::bind(first.local_address(), &fleet.identity("store-2"));
    assert!(matches!(second, Err(BindError::Socket { address, .. }) if address == first.local_address()));
}

#[test]
fn without_a_runtime_there_is_no_endpoint() {
    let bound = Endpoint::bind(LOCAL, &Fleet::new().identity("store-1"));
    assert!(matches!(bound, Err(BindError::NoRuntime)));
}

#[tokio::test]
async fn garbage_does_no_harm() {
    let fleet = Fleet::new();
    let Pair { dialler, accepter, endpoints } = Pair::connected().await;
    let hub = fleet.endpoint("hub");
    let socket = tokio::net::UdpSocket::bind(LOCAL).await.unwrap();
    let mut random = 1_u64;
    for target in [endpoints.0.local_address(), endpoints.1.local_address(), hub.local_address()] {
        for turn in 0..300_usize {
            // Long headers of QUIC version 1 among them, which get further than others.
            let mut datagram = vec![0xc3, 0, 0, 0, 1, 8];
            datagram.resize(6 + turn * 5, 0);
            for byte in datagram.iter_mut().skip(if turn % 2 == 0 { 6 } else { 0 }) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                *byte = random.to_le_bytes()[3];
            }
            socket.send_to(&datagram, target).await.unwrap();
        }
    }
    let Lanes { mut sender, receiver: _receiver, .. } = dialler.split();
    sender.send(b"still here").await.unwrap();
    assert_eq!(accepter.split().receiver.receive().await, Ok(Some(b"still here".to_vec())));
    // Some of it may look like a first datagram: `accept` gives it out, and its handshake fails alone.
    let good = fleet.endpoint("store-good");
    let serve = async {
        let mut handshakes = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                incoming = hub.accept() => { handshakes.spawn(incoming.unwrap().establish()); }
                Some(Ok(Ok(connection))) = handshakes.join_next() => break connection,
            }
        }
    };
    let (dialled, accepted) = tokio::join!(good.connect(hub.local_address(), "hub"), serve);
    assert_eq!((dialled.unwrap().peer().name.as_str(), accepted.peer().name.as_str()), ("hub", "store-good"));
}

#[tokio::test]
async fn a_slow_handshake_delays_nobody() {
    let fleet = Fleet::new();
    let (hub, slow) = (fleet.endpoint("hub"), fleet.endpoint("store-slow"));
    let waiting = slow.connect(hub.local_address(), "hub");
    let serve = async {
        let held = hub.accept().await.unwrap();
        check_serves(&fleet, &hub).await;
        held.establish().await
    };
    let (dialled, accepted) = tokio::join!(waiting, serve);
    assert!(dialled.is_ok() && accepted.is_ok(), "{dialled:?} {accepted:?}");
}

#[tokio::test]
async fn with_many_handshakes_in_flight_addresses_are_proven_and_then_refused() {
    let fleet = Fleet::new();
    let (hub, store) = (fleet.endpoint("hub"), fleet.endpoint("store-1"));
    let take = |count: usize| {
        let attempts = hub.attempts(Purpose::Replication);
        (0..count).map(|_| attempts.admit(LOCAL.ip()).unwrap()).collect::<Vec<_>>()
    };
    let some = take(HANDSHAKES_UNPROVEN_MAX);
    let serve = async {
        let incoming = hub.accept().await.unwrap();
        assert!(incoming.incoming.remote_address_validated());
        incoming.establish().await
    };
    let (dialled, accepted) = tokio::join!(store.connect(hub.local_address(), "hub"), serve);
    assert!(dialled.is_ok() && accepted.is_ok(), "{dialled:?} {accepted:?}");

    let all = take(hub.handshakes_free());
    let dialled = tokio::select! {
        dialled = store.connect(hub.local_address(), "hub") => dialled,
        incoming = hub.accept() => panic!("accepted {incoming:?}"),
    };
    assert_eq!(cause_of_connect(dialled), Disconnect::Busy);
    drop((some, all));
    check_serves(&fleet, &hub).await;
}

#[tokio::test]
async fn a_peer_that_closes_says_why() {
    let pair = Pair::connected().await;
    let watch = pair.dialler.handle();
    pair.accepter.handle().close("certificate of store-9 is not known here");
    let reason = "certificate of store-9 is not known here".to_owned();
    let closed = Disconnect::ClosedByPeer { reason };
    assert_eq!(watch.closed().await, closed);
    assert_eq!(pair.dialler.split().receiver.receive().await, Err(closed.into()));
    assert_eq!(pair.accepter.handle().closed().await, Disconnect::ClosedHere);
}

/// W-115.
#[tokio::test]
async fn a_connection_has_the_term_of_the_certificates_that_it_was_made_with() {
    let fleet = Fleet::new();
    let (store, hub) = (fleet.identity("store-1"), fleet.endpoint("hub"));
    let dialler = Endpoint::bind(LOCAL, &store).unwrap();
    let (dialled, accepted) = meet(&dialler, &hub, "hub").await;
    let (dialled, accepted) = (dialled.unwrap().handle(), accepted.unwrap().handle());
    let (now, lifetime) = (store.validity().start + Duration::from_hours(24), Duration::from_hours(24 * 500));
    let certificate = fleet.authority.certify("store-1", &store.public_key(), now, lifetime).unwrap();
    certificate.replace_in(&fleet.path("store-1")).unwrap();
    let renewed = Identity::load(&fleet.path("store-1")).unwrap();
    dialler.replace_identity(&renewed);
    let (hub_end, old_end) = (hub.identity().validity().end, store.validity().end);
    assert_eq!(dialled.term(), Term { peer: hub_end, own: old_end });
    assert_eq!(accepted.term(), Term { peer: old_end, own: hub_end });
    // With what is shown now the next one stands longer.
    let (next, _accepted) = meet(&dialler, &hub, "hub").await;
    assert_eq!(next.unwrap().handle().term(), Term { peer: hub_end, own: renewed.validity().end });
}

#[tokio::test]
async fn a_closed_endpoint_tells_its_peers() {
    let pair = Pair::connected().await;
    pair.endpoints.1.close("going down");
    pair.endpoints.1.wait_idle().await;
    let closed = Disconnect::ClosedByPeer { reason: "going down".to_owned() };
    assert_eq!(pair.dialler.handle().closed().await, closed);
}

#[tokio::test]
async fn a_killed_peer_is_noticed_within_the_idle_timeout() {
    let fleet = Fleet::new();
    let (hub, store) = (fleet.endpoint("hub"), fleet.identity("store-1"));
    let address = hub.local_address();
    // A runtime that goes away takes the endpoint's driver with it, so that nothing is sent any more.
    let killed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connected = runtime.block_on(async {
            let endpoint = Endpoint::bind(LOCAL, &store).unwrap();
            (endpoint.connect(address, "hub").await.unwrap(), endpoint)
        });
        drop(runtime);
        connected
    });
    let connection = hub.accept().await.unwrap().establish().await.unwrap();
    let _remains = tokio::task::spawn_blocking(|| killed.join().unwrap()).await.unwrap();
    // The first keep-alive that is not answered starts the silence anew (RFC 9000, 10.1).
    let noticed_within = (IDLE_TIMEOUT + KEEP_ALIVE_INTERVAL) * 2;
    let closed = tokio::time::timeout(noticed_within, connection.handle().closed()).await;
    assert_eq!(closed, Ok(Disconnect::TimedOut));
}

/// Whether a stream is opened without waiting.
fn opens<T>(stream: impl Future<Output = T>) -> Option<T> {
    match pin!(stream).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(opened) => Some(opened),
        Poll::Pending => None,
    }
}

/// A stream takes memory of the other end.
#[tokio::test]
async fn a_peer_that_wants_a_thousand_streams_gets_those_of_the_protocol() {
    let fleet = Fleet::new();
    let (dialler, hub) = (fleet.endpoint("store-1"), fleet.endpoint("hub"));
    let (dialled, accepted) = meet(&dialler, &hub, "hub").await;
    let (dialled, _accepted) = (dialled.unwrap(), accepted.unwrap());
    let handle = dialled.handle();
    let (mut two_way, mut one_way) = (Vec::new(), Vec::new());
    // What the peer gives is here at the latest when the next connection stands.
    for _ in 0..2 {
        for _ in 0..1_000 {
            two_way.extend(opens(handle.quinn().open_bi()));
            one_way.extend(opens(handle.quinn().open_uni()));
        }
        let (again, accepted) = meet(&dialler, &hub, "hub").await;
        assert!(again.is_ok() && accepted.is_ok());
    }
    // Those for frames stand already.
    assert_eq!((two_way.len(), one_way.len()), (0, 0));
    assert!(handle.quinn().close_reason().is_none());
}
