//! The shapes of the lines. A field that is not named here is refused, so that a misspelt one is noticed.

use super::text;
use document::{Address, Collection, Key, Operation, PointerError, Space};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request as it is on the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The client's number for it; its answer carries the same.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// What a service can ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A document's present value.
    Get {
        /// Which.
        #[serde(with = "text")]
        address: Address,
    },
    /// Make a document this object.
    Put {
        /// Which; it is made when it is not there.
        #[serde(with = "text")]
        address: Address,
        /// The object.
        value: Value,
        /// 1 to 64 bytes. With it the request may be sent again when its answer was lost, and counts once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// Add to counters of a document, all in one change.
    Increment {
        /// Which; it is made when it is not there.
        #[serde(with = "text")]
        address: Address,
        /// What to add where.
        increments: Vec<Increment>,
        /// As for a put.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// Documents of a collection in the order of their keys.
    List {
        /// Where.
        #[serde(with = "text")]
        space: Space,
        /// Of what.
        #[serde(with = "text")]
        collection: Collection,
        /// Only keys after this one.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
        after: Option<Key>,
        /// At most so many; 1,000 at most.
        #[serde(default = "list_limit")]
        limit: usize,
    },
    /// How the replica and its peers are.
    Status,
}

fn list_limit() -> usize {
    replica::LIST_MAX
}

/// One counter's part of an increment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Increment {
    /// The counter, as a JSON Pointer: `/on_hand`.
    pub field: String,
    /// What to add; may be negative.
    pub by: i64,
}

impl Increment {
    pub(crate) fn operation(&self) -> Result<Operation, PointerError> {
        Operation::increment(&self.field, self.by)
    }
}

/// An answer as it is on the line: a result or an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The request was done.
    Done {
        /// The request's number.
        id: u64,
        /// What came of it.
        result: Response,
    },
    /// It was not done, or nobody knows.
    Refused {
        /// The request's number; none when the line was not readable that far.
        id: Option<u64>,
        /// Why.
        error: Refusal,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The document; none when it was never written.
    Document(Option<Value>),
    /// The write is durable: the change's stamp; none when the document was so already.
    Written(Option<Stamp>),
    /// Part of a collection.
    Listed(Listed),
    /// How the replica is.
    Status(Box<Status>),
}

/// Names a change: its number among the changes of its origin in the space, from 1 without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Who wrote it, in hexadecimal.
    pub origin: String,
    /// The number.
    pub sequence: u64,
}

/// Part of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// In the order of their keys.
    pub documents: Vec<ListedDocument>,
    /// Keys among them whose documents cannot be shown: one of their changes cannot be applied by this version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
    /// Where there are more: the key after which to list them.
    pub next: Option<String>,
}

/// A document of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedDocument {
    /// Its key, as in an address: `%` is written `%25`, `/` is written `%2F`.
    pub key: String,
    /// Its present value.
    pub value: Value,
}

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Under which origin it writes, in hexadecimal.
    pub origin: String,
    /// Its UDP address. Peers can dial it if the configuration says so.
    pub address: String,
    /// Last position of its journal.
    pub head: u64,
    /// Documents that it has.
    pub documents: u64,
    /// Documents that it has open in memory.
    pub documents_open: u64,
    /// The spaces that it carries, by name.
    pub spaces: Vec<SpaceStatus>,
    /// The peers of its configuration, by name.
    pub peers: Vec<PeerStatus>,
}

/// What services may do in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceMode {
    /// Read only: others write it.
    Read,
    /// Read and write.
    Write,
}

/// How a space is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceStatus {
    /// Which.
    pub space: String,
    /// What services may do in it.
    pub mode: SpaceMode,
    /// Changes that the replica has.
    pub changes: u64,
}

/// How things stand with a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub peer: String,
    /// Whether it is connected and both have said what they have.
    pub connected: bool,
    /// Changes for it that it has not acknowledged.
    pub backlog_rows: u64,
    /// Age of the oldest of them in milliseconds of wall time.
    pub lag_ms: u64,
}

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub kind: RefusalKind,
    /// For people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Kinds of refusals. With every kind but `unknown_outcome` nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// The line is no request.
    Malformed,
    /// The line is too long; the connection ends.
    TooLong,
    /// The replica does not carry the space.
    UnknownSpace,
    /// Services may not write the space here.
    ReadOnly,
    /// The operations do not fit the document.
    Invalid,
    /// The document waits for an upgrade.
    Blocked,
    /// The idempotency key belongs to another write.
    KeyReused,
    /// The store failed and is being opened again: try later.
    Unavailable,
    /// The store failed, or the server ended, before the write was known to be durable.
    UnknownOutcome,
    /// A kind that a newer server knows.
    #[serde(other)]
    Other,
}
