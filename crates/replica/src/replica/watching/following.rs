use super::{Place, Refreshing, Replica, Step, durable_rows};
use crate::journal::{DAMAGED, chain_start};
use crate::keys::{self, DocumentNumber, OriginNumber, SpaceNumber};
use crate::record::JournalRow;
use crate::request::Stamp;
use crate::store::{Store, StoreError};
use crate::watch::{Stage, Watch, WatchEvent, WatchedChange, WatchedValue};
use document::{Address, ChangeHash, ChangeSignature};

/// Journal rows looked at for one watch in one turn.
const ROWS_MAX: usize = 1_024;
/// Bytes of documents in one event, about: the rest of a long transaction is shown without its documents.
const TRANSACTION_BYTES: usize = 1024 * 1024;

/// The rows of a transaction that are in a watch's scope.
#[derive(Default)]
struct Transaction {
    rows: Vec<(u64, JournalRow, Address)>,
    /// Its last position.
    last: Place,
}

/// What the journal has for a watch.
struct Looked {
    transactions: Vec<Transaction>,
    /// The position up to which the journal was looked at.
    to: u64,
    /// Whether a document follows that came whole.
    is_filled: bool,
}

impl<S: Store> Replica<S> {
    /// Shows some of what the journal has after a position.
    pub(super) fn follow(
        &mut self,
        watch: &mut Watch,
        position: u64,
        refreshing: &mut Refreshing,
    ) -> Result<Step, StoreError> {
        let mut step = Step::default();
        if position >= self.watches.looked {
            // One that began at the head may be ahead of what was looked through.
            let is_idle = position == self.watches.looked;
            watch.stage = if is_idle { Stage::Idle } else { Stage::Following(position) };
            return Ok(step);
        }
        let mut shown_to = position;
        if position < self.journal.low_water() {
            watch.stage = self.list_anew(true);
            return Ok(step);
        }
        let looked = self.transactions_after(watch, position, step.room(watch))?;
        let Looked { transactions, to: looked_to, is_filled } = looked;
        if is_filled && transactions.is_empty() {
            // Documents came whole, without the changes one by one: all is shown anew, once all are here.
            step.is_stalled = self.journal.lacks_documents(watch.space);
            watch.stage = if step.is_stalled { Stage::Following(looked_to) } else { self.list_anew(true) };
            return Ok(step);
        }
        for transaction in transactions {
            if step.room(watch) == 0 {
                break;
            }
            let place = transaction.last;
            match self.changes(watch, transaction, refreshing)? {
                // Those behind it are brought up to date as well, so that they do not stall one after another.
                None => step.is_stalled = true,
                Some(_) if step.is_stalled => {}
                Some((changes, bytes)) => {
                    let cursor = self.cursor(watch, place, None);
                    step.events.push(WatchEvent::Changed { cursor, changes });
                    step.bytes += bytes;
                    shown_to = place.lsn;
                }
            }
            if step.is_stalled && refreshing.is_spent() {
                break;
            }
        }
        let is_done = !step.is_stalled && step.bytes < super::EVENT_BYTES;
        let shown_to = if is_done { looked_to.max(shown_to) } else { shown_to };
        let is_idle = shown_to == self.watches.looked;
        watch.stage = if is_idle { Stage::Idle } else { Stage::Following(shown_to) };
        Ok(step)
    }

    /// At most `most` transactions with rows in scope.
    fn transactions_after(&self, watch: &Watch, position: u64, most: usize) -> Result<Looked, StoreError> {
        let (mut transactions, mut current) = (Vec::new(), Transaction::default());
        let (mut looked_to, mut seen, mut is_within) = (position, 0, false);
        for row in durable_rows(&self.journal, position, self.watches.looked) {
            if !is_within && (seen >= ROWS_MAX || transactions.len() >= most) {
                break;
            }
            let (lsn, row) = row?;
            let is_in_space = SpaceNumber(row.space) == watch.space;
            if is_in_space && row.sequence == 0 {
                return Ok(Looked { transactions, to: looked_to, is_filled: true });
            }
            (seen, looked_to, is_within) = (seen + 1, lsn, row.follow > 0);
            if is_in_space {
                let address = self.journal.address(DocumentNumber(row.document))?;
                if watch.scope.contains(&address) {
                    current.rows.push((lsn, row, address));
                }
            }
            if !is_within && !current.rows.is_empty() {
                let last = Place { lsn, chain: Some(chain_start(row.chain)) };
                transactions.push(Transaction { last, ..std::mem::take(&mut current) });
            }
        }
        Ok(Looked { transactions, to: looked_to, is_filled: false })
    }

    /// The changes of a transaction with their documents; `None` while the value of one is behind.
    fn changes(
        &mut self,
        watch: &Watch,
        transaction: Transaction,
        refreshing: &mut Refreshing,
    ) -> Result<Option<(Vec<WatchedChange>, usize)>, StoreError> {
        let (mut changes, mut bytes, mut is_behind) = (Vec::new(), 0, false);
        for (lsn, row, address) in transaction.rows {
            let Some(mut shown) = self.watched(watch, &address, lsn, refreshing)? else {
                is_behind = true;
                continue;
            };
            bytes += shown.bytes;
            if bytes > TRANSACTION_BYTES && !changes.is_empty() {
                bytes -= shown.bytes;
                shown.document.value = WatchedValue::Omitted;
            }
            let (origin, _) = self.journal.names.origin(OriginNumber(row.origin))?;
            changes.push(WatchedChange {
                stamp: Stamp { origin, sequence: row.sequence },
                hash: ChangeHash(row.hash),
                lsn,
                accepted_ms: row.accepted_ms,
                signature: self.signature(lsn, &row)?,
                document: shown.document,
            });
        }
        Ok((!is_behind).then_some((changes, bytes)))
    }

    fn signature(&self, lsn: u64, row: &JournalRow) -> Result<Option<ChangeSignature>, StoreError> {
        let (keyspace, key) = keys::change(DocumentNumber(row.document), lsn);
        let chunk = self.journal.rows.durable().get(keyspace, &key)?;
        chunk.map(|chunk| ChangeSignature::of_chunk(&chunk).map_err(|_| DAMAGED)).transpose()
    }
}
