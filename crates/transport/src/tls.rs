//! TLS 1.3 and QUIC settings of both ends.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::certificate::Peer;
use crate::enrolment::{GraceVerifier, Purpose};
use crate::identity::Identity;
use crate::limits::{
    CONNECTION_WINDOW_BYTES, IDLE_TIMEOUT_MS, INCOMING_BYTES_MAX, INCOMING_BYTES_TOTAL_MAX, INCOMING_MAX,
    KEEP_ALIVE_INTERVAL, LANE_STREAMS_MAX, SEND_WINDOW_BYTES, STREAM_WINDOW_BYTES, STREAMS_MAX,
};

/// Ed25519 alone: what no replica uses need not be parsed from strangers.
pub(crate) const SIGNATURE_ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::ring::ED25519],
    mapping: &[(SignatureScheme::ED25519, &[webpki::ring::ED25519])],
};

const INVARIANT: &str = "ring has TLS 1.3 and AES-128-GCM, and an identity has an authority";

/// The cryptography provider, given explicitly so that nothing depends on a process-wide default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let provider = ring::default_provider();
    Arc::new(CryptoProvider { signature_verification_algorithms: SIGNATURE_ALGORITHMS, ..provider })
}

/// Settings of the accepting end.
///
/// To replicate, the dialler must show a valid certificate of the fleet's authority; to renew, one whose end is not longer
/// ago than `grace`. Who joins shows none, and is shown the authority's, which it knows the fingerprint of.
#[expect(
    clippy::expect_used,
    reason = "fails only without TLS 1.3, AES-128-GCM or an authority; all are here"
)]
pub(crate) fn accepting(identity: &Identity, purpose: Purpose, grace: Duration) -> quinn::ServerConfig {
    let verifier = || WebPkiClientVerifier::builder_with_provider(identity.roots.clone(), provider());
    let verifier = || verifier().build().expect(INVARIANT);
    let verifier: Arc<dyn ClientCertVerifier> = match purpose {
        Purpose::Replication => verifier(),
        Purpose::Renewal => Arc::new(GraceVerifier::new(verifier(), grace)),
        Purpose::Join => Arc::new(NoClientAuth),
    };
    let mut certified = CertifiedKey::clone(&identity.certified);
    if purpose == Purpose::Join {
        certified.cert.push(identity.authority.clone());
    }
    let tls = answering(verifier, certified, purpose.protocol());
    let quic = QuicServerConfig::try_from(tls).expect(INVARIANT);
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(quic));
    config
        .transport_config(Arc::new(transport(STREAMS_MAX, lane_streams(purpose))))
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    config
}

/// Settings towards services: they may show a valid certificate of the fleet's authority, and speak HTTP/1.1.
#[expect(clippy::expect_used, reason = "fails only without an authority; an identity has one")]
pub(crate) fn serving(identity: &Identity) -> rustls::ServerConfig {
    let verifier = WebPkiClientVerifier::builder_with_provider(identity.roots.clone(), provider());
    let verifier = verifier.allow_unauthenticated().build().expect(INVARIANT);
    answering(verifier, CertifiedKey::clone(&identity.certified), b"http/1.1")
}

#[expect(clippy::expect_used, reason = "fails only without TLS 1.3; ring has it")]
fn answering(
    verifier: Arc<dyn ClientCertVerifier>,
    certified: CertifiedKey,
    protocol: &[u8],
) -> rustls::ServerConfig {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect(INVARIANT)
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls.max_early_data_size = 0;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    tls
}

/// Settings of who joins: it shows no certificate, and judges the other end's by `verifier`.
pub(crate) fn joining(verifier: Arc<dyn ServerCertVerifier>) -> quinn::ClientConfig {
    let own = ClientOwn::Nothing;
    dialling(verifier, own, Purpose::Join, Arc::new(transport(0, 0)))
}

/// What a dialler shows.
enum ClientOwn {
    Nothing,
    Certificate(Arc<SingleCertAndKey>),
}

#[expect(clippy::expect_used, reason = "fails only without TLS 1.3 or AES-128-GCM; ring has them")]
fn dialling(
    verifier: Arc<dyn ServerCertVerifier>,
    own: ClientOwn,
    purpose: Purpose,
    transport: Arc<TransportConfig>,
) -> quinn::ClientConfig {
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect(INVARIANT)
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut tls = match own {
        ClientOwn::Nothing => tls.with_no_client_auth(),
        ClientOwn::Certificate(own) => tls.with_client_cert_resolver(own),
    };
    tls.alpn_protocols = vec![purpose.protocol().to_vec()];
    tls.enable_early_data = false;
    tls.resumption = Resumption::disabled();
    // Every replica has one name; sending it would only show it to the network.
    tls.enable_sni = false;

    let quic = QuicClientConfig::try_from(tls).expect(INVARIANT);
    let mut config = quinn::ClientConfig::new(Arc::new(quic));
    config.transport_config(transport);
    purpose.mark_on(&mut config);
    config
}

/// Settings of the dialling end; what differs from call to call is made by [`Dialling::config`].
#[derive(Debug)]
pub(crate) struct Dialling {
    verifier: Arc<WebPkiServerVerifier>,
    own: Arc<SingleCertAndKey>,
    transport: Arc<TransportConfig>,
}

impl Dialling {
    #[expect(clippy::expect_used, reason = "fails only without an authority; an identity has one")]
    pub(crate) fn new(identity: &Identity) -> Self {
        let verifier = WebPkiServerVerifier::builder_with_provider(identity.roots.clone(), provider());
        Self {
            verifier: verifier.build().expect(INVARIANT),
            own: Arc::new(SingleCertAndKey::from(identity.certified.clone())),
            transport: Arc::new(transport(0, LANE_STREAMS_MAX)),
        }
    }

    /// Settings of one call, and where the name of a wrong answerer will be found.
    /// The peer may have `window_bytes` unread under way on each stream.
    pub(crate) fn config(
        &self,
        purpose: Purpose,
        window_bytes: u32,
    ) -> (quinn::ClientConfig, Arc<NameVerifier>) {
        let transport = match window_bytes {
            STREAM_WINDOW_BYTES => self.transport.clone(),
            _ => Arc::new(narrow(transport(0, LANE_STREAMS_MAX), window_bytes)),
        };
        let verifier = Arc::new(NameVerifier { inner: self.verifier.clone(), answered: OnceLock::new() });
        let own = ClientOwn::Certificate(self.own.clone());
        (dialling(verifier.clone(), own, purpose, transport), verifier)
    }
}

/// rustls' own verification, which also keeps the name of a replica of this fleet that answered in place of
/// the expected one. Decides nothing itself.
#[derive(Debug)]
pub(crate) struct NameVerifier {
    inner: Arc<WebPkiServerVerifier>,
    answered: OnceLock<String>,
}

impl NameVerifier {
    /// The name of the replica that answered, if that is why it was refused.
    pub(crate) fn wrong_name(&self) -> Option<&str> {
        self.answered.get().map(String::as_str)
    }
}

impl ServerCertVerifier for NameVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        expected: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified =
            self.inner.verify_server_cert(certificate, intermediates, expected, ocsp_response, now);
        if let Err(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) = &verified
            && let Ok(peer) = Peer::from_certificate(certificate)
        {
            let _ = self.answered.set(peer.name);
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Only replication has lanes.
fn lane_streams(purpose: Purpose) -> u32 {
    if purpose == Purpose::Replication { LANE_STREAMS_MAX } else { 0 }
}

/// Each lane has a window of its own: what is long takes nothing of what may not wait.
fn narrow(mut transport: TransportConfig, window_bytes: u32) -> TransportConfig {
    let lanes = 1 + LANE_STREAMS_MAX;
    transport
        .stream_receive_window(VarInt::from_u32(window_bytes))
        .receive_window(VarInt::from_u32(window_bytes.saturating_mul(lanes)));
    transport
}

/// What one connection may take. Segmentation offload stays on, as it is by default: without it sending
/// costs three times the processor time.
pub(crate) fn transport(streams_max: u32, lane_streams_max: u32) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL))
        .max_concurrent_bidi_streams(VarInt::from_u32(streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(lane_streams_max))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0);
    transport
}
