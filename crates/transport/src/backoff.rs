//! How long to wait before dialling again.

use std::time::Duration;

/// Delays that double up to a cap, each spread over its upper half, so that a fleet that lost its hub does
/// not come back all at once.
///
/// Pure: randomness is given to it. After `reset` it starts from the base again.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    delay: Duration,
}

impl Backoff {
    /// Starts at `base` and never goes beyond `cap`. A base of less than 2 ns counts as 2 ns, a cap below
    /// the base as the base.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        let base = base.max(Duration::from_nanos(2));
        Self { base, cap: cap.max(base), delay: base }
    }

    /// Returns the next delay, in `[d/2, d)` for d = base, 2·base, 4·base, … cap. The same `random` gives
    /// the same delay.
    #[must_use]
    pub fn next(&mut self, random: u64) -> Duration {
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(self.cap);
        let half = delay / 2;
        let half_ns = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_nanos(random % half_ns)
    }

    /// Starts over: the peer answered.
    pub fn reset(&mut self) {
        self.delay = self.base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(1);

    #[test]
    fn delays_double_up_to_the_cap() {
        let mut backoff = Backoff::new(BASE, CAP);
        let lowest: Vec<u128> = (0..6).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(lowest, [50, 100, 200, 400, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.next(0), BASE / 2);
    }

    #[test]
    fn every_delay_is_in_its_upper_half() {
        for random in [0, 1, 49_999_999, 50_000_000, 50_000_001, u64::MAX / 2, u64::MAX] {
            let delay = Backoff::new(BASE, CAP).next(random);
            assert!((BASE / 2..BASE).contains(&delay), "{random}: {delay:?}");
        }
    }

    #[test]
    fn the_spread_is_used() {
        assert_eq!(Backoff::new(BASE, CAP).next(49_999_999), BASE - Duration::from_nanos(1));
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::ZERO);
        assert!(backoff.next(u64::MAX) >= Duration::MAX / 2);
        assert!(backoff.next(0) >= Duration::MAX / 2);
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert_eq!(backoff.next(7), Duration::from_nanos(1));
    }
}
