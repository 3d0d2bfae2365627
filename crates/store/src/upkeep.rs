//! A thread that looks after what does not come with commits: the room on the disk and the high-water mark's sync.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::events::Events;
use crate::high_water::MarkFile;
use crate::room::RoomGauge;

/// How often. A power cut hides at most this much from the high-water mark.
const PERIOD: Duration = Duration::from_secs(1);

/// What the thread looks after; `run` is its body. A thread of its own: a sync may take long, and memtables are not to
/// wait for it.
pub(crate) struct Upkeep {
    pub(crate) mark: Arc<MarkFile>,
    pub(crate) gauge: Arc<RoomGauge>,
    pub(crate) events: Arc<Events>,
    pub(crate) end: Arc<End>,
}

/// Ends a thread that waits.
#[derive(Debug, Default)]
pub(crate) struct End {
    is_ended: Mutex<bool>,
    ended: Condvar,
}

impl End {
    pub(crate) fn end(&self) {
        *self.is_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }

    /// Waits, at most for a period. True when it has ended.
    fn wait(&self) -> bool {
        let is_ended = self.is_ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(is_ended, PERIOD, |is_ended| !*is_ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Upkeep {
    /// Until it is ended; syncs the mark once more then.
    pub(crate) fn run(&self) {
        while !self.end.wait() {
            self.events.look(&self.gauge, 0);
            self.mark.sync();
        }
        self.mark.sync();
    }
}
