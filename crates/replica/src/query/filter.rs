//! What a filter says of a document.
//!
//! - A field that is missing passes no test but [`Test::Exists`] of false. What the schema gives a default for is there.
//! - A value of another type than a test is about is no error: it does not pass.
//! - Numbers are compared as numbers, exactly, whatever their form: 1 is 1.0, and integers of 64 bits are not rounded.
//! - Strings are compared byte by byte, whole. `false` is less than `true`.
//! - Null is a value: it is equal to null alone.
//! - Arrays are equal when their elements are, in order; objects when their members are.

use super::QueryError;
use crate::index::rank;
use document::Pointer;
use serde_json::Value;
use std::cmp::Ordering;
use std::ops::Range;

/// Most values of one [`Test::In`].
pub const IN_VALUES_MAX: usize = 100;
/// Longest value that a test compares with, in bytes of its JSON text.
pub const OPERAND_BYTES_MAX: usize = 1_024;

/// A test of one field. A document passes a query when it passes all of its filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The field, through objects; an element of an array is no field.
    pub field: Pointer,
    /// What is to hold of it.
    pub test: Test,
}

/// What is to hold of a field. In JSON the name of the test is the member beside `field`: `{"field": "/price",
/// "at_most": 500}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `equal`: it is this value.
    Equal(Value),
    /// `not_equal`: it is there and is another value.
    NotEqual(Value),
    /// `less`: it is a number, string or boolean less than this one.
    Less(Value),
    /// `at_most`: less than this one, or equal.
    AtMost(Value),
    /// `more`: it is a number, string or boolean more than this one.
    More(Value),
    /// `at_least`: more than this one, or equal.
    AtLeast(Value),
    /// `between`: from the first to the second, both included.
    Between(Value, Value),
    /// `in`: it is one of these values.
    In(Vec<Value>),
    /// `exists`: whether it is there.
    Exists(bool),
    /// `contains`: it is an array, or a set, with this element.
    Contains(Value),
    /// `starts_with`: it is a string that starts with this one.
    StartsWith(String),
}

/// How few documents a test is likely to leave; the less, the better for an index to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Breadth {
    Point,
    Points,
    Bounded,
    Open,
}

/// Where in an index the documents are that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spans {
    /// Of ranks, ascending and apart.
    pub(crate) ranges: Vec<Range<Vec<u8>>>,
    pub(crate) breadth: Breadth,
}

impl Test {
    /// Whether a field passes; `None` is one that is missing.
    #[must_use]
    pub fn passes(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return *self == Self::Exists(false) };
        let is = |operand: &Value, wanted: fn(Ordering) -> bool| compare(value, operand).is_some_and(wanted);
        match self {
            Self::Equal(operand) => same(value, operand),
            Self::NotEqual(operand) => !same(value, operand),
            Self::Less(operand) => is(operand, Ordering::is_lt),
            Self::AtMost(operand) => is(operand, Ordering::is_le),
            Self::More(operand) => is(operand, Ordering::is_gt),
            Self::AtLeast(operand) => is(operand, Ordering::is_ge),
            Self::Between(first, last) => is(first, Ordering::is_ge) && is(last, Ordering::is_le),
            Self::In(operands) => operands.iter().any(|operand| same(value, operand)),
            Self::Exists(wanted) => *wanted,
            Self::Contains(operand) => {
                value.as_array().is_some_and(|elements| elements.iter().any(|element| same(element, operand)))
            }
            Self::StartsWith(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix.as_str())),
        }
    }

    /// Where an index has every document that passes; it may have others there. `None`: anywhere.
    pub(crate) fn spans(&self) -> Option<Spans> {
        let rank = |value: &Value| rank::of(Some(value));
        let one = |range, breadth| Some(Spans { ranges: vec![range], breadth });
        match self {
            Self::Equal(operand) => one(rank::point(&rank(operand)), Breadth::Point),
            Self::Exists(false) => one(rank::point(&rank::of(None)), Breadth::Point),
            Self::In(operands) => {
                let mut ranks: Vec<Vec<u8>> = operands.iter().map(rank).collect();
                ranks.sort_unstable();
                ranks.dedup();
                let breadth = if ranks.len() == 1 { Breadth::Point } else { Breadth::Points };
                Some(Spans { ranges: ranks.iter().map(|rank| rank::point(rank)).collect(), breadth })
            }
            Self::Between(first, last) => one(rank::between(&rank(first), &rank(last)), Breadth::Bounded),
            Self::StartsWith(prefix) => one(rank::strings_from(prefix), Breadth::Bounded),
            Self::Less(operand) => one(rank::before(&rank(operand)), Breadth::Open),
            Self::AtMost(operand) => one(rank::up_to(&rank(operand)), Breadth::Open),
            Self::More(operand) => one(rank::after(&rank(operand)), Breadth::Open),
            Self::AtLeast(operand) => one(rank::from(&rank(operand)), Breadth::Open),
            Self::NotEqual(_) | Self::Exists(true) | Self::Contains(_) => None,
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Equal(_) => "equal",
            Self::NotEqual(_) => "not_equal",
            Self::Less(_) => "less",
            Self::AtMost(_) => "at_most",
            Self::More(_) => "more",
            Self::AtLeast(_) => "at_least",
            Self::Between(..) => "between",
            Self::In(_) => "in",
            Self::Exists(_) => "exists",
            Self::Contains(_) => "contains",
            Self::StartsWith(_) => "starts_with",
        }
    }

    /// The range of an index in words, after the name of the field.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Equal(operand) => format!("equal to {}", shown(operand)),
            Self::NotEqual(operand) => format!("not equal to {}", shown(operand)),
            Self::Less(operand) => format!("less than {}", shown(operand)),
            Self::AtMost(operand) => format!("at most {}", shown(operand)),
            Self::More(operand) => format!("more than {}", shown(operand)),
            Self::AtLeast(operand) => format!("at least {}", shown(operand)),
            Self::Between(first, last) => format!("from {} to {}", shown(first), shown(last)),
            Self::In(operands) => format!("at {} values", operands.len()),
            Self::Exists(true) => "where it is there".to_owned(),
            Self::Exists(false) => "where it is missing".to_owned(),
            Self::Contains(operand) => format!("containing {}", shown(operand)),
            Self::StartsWith(prefix) => format!("starting with {}", shown(&Value::from(prefix.as_str()))),
        }
    }

    /// What it compares with.
    fn operands(&self) -> Vec<Value> {
        match self {
            Self::Equal(operand)
            | Self::NotEqual(operand)
            | Self::Less(operand)
            | Self::AtMost(operand)
            | Self::More(operand)
            | Self::AtLeast(operand)
            | Self::Contains(operand) => vec![operand.clone()],
            Self::Between(first, last) => vec![first.clone(), last.clone()],
            Self::In(operands) => operands.clone(),
            Self::StartsWith(prefix) => vec![Value::from(prefix.as_str())],
            Self::Exists(_) => Vec::new(),
        }
    }

    fn orders(&self) -> bool {
        matches!(self, Self::Less(_) | Self::AtMost(_) | Self::More(_) | Self::AtLeast(_) | Self::Between(..))
    }
}

impl Filter {
    /// Whether the test makes sense, whatever the documents are.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        let field = || self.field.clone();
        let operands = self.test.operands();
        if operands.len() > IN_VALUES_MAX {
            return Err(QueryError::TooManyValues { field: field(), values: operands.len() });
        }
        for operand in &operands {
            let bytes = operand.to_string().len();
            if bytes > OPERAND_BYTES_MAX {
                return Err(QueryError::OperandTooLong { field: field(), bytes });
            }
            if self.test.orders() && kind(operand).is_none() {
                return Err(QueryError::Unordered { field: field(), test: self.test.name() });
            }
        }
        let differ =
            |ends: &[Value]| ends.windows(2).any(|pair| pair.first().map(kind) != pair.last().map(kind));
        if matches!(self.test, Test::Between(..)) && differ(&operands) {
            return Err(QueryError::EndsDiffer { field: field() });
        }
        Ok(())
    }
}

/// What can be ordered, by type.
fn kind(value: &Value) -> Option<u8> {
    match value {
        Value::Bool(_) => Some(0),
        Value::Number(_) => Some(1),
        Value::String(_) => Some(2),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The order of two numbers, strings or booleans.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            Some(rank::number_bytes(one).cmp(&rank::number_bytes(other)))
        }
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (_, _) => None,
    }
}

/// Goes no deeper than a document is.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let member = |(key, value)| other.get(key).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(member)
        }
        (Value::Null, Value::Null) => true,
        (one, other) => compare(one, other).is_some_and(Ordering::is_eq),
    }
}

/// The most that a plan shows of a value, in characters.
const SHOWN_CHARACTERS_MAX: usize = 64;

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
