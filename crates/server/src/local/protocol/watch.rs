use super::{Stamp, Violation};
use crate::local::text;
use document::Address;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a watch shows. `cursor` is what a later watch goes on after this event with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WatchEvent {
    /// The cursor that was given serves no more: forget what was shown; the whole state follows.
    Reset {
        /// See [`WatchEvent`].
        cursor: String,
    },
    /// A document of the initial state.
    Document {
        /// See [`WatchEvent`].
        cursor: String,
        /// The document.
        document: WatchedDocument,
    },
    /// The initial state was shown whole.
    Synced {
        /// See [`WatchEvent`].
        cursor: String,
    },
    /// A change, or all those of a transaction that are watched.
    Changed {
        /// See [`WatchEvent`].
        cursor: String,
        /// Each of another document.
        changes: Vec<WatchedChange>,
    },
}

/// A change, and its document with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WatchedChange {
    /// Its number among its origin's changes in the space.
    pub stamp: Stamp,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// Its position in the replica's journal.
    pub lsn: u64,
    /// When the replica took it, by its clock, in milliseconds since 1970.
    pub accepted_ms: i64,
    /// When it was made, by its writer's clock, where that is still known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<i64>,
    /// Who, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The document as of this change or a later one.
    pub document: WatchedDocument,
}

/// A document as a watch shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WatchedDocument {
    /// Which.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub address: Address,
    /// Position of the last change in the value.
    pub lsn: u64,
    /// The heads of the value, in hexadecimal.
    pub heads: Vec<String>,
    /// The value; null when it is deleted, or left out.
    pub value: Value,
    /// Whether the value is left out, because the transaction's documents are long: ask for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub omitted: bool,
    /// The rules of its schema that it breaks, as a merge of valid documents may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// Why its changes are not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
}
