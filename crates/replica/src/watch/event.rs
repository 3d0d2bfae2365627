use super::WatchCursor;
use crate::request::{BlockReason, Stamp};
use document::{Address, ChangeHash, ChangeSignature, Violation};
use serde_json::Value;

/// What a watch shows, in this order: the initial state, the mark of its end, changes in the order of the journal, each
/// once and none left out. A watch that goes on from a cursor goes on after the event that gave it.
///
/// Every event has the cursor with which a later watch goes on after it.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// The cursor that was given serves no more: the journal is another, or no longer goes back so far. Forget what was
    /// shown; the whole state follows.
    Reset {
        /// See [`WatchEvent`].
        cursor: WatchCursor,
    },
    /// A document of the initial state.
    Document {
        /// See [`WatchEvent`].
        cursor: WatchCursor,
        /// The document.
        document: WatchedDocument,
    },
    /// The initial state was shown whole.
    Synced {
        /// See [`WatchEvent`].
        cursor: WatchCursor,
    },
    /// A change, or all changes of one transaction that are in scope.
    Changed {
        /// See [`WatchEvent`].
        cursor: WatchCursor,
        /// In the order of the journal, each of another document.
        changes: Vec<WatchedChange>,
    },
}

/// A change, and its document with it.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedChange {
    /// Its number among its origin's changes in the space.
    pub stamp: Stamp,
    /// Its hash.
    pub hash: ChangeHash,
    /// Its position in the journal of this replica.
    pub lsn: u64,
    /// When this replica took it, in milliseconds of its wall clock since 1970.
    pub accepted_ms: i64,
    /// Who made it, when and why; `None` when a snapshot stands in its place.
    pub signature: Option<ChangeSignature>,
    /// The document as of this change or a later one.
    pub document: WatchedDocument,
}

/// A document as a watch shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedDocument {
    /// Which.
    pub address: Address,
    /// Position of the last change that is in the value; 0 while there is none.
    pub lsn: u64,
    /// The heads of the value.
    pub heads: Vec<ChangeHash>,
    /// What it is.
    pub value: WatchedValue,
    /// The rules of its schema that the value breaks, as a merge of valid documents may.
    pub violations: Vec<Violation>,
    /// Why its changes are not applied: then the value lacks some, and is shown again with the next change only.
    pub blocked: Option<BlockReason>,
}

/// A document's value.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchedValue {
    /// Its JSON, defaults of the schema included.
    Json(Value),
    /// It is deleted; or it is blocked, and nothing of it was ever applied.
    Absent,
    /// Left out: the documents of the transaction before it are long, or it is blocked and cannot be read. Ask for it.
    Omitted,
}

impl WatchEvent {
    /// With which a later watch goes on after it.
    #[must_use]
    pub fn cursor(&self) -> &WatchCursor {
        match self {
            Self::Reset { cursor }
            | Self::Document { cursor, .. }
            | Self::Synced { cursor }
            | Self::Changed { cursor, .. } => cursor,
        }
    }
}
