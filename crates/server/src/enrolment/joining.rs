//! `isle join`: a site gets its identity and configuration.

use super::hub::wall;
use super::init::{InitError, write_config};
use super::spaces::{SpaceRights, from_granted, site_config, site_config_text};
use crate::config::{Config, PeerAddress, PeerAddressError, SpaceName};
use crate::data_directory::{DataDirectory, LockError};
use document::AddressError;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use transport::enrolment::{EnrolError, JoinToken, Joined, Refusal, SiteKey, SiteKeyError, join as ask};
use transport::{FileError, IdentityError};

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
                | Self::Enrol(EnrolError::NoAnswer { .. } | EnrolError::TimedOut { .. })
                | Self::Enrol(EnrolError::Refused { refusal: Refusal::Unavailable | Refusal::Malformed })
        );
        if is_lost {
            return Some("join again with the same token: until it expires it holds for this key");
        }
        let is_void = matches!(self, Self::Enrol(EnrolError::Refused { .. } | EnrolError::Token(_)));
        is_void.then_some("ask the hub's operator for a new token: `isle hub invite`")
    }
}

/// A site that has joined.
                | Self::Clock { .. }
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) hub: String,
    pub(crate) spaces: BTreeMap<SpaceName, SpaceRights>,
    pub(crate) until: Duration,
    pub(crate) config: ConfigWritten,
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
/// interrupted before joins again with the same key and token.
pub(crate) async fn join(directory: &DataDirectory, token: &JoinToken) -> Result<Arrived, JoinError> {
    directory.make()?;
    let _lock = directory.lock()?;
    let key = SiteKey::load_or_make(&directory.identity())?;
    let address: PeerAddress = token.address.parse()?;
    let looked_up = tokio::net::lookup_host(address.as_str()).await;
    let found = looked_up.map_err(|source| JoinError::LookUp { address: address.clone(), source })?;
    let joined = ask_at(found, token, &key).await.ok_or(JoinError::NoAddress { address: address.clone() })?;
    let joined = joined.map_err(|error| refused(error, wall()))?;
    let spaces = from_granted(&joined.spaces)?;
    let hub = (joined.hub.name.as_str(), joined.hub.public_key);
    let wanted = site_config(&token.site, hub, &address, &spaces);
    let config = configure(directory, &wanted)?;
    joined.save(&directory.identity())?;
    let until = joined.certificate().validity().end;
    Ok(Arrived { hub: joined.hub.name, spaces, until, config })
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
    let text = site_config_text(wanted);
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
        for refusal in [Refusal::UnknownInvitation, Refusal::Used, Refusal::Expired, Refusal::Revoked] {
            assert!(hint(refusal).contains("isle hub invite"), "{refusal}");
        }
    }

    #[test]
    fn a_configuration_that_is_there_is_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path());
        let spaces = super::super::parse_spaces("store-1=write").unwrap();
        let address = "hub:7400".parse().unwrap();
        let wanted = site_config("store-1", ("hub", [7; 32]), &address, &spaces);
        assert!(matches!(configure(&directory, &wanted).unwrap(), ConfigWritten::New));
        assert!(matches!(configure(&directory, &wanted).unwrap(), ConfigWritten::Same));
        let own = "name = \"store-1\"\n[spaces]\n";
        std::fs::write(directory.config(), own).unwrap();
        let kept = configure(&directory, &wanted).unwrap();
        assert!(matches!(kept, ConfigWritten::Kept { wanted } if wanted.contains("renews = true")));
        assert_eq!(std::fs::read_to_string(directory.config()).unwrap(), own);
    }
}
