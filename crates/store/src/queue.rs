//! Batches on their way to the committer: bounded in number and bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use replica::{Batch, Turn};

/// Batches that wait; the next one waits in `submit`.
pub const QUEUE_BATCHES_MAX: usize = 1_024;
/// Bytes of keys and values that wait. A larger batch is taken when nothing else waits.
pub const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one commit, unless its first batch has more. Measured: 1 MiB takes 3 ms to sync, so a small
/// batch waits no longer behind large ones.
const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// Why a batch is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The store takes no more batches.
    Ended,
    /// An earlier turn found the disk full, and was not submitted again.
    Full,
}

/// What there is to do for the committer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The batches of the next commit, oldest first.
    Group(Vec<(Turn, Batch)>),
    /// Nothing arrived in time.
    Nothing,
    /// The queue has ended and is empty.
    Ended,
}

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
    /// The producer waits until batches are taken. A condition variable is not told of what nobody waits for: each time
    /// is a system call.
    is_producer_waiting: bool,
    /// The turn that found the disk full: nothing is taken before it.
    refused: Option<Turn>,
}

impl State {
    fn refusal(&self, turn: Turn) -> Option<Refused> {
        match self.refused {
            _ if self.ended => Some(Refused::Ended),
            Some(refused) if refused != turn => Some(Refused::Full),
            _ => None,
        }
    }

    fn clear(&mut self) {
        self.batches.clear();
        self.bytes = 0;
    }

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
        while state.refusal(turn).is_none() && !state.has_room_for(bytes) {
            state.is_producer_waiting = true;
            state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(refusal) = state.refusal(turn) {
            return Err(refusal);
        }
        state.refused = None;
        state.bytes += bytes;
        state.batches.push_back((turn, batch));
        // Whoever is woken takes the lock at once.
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// The batches of the next commit; waits for one, until `deadline` if there is one.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Taken {
        let mut state = self.lock();
        while state.batches.is_empty() {
            if state.ended {
                return Taken::Ended;
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Taken::Nothing,
                Some(left) => {
                    self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
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
        let is_producer_waiting = std::mem::take(&mut state.is_producer_waiting);
        drop(state);
        if is_producer_waiting {
            self.taken.notify_one();
        }
        Taken::Group(taken)
    }

    /// Takes no more batches; those that wait are still handed out.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_all();
        self.taken.notify_all();
    }

    /// Takes no more batches and drops those that wait.
    pub(crate) fn refuse(&self) {
        self.lock().clear();
        self.end();
    }

    /// Drops the batches that wait, and takes no other before `turn` again.
    pub(crate) fn refuse_until(&self, turn: Turn) {
        let mut state = self.lock();
        state.clear();
        state.refused = Some(turn);
        self.taken.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
