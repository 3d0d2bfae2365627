//! Writing: operations on a document become entries of one change, or none.
//!
//! What a field is, its entries tell; where it has none, the collection's schema. So what is shown and what is written
//! agree also where the schema is not known, or has changed.

mod again;
mod bounded;
mod clear;
mod counter;
mod draft;
mod error;
mod operation;
mod patch;
mod put;
mod sequence;
mod set;
mod settle;
mod signature;
pub(crate) use draft::{Draft, Edit};
pub use error::{FieldKind, PatchFault, WriteError};
pub use operation::{Insertion, Operation};
pub use signature::{AUTHOR_BYTES_MAX, MESSAGE_BYTES_MAX, Signature};

use crate::entry::{self, Entry, Pointer, SequenceKind, TOMBSTONE};
use crate::json::{self, Contents as _, Entries as _};
use crate::{Crdt, Origin, Schema};
use automerge::{ObjType, ScalarValue};
use serde_json::Value;

/// Most operations of one call.
pub const OPERATIONS_MAX: usize = 256;
/// Most operations of one JSON Patch.
const PATCH_OPERATIONS_MAX: usize = 1_024;
/// Longest document that a JSON Patch may make on its way, in bytes of an estimate: its `copy` doubles.
const PATCHED_BYTES_MAX: usize = 1024 * 1024;
/// Most that one call may write, by the estimate of [`Writer::count`]: refused before a long change is made.
pub(crate) const COST_MAX: usize = crate::CHANGE_BYTES_MAX - 64 * 1024;
/// What an entry takes in a change besides its name and its value, rounded up.
const ENTRY_COST: usize = 24;
/// Most entries, items of lists and characters of texts that one call may write or delete.
const ENTRIES_WRITTEN_MAX: usize = 8_192;

/// What a document shows when operations were carried out.
#[derive(Default)]
pub(crate) struct Outcome {
    /// `None` when it is deleted.
    pub(crate) json: Option<Value>,
    /// Whether that breaks rules of the schema, none of which it did not break before.
    pub(crate) breaks_schema: bool,
}

pub(crate) struct Writer<'a, 'b> {
    draft: Draft<'a, 'b>,
    origin: Origin,
    schema: Option<&'a Schema>,
    cost: usize,
    entries: usize,
    is_deleted: bool,
    /// Whether the document has no change; creations of sequences are none.
    is_new: bool,
    lacking: Vec<(SequenceKind, String)>,
    /// Whether a list or text was to be written into a table. The run counts for nothing then.
    wants_automerge: bool,
}

impl<'a, 'b> Writer<'a, 'b> {
    pub(crate) fn new(
        draft: Draft<'a, 'b>,
        origin: Origin,
        schema: Option<&'a Schema>,
        is_new: bool,
    ) -> Self {
        let lacking = Vec::new();
        let wants_automerge = false;
        Self {
            draft,
            origin,
            schema,
            cost: 0,
            entries: 0,
            is_deleted: false,
            is_new,
            lacking,
            wants_automerge,
        }
    }

    /// Carries out all operations and holds the result, which it returns, against the schema.
    pub(crate) fn run(&mut self, operations: &[Operation]) -> Result<Outcome, WriteError> {
        if operations.len() > OPERATIONS_MAX {
            return Err(WriteError::TooManyOperations(operations.len()));
        }
        self.is_deleted = self.draft.shown().is_deleted();
        let before = if self.is_deleted { Vec::new() } else { self.set_once() };
        for (index, operation) in operations.iter().enumerate() {
            self.run_one(operation).map_err(|error| error.of_operation(index, operations.len()))?;
        }
        self.check_set_once(operations, &before)?;
        self.check_rules()
    }

    /// Sequences that were to be written and are not created yet. The run counts for nothing when there are any: it is
    /// to be done again when they are.
    pub(crate) fn lacking(self) -> Vec<(SequenceKind, String)> {
        self.lacking
    }

    /// Whether this is to be done in Automerge, which has lists and texts. Here the run counts for nothing then.
    pub(crate) fn wants_automerge(&self) -> bool {
        self.wants_automerge
    }

    fn run_one(&mut self, operation: &Operation) -> Result<(), WriteError> {
        match operation {
            Operation::Put(value) if self.is_deleted => self.put_back(value),
            Operation::Put(value) => self.put(value),
            Operation::Delete => self.delete_document(),
            _ if self.is_deleted && !operation.only_empties() => Err(WriteError::Deleted),
            Operation::MergePatch(patch) => self.merge_patch(patch),
            Operation::Patch(patch) => self.patch(patch),
            Operation::Increment { field, by } => self.increment(field, *by),
            Operation::Spend { field, by } => self.spend(field, *by),
            Operation::Grant { field, by, to } => self.grant(field, *by, *to),
            Operation::Transfer { field, to, by } => self.transfer(field, *to, *by),
            Operation::Add { field, element } => self.add(field, element),
            Operation::Remove { field, element } => self.remove(field, element),
            Operation::Insert { field, index, values } => self.insert(field, *index, values),
            Operation::Splice { field, index, delete, insert } => self.splice(field, *index, *delete, insert),
            Operation::Clear { field } => self.clear(field),
            Operation::Settle { field, value } => self.settle(field, value),
            // Whoever calls has made a value of it, which only the document knows.
            Operation::Choose { field, hash } => {
                Err(WriteError::NoSuchValue { field: field.clone(), hash: *hash })
            }
        }
    }

    fn delete_document(&mut self) -> Result<(), WriteError> {
        if self.is_deleted || !self.exists() {
            return Ok(());
        }
        self.is_deleted = true;
        self.set(TOMBSTONE, ScalarValue::Boolean(true))
    }

    /// Whether anything was ever written.
    fn exists(&self) -> bool {
        !self.is_new || self.entries > 0
    }

    /// Only what this call breaks, or makes worse, is refused: a document that a merge made invalid can still be written.
    fn check_rules(&self) -> Result<Outcome, WriteError> {
        if self.is_deleted {
            return Ok(Outcome::default());
        }
        let now = json::assemble(&self.draft.shown());
        let mut violations = self.schema.map_or_else(Vec::new, |schema| schema.violations(&now));
        let (Some(schema), false) = (self.schema, violations.is_empty()) else {
            return Ok(Outcome { json: Some(now), breaks_schema: false });
        };
        if !self.is_new {
            violations = schema.new_violations(&now, &self.draft.before());
        }
        match violations.is_empty() {
            true => Ok(Outcome { json: Some(now), breaks_schema: true }),
            false => Err(WriteError::Invalid(violations)),
        }
    }

    /// The values at fields that are set once, concurrent ones with them; the one that is shown comes last.
    fn set_once(&self) -> Vec<Vec<Value>> {
        let fields = self.schema.map_or(&[][..], Schema::set_once).iter();
        fields.map(|once| self.draft.values(once.field.name())).collect()
    }

    /// What is set once stays, or is settled on what somebody else set it to at the same time.
    fn check_set_once(&self, operations: &[Operation], before: &[Vec<Value>]) -> Result<(), WriteError> {
        let (Some(schema), false) = (self.schema, self.is_deleted) else { return Ok(()) };
        let mut again = Vec::new();
        for ((once, before), after) in schema.set_once().iter().zip(before).zip(self.set_once()) {
            let is_settled = operations.iter().any(|operation| {
                matches!(operation, Operation::Settle { field, value } if *field == once.field && Some(value) == after.last())
            });
            again.extend(once.check(before, &after, is_settled));
        }
        if again.is_empty() { Ok(()) } else { Err(WriteError::Invalid(again)) }
    }

    fn schema_says(&self, field: &Pointer) -> Crdt {
        self.schema.map_or(Crdt::Register, |schema| schema.crdt(field))
    }

    /// Sees to it that the field is of the type that an operation is for.
    fn require(&self, field: &Pointer, kind: FieldKind) -> Result<Survey, WriteError> {
        let survey = self.survey(field);
        if survey.kind.or_else(|| kind_of(self.schema_says(field))) != Some(kind) {
            return Err(WriteError::NotA { field: field.clone(), kind });
        }
        if survey.has_members {
            return Err(WriteError::MembersBelow { field: field.clone(), kind });
        }
        Ok(survey)
    }

    /// Looks at a field's entries, at few of them however many there are: small updates begin so.
    fn survey(&self, field: &Pointer) -> Survey {
        let name = field.name();
        let mut survey = Survey::default();
        // From the plain value on, until an entry tells the type; ',' follows '+' in byte order. Names that go on with a
        // character before '/' lie between.
        let shown = self.draft.shown();
        for (key, _) in shown.range(name, Some(&format!("{name}/,"))) {
            match key.strip_prefix(name) {
                Some("") => survey.has_plain = true,
                Some(rest) if rest.starts_with("/+") => survey.kind = stored_kind(&key),
                Some(rest) if rest.starts_with('/') => survey.has_members |= is_shown(&key),
                Some(_) | None => {}
            }
            if survey.kind.is_some() {
                break;
            }
        }
        // '0' follows '/'.
        let mut members = shown.range(&format!("{name}/,"), Some(&format!("{name}0")));
        survey.has_members |= members.any(|(key, _)| is_shown(&key));
        if survey.kind.is_none() && survey.has_plain {
            survey.kind = self.unmarked_kind(field);
        }
        survey
    }

    /// A list or text whose mark was taken away while somebody wrote to it.
    fn unmarked_kind(&self, field: &Pointer) -> Option<FieldKind> {
        match self.draft.filled(field.name())? {
            ObjType::List => Some(FieldKind::List),
            ObjType::Text => Some(FieldKind::Text),
            ObjType::Map | ObjType::Table => None,
        }
    }

    /// Takes a plain value away from the name of a field that is something else, where it was before.
    fn take_plain(&mut self, field: &Pointer) -> Result<Option<Value>, WriteError> {
        let plain = self.draft.shown().plain(field.name());
        if plain.is_some() {
            self.delete(field.name())?;
        }
        Ok(plain)
    }

    fn delete(&mut self, name: &str) -> Result<(), WriteError> {
        self.count(name.len(), 1)?;
        self.draft.delete(name)
    }

    fn set(&mut self, name: &str, value: ScalarValue) -> Result<(), WriteError> {
        let bytes = value.as_bytes().map_or(0, <[u8]>::len) + value.as_str().map_or(0, str::len);
        self.count(name.len() + bytes, 1)?;
        self.draft.put(name, value)
    }

    /// Puts a mark where it is not.
    fn mark(&mut self, name: &str) -> Result<(), WriteError> {
        if self.draft.has(name)? { Ok(()) } else { self.set(name, ScalarValue::Boolean(true)) }
    }

    fn count(&mut self, bytes: usize, entries: usize) -> Result<(), WriteError> {
        self.count_bytes(bytes + entries * ENTRY_COST)?;
        self.count_entries(entries)
    }

    fn count_bytes(&mut self, bytes: usize) -> Result<(), WriteError> {
        self.cost += bytes;
        if self.cost > COST_MAX { Err(WriteError::TooLong(self.cost)) } else { Ok(()) }
    }

    fn count_entries(&mut self, entries: usize) -> Result<(), WriteError> {
        self.entries += entries;
        if self.entries > ENTRIES_WRITTEN_MAX { Err(WriteError::TooManyEntries) } else { Ok(()) }
    }
}

/// What the entries of a field tell.
#[derive(Default)]
struct Survey {
    /// Its type, where it is more than a plain value.
    kind: Option<FieldKind>,
    /// Whether something is at its own name: a plain value, or what was created there.
    has_plain: bool,
    has_members: bool,
}

/// What the name of an entry tells of its field's type, also where the schema is not known.
pub(crate) fn stored_kind(name: &str) -> Option<FieldKind> {
    match entry::read_name(name) {
        Entry::Tally(_) => Some(FieldKind::Counter),
        Entry::Spend(_) | Entry::Grant(_) | Entry::Bound(_) => Some(FieldKind::BoundedCounter),
        Entry::Element(..) => Some(FieldKind::Set),
        Entry::Sequence(_, SequenceKind::List) => Some(FieldKind::List),
        Entry::Sequence(_, SequenceKind::Text) => Some(FieldKind::Text),
        Entry::Leaf(_) | Entry::Reserved => None,
    }
}

fn is_shown(name: &str) -> bool {
    entry::read_name(name) != Entry::Reserved
}

/// What is more than entries of its own; `None` for plain values and maps.
pub(crate) fn kind_of(crdt: Crdt) -> Option<FieldKind> {
    match crdt {
        Crdt::Register | Crdt::Map => None,
        Crdt::Counter => Some(FieldKind::Counter),
        Crdt::BoundedCounter { .. } => Some(FieldKind::BoundedCounter),
        Crdt::Set => Some(FieldKind::Set),
        Crdt::List => Some(FieldKind::List),
        Crdt::Text => Some(FieldKind::Text),
    }
}
