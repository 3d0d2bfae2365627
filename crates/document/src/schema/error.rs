//! Why a text is no schema, or is none that may follow another.

use super::{SCHEMA_BYTES_MAX, SUBSCHEMAS_MAX};
use crate::DEPTH_MAX;

/// Why a text is no schema, or may not replace an earlier one. Each names the place by JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Longer than [`SCHEMA_BYTES_MAX`].
    #[error("a schema may have {SCHEMA_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
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
    /// A rule of JSON Schema itself is broken.
    #[error("the schema has at '{at}' what JSON Schema 2020-12 does not allow: {fault}")]
    NotJsonSchema {
        /// JSON Pointer into the schema.
        at: String,
        /// The rule and the value, in words.
        fault: String,
    },
    /// Nested deeper than [`DEPTH_MAX`], references followed.
    #[error("the schema is nested deeper than {DEPTH_MAX} at '{at}': flatten it")]
    TooDeep {
        /// JSON Pointer into the schema.
        at: String,
    },
    /// More subschemas than [`SUBSCHEMAS_MAX`], references followed.
    #[error(
        "the schema has more than {SUBSCHEMAS_MAX} fields and rules, references followed: split the collection"
    )]
    TooManySubschemas,
    /// A keyword of JSON Schema that is of no use in a schema which stands alone.
    #[error("the schema has at '{at}' a keyword that is not supported: {instead}")]
    Unsupported {
        /// JSON Pointer into the schema.
        at: String,
        /// What does the same.
        instead: &'static str,
    },
    /// A reference to something else than a place in this schema.
    #[error("the schema refers at '{at}' to '{reference}', which is no place in it: write \"#/$defs/…\"")]
    Reference {
        /// JSON Pointer into the schema.
        at: String,
        /// What stands there.
        reference: String,
    },
    /// A reference leads back to where it stands.
    #[error(
        "the schema contains itself by way of '{at}': a document's depth has to be known, write the levels out"
    )]
    Recursive {
        /// JSON Pointer to the reference.
        at: String,
    },
    /// A keyword stands beside a reference and in what it refers to.
    #[error(
        "the schema has '{keyword}' at '{at}' and in what is referred to from there: say it in one place"
    )]
    SaidTwice {
        /// JSON Pointer to the subschema with the reference.
        at: String,
        /// The keyword.
        keyword: String,
    },
    /// An `x-` keyword that this version does not know.
    #[error("the schema has at '{at}' an unknown keyword; the nearest known one is '{nearest}'")]
    UnknownKeyword {
        /// JSON Pointer into the schema.
        at: String,
        /// Perhaps this was meant.
        nearest: &'static str,
    },
    /// `x-crdt` names no field type of this version.
    #[error("the schema has at '{at}' the field type '{name}'; known are {}", super::CRDT_NAMES.join(", "))]
    UnknownCrdt {
        /// JSON Pointer into the schema.
        at: String,
        /// What stands there.
        name: String,
    },
    /// A field type that does not go with the field's JSON type or rules.
    #[error("the schema has at '{at}' a {crdt}, which needs {needs}")]
    CrdtType {
        /// JSON Pointer into the schema.
        at: String,
        /// The field type.
        crdt: &'static str,
        /// What it lacks.
        needs: &'static str,
    },
    /// A keyword about a field where no field of its own is.
    #[error(
        "the schema has {keyword} at '{at}', which is no field: it belongs to a member of properties or to additionalProperties, and neither in an array nor under a condition"
    )]
    Misplaced {
        /// JSON Pointer into the schema.
        at: String,
        /// `x-crdt`, `x-index`, `x-set-once` or `default`.
        keyword: &'static str,
    },
    /// A lower bound above its upper bound: nothing is between them.
    #[error("the schema has at '{at}' a {lower} above the {upper}: no value is allowed")]
    EmptyRange {
        /// JSON Pointer into the schema.
        at: String,
        /// Keyword of the lower bound.
        lower: &'static str,
        /// Keyword of the upper bound.
        upper: &'static str,
    },
    /// A value of `enum` or `const` that is not of the field's type.
    #[error("the schema allows at '{at}' the value {value}, which the type there does not: change either")]
    NotOfType {
        /// JSON Pointer into the schema.
        at: String,
        /// The value, shortened.
        value: String,
    },
    /// A value of `enum` or `const` that another keyword there excludes.
    #[error("the schema allows at '{at}' the value {value}, which {rule} there does not: change either")]
    Excluded {
        /// JSON Pointer into the schema.
        at: String,
        /// The value, shortened.
        value: String,
        /// The keyword that excludes it.
        rule: &'static str,
    },
    /// A required member whose subschema is `false`.
    #[error("the schema requires at '{at}' the field '{name}', which properties forbids: change either")]
    RequiredNever {
        /// JSON Pointer into the schema.
        at: String,
        /// The field.
        name: String,
    },
    /// A required member that no document can have.
    #[error(
        "the schema requires at '{at}' the field '{name}', which it does not name while additionalProperties is false: add it to properties"
    )]
    RequiredForbidden {
        /// JSON Pointer into the schema.
        at: String,
        /// The field.
        name: String,
    },
    /// A default of something else than a register.
    #[error(
        "the schema has at '{at}' a default of a {crdt}: only a register of a scalar or an array has one"
    )]
    DefaultKind {
        /// JSON Pointer into the schema.
        at: String,
        /// The field type.
        crdt: &'static str,
    },
    /// A default that the field's own rules refuse.
    #[error("the schema has at '{at}' a default that breaks its own rule '{rule}': {fault}")]
    DefaultBreaksRule {
        /// JSON Pointer into the schema; of an object with defaults inside: to the object.
        at: String,
        /// JSON Pointer to the rule.
        rule: String,
        /// What is wrong with the default.
        fault: String,
    },
    /// An index of something that has no order, or no name of its own.
    #[error(
        "the schema has at '{at}' an index: a register of scalars with a type, a counter or a bounded counter in properties can have one"
    )]
    Index {
        /// JSON Pointer into the schema.
        at: String,
    },
    /// Something is to be set once that has no value of its own.
    #[error(
        "the schema has at '{at}' what is to be set once: a register in properties can be, of an object one that says \"x-crdt\": \"register\""
    )]
    SetOnce {
        /// JSON Pointer into the schema.
        at: String,
    },
    /// The version that is to replace another is not above it.
    #[error(
        "the schema has at '/x-version' {version}, which has to be above {earlier}, the version it replaces"
    )]
    NotNewer {
        /// Of the schema that is to replace.
        version: u32,
        /// Of the schema that is there.
        earlier: u32,
    },
    /// A field merges in another way than before.
    #[error(
        "the schema has at '{at}' a {crdt} that was a {earlier}: a field keeps its type, add a field of another name"
    )]
    CrdtChanged {
        /// JSON Pointer into the schema.
        at: String,
        /// The field type.
        crdt: &'static str,
        /// What it was.
        earlier: &'static str,
    },
    /// A rule that cannot be shown to allow all that it did.
    #[error(
        "the schema has at '{at}' a rule that is not shown to allow all that the earlier version did: loosen it"
    )]
    Tightened {
        /// JSON Pointer into the schema; the rule may be missing there.
        at: String,
    },
    /// A field of the earlier version is not named.
    #[error("the schema lacks at '{at}' a field of the earlier version: keep it")]
    FieldRemoved {
        /// JSON Pointer into the schema.
        at: String,
    },
    /// A field is required that earlier documents lack.
    #[error(
        "the schema requires at '{at}' the field '{name}', which earlier documents lack: give it a default"
    )]
    NewlyRequired {
        /// JSON Pointer into the schema.
        at: String,
        /// The field.
        name: String,
    },
    /// A default was taken away, added or changed where rules about the whole object may rest on it.
    #[error(
        "the schema has at '{at}' another default than the earlier version, which rules about the whole object may rest on"
    )]
    DefaultChanged {
        /// JSON Pointer into the schema.
        at: String,
    },
}
