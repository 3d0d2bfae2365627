//! Foolish and hostile schemas end early.

use super::*;
use crate::{DEPTH_MAX, SCHEMA_BYTES_MAX, SUBSCHEMAS_MAX};

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({"type": "object", "properties": {"n": inner}}))
}

#[test]
fn a_schema_has_a_length() {
    let text = |bytes: usize| {
        let start = r#"{"x-version":1,"type":"object","title":""#;
        format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
    };
    assert!(Schema::parse(&text(SCHEMA_BYTES_MAX)).is_ok());
    let refused = Schema::parse(&text(SCHEMA_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(refused.to_string(), "a schema may have 65536 bytes, this one has 65537");
}

#[test]
fn a_schema_has_a_depth() {
    assert!(with(nested(DEPTH_MAX)).is_ok());
    let refused = with(nested(DEPTH_MAX + 1)).unwrap_err();
    let at = "/properties/n".repeat(DEPTH_MAX + 1);
    assert_eq!(refused.to_string(), format!("the schema is nested deeper than 32 at '{at}': flatten it"));
    let text = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(Schema::parse(&text).unwrap_err(), SchemaError::NotJson { line: 1, column: 128 });
}

#[test]
fn references_do_not_multiply() {
    // Each definition has the one below it twice: 2^20 subschemas in 2 KB.
    let mut definitions: serde_json::Map<_, _> = (1..=20)
        .map(|level: u32| {
            let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
            (format!("d{level}"), json!({"allOf": [below, below]}))
        })
        .collect();
    definitions.insert("d0".into(), json!({"type": "string"}));
    let refused =
        with(json!({"$defs": definitions, "properties": {"f": {"$ref": "#/$defs/d20"}}})).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the schema has more than 1024 fields and rules, references followed: split the collection"
    );
    let fields =
        |count: usize| (0..count).map(|n| (n.to_string(), json!({}))).collect::<serde_json::Map<_, _>>();
    assert!(with(json!({"properties": fields(SUBSCHEMAS_MAX - 1)})).is_ok());
    assert_eq!(with(json!({"properties": fields(SUBSCHEMAS_MAX)})), Err(SchemaError::TooManySubschemas));
}

#[test]
fn a_pattern_that_can_hang_is_refused() {
    for (pattern, place) in [
        (r"^(a+)\1$", json!({"pattern": r"^(a+)\1$"})),
        (r"^(?=.*b)", json!({"patternProperties": {r"^(?=.*b)": {}}})),
        (r"(?<!a)b", json!({"propertyNames": {"pattern": r"(?<!a)b"}})),
        ("(((a{100}){100}){100})", json!({"pattern": "(((a{100}){100}){100})"})),
    ] {
        let refused = of_field(&place).unwrap_err();
        assert!(
            matches!(&refused, SchemaError::NotJsonSchema { at, .. } if at.starts_with("/properties/f")),
            "{pattern}: {refused}"
        );
    }
}

#[test]
fn a_pattern_takes_time_in_proportion_to_the_text() {
    // An engine that backtracks would try 2^60,000 ways.
    let schema = of_field(&json!({"type": "string", "pattern": "^(a|a)*$"})).unwrap();
    assert_eq!(schema.violations(&json!({"f": "a".repeat(60_000)})), []);
    assert_eq!(schema.violations(&json!({"f": "a".repeat(60_000) + "b"})).len(), 1);
}
