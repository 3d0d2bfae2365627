//! fjall, opened with bounded memory: its handles, its options, and the calls of it that are used.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::{AbstractTree, Database, KeyspaceCreateOptions, PersistMode, Readable};
use replica::{Keyspace, Row, StoreError};

use crate::error::{commit_error, read_error};
use crate::high_water::ROW_KEY;
use crate::queue::QUEUE_BYTES_MAX;

/// A memtable is full at this many bytes. Each keyspace has two at most, one being filled and one being written
/// out: 24 MiB when all four are flooded at once. Larger ones cost less CPU: 2 MiB took 60 % more than 4.
pub(crate) const MEMTABLE_BYTES_MAX: usize = 3 * 1024 * 1024;
/// fjall's own rotation, a request that a busy worker lets wait (measured: 464 MB). Only a backstop behind the
/// pacer. Stored when a keyspace is made; later values are ignored.
const MEMTABLE_BACKSTOP_BYTES: u64 = 8 * 1024 * 1024;
/// Tables are about this long. With fjall's 64 MiB a compaction of its first levels rewrites hundreds of megabytes at
/// once, beside the old tables, which a small disk has no room for. Stored when a keyspace is made.
const TABLE_BYTES: u64 = 8 * 1024 * 1024;
/// Cache of blocks read from tables. Measured: 20.8 MB resident after 200,000 random reads of a million rows.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// The first writes out memtables, and passes on orders to compact until another takes them: of those a memtable makes more
/// than one, so that with a single other worker it spins for as long as that compacts (measured: 9 % of the processor time of
/// a flood). With one worker in all the longest commit takes 330 ms instead of 125.
const WORKERS: usize = 3;
/// fjall's least. Bounds the journal kept on disk and replayed at the next open, at 0.4 s a million rows.
const JOURNALS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Compaction is behind at this many runs of tables not yet compacted: at 20 fjall slows writers down, at 30 it
/// halts them in a loop that does not notice a dead worker.
const UNCOMPACTED_RUNS_MAX: usize = 16;
/// Longest key that fjall takes; a longer one would be a panic inside it.
pub(crate) const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Whether a row is the store's own, which nobody else sees or writes.
pub(crate) fn is_reserved(keyspace: Keyspace, key: &[u8]) -> bool {
    keyspace == Keyspace::Meta && key == ROW_KEY
}

/// Rows of one commit; the last write of each key. fjall gives all rows of a commit one sequence number, so two
/// writes of a key in one commit would be told apart by nothing.
pub(crate) type Group = BTreeMap<(Keyspace, Vec<u8>), Option<Vec<u8>>>;

/// The keyspaces of a database.
#[derive(Clone)]
struct Keyspaces {
    meta: fjall::Keyspace,
    documents: fjall::Keyspace,
    changes: fjall::Keyspace,
    journal: fjall::Keyspace,
}

impl Keyspaces {
    fn of(&self, keyspace: Keyspace) -> &fjall::Keyspace {
        match keyspace {
            Keyspace::Meta => &self.meta,
            Keyspace::Documents => &self.documents,
            Keyspace::Changes => &self.changes,
            Keyspace::Journal => &self.journal,
        }
    }
}

/// An open database and its keyspaces.
pub(crate) struct Engine {
    database: Database,
    keyspaces: Keyspaces,
}

/// The rows of an engine as of one moment.
pub(crate) struct EngineSnapshot {
    rows: fjall::Snapshot,
    keyspaces: Keyspaces,
}

impl EngineSnapshot {
    pub(crate) fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if is_reserved(keyspace, key) {
            return Ok(None);
        }
        match self.rows.get(self.keyspaces.of(keyspace), key) {
            Ok(value) => Ok(value.map(|value| value.to_vec())),
            Err(error) => Err(read_error(&error, keyspace)),
        }
    }

    /// Rows in key order, read as the iterator moves.
    pub(crate) fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<> {
        // fjall panics on a range that ends before it starts.
        let rows = (range.start < range.end).then(|| self.rows.range(self.keyspaces.of(keyspace), range));
        rows.into_iter().flatten().filter_map(move |row| read(keyspace, row))
    }

    /// Rows from the last key to the first, read as the iterator moves.
    pub(crate) fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<> {
        let rows = (range.start < range.end).then(|| self.rows.range(self.keyspaces.of(keyspace), range));
        rows.into_iter().flat_map(Iterator::rev).filter_map(move |row| read(keyspace, row))
    }

    /// Every row of a keyspace, in key order.
    pub(crate) fn all(&self, keyspace: Keyspace) -> impl Iterator<Item = Result<Row, StoreError>> + use<> {
        self.rows.iter(self.keyspaces.of(keyspace)).filter_map(move |row| read(keyspace, row))
    }
}

/// A row as others see it.
fn read(keyspace: Keyspace, row: fjall::Guard) -> Option<Result<Row, StoreError>> {
    match row.into_inner() {
        Ok((key, _)) if is_reserved(keyspace, &key) => None,
        Ok((key, value)) => Some(Ok((key.to_vec(), value.to_vec()))),
        Err(error) => Some(Err(read_error(&error, keyspace))),
    }
}

/// What cannot be read counts as nothing: too much room is kept then.
fn unfinished_bytes(keyspace: &fjall::Keyspace) -> u64 {
    let finished = keyspace.tree.current_version().iter_tables().map(|table| table.id()).max();
    let files = std::fs::read_dir(keyspace.path().join("tables"));
    let files = files.into_iter().flatten().flatten().filter(|file| {
        let number = file.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
        number.is_some_and(|number| finished.is_none_or(|finished| number > finished))
    });
    files.filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
}

impl Engine {
    /// Opens the database in `path`, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, fjall::Error> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNALS_BYTES_MAX)
            .worker_threads(WORKERS)
            .open()?;
        let keyspace = |keyspace: Keyspace| {
            database.keyspace(keyspace.name(), || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(MEMTABLE_BACKSTOP_BYTES)
                    .compaction_strategy(Arc::new(Leveled::default().with_table_target_size(TABLE_BYTES)))
            })
        };
        let keyspaces = Keyspaces {
            meta: keyspace(Keyspace::Meta)?,
            documents: keyspace(Keyspace::Documents)?,
            changes: keyspace(Keyspace::Changes)?,
            journal: keyspace(Keyspace::Journal)?,
        };
        Ok(Self { database, keyspaces })
    }

    /// Says what memory the store may take, beside some 10 MiB of the program itself.
    pub(crate) fn tell_budget(&self) {
        tracing::info!(
            memtables_bytes = 2 * Keyspace::ALL.len() * MEMTABLE_BYTES_MAX,
            cache_bytes = CACHE_BYTES,
            queue_bytes = QUEUE_BYTES_MAX,
            journal_on_disk_bytes = JOURNALS_BYTES_MAX,
            replayed_bytes = self.memtable_bytes(),
            "the store is open"
        );
    }

    fn keyspace(&self, keyspace: Keyspace) -> &fjall::Keyspace {
        self.keyspaces.of(keyspace)
    }

    /// The rows as they are now.
    pub(crate) fn snapshot(&self) -> EngineSnapshot {
        EngineSnapshot { rows: self.database.snapshot(), keyspaces: self.keyspaces.clone() }
    }

    /// The store's own row.
    pub(crate) fn mark_row(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.database.snapshot().get(&self.keyspaces.meta, ROW_KEY);
        row.map(|row| row.map(|row| row.to_vec())).map_err(|error| read_error(&error, Keyspace::Meta))
    }

    /// Reads a row through a snapshot: a plain read of a keyspace sees a commit that is still being applied.
    pub(crate) fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if is_reserved(keyspace, key) {
            return Ok(None);
        }
        let row = self.database.snapshot().get(self.keyspace(keyspace), key);
        row.map(|row| row.map(|row| row.to_vec())).map_err(|error| read_error(&error, keyspace))
    }

    /// Rows of one snapshot, read as the iterator moves. An open iterator keeps what it may still read from being
    /// compacted away.
    pub(crate) fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<> {
        self.snapshot().scan(keyspace, range)
    }

    /// As [`Self::scan`], from the last key to the first.
    pub(crate) fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<> {
        self.snapshot().scan_back(keyspace, range)
    }

    /// Hands a group to the operating system, makes it durable if `is_synced`, then visible. Keys are 1 to
    /// [`KEY_BYTES_MAX`] bytes.
    pub(crate) fn commit(&self, group: Group, is_synced: bool) -> Result<(), StoreError> {
        let mode = if is_synced { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for ((keyspace, key), value) in group {
            match value {
                Some(value) => batch.insert(self.keyspace(keyspace), key, value),
                None => batch.remove(self.keyspace(keyspace), key),
            }
        }
        batch.commit().map_err(|error| commit_error(&error))
    }

    /// Makes durable what was committed.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.database.persist(PersistMode::SyncData).map_err(|error| commit_error(&error))
    }

    /// Bytes of the tables of the keyspace that has most.
    pub(crate) fn largest_keyspace_bytes(&self) -> u64 {
        Keyspace::ALL.iter().map(|keyspace| self.keyspace(*keyspace).disk_space()).max().unwrap_or(0)
    }

    /// Bytes on the disk of tables that are being written: of memtables, and of tables that are rewritten. fjall numbers
    /// tables as it begins them, so that one being written has a higher number than those that are finished, and one
    /// that only waits to be deleted has not.
    pub(crate) fn unfinished_bytes(&self) -> u64 {
        Keyspace::ALL.iter().map(|keyspace| unfinished_bytes(self.keyspace(*keyspace))).sum()
    }

    /// Starts writing out the memtable being filled.
    pub(crate) fn rotate(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.keyspace(keyspace).rotate_memtable().map(|_| ()).map_err(|error| commit_error(&error))
    }

    /// True while a memtable waits to be written out.
    pub(crate) fn is_writing_out(&self, keyspace: Keyspace) -> bool {
        self.keyspace(keyspace).sealed_memtable_count() > 0
    }

    /// True while rows are in memory that no table has.
    pub(crate) fn has_memtables(&self, keyspace: Keyspace) -> bool {
        let tree = &self.keyspace(keyspace).tree;
        tree.sealed_memtable_count() > 0 || tree.active_memtable().size() > 0
    }

    /// True while so much waits to be compacted that fjall will soon stop writers.
    pub(crate) fn is_compaction_behind(&self, keyspace: Keyspace) -> bool {
        self.keyspace(keyspace).tree.l0_run_count() >= UNCOMPACTED_RUNS_MAX
    }

    /// Bytes in all memtables.
    pub(crate) fn memtable_bytes(&self) -> usize {
        usize::try_from(self.database.write_buffer_size()).unwrap_or(usize::MAX)
    }

    /// Whether fjall still takes writes; a worker that died makes it refuse them.
    pub(crate) fn health(&self) -> Result<(), StoreError> {
        self.database.persist(PersistMode::Buffer).map_err(|error| commit_error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits a row of 4 KiB, and writes it out.
    fn write_out(engine: &Engine, key: u8) {
        let row = ((Keyspace::Changes, vec![key]), Some(vec![7; 4_096]));
        engine.commit(Group::from([row]), true).unwrap();
        engine.keyspaces.changes.rotate_memtable_and_wait().unwrap();
    }

    #[test]
    fn tables_that_are_being_written_are_told_from_those_that_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::open(directory.path()).unwrap();
        let tables = engine.keyspaces.changes.path().join("tables");
        let begun = |number: &str| std::fs::write(tables.join(number), [1; 1_000]).unwrap();
        assert_eq!(engine.unfinished_bytes(), 0);
        begun("0");
        assert_eq!(engine.unfinished_bytes(), 1_000);
        std::fs::remove_file(tables.join("0")).unwrap();
        write_out(&engine, 1);
        write_out(&engine, 2);
        assert_eq!(engine.unfinished_bytes(), 0);
        let newest = newest(&engine);
        begun(&(newest + 1).to_string());
        begun("0.tmp");
        assert_eq!(engine.unfinished_bytes(), 1_000);
    }

    fn newest(engine: &Engine) -> u64 {
        engine.keyspaces.changes.tree.current_version().iter_tables().map(|table| table.id()).max().unwrap()
    }
}
