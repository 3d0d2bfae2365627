//! Strangers who say that they join or renew: what they cost themselves, and nobody else.

use std::net::IpAddr;

use quinn::crypto::rustls::QuicClientConfig;

use super::*;
use crate::limits::{
    ENROLMENT_DEADLINE, ENROLMENT_HANDSHAKES_MAX, ENROLMENTS_BURST, FAILED_ENROLMENTS_BURST, REFUSAL_DEADLINE,
};

const PURPOSES: [Purpose; 2] = [Purpose::Join, Purpose::Renewal];

/// Of somebody without a certificate.
fn settings(hub: &Hub, purpose: Purpose) -> quinn::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(hub.endpoint.identity().roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![purpose.protocol().to_vec()];
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    purpose.mark_on(&mut config);
    config
}

#[tokio::test]
async fn those_who_dial_and_stall_take_no_place_of_replication() {
    let hub = Hub::new();
    let stranger = quinn::Endpoint::client(LOCAL).unwrap();
    let mut held = Vec::new();
    for purpose in PURPOSES {
        let before = held.len();
        let refused = loop {
            let dialling = stranger.connect_with(settings(&hub, purpose), hub.address(), "hub");
            let mut dialling = dialling.unwrap();
            tokio::select! {
                incoming = hub.endpoint.accept() => held.push((incoming.unwrap(), dialling)),
                refused = &mut dialling => break refused.unwrap_err(),
            }
        };
        assert_eq!(Disconnect::from_quinn(refused), Disconnect::Busy);
        assert_eq!(held.len() - before, ENROLMENT_HANDSHAKES_MAX, "{purpose:?}");
    }
    assert_eq!(hub.endpoint.handshakes_free(), HANDSHAKES_MAX);
    let (dialled, accepted) = meet(&hub.fleet.endpoint("store-good"), &hub.endpoint, "hub").await;
    assert!(dialled.is_ok() && accepted.is_ok(), "{dialled:?} {accepted:?}");
}

/// Dials once and shows no certificate; how that ended, and whether a handshake was begun.
async fn pretends(hub: &Hub, stranger: &quinn::Endpoint) -> (Disconnect, bool) {
    let dialling = stranger.connect_with(settings(hub, Purpose::Renewal), hub.address(), "hub");
    let mut dialling = dialling.unwrap();
    let incoming = tokio::select! {
        incoming = hub.endpoint.accept() => incoming.unwrap(),
        refused = &mut dialling => return (Disconnect::from_quinn(refused.unwrap_err()), false),
    };
    let (dialled, asked) = tokio::join!(dialling, incoming.ask());
    assert!(asked.is_err(), "{asked:?}");
    // Who dials is through before its certificate is looked at.
    let ended = match dialled {
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    };
    (Disconnect::from_quinn(ended), true)
}

#[tokio::test]
async fn who_pretends_to_renew_is_charged_and_keeps_nobody_from_renewing() {
    let hub = Hub::new();
    let address = IpAddr::from([127, 0, 0, 2]);
    let stranger = quinn::Endpoint::client(SocketAddr::new(address, 0)).unwrap();
    assert!(pretends(&hub, &stranger).await.1);
    for _ in 0..2 * ENROLMENTS_BURST {
        pretends(&hub, &stranger).await;
    }
    let site = hub.fleet.endpoint("store-1");
    let (renewed, asked) = tokio::join!(site.renew(hub.address(), "hub"), hub.grant_all());
    assert!(renewed.is_ok() && asked.is_ok(), "{renewed:?} {asked:?}");
    // On a slow machine it earns one back before it dials.
    let refused = async {
        loop {
            let renewals = hub.endpoint.attempts(Purpose::Renewal);
            (0..FAILED_ENROLMENTS_BURST).for_each(|_| renewals.failed(address));
            if pretends(&hub, &stranger).await == (Disconnect::Busy, false) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
    hub.check_serves().await;
}

#[tokio::test]
async fn more_renewals_than_a_hub_takes_are_told_so_and_charged_to_nobody() {
    let hub = Hub::new();
    let renewals = hub.endpoint.attempts(Purpose::Renewal);
    let other = renewals.admit(IpAddr::from([192, 0, 2, 1])).unwrap();
    let site = hub.fleet.endpoint("store-1");
    // One is earned back in each pause.
    let crowded = async {
        loop {
            while other.admits_shown() {}
            let (renewed, asked) = tokio::join!(site.renew(hub.address(), "hub"), hub.grant_all());
            if let Err(error) = renewed {
                break (error, asked);
            }
        }
    };
    let (error, asked) = tokio::time::timeout(Duration::from_secs(30), crowded).await.unwrap();
    assert!(error.to_string().contains("too many renew at once"), "{error}");
    assert!(matches!(asked, Err(AcceptError::Crowded { .. })), "{asked:?}");
    assert_eq!(renewals.charged(), 0);
    drop(other);
}

#[tokio::test]
async fn who_takes_a_refusal_and_stays_is_left_soon() {
    let hub = Hub::new();
    let (key, _) = hub.site_key("site");
    let signing_request = crate::signing_request::write(&key.key).unwrap();
    let question = encode(&JoinMessage { site: SITE.to_owned(), secret: [7; 16], signing_request });
    let stranger = quinn::Endpoint::client(LOCAL).unwrap();
    let dialling = stranger.connect_with(settings(&hub, Purpose::Join), hub.address(), "hub");
    let stays = async {
        let connection = dialling.unwrap().await.unwrap();
        let (mut sender, _receiver) = connection.open_bi().await.unwrap();
        sender.write_all(&question).await.unwrap();
        sender.finish().unwrap();
        connection.closed().await
    };
    let refused = hub.take(|_| Err(Refusal::UnknownInvitation));
    // A slow machine takes its time, too; a certificate would be waited with for longer.
    let within = (REFUSAL_DEADLINE * 4).min(ENROLMENT_DEADLINE / 2);
    let (ended, refused) =
        tokio::time::timeout(within, async { tokio::join!(stays, refused) }).await.unwrap();
    assert!(refused.is_ok(), "{refused:?}");
    let reason = "the answer was sent".to_owned();
    assert_eq!(Disconnect::from_quinn(ended), Disconnect::ClosedByPeer { reason });
}
