//! Spaces of which a peer lacks little go ahead of those of which it lacks much: who is sent months of one gets what is
//! written in another at once.
//!
//! Their rows ride in the frames of the others, in which they stand behind at least one row of the journal's order: so
//! each frame ends further in the journal than the one before, and its acknowledgement speaks of it alone. What the
//! order comes to later was sent already, and is passed over.

use super::{Draft, FIRST_ROWS_MAX, FRAME_BYTES, Sender, Steps, body_of};
use crate::documents::Documents;
use crate::journal::{DAMAGED, Journal};
use crate::keys::{self, SpaceNumber};
use crate::record::{self, JournalRow};
use crate::store::{Keyspace, Store, StoreError, undamaged};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a frame for what goes ahead, about: the others go on as well.
const AHEAD_BYTES: usize = FRAME_BYTES / 2;

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
    /// Has spaces go ahead, each from its first row that was not sent, besides those that do so already; `open` are all that
    /// are sent. Where there are no others, none does.
    pub(crate) fn overtake(
        &mut self,
        little: BTreeMap<SpaceNumber, Option<u64>>,
        open: &BTreeSet<SpaceNumber>,
        head: u64,
    ) {
        let ahead = self.overtaking.take();
        let mut ahead = ahead.unwrap_or_else(|| Overtaking { position: head, spaces: BTreeSet::new() });
        ahead.spaces.retain(|space| open.contains(space));
        for (space, first) in little {
            if ahead.spaces.insert(space)
                && let Some(first) = first
            {
                ahead.position = ahead.position.min(first.saturating_sub(1));
            }
        }
        let has_others = ahead.spaces.len() < open.len();
        self.overtaking = (has_others && !ahead.spaces.is_empty()).then_some(ahead);
    }

    /// Puts into a frame what goes ahead, as far as it has room and a turn has `steps`. Called where the frame's end has
    /// moved, and between transactions.
    pub(super) fn read_ahead<S: Store>(
        &mut self,
        draft: &mut Draft,
        journal: &Journal<S>,
        documents: &mut Documents,
        steps: &mut Steps,
    ) -> Result<(), StoreError> {
        let last = journal.durable_head();
        if self.position >= last {
            // The journal's order has come to its end: nothing is left to go ahead of.
            self.overtaking = None;
        }
        let has_room = |draft: &Draft, steps: &Steps| draft.ahead_bytes < AHEAD_BYTES && steps.has_more();
        let Some(mut ahead) =
            self.overtaking.take_if(|ahead| ahead.position < last && has_room(draft, steps))
        else {
            return Ok(());
        };
        ahead.position = ahead.position.max(self.position);
        let (keyspace, range) = keys::journal_after(ahead.position, last);
        let mut transaction = Vec::new();
        for row in journal.rows.durable().scan(keyspace, range) {
            if transaction.is_empty() && !has_room(draft, steps) {
                break;
            }
            steps.rows += 1;
            let (key, value) = row?;
            let lsn = keys::read_journal(&key).ok_or(DAMAGED)?;
            let row: JournalRow = record::decode(Keyspace::Journal, &value)?;
            if self.first == Some(SpaceNumber(row.space)) && self.wants(journal, &row)? {
                // What it says of rights may be about what follows it: it goes first, or in the journal's order.
                self.first_due = self.first_rows < FIRST_ROWS_MAX;
                break;
            }
            if ahead.spaces.contains(&SpaceNumber(row.space)) && self.wants(journal, &row)? {
                transaction.push((lsn, row));
            }
            if row.follow > 0 {
                continue;
            }
            let rows = std::mem::take(&mut transaction);
            if !self.add_ahead(draft, journal, documents, (rows, steps))? {
                // Nothing that follows it may go ahead either.
                ahead.spaces.remove(&SpaceNumber(row.space));
            }
            ahead.position = lsn;
        }
        self.overtaking = (!ahead.spaces.is_empty()).then_some(ahead);
        Ok(())
    }

    /// Adds a transaction; false when it goes with the journal's order, as it is long, or cannot be read.
    fn add_ahead<S: Store>(
        &mut self,
        draft: &mut Draft,
        journal: &Journal<S>,
        documents: &mut Documents,
        (rows, steps): (Vec<(u64, JournalRow)>, &mut Steps),
    ) -> Result<bool, StoreError> {
        let (mut bodies, mut bytes) = (Vec::new(), 0);
        for (lsn, row) in rows {
            let Some(read) = undamaged(body_of(journal, documents, lsn, &row))? else { return Ok(false) };
            if let Some((body, is_rebuilt)) = read {
                bytes += body.len();
                steps.rebuilt += usize::from(is_rebuilt);
                bodies.push((body, row));
            }
        }
        if bytes > AHEAD_BYTES {
            return Ok(false);
        }
        let before = draft.bytes;
        for (body, row) in bodies {
            self.add(journal, draft, body, &row)?;
        }
        draft.ahead_bytes += draft.bytes - before;
        Ok(true)
    }
}
