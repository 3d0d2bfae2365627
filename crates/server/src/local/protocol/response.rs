use super::{SiteStatus, Status, WatchEvent};
use crate::local::text;
use document::Address;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The document as it is read.
    Document(Reading),
    /// The write or transaction is durable: its last change; none when everything was so already.
    Written(Option<Written>),
    /// The same, of a write that waited for the hub.
    Reached {
        /// The stamp of the last change; none when everything was so already.
        stamp: Option<Stamp>,
        /// As for `written`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        heads: Vec<String>,
        /// Whether the hub has it durably. If not, it is durable here, and will get there.
        hub: bool,
    },
    /// Events of a watch; more follow with the same number.
    Watched(Vec<WatchEvent>),
    /// Part of a collection.
    Listed(Listed),
    /// What fits a query.
    Found(Found),
    /// A document's changes.
    History(Vec<Change>),
    /// A document's conflicts.
    Conflicts(Vec<Conflict>),
    /// Documents that are blocked.
    Blocked {
        /// Which, and why.
        documents: Vec<BlockedDocument>,
        /// Where there are more: the address after which to list them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// The changes of a blocked document were tried: why it is blocked still; none when it is not.
    Retried(Option<String>),
    /// The change that blocked a document is dropped.
    Dropped {
        /// Which change.
        change: BlockingChange,
        /// Why the document is blocked still, by another change; none when it is not.
        blocked: Option<String>,
    },
    /// The schemas in force, by collection.
    Schemas(Vec<SchemaInForce>),
    /// The backup is whole.
    BackedUp(BackedUp),
    /// A site is invited.
    Invited {
        /// What it joins with: a secret.
        token: String,
        /// Until when, in milliseconds since 1970.
        expires_ms: i64,
    },
    /// A site is revoked.
    Revoked {
        /// Which.
        site: String,
        /// Whether it had joined: its key is refused from here on.
        had_key: bool,
        /// Whether it was only invited.
        had_invitation: bool,
        /// Whether its access document says so; if not, that is tried again by itself.
        is_cut: bool,
        /// Why a restart would forget it, in words: the disk takes no book. That is tried again by itself; none when it is
        /// durable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_durable: Option<String>,
    },
    /// A site is let in, or its rights are others, or the same as before.
    RightsSet {
        /// Which.
        site: String,
        /// What it might do before: `catalog=read,store-367=write`.
        before: String,
        /// What it may do from here on.
        spaces: String,
        /// Whether it has joined. If not, it has these rights from when it joins.
        has_joined: bool,
        /// Whether its access document says so; if not, that is tried again by itself.
        is_written: bool,
    },
    /// The sites that were invited, by name.
    Sites(Vec<SiteStatus>),
    /// How the replica is.
    Status(Box<Status>),
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The stamp of the last change.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The document's heads after the write, in hexadecimal, also where it was sent again and others have written since. None of
    /// a transaction of several documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<String>,
}

/// A document as it is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The document; none when it was never written or is deleted.
    pub value: Option<Value>,
    /// The heads of what is shown, in hexadecimal; a document that was never written has none, one that is deleted some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<String>,
    /// The rules of its schema that it breaks, as a merge of valid documents may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// Why the document is blocked, and therefore shown without changes that are here; none when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Whether changes are here that the value lacks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_behind: bool,
}

/// A rule of the schema that a document breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// The field, as a JSON Pointer; empty for the document itself.
    pub field: String,
    /// The rule: a JSON Pointer into the schema.
    pub rule: String,
    /// What is wrong with which value, in words.
    pub message: String,
}

/// Names a change: its number among the changes of its origin in the space, from 1 without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stamp {
    /// Who wrote it, in hexadecimal.
    pub origin: String,
    /// The number.
    pub sequence: u64,
}

/// A collection's schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SchemaInForce {
    /// The collection's name.
    pub collection: String,
    /// Counts from 1.
    pub version: u32,
    /// Whether the hub gave it; otherwise it is this replica's own.
    pub travelled: bool,
}

/// Part of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// In the order of their keys.
    pub documents: Vec<ListedDocument>,
    /// Keys whose documents are blocked or damaged; those among `documents` are shown as before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
    /// Where there are more: the key after which to list them.
    pub next: Option<String>,
    /// Whether documents among them have changes that are here and not in what is listed.
    #[serde(default)]
    pub is_behind: bool,
}

/// A document of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListedDocument {
    /// Its key, as in an address: `%` is written `%25`, `/` is written `%2F`.
    pub key: String,
    /// Its present value.
    pub value: Value,
    /// The rules of its schema that it breaks, as a merge of valid documents may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
}

/// A page of what fits a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// In the query's order.
    pub documents: Vec<ListedDocument>,
    /// Keys of documents that are passed over because they cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
    /// Where there may be more: what to ask with as the query's `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Rows that were looked at.
    pub examined: u64,
    /// How it was found, in words.
    pub plan: String,
    /// Whether documents of the collection have changes that are here and not in what was found.
    #[serde(default)]
    pub is_behind: bool,
}

/// A document with changes that this version cannot apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockedDocument {
    /// Which.
    #[serde(with = "text")]
    pub address: Address,
    /// Why.
    pub reason: String,
    /// The change to blame, where it is known: the one that would be dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<BlockingChange>,
}

/// A change that this version cannot apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockingChange {
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// Who wrote it, and its number.
    pub stamp: Stamp,
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its hash, in hexadecimal. The document with this change and all before it has this head.
    pub hash: String,
    /// The changes that it was made on.
    pub dependencies: Vec<String>,
    /// Which replica made it, in hexadecimal.
    pub origin: String,
    /// When, by that replica's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// Who, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What, as a JSON Patch (RFC 6902).
    pub patch: Value,
}

/// A field that was written at several sites at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The field, as a JSON Pointer; empty for the document itself.
    pub field: String,
    /// Every value, the one that is shown last.
    pub values: Vec<ConflictingValue>,
    /// Whether one of them can be chosen: not of what another kind of field or members hide, or of a document
    /// that was deleted. Whoever writes those anew decides what is shown; what a former kind of the field held stays listed.
    #[serde(default)]
    #[schema(required)]
    pub choosable: bool,
}

/// One of several values of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConflictingValue {
    /// The value.
    pub value: Value,
    /// Whether it is the one that is shown.
    pub wins: bool,
    /// The change that wrote it, in hexadecimal.
    pub hash: String,
    /// Which replica wrote it, in hexadecimal.
    pub origin: String,
    /// When, by that replica's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// Who, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// A backup that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Rows in it.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
}
