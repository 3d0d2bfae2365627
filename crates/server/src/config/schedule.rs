//! When a peer is dialled, as a link that is paid for by the megabyte or by the hour needs it.

use super::SpaceName;
use crate::duration::Span;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Shortest time from one exchange to the next: below it a standing connection costs less.
pub const EVERY_MIN: Duration = Duration::from_secs(10);

const DAY_MINUTES: u16 = 24 * 60;

/// When a peer is dialled. With none of it the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// From the end of one exchange to the next; each ends when both sides have what they lacked. Absent: the
    /// connection stands, within `between`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Times of day, local, within which there may be a connection. Empty: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub between: Vec<Window>,
    /// Spaces whose changes do not wait, whatever is said above: one connects at once, and everything that waits goes
    /// with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_once: Vec<SpaceName>,
}

impl ScheduleConfig {
    /// Whether the connection may stand at a time of day.
    #[must_use]
    pub fn is_open(&self, now: TimeOfDay) -> bool {
        self.between.is_empty() || self.between.iter().any(|window| window.has(now))
    }

    /// The first time of day at which the connection may stand, so much later than `now` or after that.
    #[must_use]
    pub fn opens(&self, now: TimeOfDay, later: Duration) -> Option<TimeOfDay> {
        let later = u16::try_from(later.as_secs().div_ceil(60) % u64::from(DAY_MINUTES)).unwrap_or_default();
        let at = |minutes: u16| TimeOfDay { minutes: (now.minutes + later + minutes) % DAY_MINUTES };
        (0..DAY_MINUTES).map(at).find(|time| self.is_open(*time))
    }
}

/// A time of day in whole minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// Of an hour and a minute; none when there is no such time.
    #[must_use]
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        let minutes = u16::from(hour) * 60 + u16::from(minute);
        (minute < 60 && minutes < DAY_MINUTES).then_some(Self { minutes })
    }
}

impl FromStr for TimeOfDay {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let number = |digits: &str| {
            let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten()
        };
        let time = text.split_once(':').and_then(|(hour, minute)| Self::new(number(hour)?, number(minute)?));
        time.ok_or(WindowError)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

/// From one time of day until another, which may be on the next day: `22:00-05:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    from: TimeOfDay,
    until: TimeOfDay,
}

/// A text that is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write two different times of day, local, from 00:00 to 23:59, as in \"22:00-05:00\"")]
pub struct WindowError;

impl Window {
    /// Whether a time is in it; its end is not.
    #[must_use]
    pub fn has(self, now: TimeOfDay) -> bool {
        let Self { from, until } = self;
        if from < until { from <= now && now < until } else { from <= now || now < until }
    }
}

impl FromStr for Window {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Self, WindowError> {
        // People copy the longer dash from documents.
        let (from, until) = text.split_once(['-', '–']).ok_or(WindowError)?;
        let (from, until) = (from.trim().parse()?, until.trim().parse()?);
        if from == until { Err(WindowError) } else { Ok(Self { from, until }) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.until)
    }
}

impl TryFrom<String> for Window {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> TimeOfDay {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_may_go_over_midnight() {
        let night: Window = "22:00-05:00".parse().unwrap();
        let day: Window = "09:30–17:00".parse().unwrap();
        let within = |window: Window, times: [&str; 4]| times.map(|time| window.has(at(time)));
        assert_eq!(within(night, ["21:59", "22:00", "04:59", "05:00"]), [false, true, true, false]);
        assert_eq!(within(day, ["09:29", "09:30", "16:59", "17:00"]), [false, true, true, false]);
        assert_eq!(night.to_string(), "22:00-05:00");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in
            ["", "22:00", "22:00-", "24:00-05:00", "22:60-05:00", "2:00-05:00", "+2:00-05:00", "05:00-05:00"]
        {
            assert_eq!(text.parse::<Window>(), Err(WindowError), "{text}");
        }
    }

    #[test]
    fn without_windows_it_is_always_open() {
        assert!(ScheduleConfig::default().is_open(at("03:00")));
        let nightly = ScheduleConfig { between: vec!["22:00-05:00".parse().unwrap()], ..Default::default() };
        assert!(nightly.is_open(at("03:00")) && !nightly.is_open(at("12:00")));
    }
}
