//! What a schema says of a value.

use serde_json::Value;
use std::collections::BTreeSet;

/// How deep types are looked into: one that contains itself has no end.
pub(super) const DEPTH_MAX: usize = 16;

/// Whether it is shown as 0 when nothing was counted.
pub(super) fn is_counter(schema: &Value) -> bool {
    let kind = schema.get("x-crdt").and_then(Value::as_str);
    matches!(kind, Some("counter" | "bounded-counter"))
}

/// A number that a schema gives.
pub(super) fn bound(schema: &Value, name: &str) -> Option<f64> {
    schema.get(name).and_then(Value::as_f64)
}

/// The smallest number that a schema allows; `None` when it does not say.
pub(super) fn least(schema: &Value) -> Option<f64> {
    // More than a bound: of whole numbers at least the next one.
    let said = bound(schema, "minimum").or_else(|| bound(schema, "exclusiveMinimum"));
    said.or_else(|| of_a_few(schema, f64::min)).or_else(|| range(schema).map(|(least, _)| least))
}

/// The largest number that a schema allows; `None` when it does not say.
pub(super) fn most(schema: &Value) -> Option<f64> {
    let said = bound(schema, "maximum").or_else(|| bound(schema, "exclusiveMaximum"));
    said.or_else(|| of_a_few(schema, f64::max)).or_else(|| range(schema).map(|(_, most)| most))
}

/// Of the numbers that a schema lists.
fn of_a_few(schema: &Value, choose: fn(f64, f64) -> f64) -> Option<f64> {
    let values = schema.get("enum")?.as_array()?;
    values.iter().map(Value::as_f64).collect::<Option<Vec<_>>>()?.into_iter().reduce(choose)
}

/// Of a number of Rust of fewer bits than those of a document.
fn range(schema: &Value) -> Option<(f64, f64)> {
    match schema.get("format")?.as_str()? {
        "int8" => Some((i8::MIN.into(), i8::MAX.into())),
        "int16" => Some((i16::MIN.into(), i16::MAX.into())),
        "int32" => Some((i32::MIN.into(), i32::MAX.into())),
        "uint8" => Some((0.0, u8::MAX.into())),
        "uint16" => Some((0.0, u16::MAX.into())),
        "uint32" => Some((0.0, u32::MAX.into())),
        _ => None,
    }
}

/// Behind references, and past the null of an `Option` of them.
pub(super) fn meant<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..DEPTH_MAX {
        let referred =
            schema.get("$ref").and_then(Value::as_str).and_then(|pointer| pointer.strip_prefix('#'));
        let next = referred.and_then(|pointer| root.pointer(pointer)).or_else(|| only_branch(schema));
        match next {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// Of a reference and null, as an `Option` is: the reference.
fn only_branch(schema: &Value) -> Option<&Value> {
    let branches = schema.get("anyOf")?.as_array()?;
    let mut others =
        branches.iter().filter(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
    let only = others.next()?;
    (others.next().is_none() && branches.len() > 1).then_some(only)
}

/// Whether it may be null by a branch beside [`only_branch`].
pub(super) fn is_optional(schema: &Value) -> bool {
    only_branch(schema).is_some()
}

fn branches(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()
}

/// The JSON types that a schema allows; `None` when it does not say.
pub(super) fn types<'a>(root: &'a Value, schema: &'a Value) -> Option<BTreeSet<&'a str>> {
    types_at(root, schema, 0)
}

fn types_at<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> Option<BTreeSet<&'a str>> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(constant) = schema.get("const") {
        return Some(BTreeSet::from([kind(constant)]));
    }
    match schema.get("type") {
        Some(Value::String(kind)) => Some(BTreeSet::from([kind.as_str()])),
        Some(Value::Array(kinds)) => Some(kinds.iter().filter_map(Value::as_str).collect()),
        _ => {
            // A branch that does not say allows anything.
            let types = |branch| types_at(root, meant(root, branch), depth + 1);
            let all: Option<Vec<_>> = branches(schema)?.iter().map(types).collect();
            Some(all?.into_iter().flatten().collect())
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The values that a schema lists, also in branches, as it does where each has words of its own; `None` where there are
/// others.
pub(super) fn choices<'a>(root: &'a Value, schema: &'a Value) -> Option<Vec<&'a Value>> {
    choices_at(root, schema, 0)
}

fn choices_at<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> Option<Vec<&'a Value>> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(constant) = schema.get("const") {
        return Some(vec![constant]);
    }
    if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
        return Some(listed.iter().collect());
    }
    let listed = |branch| choices_at(root, meant(root, branch), depth + 1);
    let all: Option<Vec<_>> = branches(schema)?.iter().map(listed).collect();
    Some(all?.into_iter().flatten().collect())
}

pub(super) fn names<'a>(schema: &'a Value, list: &str) -> BTreeSet<&'a str> {
    schema.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
