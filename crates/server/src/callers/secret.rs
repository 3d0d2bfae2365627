//! A token's text, and what is kept of it.
//!
//! `isle-token-` and 64 hexadecimal digits: 32 unpredictable bytes, too many to guess, so that a plain hash can be kept. The
//! prefix tells people, and programs that look for secrets in sources and logs, what it is.

use crate::config::PublicKey;
use crate::random::{self, RandomError};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq as _;

const PREFIX: &str = "isle-token-";
const RANDOM_BYTES: usize = 32;
/// Length of a token's text. Anything else is none, and is not hashed.
const TEXT_BYTES: usize = PREFIX.len() + 2 * RANDOM_BYTES;

/// Keeps the hash from being one of the same bytes elsewhere.
const CONTEXT: &str = "isle 2026-11 token of a service";

/// What a service shows. It is printed once.
pub(crate) struct Secret(String);

/// What is kept of a secret, in hexadecimal. The secret cannot be found from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SecretHash(PublicKey);

impl Secret {
    /// An unpredictable one.
    pub(super) fn draw() -> Result<Self, RandomError> {
        random::bytes::<RANDOM_BYTES>().map(Self::of)
    }

    pub(super) fn of(random: [u8; RANDOM_BYTES]) -> Self {
        Self(random.iter().fold(PREFIX.to_owned(), |text, byte| text + &format!("{byte:02x}")))
    }

    /// The text for whoever gets the token.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl SecretHash {
    /// Of what somebody shows; `None` when it has not the length of a token.
    pub(super) fn of(text: &str) -> Option<Self> {
        let is_long_enough = text.len() == TEXT_BYTES;
        is_long_enough.then(|| Self(PublicKey(blake3::derive_key(CONTEXT, text.as_bytes()))))
    }

    /// Takes the same time wherever they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        bool::from(self.0.0.ct_eq(&other.0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_of_its_bytes_alone_and_says_what_it_is() {
        let secret = Secret::of([0xa5; 32]);
        assert_eq!(secret.text(), format!("isle-token-{}", "a5".repeat(32)));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_ne!(Secret::draw().unwrap().text(), Secret::draw().unwrap().text());
    }

    #[test]
    fn a_hash_is_of_one_text_and_of_none_of_another_length() {
        let secret = Secret::of([7; 32]);
        let hash = SecretHash::of(secret.text()).unwrap();
        assert!(hash.is(&SecretHash::of(secret.text()).unwrap()));
        for at in 0..TEXT_BYTES {
            let mut text = secret.text().to_owned().into_bytes();
            text[at] ^= 1;
            let other = SecretHash::of(std::str::from_utf8(&text).unwrap()).unwrap();
            assert!(!hash.is(&other), "{at}");
        }
        for text in ["", "isle-token-", &secret.text()[1..], &format!("{}0", secret.text())] {
            assert_eq!(SecretHash::of(text), None, "{text}");
        }
    }
}
