use super::*;
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde_json::json;

fn of<T: JsonSchema>() -> Vec<String> {
    let inventory = include_str!("../../../../schemas/collections/inventory.json");
    let inventory: Value = serde_json::from_str(inventory).unwrap();
    misfits(schema_for!(T).as_value(), &inventory).iter().map(ToString::to_string).collect()
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema counts")]
struct Fitting {
    product: Option<String>,
    on_hand: i64,
    sellable: u64,
    #[serde(default)]
    price_override: Option<f64>,
    #[serde(default)]
    shelf: String,
    #[serde(default)]
    attributes: std::collections::BTreeMap<String, Value>,
}

#[test]
fn what_fits_is_fitting() {
    assert_eq!(of::<Fitting>(), Vec::<String>::new());
    assert_eq!(of::<Value>(), Vec::<String>::new());
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema counts")]
struct Unfitting {
    product: String,
    on_hand: u32,
    sellable: String,
    price_override: Option<i64>,
    shelve: Option<String>,
}

#[test]
fn every_field_that_does_not_fit_is_named() {
    let found = of::<Unfitting>();
    let expected = [
        ("/on_hand", "less than 0"),
        ("/price_override", "may be number"),
        ("/product", "may be absent"),
        ("/sellable", "may be integer in the collection and is read as string"),
        ("/shelve", "no field of the collection, which has attributes, on_hand"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((field, why), found) in expected.into_iter().zip(&found) {
        assert!(found.starts_with(field) && found.contains(why), "{found}");
    }
}

#[derive(Deserialize, JsonSchema)]
enum Colour {
    Red,
    Blue,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema counts")]
struct Ranged {
    small: u8,
    positive: u32,
    size: u16,
    colour: Colour,
    free: Option<Colour>,
    line: Option<Line>,
}

#[test]
fn ranges_choices_and_what_is_optional_are_looked_at() {
    let theirs = |small: Value, free: Value, quantity: Value| {
        json!({"required": ["small", "positive", "size", "colour"], "properties": {
            "small": small, "positive": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
            "size": {"type": "integer", "enum": [1, 2, 500]}, "colour": {"type": "string", "enum": ["Red"]},
            "free": free, "line": {"type": "object", "properties": {"quantity": quantity}, "required": ["quantity"]}}})
    };
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    let red = json!({"type": "string", "enum": ["Red", "Blue"]});
    let fitting = theirs(byte.clone(), red.clone(), byte.clone());
    assert_eq!(misfits(schema_for!(Ranged).as_value(), &fitting), []);
    let text = json!({"type": "string"});
    let large = json!({"type": "integer", "minimum": 0});
    let unfitting = theirs(large, text.clone(), text);
    let found = misfits(schema_for!(Ranged).as_value(), &unfitting);
    let fields: Vec<&str> = found.iter().map(|misfit| misfit.field.as_str()).collect();
    assert_eq!(fields, ["/free", "/line/quantity", "/small"], "{found:?}");
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema counts")]
struct Nested {
    lines: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema counts")]
struct Line {
    quantity: u8,
}

#[test]
fn lists_are_looked_into() {
    let theirs = json!({"properties": {"lines": {"type": "array", "items":
        {"type": "object", "properties": {"quantity": {"type": "string"}}, "required": ["quantity"]}}},
        "required": ["lines"]});
    let found = misfits(schema_for!(Nested).as_value(), &theirs);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, "/lines/-/quantity");
}

/// What does not fit of a type in a collection whose documents have one member, `a`.
fn of_member<T: JsonSchema>(theirs: Value) -> Vec<String> {
    let mut of = json!({"type": "object", "properties": {}, "required": ["a"]});
    of["properties"]["a"] = theirs;
    misfits(schema_for!(Member<T>).as_value(), &of).iter().map(ToString::to_string).collect()
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema counts")]
struct Member<T> {
    a: T,
}

/// A colour, and each of them.
#[derive(Deserialize, JsonSchema)]
enum Told {
    /// As blood.
    Red,
    /// As the sky.
    Blue,
    Green,
}

#[test]
fn choices_with_words_are_looked_at() {
    let few = |choices: Value| json!({"type": "string", "enum": choices});
    assert_eq!(of_member::<Told>(few(json!(["Red", "Green"]))), Vec::<String>::new());
    assert_eq!(of_member::<Option<Told>>(few(json!(["Red", "Green"]))), Vec::<String>::new());
    assert_eq!(
        of_member::<Told>(json!({"oneOf": [{"const": "Red"}, {"const": "Blue"}]})),
        Vec::<String>::new()
    );
    for theirs in [few(json!(["Red", "Pink"])), json!({"type": "string"}), json!({"const": "Pink"})] {
        for found in [of_member::<Told>(theirs.clone()), of_member::<Option<Told>>(theirs)] {
            assert!(found.len() == 1 && found[0].starts_with("/a may be"), "{found:?}");
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct Strict {
    quantity: Option<i64>,
}

#[test]
fn a_type_that_refuses_what_it_does_not_know_has_to_know_all() {
    let line = |more: Value| json!({"type": "object", "properties": {"quantity": {"type": "integer"}, "price": more}});
    let known = json!({"type": "object", "properties": {"quantity": {"type": "integer"}}});
    assert_eq!(of_member::<Strict>(known.clone()), Vec::<String>::new());
    let found = of_member::<Strict>(line(json!({"type": "integer"})));
    assert!(
        found.len() == 1 && found[0].starts_with("/a/price ") && found[0].contains("deny_unknown_fields"),
        "{found:?}"
    );
    let mut open = known;
    open["additionalProperties"] = json!(true);
    assert!(of_member::<Strict>(open)[0].starts_with("/a may have other members"));
}

#[test]
fn numbers_of_a_few_bits_have_ranges() {
    let whole = || json!({"type": "integer"});
    assert_eq!(of_member::<i64>(whole()), Vec::<String>::new());
    let positive = json!({"type": "integer", "minimum": 0});
    assert_eq!(of_member::<u64>(positive.clone()), Vec::<String>::new());
    assert!(of_member::<u32>(positive)[0].contains("more than 4294967295"));
    let found = of_member::<i32>(whole());
    assert!(found[0].contains("less than -2147483648 or more than 2147483647"), "{found:?}");
    assert_eq!(of_member::<i16>(whole()).len(), 1);
    let bounded = json!({"type": "integer", "minimum": -5, "maximum": 5});
    assert_eq!(of_member::<i32>(bounded.clone()), Vec::<String>::new());
    assert_eq!(of_member::<i8>(bounded), Vec::<String>::new());
}

#[test]
fn maps_tuples_and_characters_are_looked_into() {
    type Map = std::collections::BTreeMap<String, i64>;
    let map = |more: Value, one: Value| json!({"type": "object", "additionalProperties": more, "properties": {"one": one}});
    let (whole, text) = (json!({"type": "integer"}), json!({"type": "string"}));
    assert_eq!(of_member::<Map>(map(whole.clone(), whole.clone())), Vec::<String>::new());
    assert!(of_member::<Map>(map(text.clone(), whole.clone()))[0].starts_with("/a/* may be string"));
    assert!(of_member::<Map>(map(whole.clone(), text.clone()))[0].starts_with("/a/one may be string"));
    let pair = |second: &Value, most: u64| json!({"type": "array", "prefixItems": [whole, second], "items": false, "minItems": 2, "maxItems": most});
    assert_eq!(of_member::<(i64, String)>(pair(&text, 2)), Vec::<String>::new());
    assert!(of_member::<(i64, String)>(pair(&whole, 2))[0].starts_with("/a/1 may be integer"));
    assert!(of_member::<(i64, String)>(pair(&text, 3))[0].contains("another number of items"));
    assert!(of_member::<Vec<i64>>(pair(&text, 2))[0].starts_with("/a/1 may be string"));
    assert!(of_member::<[i64; 2]>(json!({"type": "array", "items": whole}))[0].contains("another number"));
    let letter = json!({"type": "string", "minLength": 1, "maxLength": 1});
    assert_eq!(of_member::<char>(letter), Vec::<String>::new());
    assert!(of_member::<char>(text)[0].contains("not one character"));
}
