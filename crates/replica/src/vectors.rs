//! Version vectors: per space and origin the last sequence, and a chain over the hashes of all changes up to it.
//! In memory whole: there are as many entries as sites and spaces, not as documents.

use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::record::{self, GoneRow, VectorRow};
use crate::rows::Rows;
use crate::store::{Keyspace, Store, StoreError};
use document::ChangeHash;
use std::collections::{BTreeMap, BTreeSet};

/// How far an origin's changes in a space are here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorEntry {
    /// The last sequence; all before it are here.
    pub sequence: u64,
    /// Digest over the hashes of all of them, in order.
    pub chain: [u8; 32],
}

impl VectorEntry {
    /// The entry after one more change.
    #[must_use]
    pub(crate) fn next(&self, hash: &ChangeHash) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain);
        hasher.update(&hash.0);
        Self { sequence: self.sequence + 1, chain: *hasher.finalize().as_bytes() }
    }

    /// The part of the chain that peers are told.
    pub(crate) fn chain_short(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.chain;
        [a, b, c, d, e, f, g, h]
    }
}

/// By space and origin: the entry, and the position of its last change in this replica's journal.
#[derive(Default)]
pub(crate) struct Vectors {
    entries: BTreeMap<(SpaceNumber, OriginNumber), (VectorEntry, u64)>,
    /// The first sequence that is in the journal, where it is not 1: those before were trimmed, or came by a fill.
    firsts: BTreeMap<(SpaceNumber, OriginNumber), u64>,
    /// The last change of a stream whose row was trimmed, or that came by a fill.
    gone: BTreeMap<(SpaceNumber, OriginNumber), GoneRow>,
    /// Streams of which changes were written on this store, and no peer has confirmed since that it has them. The store may
    /// be an old copy, so that others have other changes under their stamps.
    unconfirmed: BTreeSet<(SpaceNumber, OriginNumber)>,
}

impl Vectors {
    pub(crate) fn load<S: Store>(rows: &Rows<S>) -> Result<Self, StoreError> {
        let mut vectors = Self::default();
        for row in rows.scan((Keyspace::Journal, keys::all(Keyspace::Journal, keys::KIND_VECTOR))) {
            let (key, value) = row?;
            let place = keys::read_vector(&key)
                .ok_or(StoreError::Damaged { what: "a version vector's key", keyspace: Keyspace::Journal })?;
            let row: VectorRow = record::decode(Keyspace::Journal, &value)?;
            let entry = VectorEntry { sequence: row.sequence, chain: row.chain };
            vectors.entries.insert(place, (entry, row.lsn));
            vectors.firsts.extend(row.first.map(|first| (place, first)));
            vectors.gone.extend(row.gone.map(|gone| (place, gone)));
            vectors.unconfirmed.extend((row.is_unconfirmed == Some(true)).then_some(place));
        }
        Ok(vectors)
    }

    /// See [`crate::planted::Bug::SequenceReused`].
    #[cfg(isle_planted)]
    pub(crate) fn forget_last(&mut self, of: Option<OriginNumber>) {
        for ((_, origin), (entry, _)) in &mut self.entries {
            if Some(*origin) == of {
                entry.sequence = entry.sequence.saturating_sub(1);
            }
        }
    }

    pub(crate) fn get(&self, space: SpaceNumber, origin: OriginNumber) -> VectorEntry {
        self.entry(space, origin).0
    }

    /// An entry, and the position of its last change.
    fn entry(&self, space: SpaceNumber, origin: OriginNumber) -> (VectorEntry, u64) {
        self.entries.get(&(space, origin)).copied().unwrap_or_default()
    }

    /// The first sequence of a stream that is in the journal, or will be.
    pub(crate) fn first(&self, space: SpaceNumber, origin: OriginNumber) -> u64 {
        self.firsts.get(&(space, origin)).copied().unwrap_or(1)
    }

    /// Sequences before `first` are not in the journal. Those that were not before stay so: rows of a stream whose later
    /// changes came by a fill are trimmed afterwards.
    pub(crate) fn raise_first<S: Store>(
        &mut self,
        rows: &mut Rows<S>,
        (space, origin): (SpaceNumber, OriginNumber),
        first: u64,
    ) {
        let had = self.first(space, origin);
        #[cfg(isle_planted)]
        let had = if crate::planted::is(crate::planted::Bug::FirstLowered) { 0 } else { had };
        let first = first.max(had);
        self.firsts.insert((space, origin), first);
        self.set(rows, (space, origin), self.entry(space, origin));
    }

    /// Changes of a stream up to this one have no rows here, or will have none with this batch.
    pub(crate) fn set_gone<S: Store>(
        &mut self,
        rows: &mut Rows<S>,
        stream: (SpaceNumber, OriginNumber),
        gone: GoneRow,
    ) {
        if self.gone.get(&stream).is_none_or(|had| had.sequence < gone.sequence) {
            self.gone.insert(stream, gone);
        }
        self.raise_first(rows, stream, gone.sequence + 1);
    }

    /// What is known of a change whose row was trimmed, or that came by a fill: of the last one of a stream.
    pub(crate) fn gone(&self, stream: (SpaceNumber, OriginNumber), sequence: u64) -> Option<&GoneRow> {
        self.gone.get(&stream).filter(|gone| gone.sequence == sequence)
    }

    /// Whether changes of a stream were written on this store, and no peer has confirmed since that it has them.
    pub(crate) fn is_unconfirmed(&self, stream: (SpaceNumber, OriginNumber)) -> bool {
        self.unconfirmed.contains(&stream)
    }

    /// A change is about to be written here: nobody has confirmed it.
    pub(crate) fn begin_write(&mut self, stream: (SpaceNumber, OriginNumber)) {
        self.unconfirmed.insert(stream);
    }

    /// A peer has all changes of a stream that are here, and no others under their stamps.
    pub(crate) fn confirm<S: Store>(&mut self, rows: &mut Rows<S>, stream: (SpaceNumber, OriginNumber)) {
        if self.unconfirmed.remove(&stream) {
            self.set(rows, stream, self.entry(stream.0, stream.1));
        }
    }

    pub(crate) fn set<S: Store>(
        &mut self,
        rows: &mut Rows<S>,
        (space, origin): (SpaceNumber, OriginNumber),
        (entry, lsn): (VectorEntry, u64),
    ) {
        self.entries.insert((space, origin), (entry, lsn));
        let VectorEntry { sequence, chain } = entry;
        let first = self.firsts.get(&(space, origin)).copied();
        let gone = self.gone.get(&(space, origin)).copied();
        let is_unconfirmed = self.unconfirmed.contains(&(space, origin)).then_some(true);
        let row = VectorRow { sequence, chain, lsn, first, gone, is_unconfirmed };
        rows.put(keys::vector(space, origin), record::encode(&row));
    }

    /// The entries of a space, by origin.
    pub(crate) fn of(&self, space: SpaceNumber) -> impl Iterator<Item = (OriginNumber, VectorEntry)> + '_ {
        self.since(space, 0)
    }

    /// The entries of a space that changed after a position of the journal, by origin.
    pub(crate) fn since(
        &self,
        space: SpaceNumber,
        after: u64,
    ) -> impl Iterator<Item = (OriginNumber, VectorEntry)> + '_ {
        let range = (space, OriginNumber(0))..=(space, OriginNumber(u32::MAX));
        let changed = self.entries.range(range).filter(move |(_, (_, lsn))| after == 0 || *lsn > after);
        changed.map(|((_, origin), (entry, _))| (*origin, *entry))
    }
}
