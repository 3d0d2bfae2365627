//! Spaces of which a peer lacks little go ahead of those of which it lacks much: who is sent months of one gets what is
//! written in another at once.
//!
//! Their rows ride in the frames of the others, in which they stand behind at least one row of the journal's order: so
//! each frame ends further in the journal than the one before, and its acknowledgement speaks of it alone. What the
//! order comes to later was sent already, and is passed over.

use super::{Draft, FRAME_BYTES, Sender, body_of};
use crate::documents::Documents;
use crate::journal::{DAMAGED, Journal};
use crate::keys::{self, SpaceNumber};
use crate::record::{self, JournalRow};
use crate::store::{Keyspace, Store, StoreError, undamaged};
use std::collections::BTreeSet;

/// Bytes of a frame for what goes ahead, about: the others go on as well.
const AHEAD_BYTES: usize = FRAME_BYTES / 2;
/// Journal rows looked at for them in one step.
const STEP_ROWS: usize = 256;

/// What goes ahead of the journal's order.
pub(super) struct Overtaking {
    /// Journal rows up to here were looked at for it.
    position: u64,
    /// Of them the peer is sent everything before that.
    spaces: BTreeSet<SpaceNumber>,
}

impl Overtaking {
    /// A space goes with the journal's order from here on.
    pub(super) fn withhold(&mut self, space: SpaceNumber) {
        self.spaces.remove(&space);
    }
}

impl Sender {
    /// Has spaces go ahead, from `position` on: the peer has all of them up to there.
    pub(crate) fn overtake(&mut self, position: u64, spaces: BTreeSet<SpaceNumber>) {
        self.overtaking = Some(Overtaking { position, spaces });
    }

    /// Puts into a frame what goes ahead, as far as it has room; returns how many changes were built again for it. Called
    /// where the frame's end has moved, and between transactions.
    pub(super) fn read_ahead<S: Store>(
        &mut self,
        draft: &mut Draft,
        journal: &Journal<S>,
        documents: &mut Documents,
    ) -> Result<usize, StoreError> {
        let last = journal.durable_head();
        // Nothing is left to go ahead of where the journal's order has come to its end.
        let Some(mut ahead) = self.overtaking.take_if(|ahead| ahead.position < last || self.position >= last)
        else {
            return Ok(0);
        };
        if self.position >= last {
            return Ok(0);
        }
        ahead.position = ahead.position.max(self.position);
        let (keyspace, range) = keys::journal_after(ahead.position, last);
        let (mut transaction, mut rebuilt) = (Vec::new(), 0);
        for row in journal.rows.durable().scan(keyspace, range).take(STEP_ROWS) {
            if transaction.is_empty() && (draft.is_full() || draft.ahead_bytes >= AHEAD_BYTES) {
                break;
            }
            let (key, value) = row?;
            let lsn = keys::read_journal(&key).ok_or(DAMAGED)?;
            let row: JournalRow = record::decode(Keyspace::Journal, &value)?;
            if ahead.spaces.contains(&SpaceNumber(row.space)) && self.wants(journal, &row)? {
                transaction.push((lsn, row));
            }
            if row.follow > 0 {
                continue;
            }
            match self.add_ahead(draft, journal, documents, std::mem::take(&mut transaction))? {
                Some(count) => rebuilt += count,
                // Nothing that follows it may go ahead either.
                None => _ = ahead.spaces.remove(&SpaceNumber(row.space)),
            }
            ahead.position = lsn;
        }
        self.overtaking = Some(ahead);
        Ok(rebuilt)
    }

    /// Adds a transaction, and says how many of its changes were built again; `None` when it goes with the journal's
    /// order, as it is long, or cannot be read.
    fn add_ahead<S: Store>(
        &mut self,
        draft: &mut Draft,
        journal: &Journal<S>,
        documents: &mut Documents,
        rows: Vec<(u64, JournalRow)>,
    ) -> Result<Option<usize>, StoreError> {
        let (mut bodies, mut bytes, mut rebuilt) = (Vec::new(), 0, 0);
        for (lsn, row) in rows {
            let Some(read) = undamaged(body_of(journal, documents, lsn, &row))? else { return Ok(None) };
            if let Some((body, is_rebuilt)) = read {
                bytes += body.len();
                rebuilt += usize::from(is_rebuilt);
                bodies.push((body, row));
            }
        }
        if bytes > AHEAD_BYTES {
            return Ok(None);
        }
        let before = draft.bytes;
        for (body, row) in bodies {
            self.add(journal, draft, body, &row)?;
        }
        draft.ahead_bytes += draft.bytes - before;
        Ok(Some(rebuilt))
    }
}
