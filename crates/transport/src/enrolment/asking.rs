//! The site's end: it asks for its first certificate, or for the next one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use minicbor::Encode;
use quinn::{ReadError, ReadToEndError, WriteError};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::time::{Instant, timeout_at};

use super::error::{EnrolError, Expected};
use super::message::{AnswerMessage, Certified, GrantedSpace, JoinMessage, RenewalMessage, decode, encode};
use super::purpose::Purpose;
use super::site_key::SiteKey;
use super::token::JoinToken;
use super::verifiers::FingerprintVerifier;
use crate::certificate::Peer;
use crate::disconnect::{Disconnect, close};
use crate::endpoint::Credentials;
use crate::identity::{AUTHORITY_FILE, validity_under};
use crate::issued::{IssuedCertificate, pem};
use crate::limits::{
    ENROLMENT_ANSWER_BYTES_MAX, ENROLMENT_DEADLINE, HANDSHAKE_DEADLINE, STREAM_WINDOW_BYTES,
};
use crate::name::check_name;
use crate::pem_file::{FileError, NewFile, replace};
use crate::signing_request;
use crate::socket::BindError;
use crate::tls::joining;

/// A site that was let in.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The hub.
    pub hub: Peer,
    /// What the site may do, by space.
    pub spaces: Vec<GrantedSpace>,
    certificate: IssuedCertificate,
    authority: CertificateDer<'static>,
}

/// A certificate that follows another.
#[derive(Clone, Debug)]
pub struct Renewed {
    certificate: IssuedCertificate,
}

impl Joined {
    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &IssuedCertificate {
        &self.certificate
    }

    /// Writes `authority.pem` and `certificate.pem` beside the key. The certificate comes last: with it the identity is
    /// whole.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn save(&self, identity: &Path) -> Result<(), FileError> {
        let content = pem("CERTIFICATE", &self.authority);
        replace(identity, &NewFile { name: AUTHORITY_FILE, content: &content, private: false })?;
        self.certificate.replace_in(identity)
    }
}

impl Renewed {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &IssuedCertificate {
        &self.certificate
    }
}

/// Asks the hub of `token`, at `address`, for a certificate of `key`. May be called again with the same key when the answer
/// was lost.
///
/// # Errors
/// See [`EnrolError`].
pub async fn join(token: &JoinToken, address: SocketAddr, key: &SiteKey) -> Result<Joined, EnrolError> {
    token.check()?;
    let message = JoinMessage {
        site: token.site.clone(),
        secret: *token.secret.bytes(),
        signing_request: signing_request::write(&key.key).ok_or(EnrolError::Signing)?,
    };
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let own_address = SocketAddr::new(any, 0);
    let bound = quinn::Endpoint::client(own_address);
    let endpoint = bound.map_err(|source| BindError::Socket { address: own_address, source })?;
    let verifier = Arc::new(FingerprintVerifier::new(token.fingerprint));
    let config = joining(verifier.clone());
    let expected = Expected { address, hub: &token.hub, fingerprint: Some(token.fingerprint) };
    let (hub, answer) = ask(&endpoint, config, &expected, &message).await?;
    // So that the hub need not wait for the end of the connection.
    endpoint.wait_idle().await;
    let (certificate, spaces) = answer;
    let authority = verifier.authority().ok_or(EnrolError::Answer)?.clone();
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).map_err(|_| EnrolError::Answer)?;
    let own = Peer { name: token.site.clone(), public_key: key.public_key() };
    let certificate = checked(certificate, &own, &roots)?;
    Ok(Joined { hub, spaces, certificate, authority })
}

/// Asks the hub for the certificate that follows the one in `credentials`.
pub(crate) async fn renew(
    endpoint: &quinn::Endpoint,
    credentials: &Credentials,
    address: SocketAddr,
    hub: &str,
) -> Result<Renewed, EnrolError> {
    check_name(hub)?;
    let (config, _verifier) = credentials.dialling.config(Purpose::Renewal, STREAM_WINDOW_BYTES);
    let expected = Expected { address, hub, fingerprint: None };
    let (_, (certificate, _)) = ask(endpoint, config, &expected, &RenewalMessage {}).await?;
    let identity = &credentials.identity;
    let own = Peer { name: identity.name().to_owned(), public_key: identity.public_key() };
    Ok(Renewed { certificate: checked(certificate, &own, &identity.roots)? })
}

/// The certificate, if it is one of `own` under the authority, and valid by the clock here. A hub whose clock is wrong gives
/// certificates that nobody takes, it neither once its clock is right: the old one is better.
fn checked(der: Vec<u8>, own: &Peer, roots: &RootCertStore) -> Result<IssuedCertificate, EnrolError> {
    let certificate = CertificateDer::from(der);
    let peer = Peer::from_certificate(&certificate).map_err(|_| EnrolError::Answer)?;
    let validity = validity_under(&certificate, &[], roots).filter(|_| peer == *own);
    let validity = validity.ok_or(EnrolError::Answer)?;
    let now = UnixTime::now().as_secs();
    if now < validity.start.as_secs() || now > validity.end.as_secs() {
        return Err(EnrolError::Clock);
    }
    Ok(IssuedCertificate::new(certificate.to_vec(), validity))
}

/// One question and its answer.
async fn ask<M: Encode<()>>(
    endpoint: &quinn::Endpoint,
    config: quinn::ClientConfig,
    expected: &Expected<'_>,
    message: &M,
) -> Result<(Peer, Certified), EnrolError> {
    let address = expected.address;
    let connecting = endpoint.connect_with(config, address, expected.hub);
    let mut connecting = connecting.map_err(|_| EnrolError::Address { address })?;
    let deadline = Instant::now() + HANDSHAKE_DEADLINE;
    match timeout_at(deadline, connecting.handshake_data()).await {
        Ok(Ok(_)) => {}
        Ok(Err(quinn::ConnectionError::TimedOut)) | Err(_) => return Err(EnrolError::NoAnswer { address }),
        Ok(Err(error)) => return Err(expected.failed(Disconnect::from_quinn(error))),
    }
    let answered = timeout_at(deadline + ENROLMENT_DEADLINE, exchange(connecting, expected, message)).await;
    answered.unwrap_or(Err(EnrolError::TimedOut { address }))
}

async fn exchange<M: Encode<()>>(
    connecting: quinn::Connecting,
    expected: &Expected<'_>,
    message: &M,
) -> Result<(Peer, Certified), EnrolError> {
    let lost = |error| expected.failed(Disconnect::from_quinn(error));
    let connection = connecting.await.map_err(lost)?;
    let hub = Peer::of_connection(&connection).map_err(|_| EnrolError::Answer)?;
    let (mut sender, mut receiver) = connection.open_bi().await.map_err(lost)?;
    let written = sender.write_all(&encode(message)).await;
    // Whoever stopped reading answers all the same.
    if let Err(WriteError::ConnectionLost(error)) = written {
        return Err(lost(error));
    }
    let _ = sender.finish();
    let answer = match receiver.read_to_end(ENROLMENT_ANSWER_BYTES_MAX).await {
        Ok(bytes) => decode(&bytes).and_then(AnswerMessage::read).ok_or(EnrolError::Answer),
        Err(ReadToEndError::Read(ReadError::ConnectionLost(error))) => Err(lost(error)),
        Err(ReadToEndError::Read(_) | ReadToEndError::TooLong) => Err(EnrolError::Answer),
    };
    close(&connection, "the answer is here");
    Ok((hub, answer?.map_err(|refusal| EnrolError::Refused { refusal })?))
}
