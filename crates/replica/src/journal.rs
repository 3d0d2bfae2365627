//! The journal: the order in which this replica took changes, and every row that goes with one.

mod arrived;
mod branch;
mod chain;
pub(crate) use chain::start as chain_start;
pub use chain::verify_journal;
mod documents;
pub(crate) use documents::{StoredValue, snapshot_of};
mod filled;
use arrived::Arrived;
use filled::Incomplete;
pub(crate) use filled::{FilledDocument, Reach};
mod waiting;
#[cfg(test)]
pub(crate) use waiting::LISTED_MAX;
use waiting::Waiting;

use crate::keys::{self, DocumentNumber, OriginNumber, Place, SpaceNumber};
use crate::names::Names;
use crate::record::{self, Counters, DocumentNameRow, DocumentRow, JournalRow, TrimmedRow};
use crate::rows::Rows;
use crate::settings::SnapshotPolicy;
use crate::store::{Keyspace, Store, StoreError, Turn};
use crate::value::ValueState;
use crate::vectors::{VectorEntry, Vectors};
use document::{Address, ChangeHash, Collection, Key};
use std::collections::{BTreeMap, VecDeque};

/// Rows that contradict each other: one names what is not there.
pub(crate) const DAMAGED: StoreError =
    StoreError::Damaged { what: "a row that names what is not there", keyspace: Keyspace::Journal };

/// Rows that are checked when the journal is opened: more than were on their way when the process ended.
const CHECKED_AT_OPEN: u64 = 256;

/// A change about to be taken. Its document, space and origin have numbers, its dependencies are here.
pub(crate) struct Entry<'a> {
    pub(crate) origin: OriginNumber,
    pub(crate) hash: ChangeHash,
    pub(crate) dependencies: &'a [ChangeHash],
    pub(crate) chunk: Vec<u8>,
    pub(crate) accepted_ms: i64,
    /// How many changes of the same transaction follow.
    pub(crate) follow: u16,
    /// The document's value with the change: for changes written here, where the document is open.
    pub(crate) value: Option<NewValue>,
}

/// What an open document shows, about to be written.
pub(crate) struct NewValue {
    pub(crate) state: ValueState,
    /// JSON text; empty when the document is deleted.
    pub(crate) json: Vec<u8>,
    /// Whether it breaks rules of its schema.
    pub(crate) breaks_schema: bool,
    /// See [`crate::value::ValueRow::whole`].
    pub(crate) whole: Option<u64>,
    /// Index rows that it no more has.
    pub(crate) removed: Vec<Place>,
    /// Index rows that it has newly.
    pub(crate) added: Vec<Place>,
}

/// A document that a change is taken for.
pub(crate) struct DocumentPlace {
    pub(crate) space: SpaceNumber,
    pub(crate) row: DocumentRow,
}

impl DocumentPlace {
    /// How many heads it has.
    pub(crate) fn heads(&self) -> u64 {
        self.row.heads.as_chunks::<32>().0.len() as u64
    }

    /// Whether no change that is here depends on this one.
    pub(crate) fn is_head(&self, hash: &ChangeHash) -> bool {
        self.row.heads.as_chunks::<32>().0.contains(&hash.0)
    }

    /// Whether a change goes on from one of the heads, so that it is not here: no change that is depends on a head. Where
    /// changes were dropped nobody can tell: heads may be those of what is shown.
    pub(crate) fn is_followed_by(&self, dependencies: &[ChangeHash]) -> bool {
        self.row.dropped.is_none() && dependencies.iter().any(|dependency| self.is_head(dependency))
    }

    pub(crate) fn number(&self) -> DocumentNumber {
        DocumentNumber(self.row.number)
    }
}

pub(crate) struct Journal<S> {
    pub(crate) rows: Rows<S>,
    pub(crate) names: Names,
    pub(crate) vectors: Vectors,
    /// The last change that is passed on, of streams that hold more: their writer lost the right to write.
    pub(crate) cuts: BTreeMap<(SpaceNumber, OriginNumber), u64>,
    incomplete: Incomplete,
    trimmed: TrimmedRow,
    /// Whether there may be something on the materialiser's list.
    pub(crate) is_work_listed: bool,
    waiting: Waiting,
    arrived: Arrived,
    snapshots: SnapshotPolicy,
    counters: Counters,
    /// Whether the row of the counters is behind.
    counters_changed: bool,
    /// The digest of the last row.
    chain: [u8; 16],
    /// Head after each turn that is on its way.
    heads: VecDeque<(Turn, u64)>,
    durable_head: u64,
}

impl<S: Store> Journal<S> {
    /// Opens the journal and checks its last rows. `epoch` names it when it is new, and when the store has another
    /// incarnation: then it lost rows, or is a copy of another, so that positions after its head meant something else.
    pub(crate) fn open(
        store: S,
        (epoch, incarnation): (u64, [u8; 16]),
        snapshots: SnapshotPolicy,
    ) -> Result<Self, StoreError> {
        let mut rows = Rows::new(store);
        let stored = rows.record::<Counters>(&keys::counters())?;
        let new = Counters {
            epoch,
            head: 0,
            documents: 0,
            idempotency_keys: 0,
            incarnation,
            idempotency_oldest: None,
        };
        let mut counters = stored.unwrap_or(new);
        if counters.incarnation != incarnation {
            counters = Counters { epoch, incarnation, ..counters };
        }
        if stored != Some(counters) {
            rows.put(keys::counters(), record::encode(&counters));
        }
        let (names, vectors) = (Names::load(&rows)?, Vectors::load(&rows)?);
        let incomplete = Incomplete::load(&rows)?;
        let trimmed = rows.record(&keys::trimmed())?.unwrap_or_default();
        let head = counters.head;
        let chain = {
            let after = head.saturating_sub(CHECKED_AT_OPEN);
            let span = chain::Span::new(&trimmed, after, head);
            chain::verify(rows.scan(span.range()), &span)?
        };
        Ok(Self {
            rows,
            names,
            vectors,
            cuts: BTreeMap::new(),
            incomplete,
            trimmed,
            is_work_listed: true,
            waiting: Waiting::default(),
            arrived: Arrived::default(),
            snapshots,
            counters,
            counters_changed: false,
            chain,
            heads: VecDeque::new(),
            durable_head: head,
        })
    }

    /// Checks the chain over the rows after `after`, up to and including `last`.
    pub(crate) fn verify(&self, after: u64, last: u64) -> Result<(), StoreError> {
        let span = chain::Span::new(&self.trimmed, after, last);
        chain::verify(self.rows.scan(span.range()), &span).map(drop)
    }

    /// Rows up to here are gone.
    pub(crate) fn low_water(&self) -> u64 {
        self.trimmed.lsn
    }

    /// Rows up to a position are gone, the last of which had this digest.
    pub(crate) fn set_low_water(&mut self, lsn: u64, chain: [u8; 16]) {
        self.trimmed = TrimmedRow { lsn, chain };
        self.rows.put(keys::trimmed(), record::encode(&self.trimmed));
    }

    /// The digest of the last row.
    pub(crate) fn chain(&self) -> [u8; 16] {
        self.chain
    }

    /// The start of the digest of the durable row at a position; `None` where there is none, or it was trimmed and is not
    /// the last that was.
    pub(crate) fn chain_at(&self, lsn: u64) -> Result<Option<u64>, StoreError> {
        if lsn == self.trimmed.lsn {
            return Ok(Some(chain::start(self.trimmed.chain)));
        }
        let (keyspace, key) = keys::journal(lsn);
        let row = self.rows.durable().get(keyspace, &key)?;
        let row = row.map(|row| record::decode::<JournalRow>(keyspace, &row)).transpose()?;
        Ok(row.map(|row| chain::start(row.chain)))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.counters.epoch
    }

    /// Last position.
    pub(crate) fn head(&self) -> u64 {
        self.counters.head
    }

    /// Last position that is durable.
    pub(crate) fn durable_head(&self) -> u64 {
        self.durable_head
    }

    pub(crate) fn documents(&self) -> u32 {
        self.counters.documents
    }

    /// Hands over the batch of the turn.
    pub(crate) fn submit(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.counters_changed) {
            self.rows.put(keys::counters(), record::encode(&self.counters));
        }
        if let Some(turn) = self.rows.submit()? {
            self.heads.push_back((turn, self.counters.head));
        }
        Ok(())
    }

    pub(crate) fn settle(&mut self, turn: Turn) {
        self.rows.settle(turn);
        while let Some((_, head)) = self.heads.front().copied().filter(|(submitted, _)| *submitted <= turn) {
            self.durable_head = head;
            self.heads.pop_front();
        }
    }

    /// The turn that makes the row at a position durable; the first of all when it is.
    pub(crate) fn turn_of(&self, lsn: u64) -> Turn {
        if lsn <= self.durable_head {
            return Turn::default();
        }
        let on_its_way = self.heads.iter().find(|(_, head)| lsn <= *head);
        on_its_way.map_or(self.rows.current_turn(), |(turn, _)| *turn)
    }

    /// Where the document with a number is.
    pub(crate) fn address(&self, number: DocumentNumber) -> Result<Address, StoreError> {
        self.address_of(number)?.ok_or(DAMAGED)
    }

    /// Where the document with a number is; `None` when no document has it.
    pub(crate) fn address_of(&self, number: DocumentNumber) -> Result<Option<Address>, StoreError> {
        let name: Option<DocumentNameRow> = self.rows.record(&keys::document_name(number))?;
        let Some(name) = name else { return Ok(None) };
        let space = self.names.space(SpaceNumber(name.space))?.clone();
        match (Collection::new(name.collection), Key::new(name.key)) {
            (Ok(collection), Ok(key)) => Ok(Some(Address { space, collection, key })),
            (Err(_), _) | (_, Err(_)) => Err(DAMAGED),
        }
    }

    /// The address in the key of an entry of a list by address.
    pub(crate) fn listed_address(&self, key: &[u8]) -> Result<Address, StoreError> {
        let (collection, name) = keys::read_document(key).ok_or(DAMAGED)?;
        let space = self.names.space(keys::read_space(key).ok_or(DAMAGED)?)?.clone();
        Ok(Address { space, collection, key: name })
    }

    /// A row for a document that has no change yet. It is kept with its first change.
    pub(crate) fn new_document(&mut self, address: &Address) -> Result<DocumentPlace, StoreError> {
        let space = self.names.intern_space(&mut self.rows, &address.space)?;
        let number = self.counters.documents;
        self.counters.documents = number.checked_add(1).ok_or(StoreError::Full)?;
        let name = DocumentNameRow {
            space: space.0,
            collection: address.collection.as_str().to_owned(),
            key: address.key.as_str().to_owned(),
        };
        self.rows.put(keys::document_name(DocumentNumber(number)), record::encode(&name));
        Ok(DocumentPlace { space, row: DocumentRow { number, ..DocumentRow::default() } })
    }

    /// Takes a change: every row about it goes into the turn's batch. Returns its sequence and position.
    pub(crate) fn append(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        entry: Entry<'_>,
    ) -> Result<(u64, u64), StoreError> {
        if entry.value.is_some() {
            self.vectors.begin_write((place.space, entry.origin));
        }
        let (sequence, lsn) = self.append_stamp(place, &entry);
        self.put_change(address, place, lsn, entry);
        Ok((sequence, lsn))
    }

    /// A change at a position of the journal, and what it makes of its document.
    fn put_change(&mut self, address: &Address, place: &mut DocumentPlace, lsn: u64, entry: Entry<'_>) {
        let document = place.number();
        match entry.value {
            Some(_) => self.arrived.forget(document),
            None => self.arrived.note(document, place.row.last, (lsn, &entry.chunk)),
        }
        place.row.bytes += entry.chunk.len() as u64;
        self.rows.put(keys::change(document, lsn), entry.chunk);
        self.rows.put(keys::hash(document, &entry.hash), lsn.to_be_bytes().to_vec());
        let heads = next_heads(&place.row.heads, entry.dependencies, &entry.hash);
        #[cfg(isle_planted)]
        let heads = match crate::planted::is(crate::planted::Bug::HeadsNotUpdated) && entry.value.is_none() {
            true => place.row.heads.clone(),
            false => heads,
        };
        place.row.heads = heads;
        place.row.last = lsn;
        place.row.changes += 1;
        if let Some(value) = entry.value {
            // It was written on all that the document shows; its row may have heads that were dropped.
            self.put_value(address, place, (lsn, &entry.hash.0), value);
        }
        self.put_document(address, place);
    }

    /// The next position of the journal, with the next stamp of the origin.
    fn append_stamp(&mut self, place: &DocumentPlace, entry: &Entry<'_>) -> (u64, u64) {
        let stream = (place.space, entry.origin);
        let vector = self.vectors.get(stream.0, stream.1).next(&entry.hash);
        self.vectors.set(&mut self.rows, stream, (vector, self.counters.head + 1));
        let lsn = self.append_row(JournalRow {
            document: place.row.number,
            space: place.space.0,
            origin: entry.origin.0,
            sequence: vector.sequence,
            accepted_ms: entry.accepted_ms,
            hash: entry.hash.0,
            chain: [0; 16],
            follow: entry.follow,
        });
        let stamp = [&lsn.to_be_bytes()[..], &vector.chain].concat();
        self.rows.put(keys::stamp(stream.0, stream.1, vector.sequence), stamp);
        (vector.sequence, lsn)
    }

    /// The next position of the journal.
    fn append_row(&mut self, mut row: JournalRow) -> u64 {
        let lsn = self.counters.head + 1;
        self.counters.head = lsn;
        self.counters_changed = true;
        row.chain = chain::next(&self.chain, lsn, &row);
        self.chain = row.chain;
        self.rows.put(keys::journal(lsn), record::encode(&row));
        lsn
    }

    /// The last change of a stream that is passed on to peers; all of them mostly.
    pub(crate) fn passed_on(&self, space: SpaceNumber, origin: OriginNumber) -> u64 {
        self.cuts.get(&(space, origin)).copied().unwrap_or(u64::MAX)
    }

    /// The streams of a space that are passed on up to a change alone, and up to which.
    pub(crate) fn cuts_of(&self, space: SpaceNumber) -> impl Iterator<Item = (OriginNumber, u64)> + '_ {
        let range = (space, OriginNumber(0))..=(space, OriginNumber(u32::MAX));
        self.cuts.range(range).map(|((_, origin), last)| (*origin, *last))
    }

    /// Draws the number of an idempotency key.
    pub(crate) fn next_idempotency_key(&mut self) -> u64 {
        self.counters.idempotency_keys += 1;
        self.counters_changed = true;
        self.counters.idempotency_keys
    }

    /// The number of the newest idempotency key; 0 where there was none.
    pub(crate) fn idempotency_keys(&self) -> u64 {
        self.counters.idempotency_keys
    }

    /// The number of the oldest idempotency key that is kept.
    pub(crate) fn oldest_idempotency_key(&self) -> Option<u64> {
        self.counters.idempotency_oldest
    }

    pub(crate) fn set_oldest_idempotency_key(&mut self, oldest: u64) {
        self.counters.idempotency_oldest = Some(oldest);
        self.counters_changed = true;
    }

    /// The position of a change, by stamp.
    pub(crate) fn position(
        &self,
        space: SpaceNumber,
        origin: OriginNumber,
        sequence: u64,
    ) -> Result<Option<u64>, StoreError> {
        let bytes = self.rows.get(&keys::stamp(space, origin, sequence))?;
        Ok(bytes.and_then(|bytes| bytes.first_chunk().copied()).map(u64::from_be_bytes))
    }

    /// The version vector's entry as it was at a sequence; `None` when the change is not here.
    pub(crate) fn entry_at(
        &self,
        space: SpaceNumber,
        origin: OriginNumber,
        sequence: u64,
    ) -> Result<Option<VectorEntry>, StoreError> {
        if sequence == 0 {
            return Ok(Some(VectorEntry::default()));
        }
        let last = self.vectors.get(space, origin);
        if last.sequence == sequence {
            return Ok(Some(last));
        }
        let bytes = self.rows.get(&keys::stamp(space, origin, sequence))?;
        let chain = bytes.as_ref().and_then(|bytes| bytes.get(8..)?.try_into().ok());
        let gone = || self.vectors.gone((space, origin), sequence).map(|gone| gone.chain);
        Ok(chain.or_else(gone).map(|chain| VectorEntry { sequence, chain }))
    }

    /// The journal row at a position.
    pub(crate) fn row(&self, lsn: u64) -> Result<JournalRow, StoreError> {
        self.rows.record(&keys::journal(lsn))?.ok_or(DAMAGED)
    }

    /// The journal row at a position; `None` when it was trimmed.
    pub(crate) fn find_row(&self, lsn: u64) -> Result<Option<JournalRow>, StoreError> {
        self.rows.record(&keys::journal(lsn))
    }

    /// When the change at a position was taken, in milliseconds of wall time; `None` when that was trimmed.
    pub(crate) fn accepted_ms(&self, lsn: u64) -> Result<Option<i64>, StoreError> {
        Ok(self.find_row(lsn)?.map(|row| row.accepted_ms))
    }
}

/// The heads after a change: what it depends on is no head any more.
fn next_heads(heads: &[u8], dependencies: &[ChangeHash], hash: &ChangeHash) -> Vec<u8> {
    let (heads, _) = heads.as_chunks::<32>();
    let mut next: Vec<[u8; 32]> =
        heads.iter().copied().filter(|head| !dependencies.iter().any(|hash| hash.0 == *head)).collect();
    next.push(hash.0);
    next.sort_unstable();
    next.concat()
}
