//! Bounds the memtables: starts writing one out before it is full, and makes the committer wait when the next one
//! is full as well. fjall itself never waits for a memtable that is being filled.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use replica::{Keyspace, StoreError};

use crate::engine::{Engine, MEMTABLE_BYTES_MAX};

/// A memtable is rotated from here on, ahead of time, so that the committer seldom waits.
const ROTATE_AT_BYTES: usize = MEMTABLE_BYTES_MAX / 4 * 3;
/// What a row costs in a memtable beyond its key and value: the skip list's node and the allocations' headers.
const ROW_OVERHEAD_BYTES: usize = 128;
/// How often progress is looked for: fjall tells nobody when a memtable has been written out. Writing out a
/// memtable takes some 20 ms.
const POLL: Duration = Duration::from_millis(2);
/// Longest that a due rotation waits for compaction. It is a rotation that makes fjall compact, so it must come.
const COMPACTION_WAIT_MAX: Duration = Duration::from_secs(1);

/// Bytes that a row adds to a memtable.
pub(crate) fn memtable_bytes(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + ROW_OVERHEAD_BYTES
}

/// Follows how full the memtables are; `run` is the body of a thread of its own.
pub(crate) struct Pacer {
    engine: Arc<Engine>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    memtables: Vec<Memtable>,
    failed: Option<StoreError>,
    ended: bool,
}

/// The memtable of a keyspace that is being filled.
struct Memtable {
    keyspace: Keyspace,
    bytes: usize,
    /// An earlier memtable is on its way to the disk.
    writing_out: bool,
    /// Since when only compaction holds the rotation up.
    held_up_since: Option<Instant>,
}

/// What the thread does next.
enum Step {
    Rotate(Keyspace),
    Poll,
    Wait,
}

impl Pacer {
    /// A pacer for an engine just opened: what its journal brought back may fill any of the memtables.
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let bytes = engine.memtable_bytes();
        let memtable = |keyspace| Memtable { keyspace, bytes, writing_out: false, held_up_since: None };
        let state = State { memtables: Keyspace::ALL.map(memtable).into(), failed: None, ended: false };
        Self { engine, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until no memtable is full.
    pub(crate) fn wait_for_room(&self) -> Result<(), StoreError> {
        let full =
            |state: &State| state.memtables.iter().any(|memtable| memtable.bytes >= MEMTABLE_BYTES_MAX);
        let mut state = self.lock();
        while state.failed.is_none() && full(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.clone().map_or(Ok(()), Err)
    }

    /// Counts rows committed to a keyspace.
    pub(crate) fn written(&self, keyspace: Keyspace, bytes: usize) {
        let mut state = self.lock();
        for memtable in state.memtables.iter_mut().filter(|memtable| memtable.keyspace == keyspace) {
            memtable.bytes = memtable.bytes.saturating_add(bytes);
            if memtable.bytes >= ROTATE_AT_BYTES {
                self.changed.notify_all();
            }
        }
    }

    /// Ends `run`.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Rotates what is due until it is ended or fjall fails.
    pub(crate) fn run(&self) {
        let _failure = FailureOnExit(self);
        let mut state = self.lock();
        while !state.ended {
            match state.step(&self.engine, Instant::now()) {
                Step::Rotate(keyspace) => {
                    drop(state); // the committer goes on meanwhile: rotating also deletes old journals
                    let rotated = self.engine.rotate(keyspace);
                    state = self.lock();
                    state.failed = rotated.err();
                }
                Step::Poll => {
                    self.changed.notify_all();
                    state = self.changed.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
                    drop(state); // asking takes the journal's mutex, which a commit holds while it syncs
                    let health = self.engine.health();
                    state = self.lock();
                    state.failed = health.err();
                }
                Step::Wait => {
                    self.changed.notify_all();
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
            if state.failed.is_some() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Looks at what fjall has done and chooses; a memtable to be rotated counts as empty at once.
    fn step(&mut self, engine: &Engine, now: Instant) -> Step {
        let mut step = Step::Wait;
        for memtable in &mut self.memtables {
            memtable.writing_out = memtable.writing_out && engine.is_writing_out(memtable.keyspace);
            let due = memtable.bytes >= ROTATE_AT_BYTES;
            if due && !memtable.writing_out && !memtable.is_held_up(engine, now) {
                memtable.bytes = 0;
                memtable.writing_out = true;
                memtable.held_up_since = None;
                return Step::Rotate(memtable.keyspace);
            }
            if due || memtable.writing_out {
                step = Step::Poll;
            }
        }
        step
    }
}

impl Memtable {
    /// True while compaction should catch up first.
    fn is_held_up(&mut self, engine: &Engine, now: Instant) -> bool {
        engine.is_compaction_behind(self.keyspace)
            && now.duration_since(*self.held_up_since.get_or_insert(now)) < COMPACTION_WAIT_MAX
    }
}

/// However the thread ends, the committer no longer waits for it.
struct FailureOnExit<'a>(&'a Pacer);

impl Drop for FailureOnExit<'_> {
    fn drop(&mut self) {
        self.0.lock().failed.get_or_insert(StoreError::Poisoned);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::engine::Group;

    fn engine(directory: &tempfile::TempDir) -> Arc<Engine> {
        Arc::new(Engine::open(&directory.path().join("rows")).unwrap())
    }

    /// Commits rows of 1 KiB to `Changes`, as the committer does, and returns the most bytes seen in memtables.
    fn fill(engine: &Engine, pacer: &Pacer, rows: u32) -> usize {
        let mut most = 0;
        for first in (0..rows).step_by(256) {
            pacer.wait_for_room().unwrap();
            let row =
                |number: u32| ((Keyspace::Changes, number.to_be_bytes().to_vec()), Some(vec![7; 1_024]));
            let group: Group = (first..first + 256).map(row).collect();
            let bytes = group.iter().map(|((_, key), value)| memtable_bytes(key, value.as_deref())).sum();
            engine.commit(group, true).unwrap();
            pacer.written(Keyspace::Changes, bytes);
            most = most.max(engine.memtable_bytes());
        }
        most
    }

    #[test]
    fn memtables_stay_bounded_under_load() {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(&directory);
        let pacer = Pacer::new(Arc::clone(&engine));
        let most = thread::scope(|scope| {
            scope.spawn(|| pacer.run());
            let most = fill(&engine, &pacer, 32 * 1_024);
            pacer.end();
            most
        });
        // Two memtables, each over-full by at most one group of 256 KiB.
        assert!(
            most <= 2 * (MEMTABLE_BYTES_MAX + 300 * 1_024),
            "{most} bytes in memtables after 32 MiB written"
        );
    }

    #[test]
    fn a_full_memtable_waits_for_the_thread_and_is_freed_when_it_dies() {
        let directory = tempfile::tempdir().unwrap();
        let pacer = Pacer::new(engine(&directory));
        pacer.wait_for_room().unwrap();
        pacer.written(Keyspace::Meta, MEMTABLE_BYTES_MAX);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| pacer.wait_for_room());
            drop(FailureOnExit(&pacer));
            assert_eq!(waiting.join().unwrap(), Err(StoreError::Poisoned));
        });
    }

    #[test]
    fn a_rotation_waits_for_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let pacer = Pacer::new(engine(&directory));
        let now = Instant::now();
        pacer.written(Keyspace::Journal, ROTATE_AT_BYTES - 1);
        assert!(matches!(pacer.lock().step(&pacer.engine, now), Step::Wait));
        pacer.written(Keyspace::Journal, 1);
        assert!(matches!(pacer.lock().step(&pacer.engine, now), Step::Rotate(Keyspace::Journal)));
        // Nothing is being written out in truth, so the next look ends that rotation.
        assert!(matches!(pacer.lock().step(&pacer.engine, now), Step::Wait));
        assert!(pacer.lock().memtables.iter().all(|memtable| memtable.bytes == 0 && !memtable.writing_out));
    }
}
