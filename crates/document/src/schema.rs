//! Schemas of collections: how fields merge, what documents have to look like, and what may come after.

mod contradictions;
mod defaults;
mod error;
mod fields;
mod flat;
mod follows;
mod numbers;
mod set_once;
mod violations;

pub use error::SchemaError;
pub use fields::SUBSCHEMAS_MAX;
pub(crate) use fields::SetOnce;
pub use violations::VIOLATIONS_MAX;

use crate::{Collection, Pointer};
use fields::{CRDT_NAMES, Fields};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;
use violations::Validator;

/// Longest text of a schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Longest value that is shown in words, in characters.
const SHOWN_CHARS_MAX: usize = 64;
/// The dialect that schemas are written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How concurrent writes of a field merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crdt {
    /// The last writer in causal and Lamport order; losing values stay readable.
    Register,
    /// The sum of all increments.
    Counter,
    /// A counter that no replica takes below its bound, even cut off: an origin spends only rights that it holds.
    BoundedCounter {
        /// The bound: where the counter starts, and below which it never is.
        minimum: i64,
    },
    /// Elements, each a JSON scalar; adding wins over concurrent removing.
    Set,
    /// Members that merge one by one.
    Map,
    /// A sequence of JSON values.
    List,
    /// A sequence of characters.
    Text,
}

impl Crdt {
    /// The name that `x-crdt` has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let [register, counter, bounded, set, map, list, text] = CRDT_NAMES;
        match self {
            Self::Register => register,
            Self::Counter => counter,
            Self::BoundedCounter { .. } => bounded,
            Self::Set => set,
            Self::Map => map,
            Self::List => list,
            Self::Text => text,
        }
    }
}

/// A rule of the schema that a document breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The field, as a JSON Pointer; empty for the document itself.
    pub field: String,
    /// The rule: a JSON Pointer into the schema.
    pub rule: String,
    /// What is wrong with which value, in words.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() { "the document" } else { self.field.as_str() };
        write!(f, "{field}: {} (rule {})", self.message, self.rule)
    }
}

/// A collection's schema: JSON Schema 2020-12 that stands alone, with keywords of its own.
///
/// | keyword | on | meaning |
/// |---|---|---|
/// | `x-version` | the root | counts from 1; see [`Schema::follows`] |
/// | `x-crdt` | a field | how concurrent writes merge, one of [`Crdt`]; a register if it is missing. An object without it merges member by member; with `register` it is one value |
/// | `x-index` | a field | true: documents can be found by it; a register of scalars, a counter or a bounded counter |
/// | `x-set-once` | a field | true: once a register in `properties` has a value that is neither null nor its default, a write that changes it or takes it away is refused, until the document is deleted. Values that two replicas set cut off are a conflict, and one of them can be settled on |
/// | `default` | a register | read where nothing was written; never written itself |
///
/// A field is a member of `properties`, or any other member where `additionalProperties` is a schema, at any depth and
/// behind a `$ref` to `#/$defs/…`. A schema can say a rule of a field elsewhere too (`allOf`, `if`), but not how it
/// merges. Formats are for people: they are not checked. References out of the schema and recursive ones are refused,
/// and patterns run in linear time, so that a check costs no more than the size of value and schema.
///
/// A schema should leave `additionalProperties` open where replicas of two versions write: it is checked for the whole
/// document, and the older would see its neighbour's new fields as violations. A replica keeps and merges them anyway.
///
/// Cheap to clone. Two are equal when their texts are.
#[derive(Clone)]
pub struct Schema(Arc<Compiled>);

struct Compiled {
    text: String,
    root: Value,
    version: u32,
    fields: Fields,
    validator: Validator,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl Eq for Schema {}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.0.root.get("title").and_then(Value::as_str).unwrap_or_default();
        f.debug_struct("Schema")
            .field("title", &title)
            .field("version", &self.0.version)
            .finish_non_exhaustive()
    }
}

impl Schema {
    /// Reads a schema, of [`SCHEMA_BYTES_MAX`], [`SUBSCHEMAS_MAX`] and [`crate::DEPTH_MAX`] at most.
    ///
    /// # Errors
    /// [`SchemaError`] names the fault by JSON Pointer; a schema that contradicts itself is none.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLong(text.len()));
        }
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
        if root.get("$schema").is_some_and(|dialect| dialect != DIALECT) {
            return Err(expected("/$schema", "\"https://json-schema.org/draft/2020-12/schema\""));
        }
        violations::check_shape(&root)?;
        let fields = fields::read(&root)?;
        let validator = Validator::new(&root)?;
        defaults::check(&fields.root, &validator)?;
        Ok(Self(Arc::new(Compiled { text: text.to_owned(), root, version, fields, validator })))
    }

    /// The text that it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Counts from 1; a new version may add fields and loosen rules.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// How the field merges. What the schema does not name is a register.
    #[must_use]
    pub fn crdt(&self, pointer: &Pointer) -> Crdt {
        self.0.fields.root.find(pointer.name().split('/')).map_or(Crdt::Register, |field| field.crdt)
    }

    /// The fields with `x-index`, in byte order of their entries' names.
    pub fn indexes(&self) -> impl Iterator<Item = &Pointer> {
        self.0.fields.indexes.iter()
    }

    /// Whether an object at the entry of this name is one value, replaced as a whole: a register that says so itself.
    pub(crate) fn keeps_whole(&self, name: &str) -> bool {
        self.0.fields.root.find(name.split('/')).is_some_and(|field| field.is_whole)
    }

    /// Whether this version of the schema names the field, or an object above it that is open: one without properties
    /// of its own. A put that leaves out a field that it does not know keeps it: a newer version may have added it.
    #[must_use]
    pub fn knows(&self, field: &Pointer) -> bool {
        let (mut place, mut is_root) = (&self.0.fields.root, true);
        for segment in field.name().split('/') {
            match place.members.get(segment).or(place.additional.as_deref()) {
                Some(member) => (place, is_root) = (member, false),
                None => return !is_root && place.members.is_empty(),
            }
        }
        true
    }

    /// Every rule that a document breaks, by field and rule, up to [`VIOLATIONS_MAX`]; what the schema gives a default
    /// for counts as there. A document may come to break rules by merging alone: it stays readable.
    #[must_use]
    pub fn violations(&self, document: &Value) -> Vec<Violation> {
        self.0.validator.violations(&self.filled(document))
    }

    /// The rules that a document breaks and an earlier state of it did not, or breaks worse.
    pub(crate) fn new_violations(&self, document: &Value, earlier: &Value) -> Vec<Violation> {
        self.0.validator.new_violations(&self.filled(document), &self.filled(earlier))
    }

    /// The fields that are set once.
    pub(crate) fn set_once(&self) -> &[SetOnce] {
        &self.0.fields.set_once
    }

    fn filled<'a>(&self, document: &'a Value) -> Cow<'a, Value> {
        let mut document = Cow::Borrowed(document);
        if defaults::lacks(&self.0.fields.root, &document) {
            self.fill_defaults(document.to_mut());
        }
        document
    }

    /// Supplies the defaults of fields that a document lacks, for reading. A missing object is supplied where a member
    /// of it has a default; null is a value and stays.
    pub fn fill_defaults(&self, document: &mut Value) {
        defaults::fill(&self.0.fields.root, document);
    }

    /// Whether [`Self::fill_defaults`] would add anything to a document.
    #[must_use]
    pub fn lacks_defaults(&self, document: &Value) -> bool {
        defaults::lacks(&self.0.fields.root, document)
    }

    /// Whether this version may replace an earlier one of its collection: documents that kept the earlier rules keep
    /// these, and no field merges otherwise. It may add fields, also to an object that was open to any: a name that
    /// had no rules gets some. What cannot be shown to be looser is refused.
    ///
    /// # Errors
    /// [`SchemaError`] names the place in this version.
    pub fn follows(&self, earlier: &Self) -> Result<(), SchemaError> {
        let (version, before) = (self.version(), earlier.version());
        if version <= before {
            return Err(SchemaError::NotNewer { version, earlier: before });
        }
        let (later, earlier) = (&self.0, &earlier.0);
        follows::check((&later.root, &later.fields.root), (&earlier.root, &earlier.fields.root))
    }
}

/// A value in words, cut at [`SHOWN_CHARS_MAX`].
fn shortened(value: impl fmt::Display) -> String {
    cut(value, SHOWN_CHARS_MAX)
}

/// The first characters of what something is in words; what follows is not even made.
fn cut(value: impl fmt::Display, chars_max: usize) -> String {
    let mut words = Words { text: String::new(), left: chars_max };
    match write!(words, "{value}") {
        Ok(()) => words.text,
        Err(fmt::Error) => words.text + "…",
    }
}

struct Words {
    text: String,
    left: usize,
}

impl Write for Words {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(character);
        }
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

    /// All of them, by collection.
    pub fn iter(&self) -> impl Iterator<Item = (&Collection, &Schema)> {
        self.0.iter()
    }

    /// The collection's schema; a collection without one holds plain JSON of registers.
    #[must_use]
    pub fn get(&self, collection: &Collection) -> Option<&Schema> {
        self.0.get(collection)
    }
}

#[cfg(test)]
mod tests;
