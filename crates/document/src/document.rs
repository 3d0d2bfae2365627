use crate::ChangeHash;
use crate::table::Table;
use automerge::{Automerge, Change, ReadDoc as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

mod ahead;
mod applying;
pub use applying::{ApplyError, ApplyReason};
mod branch;
mod conflicts;
pub use conflicts::{
    CONFLICTING_EDITS_MAX, CONFLICTING_VALUES_MAX, Conflict, ConflictingValue, DocumentState,
};
mod history;
pub use history::{HISTORY_MAX, HistoryEntry, HistoryQuery, UnknownChange};
mod lineage;
mod memory;
mod tabled;
mod tip;
pub use tip::{Tip, TipWrite};
mod writing;
use ahead::Ahead;
use lineage::{LastChange, LastChanges};
use memory::Memory;
use tabled::TableState;

/// A change that this replica made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// Its identity.
    pub hash: ChangeHash,
    /// What it directly depends on: the heads that it was written on.
    pub dependencies: Vec<ChangeHash>,
    /// Its bytes, as they are stored.
    pub chunk: Vec<u8>,
    /// What [`Document::json`] gives with it.
    pub json: Option<serde_json::Value>,
    /// Whether that breaks rules of the schema still, as it did before: a change that breaks one is refused.
    pub breaks_schema: bool,
}

/// Bytes that are no saved document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a saved document cannot be read")]
pub struct LoadError;

/// One Automerge document, stored flat.
#[derive(Clone)]
pub struct Document {
    ahead: Ahead,
    table: TableState,
    memory: Memory,
    progress: Progress,
}

/// How far a document has come.
#[derive(Clone, Debug, Default, PartialEq)]
struct Progress {
    /// How many changes it has.
    changes: u64,
    /// Bytes of them.
    bytes: u64,
    last_changes: LastChanges,
}

impl Progress {
    /// Counts one more change.
    fn push(&mut self, change: &Change) {
        let last = LastChange { operation: change.max_op(), number: change.seq(), hash: change.hash() };
        self.last_changes.insert(change.actor_id().clone(), last);
        self.changes += 1;
        self.bytes += change.raw_bytes().len() as u64;
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("changes", &self.progress.changes).finish_non_exhaustive()
    }
}

impl Document {
    /// A document without changes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ahead: Automerge::new().into(),
            table: TableState::Known(Table::default()),
            memory: Memory::default(),
            progress: Progress::default(),
        }
    }

    /// The changes that no other change depends on, in byte order.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.ahead.heads()
    }

    /// Whether a change is here.
    #[must_use]
    pub fn has(&self, hash: &ChangeHash) -> bool {
        self.ahead.change(hash).is_some() || self.ahead.given().get_change_meta_by_hash(hash).is_some()
    }

    /// The chunk of a change, written again bit by bit as it was; `None` when it is not here.
    #[must_use]
    pub fn change(&self, hash: &ChangeHash) -> Option<Vec<u8>> {
        if let Some(change) = self.ahead.change(hash) {
            return Some(change.raw_bytes().to_vec());
        }
        let change = catch_unwind(AssertUnwindSafe(|| self.ahead.given().get_change_by_hash(hash)));
        Some(change.ok()??.raw_bytes().to_vec())
    }

    /// The chunks of all changes, written again bit by bit as they were, each after what it depends on; without the
    /// creations of lists and texts, which are made where they are needed. `None` when Automerge cannot write them.
    #[must_use]
    pub fn changes(&self) -> Option<Vec<Vec<u8>>> {
        let automerge = self.ahead.whole();
        let is_creation = |meta: &_| lineage::creation_at(automerge, meta).is_some();
        let metas = automerge.get_changes_meta(&[]);
        metas.iter().filter(|meta| !is_creation(meta)).map(|meta| self.change(&meta.hash)).collect()
    }

    /// How many changes it has.
    #[must_use]
    pub fn changes_count(&self) -> u64 {
        self.progress.changes
    }

    /// Bytes of its changes: as they are stored one by one, or in what it was loaded from.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.progress.bytes
    }

    /// How many changes were written or applied since somebody asked for what the table of entries does not have.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ahead.waiting()
    }

    /// Lets go of the copy that a read of history or conflicts, or a save, may have made: who puts a document aside calls it.
    pub fn let_go_of_copy(&mut self) {
        self.ahead.let_go_of_copy();
    }

    /// The whole document with its history, for [`Document::load`]. Documents with equal heads may differ in it.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.ahead.whole().save()
    }

    /// Reads what [`Document::save`] wrote. For bytes from this replica's own disk only: Automerge expands what it
    /// reads without a bound.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are damaged.
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        let loaded = catch_unwind(AssertUnwindSafe(|| Automerge::load(bytes)));
        let automerge = loaded.map_err(|_| LoadError)?.map_err(|_| LoadError)?;
        let mut last_changes = LastChanges::new();
        let metas = automerge.get_changes_meta(&[]);
        let (mut changes, mut operations) = (0, 0);
        for meta in &metas {
            // The creation of a list or a text has no author.
            if lineage::creation_at(&automerge, meta).is_some() {
                continue;
            }
            changes += 1;
            operations += (meta.max_op + 1).saturating_sub(meta.start_op);
            let last = LastChange { operation: meta.max_op, number: meta.seq, hash: meta.hash };
            // Each author's changes follow one another.
            last_changes.insert(meta.actor.clone().into_owned(), last);
        }
        let memory = Memory::measured(&automerge, operations);
        let progress = Progress { changes, bytes: bytes.len() as u64, last_changes };
        Ok(Self { memory, progress, table: TableState::Unknown, ahead: automerge.into() })
    }

    /// Estimate of the memory it takes, in bytes: 16 KiB, 160 a change, 256 an author, what its columns take (module
    /// `memory`), and its table. Counted with an allocator (`tests/memory.rs`) it is right within a quarter, besides what the
    /// allocator keeps of the 16 KiB.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let authors = 256 * self.progress.last_changes.len() as u64;
        let automerge = 16 * 1024 + 160 * self.progress.changes + authors + self.memory.bytes();
        let table = if let TableState::Known(table) = &self.table { table.memory_bytes() } else { 0 };
        automerge * self.ahead.copies() + self.ahead.waiting_bytes() + table
    }
}

#[cfg(test)]
mod tests;
