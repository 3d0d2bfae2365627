//! Taking a branch of a forked stream out of the rows.
//!
//! The journal's own rows stay, and its chain with them; what they speak of is gone, and no stamp leads to them.

use super::{DAMAGED, DocumentPlace, Journal};
use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::record::{self, ChangeRow, DocumentRow, JournalRow, SnapshotRow};
use crate::store::{Keyspace, Store, StoreError};
use document::{Address, ChangeHash, Document, ForeignChange, Origin};
use std::collections::{BTreeMap, BTreeSet};

impl<S: Store> Journal<S> {
    /// The rows of a stream after a sequence; `None` when one of them is not here any more.
    pub(crate) fn stream_after(
        &self,
        (space, origin): (SpaceNumber, OriginNumber),
        after: u64,
        most: usize,
    ) -> Result<Option<Vec<JournalRow>>, StoreError> {
        let last = self.vectors.get(space, origin).sequence;
        if last.saturating_sub(after) > most as u64 {
            return Ok(None);
        }
        let mut rows = Vec::new();
        for sequence in after + 1..=last {
            let Some(lsn) = self.position(space, origin, sequence)? else { return Ok(None) };
            rows.push(self.row(lsn)?);
        }
        Ok(Some(rows))
    }

    /// Whether a row is still what its stamp names: it is not when its branch was taken out.
    pub(crate) fn is_stamped(&self, lsn: u64, row: &JournalRow) -> Result<bool, StoreError> {
        let stamped = self.position(SpaceNumber(row.space), OriginNumber(row.origin), row.sequence)?;
        Ok(stamped == Some(lsn))
    }

    /// The row about a change of a document; `None` when it is not here any more.
    pub(crate) fn row_of(
        &self,
        place: &DocumentPlace,
        hash: &ChangeHash,
    ) -> Result<Option<JournalRow>, StoreError> {
        let lsn = self.rows.get(&keys::hash(place.number(), hash))?;
        let lsn = lsn.and_then(|bytes| bytes.first_chunk().copied()).map(u64::from_be_bytes);
        lsn.map_or(Ok(None), |lsn| self.rows.record(&keys::journal(lsn)))
    }

    /// The last sequence, up to this one, with which a transaction ends: a stream ends with no other, since peers take
    /// transactions as a whole.
    pub(crate) fn transaction_end(
        &self,
        (space, origin): (SpaceNumber, OriginNumber),
        mut last: u64,
    ) -> Result<u64, StoreError> {
        // What was trimmed ends with a whole one.
        while let Some(lsn) = self.position(space, origin, last)?
            && self.row(lsn)?.follow > 0
        {
            last -= 1;
        }
        Ok(last)
    }

    /// Which change has a sequence; `None` when its row was trimmed, and later ones were, too.
    pub(crate) fn change_at(
        &self,
        (space, origin): (SpaceNumber, OriginNumber),
        sequence: u64,
    ) -> Result<Option<ChangeRow>, StoreError> {
        let lsn = self.position(space, origin, sequence)?;
        let row = lsn.map(|lsn| self.find_row(lsn)).transpose()?.flatten();
        let named = row.map(|row| ChangeRow { document: row.document, hash: row.hash });
        Ok(named.or_else(|| self.vectors.gone((space, origin), sequence)?.change))
    }

    /// The first change of a stream of which something is known besides that it is here: its row, or its digest.
    pub(crate) fn first_known(
        &self,
        (space, origin): (SpaceNumber, OriginNumber),
    ) -> Result<u64, StoreError> {
        let stamped = self.rows.scan(keys::stamps_of(space, origin)).next().transpose()?;
        let stamped = stamped.and_then(|(key, _)| keys::read_stamp(&key));
        let last = self.vectors.get(space, origin).sequence;
        let first = stamped.unwrap_or(last);
        let is_gone = |sequence: &u64| self.vectors.gone((space, origin), *sequence).is_some();
        Ok(first.checked_sub(1).filter(is_gone).unwrap_or(first))
    }

    /// How many changes each origin has in a document: each has as many numbers there.
    pub(crate) fn numbers_of(&self, place: &DocumentPlace) -> Result<BTreeMap<Origin, u64>, StoreError> {
        let mut numbers = BTreeMap::new();
        if place.row.snapshot > 0 {
            let snapshot = self.snapshot(place)?;
            numbers = Document::load(&snapshot.bytes).map_err(|_| DAMAGED)?.numbers();
        }
        for (_, chunk) in self.changes_after(place.number(), (0, place.row.last), usize::MAX)? {
            let change = ForeignChange::body(&chunk).and_then(ForeignChange::parse).map_err(|_| DAMAGED)?;
            let number = numbers.entry(change.origin).or_default();
            *number = change.document_sequence.max(*number);
        }
        Ok(numbers)
    }

    /// Puts what a document is without some changes in its place.
    pub(crate) fn replace_document(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        (without, left_out): (&Document, &BTreeSet<ChangeHash>),
    ) -> Result<(), StoreError> {
        let number = place.number();
        self.arrived.forget(number);
        for hash in left_out {
            self.rows.remove(keys::hash(number, hash));
        }
        let changes: Vec<_> =
            self.rows.scan(keys::changes(number, 0, place.row.last)).collect::<Result<_, _>>()?;
        changes.into_iter().for_each(|(key, _)| self.rows.remove((Keyspace::Changes, key)));
        let (bytes, changes, lsn) = (without.save(), without.changes_count(), place.row.last);
        let sum = *blake3::hash(&bytes).as_bytes();
        let heads: Vec<[u8; 32]> = without.heads().into_iter().map(|head| head.0).collect();
        place.row = DocumentRow {
            heads: heads.concat(),
            changes,
            bytes: without.bytes(),
            snapshot: lsn,
            snapshot_changes: changes,
            snapshot_bytes: bytes.len() as u64,
            strikes: 0,
            struck: None,
            blocked: None,
            ..place.row.clone()
        };
        self.rows.put(keys::snapshot(number), record::encode(&SnapshotRow { lsn, changes, sum, bytes }));
        self.rows.remove(keys::blocked(place.space, &address.collection, &address.key));
        Ok(())
    }

    /// A document of which nothing is left.
    pub(crate) fn remove_document(&mut self, address: &Address, place: &DocumentPlace) {
        self.rows.remove(keys::snapshot(place.number()));
        self.rows.remove(keys::value(place.space, &address.collection, &address.key));
        self.unlist_waiting(keys::waiting(place.space, &address.collection, &address.key));
        self.rows.remove(keys::document(place.space, &address.collection, &address.key));
    }

    /// The journal is another one from here on: neither peers nor watches go on in it where they were.
    pub(crate) fn renew_epoch(&mut self) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.counters.epoch.to_be_bytes()).update(&self.chain);
        let mut epoch = [0; 8];
        hasher.finalize_xof().fill(&mut epoch);
        self.counters.epoch = u64::from_be_bytes(epoch);
        self.counters_changed = true;
    }

    /// A stream ends at this sequence again.
    pub(crate) fn end_stream(
        &mut self,
        (space, origin): (SpaceNumber, OriginNumber),
        last: u64,
    ) -> Result<(), StoreError> {
        let entry = self.entry_at(space, origin, last)?.ok_or(DAMAGED)?;
        for sequence in last + 1..=self.vectors.get(space, origin).sequence {
            self.rows.remove(keys::stamp(space, origin, sequence));
        }
        // After all that peers have kept: the next hellos say so.
        let lsn = self.head() + 1;
        self.vectors.set(&mut self.rows, (space, origin), (entry, lsn));
        // The peer has what is left.
        self.vectors.confirm(&mut self.rows, (space, origin));
        Ok(())
    }
}
