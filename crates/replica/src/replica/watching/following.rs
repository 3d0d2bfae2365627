use super::{Looking, Place, Replica, Row, Step, durable_rows};
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

/// Watches that stand no more rows behind share what they read: those that one write woke.
const SHARED_ROWS_MAX: u64 = 64;
/// Bytes of documents that are kept for the next watch, about.
const SHARED_BYTES: usize = 256 * 1024;

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
        looking: &mut Looking,
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
        let looked = self.transactions_after(watch, (position, step.room(watch)), looking)?;
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
            match self.changes(watch, transaction, looking)? {
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
            if step.is_stalled && looking.refreshing.is_spent() {
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
    fn transactions_after(
        &self,
        watch: &Watch,
        (position, most): (u64, usize),
        looking: &mut Looking,
    ) -> Result<Looked, StoreError> {
        let rows = durable_rows(&self.journal, position, self.watches.looked);
        let located = rows.map(|row| self.located(watch.space, row?));
        if self.watches.looked - position > SHARED_ROWS_MAX {
            return gather(watch, (position, most), located);
        }
        let place = (watch.space, position);
        let rows = match looking.rows.take().filter(|(of, _)| *of == place) {
            Some((_, rows)) => rows,
            None => located.collect::<Result<_, _>>()?,
        };
        let looked = gather(watch, (position, most), rows.iter().cloned().map(Ok));
        looking.rows = Some((place, rows));
        looked
    }

    /// A row of the journal, with its document where it is in the space.
    fn located(&self, space: SpaceNumber, (lsn, row): (u64, JournalRow)) -> Result<Row, StoreError> {
        let is_in_space = SpaceNumber(row.space) == space;
        let address = is_in_space.then(|| self.journal.address(DocumentNumber(row.document))).transpose()?;
        Ok(Row { lsn, row, address })
    }

    /// The changes of a transaction with their documents; `None` while the value of one is behind.
    fn changes(
        &mut self,
        watch: &Watch,
        transaction: Transaction,
        looking: &mut Looking,
    ) -> Result<Option<(Vec<WatchedChange>, usize)>, StoreError> {
        let (mut changes, mut bytes, mut is_behind) = (Vec::new(), 0, false);
        for (lsn, row, address) in transaction.rows {
            let Some((mut change, its_bytes)) = self.change(watch, (lsn, row, address), looking)? else {
                is_behind = true;
                continue;
            };
            bytes += its_bytes;
            if bytes > TRANSACTION_BYTES && !changes.is_empty() {
                bytes -= its_bytes;
                change.document.value = WatchedValue::Omitted;
            }
            changes.push(change);
        }
        Ok((!is_behind).then_some((changes, bytes)))
    }

    /// A change with its document, and how long that is; `None` while its value is behind.
    fn change(
        &mut self,
        watch: &Watch,
        (lsn, row, address): (u64, JournalRow, Address),
        looking: &mut Looking,
    ) -> Result<Option<(WatchedChange, usize)>, StoreError> {
        if let Some(shown) = looking.shown.get(&lsn) {
            return Ok(Some(shown.clone()));
        }
        let Some(shown) = self.watched(watch, &address, lsn, &mut looking.refreshing)? else {
            return Ok(None);
        };
        let (origin, _) = self.journal.names.origin(OriginNumber(row.origin))?;
        let change = WatchedChange {
            stamp: Stamp { origin, sequence: row.sequence },
            hash: ChangeHash(row.hash),
            lsn,
            accepted_ms: row.accepted_ms,
            signature: self.signature(lsn, &row)?,
            document: shown.document,
        };
        if looking.shown_bytes < SHARED_BYTES {
            looking.shown_bytes += shown.bytes;
            looking.shown.insert(lsn, (change.clone(), shown.bytes));
        }
        Ok(Some((change, shown.bytes)))
    }

    fn signature(&self, lsn: u64, row: &JournalRow) -> Result<Option<ChangeSignature>, StoreError> {
        let (keyspace, key) = keys::change(DocumentNumber(row.document), lsn);
        let chunk = self.journal.rows.durable().get(keyspace, &key)?;
        chunk.map(|chunk| ChangeSignature::of_chunk(&chunk).map_err(|_| DAMAGED)).transpose()
    }
}

/// At most `most` transactions with rows in scope, of rows after a position.
fn gather(
    watch: &Watch,
    (position, most): (u64, usize),
    rows: impl Iterator<Item = Result<Row, StoreError>>,
) -> Result<Looked, StoreError> {
    let (mut transactions, mut current) = (Vec::new(), Transaction::default());
    let (mut looked_to, mut seen, mut is_within) = (position, 0, false);
    for row in rows {
        if !is_within && (seen >= ROWS_MAX || transactions.len() >= most) {
            break;
        }
        let Row { lsn, row, address } = row?;
        if address.is_some() && row.sequence == 0 {
            return Ok(Looked { transactions, to: looked_to, is_filled: true });
        }
        (seen, looked_to, is_within) = (seen + 1, lsn, row.follow > 0);
        #[cfg(isle_planted)]
        let is_within = is_within && !crate::planted::is(crate::planted::Bug::WatchTransactionSplit);
        let chain = row.chain;
        if let Some(address) = address.filter(|address| watch.scope.contains(address)) {
            current.rows.push((lsn, row, address));
        }
        if !is_within && !current.rows.is_empty() {
            let last = Place { lsn, chain: Some(chain_start(chain)) };
            transactions.push(Transaction { last, ..std::mem::take(&mut current) });
        }
    }
    Ok(Looked { transactions, to: looked_to, is_filled: false })
}
