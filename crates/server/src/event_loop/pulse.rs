//! Whether the loop moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A turn takes milliseconds, and waits some seconds for a very slow disk. One that lasts so long does not end, unless who
/// watches wants to know sooner.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(120);

/// Since when the loop has been at work without looking for what comes next. Clones tell of the same loop.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    began: Instant,
    /// Milliseconds after `began`, plus one; 0 while the loop waits.
    at_work: Arc<AtomicU64>,
    /// Whether the store was opened, so that there is a loop.
    has_begun: Arc<AtomicBool>,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), at_work: Arc::default(), has_begun: Arc::default() }
    }

    /// The store is open, and the loop begins.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether there is a loop that answers: not while the store is opened for the first time.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// A turn begins.
    pub(super) fn work(&self) {
        self.at_work.store(self.millis().saturating_add(1), Ordering::Relaxed);
    }

    /// The turn is over.
    pub(super) fn rest(&self) {
        self.at_work.store(0, Ordering::Relaxed);
    }

    /// How long a turn has lasted, if that is at least `after`; `None` while all is well.
    pub(crate) fn stuck(&self, after: Duration) -> Option<Duration> {
        stuck(self.at_work.load(Ordering::Relaxed), self.millis(), after)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn stuck(at_work: u64, now_ms: u64, after: Duration) -> Option<Duration> {
    let since = at_work.checked_sub(1)?;
    Some(Duration::from_millis(now_ms.saturating_sub(since))).filter(|lasted| *lasted >= after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_turn_is_stuck_and_a_long_rest_is_not() {
        let stuck = |at_work, now_ms| stuck(at_work, now_ms, STUCK_AFTER);
        assert_eq!(stuck(0, u64::MAX), None);
        assert_eq!(stuck(5_001, 124_999), None);
        assert_eq!(stuck(5_001, 125_000), Some(STUCK_AFTER));
        // A clock that two threads read in the other order.
        assert_eq!(stuck(5_001, 4_999), None);
    }

    #[test]
    fn a_turn_that_is_over_counts_no_more() {
        let pulse = Pulse::new();
        pulse.work();
        assert!(pulse.at_work.load(Ordering::Relaxed) > 0);
        pulse.rest();
        assert_eq!(pulse.at_work.load(Ordering::Relaxed), 0);
    }
}
