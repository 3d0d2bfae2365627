//! Values that lost against concurrent ones, or are hidden by them. None is gone: whoever writes the field again settles
//! it.

use super::Document;
use super::history::{Signed, signed};
use crate::entry::{self, Entry, Pointer, SequenceKind, TOMBSTONE};
use crate::json::{self, Contents as _, View};
use crate::write::{COST_MAX, OPERATIONS_MAX, kind_of, stored_kind};
use crate::{ChangeHash, FieldKind, Operation, Origin, Schema, WriteError, sequence};
use automerge::{ObjId, ObjType, ROOT, ReadDoc as _, ScalarValueRef, ValueRef};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most edits concurrent with a deletion that [`Document::conflicts`] tells.
pub const CONFLICTING_EDITS_MAX: usize = 100;

/// Most concurrent values of fields that [`Document::conflicts`] tells; at least two of each of the first fields.
pub const CONFLICTING_VALUES_MAX: usize = 4_096;

/// Whether a document is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentState {
    /// Nothing was ever written.
    Absent,
    /// It was deleted.
    Deleted,
    /// It is there.
    Live,
}

/// A field with more than one value, none of whose authors knew of the other; an item of a list is a field too.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The field as JSON Pointer; empty for the whole document, which was deleted by one and edited by another.
    pub field: String,
    /// The values, the one that is shown last. Where members or another kind hide them, none of them is shown: of a
    /// hidden counter or set each entry is a value, of a hidden list or text the whole.
    pub values: Vec<ConflictingValue>,
    /// Whether one of them can be chosen: they are those of a register or an item that is shown, and not of what something
    /// hides, or of the whole document. See also [`Conflict::hold_against`].
    pub choosable: bool,
    /// The list, where it is an item of one.
    list: Option<Pointer>,
}

impl Conflict {
    /// Under a schema that gives the field another kind, as a counter, none of its values can be chosen; nor, where the schema
    /// does not keep the field whole, an object with members, which are registers each.
    pub fn hold_against(&mut self, schema: Option<&Schema>) {
        let kind = |field: &Pointer| schema.and_then(|schema| kind_of(schema.crdt(field)));
        self.choosable &= match (&self.list, Pointer::parse(&self.field)) {
            (Some(list), _) => kind(list).is_none_or(|kind| kind == FieldKind::List),
            (None, Ok(field)) => {
                let is_whole = schema.is_some_and(|schema| schema.keeps_whole(field.name()));
                kind(&field).is_none()
                    && (is_whole || !self.values.iter().any(|at| json::has_members(&at.value)))
            }
            (None, Err(_)) => false,
        };
    }
}

/// One of several concurrent values.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictingValue {
    /// The value; null for a deletion.
    pub value: Value,
    /// The change that wrote it.
    pub hash: ChangeHash,
    /// The replica that wrote it.
    pub origin: Origin,
    /// When, by its author's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The service or user.
    pub author: Option<String>,
    /// Whether it is what is shown.
    pub wins: bool,
}

/// What hides a plain value.
#[derive(Clone, Copy)]
enum Hiding {
    Members,
    Kind(FieldKind),
}

/// Conflicts by field, as they are found.
struct Told {
    conflicts: BTreeMap<String, Conflict>,
    /// Values that may still be told.
    left: usize,
}

impl Told {
    fn add(&mut self, name: &str, values: Vec<ConflictingValue>, choosable: bool) {
        self.add_of(name, None, values, choosable);
    }

    fn add_of(&mut self, name: &str, list: Option<Pointer>, values: Vec<ConflictingValue>, choosable: bool) {
        if self.left == 0 || values.is_empty() {
            return;
        }
        self.left = self.left.saturating_sub(values.len());
        let field = Pointer::from_name(name.to_owned()).to_string();
        let conflict = self.conflicts.entry(field.clone());
        let conflict = conflict.or_insert(Conflict { field, values: Vec::new(), choosable, list });
        conflict.choosable &= choosable;
        conflict.values.extend(values);
    }
}

/// The kind of field that an entry tells of, where it has a value of that kind.
fn shown_kind(name: &str, value: &ValueRef<'_>) -> Option<FieldKind> {
    let kind = stored_kind(name)?;
    let is_number = matches!(value, ValueRef::Scalar(ScalarValueRef::Int(_)));
    let needs_number = matches!(kind, FieldKind::Counter | FieldKind::BoundedCounter);
    (is_number || !needs_number).then_some(kind)
}

fn differ(values: &[ConflictingValue]) -> bool {
    values.windows(2).any(|pair| matches!(pair, [a, b] if a.value != b.value))
}

/// Whether a plain value is what a counter counts on from.
fn is_base(hiding: Hiding, value: &Value) -> bool {
    let is_counter = matches!(hiding, Hiding::Kind(FieldKind::Counter | FieldKind::BoundedCounter));
    is_counter && json::count(value).is_some()
}

impl Document {
    /// Whether the document is there.
    #[must_use]
    pub fn state(&self) -> DocumentState {
        match (self.ahead.is_empty(), self.tombstones().is_empty()) {
            (true, _) => DocumentState::Absent,
            (false, false) => DocumentState::Deleted,
            (false, true) => DocumentState::Live,
        }
    }

    /// The conflicts of the document in the order of its fields; those of a deleted document are one, on the whole: the
    /// edits that whoever deleted it did not know of, at most [`CONFLICTING_EDITS_MAX`].
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict> {
        match self.state() {
            DocumentState::Absent => Vec::new(),
            DocumentState::Deleted => self.edits_of_deleted().into_iter().collect(),
            DocumentState::Live => self.conflicts_of_fields(),
        }
    }

    /// The operations, where values are chosen by their changes with these values.
    pub(super) fn with_chosen<'a>(
        &self,
        operations: &'a [Operation],
    ) -> Result<Cow<'a, [Operation]>, WriteError> {
        if !operations.iter().any(|operation| matches!(operation, Operation::Choose { .. })) {
            return Ok(Cow::Borrowed(operations));
        }
        // Before any value is copied: a name of one is short, and a value may not be.
        if operations.len() > OPERATIONS_MAX {
            return Err(WriteError::TooManyOperations(operations.len()));
        }
        let (conflicts, mut bytes) = (self.conflicts(), 0);
        // Items are named by their places before the call, so they are first.
        let mut items = Vec::new();
        let mut others = Vec::with_capacity(operations.len());
        for (index, operation) in operations.iter().enumerate() {
            let refused = |error: WriteError| error.of_operation(index, operations.len());
            let Operation::Choose { field, hash } = operation else {
                others.push(operation.clone());
                continue;
            };
            let name = field.to_string();
            let conflict = conflicts.iter().find(|at| at.field == name);
            if conflict.is_some_and(|conflict| !conflict.choosable) {
                return Err(refused(WriteError::NoRegister { field: field.clone() }));
            }
            let mut values = conflict.into_iter().flat_map(|conflict| &conflict.values);
            let found = values.find(|value| value.hash == *hash);
            let no_value = || refused(WriteError::NoSuchValue { field: field.clone(), hash: *hash });
            let found = found.ok_or_else(no_value)?;
            bytes += found.value.to_string().len();
            if bytes > COST_MAX {
                return Err(WriteError::TooLong(bytes));
            }
            let is_item = conflict.is_some_and(|conflict| conflict.list.is_some());
            let chosen = Operation::Settle { field: field.clone(), value: found.value.clone() };
            if is_item { &mut items } else { &mut others }.push(chosen);
        }
        items.extend(others);
        Ok(Cow::Owned(items))
    }

    fn conflicts_of_fields(&self) -> Vec<Conflict> {
        let mut told = Told { conflicts: BTreeMap::new(), left: CONFLICTING_VALUES_MAX };
        let mut last_field: Option<(String, Option<FieldKind>)> = None;
        for item in self.ahead.whole().map_range(ROOT, ..) {
            let name = item.key.as_ref();
            let entry = entry::read_name(name);
            if let Entry::Leaf(_) = entry {
                self.tell_plain(&mut told, name, item.conflict);
                if matches!(item.value, ValueRef::Object(ObjType::List))
                    && !self.has_entry(&Pointer::from_name(name.to_owned()).sequence_mark(SequenceKind::List))
                {
                    self.tell_items(&mut told, name, false);
                }
                continue;
            }
            // The entries of a field that start with '+' follow one another, and the first tells what is shown.
            let (Some(kind), Some((field, _))) = (shown_kind(name, &item.value), entry::split_reserved(name))
            else {
                continue;
            };
            if last_field.as_ref().is_none_or(|(last, _)| last != field) {
                let shown = (!self.has_members(field)).then_some(kind);
                last_field = Some((field.to_owned(), shown));
            }
            let is_shown = last_field.as_ref().is_some_and(|(_, shown)| *shown == Some(kind));
            match kind {
                _ if !is_shown => self.tell_hidden(&mut told, name, field, &entry),
                FieldKind::List => self.tell_items(&mut told, field, true),
                FieldKind::Counter | FieldKind::BoundedCounter | FieldKind::Set | FieldKind::Text => {}
            }
        }
        told.conflicts.into_values().collect()
    }

    /// The plain values of a field, where there are several or something hides them.
    fn tell_plain(&self, told: &mut Told, name: &str, is_conflict: bool) {
        let hiding = self.hiding(name);
        if hiding.is_none() && !is_conflict {
            return;
        }
        let shown = self.ahead.whole().get(ROOT, name).ok().flatten().map(|(_, id)| id);
        let all = self.ahead.whole().get_all(ROOT, name).unwrap_or_default();
        let values = all.into_iter().filter_map(|(value, id)| {
            let automerge::Value::Scalar(scalar) = value else { return None };
            let value = json::stored_json(&ScalarValueRef::from(scalar.into_owned()));
            let wins = shown.as_ref() == Some(&id) && hiding.is_none_or(|kind| is_base(kind, &value));
            self.conflicting(value, &id, wins)
        });
        let values: Vec<_> = values.collect();
        let is_shown = values.iter().any(|value| value.wins);
        if differ(&values) || hiding.is_some() && !is_shown {
            told.add(name, values, hiding.is_none());
        }
    }

    /// What a field holds of a kind that another one hides.
    fn tell_hidden(&self, told: &mut Told, name: &str, field: &str, entry: &Entry) {
        let view = View::now(self.ahead.whole());
        let all = self.ahead.whole().get_all(ROOT, name).unwrap_or_default();
        let values = all.into_iter().filter_map(|(value, id)| {
            let value = match (entry, value) {
                (Entry::Element(_, Some(element)), _) => element.clone(),
                (Entry::Element(_, None), _) => Value::Array(Vec::new()),
                (Entry::Sequence(_, SequenceKind::List), _) => Value::Array(view.items(field)),
                (Entry::Sequence(_, SequenceKind::Text), _) => Value::String(view.text(field)),
                (_, automerge::Value::Scalar(scalar)) => {
                    json::stored_json(&ScalarValueRef::from(scalar.into_owned()))
                }
                (_, automerge::Value::Object(_)) => return None,
            };
            self.conflicting(value, &id, false)
        });
        told.add(field, values.collect(), false);
    }

    /// The items of a list that several have put another value in the place of.
    fn tell_items(&self, told: &mut Told, field: &str, choosable: bool) {
        let list = sequence::object(SequenceKind::List, field);
        let items = self.ahead.whole().list_range(&list, ..).filter(|item| item.conflict);
        for (index, shown) in items.map(|item| (item.index, item.id())) {
            if told.left == 0 {
                return;
            }
            let all = self.ahead.whole().get_all(&list, index).unwrap_or_default();
            let values = all.into_iter().filter_map(|(value, id)| {
                let automerge::Value::Scalar(scalar) = value else { return None };
                let value = json::stored_json(&ScalarValueRef::from(scalar.into_owned()));
                self.conflicting(value, &id, id == shown)
            });
            let values: Vec<_> = values.collect();
            if differ(&values) {
                let list = Some(Pointer::from_name(field.to_owned()));
                told.add_of(&format!("{field}/{index}"), list, values, choosable);
            }
        }
    }

    /// What hides a field's plain value, if anything does: members, or a kind that the field is.
    fn hiding(&self, name: &str) -> Option<Hiding> {
        if self.has_members(name) {
            return Some(Hiding::Members);
        }
        // ',' follows '+' in byte order.
        let entries = self.ahead.whole().map_range(ROOT, format!("{name}/+")..format!("{name}/,"));
        entries.filter_map(|item| shown_kind(&item.key, &item.value)).map(Hiding::Kind).next()
    }

    /// Whether the field has members, which are shown before all else.
    fn has_members(&self, name: &str) -> bool {
        // '0' follows '/' in byte order.
        let mut below = self.ahead.whole().map_range(ROOT, format!("{name}/")..format!("{name}0"));
        let own = format!("{name}/+");
        below.any(|item| !item.key.starts_with(&own) && entry::read_name(&item.key) != Entry::Reserved)
    }

    fn has_entry(&self, name: &str) -> bool {
        matches!(self.ahead.whole().get(ROOT, name), Ok(Some(_)))
    }

    fn conflicting(&self, value: Value, id: &ObjId, wins: bool) -> Option<ConflictingValue> {
        let hash = self.ahead.whole().hash_for_opid(id)?;
        let change = self.ahead.whole().get_change_meta_by_hash(&hash)?;
        let Signed { origin, wall_ms, author, message: _ } = signed(&change);
        Some(ConflictingValue { value, hash, origin, wall_ms, author, wins })
    }

    /// The operations that delete the document.
    fn tombstones(&self) -> Vec<ObjId> {
        let all = self.ahead.whole().get_all(ROOT, TOMBSTONE).unwrap_or_default();
        all.into_iter().filter(|(value, _)| value.as_bool() == Some(true)).map(|(_, id)| id).collect()
    }

    /// What the deletions did not know of: each change with the document as it made it.
    fn edits_of_deleted(&self) -> Option<Conflict> {
        let tombstones = self.tombstones();
        let deletions = tombstones.iter().filter_map(|id| self.ahead.whole().hash_for_opid(id));
        let edits = self.ahead.whole().get_changes_meta(&deletions.collect::<Vec<_>>());
        if edits.is_empty() {
            return None;
        }
        let edits = edits.iter().take(CONFLICTING_EDITS_MAX).map(|change| {
            let value = self.json_at(&[change.hash]).ok().flatten().unwrap_or(Value::Null);
            let Signed { origin, wall_ms, author, message: _ } = signed(change);
            ConflictingValue { value, hash: change.hash, origin, wall_ms, author, wins: false }
        });
        let deletions = tombstones.iter().filter_map(|id| self.conflicting(Value::Null, id, true));
        Some(Conflict {
            field: String::new(),
            values: edits.chain(deletions).collect(),
            choosable: false,
            list: None,
        })
    }
}

#[cfg(test)]
mod tests;
