//! The fleet's authority, which signs the certificates of its replicas.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, date_time_ymd,
};

use crate::certificate::{CertificateError, Peer};
use crate::enrolment::Fingerprint;
use crate::identity::{
    AUTHORITY_FILE, CERTIFICATE_FILE, IdentityError, KEY_FILE, read_certificate, read_key,
};
use crate::issued::IssuedCertificate;
use crate::key::new_key;
use crate::limits::{AUTHORITY_VALIDITY, LEAF_VALIDITY};
use crate::name::{NameError, check_name};
use crate::pem_file::{FileError, NewFile, read_public, write_new};
use crate::signing_request::OtherKey;
use crate::validity::Validity;

/// The last date that a certificate can have: 9999-12-31 (RFC 5280, section 4.1.2.5).
const DATE_MAX: Duration = Duration::from_secs(253_402_300_799);

const AUTHORITY_KEY_FILE: &str = "authority-key.pem";

/// The authority of a fleet: whoever holds its key decides which replicas belong to the fleet.
///
/// Its key is needed to issue identities only. A hub that enrols sites has it; where identities are issued by hand no
/// running replica does: keep it off line.
pub struct Authority {
    name: String,
    key: KeyPair,
    certificate_pem: String,
    fingerprint: Fingerprint,
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
        let key = new_key().map_err(|_| AuthorityError::Signing)?;
        let validity = Validity::issued(now(), AUTHORITY_VALIDITY);
        let certificate = authority_params(name, validity)?.self_signed(&key);
        let certificate = certificate.map_err(|_| AuthorityError::Signing)?;
        let fingerprint = Fingerprint::of(certificate.der());
        Ok(Self { name: name.to_owned(), key, certificate_pem: certificate.pem(), fingerprint })
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
        let certificate = read_certificate(&path)?;
        let own = Peer::from_certificate(&certificate)
            .map_err(|source| AuthorityError::Certificate { path: path.clone(), source })?;
        if own.public_key != key.public_key_raw() {
            return Err(AuthorityError::KeyMismatch { key: key_path, certificate: path });
        }
        let certificate_pem = String::from_utf8(read_public(&path)?)
            .map_err(|_| IdentityError::NoCertificate { path: path.clone() })?;
        Ok(Self { name: own.name, key, certificate_pem, fingerprint: Fingerprint::of(&certificate) })
    }

    /// The authority's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a join token names it by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Makes an identity for the replica `name`, valid for a year, and writes its three files into
    /// `directory`; the key only its owner may read, and it is kept nowhere else.
    ///
    /// # Errors
    /// If `name` is not one DNS label, one of the files exists, or the file system refuses.
    pub fn issue(&self, name: &str, directory: &Path) -> Result<(), AuthorityError> {
        self.issue_for(name, directory, Validity::issued(now(), LEAF_VALIDITY))
    }

    /// Signs a certificate that binds `name` to a key that somebody else has, from `now`, the wall time since 1970, for
    /// `lifetime`.
    ///
    /// # Errors
    /// If `name` is not one DNS label.
    pub fn certify(
        &self,
        name: &str,
        public_key: &[u8; 32],
        now: Duration,
        lifetime: Duration,
    ) -> Result<IssuedCertificate, AuthorityError> {
        check_name(name)?;
        let validity = Validity::issued(now, lifetime);
        let certificate = self.sign(name, &OtherKey(*public_key), validity)?;
        Ok(IssuedCertificate::new(certificate.der().to_vec(), validity))
    }

    fn sign(
        &self,
        name: &str,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<rcgen::Certificate, AuthorityError> {
        // The validity of these parameters is not used: of an issuer only its name and key count.
        let issuer = Issuer::new(authority_params(&self.name, validity)?, &self.key);
        replica_params(name, validity)?.signed_by(key, &issuer).map_err(|_| AuthorityError::Signing)
    }

    pub(crate) fn issue_for(
        &self,
        name: &str,
        directory: &Path,
        validity: Validity,
    ) -> Result<(), AuthorityError> {
        check_name(name)?;
        let key = new_key().map_err(|_| AuthorityError::Signing)?;
        let certificate = self.sign(name, &key, validity)?.pem();
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

/// A clock before 1970 counts as 1970: the certificate is refused by peers with a right clock.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
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
    params.not_before = epoch + validity.start.min(DATE_MAX);
    params.not_after = epoch + validity.end.min(DATE_MAX);
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
    fn a_certificate_for_a_key_that_others_have_is_as_one_that_was_issued() {
        let authority = Authority::create("fleet").unwrap();
        let key = new_key().unwrap();
        let public_key: [u8; 32] = key.public_key_raw().try_into().unwrap();
        let (now, lifetime) = (Duration::from_secs(1_795_000_000), Duration::from_secs(60));
        let issued = authority.certify("store-367", &public_key, now, lifetime).unwrap();
        let peer = Peer::from_certificate(&issued.der().into()).unwrap();
        assert_eq!(peer, Peer { name: "store-367".to_owned(), public_key });
        assert_eq!(issued.validity(), Validity::issued(now, lifetime));
        assert!(matches!(authority.certify("Hub", &public_key, now, lifetime), Err(AuthorityError::Name(_))));
        // A clock that is out of all bounds makes no panic.
        assert!(authority.certify("store-367", &public_key, Duration::MAX, Duration::MAX).is_ok());
        assert!(authority.certify("store-367", &public_key, Duration::ZERO, Duration::ZERO).is_ok());
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
