//! Trimming: rows of the journal and their stamps go by age and bytes, and with them changes that a snapshot covers.
//! Changes that none covers are what their documents are made of, and stay. Who lacks what went is filled.

use super::Replica;
use crate::journal::DAMAGED;
use crate::keys::{self, DocumentNumber, OriginNumber, SpaceNumber};
use crate::record::{self, ChangeRow, GoneRow, JournalRow};
use crate::settings::TrimPolicy;
use crate::store::{Keyspace, Room, Store, StoreError};
use document::ChangeHash;
use std::collections::BTreeMap;

/// Rows trimmed in one turn.
const ROWS_PER_TURN: usize = 256;
/// Wall time between two looks at the oldest row, in milliseconds.
const LOOK_MS: i64 = 1_000;
/// What a row of the journal and its stamp take on the disk, in bytes, about.
const ROW_BYTES: u64 = 200;

/// Where trimming stands.
#[derive(Debug, Default)]
pub(super) struct Trimming {
    /// The wall time that the replica was last told.
    pub(super) wall_ms: i64,
    /// When it last looked.
    looked_ms: Option<i64>,
}

/// Rows to be trimmed: the last of them, with its digest, and the last change of each stream.
#[derive(Default)]
struct Trimmed {
    rows: Vec<(u64, JournalRow)>,
    last: BTreeMap<(SpaceNumber, OriginNumber), (u64, ChangeRow)>,
}

impl<S: Store> Replica<S> {
    /// Trims some rows when there are some that may go; returns whether there may be more.
    pub(super) fn trim(&mut self) -> Result<bool, StoreError> {
        let wall_ms = self.trimming.wall_ms;
        // A clock that went back looks again, too.
        let is_recent = |looked_ms: i64| (0..LOOK_MS).contains(&wall_ms.saturating_sub(looked_ms));
        if self.room == Room::ReadOnly || self.trimming.looked_ms.is_some_and(is_recent) {
            return Ok(false);
        }
        let Trimmed { rows, last } = self.to_be_trimmed()?;
        let Some((lsn, row)) = rows.last() else {
            self.trimming.looked_ms = Some(wall_ms);
            return Ok(false);
        };
        self.journal.set_low_water(*lsn, row.chain);
        for (stream, (sequence, change)) in last {
            let entry = self.journal.entry_at(stream.0, stream.1, sequence)?.ok_or(DAMAGED)?;
            let gone = GoneRow { sequence, chain: entry.chain, change: Some(change) };
            self.journal.vectors.set_gone(&mut self.journal.rows, stream, gone);
        }
        for (lsn, row) in &rows {
            self.remove_row(*lsn, row)?;
        }
        let low_water = self.journal.low_water();
        for peer in self.peers.iter_mut() {
            if peer.position().is_some_and(|position| position < low_water) {
                peer.reconsider_all(&self.journal)?;
            }
        }
        Ok(true)
    }

    /// The oldest rows, as far as they may go, up to the end of a transaction.
    fn to_be_trimmed(&self) -> Result<Trimmed, StoreError> {
        let policy = self.settings.trimming;
        let (from, unsent) = (self.journal.low_water(), self.peers.lowest_position());
        // Rows on their way to the disk stay.
        let range = keys::journal_after(from, self.journal.durable_head());
        let mut trimmed = Trimmed::default();
        for row in self.journal.rows.scan(range).take(ROWS_PER_TURN) {
            let (key, value) = row?;
            let lsn = keys::read_journal(&key).ok_or(DAMAGED)?;
            let row: JournalRow = record::decode(Keyspace::Journal, &value)?;
            if !self.may_go(policy, (lsn, row.accepted_ms), unsent) {
                break;
            }
            trimmed.rows.push((lsn, row));
        }
        while trimmed.rows.pop_if(|(_, row)| row.follow > 0).is_some() {}
        for (lsn, row) in &trimmed.rows {
            if row.sequence > 0 && self.journal.is_stamped(*lsn, row)? {
                let change = ChangeRow { document: row.document, hash: row.hash };
                let stream = (SpaceNumber(row.space), OriginNumber(row.origin));
                trimmed.last.insert(stream, (row.sequence, change));
            }
        }
        Ok(trimmed)
    }

    /// Rows that a connected peer is still to be sent stay for twice the limits.
    fn may_go(&self, policy: TrimPolicy, (lsn, accepted_ms): (u64, i64), unsent: u64) -> bool {
        let limits = if lsn > unsent { 2 } else { 1 };
        let age_ms = self.trimming.wall_ms.saturating_sub(accepted_ms);
        let rows = self.journal.head().saturating_sub(lsn);
        age_ms > policy.age_ms.saturating_mul(limits)
            || rows.saturating_mul(ROW_BYTES) > policy.bytes.saturating_mul(limits.unsigned_abs())
    }

    fn remove_row(&mut self, lsn: u64, row: &JournalRow) -> Result<(), StoreError> {
        self.journal.rows.remove(keys::journal(lsn));
        // Of a branch that was taken out no stamp is left; another change may have its number.
        if row.sequence > 0 && self.journal.is_stamped(lsn, row)? {
            let (space, origin) = (SpaceNumber(row.space), OriginNumber(row.origin));
            self.journal.rows.remove(keys::stamp(space, origin, row.sequence));
        }
        let document = DocumentNumber(row.document);
        let change = keys::change(document, lsn);
        if self.journal.rows.has(&change)? {
            let address = self.journal.address(document)?;
            let place = self.journal.document(&address)?;
            let is_covered = match place.filter(|place| place.row.snapshot >= lsn) {
                Some(place) => !self.journal.is_skipped(&place, &ChangeHash(row.hash))?,
                None => false,
            };
            if is_covered {
                self.journal.rows.remove(change);
            }
        }
        Ok(())
    }
}
