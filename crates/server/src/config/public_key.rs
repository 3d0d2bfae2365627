//! A replica's public key in a configuration.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// An Ed25519 key: 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(pub [u8; 32]);

/// A text that is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' is no public key: it is 64 hexadecimal digits")]
pub struct PublicKeyError {
    /// What was given.
    pub given: String,
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;
    fn try_from(given: String) -> Result<Self, PublicKeyError> {
        let digits: Option<Vec<u8>> =
            given.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let bytes = digits.as_deref().map(|digits| digits.as_chunks::<2>());
        let bytes: Option<Vec<u8>> = bytes.and_then(|(pairs, rest)| {
            rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
        });
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(key) => Ok(Self(key)),
            None => Err(PublicKeyError { given }),
        }
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;
    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        Self::try_from(text.to_owned())
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        let digits = key.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        let key = PublicKey(std::array::from_fn(|byte| u8::try_from(byte * 8).unwrap()));
        assert_eq!(PublicKey::try_from(String::from(key)), Ok(key));
        assert_eq!(PublicKey::try_from("AB".repeat(32)), Ok(PublicKey([0xab; 32])));
        for text in ["".to_owned(), "ab".repeat(31), "ab".repeat(33), "ag".repeat(32), "a".repeat(63)] {
            assert!(PublicKey::try_from(text).is_err());
        }
    }
}
