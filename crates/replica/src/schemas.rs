//! Schemas that travel: versions of collections' schemas as documents of the space `system`.
//!
//! A version is taken once, with a row of its own that no later change of its document touches: what a replica wrote
//! under a version stays under it. The newest version taken stands in place of the schema in the settings.

use crate::access::SYSTEM;
use crate::keys;
use crate::rows::Rows;
use crate::store::{Keyspace, Store, StoreError};
use document::{Address, AddressError, Collection, Key, Schema, SchemaError, Space};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The collection of schema documents in `system`.
pub(crate) const SCHEMA: &str = "schema";

/// Most collections with a schema that travelled: they are in memory, up to 64 KiB of text each.
pub const SCHEMAS_MAX: usize = 256;

/// Why a schema document is passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaFault {
    /// Its key is none.
    #[error("its key is not collection@version")]
    Key,
    /// There is no text: it is deleted, blocked, or something else.
    #[error("it has no text")]
    Value,
    /// Its text is none, or may not follow the version before it.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The text is of another version than the key.
    #[error("its text is version {0}")]
    OtherVersion(u32),
    /// It is another text than was taken.
    #[error("it was taken before with another text: a version never changes")]
    Changed,
    /// There are too many.
    #[error("there are schemas of {SCHEMAS_MAX} collections: no more are taken")]
    TooMany,
}

/// A collection's schema, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSchema {
    /// Of which collection.
    pub collection: Collection,
    /// The schema.
    pub schema: Schema,
    /// Whether it came with `system`; otherwise it is from the settings.
    pub travelled: bool,
}

/// The newest version of each schema that travelled.
#[derive(Debug, Default)]
pub(crate) struct TravelledSchemas(BTreeMap<Collection, Schema>);

/// The schema that schema documents keep.
///
/// # Errors
/// Never, unless the file in the sources is damaged.
pub(crate) fn schema_schema() -> Result<Schema, SchemaError> {
    Schema::parse(include_str!("../../../schemas/collections/schema.json"))
}

/// Where a version is.
pub(crate) fn schema_address(collection: &Collection, version: u32) -> Result<Address, AddressError> {
    Ok(Address {
        space: Space::new(SYSTEM)?,
        collection: Collection::new(SCHEMA)?,
        key: Key::new(format!("{collection}@{version}"))?,
    })
}

/// The document of a version.
pub(crate) fn schema_document(schema: &Schema) -> Value {
    json!({ "text": schema.text() })
}

impl TravelledSchemas {
    pub(crate) fn load<S: Store>(rows: &Rows<S>) -> Result<Self, StoreError> {
        let mut schemas = Self::default();
        // Versions of a collection are in their order.
        for row in rows.scan((Keyspace::Meta, keys::all(Keyspace::Meta, keys::KIND_SCHEMA))) {
            let (key, text) = row?;
            let damaged = StoreError::Damaged { what: "a schema", keyspace: Keyspace::Meta };
            let (collection, _) = keys::read_schema(&key).ok_or(damaged.clone())?;
            let schema = String::from_utf8(text).ok().and_then(|text| Schema::parse(&text).ok());
            schemas.0.insert(collection, schema.ok_or(damaged)?);
        }
        Ok(schemas)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Collection, &Schema)> {
        self.0.iter()
    }

    pub(crate) fn get(&self, collection: &Collection) -> Option<&Schema> {
        self.0.get(collection)
    }

    pub(crate) fn check_room(&self, collection: &Collection) -> Result<(), SchemaFault> {
        let is_full = self.0.len() >= SCHEMAS_MAX && !self.0.contains_key(collection);
        if is_full { Err(SchemaFault::TooMany) } else { Ok(()) }
    }

    /// Takes a version; `None` when it was taken before.
    pub(crate) fn take<S: Store>(
        &mut self,
        rows: &mut Rows<S>,
        key: &Key,
        value: Option<&Value>,
    ) -> Result<Result<Option<(Collection, Schema)>, SchemaFault>, StoreError> {
        let Some((collection, version)) = read_key(key) else { return Ok(Err(SchemaFault::Key)) };
        let text = value.and_then(|value| value.get("text")).and_then(Value::as_str);
        let Some(text) = text else { return Ok(Err(SchemaFault::Value)) };
        let place = keys::schema(&collection, version);
        if let Some(taken) = rows.get(&place)? {
            return Ok(if taken == text.as_bytes() { Ok(None) } else { Err(SchemaFault::Changed) });
        }
        let schema = match self.check(&collection, version, text) {
            Ok(schema) => schema,
            Err(fault) => return Ok(Err(fault)),
        };
        rows.put(place, text.as_bytes().to_vec());
        self.0.insert(collection.clone(), schema.clone());
        Ok(Ok(Some((collection, schema))))
    }

    fn check(&self, collection: &Collection, version: u32, text: &str) -> Result<Schema, SchemaFault> {
        self.check_room(collection)?;
        let schema = Schema::parse(text)?;
        if schema.version() != version {
            return Err(SchemaFault::OtherVersion(schema.version()));
        }
        if let Some(last) = self.get(collection) {
            schema.follows(last)?;
        }
        Ok(schema)
    }
}

/// Collection and version of a schema document's key.
fn read_key(key: &Key) -> Option<(Collection, u32)> {
    let (collection, digits) = key.as_str().split_once('@')?;
    let version: u32 = digits.parse().ok()?;
    // One key for each version: no sign, no zeros before it.
    (version.to_string() == digits).then_some(())?;
    Some((Collection::new(collection).ok()?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_one_key() {
        let key = |text: &str| read_key(&Key::new(text).unwrap());
        let note = Collection::new("note").unwrap();
        assert_eq!(key("note@2"), Some((note.clone(), 2)));
        assert_eq!(schema_address(&note, 2).unwrap().to_string(), "system/schema/note@2");
        for text in ["note", "note@", "note@02", "note@+2", "note@-1", "Note@1", "@1", "note@2@3"] {
            assert_eq!(key(text), None, "{text}");
        }
    }
}
