//! The entries of a document's root map, each with the operations that put what it shows: all that a small change is
//! made of. Automerge keeps the same in columns, in which one change costs several times as much to look up, insert and
//! write out again.
//!
//! Only of documents in which no list or text was ever seen: items and characters are Automerge's alone.

use crate::entry::{self, Entry, TOMBSTONE};
use crate::foreign::OperationId;
use crate::json::{self, Contents, Entries};
use crate::{Origin, json::borrowed};
use automerge::{Automerge, ObjId, ROOT, ReadDoc as _, ScalarValue, Value as Stored, ValueRef};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a put says, and the operation that said it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Put {
    pub(crate) id: OperationId,
    pub(crate) value: ScalarValue,
}

/// Puts that stand, by the names of their entries. Of an entry the highest comes last, and is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    entries: BTreeMap<String, Vec<Put>>,
    /// Estimate of what they take in memory.
    bytes: usize,
}

impl Table {
    /// The entries of a document; `None` when it has lists or texts, or what is no plain value.
    pub(crate) fn of(document: &Automerge) -> Option<Self> {
        let mut table = Self::default();
        for item in document.map_range(ROOT, ..) {
            if matches!(entry::read_name(&item.key), Entry::Sequence(..)) {
                return None;
            }
            let puts = match item.conflict {
                true => document.get_all(ROOT, item.key.as_ref()).ok()?,
                false => vec![(item.value.clone().into(), item.id())],
            };
            let puts = puts.into_iter().map(|(value, id)| Put::read(value, &id));
            table.replace(&item.key, puts.collect::<Option<Vec<_>>>()?);
        }
        Some(table)
    }

    /// What stands at an entry.
    pub(crate) fn at(&self, name: &str) -> &[Put] {
        self.entries.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Puts others in the place of what stands at an entry, which it returns.
    pub(crate) fn replace(&mut self, name: &str, puts: Vec<Put>) -> Vec<Put> {
        self.bytes += bytes_of(name, &puts);
        let replaced = if puts.is_empty() {
            self.entries.remove(name)
        } else if let Some(present) = self.entries.get_mut(name) {
            Some(std::mem::replace(present, puts))
        } else {
            self.entries.insert(name.to_owned(), puts)
        };
        let replaced = replaced.unwrap_or_default();
        self.bytes -= bytes_of(name, &replaced);
        replaced
    }

    /// Estimate of the memory that it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.bytes as u64
    }
}

/// What an entry takes in memory; nothing when nothing stands there.
fn bytes_of(name: &str, puts: &[Put]) -> usize {
    let puts_bytes = puts.iter().map(Put::memory_bytes).sum::<usize>();
    if puts.is_empty() { 0 } else { ENTRY_BYTES + name.len() + puts_bytes }
}

/// What an entry takes besides its name and its puts: the texts' and vectors' heads, and its room in the tree.
const ENTRY_BYTES: usize = 80;

impl Put {
    fn read(value: Stored<'_>, id: &ObjId) -> Option<Self> {
        let (Stored::Scalar(value), ObjId::Id(counter, author, _)) = (value, id) else { return None };
        let value = value.into_owned();
        // No version writes these; what Automerge makes of them is not known here.
        if matches!(value, ScalarValue::Counter(_) | ScalarValue::Unknown { .. }) {
            return None;
        }
        let author = Origin(author.to_bytes().try_into().ok()?);
        Some(Self { id: OperationId { counter: *counter, author }, value })
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let text = self.value.as_str().map_or(0, str::len) + self.value.as_bytes().map_or(0, <[u8]>::len);
        size_of::<Self>() + text
    }
}

impl Entries for Table {
    fn range<'s>(
        &'s self,
        from: &str,
        to: Option<&str>,
    ) -> Box<dyn Iterator<Item = (Cow<'s, str>, ValueRef<'s>)> + 's> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let range = (Included(from), to.map_or(Unbounded, Excluded));
        Box::new(self.entries.range::<str, _>(range).filter_map(|(name, puts)| {
            let value = &puts.last()?.value;
            Some((Cow::Borrowed(name.as_str()), ValueRef::Scalar(borrowed(value))))
        }))
    }

    fn is_deleted(&self) -> bool {
        self.at(TOMBSTONE).iter().any(|put| put.value == ScalarValue::Boolean(true))
    }
}

impl Contents for Table {
    fn plain(&self, name: &str) -> Option<Value> {
        self.at(name).last().map(|put| json::stored_json(&borrowed(&put.value)))
    }

    /// There are no lists.
    fn items(&self, _: &str) -> Vec<Value> {
        Vec::new()
    }

    /// There are no texts.
    fn text(&self, _: &str) -> String {
        String::new()
    }
}
