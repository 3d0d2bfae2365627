use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Where the replay is in the week: a span of days passes in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeekClock {
    started: Instant,
    span: Duration,
    wall: Duration,
}

impl WeekClock {
    /// Starts now; the week's `span` takes `wall`.
    pub(super) fn start(span: Duration, wall: Duration) -> Self {
        Self { started: Instant::now(), span, wall }
    }

    /// The present place, at most the week's end.
    pub(super) fn now(&self) -> Duration {
        if self.wall.is_zero() {
            return self.span;
        }
        let passed = self.started.elapsed().as_secs_f64() / self.wall.as_secs_f64();
        self.span.mul_f64(passed.min(1.0))
    }

    /// Waits for a place; not at all when it has passed.
    pub(super) async fn until(&self, at: Duration) {
        sleep_until(self.wall_time(at)).await;
    }

    /// When a place is reached.
    pub(super) fn wall_time(&self, at: Duration) -> Instant {
        if self.span.is_zero() {
            return self.started;
        }
        self.started + self.wall.mul_f64(at.as_secs_f64() / self.span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_week_is_spread_over_the_wall_time() {
        let clock = WeekClock::start(Duration::from_secs(7_000), Duration::from_secs(7));
        assert_eq!(clock.wall_time(Duration::from_secs(3_500)) - clock.started, Duration::from_millis(3_500));
        assert!(clock.now() < Duration::from_secs(7_000));
        let none = WeekClock::start(Duration::ZERO, Duration::ZERO);
        assert_eq!((none.wall_time(Duration::ZERO), none.now()), (none.started, Duration::ZERO));
    }
}
