//! Peers that speak QUIC and TLS of their own, not `transport`'s: what a hub lets them do.

use crate::hostile::check_served;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tests::process::{DEADLINE, Fleet};
use tests::tls::trusting;
use tokio::time::timeout;

/// The alert `certificate_required` (RFC 8446, 6.2) as an error of QUIC (RFC 9001, 4.8).
const CERTIFICATE_REQUIRED: u64 = 0x100 + 116;

/// Dials the hub by itself, with the certificate of `store-2` or with none.
async fn dialled(fleet: &Fleet, address: &str, shows_certificate: bool) -> (Endpoint, Connection) {
    let identity = fleet.prepare("store-2", "").join("identity");
    let mut tls = trusting(&identity, shows_certificate.then_some(identity.as_path()));
    tls.alpn_protocols = vec![b"isle/1".to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(config);
    let connecting = endpoint.connect(address.parse().unwrap(), "hub").unwrap();
    let connection = timeout(DEADLINE, connecting).await.unwrap();
    // A client has shaken hands before its certificate is judged.
    (endpoint, connection.unwrap())
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_refused() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    let (_endpoint, connection) = dialled(&fleet, &address, false).await;
    let ended = timeout(DEADLINE, connection.closed()).await.unwrap();
    let ConnectionError::ConnectionClosed(closed) = ended else { panic!("{ended}") };
    assert_eq!(u64::from(closed.error_code), CERTIFICATE_REQUIRED, "{closed}");
    hub.logs(&["WARN", "a peer that dialled was refused"]);
    assert!(hub.status().await.peers.iter().all(|peer| peer.peer != "store-2" || !peer.connected));
    check_served(&hub, &site, 3).await;
}

/// With a certificate of the fleet: each stream costs the hub memory, whoever opens it.
#[tokio::test]
async fn a_peer_that_opens_a_thousand_streams_gets_few_and_holds_up_nobody() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    check_served(&hub, &site, 1).await;
    let before = hub.resident_bytes();
    let (_endpoint, connection) = dialled(&fleet, &address, true).await;
    let (mut two_way, mut one_way) = (Vec::new(), Vec::new());
    for _ in 0..1_000 {
        two_way.extend(polled(connection.open_bi()));
        one_way.extend(polled(connection.open_uni()));
    }
    assert!(
        (1..=8).contains(&two_way.len()) && one_way.len() <= 8,
        "{} and {}",
        two_way.len(),
        one_way.len()
    );
    for stream in two_way.iter_mut().map(|(sender, _)| sender).chain(&mut one_way) {
        // The byte of replication first, so that the hub reads on; then what is no frame.
        stream.write_all(&[1; 5_000]).await.unwrap();
    }
    let ended = timeout(DEADLINE, connection.closed()).await.unwrap();
    assert!(matches!(ended, ConnectionError::ApplicationClosed(_)), "{ended}");
    let grown = hub.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for one peer");
    check_served(&hub, &site, 5).await;
}

/// A stream that is given without waiting.
fn polled<T, E>(stream: impl Future<Output = Result<T, E>>) -> Option<T> {
    match pin!(stream).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(opened) => opened.ok(),
        Poll::Pending => None,
    }
}
