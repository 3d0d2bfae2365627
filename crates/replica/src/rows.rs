//! The core's view of the store: durable rows under an overlay of those that are on their way.

use crate::keys::Place;
use crate::record;
use crate::store::{Batch, Keyspace, ReadRows, Row, Store, StoreError, Turn, Write};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use warm::Warm;

mod warm;

/// A row that is not durable yet, and the turn that makes it so.
struct Pending {
    turn: Turn,
    value: Option<Vec<u8>>,
}

/// The rows on their way, by keyspace.
#[derive(Default)]
struct Overlay {
    meta: BTreeMap<Vec<u8>, Pending>,
    documents: BTreeMap<Vec<u8>, Pending>,
    changes: BTreeMap<Vec<u8>, Pending>,
    journal: BTreeMap<Vec<u8>, Pending>,
}

impl Overlay {
    fn of(&self, keyspace: Keyspace) -> &BTreeMap<Vec<u8>, Pending> {
        match keyspace {
            Keyspace::Meta => &self.meta,
            Keyspace::Documents => &self.documents,
            Keyspace::Changes => &self.changes,
            Keyspace::Journal => &self.journal,
        }
    }

    fn of_mut(&mut self, keyspace: Keyspace) -> &mut BTreeMap<Vec<u8>, Pending> {
        match keyspace {
            Keyspace::Meta => &mut self.meta,
            Keyspace::Documents => &mut self.documents,
            Keyspace::Changes => &mut self.changes,
            Keyspace::Journal => &mut self.journal,
        }
    }
}

/// A batch that was handed over.
struct InFlight {
    turn: Turn,
    places: Vec<Place>,
    bytes: usize,
}

pub(crate) struct Rows<S> {
    store: S,
    overlay: Overlay,
    /// Written since the last turn ended, each once.
    touched: Vec<Place>,
    /// Written with the next batch, but worth none of its own.
    lazy: BTreeMap<Place, Vec<u8>>,
    in_flight: VecDeque<InFlight>,
    submitted: Turn,
    /// Written since the last turn ended, in bytes; each write of a row counts.
    touched_bytes: usize,
    /// Durable rows of `Documents`, which are read once for each change: the document's own, its name, its value.
    warm: RefCell<Warm>,
}

impl<S: Store> Rows<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store,
            overlay: Overlay::default(),
            touched: Vec::new(),
            lazy: BTreeMap::new(),
            in_flight: VecDeque::new(),
            submitted: Turn(0),
            touched_bytes: 0,
            warm: RefCell::default(),
        }
    }

    pub(crate) fn put(&mut self, place: Place, value: Vec<u8>) {
        self.write(place, Some(value));
    }

    pub(crate) fn remove(&mut self, place: Place) {
        self.write(place, None);
    }

    /// A row that may be lost with a crash: it goes with the next batch, and makes none. Not read back meanwhile.
    pub(crate) fn put_lazily(&mut self, place: Place, value: Vec<u8>) {
        self.lazy.insert(place, value);
    }

    fn write(&mut self, place: Place, value: Option<Vec<u8>>) {
        let turn = Turn(self.submitted.0 + 1);
        if !self.lazy.is_empty() {
            self.lazy.remove(&place);
        }
        self.touched_bytes += place.1.len() + value.as_ref().map_or(0, Vec::len);
        let replaced = self.overlay.of_mut(place.0).insert(place.1.clone(), Pending { turn, value });
        if replaced.is_none_or(|pending| pending.turn != turn) {
            self.touched.push(place);
        }
    }

    pub(crate) fn get(&self, place: &Place) -> Result<Option<Vec<u8>>, StoreError> {
        ReadRows::get(self, place.0, &place.1)
    }

    /// A durable row of `Documents`.
    fn get_warm(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut warm = self.warm.borrow_mut();
        if let Some(value) = warm.get(key) {
            return Ok(Some(value));
        }
        let read = self.store.get(Keyspace::Documents, key)?;
        if let Some(value) = &read {
            warm.keep(key.to_vec(), value.clone());
        }
        Ok(read)
    }

    /// Whether there is such a row.
    pub(crate) fn has(&self, place: &Place) -> Result<bool, StoreError> {
        Ok(self.get(place)?.is_some())
    }

    /// Reads a record.
    pub(crate) fn record<T>(&self, place: &Place) -> Result<Option<T>, StoreError>
    where
        T: for<'a> minicbor::Decode<'a, ()>,
    {
        self.get(place)?.map(|bytes| record::decode(place.0, &bytes)).transpose()
    }

    /// Rows of a range in key order, those on their way included.
    pub(crate) fn scan(
        &self,
        (keyspace, range): (Keyspace, Range<Vec<u8>>),
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let pending = self.overlay.of(keyspace).range(range.clone());
        merged(pending, self.store.scan(keyspace, range), Ordering::Less)
    }

    /// See [`Store::suspect`].
    pub(crate) fn suspect(&self) -> Option<Vec<u8>> {
        self.store.suspect()
    }

    /// See [`Store::set_suspect`].
    pub(crate) fn set_suspect(&mut self, suspect: Option<&[u8]>) -> Result<(), StoreError> {
        self.store.set_suspect(suspect)
    }

    /// The store: durable rows only.
    pub(crate) fn durable(&self) -> &S {
        &self.store
    }

    /// Hands over what was written since the last call. `None` when nothing was.
    pub(crate) fn submit(&mut self) -> Result<Option<Turn>, StoreError> {
        if self.touched.is_empty() {
            return Ok(None);
        }
        let turn = Turn(self.submitted.0 + 1);
        let places = std::mem::take(&mut self.touched);
        self.touched_bytes = 0;
        let lazy = std::mem::take(&mut self.lazy);
        let mut batch = Batch::default();
        for (keyspace, key) in &places {
            let value = self.overlay.of(*keyspace).get(key).and_then(|pending| pending.value.clone());
            batch.writes.push(Write { keyspace: *keyspace, key: key.clone(), value });
        }
        for ((keyspace, key), value) in lazy {
            batch.writes.push(Write { keyspace, key, value: Some(value) });
        }
        let bytes = batch.bytes();
        self.store.submit(turn, batch)?;
        self.submitted = turn;
        self.in_flight.push_back(InFlight { turn, places, bytes });
        Ok(Some(turn))
    }

    /// A turn and all before it are durable: the overlay lets go of their rows.
    pub(crate) fn settle(&mut self, turn: Turn) {
        while self.in_flight.front().is_some_and(|batch| batch.turn <= turn) {
            let Some(batch) = self.in_flight.pop_front() else { return };
            for (keyspace, key) in batch.places {
                let Entry::Occupied(pending) = self.overlay.of_mut(keyspace).entry(key) else { continue };
                if pending.get().turn <= batch.turn {
                    let (key, pending) = pending.remove_entry();
                    if keyspace == Keyspace::Documents {
                        self.warm.get_mut().written(key, pending.value);
                    }
                }
            }
        }
    }

    /// The last turn handed over that is not durable.
    pub(crate) fn last_in_flight(&self) -> Option<Turn> {
        self.in_flight.back().map(|batch| batch.turn)
    }

    /// The turn whose batch is being made.
    pub(crate) fn current_turn(&self) -> Turn {
        Turn(self.submitted.0 + 1)
    }

    /// Bytes written that are not durable, those of the turn that is going on included.
    pub(crate) fn in_flight_bytes(&self) -> usize {
        self.touched_bytes + self.in_flight.iter().map(|batch| batch.bytes).sum::<usize>()
    }
}

impl<S: Store> ReadRows for Rows<S> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.overlay.of(keyspace).get(key) {
            Some(pending) => Ok(pending.value.clone()),
            None if keyspace == Keyspace::Documents => self.get_warm(key),
            None => self.store.get(keyspace, key),
        }
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        Rows::scan(self, (keyspace, range))
    }

    fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let pending = self.overlay.of(keyspace).range(range.clone()).rev();
        merged(pending, self.store.scan_back(keyspace, range), Ordering::Greater)
    }
}

/// Rows on their way over durable ones. Both come in one order, in which a key that compares as `first` with another
/// comes before it.
fn merged<'a>(
    pending: impl Iterator<Item = (&'a Vec<u8>, &'a Pending)>,
    durable: impl Iterator<Item = Result<Row, StoreError>>,
    first: Ordering,
) -> impl Iterator<Item = Result<Row, StoreError>> {
    let (mut pending, mut durable) = (pending.peekable(), durable.peekable());
    std::iter::from_fn(move || {
        loop {
            let next_durable = match durable.peek() {
                Some(Ok((key, _))) => Some(key),
                Some(Err(_)) => return durable.next(),
                None => None,
            };
            let (key, row) = match (pending.peek(), next_durable) {
                (None, _) => return durable.next(),
                (Some((key, _)), Some(next)) if next.cmp(key) == first => return durable.next(),
                (Some((key, row)), _) => (*key, *row),
            };
            if next_durable == Some(key) {
                durable.next();
            }
            pending.next();
            if let Some(value) = &row.value {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    })
}

#[cfg(test)]
mod tests;
