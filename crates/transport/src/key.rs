//! New keys.

use rcgen::{Error, KeyPair, PKCS_ED25519};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// What stands before the 32 secret bytes of an Ed25519 key in PKCS #8 version 1 (RFC 8410, section 7).
const PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Where they stand in version 2, which has the public key behind them.
const SECRET: std::ops::Range<usize> = 16..48;

/// A new Ed25519 key, in the form that OpenSSL 3.0 and what is built on it read too: those know no version 2, as ring makes.
///
/// # Errors
/// If the system gives no randomness.
pub(crate) fn new_key() -> Result<KeyPair, Error> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let Some(secret) = key.serialized_der().get(SECRET) else { return Ok(key) };
    let plain = PrivatePkcs8KeyDer::from([&PREFIX, secret].concat());
    KeyPair::from_pkcs8_der_and_sign_algo(&plain, &PKCS_ED25519)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_in_version_1_and_stays_the_same_key() {
        let drawn = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let whole = drawn.serialized_der();
        assert_eq!(whole[12..16], PREFIX[12..], "the secret stands where it should");
        let plain = PrivatePkcs8KeyDer::from([&PREFIX, &whole[SECRET]].concat());
        let plain = KeyPair::from_pkcs8_der_and_sign_algo(&plain, &PKCS_ED25519).unwrap();
        assert_eq!(plain.public_key_raw(), drawn.public_key_raw());
        let key = new_key().unwrap();
        assert_eq!(key.serialized_der().strip_prefix(PREFIX.as_slice()).unwrap().len(), 32);
    }
}
