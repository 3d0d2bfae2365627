use crate::schema::tests::{SHIPPED, of_field, shipped, with};
use crate::{Schema, SchemaError};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Map, Value, json};

/// The same text as a later version.
fn later(schema: &Schema, edit: impl FnOnce(&mut Value)) -> Schema {
    let mut value: Value = serde_json::from_str(schema.text()).unwrap();
    value["x-version"] = json!(schema.version() + 1);
    edit(&mut value);
    Schema::parse(&value.to_string()).unwrap()
}

/// Whether a field `f` with the later rules may follow one with the earlier.
fn field_follows(was: &Value, now: &Value) -> Result<(), SchemaError> {
    let earlier = of_field(was).unwrap();
    later(&earlier, |value| value["properties"]["f"] = now.clone()).follows(&earlier)
}

#[test]
fn a_version_follows_one_below_it_only() {
    let first = shipped("product");
    let second = later(&first, |_| {});
    assert_eq!(second.follows(&first), Ok(()));
    let refused = first.follows(&second).unwrap_err().to_string();
    assert_eq!(refused, "the schema has at '/x-version' 1, which has to be above 2, the version it replaces");
    assert_eq!(first.follows(&first), Err(SchemaError::NotNewer { version: 1, earlier: 1 }));
}

#[test]
fn every_shipped_schema_may_be_said_again() {
    for (_, text) in SHIPPED {
        let schema = Schema::parse(text).unwrap();
        assert_eq!(later(&schema, |value| value["title"] = json!("other")).follows(&schema), Ok(()));
    }
}

/// Rules of a field, from the tighter to the looser: the way back is refused at the keyword.
fn loosened() -> Vec<(Value, Value, &'static str)> {
    vec![
        (json!({"type": "integer"}), json!({"type": "number"}), "type"),
        (json!({"type": "string"}), json!({"type": ["null", "string"]}), "type"),
        (json!({"type": "string"}), json!({}), "type"),
        (json!({"minimum": 1}), json!({"minimum": 0.5}), "minimum"),
        (json!({"exclusiveMinimum": 1}), json!({"minimum": 1}), "exclusiveMinimum"),
        (json!({"minimum": 1}), json!({"exclusiveMinimum": 0}), "minimum"),
        (json!({"maximum": 1}), json!({"maximum": 2}), "maximum"),
        (json!({"exclusiveMaximum": 1}), json!({"maximum": 1}), "exclusiveMaximum"),
        (json!({"maximum": 1}), json!({}), "maximum"),
        (json!({"minLength": 2}), json!({"minLength": 1}), "minLength"),
        (json!({"maxLength": 2}), json!({"maxLength": 3}), "maxLength"),
        (json!({"minItems": 2}), json!({"minItems": 0}), "minItems"),
        (json!({"maxItems": 2}), json!({"maxItems": 3}), "maxItems"),
        (json!({"minProperties": 2}), json!({"minProperties": 1}), "minProperties"),
        (json!({"maxProperties": 2}), json!({"maxProperties": 3}), "maxProperties"),
        (json!({"enum": ["a"]}), json!({"enum": ["b", "a"]}), "enum"),
        (json!({"const": "a"}), json!({"enum": ["b", "a"]}), "const"),
        (json!({"pattern": "^a$"}), json!({}), "pattern"),
        (json!({"multipleOf": 2}), json!({}), "multipleOf"),
        (json!({"uniqueItems": true}), json!({"uniqueItems": false}), "uniqueItems"),
        (json!({"items": {"type": "integer"}}), json!({"items": {"type": "number"}}), "items/type"),
        (json!({"items": {"type": "integer"}}), json!({}), "items/type"),
        (json!({"items": false}), json!({"items": {}}), "items"),
        (json!({"additionalProperties": false}), json!({}), "additionalProperties"),
        (json!({"not": {"type": "null"}}), json!({}), "not"),
        (json!({"anyOf": [{"type": "null"}]}), json!({}), "anyOf"),
        (json!({"if": {"minimum": 1}, "then": {"maximum": 3}}), json!({"then": {"maximum": 3}}), "if"),
        (json!({"contains": {"const": 1}}), json!({"minContains": 2}), "contains"),
        (json!({"propertyNames": {"maxLength": 5}}), json!({}), "propertyNames"),
        (json!({"dependentRequired": {"a": ["b"]}}), json!({}), "dependentRequired"),
        (json!({"unevaluatedProperties": false}), json!({}), "unevaluatedProperties"),
        (json!({"required": ["a"]}), json!({}), "required"),
        (
            json!({"properties": {"a/b": {"maximum": 1}}}),
            json!({"properties": {"a/b": {}}}),
            "properties/a~1b/maximum",
        ),
    ]
}

#[test]
fn rules_are_loosened_and_not_tightened() {
    for (tighter, looser, keyword) in loosened() {
        assert_eq!(field_follows(&tighter, &tighter), Ok(()), "{tighter} stays");
        assert_eq!(field_follows(&tighter, &looser), Ok(()), "{looser} after {tighter}");
        let at = format!("/properties/f/{keyword}");
        let expected = match keyword {
            "required" => SchemaError::NewlyRequired { at, name: "a".into() },
            _ => SchemaError::Tightened { at },
        };
        assert_eq!(field_follows(&looser, &tighter), Err(expected), "{tighter} after {looser}");
    }
}

#[test]
fn rules_that_look_looser_and_are_not() {
    for (was, now, keyword) in [
        (json!({"pattern": "^a$"}), json!({"pattern": "a"}), "pattern"),
        (json!({"multipleOf": 4}), json!({"multipleOf": 2}), "multipleOf"),
        (json!({"contains": {"const": 1}, "minContains": 0}), json!({"contains": {"const": 1}}), "contains"),
        (json!({"prefixItems": [{}], "items": false}), json!({"items": false}), "prefixItems"),
        (
            json!({"patternProperties": {"^a": {}}, "additionalProperties": false}),
            json!({"additionalProperties": false}),
            "patternProperties",
        ),
        (
            json!({"if": {"minimum": 1}, "else": {"maximum": 0}}),
            json!({"if": {"minimum": 2}, "else": {"maximum": 0}}),
            "if",
        ),
        (
            json!({"unevaluatedProperties": false, "anyOf": [{"properties": {"a": true}}]}),
            json!({"unevaluatedProperties": false}),
            "unevaluatedProperties",
        ),
        (
            json!({"minimum": 9_007_199_254_740_993_u64}),
            json!({"minimum": 9_007_199_254_740_992.5}),
            "minimum",
        ),
        (
            json!({"required": ["a"]}),
            json!({"required": ["a"], "properties": {"a": {"type": "string"}}}),
            "properties/a",
        ),
        (
            json!({"patternProperties": {"^a": {}}}),
            json!({"patternProperties": {"^a": {}}, "properties": {"ab": {}}}),
            "properties/ab",
        ),
    ] {
        let at = format!("/properties/f/{keyword}");
        assert_eq!(field_follows(&was, &now), Err(SchemaError::Tightened { at }), "{now} after {was}");
    }
}

#[test]
fn a_field_keeps_its_type() {
    let fields = [
        json!({"type": "integer"}),
        json!({"type": "integer", "x-crdt": "counter"}),
        json!({"type": "integer", "x-crdt": "bounded-counter", "minimum": 0}),
    ];
    for (index, was) in fields.iter().enumerate() {
        for (other, now) in fields.iter().enumerate() {
            let is_refused = matches!(field_follows(was, now), Err(SchemaError::CrdtChanged { .. }));
            assert_eq!(is_refused, index != other, "{now} after {was}");
        }
    }
    let refused = field_follows(&fields[0], &fields[1]).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the schema has at '/properties/f' a counter that was a register: a field keeps its type, add a field of \
         another name"
    );
    let lower = json!({"type": "integer", "x-crdt": "bounded-counter", "minimum": -5});
    let refused = field_follows(&fields[2], &lower).unwrap_err();
    assert_eq!(refused, SchemaError::Tightened { at: "/properties/f/minimum".into() });
    let of_any = |field: &Value| json!({"type": "object", "additionalProperties": field});
    assert!(matches!(
        field_follows(&of_any(&fields[1]), &of_any(&fields[0])),
        Err(SchemaError::CrdtChanged { at, .. }) if at == "/properties/f/additionalProperties"
    ));
    let mut named = of_any(&fields[1]);
    named["properties"] = json!({"a": fields[0]});
    assert!(matches!(
        field_follows(&of_any(&fields[1]), &named),
        Err(SchemaError::CrdtChanged { at, .. }) if at == "/properties/f/properties/a"
    ));
    named["properties"] = json!({"a": fields[1]});
    assert_eq!(field_follows(&of_any(&fields[1]), &named), Ok(()));
}

#[test]
fn fields_are_added_and_not_taken_away() {
    let first = shipped("inventory");
    let add = |field: Value, required: &[&str]| {
        let second = later(&first, |value| {
            value["properties"]["new"] = field;
            value["required"] = json!(required);
        });
        second.follows(&first)
    };
    assert_eq!(add(json!({"type": "integer", "x-crdt": "counter", "x-index": true}), &[]), Ok(()));
    assert_eq!(add(json!({"type": "integer", "default": 5}), &["new"]), Ok(()));
    let inside = json!({"type": "object", "properties": {"a": {"default": 5}}, "required": ["a"]});
    assert_eq!(add(inside, &["new"]), Ok(()));
    for (required, name) in [(["new"], "new"), (["shelf"], "shelf")] {
        let refused = add(json!({"type": "integer"}), &required).unwrap_err().to_string();
        let why = format!(
            "requires at '/required' the field '{name}', which earlier documents lack: give it a default"
        );
        assert_eq!(refused, format!("the schema {why}"));
    }
    let without = later(&first, |value| drop(value["properties"].as_object_mut().unwrap().remove("shelf")));
    let refused = without.follows(&first).unwrap_err().to_string();
    assert_eq!(refused, "the schema lacks at '/properties/shelf' a field of the earlier version: keep it");
    let any = with(json!({"additionalProperties": {"type": "string"}})).unwrap();
    let closed = later(&any, |value| drop(value.as_object_mut().unwrap().remove("additionalProperties")));
    assert_eq!(closed.follows(&any), Err(SchemaError::FieldRemoved { at: "/additionalProperties".into() }));
}

#[test]
fn defaults_change_where_no_rule_rests_on_them() {
    let changed = Err(SchemaError::DefaultChanged { at: "/properties/f/default".into() });
    assert_eq!(field_follows(&json!({"default": 1}), &json!({"default": 2})), Ok(()));
    assert_eq!(field_follows(&json!({}), &json!({"default": 2})), Ok(()));
    assert_eq!(field_follows(&json!({"default": 1}), &json!({})), changed);
    let whole = |field: Value| json!({"properties": {"f": field}, "not": {"required": ["f", "g"]}});
    let earlier = with(whole(json!({}))).unwrap();
    let second = later(&earlier, |value| value["properties"]["f"] = json!({"default": 1}));
    assert_eq!(second.follows(&earlier), changed);
    let second = later(&earlier, |value| value["properties"]["h"] = json!({"default": 1}));
    assert_eq!(second.follows(&earlier), Err(SchemaError::DefaultChanged { at: "/properties/h".into() }));
}

#[test]
fn a_rule_may_move_into_a_definition() {
    let earlier = with(json!({
        "properties": {"f": {"type": "integer", "x-crdt": "counter", "maximum": 9}},
        "anyOf": [{"required": ["f"]}, {"required": ["g"]}],
    }))
    .unwrap();
    let second = later(&earlier, |value| {
        value["$defs"] = json!({"count": {"type": "integer", "x-crdt": "counter", "maximum": 9}, "g": {"required": ["g"]}});
        value["properties"]["f"] = json!({"$ref": "#/$defs/count"});
        value["anyOf"][1] = json!({"$ref": "#/$defs/g"});
    });
    assert_eq!(second.follows(&earlier), Ok(()));
    let third = later(&second, |value| value["$defs"]["count"]["maximum"] = json!(8));
    assert_eq!(third.follows(&second), Err(SchemaError::Tightened { at: "/$defs/count/maximum".into() }));
}

/// A second version of each shipped schema, as somebody may come to write it.
fn second_versions() -> [(Schema, Schema); 5] {
    let version = |collection: &str, edit: fn(&mut Value)| {
        let first = shipped(collection);
        let second = later(&first, edit);
        (first, second)
    };
    [
        version("inventory", |value| {
            value["properties"]["stock_by_shelf"] = json!({"type": "object",
                "additionalProperties": {"type": "integer", "x-crdt": "counter"}});
            value["properties"]["price_override"]["type"] = json!(["number", "null"]);
            value["properties"]["counted"] = json!({"type": "boolean", "default": false});
            value["required"] = json!(["counted"]);
        }),
        version("product", |value| {
            value["properties"]["price"].as_object_mut().unwrap().remove("minimum");
            value["properties"]["size"]["x-index"] = json!(true);
            value["properties"]["names"] = json!({"type": "object", "x-crdt": "map"});
        }),
        version("device", |value| {
            value["properties"]["last_seen"]["minimum"] = json!(-1);
            value["properties"]["net"] = json!({"type": "object", "required": ["mode"],
                "properties": {"mode": {"type": "string", "default": "wired"}}});
        }),
        version("basket", |value| {
            value["properties"]["state"]["enum"] = json!(["open", "paid", "parked", "cancelled"]);
            value["properties"]["customer"] = json!({"type": "string"});
            value["$defs"]["line"]["required"] = json!(["product", "price"]);
            value["$defs"]["line"]["properties"]["serial"] = json!({"type": "string"});
        }),
        version("note", |value| {
            value["properties"]["title"]["default"] = json!("");
            value["properties"]["tags"]["items"]["minLength"] = json!(0);
        }),
    ]
}

#[test]
fn the_second_versions_follow_and_the_first_do_not_follow_them() {
    for (first, second) in second_versions() {
        assert_eq!(second.follows(&first), Ok(()), "{second:?}");
        let back = later(&first, |value| value["x-version"] = json!(3));
        assert!(back.follows(&second).is_err(), "{second:?}");
    }
}

/// A value of about the right shape for a subschema of a shipped schema.
fn value_for(root: &Value, schema: &Value) -> BoxedStrategy<Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return value_for(root, root.pointer(reference.trim_start_matches('#')).unwrap());
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return proptest::sample::select(values.clone()).boxed();
    }
    match schema["type"].as_str() {
        Some("string") => "[a-zé]{0,3}".prop_map(Value::from).boxed(),
        Some("integer") => (-3..100_i64).prop_map(Value::from).boxed(),
        Some("number") => (-3..100_i32).prop_map(|n| json!(f64::from(n) / 2.0)).boxed(),
        Some("array") => {
            proptest::collection::vec(value_for(root, &schema["items"]), 0..3).prop_map(Value::from).boxed()
        }
        Some("object") => {
            let strange = proptest::option::weighted(0.2, Just(json!({"b": [null]})).boxed());
            let mut members: Vec<(String, BoxedStrategy<Option<Value>>)> =
                vec![("strange".into(), strange.boxed())];
            for (name, member) in schema["properties"].as_object().into_iter().flatten() {
                let member = proptest::option::weighted(0.8, value_for(root, member));
                members.push((name.clone(), member.boxed()));
            }
            let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            let object = move |values: Vec<Option<Value>>| -> Map<String, Value> {
                names.iter().cloned().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
            };
            values.prop_map(move |values| Value::Object(object(values))).boxed()
        }
        other => panic!("{other:?} of {schema}"),
    }
}

fn documents() -> impl Strategy<Value = (Schema, Schema, Value)> {
    proptest::sample::select(second_versions().to_vec()).prop_flat_map(|(first, second)| {
        let root: Value = serde_json::from_str(first.text()).unwrap();
        value_for(&root, &root).prop_map(move |document| (first.clone(), second.clone(), document))
    })
}

#[test]
fn documents_for_the_property_below_are_valid_often_enough() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let valid = (0..500).filter(|_| {
        let (first, _, document) = documents().new_tree(&mut runner).unwrap().current();
        first.violations(&document).is_empty()
    });
    assert!((100..450).contains(&valid.count()));
}

proptest! {
    #[test]
    fn what_is_valid_stays_valid((first, second, document) in documents()) {
        let violations = second.violations(&document);
        prop_assert!(violations.is_empty() || !first.violations(&document).is_empty(), "{violations:?} in {document}");
    }

    /// The other direction: a replica of the first version shows what the second one adds, and finds nothing wrong in it.
    #[test]
    fn the_first_version_lets_new_fields_be((first, second, document) in documents()) {
        let mut newer = document.clone();
        second.fill_defaults(&mut newer);
        newer["net"] = json!({"mode": 5});
        newer["stock_by_shelf"] = json!({"A": 3});
        if let Some(line) = newer.pointer_mut("/lines/0").and_then(Value::as_object_mut) {
            line.insert("serial".into(), json!(5));
        }
        prop_assert_eq!(first.violations(&newer), first.violations(&document));
        let mut shown = newer.clone();
        first.fill_defaults(&mut shown);
        prop_assert!(newer.as_object().unwrap().iter().all(|(key, value)| &shown[key] == value));
    }
}

/// The rules of one field in two versions: some tightened, some loosened, some taken away, some added.
fn two_rules() -> impl Strategy<Value = (Value, Value)> {
    let piece = (proptest::sample::select(loosened()), 0..3_u8, 0..3_u8).prop_map(
        |((tighter, looser, _), was, now)| {
            let version = |choice| match choice {
                0 => tighter.clone(),
                1 => looser.clone(),
                _ => json!({}),
            };
            (version(was), version(now))
        },
    );
    let join = |pieces: Vec<Value>| -> Value {
        let members = pieces.iter().filter_map(Value::as_object).flatten();
        members.map(|(keyword, value)| (keyword.clone(), value.clone())).collect()
    };
    proptest::collection::vec(piece, 1..4).prop_map(move |pieces| {
        let (was, now) = pieces.into_iter().unzip();
        (join(was), join(now))
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(json!(null)),
        (-1..4_i32).prop_map(|n| json!(n)),
        Just(json!(0.75)),
        "[ab]{0,4}".prop_map(Value::from),
    ];
    scalar.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(
                proptest::sample::select(vec!["a", "b", "a/b", "longer"]),
                inner,
                0..4
            )
            .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// What two versions say of a value, where the later one follows the earlier.
fn judged((was, now): &(Value, Value), value: &Value) -> Option<(bool, bool)> {
    let (earlier, second) = (of_field(was).ok()?, of_field(now).ok()?);
    // A member that was open to any gets rules when it is named.
    let names = now.get("properties").is_some() && was.get("properties").is_none();
    if names || field_follows(was, now).is_err() {
        return None;
    }
    let document = json!({ "f": value });
    Some((earlier.violations(&document).is_empty(), second.violations(&document).is_empty()))
}

#[test]
fn rules_for_the_property_below_follow_often_enough() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts = [0; 4];
    for _ in 0..1_000 {
        let rules = two_rules().new_tree(&mut runner).unwrap().current();
        let value = any_value().new_tree(&mut runner).unwrap().current();
        counts[match judged(&rules, &value) {
            None => 0,
            Some((true, _)) => 1,
            Some((false, false)) => 2,
            Some((false, true)) => 3,
        }] += 1;
    }
    assert!(counts.iter().all(|count| *count >= 20), "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever is said to follow allows all that was allowed; the library that checks values is the judge.
    #[test]
    fn no_version_that_follows_forbids_more(
        rules in two_rules(),
        values in proptest::collection::vec(any_value(), 10),
    ) {
        for value in &values {
            prop_assert_ne!(judged(&rules, value), Some((true, false)), "{} under {:?}", value, rules);
        }
    }
}
