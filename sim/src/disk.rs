use crate::sabotage::LYING_SYNCS;
use replica::{Batch, Keyspace, ReadRows, Row, Store, StoreError, Turn, Write};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Bound, Range};
use std::rc::Rc;

/// A key, its keyspace and the value that a batch replaced.
type Replaced = (Keyspace, Vec<u8>, Option<Vec<u8>>);

type Keyspaces = BTreeMap<Keyspace, BTreeMap<Vec<u8>, Vec<u8>>>;

/// What a disk holds.
#[derive(Default)]
struct Platter {
    /// Durable rows.
    rows: Keyspaces,
    /// Batches handed over and not synced, in order.
    pending: VecDeque<(Turn, Batch)>,
    /// How many of them the sync that is going on covers; 0 when none is.
    syncing: usize,
    /// Whether syncs are reported that did not happen.
    lies: bool,
    syncs: u64,
    /// What the process noted before a step that could end it.
    suspect: Option<Vec<u8>>,
    /// What a crash takes back, newest last. Only a disk that lies has any.
    unsafe_writes: Vec<Replaced>,
    /// Durable rows whose checksum is wrong: reading them fails until they are written again.
    rotten: BTreeSet<(Keyspace, Vec<u8>)>,
    /// The next sync fails.
    is_failing: bool,
    /// There is no room: every sync fails.
    is_full: bool,
    /// The rows as they were when somebody took a copy.
    image: Option<Keyspaces>,
}

impl Platter {
    fn apply(&mut self, batch: Batch) {
        for Write { keyspace, key, value } in batch.writes {
            if !self.rotten.is_empty() {
                self.rotten.remove(&(keyspace, key.clone()));
            }
            let rows = self.rows.entry(keyspace).or_default();
            let before = match value {
                Some(value) => rows.insert(key.clone(), value),
                None => rows.remove(&key),
            };
            if self.lies {
                self.unsafe_writes.push((keyspace, key, before));
            }
        }
    }

    fn take_back(&mut self) {
        while let Some((keyspace, key, before)) = self.unsafe_writes.pop() {
            let rows = self.rows.entry(keyspace).or_default();
            match before {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
    }
}

fn row_from(keyspaces: &Keyspaces, keyspace: Keyspace, from: Bound<&[u8]>, to: &[u8]) -> Option<Row> {
    let below = |bound: &[u8]| bound < to;
    let non_empty = match from {
        Bound::Included(key) | Bound::Excluded(key) => below(key),
        Bound::Unbounded => true,
    };
    let rows = keyspaces.get(&keyspace).filter(|_| non_empty)?;
    let (key, value) = rows.range::<[u8], _>((from, Bound::Excluded(to))).next()?;
    Some((key.clone(), value.clone()))
}

/// Row after row of a range; `next` finds the first between two keys, and whether it can be read.
fn rows_of(
    range: Range<Vec<u8>>,
    next: impl Fn(Bound<&[u8]>, &[u8]) -> Option<(Row, Result<(), StoreError>)>,
) -> impl Iterator<Item = Result<Row, StoreError>> {
    let mut last: Option<Vec<u8>> = None;
    std::iter::from_fn(move || {
        let from = last.as_deref().map_or(Bound::Included(range.start.as_slice()), Bound::Excluded);
        let (row, read) = next(from, &range.end)?;
        last = Some(row.0.clone());
        Some(read.map(|()| row))
    })
}

impl Platter {
    /// Whether a row can be read.
    fn check(&self, keyspace: Keyspace, key: &[u8]) -> Result<(), StoreError> {
        match !self.rotten.is_empty() && self.rotten.contains(&(keyspace, key.to_vec())) {
            true => Err(StoreError::Damaged { what: "a row whose checksum is wrong", keyspace }),
            false => Ok(()),
        }
    }
}

/// A node's disk. It outlives the node: a crash takes what was not synced.
#[derive(Clone, Default)]
pub struct Disk(Rc<RefCell<Platter>>);

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let platter = self.0.borrow();
        f.debug_struct("Disk").field("pending", &platter.pending.len()).finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk that reports syncs which did not happen: see [`crate::Sabotage::LyingDisk`].
    #[must_use]
    pub fn lying() -> Self {
        let platter = Platter { lies: true, ..Platter::default() };
        Self(Rc::new(RefCell::new(platter)))
    }

    /// The store that a replica is opened on.
    #[must_use]
    pub fn store(&self) -> SimulatedDisk {
        SimulatedDisk(self.clone())
    }

    /// Starts a sync of everything handed over so far. False when one is going on, or nothing waits.
    #[must_use]
    pub fn begin_sync(&self) -> bool {
        let mut platter = self.0.borrow_mut();
        if platter.syncing > 0 || platter.pending.is_empty() {
            return false;
        }
        platter.syncing = platter.pending.len();
        true
    }

    /// The sync is done: what it covers is durable, and readable. Returns the last turn of it.
    ///
    /// # Errors
    /// [`StoreError`] when it failed. Nobody knows what is durable of what it covers until [`Disk::crash`] decides.
    pub fn finish_sync(&self) -> Result<Option<Turn>, StoreError> {
        let mut platter = self.0.borrow_mut();
        if platter.is_full && platter.syncing > 0 {
            return Err(StoreError::Full);
        }
        if platter.syncing > 0 && std::mem::take(&mut platter.is_failing) {
            return Err(StoreError::Io { operation: "syncing", kind: std::io::ErrorKind::Other });
        }
        let mut last = None;
        for _ in 0..std::mem::take(&mut platter.syncing) {
            let Some((turn, batch)) = platter.pending.pop_front() else { break };
            platter.apply(batch);
            last = Some(turn);
        }
        platter.syncs += 1;
        if platter.syncs.is_multiple_of(LYING_SYNCS) {
            platter.unsafe_writes.clear();
        }
        Ok(last)
    }

    /// The next sync fails, or with `false` it does not.
    pub fn fail_sync(&self, is_failing: bool) {
        self.0.borrow_mut().is_failing = is_failing;
    }

    /// There is no room for any batch, or with `false` there is again.
    pub fn fill(&self, is_full: bool) {
        self.0.borrow_mut().is_full = is_full;
    }

    /// Damages the durable row of this number, counted over all and going round. Returns false when there is none.
    pub fn rot(&self, number: u64) -> bool {
        let mut platter = self.0.borrow_mut();
        let count = platter.rows.values().map(BTreeMap::len).sum::<usize>() as u64;
        let place = usize::try_from(number.checked_rem(count).unwrap_or(0)).unwrap_or(0);
        let rows =
            platter.rows.iter().flat_map(|(keyspace, rows)| rows.keys().map(move |key| (*keyspace, key)));
        let row = rows.map(|(keyspace, key)| (keyspace, key.clone())).nth(place);
        row.is_some_and(|row| platter.rotten.insert(row))
    }

    /// Whether some row cannot be read.
    #[must_use]
    pub fn is_rotten(&self) -> bool {
        !self.0.borrow().rotten.is_empty()
    }

    /// Somebody takes a copy of the durable rows.
    pub fn take_image(&self) {
        let mut platter = self.0.borrow_mut();
        platter.image = Some(platter.rows.clone());
    }

    /// Somebody puts the copy in place of the rows. False when none was taken; the rows stay.
    #[must_use]
    pub fn restore_image(&self) -> bool {
        let image = self.0.borrow().image.clone();
        let is_there = image.is_some();
        if let Some(image) = image {
            self.replace(image);
        }
        is_there
    }

    /// The disk is another one, without a row.
    pub fn wipe(&self) {
        self.replace(Keyspaces::new());
    }

    fn replace(&self, rows: Keyspaces) {
        let mut platter = self.0.borrow_mut();
        *platter = Platter { rows, lies: platter.lies, image: platter.image.take(), ..Platter::default() };
    }

    /// The node is gone. Of the batches that were not synced, a prefix of `keep_percent` of 100 is kept, each whole
    /// (batches are atomic, and their order is the journal's); the rest is lost. Returns how many were lost.
    pub fn crash(&self, keep_percent: u64) -> usize {
        let mut platter = self.0.borrow_mut();
        // What was taken back is missing under all that came after it.
        let keep_percent = if platter.unsafe_writes.is_empty() { keep_percent.min(100) } else { 0 };
        platter.take_back();
        let pending = platter.pending.len();
        let kept = usize::try_from(pending as u64 * keep_percent / 100).unwrap_or(pending);
        for _ in 0..kept {
            let Some((_, batch)) = platter.pending.pop_front() else { break };
            platter.apply(batch);
        }
        platter.unsafe_writes.clear();
        platter.pending.clear();
        platter.syncing = 0;
        pending - kept
    }
}

/// A [`Store`] on a [`Disk`].
#[derive(Debug)]
pub struct SimulatedDisk(Disk);

impl ReadRows for SimulatedDisk {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let platter = self.0.0.borrow();
        platter.check(keyspace, key)?;
        Ok(platter.rows.get(&keyspace).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        rows_of(range, move |from, to| {
            let platter = self.0.0.borrow();
            let row = row_from(&platter.rows, keyspace, from, to)?;
            let read = platter.check(keyspace, &row.0);
            Some((row, read))
        })
    }
}

/// The rows of a disk as of one moment.
#[derive(Debug)]
pub struct DiskSnapshot(Keyspaces);

impl ReadRows for DiskSnapshot {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&keyspace).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        rows_of(range, move |from, to| Some((row_from(&self.0, keyspace, from, to)?, Ok(()))))
    }
}

impl Store for SimulatedDisk {
    type Snapshot = DiskSnapshot;

    fn snapshot(&self) -> DiskSnapshot {
        DiskSnapshot(self.0.0.borrow().rows.clone())
    }

    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError> {
        self.0.0.borrow_mut().pending.push_back((turn, batch));
        Ok(())
    }

    fn set_suspect(&mut self, suspect: Option<&[u8]>) -> Result<(), StoreError> {
        self.0.0.borrow_mut().suspect = suspect.map(<[u8]>::to_vec);
        Ok(())
    }

    fn suspect(&self) -> Option<Vec<u8>> {
        self.0.0.borrow().suspect.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(key: u8) -> Batch {
        let write =
            |value| Write { keyspace: Keyspace::Meta, key: vec![key, value], value: Some(vec![value]) };
        Batch { writes: vec![write(1), write(2)] }
    }

    fn keys(disk: &Disk) -> Vec<u8> {
        let store = disk.store();
        let rows = store.scan(Keyspace::Meta, vec![0]..vec![255]);
        rows.map(|row| row.unwrap().0[0]).collect()
    }

    #[test]
    fn batches_become_readable_with_the_sync_that_covers_them() {
        let disk = Disk::default();
        let mut store = disk.store();
        store.submit(Turn(1), batch(1)).unwrap();
        assert!(disk.begin_sync());
        store.submit(Turn(2), batch(2)).unwrap();
        assert!(!disk.begin_sync());
        assert!(keys(&disk).is_empty());
        assert_eq!(disk.finish_sync(), Ok(Some(Turn(1))));
        assert_eq!(keys(&disk), [1, 1]);
        assert_eq!(store.get(Keyspace::Meta, &[2, 1]).unwrap(), None);
    }

    #[test]
    fn a_crash_keeps_whole_batches_from_the_front() {
        let disk = Disk::default();
        let mut store = disk.store();
        (1..=4).for_each(|turn| store.submit(Turn(turn), batch(u8::try_from(turn).unwrap())).unwrap());
        assert!(disk.begin_sync());
        assert_eq!(disk.crash(50), 2);
        assert_eq!(keys(&disk), [1, 1, 2, 2]);
        assert_eq!(disk.finish_sync(), Ok(None));
    }

    #[test]
    fn a_disk_that_lies_loses_what_it_called_durable() {
        let disk = Disk::lying();
        disk.store().submit(Turn(1), batch(1)).unwrap();
        assert!(disk.begin_sync());
        assert_eq!(disk.finish_sync(), Ok(Some(Turn(1))));
        assert_eq!(keys(&disk), [1, 1]);
        disk.crash(100);
        assert!(keys(&disk).is_empty());
    }

    #[test]
    fn a_sync_that_fails_leaves_its_batches_in_doubt() {
        let disk = Disk::default();
        let mut store = disk.store();
        (1..=2).for_each(|turn| store.submit(Turn(turn), batch(u8::try_from(turn).unwrap())).unwrap());
        disk.fail_sync(true);
        assert!(disk.begin_sync());
        assert!(matches!(disk.finish_sync(), Err(StoreError::Io { .. })));
        assert_eq!(disk.crash(50), 1);
        assert_eq!(keys(&disk), [1, 1]);
        disk.fill(true);
        store.submit(Turn(3), batch(3)).unwrap();
        assert!(disk.begin_sync());
        assert_eq!(disk.finish_sync(), Err(StoreError::Full));
    }

    #[test]
    fn a_rotten_row_cannot_be_read_until_it_is_written_again() {
        let disk = Disk::default();
        let mut store = disk.store();
        store.submit(Turn(1), batch(1)).unwrap();
        assert!(!disk.rot(0) && disk.begin_sync());
        disk.finish_sync().unwrap();
        assert!(disk.rot(3) && disk.is_rotten());
        assert!(store.get(Keyspace::Meta, &[1, 1]).is_ok() && store.get(Keyspace::Meta, &[1, 2]).is_err());
        assert_eq!(store.scan(Keyspace::Meta, vec![0]..vec![255]).filter(Result::is_err).count(), 1);
        store.submit(Turn(2), batch(1)).unwrap();
        assert!(disk.begin_sync() && disk.finish_sync().is_ok() && !disk.is_rotten());
    }

    #[test]
    fn an_image_is_what_was_durable_when_it_was_taken() {
        let disk = Disk::default();
        disk.store().submit(Turn(1), batch(1)).unwrap();
        assert!(!disk.restore_image() && disk.begin_sync() && disk.finish_sync().is_ok());
        disk.take_image();
        disk.store().submit(Turn(2), batch(2)).unwrap();
        assert!(disk.begin_sync() && disk.finish_sync().is_ok());
        assert!(disk.restore_image());
        assert_eq!(keys(&disk), [1, 1]);
        disk.wipe();
        assert!(keys(&disk).is_empty());
    }
}
