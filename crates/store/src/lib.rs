//! The disk: durable rows in [fjall](https://docs.rs/fjall), an LSM tree, with the group commit, the bounded memory
//! and the refusals that fjall leaves to its user. Implements [`replica::Store`].
//!
//! It does not know what rows mean: keys and values are built and parsed in `replica`. It repairs nothing: a store
//! that does not open is reported, and filled again from peers by others.
//!
//! # Files
//! A store is a directory:
//!
//! | file | content |
//! |---|---|
//! | `lock` | empty; locked while a process has the store open |
//! | `format` | the format version of everything beside it, written before anything else |
//! | `rows/` | fjall's files. Its journal is a sparse file of 64 MiB: count blocks (`du`), not lengths (`ls`) |
//! | `rows.new/` | a store being made; leftovers of a crash are deleted |
//! | `probe` | exists for a moment after a failure, to tell a full disk from a broken one |
//!
//! # Invariants
//! - A turn is reported durable only after `fdatasync`, in order, and never before an earlier one.
//! - A batch is never half there: not after a crash, and not for a reader at any moment.
//! - After a failed commit no later batch is ever written; rows are still read. What the failed group and the batches
//!   queued behind it wrote is *unknown* until the store is opened again: each batch is wholly there or wholly
//!   absent, and if a turn is absent so is every later one.
//! - Memory does not grow with what is written or stored: see the constants of the queue, the pacer and the engine.
//! - No type of fjall appears in a public signature.

mod committer;
mod directory;
mod engine;
mod error;
mod pacer;
mod queue;
mod store;

pub use committer::CommitNotice;
pub use error::OpenError;
pub use queue::{QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX};
pub use store::FjallStore;
