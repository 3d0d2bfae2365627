//! The space `system`: its documents are brought up to date in the turn in which their changes come, and what they say
//! of rights and schemas counts from there on.

use super::Replica;
use super::frames::hold_rewind;
use super::values::{CHANGES_PER_REQUEST_MAX, Freshness};
use crate::access::{
    ACCESS, AccessDocument, AccessError, AccessFault, Identities, PublicKey, Rights, SYSTEM, access_schema,
    read_access_key,
};
use crate::effect::{DisconnectReason, Effect, Event};
use crate::journal::{DAMAGED, DocumentPlace};
use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::request::RequestError;
use crate::schemas::{SCHEMA, TravelledSchemas, schema_schema};
use crate::session::Reconsidered;
use crate::settings::{Settings, SpaceMode};
use crate::store::{Store, StoreError, undamaged};
use document::{Address, Collection, Schema, Space};
use serde_json::Value;
use std::collections::BTreeSet;

/// Documents of `system` brought up to date at once; more wait for the end of the turn, and the next ones.
const DOCUMENTS_PER_INPUT: usize = 256;

/// What is known from the documents of `system`.
pub(super) struct System {
    pub(super) identities: Identities,
    pub(super) schemas: TravelledSchemas,
    /// What its own documents look like.
    pub(super) access_schema: Option<Schema>,
    pub(super) schema_schema: Option<Schema>,
    /// Changes of `system` that are in the values of its documents.
    seen: u64,
    /// Documents whose value or state changed since they were last looked at.
    touched: BTreeSet<Address>,
}

/// What is here of an origin's changes in a space.
pub(super) struct Stream {
    pub(super) space: Space,
    pub(super) numbers: (SpaceNumber, OriginNumber),
    /// How many.
    pub(super) held: u64,
}

/// With an authority `system` is carried by everyone, and written by the authority's replica alone.
pub(super) fn carry(settings: &mut Settings) {
    let Some(authority) = settings.authority else { return };
    let is_own = authority == settings.key.public_key;
    let mode = if is_own { SpaceMode::Write } else { SpaceMode::Read };
    settings.spaces.extend(Space::new(SYSTEM).ok().map(|space| (space, mode)));
}

impl System {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            identities: Identities::new(settings.authority, settings.key.public_key),
            schemas: TravelledSchemas::default(),
            access_schema: access_schema().ok(),
            schema_schema: schema_schema().ok(),
            seen: 0,
            touched: BTreeSet::new(),
        }
    }

    fn says(&self, address: &Address) -> bool {
        self.identities.has_authority()
            && address.space.as_str() == SYSTEM
            && is_reserved(&address.collection)
    }

    /// The schema of a document that says something here, whatever else is known of its collection.
    pub(super) fn schema(&self, address: &Address) -> Option<&Schema> {
        let schema = match address.collection.as_str() {
            ACCESS => &self.access_schema,
            _ => &self.schema_schema,
        };
        schema.as_ref().filter(|_| self.says(address))
    }
}

fn is_reserved(collection: &Collection) -> bool {
    matches!(collection.as_str(), ACCESS | SCHEMA)
}

impl<S: Store> Replica<S> {
    /// What a peer may do in a space.
    #[must_use]
    pub fn rights(&self, peer: &str, public_key: &[u8; 32], space: &Space) -> Rights {
        let settings = self.settings.peers.get(peer).cloned().unwrap_or_default();
        let shares = self.system.identities.shares(peer, public_key, &settings);
        shares.get(space).copied().unwrap_or_default()
    }

    /// Reads what the store has of `system`.
    pub(super) fn open_system(&mut self) -> Result<(), StoreError> {
        if !self.system.identities.has_authority() {
            return Ok(());
        }
        self.system.schemas = TravelledSchemas::load(&self.journal.rows)?;
        for (collection, schema) in self.system.schemas.iter() {
            self.settings.schemas.insert(collection.clone(), schema.clone());
        }
        for (space, collection) in self.spoken() {
            let rows = self.journal.rows.scan(keys::documents_after(space, &collection, None));
            let rows: Vec<_> = rows.map(|row| row.map(|(key, _)| key)).collect::<Result<_, _>>()?;
            for key in rows {
                self.system.touched.insert(self.journal.listed_address(&key)?);
            }
        }
        self.follow_system()
    }

    /// The collections that say something here, as far as there is anything of them.
    fn spoken(&self) -> Vec<(SpaceNumber, Collection)> {
        let Some(number) = self.system_number() else { return Vec::new() };
        let collections = [SCHEMA, ACCESS].into_iter().filter_map(|name| Collection::new(name).ok());
        collections.map(|name| (number, name)).collect()
    }

    fn system_number(&self) -> Option<SpaceNumber> {
        let space = Space::new(SYSTEM).ok().filter(|_| self.system.identities.has_authority());
        space.and_then(|space| self.journal.names.space_number(&space))
    }

    /// A document's value or state changed.
    pub(super) fn note_system(&mut self, address: &Address) {
        if self.system.says(address) {
            self.system.touched.insert(address.clone());
        }
    }

    /// Takes what changed in `system`. Cheap when nothing did.
    pub(super) fn follow_system(&mut self) -> Result<(), StoreError> {
        self.refresh_system()?;
        if self.system.touched.is_empty() {
            return Ok(());
        }
        let mut changed = BTreeSet::new();
        for address in std::mem::take(&mut self.system.touched) {
            let place = self.journal.document(&address)?;
            // One that no change was applied to yet says nothing.
            let is_said = |place: &DocumentPlace| place.row.value > 0 || place.row.blocked.is_some();
            let Some(mut place) = place.filter(is_said) else { continue };
            self.mend_value(&address, &mut place)?;
            match address.collection.as_str() {
                ACCESS => changed.extend(self.take_access(&address, &place)?),
                _ => self.take_schema(&address, &place)?,
            }
        }
        if changed.is_empty() { Ok(()) } else { self.apply_rights(&changed) }
    }

    /// Brings documents of `system` up to date that have changes which their values lack.
    fn refresh_system(&mut self) -> Result<(), StoreError> {
        let number = self.system_number();
        let changes = number.into_iter().flat_map(|number| self.journal.vectors.of(number));
        let changes = changes.map(|(_, entry)| entry.sequence).sum();
        if changes == self.system.seen {
            return Ok(());
        }
        let mut is_behind = false;
        for (space, collection) in self.spoken() {
            let rows = self.journal.rows.scan(keys::listed_of(keys::KIND_WAITING, space, &collection));
            let rows = rows.take(DOCUMENTS_PER_INPUT + 1).map(|row| row.map(|(key, _)| key));
            let waiting: Vec<_> = rows.collect::<Result<_, _>>()?;
            is_behind |= waiting.len() > DOCUMENTS_PER_INPUT;
            for key in waiting.into_iter().take(DOCUMENTS_PER_INPUT) {
                let address = self.journal.listed_address(&key)?;
                let mut place = self.journal.document(&address)?.ok_or(DAMAGED)?;
                let refreshed = self.refresh(&address, &mut place, CHANGES_PER_REQUEST_MAX)?;
                is_behind |= refreshed.freshness == Freshness::Behind;
            }
        }
        if !is_behind {
            self.system.seen = changes;
        }
        Ok(())
    }

    /// What a document says; `None` when it is deleted, blocked, or cannot be read.
    fn spoken_value(&self, address: &Address, place: &DocumentPlace) -> Result<Option<Value>, StoreError> {
        if place.row.blocked.is_some() {
            return Ok(None);
        }
        Ok(undamaged(self.journal.value(address, place))?.flatten())
    }

    /// Takes an access document; returns its key when it says something else than before.
    fn take_access(
        &mut self,
        address: &Address,
        place: &DocumentPlace,
    ) -> Result<Option<PublicKey>, StoreError> {
        let value = self.spoken_value(address, place)?;
        let key = read_access_key(&address.key);
        let document = match (&key, &value, &self.system.access_schema) {
            (None, ..) => Err(AccessFault::Key),
            (Some(_), Some(value), Some(schema)) => AccessDocument::read(schema, value),
            (Some(_), ..) => Err(AccessFault::Value),
        };
        let (document, mut fault) = match document {
            Ok(document) => (Some(document), None),
            Err(fault) => (None, Some(fault)),
        };
        self.carry_shared(document.as_ref())?;
        let changed = key.filter(|key| match self.system.identities.set(*key, document) {
            Ok(changed) => changed,
            Err(full) => {
                fault = Some(full);
                false
            }
        });
        if let Some(fault) = fault {
            self.turns.hold(Effect::Event(Event::AccessRefused { address: address.clone(), fault }));
        }
        Ok(changed)
    }

    /// The authority carries every space in which somebody has rights, or had them: a site that is let in while it runs
    /// has its own spaces there at once.
    fn carry_shared(&mut self, document: Option<&AccessDocument>) -> Result<(), StoreError> {
        let Some(document) = document else { return Ok(()) };
        if !self.system.identities.is_authority(&self.settings.key.public_key) {
            return Ok(());
        }
        let cut = document.cuts.keys().map(|(space, _)| space);
        for space in document.spaces.keys().chain(cut) {
            if !self.settings.spaces.contains_key(space) {
                self.journal.names.intern_space(&mut self.journal.rows, space)?;
                self.settings.spaces.insert(space.clone(), SpaceMode::Write);
                self.view_number += 1;
            }
        }
        Ok(())
    }

    /// Takes a version of a schema, and has the indexes of its collection made by it.
    fn take_schema(&mut self, address: &Address, place: &DocumentPlace) -> Result<(), StoreError> {
        let value = self.spoken_value(address, place)?;
        let event = match self.system.schemas.take(&mut self.journal.rows, &address.key, value.as_ref())? {
            Ok(None) => return Ok(()),
            Ok(Some((collection, schema))) => {
                let version = schema.version();
                self.settings.schemas.insert(collection.clone(), schema);
                self.forget_schema(&collection)?;
                self.view_number += 1;
                Event::SchemaTaken { collection, version }
            }
            Err(fault) => Event::SchemaRefused { address: address.clone(), fault },
        };
        self.turns.hold(Effect::Event(event));
        Ok(())
    }

    /// The documents of some keys say something else: sessions that no longer fit end, streams that waited go on.
    fn apply_rights(&mut self, changed: &BTreeSet<PublicKey>) -> Result<(), StoreError> {
        let is_lifted = self.cut_streams(changed)?;
        for link in self.peers.links() {
            let Some(peer) = self.peers.of(link) else { continue };
            let Some(session) = &mut peer.session else { continue };
            let (identities, key) = (&self.system.identities, session.public_key);
            let reason = if identities.is_revoked(&key) {
                DisconnectReason::Revoked
            } else if !is_lifted
                && !session.fills.denies_any(changed)
                && identities.shares(&peer.name, &key, &peer.settings) == peer.shares
            {
                let Some((_, receiver)) = &mut session.exchange else { continue };
                match receiver.reconsider(identities, &key) {
                    Reconsidered::Settled => continue,
                    Reconsidered::Rewind(generation) => {
                        hold_rewind(peer, &self.journal, &mut self.turns, generation)?;
                        continue;
                    }
                    Reconsidered::Exhausted => DisconnectReason::RightsChanged,
                }
            } else {
                DisconnectReason::RightsChanged
            };
            self.peers.disconnect(link);
            self.turns.drop_frames(link);
            self.turns.release(Effect::Disconnect { link, reason });
        }
        let peers = self.peers.iter_mut().filter(|peer| peer.session.is_none());
        for peer in peers {
            if let Some(key) = self.system.identities.named(&peer.name) {
                peer.shares = self.system.identities.shares(&peer.name, &key, &peer.settings);
            }
        }
        Ok(())
    }

    /// Streams of these keys are passed on up to their cuts. Returns whether a cut is gone: senders have passed over what
    /// lay beyond it, and begin again.
    fn cut_streams(&mut self, changed: &BTreeSet<PublicKey>) -> Result<bool, StoreError> {
        let mut is_lifted = false;
        for key in changed {
            self.lower_reach(key)?;
            for Stream { space, numbers, held } in self.streams_of(key)? {
                let (origin, of) = self.journal.names.origin(numbers.1)?;
                let last = self.system.identities.cut(&space, origin, &of.public_key);
                let Some(last) = last.filter(|last| *last < held) else {
                    is_lifted |= self.journal.cuts.remove(&numbers).is_some();
                    continue;
                };
                self.journal.cuts.insert(numbers, last);
                let document = self.system.identities.document(key);
                let name = document.map(|document| document.name.clone()).unwrap_or_default();
                let event = Event::RowsBeyondCut { name, space, origin, last, rows: held - last };
                self.turns.hold(Effect::Event(event));
            }
        }
        Ok(is_lifted)
    }

    /// Documents wait for no stamps beyond a cut: those never come.
    fn lower_reach(&mut self, key: &PublicKey) -> Result<(), StoreError> {
        let origins: Vec<_> = self.journal.names.origins_of(key).collect();
        let spaces: Vec<_> = self.journal.names.spaces().collect();
        for space in spaces {
            let name = self.journal.names.space(space)?.clone();
            for number in &origins {
                let (origin, _) = self.journal.names.origin(*number)?;
                if let Some(last) = self.system.identities.cut(&name, origin, key) {
                    self.journal.lower_until(space, origin, last);
                }
            }
        }
        Ok(())
    }

    /// What there is of a key's changes.
    pub(super) fn streams_of(&self, key: &PublicKey) -> Result<Vec<Stream>, StoreError> {
        let mut streams = Vec::new();
        for origin in self.journal.names.origins_of(key) {
            for space in self.journal.names.spaces() {
                let held = self.journal.vectors.get(space, origin).sequence;
                if held > 0 {
                    let name = self.journal.names.space(space)?.clone();
                    streams.push(Stream { space: name, numbers: (space, origin), held });
                }
            }
        }
        Ok(streams)
    }

    /// Whether a peer is let in; from here on it is known what it may do.
    pub(super) fn admit(
        &mut self,
        name: &str,
        public_key: &PublicKey,
    ) -> Result<Result<(), DisconnectReason>, StoreError> {
        let identities = &self.system.identities;
        if identities.is_revoked(public_key) {
            return Ok(Err(DisconnectReason::Revoked));
        }
        let is_named = identities.document(public_key).is_some_and(|document| document.name == name);
        if is_named && self.peers.named(name).is_none() {
            self.peers.add(&self.journal.rows, name)?;
        }
        let unknown = DisconnectReason::UnknownPeer { peer: name.to_owned() };
        let Some(peer) = self.peers.named(name) else { return Ok(Err(unknown)) };
        let shares = identities.shares(name, public_key, &peer.settings);
        if shares.is_empty() && identities.has_authority() {
            return Ok(Err(unknown));
        }
        peer.shares = shares;
        Ok(Ok(()))
    }

    /// Whether the services of this replica may write documents of collections, as far as documents say.
    pub(super) fn check_rights<'a>(
        &self,
        space: &Space,
        collections: impl IntoIterator<Item = &'a Collection>,
    ) -> Result<(), RequestError> {
        if !self.system.identities.has_authority() {
            return Ok(());
        }
        if space.as_str() == SYSTEM {
            let reserved = collections.into_iter().find(|collection| is_reserved(collection));
            return reserved.map_or(Ok(()), |name| Err(AccessError::Reserved(name.clone()).into()));
        }
        if self.system.identities.may_write(space) {
            Ok(())
        } else {
            Err(RequestError::NoRight(space.clone()))
        }
    }
}
