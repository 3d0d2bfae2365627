//! JSON to flat entries and back.
//!
//! Entries tell by their names what they are, so a document is read without its schema. Where entries of several kinds
//! meet at one field, as two cut-off sites with contradicting schemas may write them, members are shown before a
//! counter, set, list or text, and that before a plain value; of two such kinds the one whose entry comes first in byte
//! order. What is hidden is a conflict, not lost. A whole number at a counter's own name is no conflict: the counter
//! counts on from it.

mod assemble;
mod bounded;
mod fields;
mod view;
pub(crate) use assemble::{assemble, assemble_entries};
pub(crate) use bounded::Ledger;
pub(crate) use fields::{Field, Special, fields, ledger};
pub(crate) use view::{Contents, Entries, View};

use crate::entry::{self, EMPTY_DOCUMENT, NAME_BYTES_MAX, Pointer};
use automerge::{ScalarValue, ScalarValueRef};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Deepest nesting of a document.
pub const DEPTH_MAX: usize = 32;
/// Most leaves of a document.
pub const ENTRIES_MAX: usize = 4_096;

/// Why a JSON value cannot be a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A document is an object.
    #[error("a document is a JSON object, not {0}")]
    NoObject(&'static str),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("the value is nested deeper than {DEPTH_MAX}, at {0}")]
    TooDeep(Pointer),
    /// More than [`ENTRIES_MAX`] leaves.
    #[error("a document has at most {ENTRIES_MAX} fields")]
    TooManyEntries,
    /// The keys that lead to a field are too long together.
    #[error("the keys that lead to a field have {0} bytes together, {NAME_BYTES_MAX} are allowed")]
    NameTooLong(usize),
}

/// The members of a document.
pub(crate) fn members_of(value: &Value) -> Result<&Map<String, Value>, JsonError> {
    value.as_object().ok_or_else(|| JsonError::NoObject(kind(value)))
}

/// The leaves of a JSON object by entry name, at most so many. Arrays, objects without members, and objects at entries
/// that are kept whole are leaves; how deep one nests is for [`check_depth`].
pub(crate) fn leaves<'a>(
    value: &'a Value,
    entries_max: usize,
    keeps_whole: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, &'a Value>, JsonError> {
    let members = members_of(value)?;
    let mut leaves = BTreeMap::new();
    match members.is_empty() {
        true => drop(leaves.insert(EMPTY_DOCUMENT.to_owned(), value)),
        false => add_members(&mut leaves, (members, "", 1), entries_max, keeps_whole)?,
    }
    Ok(leaves)
}

fn add_members<'a>(
    leaves: &mut BTreeMap<String, &'a Value>,
    (members, parent, depth): (&'a Map<String, Value>, &str, usize),
    entries_max: usize,
    keeps_whole: &dyn Fn(&str) -> bool,
) -> Result<(), JsonError> {
    for (key, value) in members {
        let mut name = String::with_capacity(parent.len() + key.len() + 1);
        name.push_str(parent);
        entry::push_segment(&mut name, key);
        if name.len() > NAME_BYTES_MAX {
            return Err(JsonError::NameTooLong(name.len()));
        }
        if depth > DEPTH_MAX {
            return Err(JsonError::TooDeep(Pointer::from_name(name)));
        }
        if let Some(members) = value.as_object().filter(|members| !members.is_empty() && !keeps_whole(&name))
        {
            name.push('/');
            add_members(leaves, (members, &name, depth + 1), entries_max, keeps_whole)?;
        } else {
            leaves.insert(name, value);
        }
        if leaves.len() > entries_max {
            return Err(JsonError::TooManyEntries);
        }
    }
    Ok(())
}

/// Checks that a leaf nests no deeper than a document may where it is.
pub(crate) fn check_depth(name: &str, leaf: &Value) -> Result<(), JsonError> {
    let depth = name.split('/').count();
    match (leaf.is_array() || leaf.is_object()) && depth + value_depth(leaf, DEPTH_MAX) > DEPTH_MAX {
        true => Err(JsonError::TooDeep(Pointer::from_name(name.to_owned()))),
        false => Ok(()),
    }
}

/// How deep a value nests, itself included; looked at down to `depth_max`.
pub(crate) fn value_depth(value: &Value, depth_max: usize) -> usize {
    let Some(below) = depth_max.checked_sub(1) else { return 1 };
    let members: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(members) => Box::new(members.iter()),
        Value::Object(members) => Box::new(members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    1 + members.map(|member| value_depth(member, below)).max().unwrap_or(0)
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whether it is an object that is not empty.
pub(crate) fn has_members(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty())
}

/// A leaf as it is stored. JSON has no bytes, so bytes hold the JSON text of an array, or of an object that is empty or
/// kept whole.
pub(crate) fn scalar(leaf: &Value) -> ScalarValue {
    match leaf {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(*value),
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => ScalarValue::Int(value),
            (None, Some(value)) => ScalarValue::Uint(value),
            (None, None) => number.as_f64().map_or(ScalarValue::Null, ScalarValue::F64),
        },
        Value::Array(_) | Value::Object(_) => ScalarValue::Bytes(leaf.to_string().into_bytes()),
    }
}

/// A value as what reads of a document give.
pub(crate) fn borrowed(value: &ScalarValue) -> ScalarValueRef<'_> {
    match value {
        ScalarValue::Bytes(bytes) => ScalarValueRef::Bytes(Cow::Borrowed(bytes)),
        ScalarValue::Str(text) => ScalarValueRef::Str(Cow::Borrowed(text)),
        ScalarValue::Int(value) => ScalarValueRef::Int(*value),
        ScalarValue::Uint(value) => ScalarValueRef::Uint(*value),
        ScalarValue::F64(value) => ScalarValueRef::F64(*value),
        ScalarValue::Counter(counter) => ScalarValueRef::Counter(i64::from(counter)),
        ScalarValue::Timestamp(value) => ScalarValueRef::Timestamp(*value),
        ScalarValue::Boolean(value) => ScalarValueRef::Boolean(*value),
        ScalarValue::Unknown { type_code, bytes } => {
            ScalarValueRef::Unknown { type_code: *type_code, bytes: Cow::Borrowed(bytes) }
        }
        ScalarValue::Null => ScalarValueRef::Null,
    }
}

/// A stored value as JSON. What no version of this crate writes is shown as null.
pub(crate) fn stored_json(value: &ScalarValueRef<'_>) -> Value {
    match value {
        ScalarValueRef::Bytes(text) => serde_json::from_slice(text).unwrap_or(Value::Null),
        ScalarValueRef::Str(text) => Value::String(text.clone().into_owned()),
        ScalarValueRef::Int(value) | ScalarValueRef::Counter(value) | ScalarValueRef::Timestamp(value) => {
            Value::from(*value)
        }
        ScalarValueRef::Uint(value) => Value::from(*value),
        ScalarValueRef::F64(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        ScalarValueRef::Boolean(value) => Value::Bool(*value),
        ScalarValueRef::Null | ScalarValueRef::Unknown { .. } => Value::Null,
    }
}

/// A whole number, however it is written: 10.0 is 10 (JSON Schema 2020-12 validation, section 6.1.1).
pub(crate) fn whole<N: TryFrom<i128>>(number: &Number) -> Option<N> {
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let written = || number.as_f64().filter(|number| number.fract() == 0.0);
    // Decimals of a float without a fraction are exact.
    let whole = exact.or_else(|| format!("{:.0}", written()?).parse().ok())?;
    N::try_from(whole).ok()
}

/// A counter's value that a JSON value gives.
pub(crate) fn count(value: &Value) -> Option<i64> {
    if let Value::Number(number) = value { whole(number) } else { None }
}

/// A counter's sum as 64 bits; beyond them it stays at their end.
pub(crate) fn clamp(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}
