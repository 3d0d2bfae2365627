//! Rows about what came by a fill. A change or a whole document takes a position of the journal, so that it is read,
//! watched and saved like any other, but has no stamp there: it is never sent as a row. What was filled goes on by a
//! fill.

use super::{DocumentPlace, Entry, Journal};
use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::record::{self, GoneRow, IncompleteRow, JournalRow, SnapshotRow, UntilRow};
use crate::rows::Rows;
use crate::store::{Keyspace, Store, StoreError};
use crate::vectors::VectorEntry;
use document::{Address, ChangeHash, ForeignChange, Origin};
use std::collections::{BTreeMap, BTreeSet};

/// The spaces of which this replica has only some documents, besides what its version vector says.
#[derive(Default)]
pub(crate) struct Incomplete {
    rows: BTreeMap<SpaceNumber, IncompleteRow>,
    /// Those whose row was written, or that have more without a stamp, until somebody looks.
    changed: BTreeSet<SpaceNumber>,
    /// How much came by fills since the journal was opened.
    filled: BTreeMap<SpaceNumber, u64>,
    /// Spaces that wait for stamps which no connected peer will send.
    orphaned: BTreeSet<SpaceNumber>,
}

/// What documents of a space have besides its vector: two that are equal are of the same changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    until: Vec<UntilRow>,
    /// How much came by fills since the journal was opened.
    filled: u64,
}

impl Incomplete {
    pub(super) fn load<S: Store>(rows: &Rows<S>) -> Result<Self, StoreError> {
        let mut incomplete = Self::default();
        for row in rows.scan((Keyspace::Meta, keys::all(Keyspace::Meta, keys::KIND_INCOMPLETE))) {
            let (key, value) = row?;
            let damaged = StoreError::Damaged { what: "an incomplete space's key", keyspace: Keyspace::Meta };
            let space = keys::read_incomplete(&key).ok_or(damaged)?;
            incomplete.rows.insert(space, record::decode(Keyspace::Meta, &value)?);
        }
        Ok(incomplete)
    }
}

/// A whole document that came by a fill.
pub(crate) struct FilledDocument<'a> {
    /// Who wrote the last of its changes.
    pub(crate) origin: OriginNumber,
    /// All of its changes, each after what it depends on; not empty.
    pub(crate) changes: &'a [ForeignChange],
    pub(crate) heads: &'a [ChangeHash],
    pub(crate) bytes: Vec<u8>,
    pub(crate) accepted_ms: i64,
}

impl<S: Store> Journal<S> {
    /// Takes a change that came by a fill.
    pub(crate) fn append_filled(&mut self, address: &Address, place: &mut DocumentPlace, entry: Entry<'_>) {
        let lsn = self.append_row(unstamped(place, entry.origin, &entry.hash, entry.accepted_ms));
        self.count_filled(place.space);
        self.put_change(address, place, lsn, entry);
    }

    /// Takes a row whose change came by a fill before: the change gets its stamp, the document stays as it is.
    pub(crate) fn append_known(&mut self, place: &DocumentPlace, entry: Entry<'_>) {
        let (_, lsn) = self.append_stamp(place, &entry);
        self.rows.put(keys::hash(place.number(), &entry.hash), lsn.to_be_bytes().to_vec());
        // Once more, so that it is sent without its document; who applies it passes over it.
        self.rows.put(keys::change(place.number(), lsn), entry.chunk);
    }

    /// Whether a change is here that came by a fill and has no stamp yet. When its row was trimmed nobody can tell, and
    /// it may get one.
    pub(crate) fn is_unstamped(&self, place: &DocumentPlace, hash: &ChangeHash) -> Result<bool, StoreError> {
        let Some(lsn) = self.rows.get(&keys::hash(place.number(), hash))? else { return Ok(false) };
        let Ok(lsn) = lsn.try_into().map(u64::from_be_bytes) else { return Ok(false) };
        let row: Option<JournalRow> = self.rows.record(&keys::journal(lsn))?;
        Ok(row.is_none_or(|row| row.sequence == 0))
    }

    /// Takes a whole document that came by a fill, of which nothing is here.
    pub(crate) fn put_filled(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        filled: FilledDocument<'_>,
    ) {
        let Some(last) = filled.changes.last() else { return };
        let lsn = self.append_row(unstamped(place, filled.origin, &last.hash, filled.accepted_ms));
        self.count_filled(place.space);
        for change in filled.changes {
            self.rows.put(keys::hash(place.number(), &change.hash), lsn.to_be_bytes().to_vec());
            place.row.bytes += change.chunk.len() as u64;
        }
        place.row.changes = filled.changes.len() as u64;
        place.row.heads = filled.heads.iter().flat_map(|head| head.0).collect();
        (place.row.last, place.row.snapshot) = (lsn, lsn);
        (place.row.snapshot_changes, place.row.snapshot_bytes) = (place.row.changes, place.row.bytes);
        let sum = *blake3::hash(&filled.bytes).as_bytes();
        let row = SnapshotRow { lsn, changes: place.row.changes, sum, bytes: filled.bytes };
        self.rows.put(keys::snapshot(place.number()), record::encode(&row));
        self.put_document(address, place);
    }

    /// All changes of a stream up to an entry are here, by a fill.
    pub(crate) fn adopt(&mut self, stream: (SpaceNumber, OriginNumber), entry: VectorEntry) {
        if self.vectors.get(stream.0, stream.1).sequence < entry.sequence {
            // After all that peers have kept: the next hellos say so.
            let lsn = self.head() + 1;
            self.vectors.set(&mut self.rows, stream, (entry, lsn));
            let gone = GoneRow { sequence: entry.sequence, chain: entry.chain, change: None };
            self.vectors.set_gone(&mut self.rows, stream, gone);
            // The filler had what was here, too.
            self.vectors.confirm(&mut self.rows, stream);
        }
    }

    /// Whether the space has documents, or changes of them, that its vector does not tell of.
    pub(crate) fn is_incomplete(&self, space: SpaceNumber) -> bool {
        self.incomplete.rows.contains_key(&space)
    }

    /// Whether documents of the space are missing, so that it must be filled.
    pub(crate) fn lacks_documents(&self, space: SpaceNumber) -> bool {
        self.incomplete.rows.get(&space).is_some_and(|row| row.lacks_documents)
    }

    /// What documents of the space may have that its vector did not tell of when they came. Only who has all of that
    /// can take what was written here since.
    pub(crate) fn until(&self, space: SpaceNumber) -> &[UntilRow] {
        self.incomplete.rows.get(&space).map_or(&[], |row| row.until.as_slice())
    }

    /// The same, with what came of it; `None` while documents are missing, so that more may come.
    pub(crate) fn reach(&self, space: SpaceNumber) -> Option<Reach> {
        let reach = || Reach { until: self.until(space).to_vec(), filled: self.filled(space) };
        (!self.lacks_documents(space)).then(reach)
    }

    /// How much came by fills since the journal was opened.
    pub(crate) fn filled(&self, space: SpaceNumber) -> u64 {
        self.incomplete.filled.get(&space).copied().unwrap_or(0)
    }

    /// More came by a fill. Peers that were given all are not any more; while documents are missing, nobody was.
    fn count_filled(&mut self, space: SpaceNumber) {
        *self.incomplete.filled.entry(space).or_default() += 1;
        if !self.lacks_documents(space) {
            self.incomplete.changed.insert(space);
        }
    }

    /// Whether the space waits for stamps which no connected peer will send.
    pub(crate) fn is_orphaned(&self, space: SpaceNumber) -> bool {
        self.incomplete.orphaned.contains(&space)
    }

    pub(crate) fn set_orphaned(&mut self, spaces: BTreeSet<SpaceNumber>) {
        self.incomplete.orphaned = spaces;
    }

    /// Spaces whose documents came, and that wait for stamps.
    pub(crate) fn awaiting(&self) -> impl Iterator<Item = SpaceNumber> + '_ {
        let awaits = |row: &IncompleteRow| !row.lacks_documents && !row.until.is_empty();
        self.incomplete.rows.iter().filter(move |(_, row)| awaits(row)).map(|(space, _)| *space)
    }

    /// Documents of the space are missing from here on.
    pub(crate) fn begin_fill(&mut self, space: SpaceNumber) {
        let mut row = self.incomplete.rows.get(&space).cloned().unwrap_or_default();
        row.lacks_documents = true;
        self.put_incomplete(space, row);
    }

    /// All documents of the space came.
    pub(crate) fn end_fill(&mut self, space: SpaceNumber) {
        let mut row = self.incomplete.rows.get(&space).cloned().unwrap_or_default();
        row.lacks_documents = false;
        self.put_incomplete(space, row);
    }

    /// Documents that come from here on may have changes up to there.
    pub(crate) fn raise_until(&mut self, space: SpaceNumber, reach: impl Iterator<Item = (Origin, u64)>) {
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::ReachForgotten) {
            return;
        }
        let mut row = self.incomplete.rows.get(&space).cloned().unwrap_or_default();
        for (origin, sequence) in reach {
            let has = self.names.origin_number(origin);
            if has.is_some_and(|origin| self.vectors.get(space, origin).sequence >= sequence) {
                continue;
            }
            let of = |until: &UntilRow| Origin(until.origin);
            match row.until.binary_search_by_key(&origin, of) {
                Ok(at) => row.until.iter_mut().skip(at).take(1).for_each(|until| {
                    until.sequence = until.sequence.max(sequence);
                }),
                Err(at) => row.until.insert(at, UntilRow { origin: origin.0, sequence }),
            }
        }
        self.put_incomplete(space, row);
    }

    /// Nothing of a stream beyond `last` gets a stamp any more.
    pub(crate) fn lower_until(&mut self, space: SpaceNumber, origin: Origin, last: u64) {
        let Some(mut row) = self.incomplete.rows.get(&space).cloned() else { return };
        let of = row.until.iter_mut().filter(|until| Origin(until.origin) == origin);
        of.for_each(|until| until.sequence = until.sequence.min(last));
        self.put_incomplete(space, row);
    }

    fn put_incomplete(&mut self, space: SpaceNumber, row: IncompleteRow) {
        if self.incomplete.rows.get(&space) != Some(&row) {
            self.rows.put(keys::incomplete(space), record::encode(&row));
            self.incomplete.rows.insert(space, row);
            self.incomplete.changed.insert(space);
        }
    }

    /// The spaces of which documents came, or more is known of them, since the last call.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<SpaceNumber> {
        std::mem::take(&mut self.incomplete.changed)
    }

    /// The spaces that have become complete since the last call. Their rows so far are not sent from here on: a change
    /// written here meanwhile may depend on one that got its stamp after it.
    pub(crate) fn complete(&mut self) -> Vec<SpaceNumber> {
        let reached = |space: SpaceNumber, until: &UntilRow| {
            let origin = self.names.origin_number(Origin(until.origin));
            origin.is_some_and(|origin| self.vectors.get(space, origin).sequence >= until.sequence)
        };
        let is_complete = |(space, row): (&SpaceNumber, &IncompleteRow)| {
            // Rows may bring what a fill that was not finished left out: all that the vector tells of is here.
            row.until.iter().all(|until| reached(*space, until)).then_some(*space)
        };
        let complete: Vec<SpaceNumber> = self.incomplete.rows.iter().filter_map(is_complete).collect();
        for space in &complete {
            let row = self.incomplete.rows.remove(space);
            self.rows.remove(keys::incomplete(*space));
            if row.is_some_and(|row| row.until.is_empty()) {
                continue;
            }
            let entries: Vec<_> = self.vectors.of(*space).collect();
            for (origin, entry) in entries {
                self.vectors.raise_first(&mut self.rows, (*space, origin), entry.sequence + 1);
            }
        }
        complete
    }
}

fn unstamped(place: &DocumentPlace, origin: OriginNumber, hash: &ChangeHash, accepted_ms: i64) -> JournalRow {
    JournalRow {
        document: place.row.number,
        space: place.space.0,
        origin: origin.0,
        sequence: 0,
        accepted_ms,
        hash: hash.0,
        chain: [0; 16],
        follow: 0,
    }
}
