//! Typed operations and steps of a JSON Patch as the description has them. What reads them is `document`'s own.

use super::texts::{PlaceText, PointerText};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{RefOr, Schema};

/// One thing to do to a document. Fields are JSON Pointers.
#[derive(Serialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum TypedOperation {
    /// Makes the document this object. What is equal already is not written; a document that was deleted comes back.
    Put {
        #[schema(value_type = Object)]
        value: Value,
    },
    /// Merges by JSON Merge Patch (RFC 7396).
    MergePatch {
        #[schema(value_type = Object)]
        patch: Value,
    },
    /// Patches by JSON Patch (RFC 6902); `test`, `copy` and `move` need the right to read.
    Patch { patch: Vec<PatchStep> },
    /// Deletes the document.
    Delete {},
    /// Adds to a counter.
    Increment {
        #[schema(value_type = PointerText, inline)]
        field: String,
        by: i64,
    },
    /// Takes from a bounded counter, of the rights that this replica holds.
    Spend {
        #[schema(value_type = PointerText, inline)]
        field: String,
        by: u64,
    },
    /// Adds to a bounded counter. The rights are this replica's, or those of the origin in `to`.
    Grant {
        #[schema(value_type = PointerText, inline)]
        field: String,
        by: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(pattern = "^[0-9a-f]{32}$", nullable = false)]
        to: Option<String>,
    },
    /// Gives rights of a bounded counter to another origin.
    Transfer {
        #[schema(value_type = PointerText, inline)]
        field: String,
        #[schema(pattern = "^[0-9a-f]{32}$")]
        to: String,
        by: u64,
    },
    /// Adds a scalar to a set.
    Add {
        #[schema(value_type = PointerText, inline)]
        field: String,
        element: Value,
    },
    /// Removes a scalar from a set.
    Remove {
        #[schema(value_type = PointerText, inline)]
        field: String,
        element: Value,
    },
    /// Inserts values into a list before the item of an index.
    Insert {
        #[schema(value_type = PointerText, inline)]
        field: String,
        index: u64,
        values: Vec<Value>,
    },
    /// Deletes items of a list or characters of a text, and inserts there.
    Splice {
        #[schema(value_type = PointerText, inline)]
        field: String,
        index: u64,
        #[serde(default)]
        delete: u64,
        insert: Inserted,
    },
    /// Empties a field.
    Clear {
        #[schema(value_type = PointerText, inline)]
        field: String,
    },
    /// Decides between values that were written at once: it is this one.
    Settle {
        #[schema(value_type = PointerText, inline)]
        field: String,
        value: Value,
    },
    /// Decides between values that were written at once: it is the one that this change wrote. Needs the right to read.
    Choose {
        #[schema(value_type = PointerText, inline)]
        field: String,
        #[schema(pattern = "^[0-9a-f]{64}$")]
        hash: String,
    },
}

impl TypedOperation {
    /// Its description, from which it is known that a member it does not name is refused.
    pub(super) fn close(description: &mut RefOr<Schema>) {
        let RefOr::T(Schema::OneOf(kinds)) = description else { return };
        for kind in &mut kinds.items {
            if let RefOr::T(Schema::Object(kind)) = kind {
                kind.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
    }
}

/// What a splice inserts.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum Inserted {
    /// Into a text.
    Text(String),
    /// Into a list.
    Values(Vec<Value>),
}

/// One step of a JSON Patch (RFC 6902).
#[derive(Serialize, ToSchema)]
#[serde(tag = "op", rename_all = "lowercase")]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum PatchStep {
    Add {
        #[schema(value_type = PlaceText, inline)]
        path: String,
        value: Value,
    },
    Remove {
        #[schema(value_type = PlaceText, inline)]
        path: String,
    },
    Replace {
        #[schema(value_type = PlaceText, inline)]
        path: String,
        value: Value,
    },
    Move {
        #[schema(value_type = PlaceText, inline)]
        from: String,
        #[schema(value_type = PlaceText, inline)]
        path: String,
    },
    Copy {
        #[schema(value_type = PlaceText, inline)]
        from: String,
        #[schema(value_type = PlaceText, inline)]
        path: String,
    },
    Test {
        #[schema(value_type = PlaceText, inline)]
        path: String,
        value: Value,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use document::Operation;
    use serde_json::json;
    use std::collections::BTreeSet;
    use utoipa::PartialSchema as _;

    /// An operation of each kind with all of its members.
    fn operations() -> Vec<Value> {
        let (field, origin) = ("/a", "0f".repeat(16));
        vec![
            json!({"op": "put", "value": {}}),
            json!({"op": "merge_patch", "patch": {}}),
            json!({"op": "patch", "patch": [{"op": "remove", "path": field}]}),
            json!({"op": "delete"}),
            json!({"op": "increment", "field": field, "by": -1}),
            json!({"op": "spend", "field": field, "by": 1}),
            json!({"op": "grant", "field": field, "by": 1, "to": origin}),
            json!({"op": "transfer", "field": field, "to": origin, "by": 1}),
            json!({"op": "add", "field": field, "element": 1}),
            json!({"op": "remove", "field": field, "element": 1}),
            json!({"op": "insert", "field": field, "index": 0, "values": []}),
            json!({"op": "splice", "field": field, "index": 0, "delete": 1, "insert": "a"}),
            json!({"op": "clear", "field": field}),
            json!({"op": "settle", "field": field, "value": 1}),
            json!({"op": "choose", "field": field, "hash": "5f".repeat(32)}),
        ]
    }

    fn steps() -> Vec<Value> {
        vec![
            json!({"op": "add", "path": "/a", "value": 1}),
            json!({"op": "remove", "path": "/a"}),
            json!({"op": "replace", "path": "/a", "value": 1}),
            json!({"op": "move", "from": "/a", "path": "/b"}),
            json!({"op": "copy", "from": "/a", "path": "/b"}),
            json!({"op": "test", "path": "/a", "value": 1}),
        ]
    }

    /// A kind that is missing here does not compile.
    fn number(operation: &Operation) -> usize {
        match operation {
            Operation::Put(_) => 0,
            Operation::MergePatch(_) => 1,
            Operation::Patch(_) => 2,
            Operation::Delete => 3,
            Operation::Increment { .. } => 4,
            Operation::Spend { .. } => 5,
            Operation::Grant { .. } => 6,
            Operation::Transfer { .. } => 7,
            Operation::Add { .. } => 8,
            Operation::Remove { .. } => 9,
            Operation::Insert { .. } => 10,
            Operation::Splice { .. } => 11,
            Operation::Clear { .. } => 12,
            Operation::Settle { .. } => 13,
            Operation::Choose { .. } => 14,
        }
    }

    /// Holds the examples against the description: the same kinds, the same members, and those that must be there.
    fn are_described(schema: &Value, examples: &[Value], reads: &dyn Fn(&Value) -> bool) {
        let described = schema["oneOf"].as_array().unwrap();
        assert_eq!(described.len(), examples.len(), "{schema:#}");
        for (described, example) in described.iter().zip(examples) {
            assert_eq!(described["properties"]["op"]["enum"], json!([example["op"]]));
            let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(&described["properties"]), names(example));
            assert!(reads(example), "{example}");
            let required = described["required"].as_array().unwrap();
            for name in names(example) {
                let mut without = example.clone();
                without.as_object_mut().unwrap().remove(&name);
                assert_eq!(reads(&without), !required.contains(&json!(name)), "{example} without {name}");
            }
            let mut beyond = example.clone();
            beyond["beyond"] = json!(1);
            assert_eq!(reads(&beyond), described["additionalProperties"] != json!(false), "{beyond}");
        }
    }

    #[test]
    fn operations_are_described_as_they_are_read() {
        let mut schema = TypedOperation::schema();
        TypedOperation::close(&mut schema);
        let schema = serde_json::to_value(schema).unwrap();
        let read = |value: &Value| serde_json::from_value::<Operation>(value.clone());
        are_described(&schema, &operations(), &|value| read(value).is_ok());
        for (expected, example) in operations().iter().enumerate() {
            assert_eq!(number(&read(example).unwrap()), expected);
        }
    }

    #[test]
    fn steps_of_a_patch_are_described_as_they_are_read() {
        let schema = serde_json::to_value(PatchStep::schema()).unwrap();
        are_described(&schema, &steps(), &|value| {
            serde_json::from_value::<document::Patch>(json!([value])).is_ok()
        });
    }
}
