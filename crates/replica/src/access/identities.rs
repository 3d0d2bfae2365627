//! All access documents, and the questions asked of them.

use super::{AccessDocument, AccessFault, IDENTITIES_MAX, PublicKey, Rights, SYSTEM, Shares, settled_shares};
use crate::effect::StopReason;
use crate::settings::PeerSettings;
use document::{Origin, Space};
use std::collections::BTreeMap;
use wire::OriginKey;

/// What is known of identities. Made from the values of `system` when a replica opens, and kept up with them.
#[derive(Debug)]
pub(crate) struct Identities {
    authority: Option<PublicKey>,
    own: PublicKey,
    /// `None`: its document cannot be read.
    by_key: BTreeMap<PublicKey, Option<AccessDocument>>,
}

/// A change on its way in.
#[derive(Clone, Copy)]
pub(crate) struct Delivery<'a> {
    /// Who delivers it, and what that one may do in the space.
    pub(crate) peer: &'a PublicKey,
    pub(crate) rights: Rights,
    pub(crate) space: &'a Space,
    /// Who wrote it.
    pub(crate) origin: Origin,
    pub(crate) key: &'a OriginKey,
    pub(crate) sequence: u64,
}

impl Identities {
    pub(crate) fn new(authority: Option<PublicKey>, own: PublicKey) -> Self {
        Self { authority, own, by_key: BTreeMap::new() }
    }

    /// Takes what is known of a key now; returns whether that is something else than before.
    pub(crate) fn set(
        &mut self,
        key: PublicKey,
        document: Option<AccessDocument>,
    ) -> Result<bool, AccessFault> {
        if self.by_key.len() >= IDENTITIES_MAX && !self.by_key.contains_key(&key) {
            return Err(AccessFault::TooMany);
        }
        Ok(self.by_key.insert(key, document.clone()) != Some(document))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.by_key.len() >= IDENTITIES_MAX
    }

    pub(crate) fn has_authority(&self) -> bool {
        self.authority.is_some()
    }

    pub(crate) fn is_authority(&self, key: &PublicKey) -> bool {
        self.authority.as_ref() == Some(key)
    }

    /// What the document of a key says; `None` when there is none that says anything.
    pub(crate) fn document(&self, key: &PublicKey) -> Option<&AccessDocument> {
        self.known(key)?
    }

    /// What is known of a key: nothing, that its document cannot be read, or the document. Nothing ever of the
    /// authority's.
    fn known(&self, key: &PublicKey) -> Option<Option<&AccessDocument>> {
        let known = self.by_key.get(key).filter(|_| !self.is_authority(key));
        known.map(Option::as_ref)
    }

    /// Whether documents say what an author may do, where they say it of anybody.
    pub(crate) fn is_known(&self, author: &PublicKey) -> bool {
        !self.has_authority() || self.is_authority(author) || self.document(author).is_some()
    }

    pub(crate) fn is_revoked(&self, key: &PublicKey) -> bool {
        self.document(key).is_some_and(|document| document.is_revoked)
    }

    /// The key whose document has a name; one that is not revoked, if there is one.
    pub(crate) fn named(&self, name: &str) -> Option<PublicKey> {
        let documents = self.by_key.iter().filter_map(|(key, document)| Some((key, document.as_ref()?)));
        let named = documents.filter(|(_, document)| document.name == name);
        named.max_by_key(|(_, document)| !document.is_revoked).map(|(key, _)| *key)
    }

    /// What a peer may do. Empty: it is not let in.
    pub(crate) fn shares(&self, name: &str, key: &PublicKey, settings: &PeerSettings) -> Shares {
        let settled = || settled_shares(settings);
        if !self.has_authority() {
            return settled();
        }
        let none = Rights::default();
        let system = |relay| Rights { read: true, write: false, relay, snapshot: relay };
        let (mut shares, system) = match self.known(key) {
            _ if self.is_authority(key) => {
                let mut shares = settled();
                shares.values_mut().for_each(|rights| {
                    (rights.relay, rights.snapshot) = (rights.write, rights.write);
                });
                (shares, Rights { write: true, ..system(true) })
            }
            Some(Some(document)) if document.is_revoked => (Shares::new(), none),
            Some(Some(document)) => {
                let given = document.spaces.iter().filter(|(space, _)| space.as_str() == SYSTEM);
                let given = given.map(|(_, rights)| *rights).next().unwrap_or_default();
                let system = Rights { snapshot: given.snapshot, ..system(given.relay) };
                (document.spaces.clone(), system)
            }
            Some(None) => (Shares::new(), system(false)),
            None if self.named(name).is_some() => (Shares::new(), none),
            None => (settled(), system(settings.relay)),
        };
        shares.extend(Space::new(SYSTEM).ok().map(|space| (space, system)));
        shares.retain(|_, rights| !rights.is_none());
        shares
    }

    /// Whether a change is taken.
    pub(crate) fn check(&self, delivery: &Delivery<'_>) -> Result<(), StopReason> {
        let Delivery { peer, rights, space, origin, key, sequence } = *delivery;
        if !self.has_authority() {
            return Ok(());
        }
        let author = &key.public_key;
        let is_own = author == peer;
        if !is_own && !rights.relay {
            return Err(StopReason::NoRelay);
        }
        if self.is_authority(author) {
            return Ok(());
        }
        if space.as_str() == SYSTEM {
            return Err(StopReason::NoWrite);
        }
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::CutForgotten) {
            return Ok(());
        }
        match self.known(author) {
            Some(Some(document)) => match document.cut(space, origin) {
                Some(last) if sequence > last && document.is_revoked => Err(StopReason::Revoked { last }),
                Some(last) if sequence > last => Err(StopReason::NoWrite),
                Some(_) | None => Ok(()),
            },
            Some(None) => Err(StopReason::NoWrite),
            // The settings hold: of the peer itself, and of this replica, whose past comes back from others.
            None if is_own && rights.write || *author == self.own => Ok(()),
            None if is_own => Err(StopReason::NoWrite),
            None => Err(StopReason::RightUnknown),
        }
    }

    /// Whether changes of an author may be among documents that a peer brings whole, where no change has a number. Of
    /// one that lost the right to write only the authority brings them: it has none beyond the cut.
    pub(crate) fn may_be_filled(&self, space: &Space, key: &OriginKey, peer: &PublicKey) -> bool {
        let author = &key.public_key;
        if !self.has_authority() || self.is_authority(author) {
            return true;
        }
        match self.known(author) {
            _ if space.as_str() == SYSTEM => false,
            Some(Some(document)) => {
                document.cut(space, crate::origin_of(key)).is_none() || self.is_authority(peer)
            }
            Some(None) => false,
            None => *author == self.own || author == peer,
        }
    }

    /// The last change of an origin that is passed on; `None` when there is no end to them.
    pub(crate) fn cut(&self, space: &Space, origin: Origin, key: &PublicKey) -> Option<u64> {
        self.document(key)?.cut(space, origin)
    }

    /// Whether anybody lost the right to write in a space: what hangs on changes beyond the cut never gets them.
    pub(crate) fn is_cut(&self, space: &Space) -> bool {
        let mut documents = self.by_key.values().flatten();
        documents.any(|document| {
            !document.writes(space)
                && (document.is_revoked || document.cuts.keys().any(|(of, _)| of == space))
        })
    }

    /// Whether this replica is sent what others write in a space, as far as documents say.
    pub(crate) fn may_read(&self, space: &Space) -> bool {
        match self.known(&self.own) {
            _ if space.as_str() == SYSTEM => true,
            Some(Some(document)) => document.spaces.get(space).is_some_and(|rights| rights.read),
            Some(None) => false,
            None => true,
        }
    }

    /// Whether this replica's services may write a space, as far as documents say.
    pub(crate) fn may_write(&self, space: &Space) -> bool {
        match self.known(&self.own) {
            Some(Some(document)) => document.writes(space),
            Some(None) => false,
            None => true,
        }
    }
}
