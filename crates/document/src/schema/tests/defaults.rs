use super::*;
use proptest::prelude::*;

fn filled(schema: &Schema, mut document: Value) -> Value {
    schema.fill_defaults(&mut document);
    document
}

fn nested() -> Schema {
    with(json!({
        "properties": {
            "state": {"type": "string", "default": "open"},
            "sizes": {"type": "array", "default": [1, 2]},
            "a/b": {"type": "object", "properties": {
                "deep": {"type": "object", "properties": {"+n": {"type": ["integer", "null"], "default": 7}}},
                "name": {"type": "string"},
            }},
            "plain": {"type": "object", "properties": {"name": {"type": "string"}}},
            "slots": {"additionalProperties": {"type": "object", "properties": {"lit": {"default": true}}}},
        },
    }))
    .unwrap()
}

#[test]
fn what_is_missing_is_supplied_and_what_is_there_stays() {
    let (schema, deep) = (nested(), json!({"deep": {"+n": 7}}));
    assert_eq!(filled(&schema, json!({})), json!({"state": "open", "sizes": [1, 2], "a/b": deep}));
    let written =
        json!({"state": "shut", "sizes": [], "a/b": {"deep": {"+n": null}, "name": "x"}, "more": {}});
    assert_eq!(filled(&schema, written.clone()), written);
    let partly = json!({"state": null, "sizes": 5, "a/b": {"name": "x"}});
    let expected = json!({"state": null, "sizes": 5, "a/b": {"name": "x", "deep": {"+n": 7}}});
    assert_eq!(filled(&schema, partly), expected);
    let scalar = json!({"state": "open", "sizes": [], "a/b": 5});
    assert_eq!(filled(&schema, scalar.clone()), scalar, "a value that is no object gets no members");
}

#[test]
fn members_without_a_name_get_defaults_inside() {
    let schema = nested();
    let document = json!({"slots": {"1": {}, "2": {"lit": false}, "+3": {}, "4": 5}});
    let slots = json!({"1": {"lit": true}, "2": {"lit": false}, "+3": {"lit": true}, "4": 5});
    assert_eq!(filled(&schema, document)["slots"], slots);
}

#[test]
fn a_default_counts_as_there() {
    let schema = with(json!({
        "required": ["state", "name"],
        "properties": {"state": {"type": "string", "default": "open"}, "name": {"type": "string"}},
        "if": {"properties": {"state": {"const": "open"}}, "required": ["state"]},
        "then": {"required": ["till"]},
    }))
    .unwrap();
    let missing = |document| {
        schema.violations(&document).into_iter().map(|violation| violation.field).collect::<Vec<_>>()
    };
    assert_eq!(missing(json!({"name": "x", "till": 1})), [""; 0]);
    assert_eq!(missing(json!({"name": "x"})), ["/till"]);
    assert_eq!(missing(json!({"name": "x", "state": "shut"})), [""; 0]);
    assert_eq!(missing(json!({"till": 1})), ["/name"]);
}

fn documents() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![Just(json!(null)), Just(json!("x")), Just(json!(5)), Just(json!([1]))];
    let keys = proptest::sample::select(vec!["state", "sizes", "a/b", "deep", "+n", "slots", "lit", "plain"]);
    let object = |members| {
        proptest::collection::btree_map(keys.clone(), members, 0..5)
            .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let inner = object(scalar.clone().boxed()).boxed();
    let middle = object(prop_oneof![scalar.clone(), inner].boxed()).boxed();
    object(prop_oneof![scalar, middle].boxed())
}

/// Every leaf by the keys that lead to it; an empty object is a leaf.
fn leaves(value: &Value, place: &[String], into: &mut Vec<(Vec<String>, Value)>) {
    match value.as_object().filter(|members| !members.is_empty()) {
        None => into.push((place.to_vec(), value.clone())),
        Some(members) => members
            .iter()
            .for_each(|(key, value)| leaves(value, &[place, std::slice::from_ref(key)].concat(), into)),
    }
}

proptest! {
    /// Against a model that knows the defaults as places with values: nothing that is there changes, what is added is
    /// the default of its place, and nothing is left to add.
    #[test]
    fn only_defaults_are_added(document in documents()) {
        let schema = nested();
        let result = filled(&schema, document.clone());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves(&document, &[], &mut before);
        leaves(&result, &[], &mut after);
        for (place, leaf) in &before {
            let is_kept = after.contains(&(place.clone(), leaf.clone()));
            let is_empty = leaf.as_object().is_some();
            prop_assert!(is_kept || is_empty, "{place:?} of {document} in {result}");
        }
        for (place, leaf) in after.iter().filter(|leaf| !before.contains(leaf)) {
            let default = match place.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["state"] => json!("open"),
                ["sizes"] => json!([1, 2]),
                ["a/b", "deep", "+n"] => json!(7),
                ["slots", _, "lit"] => json!(true),
                _ => return Err(TestCaseError::fail(format!("{place:?} was added"))),
            };
            prop_assert_eq!(leaf, &default);
        }
        prop_assert_eq!(filled(&schema, result.clone()), result);
        prop_assert_eq!(crate::schema::defaults::lacks(&schema.0.fields.root, &document), document != filled(&schema, document.clone()));
    }
}
