//! A cap on what a link carries.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Spreads bytes over time, so that a link takes no more than its share of a line that tills and card terminals need
/// as well. What is small waits for itself only, changes for that and themselves, and what is long for all.
#[derive(Debug)]
pub(super) struct Pace {
    kbit_s: Option<NonZeroU32>,
    turns: Mutex<Turns>,
}

/// When the next bytes may go.
#[derive(Clone, Copy, Debug)]
struct Turns {
    control: Instant,
    live: Instant,
    all: Instant,
}

/// Which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Control,
    Live,
    Bulk,
}

impl Pace {
    /// Without a number there is no cap.
    pub(super) fn new(kbit_s: Option<NonZeroU32>) -> Self {
        let now = Instant::now();
        Self { kbit_s, turns: Mutex::new(Turns { control: now, live: now, all: now }) }
    }

    /// Whether bytes wait for their turn.
    pub(super) fn is_behind(&self) -> bool {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.all > Instant::now()
    }

    /// Waits until these bytes may go. They count as gone whether or not the caller waits to the end.
    pub(super) async fn wait(&self, share: Share, bytes: usize) {
        let Some(kbit_s) = self.kbit_s else { return };
        let takes = time_of(bytes, kbit_s);
        let at = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.take(share, Instant::now(), takes)
        };
        sleep_until(at).await;
    }
}

impl Turns {
    /// When bytes that take `takes` may go.
    fn take(&mut self, share: Share, now: Instant, takes: Duration) -> Instant {
        let at = match share {
            Share::Control => self.control.max(now),
            Share::Live => self.live.max(now),
            Share::Bulk => self.all.max(now),
        };
        if share == Share::Control {
            self.control = at + takes;
        }
        if share != Share::Bulk {
            self.live = self.live.max(now) + takes;
        }
        self.all = self.all.max(now) + takes;
        at
    }
}

/// One kbit is 1,000 bits: 125 bytes.
fn time_of(bytes: usize, kbit_s: NonZeroU32) -> Duration {
    let nanoseconds = (bytes as u64).saturating_mul(8_000_000) / u64::from(kbit_s.get());
    Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabit_a_second_carries_125_kilobytes() {
        let megabit = NonZeroU32::new(1_000).unwrap();
        assert_eq!(time_of(125_000, megabit), Duration::from_secs(1));
        assert_eq!(time_of(usize::MAX, megabit), Duration::from_nanos(u64::MAX / 1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_go_at_the_rate_of_the_cap() {
        let (pace, start) = (Pace::new(NonZeroU32::new(8)), Instant::now());
        for _ in 0..10 {
            pace.wait(Share::Bulk, 1_000).await;
        }
        // The first goes at once.
        assert_eq!(start.elapsed().as_secs(), 9);
        Pace::new(None).wait(Share::Bulk, usize::MAX).await;
        assert_eq!(start.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_live_does_not_wait_for_what_is_long() {
        let (pace, start) = (Pace::new(NonZeroU32::new(8)), Instant::now());
        pace.wait(Share::Bulk, 60_000).await;
        pace.wait(Share::Live, 1_000).await;
        assert_eq!(start.elapsed().as_secs(), 0);
        pace.wait(Share::Live, 1_000).await;
        assert_eq!(start.elapsed().as_secs(), 1);
        // What is small does not wait for either.
        pace.wait(Share::Control, 1_000).await;
        assert_eq!(start.elapsed().as_secs(), 1);
        pace.wait(Share::Control, 1_000).await;
        assert_eq!(start.elapsed().as_secs(), 2);
        // All of them are counted.
        pace.wait(Share::Live, 1).await;
        assert_eq!(start.elapsed().as_secs(), 4);
        pace.wait(Share::Bulk, 1).await;
        assert_eq!(start.elapsed().as_secs(), 64);
    }
}
