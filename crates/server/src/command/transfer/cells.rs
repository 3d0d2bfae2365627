//! Between the fields of a document and cells of CSV.

use super::error::CellFault;
use serde_json::{Map, Number, Value};

/// What cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Texts as they stand.
    Text,
    Whole,
    Number,
    Truth,
    Array,
    Object,
    /// JSON, or else a text.
    Any,
}

impl Kind {
    /// What a schema says of a field, as a JSON Pointer. It follows no reference.
    pub(super) fn of(schema: &Value, pointer: &str) -> Self {
        let mut place = schema;
        for name in segments(pointer) {
            let named = place.get("properties").and_then(|named| named.get(&name));
            let Some(below) = named.or_else(|| place.get("additionalProperties")) else { return Self::Any };
            place = below;
        }
        match place.get("type").and_then(Value::as_str) {
            Some("string") => Self::Text,
            Some("integer") => Self::Whole,
            Some("number") => Self::Number,
            Some("boolean") => Self::Truth,
            Some("array") => Self::Array,
            Some("object") => Self::Object,
            _ => Self::Any,
        }
    }

    /// A cell that is not empty.
    pub(super) fn read(self, cell: &str) -> Result<Value, CellFault> {
        let json = || serde_json::from_str::<Value>(cell).ok();
        let number = || serde_json::from_str::<Number>(cell).ok();
        match self {
            Self::Text => Ok(quoted(cell).unwrap_or_else(|| Value::String(cell.to_owned()))),
            Self::Whole => number()
                .filter(|number| number.is_i64() || number.is_u64())
                .map(Value::Number)
                .ok_or(CellFault::Whole),
            Self::Number => number().map(Value::Number).ok_or(CellFault::Number),
            Self::Truth => json().filter(Value::is_boolean).ok_or(CellFault::Truth),
            Self::Array => json().filter(Value::is_array).ok_or(CellFault::Array),
            Self::Object => json().filter(Value::is_object).ok_or(CellFault::Object),
            Self::Any => Ok(json().unwrap_or_else(|| Value::String(cell.to_owned()))),
        }
    }

    /// The cell of a value, which is never empty.
    pub(super) fn write(self, value: &Value) -> String {
        let Value::String(text) = value else { return value.to_string() };
        let stands = match self {
            Self::Text => !text.is_empty() && !text.starts_with('"'),
            Self::Whole | Self::Number | Self::Truth | Self::Array | Self::Object | Self::Any => {
                !text.is_empty() && serde_json::from_str::<Value>(text).is_err()
            }
        };
        if stands { text.clone() } else { value.to_string() }
    }
}

fn quoted(cell: &str) -> Option<Value> {
    let value = cell.starts_with('"').then(|| serde_json::from_str::<Value>(cell).ok()).flatten();
    value.filter(Value::is_string)
}

/// Visits the fields of a document below which nothing is, by JSON Pointer.
pub(super) fn each_leaf<'a>(document: &'a Value, visit: &mut impl FnMut(String, &'a Value)) {
    fn below<'a>(members: &'a Map<String, Value>, at: &str, visit: &mut impl FnMut(String, &'a Value)) {
        for (name, value) in members {
            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            match value.as_object().filter(|members| !members.is_empty()) {
                Some(members) => below(members, &at, visit),
                None => visit(at, value),
            }
        }
    }
    if let Value::Object(members) = document {
        below(members, "", visit);
    }
}

/// Puts a field into a document; false when something else is in the way.
pub(super) fn put(document: &mut Map<String, Value>, pointer: &str, value: Value) -> bool {
    let mut names: Vec<_> = segments(pointer).collect();
    let Some(last) = names.pop() else { return false };
    let mut place = document;
    for name in names {
        let below = place.entry(name).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(members) = below else { return false };
        place = members;
    }
    place.insert(last, value).is_none()
}

fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"))
}

/// The name of a field's column: its pointer without the first slash, where that is a name of its own.
pub(super) fn column(pointer: &str) -> &str {
    let name = pointer.strip_prefix('/').unwrap_or(pointer);
    if name.is_empty() || name.starts_with('/') || name == super::KEY { pointer } else { name }
}

/// The field of a column.
pub(super) fn pointer(column: &str) -> String {
    if column.starts_with('/') { column.to_owned() } else { format!("/{column}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn cells_are_read_as_the_schema_says() {
        let schema = json!({"properties": {
            "name": {"type": "string"}, "n": {"type": "integer"}, "price": {"type": "number"}, "on": {"type": "boolean"},
            "tags": {"type": "array"}, "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "either": {"type": ["string", "null"]},
        }});
        let kind = |pointer| Kind::of(&schema, pointer);
        assert_eq!(kind("/name").read("12"), Ok(json!("12")));
        assert_eq!(kind("/map/color").read("true"), Ok(json!("true")));
        assert_eq!(kind("/either").read("null"), Ok(json!(null)));
        assert_eq!(kind("/other").read("12"), Ok(json!(12)));
        assert_eq!(kind("/n").read("-3"), Ok(json!(-3)));
        for (pointer, cell, fault) in [
            ("/n", "3.5", CellFault::Whole),
            ("/n", "12x", CellFault::Whole),
            ("/price", "1,5", CellFault::Number),
            ("/on", "yes", CellFault::Truth),
            ("/tags", "a", CellFault::Array),
            ("/map", "[]", CellFault::Object),
        ] {
            assert_eq!(kind(pointer).read(cell), Err(fault), "{pointer}");
        }
    }

    #[test]
    fn columns_name_their_fields() {
        for at in ["/price", "/attributes/color", "/", "//a", "/key", "/a~1b"] {
            assert_eq!(pointer(column(at)), at);
        }
        assert_eq!((column("/price"), column("/key")), ("price", "/key"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[a-z0-9\"~/ ,\n]{0,6}", Just("true".to_owned()), Just("\"\"".to_owned())];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(Value::from),
            text.clone().prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 12, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::btree_map(text.clone(), inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// A document in cells and back is the same document, whatever is in it.
        #[test]
        fn cells_give_back_what_was_put_into_them(
            members in proptest::collection::btree_map("[a-z/~]{0,3}", value(), 0..4),
        ) {
            let document = Value::Object(members.into_iter().collect());
            let mut cells = Vec::new();
            each_leaf(&document, &mut |pointer, value| cells.push((pointer, Kind::Any.write(value))));
            let mut back = Map::new();
            for (at, cell) in cells {
                prop_assert!(!cell.is_empty());
                let value = Kind::Any.read(&cell).unwrap();
                prop_assert!(put(&mut back, &pointer(column(&at)), value));
            }
            prop_assert_eq!(Value::Object(back), document);
        }

        #[test]
        fn texts_come_back_from_columns_of_texts(text in ".{0,8}") {
            let cell = Kind::Text.write(&Value::String(text.clone()));
            prop_assert_eq!(Kind::Text.read(&cell), Ok(Value::String(text)));
        }
    }
}
