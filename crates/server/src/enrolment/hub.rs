//! A hub's authority and book together: what `isle hub` and a running hub do with them.

use super::book::{AdmitError, Book, Ended, Given, InviteError, RevokeError, RightsError, Site};
use super::register::{Register, RegisterError};
use super::spaces::{SpaceRights, show_spaces};
use crate::config::{Config, PeerAddress, PublicKey, SpaceName};
use crate::data_directory::DataDirectory;
use crate::local::{SiteState, SiteStatus};
use crate::random::{self, RandomError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use transport::enrolment::{JoinSecret, JoinToken, TokenError};
use transport::{Authority, AuthorityError, Identity, IdentityError, IssuedCertificate, MemberError, Stage};

/// A clock that shows more than this after the authority was made is wrong: so long the authority's certificate is valid.
const AUTHORITY_AGE_MAX: Duration = Duration::from_hours(24 * 3650);

/// Why a hub does not enrol.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// There is neither authority nor book in the data directory.
    #[error("there is no hub with an authority in {}", data.display())]
    NoHub {
        /// The data directory.
        data: PathBuf,
    },
    /// The configuration is another's.
    #[error(
        "{} must say hub = true and authority = \"{key}\", the key of this hub: documents of the space system, which only \
         it writes, say what sites may do", config.display()
    )]
    NotAuthority {
        /// The configuration.
        config: PathBuf,
        /// The hub's own key.
        key: String,
    },
    /// The authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The hub's identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The book cannot be used.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// No invitation.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// It is not let in.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// What was given is no certificate of this fleet.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// Another authority certifies.
    #[error(
        "an organisation's own authority certifies the replicas of this hub, and nobody joins by a token: \
         `isle hub admit CERTIFICATE` lets a site in"
    )]
    CertifiesNobody,
    /// Two lists say who is refused.
    #[error(
        "{} denies replicas, and this hub has a book of its sites: end each of those with `isle hub revoke`, or see that the \
         book and [peers] do not let it in, and delete the file", list.display()
    )]
    DeniedBeside {
        /// The list.
        list: PathBuf,
    },
    /// The hub's own authority certifies.
    #[error("this hub certifies its sites itself: `isle hub invite` lets a site in")]
    Certifies,
    /// No revocation.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// Its rights stay.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// A token would be of no use.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nobody says where sites dial.
    #[error(
        "nothing says where sites dial this hub: give --address HOST:PORT, or set address in [enrolment] of isle.toml"
    )]
    NoAddress,
    /// No secret.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The clock is wrong.
    #[error(
        "this machine's clock shows {}, and the hub was made {}: set the clock; until then nothing is certified",
        super::date(*now), super::date(*made)
    )]
    Clock {
        /// What it shows.
        now: Duration,
        /// When the authority was made.
        made: Duration,
    },
}

/// A hub that enrols.
#[derive(Debug)]
pub(crate) struct Hub {
    name: String,
    /// None: an organisation's own certifies.
    authority: Option<Authority>,
    address: Option<PeerAddress>,
    lifetime: Duration,
    pub(crate) grace: Duration,
    register: Register,
    /// Whether the book has a revocation that is not on the disk.
    is_ahead: bool,
}

/// What a site is invited to.
#[derive(Debug)]
pub(crate) struct Invited {
    pub(crate) site: String,
    pub(crate) spaces: BTreeMap<SpaceName, SpaceRights>,
    pub(crate) expiry: Duration,
    /// Where it dials, if not where the configuration says.
    pub(crate) address: Option<PeerAddress>,
}

/// A site that was let in by its certificate.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) site: String,
    pub(crate) public_key: [u8; 32],
    /// What it might do before; nothing if it is new.
    pub(crate) before: BTreeMap<SpaceName, SpaceRights>,
}

/// The time of the machine, since 1970; a clock before counts as 1970.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl Hub {
    /// What is in the data directory; `None` when there is neither an authority nor a book.
    pub(crate) fn open(directory: &DataDirectory, config: &Config) -> Result<Option<Self>, EnrolmentError> {
        let certifies = directory.authority().is_dir();
        if !certifies && !directory.enrolment().exists() {
            return Ok(None);
        }
        let own = Identity::load(&directory.identity())?.public_key();
        if config.authority != Some(PublicKey(own)) || !config.hub {
            let key = String::from(PublicKey(own));
            return Err(EnrolmentError::NotAuthority { config: directory.config(), key });
        }
        Ok(Some(Self {
            name: config.name.clone(),
            authority: certifies.then(|| Authority::load(&directory.authority())).transpose()?,
            address: config.enrolment.address.clone(),
            lifetime: config.enrolment.certificate.0,
            grace: config.enrolment.grace.0,
            register: Register::load(directory.enrolment())?,
            is_ahead: false,
        }))
    }

    pub(crate) fn book(&self) -> &Book {
        &self.register.book
    }

    /// Whether it issues certificates; if not, an organisation's own authority does.
    pub(crate) fn certifies(&self) -> bool {
        self.authority.is_some()
    }

    fn authority(&self) -> Result<&Authority, EnrolmentError> {
        self.authority.as_ref().ok_or(EnrolmentError::CertifiesNobody)
    }

    /// How long certificates are valid.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Changes the book. What is not durable was not done.
    pub(crate) fn change<T, E>(
        &mut self,
        change: impl FnOnce(&mut Book) -> Result<T, E>,
    ) -> Result<Result<T, E>, RegisterError> {
        let before = self.register.book.clone();
        let changed = change(&mut self.register.book);
        if self.register.book != before
            && let Err(error) = self.save()
        {
            self.register.book = before;
            return Err(error);
        }
        Ok(changed)
    }

    /// Notes what may be lost: it is written with the next change.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut Book)) {
        note(&mut self.register.book);
    }

    /// Writes what was noted, and what could not be written before.
    pub(crate) fn save(&mut self) -> Result<(), RegisterError> {
        self.register.save()?;
        if std::mem::take(&mut self.is_ahead) {
            tracing::info!("revocations that were not on the disk are");
        }
        Ok(())
    }

    /// Whether a revocation holds that is not on the disk.
    pub(crate) fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    /// Makes a token, once the invitation is durable.
    pub(crate) fn invite(&mut self, invited: Invited, now: Duration) -> Result<JoinToken, EnrolmentError> {
        let fingerprint = self.authority()?.fingerprint();
        let Invited { site, spaces, expiry, address } = invited;
        let address = address.or_else(|| self.address.clone()).ok_or(EnrolmentError::NoAddress)?;
        self.check_clock(now)?;
        let token = JoinToken {
            fingerprint,
            secret: JoinSecret::new(random::bytes()?),
            hub: self.name.clone(),
            site,
            address: address.as_str().to_owned(),
        };
        let hash = token.secret.hash();
        let names = (token.site.as_str(), token.hub.as_str());
        self.change(|book| book.invite(names, spaces, hash, (now, expiry)))??;
        token.check()?;
        Ok(token)
    }

    /// Lets a site in whose certificate the authority of `own`, this hub's identity, issued: as far as the book says. Returns
    /// its name, its key, and what it might do before.
    pub(crate) fn admit(
        &mut self,
        (pem, own): (&str, &Identity),
        spaces: &BTreeMap<SpaceName, SpaceRights>,
        now: Duration,
    ) -> Result<Admitted, EnrolmentError> {
        if self.certifies() {
            return Err(EnrolmentError::Certifies);
        }
        let (peer, validity) = own.member(pem.as_bytes())?;
        let key = (peer.public_key, validity.end);
        let hub = self.name.clone();
        let before = self.change(|book| book.admit((&peer.name, &hub), key, spaces, now))??;
        Ok(Admitted { site: peer.name, public_key: peer.public_key, before })
    }

    /// Ends what a site may do, as far as the book says.
    pub(crate) fn revoke(&mut self, site: &str, now: Duration) -> Result<Ended, EnrolmentError> {
        Ok(self.change(|book| book.revoke(site, now))??)
    }

    /// As [`Self::revoke`], and it holds in this process whatever the disk says: a thief is not to stay connected because a disk
    /// is full. With an error it is not durable, until [`Self::save`] succeeds.
    pub(crate) fn revoke_at_once(
        &mut self,
        site: &str,
        now: Duration,
    ) -> Result<(Ended, Result<(), RegisterError>), RevokeError> {
        let ended = self.register.book.revoke(site, now)?;
        let saved = self.save();
        self.is_ahead = saved.is_err();
        Ok((ended, saved))
    }

    /// Says what a site may do from here on, as far as the book says; returns what it might before.
    pub(crate) fn set_rights(
        &mut self,
        site: &str,
        spaces: &BTreeMap<SpaceName, SpaceRights>,
    ) -> Result<(Given, BTreeMap<SpaceName, SpaceRights>), EnrolmentError> {
        Ok(self.change(|book| book.set_rights(site, spaces.clone()))??)
    }

    /// A certificate of the name and the key.
    pub(crate) fn certify(
        &self,
        name: &str,
        public_key: &[u8; 32],
        now: Duration,
    ) -> Result<IssuedCertificate, EnrolmentError> {
        self.check_clock(now)?;
        Ok(self.authority()?.certify(name, public_key, now, self.lifetime)?)
    }

    fn check_clock(&self, now: Duration) -> Result<(), EnrolmentError> {
        let made = self.register.book.made();
        // Within the margin that certificates have, too.
        let is_early = now.saturating_add(Duration::from_hours(24)) < made;
        let is_late = now > made.saturating_add(AUTHORITY_AGE_MAX);
        if is_early || is_late { Err(EnrolmentError::Clock { now, made }) } else { Ok(()) }
    }

    /// The hub's own certificate, when it is to be renewed: a hub that has the authority asks nobody.
    pub(crate) fn own_renewal(
        &self,
        identity: &Identity,
        now: Duration,
    ) -> Result<Option<IssuedCertificate>, EnrolmentError> {
        if !self.certifies() || identity.validity().stage(now, self.grace) == Stage::Fresh {
            return Ok(None);
        }
        self.certify(identity.name(), &identity.public_key(), now).map(Some)
    }

    /// All sites, by name; `is_connected` says whether a key is.
    pub(crate) fn sites(&self, now: Duration, is_connected: impl Fn(&[u8; 32]) -> bool) -> Vec<SiteStatus> {
        let sites = self.book().sites();
        sites.map(|(name, site)| shown(name, site, now, &is_connected)).collect()
    }
}

fn shown(name: &str, site: &Site, now: Duration, is_connected: &impl Fn(&[u8; 32]) -> bool) -> SiteStatus {
    let ms = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let invitation = site.invitation.as_ref();
    let state = match (&site.enrolled, invitation) {
        (Some(enrolled), _) if is_connected(&enrolled.public_key.0) => SiteState::Connected,
        (Some(_), _) => SiteState::Joined,
        (None, Some(invitation)) if now.as_secs() < invitation.expires_s => SiteState::Invited,
        (None, Some(_)) => SiteState::Expired,
        (None, None) => SiteState::Revoked,
    };
    let enrolled = site.enrolled.as_ref();
    let last = site.revoked.last();
    SiteStatus {
        site: name.to_owned(),
        state,
        spaces: show_spaces(&site.spaces),
        public_key: enrolled
            .map(|enrolled| enrolled.public_key)
            .or(last.map(|last| last.public_key))
            .map(String::from),
        invitation_expires_ms: invitation
            .filter(|_| enrolled.is_none())
            .map(|invitation| ms(invitation.expires_s)),
        joined_ms: enrolled.map(|enrolled| ms(enrolled.joined_s)),
        certificate_ends_ms: enrolled.and_then(|enrolled| enrolled.certificate_end_s).map(ms),
        last_seen_ms: enrolled.and_then(|enrolled| enrolled.seen_s).map(ms),
        revoked_ms: last.map(|last| ms(last.revoked_s)),
    }
}

#[cfg(test)]
mod tests;
