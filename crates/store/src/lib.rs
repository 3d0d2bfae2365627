//! The disk: durable rows in [fjall](https://docs.rs/fjall), an LSM tree, with the group commit, the bounded memory
//! and the refusals that fjall leaves to its user. Implements [`replica::Store`].
//!
//! It does not know what rows mean: keys and values are built and parsed in `replica`. It repairs nothing but the
//! end of a journal: a store that does not open is reported and can be set aside; an empty one is filled again from peers by
//! others.
//!
//! # Files
//! A store is a directory:
//!
//! | file | content |
//! |---|---|
//! | `lock` | empty; locked while a process has the store open |
//! | `format` | the format version of everything beside it, written before anything else |
//! | `rows/` | fjall's files. Its journal is a sparse file of 64 MiB: count blocks (`du`), not lengths (`ls`) |
//! | `rows.damaged-N/` | rows that were set aside |
//! | `journals.damaged-N/` | a journal as it was before its damaged end was cut off |
//! | `rows.new/` | a store being made; leftovers of a crash are deleted |
//! | `high-water` | how many commits there were, beside the rows that say the same |
//! | `suspect` | what was about to be tried when the process ended |
//! | `ballast` | room that is given back when the disk is nearly full: 32 MiB, or a sixteenth of a small disk |
//! | `probe` | exists for a moment after a failure, to tell a full disk from a broken one |
//!
//! # Invariants
//! - A turn is reported durable only after `fdatasync`, in order, and never before an earlier one.
//! - A batch is never half there: not after a crash, and not for a reader at any moment.
//! - After a failed commit no later batch is ever written; rows are still read. What the failed group wrote is
//!   *unknown* until the store is opened again: each batch is wholly there or wholly absent, and if a turn is absent so
//!   is every later one. Nothing is synced again that failed to sync.
//! - A full disk is met before fjall meets it: the room ends before a commit must be refused; one that is refused is
//!   certainly not written, and the store goes on when there is room.
//! - Rows that were durable and are gone are noticed when the store is opened, up to the last second before a power cut.
//! - The journal is emptied only when all it has is in tables, and the high-water mark read from them is that of the last commit.
//! - Nothing that was durable is overwritten, however damaged: what fjall would cut off is copied first, or refused.
//! - Memory does not grow with what is written or stored: see the constants of the queue, the pacer and the engine.
//! - No type of fjall appears in a public signature.

mod aside;
mod backup;
mod ballast;
mod closing;
mod committer;
mod directory;
mod engine;
mod error;
mod events;
mod high_water;
mod journal;
mod memory;
mod options;
mod pacer;
mod queue;
mod room;
mod store;
mod suspect;
mod upkeep;
mod verify;

pub use aside::{SET_ASIDE_MAX, SetAside, SetAsideError, set_aside};
pub use backup::{BackupError, BackupFile, Manifest, RestoreError, restore};
pub use ballast::BALLAST_BYTES_MAX;
pub use committer::UNSYNCED_BYTES_MAX;
pub use directory::format;
pub use error::OpenError;
pub use events::{CommitNotice, Outcome};
pub use high_water::HighWater;
pub use memory::MemoryStore;
pub use options::{Durability, Options};
pub use queue::{QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX};
pub use room::{DiskRoom, RoomLimits, Watermark, disk_room};
pub use store::{FjallStore, StoreReader, StoreSnapshot};
pub use suspect::SUSPECT_BYTES_MAX;
pub use verify::{Progress, Verified};
