//! Documents that are changed while their space is being sent whole. They go next, out of turn: a price does not wait for the
//! rest of its catalogue. What is sent so is sent once more where the turn comes to it, and the journal brings each change after
//! the end: the peer has both already.

use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::keys::{self, DocumentNumber, OriginNumber, SpaceNumber};
use crate::record::{self, JournalRow};
use crate::store::{Keyspace, Store, StoreError};
use document::Address;
use std::collections::BTreeSet;

/// Longer documents wait for the end: the journal brings the change alone.
const DOCUMENT_BYTES_MAX: u64 = 16 * 1024;

/// Bytes that may go out of turn, and a part of all that was sent besides: a space that is written all the time would
/// never be whole else.
const AHEAD_BYTES: usize = 64 * 1024;
const AHEAD_PART: usize = 4;

/// Documents that are noted at a time; rows of the journal are looked at no further with so many.
const NOTED_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Changed {
    /// Rows of the journal up to here were looked at.
    position: u64,
    noted: BTreeSet<DocumentNumber>,
    /// What went out of turn.
    bytes: usize,
}

impl Changed {
    /// What is changed after a position of the journal.
    pub(super) fn after(position: u64) -> Self {
        Self { position, ..Self::default() }
    }

    /// Notes what others than the peer changed of a space, looking at no more than `rows`.
    pub(super) fn look<S: Store>(
        &mut self,
        journal: &Journal<S>,
        (space, peer): (SpaceNumber, &[u8; 32]),
        rows: &mut usize,
    ) -> Result<(), StoreError> {
        let last = journal.durable_head();
        if self.position >= last {
            return Ok(());
        }
        let (keyspace, range) = keys::journal_after(self.position, last);
        for row in journal.rows.durable().scan(keyspace, range) {
            let Some(left) = rows.checked_sub(1).filter(|_| self.noted.len() < NOTED_MAX) else { break };
            *rows = left;
            let (key, value) = row?;
            self.position = keys::read_journal(&key).ok_or(DAMAGED)?;
            let row: JournalRow = record::decode(Keyspace::Journal, &value)?;
            if row.space == space.0 && journal.names.origin(OriginNumber(row.origin))?.1.public_key != *peer {
                self.noted.insert(DocumentNumber(row.document));
            }
        }
        Ok(())
    }

    /// The next that is to go out of turn; `sent` are all bytes that were sent.
    pub(super) fn next<S: Store>(
        &mut self,
        journal: &Journal<S>,
        sent: usize,
    ) -> Result<Option<(Address, DocumentPlace)>, StoreError> {
        while self.bytes < AHEAD_BYTES + sent / AHEAD_PART
            && let Some(number) = self.noted.pop_first()
        {
            // Its changes may have been taken back since.
            let Some(address) = journal.address_of(number)? else { continue };
            let place = journal.document(&address)?;
            if let Some(place) = place.filter(|place| place.row.bytes <= DOCUMENT_BYTES_MAX) {
                return Ok(Some((address, place)));
            }
        }
        Ok(None)
    }

    /// So many bytes went out of turn.
    pub(super) fn went(&mut self, bytes: usize) {
        self.bytes += bytes;
    }
}
