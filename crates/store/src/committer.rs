//! One thread that makes batches durable, as many at once as have arrived.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use replica::{Batch, Keyspace, StoreError, Turn};

use crate::directory::Directory;
use crate::engine::{Engine, Group, KEY_BYTES_MAX};
use crate::error::io_error;
use crate::pacer::{Pacer, memtable_bytes};
use crate::queue::Queue;

/// What became of submitted batches. Notices come in the order of turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitNotice {
    /// This turn and every earlier one is on the disk and visible.
    Durable(Turn),
    /// This turn and every later one is *unknown*: after the store is opened again, each batch is either wholly
    /// there or wholly absent, and none is there without those before it. The last notice of a store.
    Failed {
        /// The first turn that was not made durable.
        turn: Turn,
        /// Why; [`StoreError::Full`] and [`StoreError::Io`] tell an operator what to do.
        error: StoreError,
    },
}

/// Refuses a batch that fjall would panic on. The keys of the core are bounded far below this.
pub(crate) fn check(batch: &Batch) -> Result<(), StoreError> {
    let fits = batch.writes.iter().all(|write| {
        (1..=KEY_BYTES_MAX).contains(&write.key.len())
            && write.value.as_ref().is_none_or(|value| u32::try_from(value.len()).is_ok())
    });
    if fits { Ok(()) } else { Err(io_error(std::io::ErrorKind::InvalidInput, "taking a row")) }
}

/// The committer: takes from the queue, commits, tells.
pub(crate) struct Committer<F> {
    pub(crate) directory: Arc<Directory>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) commits: Arc<AtomicU64>,
    pub(crate) on_commit: F,
}

impl<F: FnMut(CommitNotice)> Committer<F> {
    /// The thread's body: until the queue has ended and is empty, or a commit fails.
    pub(crate) fn run(mut self) {
        let _refusal = RefusalOnExit(Arc::clone(&self.queue));
        while let Some(batches) = self.queue.take() {
            let (Some(first), Some(last)) =
                (batches.first().map(|(turn, _)| *turn), batches.last().map(|(turn, _)| *turn))
            else {
                continue;
            };
            // fjall panics where a thread of its own has panicked: that, too, must be told.
            let committed = catch_unwind(AssertUnwindSafe(|| self.commit(batches)));
            match committed.unwrap_or(Err(StoreError::Poisoned)) {
                Ok(()) => (self.on_commit)(CommitNotice::Durable(last)),
                Err(error) => {
                    self.queue.refuse();
                    let error = self.named(error);
                    tracing::error!(turn = first.0, %error, "the store stops taking writes");
                    (self.on_commit)(CommitNotice::Failed { turn: first, error });
                    return;
                }
            }
        }
    }

    fn commit(&self, batches: Vec<(Turn, Batch)>) -> Result<(), StoreError> {
        self.pacer.wait_for_room()?;
        let group = merged(batches);
        let mut bytes: BTreeMap<Keyspace, usize> = BTreeMap::new();
        for ((keyspace, key), value) in &group {
            *bytes.entry(*keyspace).or_default() += memtable_bytes(key, value.as_deref());
        }
        self.engine.commit(group)?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        for (keyspace, bytes) in bytes {
            self.pacer.written(keyspace, bytes);
        }
        Ok(())
    }

    /// Names the failure of a thread of fjall, which fjall itself only calls poisoned.
    fn named(&self, error: StoreError) -> StoreError {
        if error != StoreError::Poisoned {
            return error;
        }
        let kind = self.directory.probe().map_or_else(|error| error.kind(), |()| std::io::ErrorKind::Other);
        io_error(kind, "writing out or compacting rows")
    }
}

/// The rows of several batches, each key with its last value.
fn merged(batches: Vec<(Turn, Batch)>) -> Group {
    let writes = batches.into_iter().flat_map(|(_, batch)| batch.writes);
    writes.map(|write| ((write.keyspace, write.key), write.value)).collect()
}

/// However the thread ends, nobody waits for a queue that is no longer emptied.
struct RefusalOnExit(Arc<Queue>);

impl Drop for RefusalOnExit {
    fn drop(&mut self) {
        self.0.refuse();
    }
}

#[cfg(test)]
mod tests {
    use replica::Write;

    use super::*;

    fn write(key: &[u8], value: Option<&[u8]>) -> Write {
        Write { keyspace: Keyspace::Meta, key: key.to_vec(), value: value.map(<[u8]>::to_vec) }
    }

    #[test]
    fn the_last_write_of_a_key_in_a_group_counts() {
        let first =
            Batch { writes: vec![write(b"a", Some(b"1")), write(b"a", Some(b"2")), write(b"b", Some(b"1"))] };
        let second = Batch { writes: vec![write(b"b", None), write(b"c", None), write(b"c", Some(b"3"))] };
        let rows: Vec<_> = merged(vec![(Turn(1), first), (Turn(2), second)])
            .into_iter()
            .map(|((_, key), value)| (key, value))
            .collect();
        let expected = [(b"a", Some(b"2".to_vec())), (b"b", None), (b"c", Some(b"3".to_vec()))];
        assert_eq!(rows, expected.map(|(key, value)| (key.to_vec(), value)));
    }

    #[test]
    fn nothing_is_committed_once_memtables_are_no_longer_written_out() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::open(temporary.path()).unwrap());
        let engine = Arc::new(directory.open_rows().unwrap());
        let pacer = Arc::new(Pacer::new(Arc::clone(&engine)));
        pacer.end();
        pacer.run();
        let queue = Arc::new(Queue::default());
        for turn in [5, 6] {
            queue.push(Turn(turn), Batch { writes: vec![write(b"a", Some(b"1"))] }).unwrap();
        }
        let mut notices = Vec::new();
        let committer = Committer {
            directory,
            engine: Arc::clone(&engine),
            queue: Arc::clone(&queue),
            pacer,
            commits: Arc::default(),
            on_commit: |notice| notices.push(notice),
        };
        committer.run();
        let error =
            StoreError::Io { operation: "writing out or compacting rows", kind: std::io::ErrorKind::Other };
        assert_eq!(notices, [CommitNotice::Failed { turn: Turn(5), error }]);
        assert_eq!(engine.get(Keyspace::Meta, b"a"), Ok(None));
        assert!(queue.push(Turn(7), Batch::default()).is_err());
    }

    #[test]
    fn keys_that_fjall_panics_on_are_refused() {
        for (bytes, fits) in [(0, false), (1, true), (KEY_BYTES_MAX, true), (KEY_BYTES_MAX + 1, false)] {
            let batch = Batch { writes: vec![write(&vec![0; bytes], None)] };
            assert_eq!(check(&batch).is_ok(), fits, "{bytes} bytes");
        }
    }
}
