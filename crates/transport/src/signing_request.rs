//! Requests to sign a certificate (PKCS #10): they prove that their sender has the key.

use rcgen::{CertificateParams, CertificateSigningRequestParams, KeyPair, PKCS_ED25519, PublicKeyData};
use rustls_pki_types::CertificateSigningRequestDer;

/// Why a request is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SigningRequestError {
    /// It cannot be read, or its signature is by another key.
    #[error("it is no PKCS #10 request that its own key has signed")]
    Malformed,
    /// Its key is of another kind.
    #[error("its key is not an Ed25519 key")]
    KeyKind,
}

/// An Ed25519 public key that somebody else has the private key of.
pub(crate) struct OtherKey(pub(crate) [u8; 32]);

impl PublicKeyData for OtherKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// Asks for a certificate of `key`; `None` when the system has no randomness. It names nobody: who signs it knows whom
/// it is for.
pub(crate) fn write(key: &KeyPair) -> Option<Vec<u8>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serialize_request(key).ok().map(|request| request.der().to_vec())
}

/// The public key of a request, whose private key its sender has. Nothing else in it counts.
pub(crate) fn read(request: &[u8]) -> Result<[u8; 32], SigningRequestError> {
    let request = CertificateSigningRequestDer::from(request);
    let read = CertificateSigningRequestParams::from_der(&request);
    let key = read.map_err(|_| SigningRequestError::Malformed)?.public_key;
    if PublicKeyData::algorithm(&key) != &PKCS_ED25519 {
        return Err(SigningRequestError::KeyKind);
    }
    key.der_bytes().try_into().map_err(|_| SigningRequestError::KeyKind)
}

#[cfg(test)]
mod tests {
    use rcgen::PKCS_ECDSA_P256_SHA256;

    use super::*;

    fn key() -> KeyPair {
        KeyPair::generate_for(&PKCS_ED25519).unwrap()
    }

    #[test]
    fn a_request_says_its_key_whatever_it_is_named() {
        let key = key();
        let own = write(&key).unwrap();
        assert_eq!(read(&own).unwrap(), key.public_key_raw());
        let named = CertificateParams::new(["hub".to_owned()]).unwrap().serialize_request(&key).unwrap();
        assert_eq!(read(named.der()).unwrap(), key.public_key_raw());
    }

    #[test]
    fn another_kind_of_key_is_refused() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        assert_eq!(read(request.der()), Err(SigningRequestError::KeyKind));
    }

    #[test]
    fn a_damaged_request_is_refused_and_never_panics() {
        let whole = write(&key()).unwrap();
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Err(SigningRequestError::Malformed), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x01;
            // The algorithm that it says it was signed with counts for nothing: the key decides it.
            assert!(read(&damaged).is_err() || read(&damaged) == read(&whole), "flipped at {at}");
        }
    }
}
