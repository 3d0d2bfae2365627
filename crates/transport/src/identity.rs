//! A replica's identity: its key, its certificate and the authority that signed it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::certificate::{CertificateError, Peer, chain_of};
use crate::pem_file::{FileError, read_private, read_public};
use crate::term::Term;
use crate::tls::{SIGNATURE_ALGORITHMS, provider};
use crate::validity::Validity;

pub(crate) const KEY_FILE: &str = "key.pem";
pub(crate) const CERTIFICATE_FILE: &str = "certificate.pem";
pub(crate) const AUTHORITY_FILE: &str = "authority.pem";

/// A replica's Ed25519 key, the certificate that binds it to the replica's name, and the certificate of the
/// authority whose replicas it talks to.
#[derive(Clone)]
pub struct Identity {
    own: Peer,
    validity: Validity,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) roots: Arc<RootCertStore>,
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// One of its files cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds something else.
    #[error("{} holds no PEM certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file holds something else.
    #[error("{} holds no Ed25519 key in PKCS #8 PEM", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The certificate does not name a replica.
    #[error("{} is no certificate of a replica", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// Two files that do not belong together.
    #[error("{} is not the key of {}: issue this replica a new identity", key.display(), certificate.display())]
    KeyMismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// The authority's certificate cannot be one.
    #[error("{} is no certificate of an authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
    },
    /// No peer that trusts this authority would accept the certificate.
    #[error(
        "{} was not issued by {}: take both from the same authority",
        certificate.display(), authority.display()
    )]
    OtherAuthority {
        /// The certificate file.
        certificate: PathBuf,
        /// The authority's certificate file.
        authority: PathBuf,
    },
}

/// Why a certificate is not one of a replica of this fleet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// The text holds something else.
    #[error("it holds no PEM certificate")]
    NoCertificate,
    /// The certificate does not name a replica.
    #[error("it is no certificate of a replica")]
    Certificate(#[from] CertificateError),
    /// No replica of this fleet would accept it.
    #[error(
        "the certificate of {name} was not issued, for use as server and as client, by the authority of this replica"
    )]
    OtherAuthority {
        /// The name in it.
        name: String,
    },
}

impl Identity {
    /// Reads `key.pem`, `certificate.pem` and `authority.pem` from `directory`, and checks that they belong
    /// together. Behind the replica's own certificate may stand those of authorities between it and the one in
    /// `authority.pem`, each after the one that it signed, as peers are shown them (RFC 8446, section 4.4.2).
    ///
    /// Whether the certificate is valid today is not checked: a replica whose certificate has run out
    /// still serves its site, and peers say why they refuse it.
    ///
    /// # Errors
    /// If a file is missing, too long or malformed, if others may read the key, or if the three do not
    /// belong together.
    pub fn load(directory: &Path) -> Result<Self, IdentityError> {
        let key_path = directory.join(KEY_FILE);
        let path = directory.join(CERTIFICATE_FILE);
        let authority_path = directory.join(AUTHORITY_FILE);
        let key = read_key(&key_path)?;
        let chain = read_certificates(&path)?;
        let authority = read_certificate(&authority_path)?;

        let Some((certificate, between)) = chain.split_first() else {
            return Err(IdentityError::NoCertificate { path });
        };
        let own = Peer::from_certificate(certificate)
            .map_err(|source| IdentityError::Certificate { path: path.clone(), source })?;
        let mut roots = RootCertStore::empty();
        let added = roots.add(authority.clone());
        added.map_err(|_| IdentityError::Authority { path: authority_path.clone() })?;
        let Some(validity) = validity_under(certificate, between, &roots) else {
            return Err(IdentityError::OtherAuthority { certificate: path, authority: authority_path });
        };
        let certified = CertifiedKey::from_der(chain, key.into(), &provider());
        let certified = certified.map_err(|error| {
            if matches!(error, TlsError::InconsistentKeys(_)) {
                IdentityError::KeyMismatch { key: key_path, certificate: path }
            } else {
                IdentityError::NoKey { path: key_path }
            }
        })?;
        Ok(Self { own, validity, certified: Arc::new(certified), authority, roots: Arc::new(roots) })
    }

    /// The replica's name, as `store-367`, read out of its certificate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.own.name
    }

    /// Whether both show the same certificates, and trust the same authority.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert && self.authority == other.authority
    }

    /// From when until when its certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// How long a connection may stand that was made with this identity, and whose other end showed a certificate for this
    /// `usage`.
    pub(crate) fn term_of(
        &self,
        connection: &quinn::Connection,
        usage: KeyUsage,
    ) -> Result<Term, CertificateError> {
        Ok(Term { peer: self.end_of(&chain_of(connection)?, usage)?, own: self.validity.end })
    }

    /// The last moment at which certificates that were shown for this `usage` hold, the one's own first.
    pub(crate) fn end_of(
        &self,
        chain: &[CertificateDer<'_>],
        usage: KeyUsage,
    ) -> Result<Duration, CertificateError> {
        let (certificate, between) = chain.split_first().ok_or(CertificateError::Absent)?;
        let validity = validity_for(usage, certificate, between, &self.roots);
        Ok(validity.ok_or(CertificateError::NeverValid)?.end)
    }

    /// Whose certificate a PEM text holds, and when that is valid. Those of authorities between it and this replica's own
    /// authority may stand behind it. Whether it is valid today is not checked, nor that anybody has its key.
    ///
    /// # Errors
    /// [`MemberError`] when it is something else, or this replica's authority did not issue it.
    pub fn member(&self, pem: &[u8]) -> Result<(Peer, Validity), MemberError> {
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| MemberError::NoCertificate)?;
        let (certificate, between) = chain.split_first().ok_or(MemberError::NoCertificate)?;
        let peer = Peer::from_certificate(certificate)?;
        match validity_under(certificate, between, &self.roots) {
            Some(validity) => Ok((peer, validity)),
            None => Err(MemberError::OtherAuthority { name: peer.name }),
        }
    }

    /// The replica's Ed25519 public key, read out of its certificate.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.own.public_key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({:?})", self.own)
    }
}

/// Reads the first certificate of a PEM file.
pub(crate) fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, IdentityError> {
    let content = read_public(path)?;
    CertificateDer::from_pem_slice(&content)
        .map_err(|_| IdentityError::NoCertificate { path: path.to_owned() })
}

/// Reads all certificates of a PEM file, in their order.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let content = read_public(path)?;
    let certificates = CertificateDer::pem_slice_iter(&content).collect::<Result<Vec<_>, _>>();
    certificates.map_err(|_| IdentityError::NoCertificate { path: path.to_owned() })
}

/// Reads the first PKCS #8 key of a PEM file that only its owner may read.
pub(crate) fn read_key(path: &Path) -> Result<PrivatePkcs8KeyDer<'static>, IdentityError> {
    let content = read_private(path)?;
    PrivatePkcs8KeyDer::from_pem_slice(&content).map_err(|_| IdentityError::NoKey { path: path.to_owned() })
}

/// When a certificate and those of the authorities `between` are valid, all at once, if the authority in `roots` signed the
/// last of them, and it is for use at both ends of a connection.
pub(crate) fn validity_under(
    certificate: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    roots: &RootCertStore,
) -> Option<Validity> {
    let of_usage = |usage| validity_for(usage, certificate, between, roots);
    of_usage(KeyUsage::client_auth()).filter(|_| of_usage(KeyUsage::server_auth()).is_some())
}

/// The same for use at one end.
fn validity_for(
    usage: KeyUsage,
    certificate: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    roots: &RootCertStore,
) -> Option<Validity> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let verify = |time| {
        certificate.verify_for_usage(SIGNATURE_ALGORITHMS.all, &roots.roots, between, time, usage, None, None)
    };
    let (first, last) = (Duration::ZERO, Duration::from_secs(i64::MAX.unsigned_abs() >> 1));
    let (mut start, mut end) = (UnixTime::since_unix_epoch(first), UnixTime::since_unix_epoch(last));
    // webpki says from when until when only to who asks for a time outside of it: of the certificate first, then of those
    // above it, each of which may begin later and end before what it signed.
    let outside = |time| verify(time).err();
    for _ in 0..=between.len() {
        match outside(end) {
            Some(webpki::Error::CertExpired { not_after, .. }) if not_after.as_secs() < end.as_secs() => {
                end = not_after
            }
            Some(_) | None => break,
        }
    }
    for _ in 0..=between.len() {
        match outside(start) {
            Some(webpki::Error::CertNotValidYet { not_before, .. }) => start = not_before,
            Some(_) | None => break,
        }
    }
    let seconds = |time: UnixTime| Duration::from_secs(time.as_secs());
    verify(end).is_ok().then_some(Validity { start: seconds(start), end: seconds(end) })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fleet::Fleet;

    #[test]
    fn name_and_key_are_those_of_the_certificate() {
        let fleet = Fleet::new();
        let identity = fleet.identity("store-367");
        assert_eq!(identity.name(), "store-367");
        let key =
            rcgen::KeyPair::from_pem(&fs::read_to_string(fleet.path("store-367").join(KEY_FILE)).unwrap());
        assert_eq!(identity.public_key().as_slice(), key.unwrap().public_key_raw());
        assert!(!format!("{identity:?}").to_lowercase().contains("private"));
    }

    #[test]
    fn a_member_s_certificate_says_who_it_is_and_a_stranger_s_is_refused() {
        let (fleet, other) = (Fleet::new(), Fleet::new());
        let hub = fleet.identity("hub");
        let read = |directory: PathBuf| fs::read(directory.join(CERTIFICATE_FILE)).unwrap();
        let site = fleet.issue("store-1");
        let known = Identity::load(&site).unwrap();
        let (peer, validity) = hub.member(&read(site.clone())).unwrap();
        assert_eq!((peer, validity), (known.own.clone(), known.validity()));
        let stranger = hub.member(&read(other.issue("store-1")));
        assert!(matches!(stranger, Err(MemberError::OtherAuthority { name }) if name == "store-1"));
        let key = fs::read(site.join(KEY_FILE)).unwrap();
        assert!(matches!(hub.member(&key), Err(MemberError::NoCertificate)));
        let authority = fs::read(site.join(AUTHORITY_FILE)).unwrap();
        assert!(hub.member(&authority).is_err(), "it is no replica's");
    }

    #[test]
    fn files_of_two_replicas_do_not_belong_together() {
        let fleet = Fleet::new();
        let (a, b) = (fleet.issue("a"), fleet.issue("b"));
        fs::copy(b.join(KEY_FILE), a.join(KEY_FILE)).unwrap();
        assert!(matches!(Identity::load(&a), Err(IdentityError::KeyMismatch { .. })));
    }

    #[test]
    fn a_certificate_of_another_authority_is_refused() {
        let (fleet, other) = (Fleet::new(), Fleet::new());
        let (a, b) = (fleet.issue("a"), other.issue("a"));
        fs::copy(b.join(AUTHORITY_FILE), a.join(AUTHORITY_FILE)).unwrap();
        assert!(matches!(Identity::load(&a), Err(IdentityError::OtherAuthority { .. })));
    }

    /// Issues identities of an organisation's authority, which signs with one between it and the replicas.
    struct Organisation {
        fleet: Fleet,
        root: String,
        between: String,
        issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    }

    fn ed25519() -> rcgen::KeyPair {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
    }

    impl Organisation {
        /// The authority in between is valid in these years.
        fn new(years: std::ops::Range<i32>) -> Self {
            use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
            let of_authority = |name: &str| {
                let mut params = CertificateParams::new(Vec::new()).unwrap();
                params.distinguished_name.push(rcgen::DnType::CommonName, name);
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
                params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
                params
            };
            let (root_key, between_key) = (ed25519(), ed25519());
            let root = of_authority("root").self_signed(&root_key).unwrap().pem();
            let root_issuer = Issuer::new(of_authority("root"), root_key);
            let between = of_authority("between").signed_by(&between_key, &root_issuer).unwrap().pem();
            let issuer = Issuer::new(of_authority("between"), between_key);
            Self { fleet: Fleet::new(), root, between, issuer }
        }

        /// An identity of which the certificate is valid from 2001 to 2100, before the `chain`.
        fn issue(&self, name: &str, chain: &str) -> Result<Identity, IdentityError> {
            use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
            let (key, mut params) =
                (ed25519(), rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap());
            params.extended_key_usages = vec![ServerAuth, ClientAuth];
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2100, 1, 1);
            let directory = self.fleet.issue(name);
            let own = params.signed_by(&key, &self.issuer).unwrap().pem();
            fs::write(directory.join(KEY_FILE), key.serialize_pem()).unwrap();
            fs::write(directory.join(CERTIFICATE_FILE), own + chain).unwrap();
            fs::write(directory.join(AUTHORITY_FILE), &self.root).unwrap();
            Identity::load(&directory)
        }
    }

    #[tokio::test]
    async fn a_certificate_of_an_authority_in_between_is_shown_with_that_authority_s() {
        let organisation = Organisation::new(2000..2090);
        assert!(matches!(organisation.issue("alone", ""), Err(IdentityError::OtherAuthority { .. })));
        let [hub, site] = ["hub", "store-1"].map(|name| {
            let identity = organisation.issue(name, &organisation.between).unwrap();
            crate::endpoint::Endpoint::bind(crate::fleet::LOCAL, &identity).unwrap()
        });
        let (dialled, accepted) = crate::fleet::meet(&site, &hub, "hub").await;
        let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
        let names = (dialled.peer().name.as_str(), accepted.peer().name.as_str());
        assert_eq!(names, ("hub", "store-1"));
        // The certificates are of 2001 to 2100.
        let end = year(2090);
        for connection in [dialled, accepted] {
            assert_eq!(connection.handle().term(), Term { peer: end, own: end });
        }
    }

    fn year(year: i32) -> Duration {
        let time = rcgen::date_time_ymd(year, 1, 1).unix_timestamp();
        Duration::from_secs(u64::try_from(time).unwrap())
    }

    #[test]
    fn a_chain_is_valid_as_long_as_all_of_it() {
        // The certificate is of 2001 to 2100.
        let cases = [(2000..2200, 2001..2100), (2002..2090, 2002..2090), (2000..2010, 2001..2010)];
        for (between, expected) in cases {
            let organisation = Organisation::new(between);
            let identity = organisation.issue("store-1", &organisation.between).unwrap();
            let expected = Validity { start: year(expected.start), end: year(expected.end) };
            assert_eq!(identity.validity(), expected);
        }
        let never = Organisation::new(2150..2200);
        let refused = never.issue("store-1", &never.between);
        assert!(
            matches!(refused, Err(IdentityError::OtherAuthority { .. })),
            "at no time all of it is valid"
        );
    }

    #[test]
    fn a_certificate_outside_its_validity_still_loads() {
        let fleet = Fleet::new();
        let expired = fleet.expired("a");
        let validity = Validity { start: Duration::from_secs(1), end: Duration::from_secs(2) };
        assert_eq!((expired.name(), expired.validity()), ("a", validity));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let fleet = Fleet::new();
        let directory = fleet.issue("a");
        fs::set_permissions(directory.join(KEY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Identity::load(&directory);
        assert!(matches!(refused, Err(IdentityError::File(FileError::ReadableByOthers { mode: 0o644, .. }))));
    }

    #[test]
    fn files_of_something_else_are_refused() {
        let fleet = Fleet::new();
        let check = |file: &str, expected: fn(&IdentityError) -> bool| {
            let directory = fleet.issue(&format!("replica-{}", file.replace('.', "-")));
            let path = directory.join(file);
            fs::write(&path, "-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n").unwrap();
            let refused = Identity::load(&directory).unwrap_err();
            assert!(expected(&refused), "{file}: {refused}");
            fs::remove_file(&path).unwrap();
            assert!(matches!(Identity::load(&directory), Err(IdentityError::File(FileError::Read { .. }))));
        };
        check(KEY_FILE, |error| matches!(error, IdentityError::NoKey { .. }));
        check(CERTIFICATE_FILE, |error| matches!(error, IdentityError::NoCertificate { .. }));
        check(AUTHORITY_FILE, |error| matches!(error, IdentityError::NoCertificate { .. }));
    }
}
