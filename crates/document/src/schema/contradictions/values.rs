//! Values that `enum` and `const` allow, held against what else is said there.

use super::super::error::SchemaError;
use super::super::flat::Flat;
use super::super::numbers::{compare, is_of_type};
use super::super::shortened;
use serde_json::Value;
use std::cmp::Ordering;

/// Bounds of numbers, and the orders of a value to the bound that they exclude.
const BOUNDS: [(&str, &[Ordering]); 4] = [
    ("minimum", &[Ordering::Less]),
    ("exclusiveMinimum", &[Ordering::Less, Ordering::Equal]),
    ("maximum", &[Ordering::Greater]),
    ("exclusiveMaximum", &[Ordering::Greater, Ordering::Equal]),
];

/// Checks the values that are listed in one place.
pub(super) fn check(flat: &Flat<'_>) -> Result<(), SchemaError> {
    let listed = flat.get("enum").and_then(Value::as_array);
    if listed.is_some_and(Vec::is_empty) {
        return Err(SchemaError::Expected { at: flat.at("enum"), expected: "at least one value" });
    }
    for (index, value) in listed.into_iter().flatten().enumerate() {
        check_value(flat, value, || format!("{}/{index}", flat.at("enum")))?;
    }
    let Some(constant) = flat.get("const") else { return Ok(()) };
    check_value(flat, constant, || flat.at("const"))?;
    match listed.is_some_and(|listed| !listed.iter().any(|value| may_equal(value, constant))) {
        true => Err(SchemaError::Excluded { at: flat.at("const"), value: shortened(constant), rule: "enum" }),
        false => Ok(()),
    }
}

fn check_value(flat: &Flat<'_>, value: &Value, at: impl Fn() -> String) -> Result<(), SchemaError> {
    let types = flat.types();
    if types.is_some_and(|types| !types.iter().any(|name| is_of_type(value, name))) {
        return Err(SchemaError::NotOfType { at: at(), value: shortened(value) });
    }
    let is_excluded = |(rule, orders): &&(&str, &[Ordering])| {
        let order = flat.get(rule).and_then(|bound| compare(value, bound));
        order.is_some_and(|order| orders.contains(&order))
    };
    match BOUNDS.iter().find(is_excluded) {
        Some((rule, _)) => Err(SchemaError::Excluded { at: at(), value: shortened(value), rule }),
        None => Ok(()),
    }
}

/// Whether two values are one to JSON Schema, to which 1.0 is 1; numbers too large to tell may be.
fn may_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => {
            compare(left, right).is_none_or(|order| order == Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| may_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let is_in =
                |(key, left): (&String, &Value)| right.get(key).is_some_and(|right| may_equal(left, right));
            left.len() == right.len() && left.iter().all(is_in)
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            _,
        ) => left == right,
    }
}
