//! The fleet's authority, which signs the certificates of its replicas.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};

use crate::certificate::{CertificateError, Peer};
use crate::identity::{
    AUTHORITY_FILE, CERTIFICATE_FILE, IdentityError, KEY_FILE, read_certificate, read_key,
};
use crate::limits::{AUTHORITY_VALIDITY, LEAF_VALIDITY, VALIDITY_MARGIN};
use crate::name::{NameError, check_name};
use crate::pem_file::{FileError, NewFile, read_public, write_new};

const AUTHORITY_KEY_FILE: &str = "authority-key.pem";

/// The authority of a fleet: whoever holds its key decides which replicas belong to the fleet.
///
/// Its key is needed to issue identities only, never by a running replica; keep it off line.
pub struct Authority {
    name: String,
    key: KeyPair,
    certificate_pem: String,
}

/// Why an authority could not be made, read, written, or could not issue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The name asked for cannot name a replica or an authority.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A file could not be written, or is there already.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of the authority could not be read.
    #[error(transparent)]
    Unreadable(#[from] IdentityError),
    /// Its certificate was made by something else.
    #[error("{} is no certificate of an authority of this program", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// Two files that do not belong together.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// No key could be made, or nothing signed: the system gave no randomness.
    #[error("cannot make a key or sign with one: is the system's random source there?")]
    Signing,
}

impl Authority {
    /// Makes a new authority with a key of its own. Nothing is written: see [`Authority::save`].
    ///
    /// # Errors
    /// If `name` is not one DNS label, or the system has no randomness.
    pub fn create(name: &str) -> Result<Self, AuthorityError> {
        check_name(name)?;
        let key = new_key()?;
        let validity = Validity::from_now(AUTHORITY_VALIDITY);
        let certificate = authority_params(name, validity)?.self_signed(&key);
        let certificate_pem = certificate.map_err(|_| AuthorityError::Signing)?.pem();
        Ok(Self { name: name.to_owned(), key, certificate_pem })
    }

    /// Writes `authority-key.pem` (readable by its owner only) and `authority.pem` into `directory`.
    ///
    /// # Errors
    /// If one of them exists, or the file system refuses.
    pub fn save(&self, directory: &Path) -> Result<(), AuthorityError> {
        let key = self.key.serialize_pem();
        let files = [
            NewFile { name: AUTHORITY_KEY_FILE, content: &key, private: true },
            NewFile { name: AUTHORITY_FILE, content: &self.certificate_pem, private: false },
        ];
        Ok(write_new(directory, &files)?)
    }

    /// Reads what [`Authority::save`] wrote.
    ///
    /// # Errors
    /// If a file is missing or malformed, if others may read the key, or if the two do not belong together.
    pub fn load(directory: &Path) -> Result<Self, AuthorityError> {
        let key_path = directory.join(AUTHORITY_KEY_FILE);
        let path = directory.join(AUTHORITY_FILE);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&read_key(&key_path)?, &PKCS_ED25519)
            .map_err(|_| IdentityError::NoKey { path: key_path.clone() })?;
        let own = Peer::from_certificate(&read_certificate(&path)?)
            .map_err(|source| AuthorityError::Certificate { path: path.clone(), source })?;
        if own.public_key != key.public_key_raw() {
            return Err(AuthorityError::KeyMismatch { key: key_path, certificate: path });
        }
        let certificate_pem = String::from_utf8(read_public(&path)?)
            .map_err(|_| IdentityError::NoCertificate { path: path.clone() })?;
        Ok(Self { name: own.name, key, certificate_pem })
    }

    /// The authority's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes an identity for the replica `name`, valid for a year, and writes its three files into
    /// `directory`; the key only its owner may read, and it is kept nowhere else.
    ///
    /// # Errors
    /// If `name` is not one DNS label, one of the files exists, or the file system refuses.
    pub fn issue(&self, name: &str, directory: &Path) -> Result<(), AuthorityError> {
        self.issue_for(name, directory, Validity::from_now(LEAF_VALIDITY))
    }

    pub(crate) fn issue_for(
        &self,
        name: &str,
        directory: &Path,
        validity: Validity,
    ) -> Result<(), AuthorityError> {
        check_name(name)?;
        let key = new_key()?;
        // The validity of these parameters is not used: of an issuer only its name and key count.
        let issuer = Issuer::new(authority_params(&self.name, validity)?, &self.key);
        let certificate = replica_params(name, validity)?.signed_by(&key, &issuer);
        let certificate = certificate.map_err(|_| AuthorityError::Signing)?.pem();
        let key = key.serialize_pem();
        let files = [
            NewFile { name: KEY_FILE, content: &key, private: true },
            NewFile { name: CERTIFICATE_FILE, content: &certificate, private: false },
            NewFile { name: AUTHORITY_FILE, content: &self.certificate_pem, private: false },
        ];
        Ok(write_new(directory, &files)?)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Authority({})", self.name)
    }
}

/// From when until when a certificate is valid, since 1970.
#[derive(Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

impl Validity {
    /// A clock before 1970 counts as 1970: the certificate is refused by peers with a right clock.
    pub(crate) fn from_now(length: Duration) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { start: now.saturating_sub(VALIDITY_MARGIN), end: now + length }
    }
}

fn new_key() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate_for(&PKCS_ED25519).map_err(|_| AuthorityError::Signing)
}

/// The authority's name is its subject, and its one DNS name too, where `load` finds it again.
fn authority_params(name: &str, validity: Validity) -> Result<CertificateParams, NameError> {
    let mut params = params(name, validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Replicas dial and accept, so that their certificates serve at both ends.
fn replica_params(name: &str, validity: Validity) -> Result<CertificateParams, NameError> {
    let mut params = params(name, validity)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn params(name: &str, validity: Validity) -> Result<CertificateParams, NameError> {
    let mut params =
        CertificateParams::new([name.to_owned()]).map_err(|_| NameError { name: name.to_owned() })?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + validity.start;
    params.not_after = epoch + validity.end;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_loaded_authority_issues_as_the_one_that_was_saved() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let made = Authority::create("fleet").unwrap();
        made.save(&path("authority")).unwrap();
        let loaded = Authority::load(&path("authority")).unwrap();
        assert_eq!((loaded.name(), &loaded.certificate_pem), ("fleet", &made.certificate_pem));
        loaded.issue("hub", &path("hub")).unwrap();
        assert_eq!(Identity::load(&path("hub")).unwrap().name(), "hub");
        let mode = |file: &str| fs::metadata(path(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("authority/authority-key.pem"), mode("hub/key.pem")), (0o600, 0o600));
    }

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create("fleet").unwrap();
        authority.save(directory.path()).unwrap();
        let saved = authority.save(directory.path());
        assert!(matches!(saved, Err(AuthorityError::File(FileError::Exists { .. }))));

        let hub = directory.path().join("hub");
        authority.issue("hub", &hub).unwrap();
        let key = fs::read(hub.join(KEY_FILE)).unwrap();
        let issued = authority.issue("hub", &hub);
        assert!(matches!(issued, Err(AuthorityError::File(FileError::Exists { .. }))));
        assert_eq!(fs::read(hub.join(KEY_FILE)).unwrap(), key);
    }

    #[test]
    fn names_that_no_replica_can_have_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create("fleet").unwrap();
        for name in ["", "Hub", "a.b", "../hub", "367"] {
            let refused = authority.issue(name, &directory.path().join("new"));
            assert!(matches!(refused, Err(AuthorityError::Name(_))), "{name}");
            assert!(matches!(Authority::create(name), Err(AuthorityError::Name(_))), "{name}");
        }
        assert!(!directory.path().join("new").exists());
    }

    #[test]
    fn another_authoritys_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a"), directory.path().join("b"));
        Authority::create("fleet").unwrap().save(&a).unwrap();
        Authority::create("fleet").unwrap().save(&b).unwrap();
        fs::copy(b.join(AUTHORITY_KEY_FILE), a.join(AUTHORITY_KEY_FILE)).unwrap();
        assert!(matches!(Authority::load(&a), Err(AuthorityError::KeyMismatch { .. })));
    }
}
