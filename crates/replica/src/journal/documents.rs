//! Rows about one document: itself, its value, its snapshot, and the lists that it is on.

use super::{DAMAGED, DocumentPlace, Journal, NewValue};
use crate::keys::{self, DocumentNumber};
use crate::record::{self, APPLIER_VERSION, BlockedRow, DocumentRow, SnapshotRow};
use crate::request::BlockReason;
use crate::settings::{Since, SnapshotPolicy};
use crate::store::{Keyspace, ReadRows, Store, StoreError};
use crate::value::ValueRow;
use document::{Address, ChangeHash, Space};
use serde_json::Value;
use std::collections::BTreeSet;

/// A document's value as it was last written.
#[derive(Default)]
pub(crate) struct StoredValue {
    /// `None` when it has none, or is deleted.
    pub(crate) value: Option<Value>,
    pub(crate) heads: Vec<ChangeHash>,
    /// Whether it broke its schema when it was written.
    pub(crate) is_broken: bool,
}

impl<S: Store> Journal<S> {
    /// A document's row; `None` while it has no change.
    pub(crate) fn document(&self, address: &Address) -> Result<Option<DocumentPlace>, StoreError> {
        let Some(space) = self.names.space_number(&address.space) else { return Ok(None) };
        let row = self.rows.record(&keys::document(space, &address.collection, &address.key))?;
        Ok(row.map(|row| DocumentPlace { space, row }))
    }

    /// The documents of a space and their heads, by address.
    pub(crate) fn heads(&self, space: &Space) -> Result<Vec<(Address, Vec<ChangeHash>)>, StoreError> {
        let Some(number) = self.names.space_number(space) else { return Ok(Vec::new()) };
        let mut documents = Vec::new();
        for row in self.rows.scan(keys::documents_of(number)) {
            let (key, value) = row?;
            let (collection, key) = keys::read_document(&key).ok_or(DAMAGED)?;
            let row: DocumentRow = record::decode(Keyspace::Documents, &value)?;
            let (heads, _) = row.heads.as_chunks::<32>();
            let address = Address { space: space.clone(), collection, key };
            documents.push((address, heads.iter().map(|head| ChangeHash(*head)).collect()));
        }
        Ok(documents)
    }

    /// A digest over the sorted hashes of all changes of a document.
    pub(crate) fn changes_digest(&self, address: &Address) -> Result<[u8; 32], StoreError> {
        let mut hasher = blake3::Hasher::new();
        if let Some(place) = self.document(address)? {
            for row in self.rows.scan(keys::hashes_from(place.number(), &ChangeHash([0; 32]))) {
                // A key ends with the hash, after a document's number of a constant length.
                let (key, _) = row?;
                hasher.update(key.last_chunk::<32>().map_or(&[], |hash| hash));
            }
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// Writes a document's row, and puts it on the materialiser's list or takes it off.
    pub(crate) fn put_document(&mut self, address: &Address, place: &mut DocumentPlace) {
        let (space, row) = (place.space, &mut place.row);
        let waits = row.blocked.is_none() && (row.value < row.last || is_snapshot_due(self.snapshots, row));
        if waits != row.waits {
            row.waits = waits;
            let waiting = keys::waiting(space, &address.collection, &address.key);
            match waits {
                true => self.list_waiting(waiting),
                false => self.unlist_waiting(waiting),
            }
        }
        self.rows.put(keys::document(space, &address.collection, &address.key), record::encode(row));
    }

    /// Writes a document's value and index rows as of a position and its heads there; its row is written by the caller.
    pub(crate) fn put_value(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        at: (u64, &[u8]),
        value: NewValue,
    ) {
        place.row.value = at.0;
        place.row.strikes = 0;
        place.row.struck = place.row.struck.filter(|struck| struck.until > at.0);
        let row = ValueRow::new(at, value.state, &value.json).marked(value.breaks_schema, value.whole);
        let key = keys::value(place.space, &address.collection, &address.key);
        self.rows.put(key, record::encode(&row));
        #[cfg(isle_planted)]
        let value = match crate::planted::is(crate::planted::Bug::IndexRowKept) {
            true => NewValue { removed: Vec::new(), ..value },
            false => value,
        };
        value.removed.into_iter().for_each(|place| self.rows.remove(place));
        value.added.into_iter().for_each(|place| self.rows.put(place, Vec::new()));
    }

    /// A document's value as it was last written; `None` when it has none, or is deleted.
    pub(crate) fn value(
        &self,
        address: &Address,
        place: &DocumentPlace,
    ) -> Result<Option<Value>, StoreError> {
        Ok(self.stored_value(address, place)?.value)
    }

    /// The same, and what its row has beside it.
    pub(crate) fn stored_value(
        &self,
        address: &Address,
        place: &DocumentPlace,
    ) -> Result<StoredValue, StoreError> {
        if place.row.value == 0 {
            return Ok(StoredValue::default());
        }
        let row = self.rows.get(&keys::value(place.space, &address.collection, &address.key))?;
        let row = row.ok_or(DAMAGED)?;
        let row = ValueRow::read(&row)?;
        Ok(StoredValue { value: row.document()?, heads: row.heads(), is_broken: row.is_broken() })
    }

    /// At most `most` of a document's changes after a position, up to and including `last`, each with its position, in
    /// journal order.
    pub(crate) fn changes_after(
        &self,
        document: DocumentNumber,
        (after, last): (u64, u64),
        most: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self.rows.scan(keys::changes(document, after, last)).take(most);
        rows.map(|row| {
            let (key, chunk) = row?;
            Ok((keys::read_change(&key).ok_or(DAMAGED)?, chunk))
        })
        .collect()
    }

    /// As [`Self::changes_after`] up to the last one of all, of which those that came lately are not read: they are given out
    /// once.
    pub(crate) fn take_changes_after(
        &mut self,
        document: DocumentNumber,
        span: (u64, u64),
        most: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        match self.arrived.take(document, span, most) {
            Some(changes) => Ok(changes),
            None => self.changes_after(document, span, most),
        }
    }

    /// Changes that came lately were read otherwise, or are not to be taken.
    pub(crate) fn forget_arrived(&mut self, document: DocumentNumber) {
        self.arrived.forget(document);
    }

    /// Whether a change is not applied when its document is opened.
    pub(crate) fn is_skipped(&self, place: &DocumentPlace, hash: &ChangeHash) -> Result<bool, StoreError> {
        Ok(place.row.dropped.is_some() && self.rows.has(&keys::skipped(place.number(), hash))?)
    }

    /// From here on a change is not applied when its document is opened. It stays stored, counted and sent.
    pub(crate) fn skip(&mut self, place: &DocumentPlace, lsn: u64, hash: &ChangeHash) {
        self.rows.put(keys::skipped(place.number(), hash), lsn.to_be_bytes().to_vec());
    }

    /// The positions of a document's skipped changes.
    fn skipped_positions(&self, place: &DocumentPlace) -> Result<BTreeSet<u64>, StoreError> {
        if place.row.dropped.is_none() {
            return Ok(BTreeSet::new());
        }
        let position = |row: Result<(Vec<u8>, Vec<u8>), StoreError>| {
            Ok(u64::from_be_bytes(row?.1.try_into().map_err(|_| DAMAGED)?))
        };
        self.rows.scan(keys::skipped_of(place.number())).map(position).collect()
    }

    /// Sets a document aside: changes of it are stored, and none is applied. `at` is the position of the one to blame,
    /// where it is known.
    pub(crate) fn block(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        (reason, at): (BlockReason, Option<u64>),
    ) {
        place.row.blocked = Some(BlockedRow { reason, version: APPLIER_VERSION, at });
        let key = keys::blocked(place.space, &address.collection, &address.key);
        self.rows.put(key, APPLIER_VERSION.to_be_bytes().to_vec());
        self.put_document(address, place);
    }

    /// Lets a blocked document be tried again.
    pub(crate) fn unblock(&mut self, address: &Address, place: &mut DocumentPlace) {
        place.row.blocked = None;
        place.row.strikes = 0;
        place.row.struck = None;
        self.rows.remove(keys::blocked(place.space, &address.collection, &address.key));
        self.put_document(address, place);
    }

    /// The bytes of a document's snapshot.
    pub(crate) fn snapshot(&self, place: &DocumentPlace) -> Result<SnapshotRow, StoreError> {
        snapshot_of(&self.rows, place.number(), &place.row)
    }

    /// Puts a snapshot of the whole document in place of its changes up to `removed_to`; those that it does not have
    /// stay.
    pub(crate) fn put_snapshot(
        &mut self,
        place: &mut DocumentPlace,
        bytes: Vec<u8>,
        removed_to: u64,
    ) -> Result<(), StoreError> {
        let (lsn, changes) = (place.row.last, place.row.changes);
        let sum = *blake3::hash(&bytes).as_bytes();
        let range = keys::changes(place.number(), 0, lsn.min(removed_to));
        let skipped = self.skipped_positions(place)?;
        let is_covered = |key: &Vec<u8>| keys::read_change(key).is_none_or(|lsn| !skipped.contains(&lsn));
        let covered: Vec<_> =
            self.rows.scan(range).map(|row| row.map(|(key, _)| key)).collect::<Result<_, _>>()?;
        // Nothing fails from here on: the snapshot and the row that names it are one.
        self.rows
            .put(keys::snapshot(place.number()), record::encode(&SnapshotRow { lsn, changes, sum, bytes }));
        covered.into_iter().filter(is_covered).for_each(|key| self.rows.remove((Keyspace::Changes, key)));
        place.row.snapshot = lsn;
        Ok(())
    }

    /// Whether a snapshot is due.
    pub(crate) fn is_snapshot_due(&self, place: &DocumentPlace) -> bool {
        is_snapshot_due(self.snapshots, &place.row)
    }
}

fn is_snapshot_due(policy: SnapshotPolicy, row: &DocumentRow) -> bool {
    let since = |all: u64, covered: u64| Since { covered, new: all.saturating_sub(covered) };
    policy.is_due(since(row.changes, row.snapshot_changes), since(row.bytes, row.snapshot_bytes))
}

/// The snapshot that a document's row names.
pub(crate) fn snapshot_of(
    rows: &impl ReadRows,
    number: DocumentNumber,
    document: &DocumentRow,
) -> Result<SnapshotRow, StoreError> {
    let damaged = StoreError::Damaged { what: "a document's snapshot", keyspace: Keyspace::Changes };
    let (keyspace, key) = keys::snapshot(number);
    let row = rows.get(keyspace, &key)?.map(|row| record::decode(keyspace, &row)).transpose()?;
    row.filter(|row: &SnapshotRow| {
        *blake3::hash(&row.bytes).as_bytes() == row.sum && row.lsn == document.snapshot
    })
    .ok_or(damaged)
}
