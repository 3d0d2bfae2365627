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

mod documents;
mod effect;
mod idempotency;
mod journal;
mod keys;
mod names;
mod record;
mod replica;
mod request;
mod rows;
mod session;
mod settings;
mod status;
mod store;
mod turns;
mod vectors;

pub use effect::{DisconnectReason, Effect, Event, Input, LinkId, Misbehaviour, RequestId, Rung, StopReason};
pub use replica::{Clock, Replica};
pub use request::{
    IdempotencyKey, IdempotencyKeyError, LIST_MAX, Listed, Request, RequestError, Response, Stamp,
};
pub use settings::{Access, PeerSettings, Settings, SpaceMode, origin_of};
pub use status::{PeerStatus, SpaceStatus, Status};
pub use store::{Batch, Keyspace, Row, Store, StoreError, Turn, Write};
pub use vectors::VectorEntry;
pub use wire::OriginKey;

#[cfg(test)]
mod tests;
