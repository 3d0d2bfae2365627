//! Where a call's operations go until they are a change: into Automerge, or into a table of entries.

use super::WriteError;
use crate::Origin;
use crate::foreign::{self, Action, Operation, OperationId, Place};
use crate::json::{self, Contents, Entries, View};
use crate::table::{Put, Table};
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::transaction::{Transactable as _, Transaction};
use automerge::{ActorId, ObjType, ROOT, ReadDoc as _, ScalarValue, ValueRef};
use serde_json::Value;
use std::borrow::Cow;

/// What operations are carried out on.
pub(crate) enum Draft<'a, 'b> {
    Transaction(&'a mut Transaction<'b>),
    Table(&'a mut Edit<'b>),
}

/// Changes to a table, which can be taken back.
pub(crate) struct Edit<'b> {
    table: &'b mut Table,
    author: Origin,
    /// The number of its first operation.
    first: u64,
    operations: Vec<Op>,
    /// What stood at each entry before it was written, in the order of the writes.
    before: Vec<(String, Vec<Put>)>,
    /// Bytes of puts that operations of others left standing, and that were copied for that.
    copied_bytes: usize,
}

/// Most of them: each operation of a change may leave many standing, or long ones. The long way copies none.
const COPIED_BYTES_MAX: usize = 256 * 1024;

impl<'b> Edit<'b> {
    pub(crate) fn new(table: &'b mut Table, author: Origin, first: u64) -> Self {
        Self { table, author, first, operations: Vec::new(), before: Vec::new(), copied_bytes: 0 }
    }

    /// What was written, in the order in which it was; the table keeps it.
    pub(crate) fn operations(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.operations)
    }

    /// Leaves the table as it was.
    pub(crate) fn take_back(self) {
        for (name, puts) in self.before.into_iter().rev() {
            self.table.replace(&name, puts);
        }
    }

    /// As Automerge does: a value that is shown already is not put again, and of several only the others are deleted.
    fn put(&mut self, name: &str, value: ScalarValue) {
        let present = self.table.at(name);
        match present.split_last() {
            Some((shown, hidden)) if shown.value == value => {
                if !hidden.is_empty() {
                    let (shown, hidden) = (shown.clone(), ids(hidden));
                    self.write(name, OpType::Delete, hidden, vec![shown]);
                }
            }
            Some(_) | None => {
                let (id, replaced) = (self.next(), ids(present));
                let put = Put { id, value: value.clone() };
                self.write(name, OpType::Put(value), replaced, vec![put]);
            }
        }
    }

    /// Does what an operation of somebody else's change does. `false` when it is about a list or a text, replaces what does
    /// not stand at its entry, or leaves too much standing there.
    pub(crate) fn take(&mut self, operation: &Operation<'_>, replaced: &[OperationId]) -> bool {
        let Place::Entry(name) = operation.place else { return false };
        if foreign::marked(operation).is_some() || operation.id != self.next() {
            return false;
        }
        let present = self.table.at(name);
        let stands = |put: &&Put| replaced.binary_search(&put.id).is_err();
        let standing = present.iter().filter(stands).count();
        self.copied_bytes += present.iter().filter(stands).map(Put::memory_bytes).sum::<usize>();
        if present.len() - standing != replaced.len() || self.copied_bytes > COPIED_BYTES_MAX {
            return false;
        }
        // Exactly: most entries have one put, as long as they live.
        let mut puts = Vec::with_capacity(standing + usize::from(operation.action != Action::Delete));
        puts.extend(present.iter().filter(stands).cloned());
        let action = match operation.action {
            Action::Put(value) => {
                puts.push(Put { id: operation.id, value: value.into() });
                OpType::Put(value.into())
            }
            Action::Delete => OpType::Delete,
            Action::Insert(_) => return false,
        };
        let replaced = replaced.iter().map(op_id).collect();
        self.write(name, action, replaced, puts);
        true
    }

    fn delete(&mut self, name: &str) {
        let replaced = ids(self.table.at(name));
        if !replaced.is_empty() {
            self.write(name, OpType::Delete, replaced, Vec::new());
        }
    }

    fn next(&self) -> OperationId {
        OperationId { counter: self.first + self.operations.len() as u64, author: self.author }
    }

    fn write(&mut self, name: &str, action: OpType, replaced: Vec<OpId>, puts: Vec<Put>) {
        let (obj, key) = (ObjectId::Root, Key::Map(name.into()));
        self.operations.push(Op { action, obj, key, pred: replaced.into(), insert: false });
        let before = self.table.replace(name, puts);
        self.before.push((name.to_owned(), before));
    }
}

fn ids(puts: &[Put]) -> Vec<OpId> {
    puts.iter().map(|put| op_id(&put.id)).collect()
}

fn op_id(id: &OperationId) -> OpId {
    OpId(id.counter, ActorId::from(&id.author.0))
}

/// What a draft shows.
pub(crate) enum Shown<'s, 'b> {
    Transaction(View<'s, Transaction<'b>>),
    Table(&'s Table),
}

impl<'b> Draft<'_, 'b> {
    pub(super) fn shown(&self) -> Shown<'_, 'b> {
        match self {
            Self::Transaction(transaction) => Shown::Transaction(View::now(&**transaction)),
            Self::Table(edit) => Shown::Table(edit.table),
        }
    }

    /// What was shown before it.
    pub(super) fn before(&self) -> Value {
        match self {
            Self::Transaction(transaction) => {
                json::assemble(&View::at(&**transaction, &transaction.base_heads()))
            }
            Self::Table(edit) => {
                let mut table = edit.table.clone();
                for (name, puts) in edit.before.iter().rev() {
                    table.replace(name, puts.clone());
                }
                json::assemble(&table)
            }
        }
    }

    /// The plain values at an entry, concurrent ones with them.
    pub(super) fn values(&self, name: &str) -> Vec<Value> {
        let json = |value: &ScalarValue| json::stored_json(&json::borrowed(value));
        match self {
            Self::Transaction(transaction) => {
                let all = transaction.get_all(ROOT, name).unwrap_or_default();
                all.iter().filter_map(|(value, _)| value.as_scalar().map(json)).collect()
            }
            Self::Table(edit) => edit.table.at(name).iter().map(|put| json(&put.value)).collect(),
        }
    }

    pub(super) fn put(&mut self, name: &str, value: ScalarValue) -> Result<(), WriteError> {
        match self {
            Self::Transaction(transaction) => {
                transaction.put(ROOT, name, value).map_err(|_| WriteError::Document)
            }
            Self::Table(edit) => {
                edit.put(name, value);
                Ok(())
            }
        }
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<(), WriteError> {
        match self {
            Self::Transaction(transaction) => {
                transaction.delete(ROOT, name).map_err(|_| WriteError::Document)
            }
            Self::Table(edit) => {
                edit.delete(name);
                Ok(())
            }
        }
    }

    /// Whether anything is at an entry.
    pub(super) fn has(&self, name: &str) -> Result<bool, WriteError> {
        match self {
            Self::Transaction(transaction) => {
                Ok(transaction.get(ROOT, name).map_err(|_| WriteError::Document)?.is_some())
            }
            Self::Table(edit) => Ok(!edit.table.at(name).is_empty()),
        }
    }

    /// The whole number at an entry.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, WriteError> {
        match self {
            Self::Transaction(transaction) => match transaction.get(ROOT, name) {
                Ok(Some((automerge::Value::Scalar(number), _))) => Ok(number.as_i64()),
                Ok(_) => Ok(None),
                Err(_) => Err(WriteError::Document),
            },
            Self::Table(edit) => Ok(edit.table.at(name).last().and_then(|put| put.value.as_i64())),
        }
    }

    /// The kind of list or text at an entry that has items.
    pub(super) fn filled(&self, name: &str) -> Option<ObjType> {
        let Self::Transaction(transaction) = self else { return None };
        let Ok(Some((automerge::Value::Object(kind), id))) = transaction.get(ROOT, name) else { return None };
        (transaction.length(id) > 0).then_some(kind)
    }

    /// Lists and texts are in Automerge alone.
    pub(super) fn transaction(&mut self) -> Option<&mut Transaction<'b>> {
        match self {
            Self::Transaction(transaction) => Some(transaction),
            Self::Table(_) => None,
        }
    }
}

impl Entries for Shown<'_, '_> {
    fn range<'s>(
        &'s self,
        from: &str,
        to: Option<&str>,
    ) -> Box<dyn Iterator<Item = (Cow<'s, str>, ValueRef<'s>)> + 's> {
        match self {
            Self::Transaction(view) => view.range(from, to),
            Self::Table(table) => table.range(from, to),
        }
    }

    fn is_deleted(&self) -> bool {
        match self {
            Self::Transaction(view) => view.is_deleted(),
            Self::Table(table) => table.is_deleted(),
        }
    }
}

impl Contents for Shown<'_, '_> {
    fn plain(&self, name: &str) -> Option<Value> {
        match self {
            Self::Transaction(view) => view.plain(name),
            Self::Table(table) => table.plain(name),
        }
    }

    fn items(&self, name: &str) -> Vec<Value> {
        match self {
            Self::Transaction(view) => view.items(name),
            Self::Table(table) => table.items(name),
        }
    }

    fn text(&self, name: &str) -> String {
        match self {
            Self::Transaction(view) => view.text(name),
            Self::Table(table) => table.text(name),
        }
    }
}
