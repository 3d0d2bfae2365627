//! What a closure changed.

use super::items::items;
use serde_json::{Map, Value};

/// Why what a closure made of a list cannot be written: it cannot be told which item is which.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Undecided {
    /// The list, as a JSON Pointer.
    pub(super) field: String,
    pub(super) why: &'static str,
}

/// The JSON Merge Patch (RFC 7396) that makes of `read`, which a type sees as `before`, what the type sees as `after`; `None`
/// when it saw no difference. A member that is null or gone afterwards is removed: to serde both are `None`. What the type
/// does not see stays, also in the [`items`] of an array.
pub(super) fn merge_patch(
    field: &str,
    read: &Value,
    before: &Value,
    after: &Value,
) -> Result<Option<Value>, Undecided> {
    match (before, after) {
        _ if before == after => Ok(None),
        (Value::Object(before), Value::Object(after)) => {
            let mut patch = Map::new();
            for (name, value) in after {
                match before.get(name) {
                    Some(present) => {
                        let field = format!("{field}/{}", name.replace('~', "~0").replace('/', "~1"));
                        let read = read.get(name).unwrap_or(&Value::Null);
                        let changed = merge_patch(&field, read, present, value)?;
                        patch.extend(changed.map(|changed| (name.clone(), changed)));
                    }
                    None if value.is_null() => {}
                    None => drop(patch.insert(name.clone(), without_nulls(value.clone()))),
                }
            }
            let is_gone = |(name, value): &(&String, &Value)| !after.contains_key(*name) && !value.is_null();
            patch.extend(before.iter().filter(is_gone).map(|(name, _)| (name.clone(), Value::Null)));
            Ok((!patch.is_empty()).then_some(Value::Object(patch)))
        }
        (Value::Array(before), Value::Array(after)) => match read.as_array() {
            Some(read) => items(field, read, before, after).map(Value::Array).map(Some),
            None => Ok(Some(without_nulls(Value::Array(after.clone())))),
        },
        _ => Ok(Some(without_nulls(after.clone()))),
    }
}

/// A value without the members that are null, also in arrays: to serde a member that is `None` is one that is not there. An
/// item that is null stays.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let there = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_in_it() {
        for (before, after, patch) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), Some(json!({"b": 3}))),
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": null}), json!({"a": 5}), Some(json!({"a": 5}))),
            (json!({"a": 5}), json!({"a": null}), Some(json!({"a": null}))),
            (json!({"a": 5}), json!({}), Some(json!({"a": null}))),
            (json!({"a": null}), json!({}), None),
            (json!({}), json!({"a": null}), None),
            (json!({"m": {"x": 1, "y": 2}}), json!({"m": {"x": 1}}), Some(json!({"m": {"y": null}}))),
            (json!({"l": [1, 2]}), json!({"l": [1, 2, 3]}), Some(json!({"l": [1, 2, 3]}))),
            (json!({"m": 1}), json!({"m": {"x": 1}}), Some(json!({"m": {"x": 1}}))),
        ] {
            assert_eq!(merge_patch("", &before, &before, &after), Ok(patch), "{before} {after}");
        }
    }

    #[test]
    fn what_the_type_does_not_see_stays_in_items_too() {
        let read = json!({"lines": [{"sku": "a", "discount": 5}, {"sku": "b", "discount": 6}], "note": "x"});
        let before = json!({"lines": [{"sku": "a"}, {"sku": "b"}]});
        for (after, lines) in [
            (
                json!([{"sku": "a"}, {"sku": "b"}, {"sku": "c"}]),
                json!([{"sku": "a", "discount": 5}, {"sku": "b", "discount": 6}, {"sku": "c"}]),
            ),
            (json!([{"sku": "b"}]), json!([{"sku": "b", "discount": 6}])),
            (
                json!([{"sku": "a"}, {"sku": "x"}]),
                json!([{"sku": "a", "discount": 5}, {"sku": "x", "discount": 6}]),
            ),
            (
                json!([{"sku": "n"}, {"sku": "a"}, {"sku": "b"}]),
                json!([{"sku": "n"}, {"sku": "a", "discount": 5}, {"sku": "b", "discount": 6}]),
            ),
            (json!([]), json!([])),
        ] {
            let patch = merge_patch("", &read, &before, &json!({"lines": after}));
            assert_eq!(patch, Ok(Some(json!({"lines": lines}))));
        }
    }

    #[test]
    fn what_is_null_is_not_there() {
        let value =
            json!({"a": null, "b": {"c": null, "d": 0}, "l": [null, {"x": null, "y": [{"z": null}]}]});
        assert_eq!(without_nulls(value), json!({"b": {"d": 0}, "l": [null, {"y": [{}]}]}));
    }

    #[test]
    fn what_is_null_is_not_written_into_items_either() {
        let line = |discount: Value| json!({"product": "milk", "discount": discount});
        let (none, some) = (line(Value::Null), line(json!(1)));
        for (before, after, patch) in [
            (json!({}), json!({"l": [none]}), json!({"l": [{"product": "milk"}]})),
            (json!({"l": []}), json!({"l": [none]}), json!({"l": [{"product": "milk"}]})),
            (json!({"l": [some]}), json!({"l": [some, none]}), json!({"l": [some, {"product": "milk"}]})),
            (json!({"l": [some]}), json!({"l": [none]}), json!({"l": [{"product": "milk"}]})),
            (json!({"l": [1]}), json!({"l": [none]}), json!({"l": [{"product": "milk"}]})),
            (json!({"m": 1}), json!({"m": {"l": [none]}}), json!({"m": {"l": [{"product": "milk"}]}})),
        ] {
            assert_eq!(merge_patch("", &before, &before, &after), Ok(Some(patch)), "{before} {after}");
        }
    }
}
