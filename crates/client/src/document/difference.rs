//! What a closure changed.

use serde_json::{Map, Value};

/// The JSON Merge Patch (RFC 7396) that makes `after` of `before`; `None` when they are equal. A member that is null or gone
/// afterwards is removed: to serde both are `None`.
pub(super) fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        _ if before == after => None,
        (Value::Object(before), Value::Object(after)) => {
            let mut patch = Map::new();
            for (name, value) in after {
                match before.get(name) {
                    Some(present) => {
                        patch.extend(merge_patch(present, value).map(|patch| (name.clone(), patch)))
                    }
                    None if value.is_null() => {}
                    None => drop(patch.insert(name.clone(), value.clone())),
                }
            }
            let is_gone = |(name, value): &(&String, &Value)| !after.contains_key(*name) && !value.is_null();
            patch.extend(before.iter().filter(is_gone).map(|(name, _)| (name.clone(), Value::Null)));
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => Some(after.clone()),
    }
}

/// A value without the members that are null: to serde a member that is `None` is one that is not there.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let there = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value,
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
            assert_eq!(merge_patch(&before, &after), patch, "{before} {after}");
        }
    }

    #[test]
    fn what_is_null_is_not_there() {
        let value = json!({"a": null, "b": {"c": null, "d": 0}, "l": [null]});
        assert_eq!(without_nulls(value), json!({"b": {"d": 0}, "l": [null]}));
    }
}
