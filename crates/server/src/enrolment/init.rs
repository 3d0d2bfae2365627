//! `isle hub init`: what a hub's data directory holds before its first start.

use super::book::Book;
use super::hub::{EnrolmentError, wall};
use super::register::Register;
use crate::clock::CLOCK_MIN;
use crate::config::{EnrolmentConfig, PeerAddress, PublicKey};
use crate::data_directory::{DataDirectory, LockError};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use transport::{Authority, AuthorityError, Identity, NameError, Socket, check_name};

/// Why no hub was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// There is something already.
    #[error("{} is there already, and nothing is overwritten: choose another data directory", path.display())]
    Exists {
        /// What.
        path: PathBuf,
    },
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The clock is wrong.
    #[error(
        "this machine's clock shows {}, before this program was made: set it first, best by NTP. A hub goes by when it was \
         made, and certifies nothing ten years later", super::date(*now)
    )]
    Clock {
        /// What it shows.
        now: Duration,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Anything else of enrolment.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The certificate that is there is for another name.
    #[error("the hub's certificate is for {certified}, not for {given}: leave --name out")]
    OtherName {
        /// What was asked for.
        given: String,
        /// The name in the certificate.
        certified: String,
    },
    /// The file system refused.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// Makes an authority, the hub's identity, the book and `isle.toml`. With `authority` the authority in that directory, made by
/// `isle identity authority`, is copied. Nothing of it is left behind when not all can be made.
pub(crate) fn init(
    directory: &DataDirectory,
    name: &str,
    address: &PeerAddress,
    listen: Option<SocketAddr>,
    authority: Option<&Path>,
) -> Result<(), InitError> {
    check_name(name)?;
    check_clock(wall())?;
    directory.make()?;
    let _lock = directory.lock()?;
    let taken = [directory.authority(), directory.identity(), directory.enrolment(), directory.config()];
    if let Some(path) = taken.into_iter().find(|path| path.exists()) {
        return Err(InitError::Exists { path });
    }
    let authority = match authority {
        Some(existing) => Authority::load(existing)?,
        None => Authority::create("fleet")?,
    };
    let made = make(directory, &authority, (name, address, listen));
    if made.is_err() {
        // Nothing was there before. A configuration that cannot be written leaves none.
        for made in [directory.authority(), directory.identity()] {
            let _ = fs::remove_dir_all(made);
        }
        let _ = fs::remove_file(directory.enrolment());
    }
    made
}

/// Makes the book and `isle.toml` of a hub whose identity, which is there, an organisation's own authority issued. A
/// configuration that is there stays; returned is its name, and then what is to be in it.
pub(crate) fn init_certified(
    directory: &DataDirectory,
    name: Option<&str>,
    address: &PeerAddress,
    listen: Option<SocketAddr>,
) -> Result<(String, Option<String>), InitError> {
    check_clock(wall())?;
    directory.check_there()?;
    let _lock = directory.lock()?;
    let taken = [directory.authority(), directory.enrolment()];
    if let Some(path) = taken.into_iter().find(|path| path.exists()) {
        return Err(InitError::Exists { path });
    }
    let identity = Identity::load(&directory.identity()).map_err(EnrolmentError::from)?;
    if let Some(given) = name.filter(|given| *given != identity.name()) {
        let (given, certified) = (given.to_owned(), identity.name().to_owned());
        return Err(InitError::OtherName { given, certified });
    }
    let text = config_text(identity.name(), (address, listen), &identity, false);
    let kept = match write_config(directory, &text) {
        Ok(()) => None,
        Err(InitError::Exists { .. }) => Some(text),
        Err(error) => return Err(error),
    };
    let register = Register::create(directory.enrolment(), Book::new(wall()));
    register.map_err(EnrolmentError::from)?;
    Ok((identity.name().to_owned(), kept))
}

fn check_clock(now: Duration) -> Result<(), InitError> {
    if now < CLOCK_MIN { Err(InitError::Clock { now }) } else { Ok(()) }
}

fn make(
    directory: &DataDirectory,
    authority: &Authority,
    (name, address, listen): (&str, &PeerAddress, Option<SocketAddr>),
) -> Result<(), InitError> {
    authority.save(&directory.authority())?;
    authority.issue(name, &directory.identity())?;
    let identity = Identity::load(&directory.identity()).map_err(EnrolmentError::from)?;
    let register = Register::create(directory.enrolment(), Book::new(wall()));
    register.map_err(EnrolmentError::from)?;
    let text = config_text(name, (address, listen), &identity, true);
    write_config(directory, &text)
}

/// Never overwrites one, and leaves no half of one.
pub(crate) fn write_config(directory: &DataDirectory, text: &str) -> Result<(), InitError> {
    let path = directory.config();
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = opened.and_then(|mut file| {
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.inspect_err(|_| drop(fs::remove_file(&path)))
    });
    written.map_err(|source| match source.kind() == io::ErrorKind::AlreadyExists {
        true => InitError::Exists { path },
        false => InitError::Write { path, source },
    })
}

fn config_text(
    name: &str,
    (address, listen): (&PeerAddress, Option<SocketAddr>),
    identity: &Identity,
    certifies: bool,
) -> String {
    let key = String::from(PublicKey(identity.public_key()));
    let (host, port) = address.as_str().rsplit_once(':').unwrap_or((address.as_str(), "7400"));
    // A name may have addresses of both kinds, of which sites try one after the other.
    let is_both = host.starts_with('[') || Socket::bind_both().is_ok();
    let any = if is_both { "[::]" } else { "0.0.0.0" };
    let listen = listen.map_or_else(|| format!("{any}:{port}"), |listen| listen.to_string());
    let EnrolmentConfig { certificate, grace, .. } = EnrolmentConfig::default();
    let terms = format!(
        "\
# How long a site's certificate is valid; it is renewed at two thirds of that.
certificate = \"{certificate}\"
# How long after its end it may still be renewed.
grace = \"{grace}\"
"
    );
    let (terms, said) =
        if certifies { (terms.as_str(), "join tokens say") } else { ("", "their isle.toml says") };
    format!(
        "\
# A hub and its sites. `isle hub --help` says how sites come in, README.md what else can stand here.
name = \"{name}\"
hub = true
# The UDP address on which it listens.
listen = \"{listen}\"
# Its own key: documents of the space `system`, which only it writes, say what sites may do.
authority = \"{key}\"

# What it carries besides the spaces that sites have rights in, as in: catalog = \"write\"
[spaces]

[enrolment]
# Where sites dial it, as {said}.
address = \"{address}\"
{terms}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_hub_is_made_once_with_keys_for_its_owner_only() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path().join("hub"));
        let address = "[::1]:7400".parse().unwrap();
        init(&directory, "hub", &address, None, None).unwrap();
        let config = Config::load(&directory.config()).unwrap();
        assert_eq!(config.listen, Some("[::]:7400".parse().unwrap()));
        assert_eq!(config.enrolment.address, Some(address.clone()));
        let identity = Identity::load(&directory.identity()).unwrap();
        assert_eq!(config.authority, Some(PublicKey(identity.public_key())));
        let keys = [directory.authority().join("authority-key.pem"), directory.identity().join("key.pem")];
        for path in keys {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        let again = init(&directory, "hub", &address, None, None);
        assert!(matches!(again, Err(InitError::Exists { .. })), "{again:?}");
    }

    #[test]
    fn no_hub_is_made_by_a_clock_without_a_battery() {
        let refused = check_clock(Duration::from_secs(60)).unwrap_err().to_string();
        assert!(refused.contains("clock shows 1970-01-01") && refused.contains("set it first"), "{refused}");
        check_clock(CLOCK_MIN).unwrap();
    }

    #[test]
    fn what_was_made_in_vain_is_taken_back() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path().join("hub"));
        let address = "hub:7400".parse().unwrap();
        let make = |name| init(&directory, name, &address, None, None);
        assert!(matches!(make("Hub"), Err(InitError::Name(_))));
        assert!(!directory.path().exists());
        // The configuration comes last. To a link that leads nowhere nothing is written.
        directory.make().unwrap();
        std::os::unix::fs::symlink("nowhere", directory.config()).unwrap();
        assert!(matches!(make("hub"), Err(InitError::Exists { path }) if path == directory.config()));
        let paths = [directory.authority(), directory.identity(), directory.enrolment()];
        assert!(paths.iter().all(|path| !path.exists()));
        assert!(directory.config().is_symlink(), "it is another's");
        fs::remove_file(directory.config()).unwrap();
        make("hub").unwrap();
    }

    #[test]
    fn an_authority_that_is_there_is_used() {
        let temporary = tempfile::tempdir().unwrap();
        let fleet = temporary.path().join("fleet");
        Authority::create("fleet").unwrap().save(&fleet).unwrap();
        let directory = DataDirectory::new(temporary.path().join("hub"));
        let listen = Some("127.0.0.1:0".parse().unwrap());
        init(&directory, "hub", &"hub:7400".parse().unwrap(), listen, Some(&fleet)).unwrap();
        let fingerprint = |directory: &Path| Authority::load(directory).unwrap().fingerprint();
        assert_eq!(fingerprint(&fleet), fingerprint(&directory.authority()));
        assert_eq!(Config::load(&directory.config()).unwrap().listen, listen);
    }
}
