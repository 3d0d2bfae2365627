//! JSON Merge Patch and JSON Patch.

use super::HERE;
use crate::{Document, Operation, PatchFault, Signature, WriteError};
use serde_json::{Value, json};

fn patched(before: &Value, operation: Operation) -> Result<Value, WriteError> {
    let mut document = Document::new();
    document.write(&Signature::of(HERE, 0), None, &[Operation::Put(before.clone())])?;
    document.write(&Signature::of(HERE, 0), None, &[operation])?;
    Ok(document.json().unwrap())
}

/// RFC 7396, appendix A.
const MERGE_PATCHES: &str = include_str!("../../../../../schemas/patches/rfc7396.json");
/// RFC 6902, appendix A: each is of one section. What has no result fails. A.13 is no JSON that can be held.
const JSON_PATCHES: &str = include_str!("../../../../../schemas/patches/rfc6902.json");

fn cases(table: &str) -> Vec<Value> {
    let cases: Vec<Value> = serde_json::from_str(table).unwrap();
    assert_eq!(cases.len(), 15);
    cases
}

/// All are tried inside a member, and those of objects as documents too.
#[test]
fn merge_patches_do_what_the_standard_says() {
    let mut whole = 0;
    for case in cases(MERGE_PATCHES) {
        let inside = |part: &str| json!({"in": case[part]});
        let merged = patched(&inside("target"), Operation::MergePatch(inside("patch"))).unwrap();
        // A member that is null is taken out.
        let expected = if case["patch"].is_null() { json!({}) } else { inside("result") };
        assert_eq!(merged, expected, "{case}");
        if case["target"].is_object() && case["patch"].is_object() {
            let merged = patched(&case["target"], Operation::MergePatch(case["patch"].clone()));
            assert_eq!(merged.as_ref(), Ok(&case["result"]), "{case}");
            whole += 1;
        }
    }
    assert_eq!(whole, 10);
    let refused = patched(&json!({"a": "foo"}), Operation::MergePatch(Value::Null)).unwrap_err();
    assert_eq!(refused.to_string(), "a document is a JSON object, not null");
}

fn patch(before: &Value, steps: Value) -> Result<Value, WriteError> {
    patched(before, Operation::Patch(serde_json::from_value(steps).unwrap()))
}

#[test]
fn json_patches_do_what_the_standard_says() {
    for case in cases(JSON_PATCHES) {
        let patched = patch(&case["target"], case["patch"].clone());
        match case.get("result") {
            Some(result) => assert_eq!(patched.as_ref(), Ok(result), "{case}"),
            None => assert!(matches!(patched, Err(WriteError::Patch { .. })), "{case}: {patched:?}"),
        }
    }
}

#[test]
fn the_steps_of_a_json_patch_follow_one_another() {
    let before = json!({"foo": {"bar": "baz", "waldo": "fred"}, "list": ["all", "cows"], "a/b": 1, "m~n": 2});
    let after = patch(
        &before,
        json!([
            {"op": "test", "path": "/a~1b", "value": 1},
            {"op": "add", "path": "/list/1", "value": "grass"},
            {"op": "add", "path": "/list/-", "value": ["eat"]},
            {"op": "remove", "path": "/foo/bar"},
            {"op": "move", "from": "/foo/waldo", "path": "/thud"},
            {"op": "copy", "from": "/list/0", "path": "/copy"},
            {"op": "replace", "path": "/m~0n", "value": {"deep": true}}
        ]),
    );
    let expected = json!({
        "foo": {}, "list": ["all", "grass", "cows", ["eat"]], "a/b": 1, "thud": "fred", "copy": "all", "m~n": {"deep": true}
    });
    assert_eq!(after, Ok(expected));
}

#[test]
fn a_patch_that_fails_says_where_and_why() {
    let before = json!({"a": {"b": "x".repeat(100)}, "n": 1});
    let fails = |steps: Value, at: usize, expected: PatchFault| match patch(&before, steps) {
        Err(WriteError::Patch { operation, fault, .. }) => assert_eq!((operation, fault), (at, expected)),
        other => panic!("{other:?}"),
    };
    let passes = json!({"op": "test", "path": "/n", "value": 1});
    let test = |path: &str| json!({"op": "test", "path": path, "value": 2});
    fails(json!([passes, test("/n")]), 1, PatchFault::Test { found: Some("1".into()) });
    let shortened = format!("\"{}…", "x".repeat(63));
    fails(json!([test("/a/b")]), 0, PatchFault::Test { found: Some(shortened) });
    fails(json!([passes, passes, {"op": "remove", "path": "/gone"}]), 2, PatchFault::Path);
    fails(json!([{"op": "copy", "from": "/gone", "path": "/n"}]), 0, PatchFault::From);
    fails(json!([{"op": "move", "from": "/a", "path": "/a/b"}]), 0, PatchFault::IntoItself);
    let error = patch(&before, json!([test("/n")])).unwrap_err();
    assert_eq!(error.to_string(), "operation 0 of the patch at '/n': another value is there: 1");
}

#[test]
fn copies_of_copies_end_early() {
    let doubling = json!({"op": "copy", "from": "/a", "path": "/a/-"});
    let steps: Vec<Value> = (0..64).map(|_| doubling.clone()).collect();
    let error = patch(&json!({"a": ["some text"]}), Value::Array(steps)).unwrap_err();
    assert!(matches!(error, WriteError::Patch { fault: PatchFault::TooLarge, .. }), "{error}");
}

#[test]
fn a_patch_removes_no_counter() {
    let schema = super::every_kind();
    let mut document = Document::new();
    let mut write = |operation| document.write(&Signature::of(HERE, 0), Some(&schema), &[operation]);
    write(Operation::increment("/on_hand", 3).unwrap()).unwrap();
    let refused = write(Operation::MergePatch(json!({"on_hand": null}))).unwrap_err();
    assert_eq!(refused.to_string(), "/on_hand is a counter, which cannot be removed: clear it");
    assert_eq!(write(Operation::MergePatch(json!({"on_hand": 3}))), Ok(None));
    write(Operation::MergePatch(json!({"on_hand": 5, "tags": ["a"]}))).unwrap().unwrap();
    assert_eq!(document.json(), Some(json!({"on_hand": 5, "tags": ["a"]})));
}

/// A document under a schema with defaults, and what is stored of it.
fn with_defaults(
    before: &Value,
    steps: Value,
) -> Result<(Option<Value>, Option<crate::NewChange>), WriteError> {
    let schema = crate::Schema::parse(
        r#"{"x-version":1,"type":"object","properties":{"unit":{"type":"string","default":"piece"},"n":{},
            "settings":{"type":"object","properties":{"theme":{"default":"dark"},"size":{"default":1}}}}}"#,
    )
    .unwrap();
    let mut document = Document::new();
    let mut write = |operation| document.write(&Signature::of(HERE, 0), Some(&schema), &[operation]);
    write(Operation::Put(before.clone()))?;
    let change = write(Operation::Patch(serde_json::from_value(steps).unwrap()))?;
    Ok((document.json(), change))
}

#[test]
fn a_patch_sees_defaults_and_writes_what_it_changes() {
    let test = |path: &str, value: Value| json!({"op": "test", "path": path, "value": value});
    let stored = |before: Value, steps: Value| with_defaults(&before, steps).unwrap().0.unwrap();
    let (json, change) = with_defaults(&json!({"n": 1}), json!([test("/unit", json!("piece"))])).unwrap();
    assert_eq!((json, change), (Some(json!({"n": 1})), None));
    let replaced = stored(
        json!({"n": 1}),
        json!([
            test("/settings", json!({"theme": "dark", "size": 1})),
            {"op": "replace", "path": "/settings/theme", "value": "light"},
            {"op": "replace", "path": "/n", "value": 2}
        ]),
    );
    assert_eq!(replaced, json!({"n": 2, "settings": {"theme": "light"}}), "the other default is not written");
    let removed = json!([{"op": "remove", "path": "/unit"}]);
    assert_eq!(stored(json!({"n": 1}), removed.clone()), json!({"n": 1}));
    assert_eq!(stored(json!({"unit": "box"}), removed), json!({}));
    let copied = stored(json!({}), json!([{"op": "copy", "from": "/unit", "path": "/n"}]));
    assert_eq!(copied, json!({"n": "piece"}));
    let moved = stored(json!({}), json!([{"op": "add", "path": "/settings/font", "value": "x"}]));
    assert_eq!(moved, json!({"settings": {"font": "x"}}));
    let refused = with_defaults(&json!({"unit": "box"}), json!([test("/unit", json!("piece"))])).unwrap_err();
    assert!(refused.to_string().contains("another value is there"), "{refused}");
}
