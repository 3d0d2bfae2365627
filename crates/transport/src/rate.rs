//! How many attempts are taken in a time.

use std::time::Duration;

/// Counts attempts: a burst of them at once, and one more for each pause.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    burst: u32,
    pause: Duration,
    left: u32,
    /// Up to when the time has been turned into attempts.
    earned: Duration,
}

impl Rate {
    /// All of a `burst` is left. A pause of less than a millisecond counts as one.
    #[must_use]
    pub fn new(burst: u32, pause: Duration, now: Duration) -> Self {
        let pause = pause.max(Duration::from_millis(1));
        Self { burst, pause, left: burst, earned: now }
    }

    /// One that was taken does not count.
    pub(crate) fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.burst);
    }

    /// Whether one more attempt is taken. `now` is monotonic.
    pub fn admit(&mut self, now: Duration) -> bool {
        let periods = now.saturating_sub(self.earned).as_millis() / self.pause.as_millis();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(periods).min(self.burst);
        self.earned = if periods > self.burst {
            now
        } else {
            self.earned.saturating_add(self.pause.saturating_mul(periods))
        };
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
        let mut rate = Rate::new(40, Duration::from_millis(50), at(0));
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
