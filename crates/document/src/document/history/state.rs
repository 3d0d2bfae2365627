//! What a document shows at some heads, as a value: changes are applied to it, and two of them are joined.
//!
//! Automerge reads a document as it was by walking its whole history. Here the operations of each entry that nothing
//! replaced are held, and how far each author's are in: an observed-remove set. So a change costs what it did, and a
//! join what both show, however long the history is.

use crate::ChangeHash;
use crate::entry::{self, Entry, SequenceKind, TOMBSTONE};
use crate::json::{self, View};
use automerge::legacy::{Key, ObjectId, OpType};
use automerge::{
    ActorId, Automerge, ChangeMetadata, ExpandedChange, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue,
    ScalarValueRef, ValueRef,
};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Names an operation; the highest of concurrent ones is shown.
type Id = (u64, ActorId);

/// What an operation put at an entry.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    Scalar(ScalarValue),
    Object(ObjType),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// The operations at each entry that nothing replaced.
    entries: BTreeMap<String, BTreeMap<Id, Stored>>,
    /// The last operation of each author: all of that author's up to it are in.
    last: BTreeMap<ActorId, u64>,
}

impl State {
    /// Reads it, in time linear in the history. `changes` are those of the document, each before what it depends on.
    pub(super) fn at(document: &Automerge, changes: &[ChangeMetadata<'_>], heads: &[ChangeHash]) -> Self {
        let mut state = Self { entries: BTreeMap::new(), last: last_operations(changes, heads) };
        for item in document.map_range_at(ROOT, .., heads) {
            let mut values = BTreeMap::new();
            if item.conflict {
                let all = document.get_all_at(ROOT, item.key.as_ref(), heads).unwrap_or_default();
                values.extend(all.into_iter().filter_map(|(value, id)| Some((named(id)?, stored(value)))));
            } else if let Some(id) = named(item.id()) {
                values.insert(id, stored(item.value.into()));
            }
            state.entries.insert(item.key.into_owned(), values);
        }
        state
    }

    /// How many entries it has.
    pub(super) fn entries_count(&self) -> usize {
        self.entries.len()
    }

    /// Whether an operation is in it, be it replaced since.
    fn has(&self, (counter, author): &Id) -> bool {
        self.last.get(author).is_some_and(|last| counter <= last)
    }

    /// Applies a change of which all dependencies are in, once. Returns whether it changes items of lists or texts, which are
    /// not held here.
    pub(super) fn apply(&mut self, change: &ExpandedChange) -> bool {
        let (first, mut changes_items) = (change.start_op.get(), false);
        if self.has(&(first, change.actor_id.clone())) {
            return false;
        }
        for (counter, operation) in (first..).zip(&change.operations) {
            let (ObjectId::Root, Key::Map(name)) = (&operation.obj, &operation.key) else {
                changes_items = true;
                continue;
            };
            let values = self.entries.entry(name.to_string()).or_default();
            for replaced in operation.pred.iter() {
                values.remove(&(replaced.0, replaced.1.clone()));
            }
            let put = match &operation.action {
                OpType::Put(value) => Some(Stored::Scalar(value.clone())),
                OpType::Make(kind) => Some(Stored::Object(*kind)),
                OpType::Delete | OpType::Increment(_) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => None,
            };
            values.extend(put.map(|put| ((counter, change.actor_id.clone()), put)));
            if values.is_empty() {
                self.entries.remove(name.as_str());
            }
        }
        let after = first + change.operations.len() as u64;
        self.last.insert(change.actor_id.clone(), after.saturating_sub(1));
        changes_items
    }

    /// What both have: an operation that one of them has and does not show was replaced there.
    pub(super) fn join(&mut self, other: &Self) {
        for (name, values) in &mut self.entries {
            let others = other.entries.get(name);
            values.retain(|id, _| others.is_some_and(|others| others.contains_key(id)) || !other.has(id));
        }
        for (name, others) in &other.entries {
            let new = others.iter().filter(|(id, _)| !self.has(id));
            let new: Vec<_> = new.map(|(id, value)| (id.clone(), value.clone())).collect();
            self.entries.entry(name.clone()).or_default().extend(new);
        }
        self.entries.retain(|_, values| !values.is_empty());
        for (author, last) in &other.last {
            let own = self.last.entry(author.clone()).or_insert(0);
            *own = (*own).max(*last);
        }
    }

    /// The lists and texts that are shown, by the names of their entries.
    pub(super) fn sequences(&self) -> impl Iterator<Item = (SequenceKind, &str)> {
        self.entries.iter().filter_map(|(name, values)| match (entry::read_name(name), shown(values)?) {
            (Entry::Sequence(_, kind), _) => Some((kind, entry::split_reserved(name)?.0)),
            (Entry::Leaf(_), Stored::Object(ObjType::List)) => Some((SequenceKind::List, name.as_str())),
            (Entry::Leaf(_), Stored::Object(ObjType::Text)) => Some((SequenceKind::Text, name.as_str())),
            (_, Stored::Scalar(_) | Stored::Object(_)) => None,
        })
    }

    /// Whether a tombstone stands.
    pub(super) fn is_deleted(&self) -> bool {
        let is_true = |value: &Stored| *value == Stored::Scalar(ScalarValue::Boolean(true));
        self.entries.get(TOMBSTONE).is_some_and(|values| values.values().any(is_true))
    }

    /// The entries, and what is shown of each.
    pub(super) fn shown(&self) -> impl Iterator<Item = (Cow<'_, str>, ValueRef<'_>)> {
        self.entries.iter().filter_map(|(name, values)| {
            let value = match shown(values)? {
                Stored::Scalar(value) => ValueRef::Scalar(ScalarValueRef::from(value.clone())),
                Stored::Object(kind) => ValueRef::Object(*kind),
            };
            Some((Cow::Borrowed(name.as_str()), value))
        })
    }

    /// The plain value at an entry, also where an object outranks it.
    pub(super) fn plain(&self, name: &str) -> Option<Value> {
        let mut values = self.entries.get(name)?.values().rev();
        values.find_map(|value| match value {
            Stored::Scalar(value) => Some(json::stored_json(&ScalarValueRef::from(value.clone()))),
            Stored::Object(_) => None,
        })
    }
}

fn shown(values: &BTreeMap<Id, Stored>) -> Option<&Stored> {
    values.last_key_value().map(|(_, value)| value)
}

fn named(id: ObjId) -> Option<Id> {
    if let ObjId::Id(counter, author, _) = id { Some((counter, author)) } else { None }
}

fn stored(value: automerge::Value<'_>) -> Stored {
    match value {
        automerge::Value::Scalar(value) => Stored::Scalar(value.into_owned()),
        automerge::Value::Object(kind) => Stored::Object(kind),
    }
}

/// The last operation of each author that heads depend on.
fn last_operations(changes: &[ChangeMetadata<'_>], heads: &[ChangeHash]) -> BTreeMap<ActorId, u64> {
    let mut wanted: BTreeSet<ChangeHash> = heads.iter().copied().collect();
    let mut last: BTreeMap<ActorId, u64> = BTreeMap::new();
    for change in changes {
        if wanted.remove(&change.hash) {
            wanted.extend(&change.deps);
            if let Some(last) = last.get_mut(change.actor.as_ref()) {
                *last = change.max_op.max(*last);
            } else {
                last.insert(change.actor.clone().into_owned(), change.max_op);
            }
        }
    }
    last
}

/// The items of a list, or a text, at these heads.
pub(super) fn read_sequence(
    document: &Automerge,
    heads: &[ChangeHash],
    (kind, name): (SequenceKind, &str),
) -> Value {
    use crate::json::Contents as _;
    let then = View::at(document, heads);
    match kind {
        SequenceKind::List => Value::Array(then.items(name)),
        SequenceKind::Text => Value::String(then.text(name)),
    }
}
