//! Documents: addresses, schemas, and CRDT fields on Automerge, with JSON in and out.
//!
//! Pure: no clock, no file, no randomness. Time is an argument; the author of a change is its [`Origin`].
//!
//! Invariants:
//! - A document is stored flat: one entry of the root map per JSON leaf (module `entry`), so two cut-off sites that make
//!   the same document merge entry by entry. Only lists and texts are containers, and who creates one does not matter
//!   (module `sequence`).
//! - A counter is a tally per origin, on a base that all share (module `write::counter`). No Automerge counter is ever
//!   written.
//! - A document says by the names of its entries what its fields are: it is read without its schema.
//! - Bytes from elsewhere meet [`ForeignChange::parse`] before Automerge sees them, and so do the changes made here
//!   before they are acknowledged.
//! - A change that is applied replaces only what was put at the same entry (module `document::lineage`), so it comes to
//!   the same whichever changes it is applied with.
//!
//! ```
//! use document::{Document, Operation, Origin, Schema, Signature};
//! let schema = Schema::parse(r#"{"x-version":1,"type":"object","properties":{
//!     "name":{"type":"string"},"on_hand":{"type":"integer","x-crdt":"counter"}}}"#)?;
//! let mut here = Document::new();
//! let put = Operation::Put(serde_json::json!({"name": "milk", "on_hand": 10}));
//! let signature = Signature { author: Some("till"), ..Signature::of(Origin([1; 16]), 0) };
//! here.write(&signature, Some(&schema), &[put])?;
//! here.write(&signature, Some(&schema), &[Operation::increment("/on_hand", -3)?])?;
//! assert_eq!(here.json(), Some(serde_json::json!({"name": "milk", "on_hand": 7})));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
pub use address::{Address, AddressError, AddressPart, Collection, Key, Space};
mod document;
pub use document::{
    ApplyError, ApplyReason, CONFLICTING_EDITS_MAX, CONFLICTING_VALUES_MAX, Conflict, ConflictingValue,
    Document, DocumentState, HISTORY_MAX, HistoryEntry, HistoryQuery, LoadError, NewChange, Tip, TipWrite,
    UnknownChange,
};
mod entry;
pub use entry::{ELEMENT_BYTES_MAX, Pointer, PointerError};
mod foreign;
pub use foreign::{CHANGE_BYTES_MAX, ChangeRefusal, ChangeSignature, DEPENDENCIES_MAX, ForeignChange};
mod json;
pub use json::{DEPTH_MAX, ENTRIES_MAX, JsonError};
mod origin;
pub use origin::{Origin, OriginError};
mod schema;
pub use schema::{
    Crdt, SCHEMA_BYTES_MAX, SUBSCHEMAS_MAX, Schema, SchemaError, Schemas, VIOLATIONS_MAX, Violation,
};
mod sequence;
mod table;
mod write;
pub use write::{
    AUTHOR_BYTES_MAX, FieldKind, Insertion, MESSAGE_BYTES_MAX, OPERATIONS_MAX, Operation, PatchFault,
    Signature, WriteError,
};

/// JSON Patch (RFC 6902): the operations of [`Operation::Patch`].
pub use json_patch::Patch;

/// Names a change: SHA-256 of its bytes (Automerge binary format, "chunk contents").
pub use automerge::ChangeHash;
