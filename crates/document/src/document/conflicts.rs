//! Values that lost against concurrent ones, or are hidden by them. None is gone: whoever writes the field again settles
//! it.

use super::Document;
use super::history::{Signed, signed};
use crate::entry::{self, Entry, Pointer, TOMBSTONE};
use crate::{ChangeHash, Origin, json};
use automerge::{ObjId, ROOT, ReadDoc as _, ScalarValueRef};
use serde_json::Value;

/// Most edits concurrent with a deletion that [`Document::conflicts`] tells.
pub const CONFLICTING_EDITS_MAX: usize = 100;

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

/// A field with more than one value, none of whose authors knew of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The field as JSON Pointer; empty for the whole document, which was deleted by one and edited by another.
    pub field: String,
    /// The values, the one that is shown last. Where members hide a value, no value of the field is shown.
    pub values: Vec<ConflictingValue>,
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

impl Document {
    /// Whether the document is there.
    #[must_use]
    pub fn state(&self) -> DocumentState {
        match (self.automerge.is_empty(), self.tombstones().is_empty()) {
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

    fn conflicts_of_fields(&self) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for item in self.automerge.map_range(ROOT, ..) {
            let name = item.key.as_ref();
            if !matches!(entry::read_name(name), Entry::Leaf(_)) {
                continue;
            }
            let is_hidden = self.is_hidden(name);
            if !is_hidden && !item.conflict {
                continue;
            }
            let values = self.values(name, is_hidden);
            let differ = values.windows(2).any(|pair| matches!(pair, [a, b] if a.value != b.value));
            if differ || (is_hidden && !values.is_empty()) {
                let field = Pointer::from_name(name.to_owned()).to_string();
                conflicts.push(Conflict { field, values });
            }
        }
        conflicts
    }

    /// Whether anything is below the entry of this name: members, shares of a counter, elements, a sequence.
    fn is_hidden(&self, name: &str) -> bool {
        // '0' follows '/' in byte order.
        let below = format!("{name}/")..format!("{name}0");
        let mut below = self.automerge.map_range(ROOT, below);
        below.any(|item| entry::read_name(&item.key) != Entry::Reserved)
    }

    fn values(&self, name: &str, is_hidden: bool) -> Vec<ConflictingValue> {
        let shown = self.automerge.get(ROOT, name).ok().flatten().map(|(_, id)| id);
        let all = self.automerge.get_all(ROOT, name).unwrap_or_default();
        let values = all.into_iter().filter_map(|(value, id)| {
            let automerge::Value::Scalar(scalar) = value else { return None };
            let scalar = ScalarValueRef::from(scalar.into_owned());
            let wins = !is_hidden && shown.as_ref() == Some(&id);
            self.conflicting(json::stored_json(&scalar), &id, wins)
        });
        values.collect()
    }

    fn conflicting(&self, value: Value, id: &ObjId, wins: bool) -> Option<ConflictingValue> {
        let hash = self.automerge.hash_for_opid(id)?;
        let change = self.automerge.get_change_meta_by_hash(&hash)?;
        let Signed { origin, wall_ms, author, message: _ } = signed(&change);
        Some(ConflictingValue { value, hash, origin, wall_ms, author, wins })
    }

    /// The operations that delete the document.
    fn tombstones(&self) -> Vec<ObjId> {
        let all = self.automerge.get_all(ROOT, TOMBSTONE).unwrap_or_default();
        all.into_iter().filter(|(value, _)| value.as_bool() == Some(true)).map(|(_, id)| id).collect()
    }

    /// What the deletions did not know of: each change with the document as it made it.
    fn edits_of_deleted(&self) -> Option<Conflict> {
        let tombstones = self.tombstones();
        let deletions = tombstones.iter().filter_map(|id| self.automerge.hash_for_opid(id));
        let edits = self.automerge.get_changes_meta(&deletions.collect::<Vec<_>>());
        if edits.is_empty() {
            return None;
        }
        let edits = edits.iter().take(CONFLICTING_EDITS_MAX).map(|change| {
            let value = self.json_at(&[change.hash]).ok().flatten().unwrap_or(Value::Null);
            let Signed { origin, wall_ms, author, message: _ } = signed(change);
            ConflictingValue { value, hash: change.hash, origin, wall_ms, author, wins: false }
        });
        let deletions = tombstones.iter().filter_map(|id| self.conflicting(Value::Null, id, true));
        Some(Conflict { field: String::new(), values: edits.chain(deletions).collect() })
    }
}

#[cfg(test)]
mod tests;
