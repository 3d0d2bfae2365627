//! A hub and sites on loopback: who is let in, who is refused, and in which words.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::message::{JoinMessage, encode};
use super::*;
use crate::certificate::Peer;
use crate::disconnect::Disconnect;
use crate::endpoint::{ConnectError, Endpoint};
use crate::fleet::{Fleet, LOCAL, meet};
use crate::identity::{CERTIFICATE_FILE, Identity, KEY_FILE};
use crate::incoming::AcceptError;
use crate::limits::{ENROLMENT_REQUEST_BYTES_MAX, HANDSHAKES_MAX};
use crate::validity::Validity;

mod strangers;

const SITE: &str = "store-367";
const SECRET: JoinSecret = JoinSecret::new([7; 16]);
const DAY: Duration = Duration::from_hours(24);

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// A hub that enrols.
struct Hub {
    fleet: Fleet,
    endpoint: Endpoint,
}

impl Hub {
    fn new() -> Self {
        let fleet = Fleet::new();
        let endpoint = fleet.endpoint("hub");
        endpoint.enrol(90 * DAY);
        Self { fleet, endpoint }
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.local_address()
    }

    fn token(&self) -> JoinToken {
        JoinToken {
            fingerprint: self.fleet.authority.fingerprint(),
            secret: SECRET,
            hub: "hub".to_owned(),
            site: SITE.to_owned(),
            address: self.address().to_string(),
        }
    }

    fn spaces() -> Vec<GrantedSpace> {
        vec![GrantedSpace { space: SITE.to_owned(), rights: 3 }]
    }

    fn grant(&self, name: &str, public_key: &[u8; 32]) -> Result<Grant, Refusal> {
        let certificate = self.fleet.authority.certify(name, public_key, now(), 30 * DAY).unwrap();
        Ok(Grant { certificate, spaces: Self::spaces() })
    }

    /// Takes one attempt, and answers what `decide` says.
    async fn take(
        &self,
        decide: impl FnOnce(&Asked) -> Result<Grant, Refusal>,
    ) -> Result<Asked, AcceptError> {
        let incoming = self.endpoint.accept().await.unwrap();
        let request = incoming.ask().await?;
        let asked = request.asked().clone();
        request.answer(decide(&asked)).await;
        Ok(asked)
    }

    /// Grants what is asked, as a hub without a book.
    async fn grant_all(&self) -> Result<Asked, AcceptError> {
        self.take(|asked| match asked {
            Asked::Join { site, public_key, .. } => self.grant(site, public_key),
            Asked::Renewal { peer } => self.grant(&peer.name, &peer.public_key),
        })
        .await
    }

    fn site_key(&self, directory: &str) -> (SiteKey, PathBuf) {
        let identity = self.fleet.path(directory);
        (SiteKey::load_or_make(&identity).unwrap(), identity)
    }

    /// Nothing was left behind: another site gets in, and peers replicate.
    async fn check_serves(&self) {
        let (key, _) = self.site_key("check");
        let token = self.token();
        let (joined, asked) = tokio::join!(join(&token, self.address(), &key), self.grant_all());
        assert!(joined.is_ok() && asked.is_ok(), "{joined:?} {asked:?}");
        let (dialled, accepted) = meet(&self.fleet.endpoint("store-good"), &self.endpoint, "hub").await;
        assert!(dialled.is_ok() && accepted.is_ok(), "{dialled:?} {accepted:?}");
        assert_eq!(self.endpoint.handshakes_free(), HANDSHAKES_MAX);
    }
}

/// W-109, W-111.
#[tokio::test]
async fn a_site_joins_by_its_key_and_is_the_name_in_the_token_from_there_on() {
    let hub = Hub::new();
    let (key, identity) = hub.site_key("site");
    let token = hub.token();
    let (joined, asked) = tokio::join!(join(&token, hub.address(), &key), hub.grant_all());
    let public_key = key.public_key();
    assert_eq!(asked.unwrap(), Asked::Join { site: SITE.to_owned(), secret: SECRET, public_key });
    let joined = joined.unwrap();
    assert_eq!((joined.hub.name.as_str(), &joined.spaces), ("hub", &Hub::spaces()));
    assert_eq!(joined.hub.public_key, hub.endpoint.identity().public_key());
    joined.save(&identity).unwrap();

    let own = Identity::load(&identity).unwrap();
    assert_eq!((own.name(), own.public_key()), (SITE, public_key));
    assert_eq!(own.validity(), joined.certificate().validity());
    let (dialled, accepted) = meet(&Endpoint::bind(LOCAL, &own).unwrap(), &hub.endpoint, "hub").await;
    assert_eq!(accepted.unwrap().peer(), &Peer { name: SITE.to_owned(), public_key });
    assert!(dialled.is_ok());
}

#[tokio::test]
async fn every_refusal_reaches_the_site() {
    let hub = Hub::new();
    let (key, _) = hub.site_key("site");
    let token = hub.token();
    let unavailable = (Refusal::Unavailable, 0);
    let charged = [Refusal::UnknownInvitation, Refusal::Used, Refusal::Expired, Refusal::Revoked];
    for (refusal, charged) in [unavailable].into_iter().chain(charged.map(|refusal| (refusal, 1))) {
        let refuse = hub.take(|_| Err(refusal));
        let (joined, _) = tokio::join!(join(&token, hub.address(), &key), refuse);
        let error = joined.unwrap_err();
        assert!(matches!(error, EnrolError::Refused { refusal: told } if told == refusal), "{error}");
        assert_eq!(hub.endpoint.attempts(Purpose::Join).charged(), charged, "{refusal:?}");
    }
    hub.check_serves().await;
}

/// Somebody else than the hub of the token: it hears no secret.
async fn meets_another(token: &JoinToken, other: &Endpoint) -> (EnrolError, AcceptError) {
    let fleet = Fleet::new();
    let key = SiteKey::load_or_make(&fleet.path("site")).unwrap();
    let (joined, asked) = tokio::join!(join(token, other.local_address(), &key), async {
        other.accept().await.unwrap().ask().await
    });
    (joined.unwrap_err(), asked.unwrap_err())
}

/// W-104.
#[tokio::test]
async fn who_joins_tells_nothing_to_another_than_the_hub_of_the_token() {
    let (hub, elsewhere) = (Hub::new(), Hub::new());
    let (error, asked) = meets_another(&hub.token(), &elsewhere.endpoint).await;
    assert!(matches!(error, EnrolError::OtherAuthority { .. }), "{error}");
    assert!(error.to_string().contains("somebody is in between"), "{error}");
    assert!(matches!(asked, AcceptError::Disconnect { .. }), "{asked}");

    // A site of the same fleet that would be the hub.
    let site = hub.fleet.endpoint("store-9");
    site.enrol(DAY);
    let (error, asked) = meets_another(&hub.token(), &site).await;
    assert!(matches!(error, EnrolError::OtherHub { .. }), "{error}");
    assert!(matches!(asked, AcceptError::Disconnect { .. }), "{asked}");

    // A hub whose clock, or this machine's, is wrong.
    let late = Endpoint::bind(LOCAL, &hub.fleet.expired("late")).unwrap();
    late.enrol(DAY);
    let (error, _) = meets_another(&JoinToken { hub: "late".to_owned(), ..hub.token() }, &late).await;
    assert!(matches!(error, EnrolError::Clock), "{error}");
    hub.check_serves().await;
}

/// W-100.
#[tokio::test]
async fn a_replica_that_enrols_nobody_says_so() {
    let fleet = Fleet::new();
    let other = fleet.endpoint("hub");
    let token = JoinToken { fingerprint: fleet.authority.fingerprint(), ..Hub::new().token() };
    let (joined, accepted) = tokio::join!(
        async {
            let key = SiteKey::load_or_make(&fleet.path("site")).unwrap();
            join(&token, other.local_address(), &key).await
        },
        async { other.accept().await.unwrap().establish().await }
    );
    assert!(matches!(joined, Err(EnrolError::NoHub { .. })), "{joined:?}");
    let cause = accepted.unwrap_err();
    assert!(matches!(cause, AcceptError::Disconnect { cause: Disconnect::ProtocolMismatch, .. }), "{cause}");
}

#[tokio::test]
async fn nobody_answers() {
    let hub = Hub::new();
    let silent = std::net::UdpSocket::bind(LOCAL).unwrap();
    let (key, _) = hub.site_key("site");
    let refused = join(&hub.token(), silent.local_addr().unwrap(), &key).await.unwrap_err();
    assert!(matches!(refused, EnrolError::NoAnswer { .. }), "{refused}");
    let refused = join(&hub.token(), LOCAL, &key).await.unwrap_err();
    assert!(matches!(refused, EnrolError::Address { .. }), "{refused}");
}

/// W-111.
#[tokio::test]
async fn a_certificate_for_another_name_or_key_is_not_taken() {
    let (hub, elsewhere) = (Hub::new(), Hub::new());
    let (key, identity) = hub.site_key("site");
    let own = key.public_key();
    for (fleet, name, public_key) in [(&hub, "store-1", own), (&hub, SITE, [1; 32]), (&elsewhere, SITE, own)]
    {
        let token = hub.token();
        let grant = hub.take(|_| fleet.grant(name, &public_key));
        let (joined, _) = tokio::join!(join(&token, hub.address(), &key), grant);
        assert!(matches!(joined, Err(EnrolError::Answer)), "{joined:?}");
    }
    assert!(!identity.join(CERTIFICATE_FILE).exists());
}

/// An identity of the hub's fleet whose certificate ended so long ago.
fn ended(hub: &Hub, name: &str, ago: Duration) -> (Identity, PathBuf) {
    let end = now() - ago;
    let path = hub.fleet.path(name);
    let validity = Validity { start: end.saturating_sub(30 * DAY), end };
    hub.fleet.authority.issue_for(name, &path, validity).unwrap();
    (Identity::load(&path).unwrap(), path)
}

/// W-105.
#[tokio::test]
async fn a_certificate_is_renewed_also_within_the_grace_and_serves_from_there_on() {
    let hub = Hub::new();
    for (name, ago) in [("store-1", Duration::ZERO), ("store-2", 89 * DAY)] {
        let (old, path) = ended(&hub, name, ago + Duration::from_secs(1));
        let site = Endpoint::bind(LOCAL, &old).unwrap();
        let (dialled, _) = meet(&site, &hub.endpoint, "hub").await;
        assert!(matches!(dialled, Err(ConnectError::Disconnect { .. })), "it replicates no more");

        let (renewed, asked) = tokio::join!(site.renew(hub.address(), "hub"), hub.grant_all());
        let peer = Peer { name: name.to_owned(), public_key: old.public_key() };
        assert_eq!(asked.unwrap(), Asked::Renewal { peer });
        renewed.unwrap().certificate().replace_in(&path).unwrap();
        let new = Identity::load(&path).unwrap();
        assert_eq!(new.public_key(), old.public_key());
        site.replace_identity(&new);
        let (dialled, accepted) = meet(&site, &hub.endpoint, "hub").await;
        assert!(dialled.is_ok() && accepted.is_ok(), "{dialled:?} {accepted:?}");
        // The other way round, too.
        let (dialled, accepted) = meet(&hub.endpoint, &site, name).await;
        assert!(dialled.is_ok() && accepted.is_ok(), "{dialled:?} {accepted:?}");
    }
}

/// Of the fleet's site, from `start` on for a month.
fn month_from(hub: &Hub, start: Duration) -> (Identity, PathBuf) {
    let path = hub.fleet.path(SITE);
    hub.fleet.authority.issue_for(SITE, &path, Validity { start, end: start + 30 * DAY }).unwrap();
    (Identity::load(&path).unwrap(), path)
}

#[tokio::test]
async fn a_certificate_that_a_hub_ahead_of_time_gave_is_renewed() {
    let hub = Hub::new();
    let (early, path) = month_from(&hub, now() + 400 * DAY);
    let site = Endpoint::bind(LOCAL, &early).unwrap();
    let (dialled, _) = meet(&site, &hub.endpoint, "hub").await;
    assert!(matches!(dialled, Err(ConnectError::Disconnect { .. })), "it does not replicate");
    let (renewed, asked) = tokio::join!(site.renew(hub.address(), "hub"), hub.grant_all());
    asked.unwrap();
    renewed.unwrap().certificate().replace_in(&path).unwrap();
    site.replace_identity(&Identity::load(&path).unwrap());
    let (dialled, accepted) = meet(&site, &hub.endpoint, "hub").await;
    assert!(dialled.is_ok() && accepted.is_ok(), "{dialled:?} {accepted:?}");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_now_is_not_taken() {
    let hub = Hub::new();
    let (old, _) = month_from(&hub, now() - 25 * DAY);
    let site = Endpoint::bind(LOCAL, &old).unwrap();
    let (key, identity) = hub.site_key("new");
    let token = hub.token();
    for by in [now() + 40 * DAY, now() - 40 * DAY] {
        let grant = || {
            hub.take(|asked| {
                let (name, key) = match asked {
                    Asked::Join { site, public_key, .. } => (site, public_key),
                    Asked::Renewal { peer } => (&peer.name, &peer.public_key),
                };
                let certificate = hub.fleet.authority.certify(name, key, by, 30 * DAY).unwrap();
                Ok(Grant { certificate, spaces: Hub::spaces() })
            })
        };
        let (renewed, _) = tokio::join!(site.renew(hub.address(), "hub"), grant());
        assert!(matches!(renewed, Err(EnrolError::Clock)), "{renewed:?}");
        let (joined, _) = tokio::join!(join(&token, hub.address(), &key), grant());
        assert!(matches!(joined, Err(EnrolError::Clock)), "{joined:?}");
    }
    assert!(!identity.join(CERTIFICATE_FILE).exists());
}

/// W-105.
#[tokio::test]
async fn past_the_grace_nothing_is_renewed() {
    let hub = Hub::new();
    let (old, _) = ended(&hub, SITE, 90 * DAY + Duration::from_mins(1));
    let site = Endpoint::bind(LOCAL, &old).unwrap();
    let (renewed, asked) = tokio::join!(site.renew(hub.address(), "hub"), hub.grant_all());
    assert!(matches!(renewed, Err(EnrolError::GracePassed)), "{renewed:?}");
    assert!(matches!(asked, Err(AcceptError::Disconnect { .. })), "{asked:?}");
    hub.check_serves().await;
}

#[tokio::test]
async fn a_renewal_is_for_the_key_and_fleet_of_the_certificate() {
    let (hub, elsewhere) = (Hub::new(), Hub::new());
    let mut stranger = elsewhere.fleet.identity(SITE);
    stranger.roots = hub.endpoint.identity().roots;
    let stranger = Endpoint::bind(LOCAL, &stranger).unwrap();
    let (renewed, asked) = tokio::join!(stranger.renew(hub.address(), "hub"), hub.grant_all());
    assert!(renewed.is_err() && asked.is_err(), "{renewed:?} {asked:?}");

    // A certificate that was copied, without its key.
    let mut thief = hub.fleet.identity(SITE);
    let key = crate::identity::read_key(&hub.fleet.issue("store-2").join(KEY_FILE)).unwrap();
    let key = crate::tls::provider().key_provider.load_private_key(key.into()).unwrap();
    thief.certified = Arc::new(rustls::sign::CertifiedKey::new(thief.certified.cert.clone(), key));
    let thief = Endpoint::bind(LOCAL, &thief).unwrap();
    let (renewed, asked) = tokio::join!(thief.renew(hub.address(), "hub"), hub.grant_all());
    assert!(renewed.is_err() && asked.is_err(), "{renewed:?} {asked:?}");
    hub.check_serves().await;
}

/// Dials the hub as a site that joins, and says what `ask` writes.
async fn ask_with(hub: &Hub, bytes: &[u8]) -> (Result<Vec<u8>, quinn::ReadToEndError>, AcceptError) {
    let verifier = Arc::new(verifiers::FingerprintVerifier::new(hub.token().fingerprint));
    let config = crate::tls::joining(verifier);
    let endpoint = quinn::Endpoint::client(LOCAL).unwrap();
    let connecting = endpoint.connect_with(config, hub.address(), "hub").unwrap();
    let (answer, asked) = tokio::join!(
        async {
            let connection = connecting.await.unwrap();
            let (mut sender, mut receiver) = connection.open_bi().await.unwrap();
            let _ = sender.write_all(bytes).await;
            let _ = sender.finish();
            let answer = receiver.read_to_end(1 << 16).await;
            connection.close(0_u32.into(), b"");
            answer
        },
        async { hub.endpoint.accept().await.unwrap().ask().await }
    );
    (answer, asked.unwrap_err())
}

/// W-106, W-109.
#[tokio::test]
async fn what_cannot_be_read_is_refused_and_told_so() {
    let hub = Hub::new();
    let message = |signing_request: Vec<u8>| {
        encode(&JoinMessage { site: SITE.to_owned(), secret: [7; 16], signing_request })
    };
    let (key, _) = hub.site_key("site");
    let mut forged = crate::signing_request::write(&key.key).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let too_long = vec![0; ENROLMENT_REQUEST_BYTES_MAX + 1];
    for question in [&[][..], &[0], &message(Vec::new()), &message(forged), &too_long, &[0x01; 9]] {
        let (answer, asked) = ask_with(&hub, question).await;
        assert!(matches!(asked, AcceptError::Question { .. }), "{asked}");
        assert_eq!(answer.unwrap(), [0xa1, 0x00, 0x07], "refused as malformed");
    }
    hub.check_serves().await;
}

/// W-100, W-101.
#[tokio::test]
async fn a_wrong_mark_ends_the_handshake() {
    let hub = Hub::new();
    let site = hub.fleet.endpoint("store-1");
    for (purpose, marked) in [(Purpose::Replication, Purpose::Join), (Purpose::Join, Purpose::Renewal)] {
        let mut config = site.settings_for(purpose);
        marked.mark_on(&mut config);
        let endpoint = quinn::Endpoint::client(LOCAL).unwrap();
        let connecting = endpoint.connect_with(config, hub.address(), "hub").unwrap();
        let (dialled, asked) = tokio::join!(connecting, hub.grant_all());
        assert_eq!(Disconnect::from_quinn(dialled.unwrap_err()), Disconnect::ProtocolMismatch);
        assert!(asked.is_err(), "{asked:?}");
    }
    hub.check_serves().await;
}

#[tokio::test]
async fn addresses_are_proven_and_attempts_are_counted() {
    let hub = Hub::new();
    let (key, _) = hub.site_key("site");
    let token = hub.token();
    let incoming = async {
        let incoming = hub.endpoint.accept().await.unwrap();
        assert!(incoming.incoming.remote_address_validated());
        incoming.ask().await.unwrap().answer(Err(Refusal::Used)).await;
    };
    let (joined, ()) = tokio::join!(join(&token, hub.address(), &key), incoming);
    assert!(matches!(joined, Err(EnrolError::Refused { .. })));

    hub.endpoint.spend_joins();
    let joined = tokio::select! {
        joined = join(&token, hub.address(), &key) => joined,
        incoming = hub.endpoint.accept() => panic!("accepted {incoming:?}"),
    };
    assert!(matches!(joined, Err(EnrolError::Disconnect { cause: Disconnect::Busy, .. })), "{joined:?}");
    // Who renews, or replicates, does not suffer for it.
    let site = hub.fleet.endpoint("store-1");
    let (renewed, asked) = tokio::join!(site.renew(hub.address(), "hub"), hub.grant_all());
    assert!(renewed.is_ok() && asked.is_ok(), "{renewed:?} {asked:?}");
    let (dialled, accepted) = meet(&site, &hub.endpoint, "hub").await;
    assert!(dialled.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn who_says_nothing_is_dropped_at_the_deadline() {
    let hub = Hub::new();
    let verifier = Arc::new(verifiers::FingerprintVerifier::new(hub.token().fingerprint));
    let endpoint = quinn::Endpoint::client(LOCAL).unwrap();
    let config = crate::tls::joining(verifier);
    let connecting = endpoint.connect_with(config, hub.address(), "hub").unwrap();
    let (dialled, asked) =
        tokio::join!(connecting, async { hub.endpoint.accept().await.unwrap().ask().await });
    assert!(dialled.is_ok());
    assert!(matches!(asked, Err(AcceptError::TimedOut { .. })), "{asked:?}");
    let joins = hub.endpoint.attempts(Purpose::Join);
    assert_eq!((joins.in_flight(), joins.charged()), (0, 1), "its place is free, and its address pays");
}
