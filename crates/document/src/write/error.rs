use super::{COST_MAX, ENTRIES_WRITTEN_MAX, OPERATIONS_MAX, PATCH_OPERATIONS_MAX, PATCHED_BYTES_MAX};
use crate::entry::ELEMENT_BYTES_MAX;
use crate::json::JsonError;
use crate::{AUTHOR_BYTES_MAX, ChangeHash, ChangeRefusal, DEPTH_MAX, MESSAGE_BYTES_MAX, Pointer, Violation};
use std::fmt;

/// A type of field that operations name, as the schema's `x-crdt` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// A sum of increments.
    Counter,
    /// A counter with rights.
    BoundedCounter,
    /// A set of scalars.
    Set,
    /// A sequence of values.
    List,
    /// A sequence of characters.
    Text,
}

impl FieldKind {
    /// What a put gives it, in words.
    fn takes(self) -> &'static str {
        match self {
            Self::Counter | Self::BoundedCounter => "a whole number",
            Self::Set => "an array of distinct scalars",
            Self::List => "an array",
            Self::Text => "a string",
        }
    }

    /// What empties a field of the kind.
    fn how_to_empty(self) -> &'static str {
        match self {
            Self::BoundedCounter => "spend what is to go, others hold their rights",
            Self::Counter | Self::Set | Self::List | Self::Text => "clear it",
        }
    }
}

impl fmt::Display for FieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::BoundedCounter => "bounded-counter",
            Self::Set => "set",
            Self::List => "list",
            Self::Text => "text",
        })
    }
}

/// Why a patch could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchFault {
    /// A `test` found another value than it names: this one, shortened.
    Test {
        /// What is there; nothing when the path leads nowhere.
        found: Option<String>,
    },
    /// Nothing is at its path, or nothing can be added there.
    Path,
    /// Nothing is at its `from`.
    From,
    /// It moves a value into itself.
    IntoItself,
    /// What it makes is larger than any document.
    TooLarge,
}

impl PatchFault {
    /// The member of the step that it is about.
    fn member(&self) -> &'static str {
        match self {
            Self::Test { .. } => "/value",
            Self::Path | Self::IntoItself => "/path",
            Self::From => "/from",
            Self::TooLarge => "",
        }
    }
}

impl fmt::Display for PatchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test { found: Some(found) } => write!(f, "another value is there: {found}"),
            Self::Test { found: None } => f.write_str("nothing is there"),
            Self::Path => f.write_str("the path leads nowhere"),
            Self::From => f.write_str("'from' leads nowhere"),
            Self::IntoItself => f.write_str("a value cannot be moved into itself"),
            Self::TooLarge => write!(f, "the document would be larger than {PATCHED_BYTES_MAX} bytes"),
        }
    }
}

/// Why operations were refused. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The value cannot be a document.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// More than `OPERATIONS_MAX` operations.
    #[error("one call may have {OPERATIONS_MAX} operations, this one has {0}")]
    TooManyOperations(usize),
    /// The author's name is too long or has line ends.
    #[error("an author's name has at most {AUTHOR_BYTES_MAX} bytes and no control characters")]
    Author,
    /// The message is too long.
    #[error("a change's message has at most {MESSAGE_BYTES_MAX} bytes, this one has {0}")]
    Message(usize),
    /// The document is deleted: only a put brings it back, and nothing but what empties it is written before.
    #[error("the document is deleted: put it to bring it back")]
    Deleted,
    /// Only registers and items of lists have concurrent values to decide between.
    #[error("{field} is no register or item that shows a value: none of it can be chosen, or settled on")]
    NoRegister {
        /// The field.
        field: Pointer,
    },
    /// The field has no conflict that the change wrote a value of: it is settled, or never was one.
    #[error("{field} has no conflict with a value of change {hash}")]
    NoSuchValue {
        /// The field.
        field: Pointer,
        /// The change.
        hash: ChangeHash,
    },
    /// A field was given a value that it does not take.
    #[error("{field} is a {kind}: it takes {}, not {given}", kind.takes())]
    FieldValue {
        /// The field.
        field: Pointer,
        /// Its type.
        kind: FieldKind,
        /// What it was given.
        given: &'static str,
    },
    /// The schema does not say that the field is of the type that the operation is for.
    #[error("{field} is no {kind}: name it in the collection's schema with \"x-crdt\": \"{kind}\"")]
    NotA {
        /// The field.
        field: Pointer,
        /// What the operation is for.
        kind: FieldKind,
    },
    /// A value was put where counters are below, or a patch removes a counter.
    #[error("{field} has the counter {counter} below it, which cannot be put away: write its members")]
    CounterBelow {
        /// The field.
        field: Pointer,
        /// One of the counters.
        counter: Pointer,
    },
    /// A patch removes a counter, or a bounded counter is cleared.
    #[error("{field} is a {kind}, which cannot be removed: {}", kind.how_to_empty())]
    Unremovable {
        /// The counter.
        field: Pointer,
        /// Its type.
        kind: FieldKind,
    },
    /// A field with members was to be written as one of another type: they would hide it.
    #[error("{field} has members, which hide a {kind}: put the document without them first")]
    MembersBelow {
        /// The field.
        field: Pointer,
        /// The type that it was to have.
        kind: FieldKind,
    },
    /// An element of a set is no scalar.
    #[error("an element of the set {field} is a scalar, not {given}")]
    Element {
        /// The set.
        field: Pointer,
        /// What it was given.
        given: &'static str,
    },
    /// An element of a set is too long.
    #[error("an element of the set {field} has at most {ELEMENT_BYTES_MAX} bytes")]
    ElementTooLong {
        /// The set.
        field: Pointer,
    },
    /// A value for a list is nested too deep.
    #[error("a value for the list {field} is nested deeper than a document may be ({DEPTH_MAX})")]
    ItemTooDeep {
        /// The list.
        field: Pointer,
    },
    /// A place outside the list or text.
    #[error("{field} has {length} items or characters: nothing is at {index}, {delete} after it to delete")]
    Index {
        /// The list or text.
        field: Pointer,
        /// Where, from 0.
        index: usize,
        /// How many to delete.
        delete: usize,
        /// How many it has.
        length: usize,
    },
    /// This origin does not hold the rights that it was to spend or give.
    #[error("{field}: {missing} more rights are needed here{}", show_holders(holders))]
    NotEnough {
        /// The bounded counter.
        field: Pointer,
        /// How many more would do.
        missing: u64,
        /// Other origins that hold rights, in their short form, and how many, the most first.
        holders: Vec<(String, u64)>,
    },
    /// A JSON Patch could not be carried out.
    #[error("operation {operation} of the patch at '{path}': {fault}")]
    Patch {
        /// Which of its operations, from 0.
        operation: usize,
        /// Its path.
        path: String,
        /// Why.
        fault: PatchFault,
    },
    /// More than `PATCH_OPERATIONS_MAX` operations in a JSON Patch.
    #[error("a patch may have {PATCH_OPERATIONS_MAX} operations, this one has {0}")]
    PatchTooLong(usize),
    /// The document would break rules of its schema that it did not break before, or break them worse: a bound by more,
    /// or by another invalid value. What a merge broke may be left as it is, and may be mended in steps.
    #[error("the document would break its schema: {}", show_violations(.0))]
    Invalid(Vec<Violation>),
    /// No peer would take the change: too many sites have written the document at once, or it is damaged.
    #[error("no peer would take the change: {0}")]
    Refused(#[from] ChangeRefusal),
    /// A counter or this origin's share of it would leave 64 bits.
    #[error("{field} would leave the range of 64 bits")]
    Overflow {
        /// The counter.
        field: Pointer,
    },
    /// The change would be longer than a change may be.
    #[error("the change would have {0} bytes, {COST_MAX} are allowed")]
    TooLong(usize),
    /// The change would write more than `ENTRIES_WRITTEN_MAX`.
    #[error("one call may write {ENTRIES_WRITTEN_MAX} entries, items and characters")]
    TooManyEntries,
    /// Automerge refused; the document's changes contradict each other.
    #[error("the document cannot be written")]
    Document,
    /// One of several operations.
    #[error("{error}")]
    Operation {
        /// Which, from 0.
        index: usize,
        /// Why.
        error: Box<WriteError>,
    },
}

impl WriteError {
    /// Itself, as the error of one operation among so many; what is about all of them stays as it is.
    pub(crate) fn of_operation(self, index: usize, operations: usize) -> Self {
        let is_of_all = matches!(self, Self::Refused(_) | Self::Document | Self::Operation { .. });
        if is_of_all || operations == 1 { self } else { Self::Operation { index, error: Box::new(self) } }
    }

    /// Itself, of which it is not known any more which operation it is about.
    pub(crate) fn of_any_operation(self) -> Self {
        if let Self::Operation { error, .. } = self { *error } else { self }
    }

    /// Why, whichever of several operations it is about.
    #[must_use]
    pub fn cause(&self) -> &Self {
        if let Self::Operation { error, .. } = self { error.cause() } else { self }
    }

    /// What it is about among the operations, as a JSON Pointer into the list of them: the operation, where there are several,
    /// and the step of a JSON Patch with the member of it. `None` where that is not known.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        if let Self::Operation { index, error } = self {
            Some(format!("/{index}{}", error.place().unwrap_or_default()))
        } else if let Self::Patch { operation, fault, .. } = self {
            Some(format!("/patch/{operation}{}", fault.member()))
        } else {
            None
        }
    }

    /// The field that it is about, as a JSON Pointer; `None` where it is about all of them or about none.
    #[must_use]
    pub fn field(&self) -> Option<String> {
        match self {
            Self::FieldValue { field, .. }
            | Self::NoRegister { field }
            | Self::NoSuchValue { field, .. }
            | Self::NotA { field, .. }
            | Self::CounterBelow { field, .. }
            | Self::Unremovable { field, .. }
            | Self::MembersBelow { field, .. }
            | Self::Element { field, .. }
            | Self::ElementTooLong { field }
            | Self::ItemTooDeep { field }
            | Self::Index { field, .. }
            | Self::NotEnough { field, .. }
            | Self::Overflow { field } => Some(field.to_string()),
            Self::Patch { path, .. } => Some(path.clone()),
            Self::Invalid(violations) => match violations.as_slice() {
                [only] => Some(only.field.clone()),
                _ => None,
            },
            Self::Operation { error, .. } => error.field(),
            Self::Json(_)
            | Self::TooManyOperations(_)
            | Self::Author
            | Self::Message(_)
            | Self::Deleted
            | Self::PatchTooLong(_)
            | Self::Refused(_)
            | Self::TooLong(_)
            | Self::TooManyEntries
            | Self::Document => None,
        }
    }

    /// How much one call may have, where it has more: bytes, entries, operations.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match self {
            Self::TooLong(_) => Some(COST_MAX),
            Self::TooManyEntries => Some(ENTRIES_WRITTEN_MAX),
            Self::TooManyOperations(_) => Some(OPERATIONS_MAX),
            Self::PatchTooLong(_) => Some(PATCH_OPERATIONS_MAX),
            Self::Patch { fault: PatchFault::TooLarge, .. } => Some(PATCHED_BYTES_MAX),
            Self::Operation { error, .. } => error.limit(),
            Self::Json(_)
            | Self::Author
            | Self::Message(_)
            | Self::FieldValue { .. }
            | Self::NoRegister { .. }
            | Self::NoSuchValue { .. }
            | Self::NotA { .. }
            | Self::CounterBelow { .. }
            | Self::Unremovable { .. }
            | Self::MembersBelow { .. }
            | Self::Deleted
            | Self::Element { .. }
            | Self::ElementTooLong { .. }
            | Self::ItemTooDeep { .. }
            | Self::Index { .. }
            | Self::NotEnough { .. }
            | Self::Patch { .. }
            | Self::Invalid(_)
            | Self::Refused(_)
            | Self::Overflow { .. }
            | Self::Document => None,
        }
    }

    /// The rules of the schema that the document would break; none of any other error.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        if let Self::Invalid(violations) = self.cause() { violations } else { &[] }
    }
}

/// Most that are named in words.
const SHOWN_MAX: usize = 3;

fn show_holders(holders: &[(String, u64)]) -> String {
    if holders.is_empty() {
        return ", and nobody else holds any".to_owned();
    }
    let shown = holders.iter().take(SHOWN_MAX).map(|(origin, held)| format!("{origin} holds {held}"));
    format!("; {}", shown.collect::<Vec<_>>().join(", "))
}

fn show_violations(violations: &[Violation]) -> String {
    violations.iter().take(SHOWN_MAX).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
