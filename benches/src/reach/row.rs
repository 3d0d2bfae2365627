//! A measurement and its goal.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a goal is set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The measured value, in the row's unit.
    Value,
    /// The value divided by the reference; without a reference it is never met.
    Ratio,
}

/// Which side of the limit is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Smaller is better: latencies, bytes.
    AtMost,
    /// Larger is better: throughput.
    AtLeast,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// What the limit is set on.
    pub measure: Measure,
    /// Which side of the limit is good.
    pub bound: Bound,
    /// The limit itself, which is still good; in the row's unit, or a plain factor for a ratio.
    pub limit: f64,
}

impl Goal {
    /// The value is `limit` or less.
    #[must_use]
    pub fn value_at_most(limit: f64) -> Self {
        Self { measure: Measure::Value, bound: Bound::AtMost, limit }
    }

    /// The value is `limit` or more.
    #[must_use]
    pub fn value_at_least(limit: f64) -> Self {
        Self { measure: Measure::Value, bound: Bound::AtLeast, limit }
    }

    /// The value is `limit` times the reference or less.
    #[must_use]
    pub fn ratio_at_most(limit: f64) -> Self {
        Self { measure: Measure::Ratio, bound: Bound::AtMost, limit }
    }

    /// The value is `limit` times the reference or more.
    #[must_use]
    pub fn ratio_at_least(limit: f64) -> Self {
        Self { measure: Measure::Ratio, bound: Bound::AtLeast, limit }
    }

    fn is_met(&self, value: f64, ratio: Option<f64>) -> bool {
        let measured = match self.measure {
            Measure::Value => Some(value),
            Measure::Ratio => ratio,
        };
        measured.is_some_and(|measured| match self.bound {
            Bound::AtMost => measured <= self.limit,
            Bound::AtLeast => measured >= self.limit,
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measure = match self.measure {
            Measure::Value => "value",
            Measure::Ratio => "ratio",
        };
        let bound = match self.bound {
            Bound::AtMost => "<=",
            Bound::AtLeast => ">=",
        };
        write!(f, "{measure} {bound} {}", self.limit)
    }
}

/// A measurement, as a benchmark reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was measured; a later row of the same name replaces this one in the table.
    pub name: String,
    /// The unit of the value and the reference: `ms`, `bytes`, `changes/s`.
    pub unit: String,
    /// The measured value.
    pub value: f64,
    /// What the value is compared with, measured on the same machine; `None` if there is nothing to compare with.
    pub reference: Option<f64>,
    /// What is to be reached.
    pub goal: Goal,
}

/// A line of `target/reach.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What was measured.
    pub name: String,
    /// The unit of the value and the reference.
    pub unit: String,
    /// The measured value.
    pub value: f64,
    /// What the value is compared with.
    pub reference: Option<f64>,
    /// The value divided by the reference; `null` without a reference, or with one of zero.
    pub ratio: Option<f64>,
    /// The goal in words: `value <= 5`, `ratio >= 0.5`.
    pub goal: String,
    /// Whether the goal was reached.
    pub met: bool,
}

impl From<&Row> for Entry {
    fn from(row: &Row) -> Self {
        let ratio = row.reference.map(|reference| row.value / reference).filter(|ratio| ratio.is_finite());
        Self {
            name: row.name.clone(),
            unit: row.unit.clone(),
            value: row.value,
            reference: row.reference,
            ratio,
            goal: row.goal.to_string(),
            met: row.goal.is_met(row.value, ratio),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: f64, reference: Option<f64>, goal: Goal) -> Entry {
        Entry::from(&Row { name: "fsync".into(), unit: "ms".into(), value, reference, goal })
    }

    #[test]
    fn the_limit_itself_meets_the_goal_and_beyond_it_does_not() {
        assert!(entry(5.0, None, Goal::value_at_most(5.0)).met);
        assert!(!entry(5.1, None, Goal::value_at_most(5.0)).met);
        assert!(entry(5.0, None, Goal::value_at_least(5.0)).met);
        assert!(!entry(4.9, None, Goal::value_at_least(5.0)).met);
    }

    #[test]
    fn a_ratio_is_the_value_over_the_reference() {
        assert!(entry(3.0, Some(2.0), Goal::ratio_at_most(1.5)).met);
        assert!(!entry(3.0, Some(2.0), Goal::ratio_at_most(1.4)).met);
        assert!(entry(3.0, Some(2.0), Goal::ratio_at_least(1.5)).met);
        assert!(!entry(3.0, Some(2.0), Goal::ratio_at_least(1.6)).met);
        assert_eq!(entry(3.0, Some(2.0), Goal::ratio_at_least(1.0)).ratio, Some(1.5));
    }

    #[test]
    fn a_goal_on_a_ratio_is_not_met_without_a_reference() {
        for reference in [None, Some(0.0)] {
            let entry = entry(3.0, reference, Goal::ratio_at_most(1e9));
            assert_eq!((entry.ratio, entry.met), (None, false));
        }
    }

    #[test]
    fn a_goal_reads_as_a_comparison() {
        assert_eq!(Goal::value_at_most(5.0).to_string(), "value <= 5");
        assert_eq!(Goal::ratio_at_least(0.5).to_string(), "ratio >= 0.5");
    }
}
