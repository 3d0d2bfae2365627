//! What a write makes worse of a document that breaks rules already, as a merge of valid documents may.
//!
//! | the value that breaks the rule | refused |
//! |---|---|
//! | is the same as before; in an array also at another index | no |
//! | a number beyond `minimum` or `maximum` | unless it is nearer to it: an increment in its direction is written, though it does not reach it |
//! | a text beyond `minLength` or `maxLength` | unless its length is nearer |
//! | any other scalar, or a scalar in the place of an array or object | always: one invalid value is not replaced by another |
//! | an array or object | only if it has more beyond `maxItems` or `maxProperties`, or lacks more of `minItems` or `minProperties`: what is in it has rules of its own |

use super::super::numbers::compare;
use super::Violation;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What an earlier violation is found by: the rule, and the field with `*` for an index.
type Place<'a> = (&'a str, Vec<&'a str>);

/// A value's violations that it had not when it was an earlier one, and those that are worse. Each of the
/// earlier ones accounts for one: that of its field if it is as it was, else one that was moved within an array, else that
/// of its field.
pub(super) fn worse(now: &[Violation], value: &Value, earlier: (&[Violation], &Value)) -> Vec<Violation> {
    let (before, earlier) = earlier;
    let mut violations: Vec<&Violation> = now.iter().collect();
    let mut at_field: BTreeMap<(&str, &str), Option<&Value>> = before
        .iter()
        .map(|broken| ((broken.field.as_str(), broken.rule.as_str()), earlier.pointer(&broken.field)))
        .collect();
    violations.retain(|broken| {
        let place = (broken.field.as_str(), broken.rule.as_str());
        let is_same = at_field.get(&place).is_some_and(|before| *before == value.pointer(&broken.field));
        if is_same {
            at_field.remove(&place);
        }
        !is_same
    });
    let mut movable: BTreeMap<(Place<'_>, String), Vec<(&str, &str)>> = BTreeMap::new();
    for broken in before {
        let place = (broken.field.as_str(), broken.rule.as_str());
        if at_field.contains_key(&place) {
            movable.entry(moved(broken, earlier)).or_default().push(place);
        }
    }
    violations.retain(|broken| {
        let from = movable.get_mut(&moved(broken, value)).and_then(Vec::pop);
        from.is_none_or(|place| at_field.remove(&place).is_none())
    });
    violations.retain(|broken| {
        let before = at_field.get(&(broken.field.as_str(), broken.rule.as_str()));
        before.is_none_or(|before| is_worse(broken, (*before, value.pointer(&broken.field))))
    });
    violations.into_iter().cloned().collect()
}

/// A violation and the value that it is about, wherever in an array it is.
fn moved<'a>(broken: &'a Violation, document: &Value) -> (Place<'a>, String) {
    let (mut pointer, mut segments) = (String::new(), Vec::new());
    for segment in broken.field.split('/').skip(1) {
        let is_index = document.pointer(&pointer).is_some_and(Value::is_array);
        segments.push(if is_index { "*" } else { segment });
        pointer = format!("{pointer}/{segment}");
    }
    let value = document.pointer(&broken.field).map(Value::to_string);
    ((&broken.rule, segments), value.unwrap_or_default())
}

/// Whether a value that broke a rule breaks it worse, or in another way.
fn is_worse(broken: &Violation, (before, now): (Option<&Value>, Option<&Value>)) -> bool {
    let (Some(before), Some(now)) = (before, now) else { return before.is_some() != now.is_some() };
    let (excess, is_whole) = match (before, now) {
        (Value::Number(_), Value::Number(_)) => (compare(now, before), false),
        (Value::String(before), Value::String(now)) => (by_length(before.chars(), now.chars()), false),
        (Value::Array(before), Value::Array(now)) => (by_length(before, now), true),
        (Value::Object(before), Value::Object(now)) => (by_length(before, now), true),
        (_, _) => return true,
    };
    let keyword = broken.rule.rsplit('/').next().unwrap_or_default();
    let excess = match keyword {
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => excess,
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            excess.map(Ordering::reverse)
        }
        _ => return !is_whole,
    };
    match excess {
        Some(Ordering::Less) => false,
        Some(Ordering::Equal) => !is_whole && before != now,
        Some(Ordering::Greater) | None => true,
    }
}

fn by_length<T>(before: impl IntoIterator<Item = T>, now: impl IntoIterator<Item = T>) -> Option<Ordering> {
    Some(now.into_iter().count().cmp(&before.into_iter().count()))
}
