use crate::access::{AccessError, Rights};
use crate::condition::{Condition, Present};
use crate::query::{Page, Query, QueryError};
use crate::schemas::{ListedSchema, SchemaFault};
use crate::store::{Keyspace, StoreError};
use crate::waits::{Level, WaitError, WaitFor};
use crate::watch::{WatchCursor, WatchError, WatchScope};
use document::{
    Address, ChangeHash, Collection, Conflict, HistoryEntry, HistoryQuery, Key, Operation, Schema, Space,
    UnknownChange, Violation, WriteError,
};
use minicbor::{Decode, Encode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Most documents of one listing.
pub const LIST_MAX: usize = 1_000;

/// Most changes of a transaction.
pub const TRANSACTION_CHANGES_MAX: usize = 256;
/// Most bytes of the changes of a transaction: they are one frame.
pub const TRANSACTION_BYTES_MAX: usize = 512 * 1024;

/// Most bytes that the documents of a transaction have as JSON together, where they had changes before.
pub const TRANSACTION_VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a service can ask of its replica.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A document's value, at present or at an earlier moment.
    Get {
        /// Which.
        address: Address,
        /// When; `None` at present.
        at: Option<At>,
    },
    /// Operations on a document: one change or none. The document is made when it is not there.
    Write {
        /// Which.
        address: Address,
        /// What to do, in this order.
        operations: Vec<Operation>,
        /// What must hold of the document; `None`: nothing.
        condition: Option<Condition>,
        /// What goes with it.
        terms: WriteTerms,
    },
    /// Writes of several documents of one space that become visible together everywhere, or none of them.
    Transaction {
        /// Where.
        space: Space,
        /// The writes, at most [`TRANSACTION_CHANGES_MAX`], each of another document.
        writes: Vec<TransactionWrite>,
        /// What goes with it.
        terms: WriteTerms,
    },
    /// Documents of a collection in the order of their keys.
    List {
        /// Where.
        space: Space,
        /// Of what.
        collection: Collection,
        /// Only keys after this one.
        after: Option<Key>,
        /// At most so many, from 1 to [`LIST_MAX`].
        limit: usize,
    },
    /// Documents of a collection that pass a query.
    Query {
        /// Where.
        space: Space,
        /// Of what.
        collection: Collection,
        /// Which, and how they are shown.
        query: Box<Query>,
    },
    /// A document's changes, the newest first.
    History {
        /// Which.
        address: Address,
        /// Which part of them.
        query: HistoryQuery,
    },
    /// The fields of a document that were written at the same time.
    Conflicts {
        /// Which.
        address: Address,
    },
    /// A feed of changes. Its answer is a refusal, or events ([`crate::Effect::Watch`]) until it is ended.
    Watch {
        /// Of what.
        scope: WatchScope,
        /// Goes on after the event that gave it; `None` begins with the present state.
        from: Option<WatchCursor>,
        /// Room for so many events; [`crate::Input::WatchMore`] gives more, for each that the reader has taken: while those
        /// that it has not are long, fewer come.
        credit: u32,
    },
    /// Waits until a change that is here is safe enough.
    Wait {
        /// In which space.
        space: Space,
        /// Which.
        stamp: Stamp,
        /// How safe.
        wait: WaitFor,
    },
    /// How the replica and its peers are.
    Status,
    /// The documents that are blocked, by space, collection and key as this store orders them.
    Blocked {
        /// Only those after this one, which is such a document's address.
        after: Option<Address>,
        /// At most so many, from 1 to [`LIST_MAX`].
        limit: usize,
    },
    /// Tries again to apply the changes of a blocked document.
    Retry {
        /// Which.
        address: Address,
    },
    /// Drops the change that blocks a document, for good: it stays stored, counted and sent to peers, but it and every
    /// change that depends on it is passed over when the document is opened. Replicas that dropped the same changes
    /// show the same.
    Drop {
        /// Which document.
        address: Address,
    },
    /// Says what an identity may do, in place of what was said before. Where it loses the right to write, what the
    /// authority holds of it stays and nothing more is taken. For the authority's own replica.
    Grant {
        /// Who it is.
        public_key: [u8; 32],
        /// The name in its certificate.
        name: String,
        /// Its rights by space; it has none in any other.
        spaces: BTreeMap<Space, Rights>,
    },
    /// Ends what an identity may do, for ever. What the authority holds of it stays; nothing more is taken from anyone.
    /// For the authority's own replica.
    Revoke {
        /// Who it is.
        public_key: [u8; 32],
    },
    /// Gives every replica a schema of a collection, or a version that follows it. For the authority's own replica.
    AddSchema {
        /// Of which collection.
        collection: Collection,
        /// The version; it never changes.
        schema: Schema,
    },
    /// The schemas in force.
    Schemas,
}

impl Request {
    /// Operations on a document, without a condition and without terms.
    #[must_use]
    pub fn write(address: Address, operations: Vec<Operation>) -> Self {
        Self::Write { address, operations, condition: None, terms: WriteTerms::default() }
    }
}

/// What goes with a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteTerms {
    /// Makes it safe to send the request again when its answer was lost.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Who writes, a service or a user: at most [`document::AUTHOR_BYTES_MAX`] bytes without line ends.
    pub author: Option<String>,
    /// Why: at most [`document::MESSAGE_BYTES_MAX`] bytes.
    pub message: Option<String>,
    /// How safe it is to be when it is answered.
    pub wait: WaitFor,
    /// Whether it can wait, as an import can: it is refused while the disk is nearly full.
    pub can_wait: bool,
}

/// An earlier moment of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// With these heads.
    Heads(Vec<ChangeHash>),
    /// At this wall time of its writers, in milliseconds since 1970: see [`document::Document::heads_at`].
    Wall(i64),
}

/// One document's part of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionWrite {
    /// In which collection.
    pub collection: Collection,
    /// Which document.
    pub key: Key,
    /// What to do, in this order.
    pub operations: Vec<Operation>,
    /// What must hold of the document; `None`: nothing. Where that of one document does not hold, none is written.
    pub condition: Option<Condition>,
}

/// What is to become of one document, by a request of either kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedWrite<'a> {
    pub(crate) address: &'a Address,
    pub(crate) operations: &'a [Operation],
    pub(crate) condition: Option<&'a Condition>,
}

/// Why a transaction is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// More than [`TRANSACTION_CHANGES_MAX`] writes.
    #[error("the transaction has {0} writes, {TRANSACTION_CHANGES_MAX} are allowed")]
    TooManyWrites(usize),
    /// More than [`TRANSACTION_BYTES_MAX`].
    #[error("the changes of the transaction have {0} bytes, {TRANSACTION_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Their documents have more than [`TRANSACTION_VALUE_BYTES_MAX`].
    #[error(
        "the documents of the transaction have more than {TRANSACTION_VALUE_BYTES_MAX} bytes of JSON together ({0} bytes and \
         more)"
    )]
    ValuesTooLong(usize),
    /// A document is written twice.
    #[error("the transaction writes {0} twice")]
    Repeated(Address),
}

impl TransactionError {
    /// How much a transaction may have, where it has more.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match self {
            Self::TooManyWrites(_) => Some(TRANSACTION_CHANGES_MAX),
            Self::TooLong(_) => Some(TRANSACTION_BYTES_MAX),
            Self::ValuesTooLong(_) => Some(TRANSACTION_VALUE_BYTES_MAX),
            Self::Repeated(_) => None,
        }
    }
}

/// A client's name for a write, 1 to 64 bytes. The replica keeps the newest 65,536 of them, and as many as
/// [`Settings::idempotency_keys_max`](crate::Settings::idempotency_keys_max) for a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey {
    text: String,
    /// Among whose keys it counts.
    holder: u64,
}

/// Why a text is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 64 bytes, this one has {0}")]
pub struct IdempotencyKeyError(pub usize);

impl IdempotencyKey {
    /// Checks the length. It is one of the owner's keys.
    ///
    /// # Errors
    /// [`IdempotencyKeyError`] when it has not 1 to 64 bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, IdempotencyKeyError> {
        let text = text.into();
        match (1..=64).contains(&text.len()) {
            true => Ok(Self { text, holder: 0 }),
            false => Err(IdempotencyKeyError(text.len())),
        }
    }

    /// One of the keys of somebody else, whose many keys push out none of the few of others. Texts are told apart without
    /// regard to holders: who names writes alike has to make other texts of them.
    #[must_use]
    pub fn held_by(self, holder: u64) -> Self {
        Self { holder, ..self }
    }

    pub(crate) fn holder(&self) -> u64 {
        self.holder
    }

    /// Its characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To [`Request::Get`].
    Document(Reading),
    /// To whatever writes, and safe.
    Written(Written),
    /// To [`Request::Wait`], and to writes that wait for the hub.
    Reached {
        /// The stamp of the change; `None` when everything was so already, which is as safe as it was.
        stamp: Option<Stamp>,
        /// As in [`Written`]; empty in the answer to [`Request::Wait`].
        heads: Vec<ChangeHash>,
        /// How safe it is. [`Level::Local`] when the hub has not confirmed it in time: the change stands, and will get
        /// there.
        level: Level,
    },
    /// To [`Request::List`].
    Listed(Listed),
    /// To [`Request::History`].
    History {
        /// The newest first.
        entries: Vec<HistoryEntry>,
        /// Whether there may be more before them: as many were told as one answer has room for, or as were asked for.
        more: bool,
    },
    /// To [`Request::Conflicts`].
    Conflicts {
        /// One for each field.
        conflicts: Vec<Conflict>,
        /// The document's heads, of which they are.
        heads: Vec<ChangeHash>,
    },
    /// To [`Request::Status`].
    Status(Box<crate::Status>),
    /// To [`Request::Query`].
    Queried(Queried),
    /// To [`Request::Blocked`].
    Blocked(BlockedList),
    /// To [`Request::Retry`]: why the document is blocked still; `None` when it is not.
    Retried(Option<BlockReason>),
    /// To [`Request::Drop`], and safe.
    Dropped(Dropped),
    /// To [`Request::Schemas`], by collection.
    Schemas(Vec<ListedSchema>),
}

/// What a write came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The stamp of the last change; `None` when everything was so already.
    pub stamp: Option<Stamp>,
    /// The heads of the document after the write, in byte order. Empty where not one document was written, but several or
    /// none. Of a write that was sent again, those after the first time: others may have written since.
    pub heads: Vec<ChangeHash>,
}

impl From<Option<Stamp>> for Written {
    fn from(stamp: Option<Stamp>) -> Self {
        Self { stamp, heads: Vec::new() }
    }
}

/// A document as it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The document; `None` when it was never written or is deleted.
    pub value: Option<Value>,
    /// The heads of what is shown, in byte order: without changes that it lacks. A document that is deleted has some,
    /// one that was never written has none. Of an earlier moment that was asked for by heads, those.
    pub heads: Vec<ChangeHash>,
    /// When the value lacks changes that are here.
    pub behind: Option<Behind>,
    /// Whether the space is being filled from a peer: the document, or changes of it, may be missing.
    pub is_filling: bool,
    /// The rules of the present schema that the value breaks, as a merge of valid documents may.
    pub violations: Vec<Violation>,
}

/// Why a value lacks changes that are here, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// When this replica took the last change that the value has, in milliseconds of its wall clock; `None` when it
    /// has none.
    pub as_of_ms: Option<i64>,
    /// Why the document is blocked; `None` when changes only wait for their turn.
    pub blocked: Option<BlockReason>,
}

/// Why changes of a document are stored and not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Encode, Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum BlockReason {
    /// One of them cannot be applied.
    #[n(0)]
    #[error("a change cannot be applied by this version")]
    Refused,
    /// The process ended each time that they were applied.
    #[n(1)]
    #[error("the process ended each time that its changes were applied")]
    Crashed,
    /// What is stored of it cannot be read.
    #[n(2)]
    #[error("what is stored of it is damaged")]
    Damaged,
}

/// Part of the answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Queried {
    /// The documents.
    pub page: Page,
    /// Whether documents of the collection still have changes that are here and not in their values: more came than
    /// are brought up to date for one query, or a document is blocked.
    pub is_behind: bool,
    /// Whether the space is being filled from a peer: documents, or changes of them, may be missing.
    pub is_filling: bool,
}

/// Documents that are blocked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedList {
    /// Which, and why.
    pub documents: Vec<Blocked>,
    /// Where there are more: the address after which to list them.
    pub next: Option<Address>,
}

/// A document that is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Which.
    pub address: Address,
    /// Why.
    pub reason: BlockReason,
    /// The change to blame, where it is known: the one that [`Request::Drop`] drops.
    pub change: Option<BlockingChange>,
}

/// A change that cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockingChange {
    /// Which.
    pub hash: ChangeHash,
    /// Who wrote it, and its number; 0 when the journal does not tell, because it was trimmed or the change came by a fill.
    pub stamp: Stamp,
}

/// A change was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Which.
    pub change: BlockingChange,
    /// Why the document is blocked still, by another change; `None` when it is not.
    pub blocked: Option<BlockReason>,
}

/// A document that breaks rules of its schema, as a merge of valid documents may. It is told with listings, queries and
/// watches where it broke them when its last change was taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenDocument {
    /// Which.
    pub key: Key,
    /// The rules of the present schema.
    pub violations: Vec<Violation>,
}

/// Part of a collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// Keys and documents, in order of the keys, without those that are deleted.
    pub documents: Vec<(Key, Value)>,
    /// Keys whose documents are blocked or damaged; those among `documents` are shown as before.
    pub blocked: Vec<Key>,
    /// Those among `documents` that break rules of their schema.
    pub broken: Vec<BrokenDocument>,
    /// Whether the space is being filled from a peer: documents, or changes of them, may be missing.
    pub is_filling: bool,
    /// Whether documents among them lack changes that are here: more came than are applied for one listing, or a
    /// document is blocked.
    pub is_behind: bool,
    /// Where there are more: the key after which to list them.
    pub next: Option<Key>,
}

/// Names a change of this replica: its number among the replica's changes in the space, gap-free from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The replica's origin.
    pub origin: document::Origin,
    /// The number.
    pub sequence: u64,
}

/// Why a request was refused. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The replica does not carry the space.
    #[error("this replica does not carry the space '{0}'")]
    UnknownSpace(Space),
    /// The replica's services may not write the space.
    #[error("the space '{0}' is read-only here: another replica writes it")]
    ReadOnly(Space),
    /// This replica lost, or never had, the right to write the space: nobody would take the change.
    #[error("this replica may not write the space '{0}': its access document says so")]
    NoRight(Space),
    /// A right cannot be given or taken.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The schema cannot be given.
    #[error("the schema is refused: {0}")]
    Schema(#[from] SchemaFault),
    /// The document never was at these heads.
    #[error(transparent)]
    UnknownChange(#[from] UnknownChange),
    /// The operations do not fit the document.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The same of one of several documents.
    #[error("{address}: {error}")]
    InTransaction {
        /// Which.
        address: Address,
        /// Why.
        error: Box<WriteError>,
    },
    /// The query asks for what is not given.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The transaction is none.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// Nothing is watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Nobody can wait.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// A change of the document cannot be applied by this version; the document waits for an upgrade.
    #[error("{0} is blocked: one of its changes cannot be applied by this version")]
    Blocked(Address),
    /// What is stored of a document, or of a collection, cannot be read. Others are as they were.
    #[error("what is stored of {place} cannot be read: {fault}")]
    Damaged {
        /// Of what, as in an address.
        place: String,
        /// What was found.
        fault: StoreError,
    },
    /// There is nothing to drop.
    #[error("{0} is not blocked: nothing was dropped")]
    NotBlocked(Address),
    /// Which change to drop is not known, or it cannot be dropped.
    #[error(
        "no change of {0} can be dropped: none that was never applied is known to block it; release the document first"
    )]
    NothingToDrop(Address),
    /// More changes of the document have come than are applied at once.
    #[error("{0} has many changes that are still being applied: try again in a moment")]
    Behind(Address),
    /// The store is an old copy, and the replica is about to be opened again under a new origin.
    #[error(
        "the store is an old copy: the replica is being opened under a new origin, try again in a moment"
    )]
    Renewing,
    /// The disk is nearly full.
    #[error("the disk has no room left: reads go on, writes are refused until there is some")]
    DiskFull,
    /// The disk is nearly full, and the write can wait.
    #[error("the disk is nearly full: what can wait is put off, so that there is room for other writes")]
    PutOff,
    /// The condition of a write does not hold. Checked after the look for an earlier answer under its idempotency key.
    #[error("the condition does not hold: {}", Present(address, *exists, heads))]
    ConditionFailed {
        /// Of which document.
        address: Address,
        /// Whether it is shown at present.
        exists: bool,
        /// Its present heads.
        heads: Vec<ChangeHash>,
    },
    /// The idempotency key was used for another write.
    #[error("the idempotency key was used for another write: use a new key for each")]
    KeyReused,
}

impl RequestError {
    /// Where operations do not fit a document, that of a transaction too: why.
    #[must_use]
    pub fn of_write(&self) -> Option<&WriteError> {
        if let Self::Write(error) = self {
            Some(error)
        } else if let Self::InTransaction { error, .. } = self {
            Some(error)
        } else {
            None
        }
    }

    /// How much one request may have, where it has more: bytes, entries, operations, documents.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        if let Self::Transaction(error) = self { error.limit() } else { self.of_write()?.limit() }
    }

    /// Of a document that is blocked.
    pub(crate) fn blocked(address: &Address, reason: BlockReason) -> Self {
        match reason {
            BlockReason::Refused | BlockReason::Crashed => Self::Blocked(address.clone()),
            BlockReason::Damaged => {
                let what = "a document's snapshot, its value or its changes";
                let fault = StoreError::Damaged { what, keyspace: Keyspace::Changes };
                Self::Damaged { place: address.to_string(), fault }
            }
        }
    }
}

/// Rows that are damaged are the answer to who asked for them, and the rest goes on. Only for what has written nothing
/// yet.
pub(crate) fn told_of_damage<T>(
    place: impl fmt::Display,
    answer: Result<Result<T, RequestError>, StoreError>,
) -> Result<Result<T, RequestError>, StoreError> {
    match answer {
        Err(fault @ StoreError::Damaged { .. }) => {
            Ok(Err(RequestError::Damaged { place: place.to_string(), fault }))
        }
        answer => answer,
    }
}
