//! The tip of a document: the table of its entries, its heads, and the last change of each author. That is all that a
//! small change is made of, and that tells whether somebody else's goes on from here. It is a tenth of the document,
//! and the history can stay on the disk.

use super::tabled::Made;
use super::{Document, NewChange, Progress, writing};
use crate::table::Table;
use crate::{ChangeHash, Operation, Schema, Signature, WriteError};
use serde_json::Value;

/// What an author's last change takes in memory, in bytes, and what a tip takes besides, about.
const AUTHOR_BYTES: u64 = 140;
const TIP_BYTES: u64 = 1_200;

/// A document without its history. See [`Document::into_tip`].
#[derive(Clone, Debug, Default)]
pub struct Tip {
    table: Table,
    heads: Vec<ChangeHash>,
    progress: Progress,
}

/// How [`Tip::write`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TipWrite {
    /// The change; `None` when the document is so already.
    Written(Option<NewChange>),
    /// Only the whole document can tell. The tip is as it was.
    Unfit,
}

impl TipWrite {
    /// The change that was written, if there is one.
    #[must_use]
    pub fn change(self) -> Option<NewChange> {
        match self {
            Self::Written(change) => change,
            Self::Unfit => None,
        }
    }
}

impl Document {
    /// Its tip, without the rest. The document itself when it has lists or texts, or had them, and when it is in a state in
    /// which it takes no writes.
    ///
    /// # Errors
    /// The document, unchanged.
    pub fn into_tip(mut self: Box<Self>) -> Result<Tip, Box<Self>> {
        let table = if self.ahead.is_stuck() { None } else { self.take_table() };
        match table {
            Some(table) => Ok(Tip { table, heads: self.heads(), progress: self.progress }),
            None => Err(self),
        }
    }
}

impl Tip {
    /// The tip of a document without changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The changes that no other change depends on, in byte order.
    #[must_use]
    pub fn heads(&self) -> &[ChangeHash] {
        &self.heads
    }

    /// How many changes its document has.
    #[must_use]
    pub fn changes_count(&self) -> u64 {
        self.progress.changes
    }

    /// What [`Document::json`] gives.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        if self.heads.is_empty() { None } else { writing::shown(&self.table) }
    }

    /// What [`Document::write`] does, where the tip suffices for that.
    ///
    /// # Errors
    /// [`WriteError`], as [`Document::write`]; the tip is as it was.
    pub fn write(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<TipWrite, WriteError> {
        // The values that stand against one another are told apart by their changes.
        if operations.iter().any(|operation| matches!(operation, Operation::Choose { .. })) {
            return Ok(TipWrite::Unfit);
        }
        let made = self.progress.on(&mut self.table, &self.heads).write(signature, schema, operations)?;
        Ok(match made {
            Made::Change(change, outcome) => {
                self.progress.push(&change);
                let dependencies = std::mem::replace(&mut self.heads, vec![change.hash()]);
                TipWrite::Written(Some(Made::told(&change, dependencies, outcome)))
            }
            Made::Nothing => TipWrite::Written(None),
            Made::Unfit => TipWrite::Unfit,
        })
    }

    /// Takes changes of others, given as for [`Document::apply`], from the first on, as long as each is on all that is
    /// here and byte by byte what this replica would make of its operations. Returns how many; of the next one only the
    /// whole document can tell.
    pub fn take(&mut self, chunks: &[Vec<u8>]) -> usize {
        let take = |chunk: &&Vec<u8>| match self.progress.on(&mut self.table, &self.heads).take(chunk) {
            Some(change) => {
                self.progress.push(&change);
                self.heads.clear();
                self.heads.push(change.hash());
                true
            }
            None => false,
        };
        chunks.iter().take_while(take).count()
    }

    /// Estimate of the memory it takes, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        TIP_BYTES + AUTHOR_BYTES * self.progress.last_changes.len() as u64 + self.table.memory_bytes()
    }
}
