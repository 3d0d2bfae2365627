//! Secondary indexes: one row for each live document and each field with `x-index`, in the batch of the document's value.
//!
//! A row says where the field's value stands among others (module `rank`), then the document's key; its value is empty.
//! Documents without the field have a row, too, so that an order by the field leaves none out. What the schema gives a
//! default for is indexed by the default.

pub(crate) mod rank;

use crate::keys::{self, Place, SpaceNumber};
use crate::store::{ReadRows, StoreError};
use document::{Collection, Key, Pointer, Schema, Violation};
use serde_json::Value;
use std::collections::BTreeSet;

/// A field, by the keys that lead to it through objects. An element of an array is no field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) pointer: Pointer,
    /// The pointer as people write it; also its name in an index.
    text: String,
    keys: Vec<String>,
}

impl Field {
    pub(crate) fn new(pointer: &Pointer) -> Self {
        let text = pointer.to_string();
        // RFC 6901, section 4: first ~1, then ~0.
        let keys =
            text.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
        Self { pointer: pointer.clone(), text, keys }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The field's value; `None` when the document has none.
    pub(crate) fn value<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.keys.iter().try_fold(document, |value, key| value.as_object()?.get(key))
    }
}

/// What a schema says of its collection's indexes. Made once per schema.
#[derive(Clone, Debug)]
pub(crate) struct Indexing {
    schema: Option<Schema>,
    fields: Vec<Field>,
    digest: [u8; 32],
}

impl Indexing {
    /// A collection without a schema has no index.
    pub(crate) fn new(schema: Option<&Schema>) -> Self {
        let fields = schema.into_iter().flat_map(Schema::indexes).map(Field::new).collect();
        let digest = *blake3::hash(schema.map_or("", Schema::text).as_bytes()).as_bytes();
        Self { schema: schema.cloned(), fields, digest }
    }

    /// The fields with an index.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Names the schema, whatever of it changed: fields with an index, and the defaults that are in it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The first bytes of the digest.
    fn number(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.digest;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// What the row of a document is marked with that keeps the rules of the schema and lacks none of its defaults: as
    /// long as the schema is this one, it is shown as it is stored.
    pub(crate) fn whole_mark(&self, document: &Value) -> Option<u64> {
        let schema = self.schema.as_ref()?;
        (!schema.lacks_defaults(document)).then(|| self.number())
    }

    /// Whether a document with this mark is shown as it is stored.
    pub(crate) fn is_whole(&self, mark: Option<u64>) -> bool {
        self.schema.is_none() || mark == Some(self.number())
    }

    /// A stored document as it is shown: with the schema's defaults.
    pub(crate) fn shown(&self, mut document: Value) -> Value {
        if let Some(schema) = &self.schema {
            schema.fill_defaults(&mut document);
        }
        document
    }

    /// The rules of the schema that a document breaks.
    pub(crate) fn violations(&self, document: &Value) -> Vec<Violation> {
        self.schema.as_ref().map_or_else(Vec::new, |schema| schema.violations(document))
    }
}

/// The rows of a document in its collection's indexes, in their order. `document` is as it is stored; `None` has none.
pub(crate) fn rows(
    indexing: &Indexing,
    space: SpaceNumber,
    collection: &Collection,
    key: &Key,
    document: Option<&Value>,
) -> Vec<Place> {
    let Some(document) = document.filter(|_| !indexing.fields.is_empty()) else { return Vec::new() };
    let shown = indexing.shown(document.clone());
    let row = |field: &Field| {
        let (keyspace, mut row) = keys::index(space, collection, field.as_str());
        row.extend(rank::of(field.value(&shown)));
        row.extend_from_slice(key.as_str().as_bytes());
        (keyspace, row)
    };
    let mut rows: Vec<Place> = indexing.fields.iter().map(row).collect();
    rows.sort_unstable();
    rows
}

/// Which rows to remove and which to write when a document's rows were `old` and come to be `new`.
pub(crate) fn difference(old: Vec<Place>, new: Vec<Place>) -> (Vec<Place>, Vec<Place>) {
    let (old, new): (BTreeSet<Place>, BTreeSet<Place>) =
        (old.into_iter().collect(), new.into_iter().collect());
    (old.difference(&new).cloned().collect(), new.difference(&old).cloned().collect())
}

/// The value of the row `keys::indexed`: every live document of the collection is in every index of this version.
pub(crate) fn complete(indexing: &Indexing) -> Vec<u8> {
    indexing.digest().to_vec()
}

/// Whether the indexes of a collection can be read: there are some, and they are of this version of the schema.
pub(crate) fn is_complete(
    rows: &impl ReadRows,
    indexing: &Indexing,
    space: SpaceNumber,
    collection: &Collection,
) -> Result<bool, StoreError> {
    if indexing.fields.is_empty() {
        return Ok(false);
    }
    let (keyspace, key) = keys::indexed(space, collection);
    Ok(rows.get(keyspace, &key)?.is_some_and(|stored| stored == indexing.digest()))
}

#[cfg(test)]
mod tests;
