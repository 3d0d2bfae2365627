//! Version vectors: per space and origin the last sequence, and a chain over the hashes of all changes up to it.
//! In memory whole: there are as many entries as sites and spaces, not as documents.

use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::record::{self, VectorRow};
use crate::rows::Rows;
use crate::store::{Keyspace, Store, StoreError};
use document::ChangeHash;
use std::collections::BTreeMap;

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
}

impl Vectors {
    pub(crate) fn load<S: Store>(rows: &Rows<S>) -> Result<Self, StoreError> {
        let mut vectors = Self::default();
        for row in rows.scan((Keyspace::Journal, keys::all(Keyspace::Journal, keys::KIND_VECTOR))) {
            let (key, value) = row?;
            let place = keys::read_vector(&key)
                .ok_or(StoreError::Damaged { what: "a version vector's key", keyspace: Keyspace::Journal })?;
            let VectorRow { sequence, chain, lsn, first } = record::decode(Keyspace::Journal, &value)?;
            vectors.entries.insert(place, (VectorEntry { sequence, chain }, lsn));
            if let Some(first) = first {
                vectors.firsts.insert(place, first);
            }
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

    pub(crate) fn set<S: Store>(
        &mut self,
        rows: &mut Rows<S>,
        (space, origin): (SpaceNumber, OriginNumber),
        (entry, lsn): (VectorEntry, u64),
    ) {
        self.entries.insert((space, origin), (entry, lsn));
        let first = self.firsts.get(&(space, origin)).copied();
        let row = VectorRow { sequence: entry.sequence, chain: entry.chain, lsn, first };
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
