use crate::{Collection, Pointer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How concurrent writes of a field merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crdt {
    /// The last writer in causal and Lamport order; losing values stay readable.
    Register,
    /// The sum of all increments.
    Counter,
}

/// A collection's schema: JSON Schema 2020-12 with `x-crdt` on its fields and an `x-version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    version: u32,
    fields: BTreeMap<Pointer, Crdt>,
}

/// Why a text is no schema. Each names the place by JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It is not JSON.
    #[error("the schema is not JSON: line {line}, column {column}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A value has another type or range than a schema needs there.
    #[error("the schema has at '{at}' something else than {expected}")]
    Expected {
        /// JSON Pointer into the schema.
        at: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// `x-crdt` names no field type of this version.
    #[error("the schema has at '{at}' the field type '{name}'; known are register and counter")]
    UnknownCrdt {
        /// JSON Pointer into the schema.
        at: String,
        /// What stands there.
        name: String,
    },
    /// A counter whose JSON type is not integer.
    #[error("the schema has at '{at}' a counter whose type is not \"integer\"")]
    CounterType {
        /// JSON Pointer into the schema.
        at: String,
    },
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// [`SchemaError`] names the fault by JSON Pointer.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let root: Value = serde_json::from_str(text)
            .map_err(|error| SchemaError::NotJson { line: error.line(), column: error.column() })?;
        let expected = |at: &str, expected| SchemaError::Expected { at: at.to_owned(), expected };
        let version = root
            .get("x-version")
            .and_then(Value::as_u64)
            .and_then(|version| u32::try_from(version).ok())
            .filter(|version| *version > 0)
            .ok_or_else(|| expected("/x-version", "a version from 1"))?;
        if root.get("type").and_then(Value::as_str) != Some("object") {
            return Err(expected("/type", "\"object\""));
        }
        let mut schema = Self { version, fields: BTreeMap::new() };
        schema.read_properties(&root, "", "")?;
        Ok(schema)
    }

    /// Counts from 1; a new version may add fields and loosen rules.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How the field merges. What the schema does not name is a register.
    #[must_use]
    pub fn crdt(&self, pointer: &Pointer) -> Crdt {
        self.fields.get(pointer).copied().unwrap_or(Crdt::Register)
    }

    fn read_properties(&mut self, object: &Value, at: &str, name: &str) -> Result<(), SchemaError> {
        let no_properties = Map::new();
        let properties = match object.get("properties") {
            None => &no_properties,
            Some(Value::Object(properties)) => properties,
            Some(_) => {
                let at = format!("{at}/properties");
                return Err(SchemaError::Expected { at, expected: "an object" });
            }
        };
        for (key, field) in properties {
            let mut field_at = format!("{at}/properties/");
            crate::entry::push_segment(&mut field_at, key);
            let mut field_name = if name.is_empty() { String::new() } else { format!("{name}/") };
            crate::entry::push_segment(&mut field_name, key);
            self.read_field(field, &field_at, field_name)?;
        }
        Ok(())
    }

    fn read_field(&mut self, field: &Value, at: &str, name: String) -> Result<(), SchemaError> {
        let crdt = match field.get("x-crdt") {
            None => Crdt::Register,
            Some(Value::String(text)) if text == "register" => Crdt::Register,
            Some(Value::String(text)) if text == "counter" => Crdt::Counter,
            Some(other) => {
                let name = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                return Err(SchemaError::UnknownCrdt { at: format!("{at}/x-crdt"), name });
            }
        };
        if crdt == Crdt::Counter && field.get("type").and_then(Value::as_str) != Some("integer") {
            return Err(SchemaError::CounterType { at: at.to_owned() });
        }
        self.read_properties(field, at, &name)?;
        self.fields.insert(Pointer::from_name(name), crdt);
        Ok(())
    }
}

/// The schemas that a replica knows, by collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schemas(BTreeMap<Collection, Schema>);

impl Schemas {
    /// Adds a collection's schema, in place of an older one.
    pub fn insert(&mut self, collection: Collection, schema: Schema) {
        self.0.insert(collection, schema);
    }

    /// The collection's schema; a collection without one holds plain JSON of registers.
    #[must_use]
    pub fn get(&self, collection: &Collection) -> Option<&Schema> {
        self.0.get(collection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_schemas_are_read() {
        let inventory = Schema::parse(include_str!("../../../schemas/collections/inventory.json")).unwrap();
        assert_eq!(inventory.crdt(&Pointer::parse("/on_hand").unwrap()), Crdt::Counter);
        assert_eq!(inventory.crdt(&Pointer::parse("/shelf").unwrap()), Crdt::Register);
        assert_eq!(inventory.crdt(&Pointer::parse("/unheard/of").unwrap()), Crdt::Register);
        let product = Schema::parse(include_str!("../../../schemas/collections/product.json")).unwrap();
        assert_eq!(
            (product.version(), product.crdt(&Pointer::parse("/price").unwrap())),
            (1, Crdt::Register)
        );
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        assert_eq!(Schema::parse(text).unwrap_err().to_string(), why);
    }

    #[test]
    fn a_refusal_names_the_place() {
        refused("{", "the schema is not JSON: line 1, column 1");
        refused(
            r#"{"type":"object"}"#,
            "the schema has at '/x-version' something else than a version from 1",
        );
        refused(
            r#"{"x-version":1,"type":"array"}"#,
            "the schema has at '/type' something else than \"object\"",
        );
        let nested = r#"{"x-version":1,"type":"object","properties":{"a":{"type":"object","properties":{"b/c":FIELD}}}}"#;
        refused(
            &nested.replace("FIELD", r#"{"x-crdt":"sum"}"#),
            "the schema has at '/properties/a/properties/b~1c/x-crdt' the field type 'sum'; known are register and counter",
        );
        refused(
            &nested.replace("FIELD", r#"{"x-crdt":"counter","type":"string"}"#),
            "the schema has at '/properties/a/properties/b~1c' a counter whose type is not \"integer\"",
        );
    }
}
