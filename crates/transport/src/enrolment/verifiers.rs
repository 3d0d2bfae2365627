//! Whose certificate is accepted while a site joins or renews.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::token::Fingerprint;
use crate::tls::{SIGNATURE_ALGORITHMS, provider};

/// rustls' own verification, to which a certificate that has run out counts as valid for a while. So does one that is not
/// valid yet: a hub whose clock ran ahead gave it, and takes it back for one of the right time.
#[derive(Debug)]
pub(crate) struct GraceVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    grace: Duration,
}

impl GraceVerifier {
    pub(crate) fn new(inner: Arc<dyn ClientCertVerifier>, grace: Duration) -> Self {
        Self { inner, grace }
    }
}

impl ClientCertVerifier for GraceVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        match self.inner.verify_client_cert(certificate, intermediates, now) {
            Err(TlsError::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }))
                if now.as_secs().saturating_sub(not_after.as_secs()) <= self.grace.as_secs() =>
            {
                // All else is checked as at its last moment.
                self.inner.verify_client_cert(certificate, intermediates, not_after)
            }
            Err(TlsError::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before, ..
            })) => self.inner.verify_client_cert(certificate, intermediates, not_before),
            verified => verified,
        }
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

/// Accepts the replica of the expected name whose certificate an authority of this fingerprint signed. The authority's
/// own certificate comes with it.
#[derive(Debug)]
pub(crate) struct FingerprintVerifier {
    fingerprint: Fingerprint,
    authority: OnceLock<CertificateDer<'static>>,
}

impl FingerprintVerifier {
    pub(crate) fn new(fingerprint: Fingerprint) -> Self {
        Self { fingerprint, authority: OnceLock::new() }
    }

    /// The authority's certificate, once the other end has shown it.
    pub(crate) fn authority(&self) -> Option<&CertificateDer<'static>> {
        self.authority.get()
    }
}

impl ServerCertVerifier for FingerprintVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        expected: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let unknown = || TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let is_expected = |shown: &&CertificateDer<'_>| Fingerprint::of(shown) == self.fingerprint;
        let authority = intermediates.iter().find(is_expected).ok_or_else(unknown)?.clone().into_owned();
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let verifier = verifier.map_err(|_| unknown())?;
        let _ = self.authority.set(authority);
        verifier.verify_server_cert(certificate, &[], expected, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &SIGNATURE_ALGORITHMS)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &SIGNATURE_ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SIGNATURE_ALGORITHMS.supported_schemes()
    }
}
