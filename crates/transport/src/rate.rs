//! How many attempts a hub takes in a time.

use std::time::Duration;

/// Attempts that may come at once.
const BURST: u32 = 40;

/// Pause that earns one more: 20 a second. A fleet of 1,000 sites that all renew after an outage takes 50 s, of which a
/// hub works 2.
const PAUSE: Duration = Duration::from_millis(50);

/// Counts attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    left: u32,
    /// Up to when the time has been turned into attempts.
    earned: Duration,
}

impl Rate {
    /// All of a burst is left.
    pub(crate) fn new(now: Duration) -> Self {
        Self { left: BURST, earned: now }
    }

    /// Whether one more attempt is taken. `now` is monotonic.
    pub(crate) fn admit(&mut self, now: Duration) -> bool {
        let periods = now.saturating_sub(self.earned).as_millis() / PAUSE.as_millis();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(periods).min(BURST);
        self.earned = if periods > BURST { now } else { self.earned + PAUSE * periods };
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_one_in_each_pause() {
        let at = |ms| Duration::from_secs(100) + Duration::from_millis(ms);
        let mut rate = Rate::new(at(0));
        let mut admitted = |ms, count| (0..count).filter(|_| rate.admit(at(ms))).count();
        assert_eq!(admitted(0, 1_000), 40);
        assert_eq!(admitted(49, 10), 0);
        assert_eq!(admitted(50, 10), 1);
        assert_eq!(admitted(99, 10), 0);
        assert_eq!(admitted(1_050, 1_000), 20);
        assert_eq!(admitted(100_000_000, 1_000), 40);
        assert_eq!(admitted(0, 10), 0, "a clock that goes back earns nothing");
    }
}
