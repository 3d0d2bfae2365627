//! Durations as people write them: `500ms`, `5s`, `2m`, `12h`, `30d`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The units, the longest first, in milliseconds.
const UNITS_MS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration in a configuration: a number and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// Why a text is no duration.
#[derive(Debug, thiserror::Error)]
#[error("write a number and its unit, as in 500ms, 5s, 2m, 12h or 30d")]
pub struct DurationError;

pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| DurationError)?;
    let unit = text.strip_prefix(digits).ok_or(DurationError)?;
    let found = UNITS_MS.iter().find(|(name, _)| *name == unit).ok_or(DurationError)?;
    number.checked_mul(found.1).map(Duration::from_millis).ok_or(DurationError)
}

impl FromStr for Span {
    type Err = DurationError;
    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse_duration(text).map(Self)
    }
}

impl TryFrom<String> for Span {
    type Error = DurationError;
    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    /// In the longest unit of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let whole = UNITS_MS.iter().find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(u128::from(*unit_ms)));
        match whole {
            Some((name, unit_ms)) => write!(f, "{}{name}", ms / u128::from(*unit_ms)),
            None => write!(f, "{ms}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let read = |text| parse_duration(text).ok().map(|duration| duration.as_millis());
        let texts = ["500ms", "5s", "2m", "12h", "30d"];
        let expected = [500, 5_000, 120_000, 43_200_000, 2_592_000_000];
        assert_eq!(texts.map(read), expected.map(Some));
        assert_eq!([read("5"), read("s"), read("-5s"), read("5w"), read("99999999999999999999s")], [None; 5]);
    }

    #[test]
    fn a_span_is_written_as_it_is_read() {
        for text in ["500ms", "5s", "2m", "12h", "30d", "90s", "0ms"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
        }
        assert_eq!(Span(Duration::from_hours(48)).to_string(), "2d");
    }
}
