//! The times that the core and links with a schedule are told. The only place that reads clocks for them.

use crate::config::TimeOfDay;
use jiff::ZonedDateTime;
use replica::Clock;
use std::time::{Duration, Instant, SystemTime};

/// 2026-01-01: no machine that runs this program has an earlier date.
pub(crate) const CLOCK_MIN: Duration = Duration::from_secs(1_767_225_600);

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    started: Instant,
}

impl Clocks {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Monotonic milliseconds since the start, and wall time, which counts as 1970 when it lies before.
    pub(crate) fn read(self) -> Clock {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock {
            now_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

/// The time of day where this machine is; UTC if it does not know where.
pub(crate) fn time_of_day() -> TimeOfDay {
    let now = ZonedDateTime::now();
    let part = |number: i8| u8::try_from(number).unwrap_or_default();
    TimeOfDay::new(part(now.hour()), part(now.minute())).unwrap_or_default()
}
