//! The journal: the order in which this replica took changes, and every row that goes with one.

use crate::keys::{self, DocumentNumber, OriginNumber, SpaceNumber};
use crate::names::Names;
use crate::record::{self, Counters, DocumentNameRow, DocumentRow, JournalRow};
use crate::rows::Rows;
use crate::store::{Keyspace, Store, StoreError, Turn};
use crate::vectors::Vectors;
use document::{Address, ChangeHash, Collection, Key};
use std::collections::VecDeque;

/// Rows that contradict each other: one names what is not there.
pub(crate) const DAMAGED: StoreError =
    StoreError::Damaged { what: "a row that names what is not there", keyspace: Keyspace::Journal };

/// Most changes of a document read at once.
const CHUNKS_MAX: usize = 1_024;

/// A change about to be taken. Its document, space and origin have numbers, its dependencies are here.
pub(crate) struct Entry<'a> {
    pub(crate) origin: OriginNumber,
    pub(crate) hash: ChangeHash,
    pub(crate) dependencies: &'a [ChangeHash],
    pub(crate) chunk: Vec<u8>,
    pub(crate) accepted_ms: i64,
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

    pub(crate) fn number(&self) -> DocumentNumber {
        DocumentNumber(self.row.number)
    }
}

pub(crate) struct Journal<S> {
    pub(crate) rows: Rows<S>,
    pub(crate) names: Names,
    pub(crate) vectors: Vectors,
    counters: Counters,
    /// Head after each turn that is on its way.
    heads: VecDeque<(Turn, u64)>,
    durable_head: u64,
}

impl<S: Store> Journal<S> {
    pub(crate) fn open(store: S, epoch: u64) -> Result<Self, StoreError> {
        let mut rows = Rows::new(store);
        let stored = rows.record::<Counters>(&keys::counters())?;
        let counters = stored.unwrap_or(Counters { epoch, head: 0, documents: 0, idempotency_keys: 0 });
        if stored.is_none() {
            rows.put(keys::counters(), record::encode(&counters));
        }
        let names = Names::load(&rows)?;
        let vectors = Vectors::load(&rows)?;
        let durable_head = counters.head;
        Ok(Self { rows, names, vectors, counters, heads: VecDeque::new(), durable_head })
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

    /// A document's row; `None` while it has no change.
    pub(crate) fn document(&self, address: &Address) -> Result<Option<DocumentPlace>, StoreError> {
        let Some(space) = self.names.space_number(&address.space) else { return Ok(None) };
        let row = self.rows.record(&keys::document(space, &address.collection, &address.key))?;
        Ok(row.map(|row| DocumentPlace { space, row }))
    }

    /// Where the document with a number is.
    pub(crate) fn address(&self, number: DocumentNumber) -> Result<Address, StoreError> {
        let name: DocumentNameRow = self.rows.record(&keys::document_name(number))?.ok_or(DAMAGED)?;
        let space = self.names.space(SpaceNumber(name.space))?.clone();
        match (Collection::new(name.collection), Key::new(name.key)) {
            (Ok(collection), Ok(key)) => Ok(Address { space, collection, key }),
            (Err(_), _) | (_, Err(_)) => Err(DAMAGED),
        }
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
        Ok(DocumentPlace { space, row: DocumentRow { number, last: 0, heads: Vec::new(), changes: 0 } })
    }

    /// Takes a change: every row about it goes into the turn's batch. Returns its sequence and position.
    pub(crate) fn append(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        entry: Entry<'_>,
    ) -> Result<(u64, u64), StoreError> {
        let (space, document) = (place.space, place.number());
        let vector = self.vectors.get(space, entry.origin).next(&entry.hash);
        let lsn = self.counters.head + 1;
        self.counters.head = lsn;
        self.vectors.set(&mut self.rows, (space, entry.origin), vector);
        let row = JournalRow {
            document: document.0,
            space: space.0,
            origin: entry.origin.0,
            sequence: vector.sequence,
            accepted_ms: entry.accepted_ms,
        };
        self.rows.put(keys::journal(lsn), record::encode(&row));
        self.rows.put(keys::stamp(space, entry.origin, vector.sequence), lsn.to_be_bytes().to_vec());
        self.rows.put(keys::change(document, lsn), entry.chunk);
        self.rows.put(keys::hash(document, &entry.hash), lsn.to_be_bytes().to_vec());
        place.row.heads = next_heads(&place.row.heads, entry.dependencies, &entry.hash);
        place.row.last = lsn;
        place.row.changes += 1;
        let key = keys::document(space, &address.collection, &address.key);
        self.rows.put(key, record::encode(&place.row));
        self.put_counters();
        Ok((vector.sequence, lsn))
    }

    /// Draws the number of an idempotency key.
    pub(crate) fn next_idempotency_key(&mut self) -> u64 {
        self.counters.idempotency_keys += 1;
        self.put_counters();
        self.counters.idempotency_keys
    }

    fn put_counters(&mut self) {
        self.rows.put(keys::counters(), record::encode(&self.counters));
    }

    /// The position of a change, by stamp.
    pub(crate) fn position(
        &self,
        space: SpaceNumber,
        origin: OriginNumber,
        sequence: u64,
    ) -> Result<Option<u64>, StoreError> {
        let bytes = self.rows.get(&keys::stamp(space, origin, sequence))?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes))
    }

    /// The journal row at a position.
    pub(crate) fn row(&self, lsn: u64) -> Result<JournalRow, StoreError> {
        self.rows.record(&keys::journal(lsn))?.ok_or(DAMAGED)
    }

    /// The next bytes of a document's changes after a position, in journal order, and the position of the last of
    /// them. Empty when there are no more.
    pub(crate) fn chunks(
        &self,
        document: DocumentNumber,
        after: u64,
        last: u64,
    ) -> Result<(Vec<Vec<u8>>, u64), StoreError> {
        let (mut chunks, mut position) = (Vec::new(), after);
        for row in self.rows.scan(keys::changes(document, after, last)).take(CHUNKS_MAX) {
            let (key, chunk) = row?;
            position = keys::read_change(&key).ok_or(DAMAGED)?;
            chunks.push(chunk);
        }
        Ok((chunks, position))
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
