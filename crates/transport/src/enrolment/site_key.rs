//! The key of a site that has no certificate yet.

use std::fmt;
use std::path::Path;

use rcgen::{KeyPair, PKCS_ED25519};

use crate::identity::{CERTIFICATE_FILE, IdentityError, KEY_FILE, read_key};
use crate::key::new_key;
use crate::pem_file::{FileError, NewFile, write_new};

/// An Ed25519 key in a file that only its owner may read. It is written before anything is asked for it, so that who lost
/// the hub's answer asks again with the same key.
pub struct SiteKey {
    pub(crate) key: KeyPair,
    public_key: [u8; 32],
}

/// Why there is no key to join with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteKeyError {
    /// There is an identity already.
    #[error("{} is there: this replica has an identity already", identity.join(CERTIFICATE_FILE).display())]
    Enrolled {
        /// Where it is.
        identity: std::path::PathBuf,
    },
    /// The key that is there cannot be used.
    #[error(transparent)]
    Unreadable(#[from] IdentityError),
    /// No key was written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system gave no randomness.
    #[error("cannot make a key: is the system's random source there?")]
    Randomness,
}

impl SiteKey {
    /// The key in the directory `identity`, made if it is not there.
    ///
    /// # Errors
    /// If there is a certificate too, others may read the key, or the file system refuses.
    pub fn load_or_make(identity: &Path) -> Result<Self, SiteKeyError> {
        if identity.join(CERTIFICATE_FILE).exists() {
            return Err(SiteKeyError::Enrolled { identity: identity.to_owned() });
        }
        let path = identity.join(KEY_FILE);
        if !path.exists() {
            let key = new_key().map_err(|_| SiteKeyError::Randomness)?;
            let file = NewFile { name: KEY_FILE, content: &key.serialize_pem(), private: true };
            write_new(identity, &[file])?;
        }
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&read_key(&path)?, &PKCS_ED25519);
        let no_key = |path: &Path| IdentityError::NoKey { path: path.to_owned() };
        let key = key.map_err(|_| no_key(&path))?;
        let public_key = key.public_key_raw().try_into().map_err(|_| no_key(&path))?;
        Ok(Self { key, public_key })
    }

    /// Its public half.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.public_key
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SiteKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let identity = directory.path().join("identity");
        let made = SiteKey::load_or_make(&identity).unwrap();
        assert_eq!(SiteKey::load_or_make(&identity).unwrap().public_key(), made.public_key());
        let path = identity.join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = SiteKey::load_or_make(&identity).unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }

    #[test]
    fn an_identity_is_never_given_another_key() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(CERTIFICATE_FILE), "anything").unwrap();
        let refused = SiteKey::load_or_make(directory.path());
        assert!(matches!(refused, Err(SiteKeyError::Enrolled { .. })), "{refused:?}");
        assert!(!directory.path().join(KEY_FILE).exists());
    }
}
