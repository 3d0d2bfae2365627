//! Numbers and types as JSON Schema sees them.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Whole numbers up to here are floats without loss.
const EXACT_MAX: i128 = 1 << 53;

/// The order of two JSON numbers; `None` when one is no number, or too large to tell.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        (Some(whole), None) | (None, Some(whole)) if whole.abs() > EXACT_MAX => None,
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Whether a value is of the type that a schema names; 1.0 is an integer (2020-12 validation, section 6.1.1).
pub(super) fn is_of_type(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
        Value::Number(number) => {
            let is_whole = || number.as_f64().is_some_and(|number| number.fract() == 0.0);
            name == "number" || name == "integer" && is_whole()
        }
    }
}
