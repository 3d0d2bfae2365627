//! `isle join`: a site gets its identity and configuration.

use super::hub::wall;
use super::init::{InitError, write_config};
use super::spaces::{SpaceRights, from_granted, site_config, site_config_text};
use crate::config::{Config, PeerAddress, PeerAddressError, SpaceName};
use crate::data_directory::{DataDirectory, LockError};
use document::AddressError;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use transport::enrolment::{EnrolError, JoinToken, Joined, Refusal, SiteKey, SiteKeyError, join as ask};
use transport::{FileError, Identity, IdentityError};

/// Why a site did not join.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no key to join with.
    #[error(transparent)]
    Key(#[from] SiteKeyError),
    /// The token's address is none.
    #[error(transparent)]
    Address(#[from] PeerAddressError),
    /// The hub's name is not known.
    #[error("cannot look up {address}: {source}")]
    LookUp {
        /// The address.
        address: PeerAddress,
        /// What the system said.
        source: io::Error,
    },
    /// The hub's name has no address.
    #[error("{address} has no address")]
    NoAddress {
        /// The address.
        address: PeerAddress,
    },
    /// One of two clocks is wrong.
    #[error(
        "this machine's clock shows {}, and then the hub's certificate, or the one that it gives, is not valid: set the clock \
         that is wrong, here or at the hub", super::date(*now)
    )]
    Clock {
        /// What it shows, since 1970.
        now: Duration,
    },
    /// No certificate.
    #[error(transparent)]
    Enrol(EnrolError),
    /// The hub named a space that cannot be one.
    #[error(transparent)]
    Space(#[from] AddressError),
    /// The configuration was not written.
    #[error(transparent)]
    Config(#[from] InitError),
    /// A directory was not moved.
    #[error("cannot move {} to {}: {source}", from.display(), to.display())]
    Move {
        /// Which.
        from: PathBuf,
        /// Where it was to be.
        to: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The identity was not written.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was written cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl JoinError {
    /// What to do about it, where the message does not say it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        let is_lost = matches!(
            self,
            Self::LookUp { .. }
                | Self::Clock { .. }
                | Self::Enrol(EnrolError::NoAnswer { .. } | EnrolError::TimedOut { .. })
                | Self::Enrol(EnrolError::Refused { refusal: Refusal::Unavailable | Refusal::Malformed })
        );
        if is_lost {
            return Some("join again with the same token: until it expires it holds for this key");
        }
        if matches!(self, Self::Key(SiteKeyError::Enrolled { .. })) {
            return Some(
                "`isle serve` runs it. If its key was revoked, or its certificate ran out too long ago, join with a new key: \
                 `isle join --new-key TOKEN`, with a new token of `isle hub invite`. identity/ is moved aside then, not deleted",
            );
        }
        let is_revoked = matches!(self, Self::Enrol(EnrolError::Refused { refusal: Refusal::Revoked }));
        if is_revoked {
            return Some(
                "the token holds still, and for another key than the one here, which is refused for ever: \
                 `isle join --new-key TOKEN` makes one",
            );
        }
        let is_void = matches!(self, Self::Enrol(EnrolError::Refused { .. } | EnrolError::Token(_)));
        is_void.then_some("ask the hub's operator for a new token: `isle hub invite`")
    }
}

/// A site that has joined.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) hub: String,
    pub(crate) spaces: BTreeMap<SpaceName, SpaceRights>,
    pub(crate) until: Duration,
    pub(crate) config: ConfigWritten,
    /// Where the identity is that was here before, if there was one.
    pub(crate) aside: Option<PathBuf>,
}

/// What became of the configuration.
#[derive(Debug)]
pub(crate) enum ConfigWritten {
    /// It was written.
    New,
    /// There was one that says the same already.
    Same,
    /// There was one: this is to be in it.
    Kept { wanted: String },
}

/// Makes the key, if it is not there; asks the hub; writes what it answers. The certificate comes last: whoever was
/// interrupted before joins again with the same key and token. With `with_new_key` all of that is done beside the identity
/// that is there, which is moved aside once there is another: until then the old one serves.
pub(crate) async fn join(
    directory: &DataDirectory,
    token: &JoinToken,
    with_new_key: bool,
) -> Result<Arrived, JoinError> {
    directory.make()?;
    let _lock = directory.lock()?;
    let next = NextIdentity { directory };
    next.finish()?;
    let identity = if with_new_key { next.path() } else { directory.identity() };
    let key = SiteKey::load_or_make(&identity)?;
    let address: PeerAddress = token.address.parse()?;
    let looked_up = tokio::net::lookup_host(address.as_str()).await;
    let found = looked_up.map_err(|source| JoinError::LookUp { address: address.clone(), source })?;
    let joined = ask_at(found, token, &key).await.ok_or(JoinError::NoAddress { address: address.clone() })?;
    if with_new_key && matches!(joined, Err(EnrolError::Refused { refusal: Refusal::Revoked })) {
        // It was let in and revoked before this replica knew it. The next try makes another.
        next.aside(&identity)?;
    }
    let joined = joined.map_err(|error| refused(error, wall()))?;
    let spaces = from_granted(&joined.spaces)?;
    let hub = (joined.hub.name.as_str(), joined.hub.public_key);
    let wanted = site_config(&token.site, hub, &address, &spaces, true);
    let config = configure(directory, &wanted)?;
    joined.save(&identity)?;
    let aside = if with_new_key { next.take_place()? } else { None };
    let until = joined.certificate().validity().end;
    Ok(Arrived { hub: joined.hub.name, spaces, until, config, aside })
}

/// An identity that is made beside the one of a data directory. The incarnation is part of an identity: the store goes on
/// under a new origin with it.
struct NextIdentity<'a> {
    directory: &'a DataDirectory,
}

impl NextIdentity<'_> {
    fn path(&self) -> PathBuf {
        self.directory.path().join("identity.new")
    }

    /// Moves it to its place, and what is there aside; returns where to.
    fn take_place(&self) -> Result<Option<PathBuf>, JoinError> {
        let place = self.directory.identity();
        let aside = if place.exists() { Some(self.aside(&place)?) } else { None };
        rename(self.path(), place)?;
        Ok(aside)
    }

    /// Ends what was interrupted between the two moves of [`Self::take_place`].
    fn finish(&self) -> Result<(), JoinError> {
        let is_whole = Identity::load(&self.path()).is_ok();
        if is_whole {
            self.take_place()?;
        }
        Ok(())
    }

    /// Keeps a directory under a name that is free.
    fn aside(&self, from: &Path) -> Result<PathBuf, JoinError> {
        let names = (1_u32..).map(|number| self.directory.path().join(format!("identity.old-{number}")));
        let mut free = names.filter(|path| !path.exists());
        let to = free.next().unwrap_or_else(|| self.directory.path().join("identity.old"));
        rename(from.to_owned(), to.clone())?;
        Ok(to)
    }
}

/// Durable when this returns.
fn rename(from: PathBuf, to: PathBuf) -> Result<(), JoinError> {
    let parent = to.parent().map(Path::to_owned).unwrap_or_default();
    let moved = fs::rename(&from, &to).and_then(|()| File::open(parent)?.sync_all());
    moved.map_err(|source| JoinError::Move { from, to, source })
}

/// Asks at one address after the other, until somebody answers; `None` where there is none.
async fn ask_at(
    found: impl Iterator<Item = SocketAddr>,
    token: &JoinToken,
    key: &SiteKey,
) -> Option<Result<Joined, EnrolError>> {
    let mut last = None;
    for address in found {
        let asked = ask(token, address, key).await;
        let is_silent = matches!(asked, Err(EnrolError::NoAnswer { .. }));
        last = Some(asked);
        if !is_silent {
            break;
        }
    }
    last
}

fn refused(error: EnrolError, now: Duration) -> JoinError {
    if matches!(error, EnrolError::Clock) { JoinError::Clock { now } } else { JoinError::Enrol(error) }
}

fn configure(directory: &DataDirectory, wanted: &Config) -> Result<ConfigWritten, JoinError> {
    let text = site_config_text(wanted, "isle join");
    match write_config(directory, &text) {
        Ok(()) => Ok(ConfigWritten::New),
        Err(InitError::Exists { .. }) => {
            let is_same = Config::load(&directory.config()).is_ok_and(|there| there == *wanted);
            Ok(if is_same { ConfigWritten::Same } else { ConfigWritten::Kept { wanted: text } })
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_gets_one_clear_sentence() {
        let error = refused(EnrolError::Clock, Duration::from_secs(9));
        let said = error.to_string();
        assert!(
            said.contains("clock shows 1970-01-01T00:00:09Z") && said.contains("set the clock"),
            "{said}"
        );
        assert!(error.hint().unwrap().contains("the same token"));
    }

    #[test]
    fn a_lost_answer_and_a_void_token_get_their_hints() {
        let hint = |refusal| refused(EnrolError::Refused { refusal }, Duration::ZERO).hint().unwrap();
        assert!(hint(Refusal::Unavailable).contains("the same token"));
        assert!(hint(Refusal::Revoked).contains("isle join --new-key"));
        for refusal in [Refusal::UnknownInvitation, Refusal::Used, Refusal::Expired] {
            assert!(hint(refusal).contains("isle hub invite"), "{refusal}");
        }
    }

    #[test]
    fn a_next_identity_takes_the_place_of_the_last_which_is_kept_also_after_a_crash_between() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path());
        let next = NextIdentity { directory: &directory };
        let key = |path: &Path| fs::read_to_string(path.join("key.pem")).unwrap();
        let mut last = None;
        for number in 0..3 {
            let authority = transport::Authority::create("fleet").unwrap();
            authority.issue("store-1", &next.path()).unwrap();
            let made = key(&next.path());
            if number == 2 {
                // Killed after the first of the two moves.
                next.aside(&directory.identity()).unwrap();
                next.finish().unwrap();
            } else {
                let aside = next.take_place().unwrap();
                assert_eq!(aside.map(|aside| key(&aside)), last);
            }
            assert_eq!(key(&directory.identity()), made);
            assert!(!next.path().exists());
            last = Some(made);
        }
        let kept = ["identity.old-1", "identity.old-2"].map(|name| temporary.path().join(name));
        assert!(kept.iter().all(|path| Identity::load(path).is_ok()));
        // One that is not whole stays where it is.
        fs::create_dir(next.path()).unwrap();
        next.finish().unwrap();
        assert!(next.path().exists() && directory.identity().exists());
    }

    #[test]
    fn a_configuration_that_is_there_is_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path());
        let spaces = super::super::parse_spaces("store-1=write").unwrap();
        let address = "hub:7400".parse().unwrap();
        let wanted = site_config("store-1", ("hub", [7; 32]), &address, &spaces, true);
        assert!(matches!(configure(&directory, &wanted).unwrap(), ConfigWritten::New));
        assert!(matches!(configure(&directory, &wanted).unwrap(), ConfigWritten::Same));
        let own = "name = \"store-1\"\n[spaces]\n";
        fs::write(directory.config(), own).unwrap();
        let kept = configure(&directory, &wanted).unwrap();
        assert!(matches!(kept, ConfigWritten::Kept { wanted } if wanted.contains("renews = true")));
        assert_eq!(fs::read_to_string(directory.config()).unwrap(), own);
    }
}
