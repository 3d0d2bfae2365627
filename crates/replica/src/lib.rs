//! The core: what a replica does with requests, frames, durable notices and time.
//!
//! Pure: no clock, no socket, no file, no thread. An edge feeds [`Input`]s, ends a turn, and carries out
//! [`Effect`]s; the disk is a [`Store`].
//!
//! Invariants:
//! - Nothing that could still be lost is ever shown to anyone: an effect leaves when the batches that it rests on are
//!   durable (module `turns`).
//! - A change is applied only after everything that it depends on (module `session`).
//! - A change and all rows about it are one batch (module `journal`).
//! - Memory does not grow with the number of documents: heads and changes are on disk, open documents an LRU.
//! - No order of a hash map, no clock and no unseeded randomness decides anything: the same inputs give the same
//!   effects, byte for byte.

mod access;
mod condition;
mod documents;
mod effect;
mod idempotency;
mod index;
mod journal;
mod keys;
mod load;
mod names;
#[cfg(isle_planted)]
pub mod planted;
mod query;
mod reconcile;
mod record;
mod replica;
mod request;
mod rows;
mod schemas;
mod session;
mod settings;
mod status;
mod store;
mod timers;
mod turns;
mod value;
mod vectors;
mod view;
mod waits;
mod watch;

pub use access::{AccessError, AccessFault, IDENTITIES_MAX, Rights};
pub use condition::Condition;
pub use effect::{
    DisconnectReason, Effect, Event, Input, Lane, LinkId, Misbehaviour, RequestId, Rung, StopReason,
};
pub use idempotency::IDEMPOTENCY_KEYS_MIN;
pub use journal::verify_journal;
pub use load::{Found, LoadOrder, LoadPolicy, Loaded};
pub use query::{
    Cursor, CursorError, EXAMINED_BYTES_MAX, EXAMINED_MAX, FIELDS_MAX, FILTERS_MAX, Filter, IN_VALUES_MAX,
    KeyRange, OPERAND_BYTES_MAX, Order, PAGE_DOCUMENTS_MAX, Page, Query, QueryError, Test,
};
pub use replica::{Clock, Replica};
pub use request::{
    At, Behind, BlockReason, Blocked, BlockedList, BlockingChange, BrokenDocument, Dropped, IdempotencyKey,
    IdempotencyKeyError, LIST_MAX, Listed, Queried, Reading, Request, RequestError, Response, Stamp,
    TRANSACTION_BYTES_MAX, TRANSACTION_CHANGES_MAX, TRANSACTION_VALUE_BYTES_MAX, TransactionError,
    TransactionWrite, WriteTerms, Written,
};
pub use schemas::{ListedSchema, SCHEMAS_MAX, SchemaFault};
pub use session::StopCause;
pub use settings::{Access, PeerSettings, Settings, SnapshotPolicy, SpaceMode, TrimPolicy, origin_of};
pub use status::{
    FillSteps, IdempotencyStatus, PeerStatus, STOPPED_SHOWN_MAX, Sessions, SpaceStatus, Status, StoppedStream,
};
pub use store::{Batch, Keyspace, ReadRows, Room, Row, Store, StoreError, Turn, Write};
pub use timers::Wake;
pub use vectors::VectorEntry;
pub use view::{View, ViewedDocument};
pub use waits::{Level, WAIT_MS_MAX, WAITS_MAX, WaitError, WaitFor};
pub use watch::{
    UNTAKEN_BYTES_MAX, WATCHES_MAX, WatchCursor, WatchError, WatchEvent, WatchScope, WatchedChange,
    WatchedDocument, WatchedValue,
};
pub use wire::OriginKey;

#[cfg(test)]
mod tests;
