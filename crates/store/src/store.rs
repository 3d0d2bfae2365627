//! [`FjallStore`]: opening, reading, submitting, ending.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};

use replica::{Batch, Keyspace, Row, Store, StoreError, Turn};

use crate::committer::{CommitNotice, Committer, check};
use crate::directory::Directory;
use crate::engine::Engine;
use crate::error::OpenError;
use crate::pacer::Pacer;
use crate::queue::Queue;

/// A store on disk.
///
/// Dropping it makes durable what was submitted, sends the last notices, ends its threads and unlocks the directory.
/// It waits for a compaction that is under way (measured: up to 0.7 s).
pub struct FjallStore {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    pacer: Arc<Pacer>,
    commits: Arc<AtomicU64>,
    committing: Option<JoinHandle<()>>,
    pacing: Option<JoinHandle<()>>,
    /// Last, so that the directory is unlocked after its files are closed.
    directory: Arc<Directory>,
}

impl FjallStore {
    /// Opens the store in `directory`, or makes one if the directory is empty or absent.
    ///
    /// `on_commit` is called on the committer's thread, once for each commit; the next commit waits for it. It must
    /// not wait for a `submit`.
    ///
    /// # Errors
    /// [`OpenError`]; no durable row was changed then.
    pub fn open(
        directory: &Path,
        on_commit: impl FnMut(CommitNotice) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let directory = Arc::new(Directory::open(directory)?);
        let engine = Arc::new(directory.open_rows()?);
        let pacer = Arc::new(Pacer::new(Arc::clone(&engine)));
        let mut store = Self {
            engine,
            queue: Arc::default(),
            pacer,
            commits: Arc::default(),
            committing: None,
            pacing: None,
            directory,
        };
        let operation = "starting a thread";
        match store.start(on_commit) {
            Ok(()) => Ok(store),
            Err(source) => Err(OpenError::Io { path: store.directory.path().into(), operation, source }),
        }
    }

    fn start(&mut self, on_commit: impl FnMut(CommitNotice) + Send + 'static) -> io::Result<()> {
        let pacer = Arc::clone(&self.pacer);
        self.pacing = Some(Builder::new().name("store-pacer".into()).spawn(move || pacer.run())?);
        let committer = Committer {
            directory: Arc::clone(&self.directory),
            engine: Arc::clone(&self.engine),
            queue: Arc::clone(&self.queue),
            pacer: Arc::clone(&self.pacer),
            commits: Arc::clone(&self.commits),
            on_commit,
        };
        self.committing = Some(Builder::new().name("store-committer".into()).spawn(move || committer.run())?);
        Ok(())
    }

    /// Commits since the store was opened. Each is one `fdatasync`, however many batches it made durable.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Store for FjallStore {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.get(keyspace, key)
    }

    /// Rows are read as the iterator moves. While it is open, what it may still read is kept from being compacted
    /// away: keep it short.
    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        self.engine.scan(keyspace, range)
    }

    /// Waits while [`crate::QUEUE_BATCHES_MAX`] batches or [`crate::QUEUE_BYTES_MAX`] bytes wait for the disk. The
    /// core bounds its turns in flight below that, so it waits only when one turn is very large.
    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError> {
        check(&batch)?;
        self.queue.push(turn, batch).map_err(|_| StoreError::Poisoned)
    }
}

impl Drop for FjallStore {
    fn drop(&mut self) {
        self.queue.end();
        let committed = self.committing.take().map(JoinHandle::join);
        // The committer may wait for the pacer, never the other way round.
        self.pacer.end();
        let paced = self.pacing.take().map(JoinHandle::join);
        if [committed, paced].into_iter().flatten().any(|ended| ended.is_err()) {
            tracing::error!("a thread of the store panicked");
        }
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore").field("path", &self.directory.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
