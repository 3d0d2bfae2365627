//! fjall, opened with bounded memory: its handles, its options, and the calls of it that are used.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use fjall::{AbstractTree, Database, KeyspaceCreateOptions, PersistMode, Readable};
use replica::{Keyspace, Row, StoreError};

use crate::error::{commit_error, read_error};

/// A memtable is full at this many bytes. Each keyspace has two at most, one being filled and one being written
/// out: 32 MiB when all four are flooded at once. Measured so, 1.8 million rows at full speed: 50 MB resident in
/// all. With 2 MiB 8 MB less, for 60 % more CPU.
pub(crate) const MEMTABLE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// fjall's own rotation, a request that a busy worker lets wait (measured: 464 MB). Only a backstop behind the
/// pacer. Stored when a keyspace is made; later values are ignored.
const MEMTABLE_BACKSTOP_BYTES: u64 = 8 * 1024 * 1024;
/// Cache of blocks read from tables. Measured: 20.8 MB resident after 200,000 random reads of a million rows.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// One writes out memtables while the other compacts. Measured: a single worker needs 40 % less CPU under full load
/// (fjall's first worker spins while the second compacts), but the longest commit takes 330 ms instead of 125.
const WORKERS: usize = 2;
/// fjall's least. Bounds the journal kept on disk and replayed at the next open, at 0.4 s a million rows.
const JOURNALS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Compaction is behind at this many runs of tables not yet compacted: at 20 fjall slows writers down, at 30 it
/// halts them in a loop that does not notice a dead worker.
const UNCOMPACTED_RUNS_MAX: usize = 16;
/// Longest key that fjall takes; a longer one would be a panic inside it.
pub(crate) const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Rows of one commit; the last write of each key. fjall gives all rows of a commit one sequence number, so two
/// writes of a key in one commit would be told apart by nothing.
pub(crate) type Group = BTreeMap<(Keyspace, Vec<u8>), Option<Vec<u8>>>;

/// An open database and its keyspaces.
pub(crate) struct Engine {
    database: Database,
    meta: fjall::Keyspace,
    documents: fjall::Keyspace,
    changes: fjall::Keyspace,
    journal: fjall::Keyspace,
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
                KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BACKSTOP_BYTES)
            })
        };
        Ok(Self {
            meta: keyspace(Keyspace::Meta)?,
            documents: keyspace(Keyspace::Documents)?,
            changes: keyspace(Keyspace::Changes)?,
            journal: keyspace(Keyspace::Journal)?,
            database,
        })
    }

    fn keyspace(&self, keyspace: Keyspace) -> &fjall::Keyspace {
        match keyspace {
            Keyspace::Meta => &self.meta,
            Keyspace::Documents => &self.documents,
            Keyspace::Changes => &self.changes,
            Keyspace::Journal => &self.journal,
        }
    }

    /// Reads a row through a snapshot: a plain read of a keyspace sees a commit that is still being applied.
    pub(crate) fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.database.snapshot().get(self.keyspace(keyspace), key) {
            Ok(value) => Ok(value.map(|value| value.to_vec())),
            Err(error) => Err(read_error(&error, keyspace)),
        }
    }

    /// Rows of one snapshot, read as the iterator moves. An open iterator keeps what it may still read from being
    /// compacted away.
    pub(crate) fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<> {
        // fjall panics on a range that ends before it starts.
        let rows =
            (range.start < range.end).then(|| self.database.snapshot().range(self.keyspace(keyspace), range));
        rows.into_iter().flatten().map(move |row| match row.into_inner() {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(error) => Err(read_error(&error, keyspace)),
        })
    }

    /// Makes a group durable, then visible. Keys are 1 to [`KEY_BYTES_MAX`] bytes.
    pub(crate) fn commit(&self, group: Group) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for ((keyspace, key), value) in group {
            match value {
                Some(value) => batch.insert(self.keyspace(keyspace), key, value),
                None => batch.remove(self.keyspace(keyspace), key),
            }
        }
        batch.commit().map_err(|error| commit_error(&error))
    }

    /// Starts writing out the memtable being filled.
    pub(crate) fn rotate(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.keyspace(keyspace).rotate_memtable().map(|_| ()).map_err(|error| commit_error(&error))
    }

    /// True while a memtable waits to be written out.
    pub(crate) fn is_writing_out(&self, keyspace: Keyspace) -> bool {
        self.keyspace(keyspace).sealed_memtable_count() > 0
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
