//! Batches on their way to the committer: bounded in number and bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use replica::{Batch, Turn};

/// Batches that wait; the next one waits in `submit`.
pub const QUEUE_BATCHES_MAX: usize = 1_024;
/// Bytes of keys and values that wait. A larger batch is taken when nothing else waits.
pub const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one commit, unless its first batch has more. Measured: 1 MiB takes 3 ms to sync, so a small
/// batch waits no longer behind large ones.
const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// The store takes no more batches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// A queue with one producer and one consumer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    taken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<(Turn, Batch)>,
    bytes: usize,
    ended: bool,
}

impl State {
    fn has_room_for(&self, bytes: usize) -> bool {
        self.batches.is_empty()
            || (self.batches.len() < QUEUE_BATCHES_MAX && self.bytes.saturating_add(bytes) <= QUEUE_BYTES_MAX)
    }
}

impl Queue {
    /// Appends a batch; waits while the queue is full.
    pub(crate) fn push(&self, turn: Turn, batch: Batch) -> Result<(), Refused> {
        let bytes = batch.bytes();
        let mut state = self.lock();
        while !state.ended && !state.has_room_for(bytes) {
            state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended {
            return Err(Refused);
        }
        state.bytes += bytes;
        state.batches.push_back((turn, batch));
        self.arrived.notify_one();
        Ok(())
    }

    /// The batches of the next commit, oldest first; waits for one. None when the queue has ended and is empty.
    pub(crate) fn take(&self) -> Option<Vec<(Turn, Batch)>> {
        let mut state = self.lock();
        while !state.ended && state.batches.is_empty() {
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken = Vec::new();
        let mut taken_bytes = 0_usize;
        while let Some((turn, batch)) = state.batches.pop_front() {
            let bytes = batch.bytes();
            if !taken.is_empty() && taken_bytes.saturating_add(bytes) > GROUP_BYTES_MAX {
                state.batches.push_front((turn, batch));
                break;
            }
            taken_bytes = taken_bytes.saturating_add(bytes);
            taken.push((turn, batch));
        }
        state.bytes = state.bytes.saturating_sub(taken_bytes);
        self.taken.notify_one();
        (!taken.is_empty()).then_some(taken)
    }

    /// Takes no more batches; those that wait are still handed out.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_all();
        self.taken.notify_all();
    }

    /// Takes no more batches and drops those that wait.
    pub(crate) fn refuse(&self) {
        {
            let mut state = self.lock();
            state.batches.clear();
            state.bytes = 0;
        }
        self.end();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
