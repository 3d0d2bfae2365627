//! What a closure changed.

use serde_json::{Map, Value};

/// The JSON Merge Patch (RFC 7396) that makes of `read`, which a type sees as `before`, what the type sees as `after`; `None`
/// when it saw no difference. A member that is null or gone afterwards is removed: to serde both are `None`. What the type
/// does not see stays, also in the items of an array that it did not change, or changed in place.
pub(super) fn merge_patch(read: &Value, before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        _ if before == after => None,
        (Value::Object(before), Value::Object(after)) => {
            let mut patch = Map::new();
            for (name, value) in after {
                match before.get(name) {
                    Some(present) => {
                        let read = read.get(name).unwrap_or(&Value::Null);
                        let changed = merge_patch(read, present, value);
                        patch.extend(changed.map(|changed| (name.clone(), changed)));
                    }
                    None if value.is_null() => {}
                    None => drop(patch.insert(name.clone(), without_nulls(value.clone()))),
                }
            }
            let is_gone = |(name, value): &(&String, &Value)| !after.contains_key(*name) && !value.is_null();
            patch.extend(before.iter().filter(is_gone).map(|(name, _)| (name.clone(), Value::Null)));
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (Value::Array(before), Value::Array(after)) => match read.as_array() {
            Some(read) if read.len() == before.len() => Some(Value::Array(items(read, before, after))),
            _ => Some(without_nulls(Value::Array(after.clone()))),
        },
        _ => Some(without_nulls(after.clone())),
    }
}

/// The items of an array: those at its start and its end that are as before are as they were read; where as many were changed
/// between them, each was changed in place.
fn items(read: &[Value], before: &[Value], after: &[Value]) -> Vec<Value> {
    let shorter = before.len().min(after.len());
    let start = before.iter().zip(after).take_while(|(before, after)| before == after).count();
    let ends = before.iter().rev().zip(after.iter().rev());
    let end = ends.take(shorter - start).take_while(|(before, after)| before == after).count();
    let between = |items: &[Value]| items.get(start..items.len() - end).unwrap_or_default().to_vec();
    let (between_read, between_before, between_after) = (between(read), between(before), between(after));
    let is_in_place = between_before.len() == between_after.len();
    let changed = between_after.into_iter().enumerate().map(|(index, after)| {
        match (between_read.get(index), between_before.get(index)) {
            (Some(read), Some(before)) if is_in_place => changed_in_place(read, before, after),
            _ => without_nulls(after),
        }
    });
    let kept = |items: Option<&[Value]>| items.unwrap_or_default().to_vec();
    let mut items = kept(read.get(..start));
    items.extend(changed);
    items.extend(kept(read.get(read.len() - end..)));
    items
}

fn changed_in_place(read: &Value, before: &Value, after: Value) -> Value {
    match (read, before, &after) {
        (Value::Object(_), Value::Object(_), Value::Object(_)) => {
            let mut item = read.clone();
            if let Some(patch) = merge_patch(read, before, &after) {
                apply(&mut item, patch);
            }
            item
        }
        _ => without_nulls(after),
    }
}

/// Carries a merge patch out.
fn apply(value: &mut Value, patch: Value) {
    match (value, patch) {
        (Value::Object(members), Value::Object(patch)) => {
            for (name, patch) in patch {
                if patch.is_null() {
                    members.remove(&name);
                } else {
                    apply(members.entry(name).or_insert(Value::Null), patch);
                }
            }
        }
        (value, patch) => *value = patch,
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
            assert_eq!(merge_patch(&before, &before, &after), patch, "{before} {after}");
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
            let patch = merge_patch(&read, &before, &json!({"lines": after}));
            assert_eq!(patch, Some(json!({"lines": lines})));
        }
        assert_eq!(
            merge_patch(&json!([1, 2, 3]), &json!([1, 2]), &json!([5])),
            Some(json!([5])),
            "another length"
        );
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
            assert_eq!(merge_patch(&before, &before, &after), Some(patch), "{before} {after}");
        }
    }
}
