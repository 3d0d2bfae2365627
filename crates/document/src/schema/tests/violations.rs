use super::*;
use crate::VIOLATIONS_MAX;
use proptest::prelude::*;

/// Violations as they are shown, in order.
fn shown(schema: &Schema, document: &Value) -> Vec<String> {
    schema.violations(document).iter().map(Violation::to_string).collect()
}

#[test]
fn all_violations_are_told_in_order() {
    let document =
        json!({"on_hand": "many", "sellable": -3, "price_override": -0.5, "shelf": 7, "product": "x"});
    let expected = [
        r#"/on_hand: "many" is not of type "integer" (rule /properties/on_hand/type)"#,
        "/price_override: -0.5 is less than the minimum of 0 (rule /properties/price_override/minimum)",
        "/sellable: -3 is less than the minimum of 0 (rule /properties/sellable/minimum)",
        r#"/shelf: 7 is not of type "string" (rule /properties/shelf/type)"#,
    ];
    assert_eq!(shown(&shipped("inventory"), &document), expected);
}

#[test]
fn a_rule_behind_a_reference_is_named_where_it_is_written() {
    let document = json!({
        "state": "paid", "totals": {"units": "3"},
        "lines": [{"product": "1", "quantity": 2, "price": 1.5}, {"product": 1, "price": -1}],
    });
    let expected = [
        "/closed_ms: is required and missing (rule /then/required)",
        "/lines/1/price: -1 is less than the minimum of 0 (rule /$defs/line/properties/price/minimum)",
        r#"/lines/1/product: 1 is not of type "string" (rule /$defs/line/properties/product/type)"#,
        "/lines/1/quantity: is required and missing (rule /$defs/line/required)",
        "/totals/sum: is required and missing (rule /$defs/totals/required)",
        r#"/totals/units: "3" is not of type "number" (rule /$defs/totals/properties/units/type)"#,
    ];
    assert_eq!(shown(&shipped("basket"), &document), expected);
}

#[test]
fn each_forbidden_field_is_a_violation() {
    let schema = with(json!({"additionalProperties": false, "properties": {"a": {}}})).unwrap();
    let expected = [
        "/+x: 3 is not allowed: the schema does not name it (rule /additionalProperties)",
        "/b~1c: 2 is not allowed: the schema does not name it (rule /additionalProperties)",
    ];
    assert_eq!(shown(&schema, &json!({"a": 1, "b/c": 2, "+x": 3})), expected);
    let document = json!([1]);
    let not_object = shown(&schema, &document);
    assert_eq!(not_object, [r#"the document: [1] is not of type "object" (rule /type)"#]);
}

/// Whether documents with this field, both invalid, may follow each other.
#[track_caller]
fn follow(rules: &Value, before: &Value, now: &Value, is_worse: bool) {
    let schema = of_field(rules).unwrap();
    let [before, now] = [before, now].map(|value| json!({"f": value, "other": value}));
    assert!(!schema.violations(&before).is_empty() && !schema.violations(&now).is_empty(), "{before} {now}");
    assert_eq!(!schema.new_violations(&now, &before).is_empty(), is_worse, "{rules}: {before}, {now}");
}

#[test]
fn what_breaks_a_rule_may_come_nearer_and_not_go_further() {
    let (most, least) = (json!({"maximum": 10}), json!({"exclusiveMinimum": 10}));
    for (far, near) in [(20, 15), (16, 15)] {
        follow(&most, &json!(far), &json!(near), false);
        follow(&most, &json!(near), &json!(far), true);
        follow(&least, &json!(-far), &json!(-near), false);
        follow(&least, &json!(-near), &json!(-far), true);
    }
    follow(&most, &json!(u64::MAX - 1), &json!(u64::MAX), true);
    follow(&most, &json!(11), &json!(11), false);
    let length = json!({"maxLength": 3});
    for (now, is_worse) in [("abcde", false), ("abcdéf", false), ("abcdef!", true), ("abcdeg", true)] {
        follow(&length, &json!("abcdéf"), &json!(now), is_worse);
    }
    let kind = json!({"type": "string", "enum": ["a"]});
    for (now, is_worse) in [(json!(5), false), (json!(4), true), (json!([5]), true)] {
        follow(&kind, &json!(5), &now, is_worse);
    }
    let items = json!({"maxItems": 1, "items": {"maximum": 10}});
    for (now, is_worse) in [
        (json!([1, 20, 3]), false),
        (json!([1, 20]), false),
        (json!([20, 1, 3]), false),
        (json!([1, 19, 2]), false),
        (json!([20]), false),
        (json!([20, 20]), true),
        (json!([1, 20, 2, 3]), true),
        (json!([1, 21, 2]), true),
    ] {
        follow(&items, &json!([1, 20, 2]), &now, is_worse);
    }
}

#[test]
fn what_is_long_is_cut() {
    let schema = with(json!({"properties": {"f": {"maxLength": 3}}, "anyOf": [{"required": ["g"]}, {"const": "é".repeat(900)}],
        "not": {"const": {"f": "x".repeat(2_000)}}})).unwrap();
    let document = json!({"f": "é".repeat(1_000)});
    let cut = |quote: &str, chars: usize| format!("{quote}{}…", "é".repeat(chars));
    let expected = [
        format!(
            "the document: {} is not valid under any of the schemas listed in the 'anyOf' keyword (rule /anyOf)",
            cut("{\"f\":\"", 58)
        ),
        format!("/f: {} is longer than 3 characters (rule /properties/f/maxLength)", cut("\"", 63)),
    ];
    assert_eq!(shown(&schema, &document), expected);
    let long = schema.violations(&json!({"f": "x".repeat(2_000)}));
    assert_eq!(long.len(), 3);
    assert!(long.iter().all(|violation| violation.message.chars().count() <= 257), "{long:?}");
}

#[test]
fn no_more_than_a_hundred_are_told_and_always_the_first() {
    let schema = with(json!({"additionalProperties": {"type": "string"}})).unwrap();
    let document: Value =
        (1_000..5_000).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
    let violations = schema.violations(&document);
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.clone()).collect();
    assert_eq!(fields, (1_000..1_000 + VIOLATIONS_MAX).map(|n| format!("/{n}")).collect::<Vec<_>>());
}

#[test]
fn formats_are_for_people() {
    let schema = of_field(&json!({"type": "string", "format": "email"})).unwrap();
    assert_eq!(shown(&schema, &json!({"f": "nobody"})), [""; 0]);
}

#[test]
fn numbers_at_their_limits_are_exact() {
    let schema = of_field(&json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX})).unwrap();
    for (number, count) in [
        (json!(i64::MAX), 0),
        (json!(i64::MIN), 0),
        (json!(i64::MAX as u64 + 1), 1),
        (json!(1.0), 0),
        (json!(1.5), 1),
    ] {
        assert_eq!(schema.violations(&json!({"f": number})).len(), count, "{number}");
    }
}

/// The rules of an inventory document, written by hand.
fn model(document: &serde_json::Map<String, Value>) -> Vec<String> {
    let is_whole = |value: &Value| value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let is_kept = |name: &str, value: &Value| match name {
        "product" | "shelf" => value.is_string(),
        "on_hand" => is_whole(value),
        "sellable" => is_whole(value) && value.as_f64() >= Some(0.0),
        "price_override" => value.as_f64() >= Some(0.0),
        "attributes" => value.is_object(),
        _ => true,
    };
    document
        .iter()
        .filter(|(name, value)| !is_kept(name, value))
        .map(|(name, _)| format!("/{name}"))
        .collect()
}

proptest! {
    #[test]
    fn inventory_documents_are_judged_as_by_hand(document in proptest::collection::btree_map(
        proptest::sample::select(vec!["product", "shelf", "on_hand", "sellable", "price_override", "attributes", "other"]),
        prop_oneof![
            Just(json!(null)), Just(json!("x")), Just(json!({})), Just(json!({"a": 1})), Just(json!([])),
            any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from), Just(json!(2.0)), Just(json!(true)),
        ], 0..7)
    ) {
        let document: serde_json::Map<_, _> = document.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut fields: Vec<_> = shipped("inventory").violations(&Value::Object(document.clone()))
            .into_iter().map(|violation| violation.field).collect();
        fields.dedup();
        prop_assert_eq!(fields, model(&document));
    }
}
