//! [`MemoryStore`]: rows without a disk, for a replica that gets them from its peers anyway.

use crate::events::CommitNotice;
use replica::{Batch, Keyspace, ReadRows, Room, Row, Store, StoreError, Turn};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};

/// What a row takes beside its key and its value, about: two vectors, and its part of a node of the tree.
const ROW_BYTES: usize = 64;

/// Percent of the room from which on it is low, is for what cannot wait, and is read-only.
const WATERMARKS: [(usize, Room); 3] = [(95, Room::ReadOnly), (85, Room::Shed), (70, Room::Low)];

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// Rows in memory, up to a number of bytes. They end with it.
///
/// A batch is durable, as far as that goes here, before `submit` returns: `on_notice` is called within it.
pub struct MemoryStore {
    tables: [Table; 4],
    bytes: usize,
    bytes_max: usize,
    room: Room,
    on_notice: Box<dyn FnMut(CommitNotice) + Send>,
}

impl MemoryStore {
    /// An empty store for about `bytes_max` bytes. It may pass them by what the core had on its way when it was told that
    /// there is no more room.
    #[must_use]
    pub fn new(bytes_max: usize, on_notice: impl FnMut(CommitNotice) + Send + 'static) -> Self {
        let (tables, on_notice) = (Default::default(), Box::new(on_notice));
        Self { tables, bytes: 0, bytes_max, room: Room::Ample, on_notice }
    }

    fn table(&self, keyspace: Keyspace) -> &Table {
        let [meta, documents, changes, journal] = &self.tables;
        match keyspace {
            Keyspace::Meta => meta,
            Keyspace::Documents => documents,
            Keyspace::Changes => changes,
            Keyspace::Journal => journal,
        }
    }

    fn table_mut(&mut self, keyspace: Keyspace) -> &mut Table {
        let [meta, documents, changes, journal] = &mut self.tables;
        match keyspace {
            Keyspace::Meta => meta,
            Keyspace::Documents => documents,
            Keyspace::Changes => changes,
            Keyspace::Journal => journal,
        }
    }

    fn write(&mut self, keyspace: Keyspace, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_bytes = key.len() + ROW_BYTES;
        let added = value.as_ref().map_or(0, |value| key_bytes + value.len());
        let table = self.table_mut(keyspace);
        let before = match value {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
        let freed = before.map_or(0, |before| key_bytes + before.len());
        self.bytes = (self.bytes + added).saturating_sub(freed);
    }

    fn look(&mut self) {
        let is_past = |percent: usize| self.bytes >= self.bytes_max / 100 * percent;
        let room = WATERMARKS.iter().find(|(percent, _)| is_past(*percent));
        let room = room.map_or(Room::Ample, |(_, room)| *room);
        if room != self.room {
            self.room = room;
            tracing::info!(
                ?room,
                bytes = self.bytes,
                bytes_max = self.bytes_max,
                "the room in memory changed"
            );
            (self.on_notice)(CommitNotice::Room(room));
        }
    }

    fn range(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl DoubleEndedIterator<Item = Result<Row, StoreError>> + '_ {
        // A tree panics on a range that ends before it begins.
        let end = range.end.max(range.start.clone());
        let bounds = (Bound::Included(range.start), Bound::Excluded(end));
        self.table(keyspace).range(bounds).map(|(key, value)| Ok((key.clone(), value.clone())))
    }
}

impl ReadRows for MemoryStore {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.table(keyspace).get(key).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        self.range(keyspace, range)
    }

    fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        self.range(keyspace, range).rev()
    }
}

impl Store for MemoryStore {
    /// A copy of all rows.
    type Snapshot = Self;

    fn snapshot(&self) -> Self {
        Self { tables: self.tables.clone(), on_notice: Box::new(|_| ()), ..*self }
    }

    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError> {
        for write in batch.writes {
            self.write(write.keyspace, write.key, write.value);
        }
        self.look();
        (self.on_notice)(CommitNotice::Durable(turn));
        Ok(())
    }

    /// Nothing of this store is left when the process ends.
    fn set_suspect(&mut self, _suspect: Option<&[u8]>) -> Result<(), StoreError> {
        Ok(())
    }

    fn suspect(&self) -> Option<Vec<u8>> {
        None
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replica::Write;
    use std::sync::mpsc::{Receiver, channel};

    fn store(bytes_max: usize) -> (MemoryStore, Receiver<CommitNotice>) {
        let (notices, told) = channel();
        (MemoryStore::new(bytes_max, move |notice| notices.send(notice).unwrap()), told)
    }

    fn submit(store: &mut MemoryStore, turn: u64, rows: &[(&str, Option<usize>)]) {
        let write = |(key, bytes): &(&str, Option<usize>)| Write {
            keyspace: Keyspace::Changes,
            key: key.as_bytes().to_vec(),
            value: bytes.map(|bytes| vec![0; bytes]),
        };
        store.submit(Turn(turn), Batch { writes: rows.iter().map(write).collect() }).unwrap();
    }

    #[test]
    fn rows_are_read_in_order_both_ways_and_turns_are_told() {
        let (mut store, told) = store(1 << 20);
        submit(&mut store, 7, &[("b", Some(1)), ("a", Some(2)), ("c", Some(3)), ("b", None)]);
        let keys = |rows: Vec<Row>| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let range = || b"a".to_vec()..b"d".to_vec();
        let scanned = store.scan(Keyspace::Changes, range()).collect::<Result<_, _>>().unwrap();
        assert_eq!(keys(scanned), [b"a", b"c"]);
        let back = store.scan_back(Keyspace::Changes, range()).collect::<Result<_, _>>().unwrap();
        assert_eq!(keys(back), [b"c", b"a"]);
        assert_eq!(store.scan(Keyspace::Changes, b"d".to_vec()..b"a".to_vec()).count(), 0);
        assert_eq!(store.get(Keyspace::Documents, b"a").unwrap(), None);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [CommitNotice::Durable(Turn(7))]);
    }

    #[test]
    fn the_room_shrinks_with_what_is_written_and_comes_back_with_what_is_removed() {
        let (mut store, told) = store(1_000);
        let rooms =
            || told.try_iter().filter(|notice| matches!(notice, CommitNotice::Room(_))).collect::<Vec<_>>();
        submit(&mut store, 1, &[("a", Some(500))]);
        assert_eq!(rooms(), []);
        submit(&mut store, 2, &[("b", Some(100))]);
        assert_eq!(rooms(), [CommitNotice::Room(Room::Low)]);
        submit(&mut store, 3, &[("b", Some(400))]);
        assert_eq!(rooms(), [CommitNotice::Room(Room::ReadOnly)]);
        submit(&mut store, 4, &[("a", None), ("b", Some(1))]);
        assert_eq!(rooms(), [CommitNotice::Room(Room::Ample)]);
        assert_eq!(store.bytes, 1 + ROW_BYTES + 1);
    }

    #[test]
    fn a_snapshot_stays_as_it_was() {
        let (mut store, _told) = store(1 << 20);
        submit(&mut store, 1, &[("a", Some(1))]);
        let snapshot = store.snapshot();
        submit(&mut store, 2, &[("a", None)]);
        assert!(snapshot.get(Keyspace::Changes, b"a").unwrap().is_some());
    }
}
