//! The secret of an invitation, and what the hub keeps of it.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Length of a secret, in bytes: too many to guess, so that a plain hash of it can be kept.
pub(crate) const SECRET_BYTES: usize = 16;

/// What proves that somebody was invited. Only who was given the token has it; the hub keeps a [`SecretHash`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JoinSecret([u8; SECRET_BYTES]);

/// What the hub keeps of a secret. The secret cannot be found from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl JoinSecret {
    /// A secret of unpredictable bytes.
    #[must_use]
    pub const fn new(random: [u8; SECRET_BYTES]) -> Self {
        Self(random)
    }

    pub(crate) fn bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// What the hub keeps.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        let hasher = Sha256::new().chain_update(b"isle join secret").chain_update(self.0);
        SecretHash(hasher.finalize().into())
    }
}

impl SecretHash {
    /// Whether it is of this secret. Takes the same time whatever differs.
    #[must_use]
    pub fn is_of(&self, secret: &JoinSecret) -> bool {
        bool::from(self.0.ct_eq(&secret.hash().0))
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JoinSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_secret() {
        let secret = JoinSecret::new([7; SECRET_BYTES]);
        assert!(secret.hash().is_of(&secret));
        for byte in 0..SECRET_BYTES {
            let mut other = [7; SECRET_BYTES];
            other[byte] ^= 1;
            assert!(!secret.hash().is_of(&JoinSecret::new(other)), "{byte}");
        }
        assert!(!format!("{secret:?}").contains('7'));
    }
}
