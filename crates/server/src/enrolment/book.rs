//! Who was invited, who joined, and who was revoked: what the hub decides by. Pure: it is told the time.
//!
//! A site is invited, joins with a key of its own, and may be revoked; then it may be invited again, and joins with
//! another key. A revoked key is refused for ever, under whatever name.

use crate::config::{PublicKey, SpaceName};
use crate::enrolment::SpaceRights;
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use transport::enrolment::{JoinSecret, Refusal, SecretHash};
use transport::{NameError, check_name};

/// Most sites: the core takes 16,384 access documents, one for each key that ever joined.
pub(crate) const SITES_MAX: usize = 10_000;

/// Keys of one site that were revoked, from which on it is not invited again. A revocation itself is never refused.
const REVOKED_PER_SITE_MAX: usize = 64;

/// Longest time for which an invitation holds.
pub(crate) const INVITATION_MAX: Duration = Duration::from_hours(24 * 30);

/// The book. What this version does not know in it is refused: written again it would be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Book {
    /// 1.
    version: Version,
    /// When the hub's authority was made, in seconds since 1970: a clock before that is wrong.
    made_s: u64,
    /// Spaces that a site had a right in and no entry names: what was written there stays at the hub.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    former_spaces: BTreeSet<SpaceName>,
    sites: BTreeMap<String, Site>,
}

/// What is known of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    /// What it may do.
    pub(crate) spaces: BTreeMap<SpaceName, SpaceRights>,
    /// The last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) invitation: Option<Invitation>,
    /// Once it has joined, until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) enrolled: Option<Enrolled>,
    /// Keys that it had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) revoked: Vec<Revoked>,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invitation {
    /// Of its secret, in hexadecimal.
    secret_hash: PublicKey,
    /// In seconds since 1970.
    pub(crate) expires_s: u64,
    /// The key that joined with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_by: Option<PublicKey>,
}

/// A key that is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrolled {
    pub(crate) public_key: PublicKey,
    /// In seconds since 1970.
    pub(crate) joined_s: u64,
    /// The end of the last certificate that was issued for it, in seconds since 1970; none: none was yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_end_s: Option<u64>,
    /// When it was last connected, in seconds since 1970, as of the last time that the book was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen_s: Option<u64>,
    /// Whether its access document is written.
    #[serde(default)]
    is_granted: bool,
}

/// A key that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    pub(crate) public_key: PublicKey,
    /// In seconds since 1970.
    pub(crate) revoked_s: u64,
    /// Whether its access document says so.
    #[serde(default)]
    is_cut: bool,
}

/// What `system` does not say yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// What a key may do.
    Grant { public_key: [u8; 32], site: String, spaces: BTreeMap<SpaceName, SpaceRights> },
    /// That it is revoked.
    Cut { public_key: [u8; 32] },
}

impl Unwritten {
    /// Whose document it is.
    pub(crate) fn public_key(&self) -> &[u8; 32] {
        match self {
            Self::Grant { public_key, .. } | Self::Cut { public_key } => public_key,
        }
    }
}

/// Why a site is not invited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is the hub's.
    #[error("{site} is this hub itself: name the site")]
    Hub {
        /// The name.
        site: String,
    },
    /// It has joined.
    #[error("{site} has joined already: `isle hub revoke {site}` first if it is to join with a new key")]
    Joined {
        /// The name.
        site: String,
    },
    /// It had too many keys, and each of them is refused for ever.
    #[error("{site} has had {REVOKED_PER_SITE_MAX} keys that were revoked: invite it under another name")]
    TooManyKeys {
        /// The name.
        site: String,
    },
    /// There are too many.
    #[error("there are {SITES_MAX} sites: no more are invited")]
    Full,
    /// The invitation would hold for too long.
    #[error("an invitation holds for at most {} days", INVITATION_MAX.as_secs() / 86_400)]
    Expiry,
}

/// Why a site is not let in by its certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// No site of this name can come in.
    #[error(transparent)]
    Site(#[from] InviteError),
    /// Its key was revoked.
    #[error("the key of this certificate was revoked, for ever: issue {site} a certificate for a new key")]
    Revoked {
        /// The name.
        site: String,
    },
    /// The key is another site's.
    #[error("the key of this certificate is that of {other}: each site has a key of its own")]
    KeyTaken {
        /// Whose it is.
        other: String,
    },
}

/// Why a site is not revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// There is none.
    #[error("there is no site {site} here: `isle hub sites` lists them")]
    Unknown {
        /// The name.
        site: String,
    },
}

/// Why what a site may do is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RightsError {
    /// There is none.
    #[error("there is no site {site} here: `isle hub sites` lists them, `isle hub invite` lets one in")]
    Unknown {
        /// The name.
        site: String,
    },
    /// It was revoked.
    #[error("{site} was revoked, for ever: `isle hub invite {site}` lets it in again, with a new key")]
    Revoked {
        /// The name.
        site: String,
    },
}

/// Whom new rights are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// A key that is let in: its access document follows.
    Key([u8; 32]),
    /// A site that is invited: they hold when it joins.
    Invitation,
}

/// What a revocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// This key is refused from here on.
    Key([u8; 32]),
    /// Only an invitation was open.
    Invitation,
    /// Nothing: it was revoked before.
    Nothing,
}

impl Book {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            version: Version,
            made_s: now.as_secs(),
            former_spaces: BTreeSet::new(),
            sites: BTreeMap::new(),
        }
    }

    /// When the authority was made.
    pub(crate) fn made(&self) -> Duration {
        Duration::from_secs(self.made_s)
    }

    pub(crate) fn sites(&self) -> impl Iterator<Item = (&String, &Site)> {
        self.sites.iter()
    }

    /// Invites a site; an earlier invitation that was not used is void.
    pub(crate) fn invite(
        &mut self,
        (site, hub): (&str, &str),
        spaces: BTreeMap<SpaceName, SpaceRights>,
        secret_hash: SecretHash,
        (now, expiry): (Duration, Duration),
    ) -> Result<(), InviteError> {
        if expiry > INVITATION_MAX {
            return Err(InviteError::Expiry);
        }
        let entry = self.begin((site, hub), spaces)?;
        let expires_s = now.saturating_add(expiry).as_secs();
        entry.invitation =
            Some(Invitation { secret_hash: PublicKey(secret_hash.0), expires_s, used_by: None });
        Ok(())
    }

    /// The entry of a site that has no key yet, with what it may do from when it has one.
    fn begin(
        &mut self,
        (site, hub): (&str, &str),
        spaces: BTreeMap<SpaceName, SpaceRights>,
    ) -> Result<&mut Site, InviteError> {
        check_name(site)?;
        let name = || site.to_owned();
        if site == hub {
            return Err(InviteError::Hub { site: name() });
        }
        if !self.sites.contains_key(site) && self.sites.len() >= SITES_MAX {
            return Err(InviteError::Full);
        }
        let entry = self.sites.entry(name()).or_default();
        if entry.enrolled.is_some() {
            return Err(InviteError::Joined { site: name() });
        }
        if entry.revoked.len() >= REVOKED_PER_SITE_MAX {
            return Err(InviteError::TooManyKeys { site: name() });
        }
        let before = std::mem::replace(&mut entry.spaces, spaces);
        if !entry.revoked.is_empty() {
            self.former_spaces.extend(before.into_keys());
        }
        Ok(entry)
    }

    /// Lets a key in that somebody else certified, in place of an invitation; of one that is in already the rights and
    /// the end of its certificate are others from here on. Returns what it might do before.
    pub(crate) fn admit(
        &mut self,
        (site, hub): (&str, &str),
        (public_key, certificate_end): ([u8; 32], Duration),
        spaces: &BTreeMap<SpaceName, SpaceRights>,
        now: Duration,
    ) -> Result<BTreeMap<SpaceName, SpaceRights>, AdmitError> {
        if self.is_revoked(&public_key) {
            return Err(AdmitError::Revoked { site: site.to_owned() });
        }
        let of_key = |site: &Site| site.enrolled.as_ref().is_some_and(|own| own.public_key.0 == public_key);
        let owner = self.sites.iter().find(|(_, other)| of_key(other)).map(|(name, _)| name.clone());
        let mut before = BTreeMap::new();
        match owner {
            Some(owner) if owner != site => return Err(AdmitError::KeyTaken { other: owner }),
            // Of a key that is in there are rights to be set.
            Some(_) => {
                before = self.set_rights(site, spaces.clone()).map_or_else(|_| BTreeMap::new(), |set| set.1);
            }
            None => {
                self.begin((site, hub), spaces.clone())?.enrolled = Some(Enrolled {
                    public_key: PublicKey(public_key),
                    joined_s: now.as_secs(),
                    certificate_end_s: None,
                    seen_s: None,
                    is_granted: false,
                });
            }
        }
        self.certified(&public_key, certificate_end);
        Ok(before)
    }

    /// Lets a key in, for who has the secret of an invitation. The book is to be durable before anything is answered.
    pub(crate) fn join(
        &mut self,
        site: &str,
        secret: &JoinSecret,
        public_key: [u8; 32],
        now: Duration,
    ) -> Result<(), Refusal> {
        let is_taken = self.sites.iter().any(|(name, other)| {
            name != site && other.enrolled.as_ref().is_some_and(|own| own.public_key.0 == public_key)
        });
        let is_revoked = self.is_revoked(&public_key);
        let entry = self.sites.get_mut(site).ok_or(Refusal::UnknownInvitation)?;
        let invitation = entry.invitation.as_mut().ok_or(Refusal::UnknownInvitation)?;
        if !SecretHash(invitation.secret_hash.0).is_of(secret) {
            return Err(Refusal::UnknownInvitation);
        }
        // Whoever has no secret learns nothing beyond this point.
        if is_revoked {
            return Err(Refusal::Revoked);
        }
        if is_taken {
            return Err(Refusal::KeyTaken);
        }
        let key = PublicKey(public_key);
        if invitation.used_by.is_some_and(|used_by| used_by != key) {
            return Err(Refusal::Used);
        }
        if now.as_secs() >= invitation.expires_s {
            return Err(Refusal::Expired);
        }
        if invitation.used_by.is_none() {
            invitation.used_by = Some(key);
            entry.enrolled = Some(Enrolled {
                public_key: key,
                joined_s: now.as_secs(),
                certificate_end_s: None,
                seen_s: None,
                is_granted: false,
            });
        }
        Ok(())
    }

    /// Whether a key gets its next certificate.
    pub(crate) fn check_renewal(&self, site: &str, public_key: &[u8; 32]) -> Result<(), Refusal> {
        if self.is_revoked(public_key) {
            return Err(Refusal::Revoked);
        }
        let enrolled = self.sites.get(site).and_then(|site| site.enrolled.as_ref());
        let is_own = enrolled.is_some_and(|enrolled| enrolled.public_key.0 == *public_key);
        if is_own { Ok(()) } else { Err(Refusal::NotEnrolled) }
    }

    /// Ends what a site may do, its open invitation too.
    pub(crate) fn revoke(&mut self, site: &str, now: Duration) -> Result<Ended, RevokeError> {
        let unknown = || RevokeError::Unknown { site: site.to_owned() };
        let entry = self.sites.get_mut(site).ok_or_else(unknown)?;
        let invitation = entry.invitation.take();
        Ok(match (entry.enrolled.take(), invitation) {
            (Some(Enrolled { public_key, .. }), _) => {
                entry.revoked.push(Revoked { public_key, revoked_s: now.as_secs(), is_cut: false });
                Ended::Key(public_key.0)
            }
            (None, Some(_)) => Ended::Invitation,
            (None, None) => Ended::Nothing,
        })
    }

    /// Says what a site may do from here on, in place of what it might before, which is returned.
    pub(crate) fn set_rights(
        &mut self,
        site: &str,
        spaces: BTreeMap<SpaceName, SpaceRights>,
    ) -> Result<(Given, BTreeMap<SpaceName, SpaceRights>), RightsError> {
        let unknown = || RightsError::Unknown { site: site.to_owned() };
        let entry = self.sites.get_mut(site).ok_or_else(unknown)?;
        let given = match (&mut entry.enrolled, &entry.invitation) {
            (Some(enrolled), _) => {
                enrolled.is_granted &= entry.spaces == spaces;
                Given::Key(enrolled.public_key.0)
            }
            (None, Some(_)) => Given::Invitation,
            (None, None) => return Err(RightsError::Revoked { site: site.to_owned() }),
        };
        let before = std::mem::replace(&mut entry.spaces, spaces);
        if given != Given::Invitation || !entry.revoked.is_empty() {
            self.former_spaces.extend(before.keys().cloned());
        }
        Ok((given, before))
    }

    /// The spaces that the hub carries for sites, and carried for those that were revoked or have other rights.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = &SpaceName> {
        self.sites.values().flat_map(|site| site.spaces.keys()).chain(&self.former_spaces)
    }

    /// The keys that are refused.
    pub(crate) fn revoked(&self) -> impl Iterator<Item = [u8; 32]> {
        self.sites.values().flat_map(|site| &site.revoked).map(|revoked| revoked.public_key.0)
    }

    pub(crate) fn is_revoked(&self, public_key: &[u8; 32]) -> bool {
        self.revoked().any(|revoked| revoked == *public_key)
    }

    /// What `system` is to say and does not.
    pub(crate) fn unwritten(&self) -> Vec<Unwritten> {
        let grant = |(name, site): (&String, &Site)| {
            let enrolled = site.enrolled.as_ref().filter(|enrolled| !enrolled.is_granted)?;
            let (public_key, spaces) = (enrolled.public_key.0, site.spaces.clone());
            Some(Unwritten::Grant { public_key, site: name.clone(), spaces })
        };
        let revoked = self.sites.values().flat_map(|site| &site.revoked);
        let cuts = revoked.filter(|revoked| !revoked.is_cut);
        let cuts = cuts.map(|revoked| Unwritten::Cut { public_key: revoked.public_key.0 });
        self.sites.iter().filter_map(grant).chain(cuts).collect()
    }

    /// `system` says it.
    pub(crate) fn written(&mut self, written: &Unwritten) {
        for site in self.sites.values_mut() {
            match (written, &mut site.enrolled) {
                // Other rights may have been given while these were written.
                (Unwritten::Grant { public_key, spaces, .. }, Some(enrolled))
                    if enrolled.public_key.0 == *public_key && site.spaces == *spaces =>
                {
                    enrolled.is_granted = true;
                }
                (Unwritten::Grant { .. }, _) => {}
                (Unwritten::Cut { public_key }, _) => {
                    let of_key = |revoked: &&mut Revoked| revoked.public_key.0 == *public_key;
                    site.revoked.iter_mut().filter(of_key).for_each(|revoked| revoked.is_cut = true);
                }
            }
        }
    }

    /// The store that had it is gone, or an older copy: all of it is written again.
    pub(crate) fn forget_written(&mut self) {
        for site in self.sites.values_mut() {
            site.enrolled.iter_mut().for_each(|enrolled| enrolled.is_granted = false);
            site.revoked.iter_mut().for_each(|revoked| revoked.is_cut = false);
        }
    }

    /// A certificate was issued.
    pub(crate) fn certified(&mut self, public_key: &[u8; 32], end: Duration) {
        if let Some(enrolled) = self.enrolled_mut(public_key) {
            enrolled.certificate_end_s = Some(end.as_secs());
        }
    }

    /// A site is connected, or was until now.
    pub(crate) fn seen(&mut self, public_key: &[u8; 32], now: Duration) {
        if let Some(enrolled) = self.enrolled_mut(public_key) {
            enrolled.seen_s = Some(now.as_secs());
        }
    }

    /// What a key was granted.
    pub(crate) fn spaces_of(&self, public_key: &[u8; 32]) -> Option<&BTreeMap<SpaceName, SpaceRights>> {
        let is_own = |site: &&Site| {
            site.enrolled.as_ref().is_some_and(|enrolled| enrolled.public_key.0 == *public_key)
        };
        self.sites.values().find(is_own).map(|site| &site.spaces)
    }

    fn enrolled_mut(&mut self, public_key: &[u8; 32]) -> Option<&mut Enrolled> {
        let mut enrolled = self.sites.values_mut().filter_map(|site| site.enrolled.as_mut());
        enrolled.find(|enrolled| enrolled.public_key.0 == *public_key)
    }
}

#[cfg(test)]
mod tests;
