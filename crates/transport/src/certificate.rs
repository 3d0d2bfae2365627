//! What a certificate says about a replica.

use std::fmt;

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::name::{NameError, check_name};

/// The bytes before the 32 of an Ed25519 public key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Who is at the other end of a connection, as its verified certificate says.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The replica's name, as `store-367`.
    pub name: String,
    /// The replica's Ed25519 public key.
    pub public_key: [u8; 32],
}

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (", self.name)?;
        self.public_key.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        formatter.write_str(")")
    }
}

/// Why a certificate does not say who a replica is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are no X.509 certificate.
    #[error("not an X.509 certificate")]
    Malformed,
    /// A replica's certificate has one name.
    #[error("certificate carries {count} DNS names, a replica's carries 1")]
    NameCount {
        /// The names it carries.
        count: usize,
    },
    /// Its name is none that a replica can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Its key is of another kind.
    #[error("certificate's key is not an Ed25519 key")]
    KeyKind,
    /// The other end showed none.
    #[error("no certificate was shown")]
    Absent,
    /// It ends before one of those begins that it was shown with.
    #[error("certificate and those of the authorities above it are at no time all valid")]
    NeverValid,
}

impl Peer {
    /// Reads name and key. Says nothing about who signed the certificate.
    pub(crate) fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let certificate = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::Malformed)?;
        let mut names = certificate.valid_dns_names();
        let (Some(name), None) = (names.next(), names.next()) else {
            return Err(CertificateError::NameCount { count: certificate.valid_dns_names().count() });
        };
        check_name(name)?;
        let key = certificate.subject_public_key_info();
        let public_key = key
            .strip_prefix(ED25519_PREFIX.as_slice())
            .and_then(|key| key.try_into().ok())
            .ok_or(CertificateError::KeyKind)?;
        Ok(Self { name: name.to_owned(), public_key })
    }

    /// Reads who a connection's verified certificate names.
    pub(crate) fn of_connection(connection: &quinn::Connection) -> Result<Self, CertificateError> {
        Self::from_certificate(chain_of(connection)?.first().ok_or(CertificateError::Absent)?)
    }
}

/// The verified certificates of a connection's other end, its own first.
pub(crate) fn chain_of(
    connection: &quinn::Connection,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let identity = connection.peer_identity().ok_or(CertificateError::Absent)?;
    identity.downcast().map(|chain| *chain).map_err(|_| CertificateError::Absent)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;

    fn certificate(names: &[&str], kind: &'static rcgen::SignatureAlgorithm) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate_for(kind).unwrap();
        CertificateParams::new(names).unwrap().self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn name_and_key_are_read() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let certificate =
            CertificateParams::new(vec!["store-367".to_owned()]).unwrap().self_signed(&key).unwrap();
        let peer = Peer::from_certificate(certificate.der()).unwrap();
        assert_eq!((peer.name.as_str(), peer.public_key.as_slice()), ("store-367", key.public_key_raw()));
    }

    #[test]
    fn certificates_of_others_are_refused() {
        let check = |names: &[&str], kind, expected| {
            assert_eq!(Peer::from_certificate(&certificate(names, kind)), Err(expected), "{names:?}");
        };
        check(&[], &PKCS_ED25519, CertificateError::NameCount { count: 0 });
        check(&["a1", "b1"], &PKCS_ED25519, CertificateError::NameCount { count: 2 });
        check(&["*.shop.example"], &PKCS_ED25519, NameError { name: "*.shop.example".to_owned() }.into());
        check(&["hub"], &PKCS_ECDSA_P256_SHA256, CertificateError::KeyKind);
    }

    #[test]
    fn damaged_certificates_never_panic() {
        let whole = certificate(&["hub"], &PKCS_ED25519);
        for end in 0..whole.len() {
            let part = CertificateDer::from_slice(&whole[..end]);
            assert_eq!(Peer::from_certificate(&part), Err(CertificateError::Malformed), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0xff;
            let _ = Peer::from_certificate(&damaged.into());
        }
    }
}
