use super::flat::Flat;
use super::*;
use serde_json::json;

mod defaults;
mod limits;
mod refusals;
mod violations;

/// The schemas that ship, by collection.
pub(super) const SHIPPED: [(&str, &str); 5] = [
    ("basket", include_str!("../../../../schemas/collections/basket.json")),
    ("device", include_str!("../../../../schemas/collections/device.json")),
    ("inventory", include_str!("../../../../schemas/collections/inventory.json")),
    ("note", include_str!("../../../../schemas/collections/note.json")),
    ("product", include_str!("../../../../schemas/collections/product.json")),
];

pub(super) fn shipped(collection: &str) -> Schema {
    let (_, text) = SHIPPED.into_iter().find(|(name, _)| *name == collection).unwrap();
    Schema::parse(text).unwrap()
}

/// A schema of version 1 with these keywords besides.
#[expect(clippy::needless_pass_by_value, reason = "written out at each call")]
pub(super) fn with(keywords: Value) -> Result<Schema, SchemaError> {
    let mut schema = json!({"x-version": 1, "type": "object"});
    schema.as_object_mut().unwrap().extend(keywords.as_object().unwrap().clone());
    Schema::parse(&schema.to_string())
}

/// A schema of one field, `f`.
pub(super) fn of_field(field: &Value) -> Result<Schema, SchemaError> {
    with(json!({"properties": {"f": field}}))
}

fn crdt(schema: &Schema, pointer: &str) -> Crdt {
    schema.crdt(&Pointer::parse(pointer).unwrap())
}

#[test]
fn an_object_that_says_register_is_one_value() {
    let object = |x_crdt: Value, version: u32| {
        let mut field = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
        field.as_object_mut().unwrap().extend(x_crdt.as_object().unwrap().clone());
        with(json!({"x-version": version, "properties": {"f": field}})).unwrap()
    };
    let (whole, open) =
        (|version| object(json!({"x-crdt": "register"}), version), |version| object(json!({}), version));
    assert!(whole(1).keeps_whole("f") && !open(1).keeps_whole("f"));
    assert!(shipped("basket").keeps_whole("totals") && !shipped("basket").keeps_whole("totals/sum"));
    assert_eq!(whole(2).follows(&whole(1)), Ok(()));
    for (now, was) in [(whole(2), open(1)), (open(2), whole(1))] {
        assert!(matches!(now.follows(&was), Err(SchemaError::CrdtChanged { .. })));
    }
    let inside = json!({"type": "object", "x-crdt": "register", "properties": {"a": {"type": "integer", "x-crdt": "counter"}}});
    assert!(matches!(of_field(&inside), Err(SchemaError::Misplaced { .. })));
}

#[test]
fn the_shipped_schemas_say_how_fields_merge() {
    let expected = [
        ("basket", "/lines", Crdt::List),
        ("basket", "/totals/sum", Crdt::Register),
        ("device", "/metadata", Crdt::Map),
        ("device", "/last_seen", Crdt::Register),
        ("inventory", "/on_hand", Crdt::Counter),
        ("inventory", "/sellable", Crdt::BoundedCounter { minimum: 0 }),
        ("inventory", "/price_override", Crdt::Register),
        ("inventory", "/attributes", Crdt::Map),
        ("inventory", "/attributes/colour", Crdt::Register),
        ("inventory", "/unheard/of", Crdt::Register),
        ("note", "/body", Crdt::Text),
        ("note", "/tags", Crdt::Set),
        ("product", "/price", Crdt::Register),
    ];
    for (collection, field, merges) in expected {
        assert_eq!(crdt(&shipped(collection), field), merges, "{collection}{field}");
    }
}

#[test]
fn the_shipped_schemas_say_what_documents_are_found_by() {
    let indexes = |collection| {
        shipped(collection).indexes().map(|field| field.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(indexes("basket"), "/closed_ms /state /till");
    assert_eq!(indexes("device"), "/firmware /state");
    assert_eq!(indexes("inventory"), "");
    assert_eq!(indexes("note"), "");
    assert_eq!(indexes("product"), "/brand /category /department /price");
}

#[test]
fn the_shipped_schemas_say_what_they_are_in_words_and_forbid_no_field() {
    for (collection, text) in SHIPPED {
        let schema = Schema::parse(text).unwrap();
        let root = &schema.0.root;
        assert_eq!((schema.version(), root["title"].as_str()), (1, Some(collection)));
        assert!(root["description"].is_string());
        for (name, field) in root["properties"].as_object().unwrap() {
            let field = Flat::of(root, field, name).unwrap();
            assert!(field.get("description").is_some(), "{collection}/{name}");
            assert_eq!(field.get("additionalProperties"), None, "{collection}/{name}");
        }
        assert_eq!(root.get("additionalProperties"), None);
    }
}

#[test]
fn a_field_is_found_at_any_depth_and_behind_references() {
    let schema = with(json!({
        "properties": {
            "a/b": {"type": "object", "properties": {"+~n": {"type": "integer", "x-crdt": "counter"}}},
            "home": {"$ref": "#/$defs/place", "description": "Where it belongs."},
        },
        "additionalProperties": {"$ref": "#/$defs/shelves"},
        "$defs": {
            "place": {"type": "object", "properties": {"seats": {"$ref": "#/$defs/count"}}},
            "shelves": {"type": "object", "additionalProperties": {"$ref": "#/$defs/count"}},
            "count": {"$ref": "#/$defs/number", "x-crdt": "counter"},
            "number": {"type": "integer"},
        },
    }))
    .unwrap();
    for counter in ["/a~1b/+~0n", "/home/seats", "/stock_by_shelf/A", "/any/+x~1y"] {
        assert_eq!(crdt(&schema, counter), Crdt::Counter, "{counter}");
    }
    for register in ["/a~1b", "/a~1b/n", "/home", "/home/beds", "/stock_by_shelf", "/any/x/y"] {
        assert_eq!(crdt(&schema, register), Crdt::Register, "{register}");
    }
}

#[test]
fn a_definition_that_is_used_twice_is_two_fields() {
    let schema = with(json!({
        "properties": {"here": {"$ref": "#/$defs/place"}, "there": {"$ref": "#/$defs/place"}},
        "$defs": {"place": {"type": "object", "properties": {"town": {"type": "string", "x-index": true}}}},
    }))
    .unwrap();
    let indexes: Vec<_> = schema.indexes().map(Pointer::to_string).collect();
    assert_eq!(indexes, ["/here/town", "/there/town"]);
}

#[test]
fn scalars_and_counters_can_be_indexed() {
    for field in [
        json!({"type": ["string", "null"]}),
        json!({"type": "boolean"}),
        json!({"type": "integer", "x-crdt": "counter"}),
        json!({"type": "integer", "x-crdt": "bounded-counter", "minimum": -3}),
    ] {
        let mut field = field;
        field["x-index"] = json!(true);
        assert_eq!(of_field(&field).unwrap().indexes().count(), 1, "{field}");
        field["x-index"] = json!(false);
        assert_eq!(of_field(&field).unwrap().indexes().count(), 0, "{field}");
    }
}

#[test]
fn schemas_are_equal_when_their_texts_are() {
    let [one, other] = [json!("one"), json!("other")].map(|title| with(json!({ "title": title })).unwrap());
    assert_ne!(one, other);
    assert_eq!((&one, one.text()), (&one.clone(), r#"{"title":"one","type":"object","x-version":1}"#));
    assert_eq!(format!("{one:?}"), r#"Schema { title: "one", version: 1, .. }"#);
}
