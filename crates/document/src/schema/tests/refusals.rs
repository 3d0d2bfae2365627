//! Each refusal, word by word.

use super::*;

#[track_caller]
fn refused(schema: Result<Schema, SchemaError>, why: &str) {
    assert_eq!(schema.unwrap_err().to_string(), why);
}

/// The field `f` is refused.
#[expect(clippy::needless_pass_by_value, reason = "written out at each call")]
#[track_caller]
fn field_refused(field: Value, why: &str) {
    refused(of_field(&field), why);
}

#[test]
fn what_is_no_schema() {
    refused(Schema::parse("{"), "the schema is not JSON: line 1, column 1");
    let texts = [
        (r#"{"type":"object"}"#, "'/x-version' something else than a version from 1"),
        (r#"{"x-version":0,"type":"object"}"#, "'/x-version' something else than a version from 1"),
        (r#"{"x-version":4294967296,"type":"object"}"#, "'/x-version' something else than a version from 1"),
        (r#"{"x-version":1,"type":"array"}"#, r#"'/type' something else than "object""#),
        (
            r#"{"x-version":1,"type":"object","$schema":"http://json-schema.org/draft-07/schema#"}"#,
            r#"'/$schema' something else than "https://json-schema.org/draft/2020-12/schema""#,
        ),
        ("[]", "'/x-version' something else than a version from 1"),
    ];
    for (text, why) in texts {
        refused(Schema::parse(text), &format!("the schema has at {why}"));
    }
}

#[test]
fn what_json_schema_does_not_allow() {
    field_refused(
        json!({"type": "whole"}),
        "the schema has at '/properties/f/type' what JSON Schema 2020-12 does not allow: \"whole\" is not valid under any \
         of the schemas listed in the 'anyOf' keyword",
    );
    field_refused(
        json!({"minLength": -1}),
        "the schema has at '/properties/f/minLength' what JSON Schema 2020-12 does not allow: -1 is less than the \
         minimum of 0",
    );
    refused(
        with(json!({"properties": 5})),
        "the schema has at '/properties' what JSON Schema 2020-12 does not allow: 5 is not of type \"object\"",
    );
}

#[test]
fn names_that_are_not_known() {
    let nested = |field| with(json!({"properties": {"a": {"type": "object", "properties": {"b/c": field}}}}));
    refused(
        nested(json!({"x-crdt": "sum"})),
        "the schema has at '/properties/a/properties/b~1c/x-crdt' the field type 'sum'; known are register, counter, \
         bounded-counter, set, map, list, text",
    );
    refused(
        nested(json!({"x-crdt": 5})),
        "the schema has at '/properties/a/properties/b~1c/x-crdt' the field type '5'; known are register, counter, \
         bounded-counter, set, map, list, text",
    );
    for (keyword, nearest) in
        [("x-ctrd", "x-crdt"), ("x-indexed", "x-index"), ("x-verison", "x-version"), ("X-Crdt", "x-crdt")]
    {
        let why = format!(
            "the schema has at '/properties/f/{keyword}' an unknown keyword; the nearest known one is '{nearest}'"
        );
        field_refused(json!({ keyword: true }), &why);
    }
    refused(
        with(json!({"$defs": {"d": {"items": {"x_crdt": "set"}}}})),
        "the schema has at '/$defs/d/items/x_crdt' an unknown keyword; the nearest known one is 'x-crdt'",
    );
}

#[test]
fn field_types_that_do_not_fit() {
    let needs =
        |crdt: &str, needs: &str| format!("the schema has at '/properties/f' a {crdt}, which needs {needs}");
    let cases = [
        (json!({"x-crdt": "counter"}), "counter", r#"the type "integer""#),
        (json!({"x-crdt": "counter", "type": "number"}), "counter", r#"the type "integer""#),
        (json!({"x-crdt": "counter", "type": ["integer", "null"]}), "counter", r#"the type "integer""#),
        (
            json!({"x-crdt": "bounded-counter", "type": "string", "minimum": 0}),
            "bounded-counter",
            r#"the type "integer""#,
        ),
        (
            json!({"x-crdt": "bounded-counter", "type": "integer"}),
            "bounded-counter",
            "a minimum of a whole number of 64 bits: its bound",
        ),
        (
            json!({"x-crdt": "bounded-counter", "type": "integer", "minimum": 0.5}),
            "bounded-counter",
            "a minimum of a whole number of 64 bits: its bound",
        ),
        (json!({"x-crdt": "set", "type": "array"}), "set", r#"the type "array" and items of scalar types"#),
        (
            json!({"x-crdt": "set", "type": "array", "items": {"type": ["string", "object"]}}),
            "set",
            r#"the type "array" and items of scalar types"#,
        ),
        (
            json!({"x-crdt": "set", "type": "string", "items": {"type": "string"}}),
            "set",
            r#"the type "array" and items of scalar types"#,
        ),
        (
            json!({"x-crdt": "set", "type": "array", "items": {"type": "null"}, "prefixItems": [{}]}),
            "set",
            r#"the type "array" and items of scalar types"#,
        ),
        (json!({"x-crdt": "map", "type": "array"}), "map", r#"the type "object""#),
        (json!({"x-crdt": "list", "type": "object"}), "list", r#"the type "array""#),
        (json!({"x-crdt": "text", "type": "integer"}), "text", r#"the type "string""#),
    ];
    for (field, crdt, what) in cases {
        field_refused(field, &needs(crdt, what));
    }
    refused(
        with(json!({"x-crdt": "text"})),
        "the schema has at '' a text, which needs a field: a document is a map",
    );
    assert!(with(json!({"x-crdt": "map"})).is_ok());
}

#[test]
fn keywords_of_a_field_where_none_is() {
    let counter = json!({"type": "integer", "x-crdt": "counter"});
    let cases = [
        (json!({"type": "array", "items": counter}), "x-crdt", "items/x-crdt"),
        (
            json!({"type": "array", "x-crdt": "list", "items": {"properties": {"n": counter}}}),
            "x-crdt",
            "items/properties/n/x-crdt",
        ),
        (
            json!({"type": "array", "x-crdt": "set", "items": {"type": "string", "x-crdt": "text"}}),
            "x-crdt",
            "items/x-crdt",
        ),
        (json!({"anyOf": [{}, {"properties": {"n": counter}}]}), "x-crdt", "anyOf/1/properties/n/x-crdt"),
        (json!({"patternProperties": {"^n": counter}}), "x-crdt", "patternProperties/^n/x-crdt"),
        (json!({"if": {"default": 5}}), "default", "if/default"),
        (json!({"items": {"type": "string", "x-index": true}}), "x-index", "items/x-index"),
        (
            json!({"type": "string", "x-crdt": "text", "properties": {"n": counter}}),
            "x-crdt",
            "properties/n/x-crdt",
        ),
    ];
    for (field, keyword, place) in cases {
        let why = format!(
            "the schema has {keyword} at '/properties/f/{place}', which is no field: it belongs to a member of \
             properties or to additionalProperties, and neither in an array nor under a condition"
        );
        field_refused(field, &why);
    }
    let behind = with(json!({
        "properties": {"f": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
        "$defs": {"line": {"properties": {"n": counter}}},
    }));
    assert!(
        matches!(behind, Err(SchemaError::Misplaced { at, .. }) if at == "/$defs/line/properties/n/x-crdt")
    );
}

#[test]
fn rules_that_no_value_keeps() {
    let ranges = [
        ("minimum", json!(5), "maximum", json!(4.5)),
        ("minimum", json!(5), "exclusiveMaximum", json!(5)),
        ("exclusiveMinimum", json!(0), "maximum", json!(0)),
        ("exclusiveMinimum", json!(1), "exclusiveMaximum", json!(1.0)),
        ("minLength", json!(3), "maxLength", json!(2)),
        ("minItems", json!(1), "maxItems", json!(0)),
        ("minProperties", json!(9), "maxProperties", json!(8)),
        ("minContains", json!(2), "maxContains", json!(1)),
    ];
    for (lower, low, upper, high) in ranges {
        let why =
            format!("the schema has at '/properties/f' a {lower} above the {upper}: no value is allowed");
        field_refused(json!({ lower: low, upper: high }), &why);
    }
    assert!(of_field(&json!({"minimum": 5, "maximum": 5, "minLength": 2, "maxLength": 2})).is_ok());
    field_refused(
        json!({"enum": []}),
        "the schema has at '/properties/f/enum' something else than at least one value",
    );
    let misfit = |at: &str, value: &str| {
        format!(
            "the schema allows at '/properties/f/{at}' the value {value}, which the type there does not: change either"
        )
    };
    field_refused(json!({"type": "string", "enum": ["a", 5]}), &misfit("enum/1", "5"));
    field_refused(json!({"type": ["integer", "null"], "enum": [null, 1.0, 1.5]}), &misfit("enum/2", "1.5"));
    field_refused(json!({"type": "boolean", "const": "yes"}), &misfit("const", "\"yes\""));
    field_refused(
        json!({"type": "object", "properties": {"a": {}}, "required": ["a", "b"], "additionalProperties": false}),
        "the schema requires at '/properties/f/required' the field 'b', which it does not name while \
         additionalProperties is false: add it to properties",
    );
}

#[test]
fn values_that_another_rule_excludes() {
    let excluded = |at: &str, value: &str, rule: &str| {
        format!(
            "the schema allows at '/properties/f/{at}' the value {value}, which {rule} there does not: change either"
        )
    };
    field_refused(json!({"const": "c", "enum": ["a", "b"]}), &excluded("const", "\"c\"", "enum"));
    field_refused(json!({"const": 3, "maximum": 2}), &excluded("const", "3", "maximum"));
    for (rule, bound) in [("minimum", 2), ("exclusiveMinimum", 1)] {
        field_refused(json!({"enum": [2, 1, 3], rule: bound}), &excluded("enum/1", "1", rule));
    }
    for (rule, bound) in [("maximum", 2.5), ("exclusiveMaximum", 3.0)] {
        field_refused(json!({"enum": ["a", 2, 3], rule: bound}), &excluded("enum/2", "3", rule));
    }
    for allowed in [
        json!({"const": 1, "enum": [2, 1.0]}),
        json!({"const": {"a": [1]}, "enum": [{"a": [1.0]}]}),
        json!({"const": 2, "minimum": 2, "maximum": 2.0}),
        json!({"enum": ["a", null, 5], "minimum": 5, "exclusiveMaximum": 6}),
    ] {
        assert!(of_field(&allowed).is_ok(), "{allowed}");
    }
}

#[test]
fn a_required_field_that_is_forbidden() {
    field_refused(
        json!({"type": "object", "properties": {"a": {}, "b": false}, "required": ["a", "b"]}),
        "the schema requires at '/properties/f/required' the field 'b', which properties forbids: change either",
    );
    let never = json!({"x-version": 1, "type": "object", "properties": {"a": {"$ref": "#/$defs/never"}},
        "$defs": {"never": false}, "required": ["a"]});
    refused(
        Schema::parse(&never.to_string()),
        "the schema requires at '/required' the field 'a', which properties forbids: change either",
    );
    let unneeded = json!({"type": "object", "properties": {"a": {}, "b": false}, "required": ["a"]});
    assert!(of_field(&unneeded).is_ok());
}

#[test]
fn defaults_that_cannot_be() {
    for (field, crdt) in [
        (json!({"type": "integer", "x-crdt": "counter", "default": 0}), "counter"),
        (
            json!({"type": "integer", "x-crdt": "bounded-counter", "minimum": 0, "default": 0}),
            "bounded-counter",
        ),
        (json!({"type": "array", "x-crdt": "set", "items": {"type": "string"}, "default": []}), "set"),
        (json!({"type": "object", "x-crdt": "map", "default": {}}), "map"),
        (json!({"type": "object", "default": {}}), "map"),
        (json!({"type": "array", "x-crdt": "list", "default": []}), "list"),
        (json!({"type": "string", "x-crdt": "text", "default": ""}), "text"),
    ] {
        let why = format!(
            "the schema has at '/properties/f/default' a default of a {crdt}: only a register of a scalar or an array \
             has one"
        );
        field_refused(field, &why);
    }
    field_refused(
        json!({"type": "string", "maxLength": 2, "default": "abc"}),
        "the schema has at '/properties/f/default' a default that breaks its own rule '/properties/f/maxLength': \
         \"abc\" is longer than 2 characters",
    );
    refused(
        with(json!({"additionalProperties": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}},
            "$defs": {"n": {"type": "integer", "default": "x"}}})),
        "the schema has at '/additionalProperties/properties/n/default' a default that breaks its own rule \
         '/$defs/n/type': \"x\" is not of type \"integer\"",
    );
    field_refused(
        json!({"type": "object", "required": ["a"], "properties": {"b": {"default": 1}}}),
        "the schema has at '/properties/f' a default that breaks its own rule '/properties/f/required': is required and \
         missing",
    );
}

#[test]
fn indexes_that_cannot_be() {
    let why = |at: &str| {
        format!(
            "the schema has at '{at}' an index: a register of scalars with a type, a counter or a bounded counter in \
             properties can have one"
        )
    };
    for field in [
        json!({}),
        json!({"type": ["string", "array"]}),
        json!({"type": "object"}),
        json!({"type": "object", "x-crdt": "map"}),
        json!({"type": "array", "x-crdt": "set", "items": {"type": "string"}}),
        json!({"type": "array", "x-crdt": "list"}),
        json!({"type": "string", "x-crdt": "text"}),
    ] {
        let mut field = field;
        field["x-index"] = json!(true);
        field_refused(field, &why("/properties/f/x-index"));
    }
    refused(
        with(json!({"additionalProperties": {"type": "string", "x-index": true}})),
        &why("/additionalProperties/x-index"),
    );
    field_refused(
        json!({"type": "string", "x-index": 1}),
        "the schema has at '/properties/f/x-index' something else than true or false",
    );
}

#[test]
fn references_out_of_the_schema_and_round_in_it() {
    for reference in [
        "https://example.com/a.json",
        "file:///etc/passwd",
        "#",
        "#/properties/f",
        "#/$defs/none",
        "#/$defs/a/items",
        "#a",
        "",
    ] {
        let schema =
            with(json!({"properties": {"f": {"items": {"$ref": reference}}}, "$defs": {"a": {"items": {}}}}));
        let why = format!(
            "the schema refers at '/properties/f/items/$ref' to '{reference}', which is no place in it: write \"#/$defs/…\""
        );
        refused(schema, &why);
    }
    let round = |at: &str| {
        format!(
            "the schema contains itself by way of '{at}': a document's depth has to be known, write the levels out"
        )
    };
    refused(
        with(json!({"$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}}},
            "properties": {"t": {"$ref": "#/$defs/tree"}}})),
        &round("/$defs/tree/properties/left/$ref"),
    );
    refused(with(json!({"$defs": {"a": {"$ref": "#/$defs/a"}}})), &round("/$defs/a/$ref"));
    refused(
        with(
            json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
        ),
        &round("/$defs/a/allOf/0/$ref"),
    );
    refused(
        with(
            json!({"properties": {"f": {"$ref": "#/$defs/a", "type": "string"}}, "$defs": {"a": {"type": "string"}}}),
        ),
        "the schema has 'type' at '/properties/f' and in what is referred to from there: say it in one place",
    );
    refused(
        with(json!({"properties": {"f": {"$ref": "#/$defs/a", "additionalProperties": false}},
            "$defs": {"a": {"properties": {}}}})),
        "the schema has 'properties' at '/properties/f' and in what is referred to from there: say it in one place",
    );
}

#[test]
fn keywords_without_use() {
    for (keyword, value, instead) in [
        ("$id", json!("https://example.com/x"), "leave it out"),
        ("$anchor", json!("a"), "refer to \"#/$defs/…\""),
        ("$dynamicRef", json!("#a"), "write $ref"),
        ("$defs", json!({}), "write definitions at the root"),
        ("definitions", json!({}), "write $defs at the root"),
        ("dependencies", json!({}), "write dependentRequired or dependentSchemas"),
        ("x-version", json!(2), "a schema has one version, at the root"),
    ] {
        let why =
            format!("the schema has at '/properties/f/{keyword}' a keyword that is not supported: {instead}");
        field_refused(json!({ keyword: value }), &why);
    }
    field_refused(
        json!({"patternProperties": {"^a": {}}, "additionalProperties": {"type": "string"}}),
        "the schema has at '/properties/f/patternProperties' a keyword that is not supported: patternProperties beside \
         additionalProperties leaves open how a field merges: name the fields, or take one away",
    );
}
