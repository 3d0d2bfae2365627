//! One thread that makes batches durable, as many at once as have arrived.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use replica::{Batch, Keyspace, StoreError, Turn};

use crate::directory::Directory;
use crate::engine::{Engine, Group, KEY_BYTES_MAX, is_reserved};
use crate::error::io_error;
use crate::events::{CommitNotice, Events, Outcome};
use crate::high_water::{Mark, MarkFile, ROW_KEY};
use crate::options::Durability;
use crate::pacer::{Pacer, memtable_bytes};
use crate::queue::{Queue, Taken};
use crate::room::RoomGauge;

/// Bytes of batches that wait for a sync under [`Durability::Interval`]; then it comes early. The core takes nothing new
/// while twice as many are not durable, so an interval is not to hold it up. Measured: 1 MiB takes 3 ms to sync.
pub const UNSYNCED_BYTES_MAX: usize = 1024 * 1024;

/// Refuses a batch that fjall would panic on, or that would write the store's own row. The keys of the core are bounded far below this.
pub(crate) fn check(batch: &Batch) -> Result<(), StoreError> {
    let fits = batch.writes.iter().all(|write| {
        (1..=KEY_BYTES_MAX).contains(&write.key.len())
            && !is_reserved(write.keyspace, &write.key)
            && write.value.as_ref().is_none_or(|value| u32::try_from(value.len()).is_ok())
    });
    if fits { Ok(()) } else { Err(io_error(std::io::ErrorKind::InvalidInput, "taking a row")) }
}

/// The committer: takes from the queue, commits, tells.
pub(crate) struct Committer {
    pub(crate) directory: Arc<Directory>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) gauge: Arc<RoomGauge>,
    pub(crate) mark_file: Arc<MarkFile>,
    pub(crate) commits: Arc<AtomicU64>,
    pub(crate) events: Arc<Events>,
    pub(crate) progress: Progress,
}

/// How far the committer is.
pub(crate) struct Progress {
    /// After the last commit.
    mark: Mark,
    /// Milliseconds; `None` syncs every commit.
    interval: Option<Duration>,
    unsynced: Option<Unsynced>,
    /// The mark's.
    buffer: Vec<u8>,
}

/// Turns that are written and wait for a sync.
#[derive(Clone, Copy)]
struct Unsynced {
    first: Turn,
    last: Turn,
    due: Instant,
    /// Of their batches, as they were handed over.
    bytes: usize,
}

impl Progress {
    pub(crate) fn new(mark: Mark, durability: Durability) -> Self {
        let interval = match durability {
            Durability::Fsync => None,
            Durability::Interval { interval_ms } => Some(Duration::from_millis(interval_ms.into())),
        };
        Self { mark, interval, unsynced: None, buffer: Vec::new() }
    }
}

/// Why turns were not made durable.
struct Failure {
    turn: Turn,
    error: StoreError,
    outcome: Outcome,
}

impl Failure {
    /// Whether the store goes on: the disk was full before anything was written.
    fn goes_on(&self) -> bool {
        self.error == StoreError::Full && self.outcome == Outcome::NotWritten
    }
}

impl Committer {
    /// The thread's body: until the queue has ended and is empty, or a commit fails.
    pub(crate) fn run(mut self) {
        let _refusal = RefusalOnExit(Arc::clone(&self.queue));
        loop {
            let due = self.progress.unsynced.map(|unsynced| unsynced.due);
            let (done, is_last) = match self.queue.take(due) {
                Taken::Group(batches) => (self.commit_and_tell(batches), false),
                Taken::Nothing => (self.sync(), false),
                Taken::Ended => (self.sync(), true),
            };
            if let Err(failure) = done {
                let failure = self.settled(failure);
                if self.tell(failure).is_break() {
                    return;
                }
            }
            if is_last {
                return;
            }
        }
    }

    fn commit_and_tell(&mut self, batches: Vec<(Turn, Batch)>) -> Result<(), Failure> {
        let (Some(first), Some(last)) =
            (batches.first().map(|(turn, _)| *turn), batches.last().map(|(turn, _)| *turn))
        else {
            return Ok(());
        };
        let not_written = |error| Failure { turn: first, error, outcome: Outcome::NotWritten };
        self.pacer.wait_for_room().map_err(not_written)?;
        let handed_over: usize = batches.iter().map(|(_, batch)| batch.bytes()).sum();
        let group = merged(batches);
        let bytes = memtable_bytes_of(&group);
        let all = bytes.values().sum();
        self.events.look(&self.gauge, all);
        self.gauge.admit(all).map_err(not_written)?;
        // fjall panics where a thread of its own has panicked: that, too, must be told.
        let committed = catch_unwind(AssertUnwindSafe(|| self.commit(group)));
        let unsynced = self.progress.unsynced;
        if !matches!(committed, Ok(Ok(()))) {
            // They are told as unknown with this group, and what fjall did of it is not to be built on.
            self.progress.unsynced = None;
        }
        committed.unwrap_or(Err(StoreError::Poisoned)).map_err(|error| Failure {
            turn: unsynced.map_or(first, |unsynced| unsynced.first),
            error,
            outcome: Outcome::Unknown,
        })?;
        for (keyspace, bytes) in bytes {
            self.pacer.written(keyspace, bytes);
        }
        let Some(interval) = self.progress.interval else {
            self.mark_file.write(self.progress.mark);
            self.events.send(CommitNotice::Durable(last));
            return Ok(());
        };
        self.events.send(CommitNotice::Written(last));
        let now = Instant::now();
        let unsynced = unsynced.unwrap_or(Unsynced { first, last, due: now + interval, bytes: 0 });
        let unsynced = Unsynced { last, bytes: unsynced.bytes + handed_over, ..unsynced };
        self.progress.unsynced = Some(unsynced);
        if unsynced.due <= now || unsynced.bytes >= UNSYNCED_BYTES_MAX { self.sync() } else { Ok(()) }
    }

    /// Commits a group with the row of the mark after it.
    fn commit(&mut self, mut group: Group) -> Result<(), StoreError> {
        let mark = self.progress.mark.after(&group, &mut self.progress.buffer);
        group.insert((Keyspace::Meta, ROW_KEY.to_vec()), Some(mark.to_row()));
        self.engine.commit(group, self.progress.interval.is_none())?;
        self.progress.mark = mark;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Makes durable what is only written. The mark's file follows, never precedes: it must not name what a power cut
    /// could take.
    fn sync(&mut self) -> Result<(), Failure> {
        let Some(unsynced) = self.progress.unsynced.take() else { return Ok(()) };
        let synced = catch_unwind(AssertUnwindSafe(|| self.engine.sync()));
        synced.unwrap_or(Err(StoreError::Poisoned)).map_err(|error| Failure {
            turn: unsynced.first,
            error,
            outcome: Outcome::Unknown,
        })?;
        self.mark_file.write(self.progress.mark);
        self.events.send(CommitNotice::Durable(unsynced.last));
        Ok(())
    }

    /// A failure after which nothing is written comes behind the turns that wait for a sync: they are synced first, or are
    /// what failed.
    fn settled(&mut self, failure: Failure) -> Failure {
        if failure.goes_on() {
            return failure;
        }
        self.sync().err().unwrap_or(failure)
    }

    /// Tells of a failure. Only a full disk that was seen before anything was written lets the store go on.
    fn tell(&self, failure: Failure) -> ControlFlow<()> {
        let goes_on = failure.goes_on();
        let Failure { turn, error, outcome } = failure;
        if goes_on {
            self.queue.refuse_until(turn);
            tracing::error!(turn = turn.0, %error, "a write is refused");
        } else {
            self.queue.refuse();
        }
        let error = self.named(error);
        if !goes_on {
            tracing::error!(turn = turn.0, %error, ?outcome, "the store stops taking writes");
        }
        self.events.send(CommitNotice::Failed { turn, error, outcome });
        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
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

/// What a group adds to each memtable.
fn memtable_bytes_of(group: &Group) -> BTreeMap<Keyspace, usize> {
    let mut bytes = BTreeMap::new();
    for ((keyspace, key), value) in group {
        *bytes.entry(*keyspace).or_default() += memtable_bytes(key, value.as_deref());
    }
    bytes
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
    use std::sync::mpsc::Receiver;

    use replica::Write;

    use super::*;
    use crate::ballast::Ballast;
    use crate::room::{Disk, RoomLimits};

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

    /// A committer on a directory, and what it tells.
    fn committer(directory: &std::path::Path, durability: Durability) -> (Committer, Receiver<CommitNotice>) {
        let disk = Disk::look(directory).unwrap();
        let ballast = Ballast::at(directory.join("ballast"), disk);
        let (mark_file, _) = MarkFile::open(&directory.join("high-water")).unwrap();
        let path = directory.to_owned();
        let directory = Arc::new(Directory::open(directory).unwrap());
        let engine = Arc::new(directory.open_rows().unwrap());
        let (notices, received) = std::sync::mpsc::channel();
        let committer = Committer {
            gauge: Arc::new(RoomGauge::new(&path, (RoomLimits::default(), 0), Arc::clone(&engine), ballast)),
            mark_file: Arc::new(mark_file),
            directory,
            engine: Arc::clone(&engine),
            queue: Arc::default(),
            pacer: Arc::new(Pacer::new(engine)),
            commits: Arc::default(),
            events: Arc::new(Events::new(move |notice| notices.send(notice).unwrap())),
            progress: Progress::new(Mark::default(), durability),
        };
        (committer, received)
    }

    fn batch() -> Batch {
        Batch { writes: vec![write(b"a", Some(b"1"))] }
    }

    /// Memtables are no longer written out: every further commit fails before anything is written.
    fn run_without_room(committer: Committer, turns: [u64; 2]) {
        committer.pacer.end();
        committer.pacer.run();
        for turn in turns {
            committer.queue.push(Turn(turn), batch()).unwrap();
        }
        committer.run();
    }

    fn not_written(turn: u64) -> CommitNotice {
        let error =
            StoreError::Io { operation: "writing out or compacting rows", kind: std::io::ErrorKind::Other };
        CommitNotice::Failed { turn: Turn(turn), error, outcome: Outcome::NotWritten }
    }

    #[test]
    fn nothing_is_committed_once_memtables_are_no_longer_written_out() {
        let temporary = tempfile::tempdir().unwrap();
        let (committer, received) = committer(temporary.path(), Durability::Fsync);
        let (engine, queue) = (Arc::clone(&committer.engine), Arc::clone(&committer.queue));
        run_without_room(committer, [5, 6]);
        assert_eq!(received.iter().collect::<Vec<_>>(), [not_written(5)]);
        assert_eq!(engine.get(Keyspace::Meta, b"a"), Ok(None));
        assert!(queue.push(Turn(7), Batch::default()).is_err());
    }

    #[test]
    fn turns_that_wait_for_a_sync_are_told_before_a_failure_behind_them() {
        let temporary = tempfile::tempdir().unwrap();
        let (mut committer, received) =
            committer(temporary.path(), Durability::Interval { interval_ms: u32::MAX });
        assert!(committer.commit_and_tell(vec![(Turn(3), batch()), (Turn(4), batch())]).is_ok());
        run_without_room(committer, [5, 6]);
        let told = [CommitNotice::Written(Turn(4)), CommitNotice::Durable(Turn(4)), not_written(5)];
        assert_eq!(received.iter().collect::<Vec<_>>(), told);
    }

    #[test]
    fn keys_that_fjall_panics_on_are_refused() {
        for (bytes, fits) in [(0, false), (1, true), (KEY_BYTES_MAX, true), (KEY_BYTES_MAX + 1, false)] {
            let batch = Batch { writes: vec![write(&vec![1; bytes], None)] };
            assert_eq!(check(&batch).is_ok(), fits, "{bytes} bytes");
        }
        assert!(check(&Batch { writes: vec![write(&ROW_KEY, None)] }).is_err());
    }
}
