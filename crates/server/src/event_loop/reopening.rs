//! When a store that failed is opened again.

use crate::local::StoreFailure;
use std::time::Duration;
use tokio::time::Instant;
use transport::Backoff;

/// Pauses between tries to open a failed store: an operator who frees space sees it go on within seconds, and a
/// broken disk is not hammered.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest of these pauses.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// How long a store must hold once it is open for its next failure to be another one. What fails again and again, as on
/// a bad block, fails sooner.
const LASTS: Duration = Duration::from_secs(60);

/// The failures of the store, and when it was last opened.
pub(super) struct Reopening {
    pauses: Backoff,
    opened: Instant,
    is_open: bool,
    last: Option<Failure>,
}

struct Failure {
    error: String,
    at: Instant,
    /// How often it failed without holding in between.
    times: u32,
}

impl Reopening {
    /// Of a store that is open.
    pub(super) fn new(now: Instant) -> Self {
        Self { pauses: Backoff::new(PAUSE_MIN, PAUSE_MAX), opened: now, is_open: true, last: None }
    }

    /// The open store failed, or the closed one did not open.
    pub(super) fn failed(&mut self, error: String, now: Instant) {
        let held = self.is_open && now.saturating_duration_since(self.opened) >= LASTS;
        if held {
            self.pauses.reset();
        }
        let before = self.last.as_ref().filter(|_| !held).map_or(0, |failure| failure.times);
        self.last = Some(Failure { error, at: now, times: before.saturating_add(1) });
        self.is_open = false;
    }

    /// How long to wait before it is opened. They grow from failure to failure, until the store holds.
    pub(super) fn pause(&mut self, random: u64) -> Duration {
        self.pauses.next(random)
    }

    /// The store is open.
    pub(super) fn opened(&mut self, now: Instant) {
        (self.opened, self.is_open) = (now, true);
    }

    /// Why it is not open; `None` when it is, or never failed.
    pub(super) fn closed_by(&self) -> Option<&str> {
        self.last.as_ref().filter(|_| !self.is_open).map(|failure| failure.error.as_str())
    }

    /// The last failure, for an operator.
    pub(super) fn shown(&self, now: Instant) -> Option<StoreFailure> {
        self.last.as_ref().map(|failure| StoreFailure {
            error: failure.error.clone(),
            times: failure.times,
            ago_ms: u64::try_from(now.saturating_duration_since(failure.at).as_millis()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses of a store that fails each time after it was open for so long.
    fn pauses(open_for: Duration, count: usize) -> (Vec<u128>, Option<StoreFailure>) {
        let mut now = Instant::now();
        let mut reopening = Reopening::new(now);
        let mut pause = || {
            now += open_for;
            reopening.failed("a bad block".to_owned(), now);
            assert_eq!(reopening.closed_by(), Some("a bad block"));
            let pause = reopening.pause(0);
            now += pause;
            reopening.opened(now);
            assert_eq!(reopening.closed_by(), None);
            pause.as_millis()
        };
        let pauses = (0..count).map(|_| pause()).collect();
        (pauses, reopening.shown(now))
    }

    #[test]
    fn pauses_grow_while_the_store_fails_soon_after_it_was_opened() {
        let (pauses, failure) = pauses(Duration::from_secs(1), 8);
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 7_500, 7_500, 7_500]);
        let expected = StoreFailure { error: "a bad block".into(), times: 8, ago_ms: 7_500 };
        assert_eq!(failure, Some(expected));
    }

    #[test]
    fn a_store_that_held_starts_over() {
        let (pauses, failure) = pauses(LASTS, 3);
        assert_eq!((pauses, failure.map(|failure| failure.times)), (vec![250; 3], Some(1)));
    }

    #[test]
    fn a_store_that_does_not_open_does_not_hold() {
        let now = Instant::now();
        let mut reopening = Reopening::new(now);
        assert_eq!(reopening.shown(now), None);
        for count in 1..4 {
            let at = now + LASTS * 2 * count;
            reopening.failed("read only".to_owned(), at);
            assert_eq!(reopening.shown(at).map(|failure| failure.times), Some(count));
            assert_eq!(reopening.pause(0), PAUSE_MIN / 2 * 2_u32.pow(count - 1));
        }
    }
}
