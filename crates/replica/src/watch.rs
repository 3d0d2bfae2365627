//! Watches: live feeds of the changes to a document, to keys of a collection, to a collection or a space.
//!
//! A watch is a position in the journal, as a sender is: it reads durable rows only, when its reader has granted it
//! room, so that a slow reader costs nothing and nothing has to be held back. One that has shown everything is idle: it
//! has no position of its own, and a row that it is to show wakes it.

mod cursor;
mod event;
mod idle;
mod scope;
mod table;

pub use cursor::WatchCursor;
pub(crate) use cursor::{Listing, Position};
pub use event::{WatchEvent, WatchedChange, WatchedDocument, WatchedValue};
pub use scope::{WatchError, WatchScope};
pub use table::UNTAKEN_BYTES_MAX;
pub(crate) use table::{Stage, Untaken, Watch, Watches};

/// Most watches of a replica. An idle one takes less than 512 bytes, names included that are not long.
pub const WATCHES_MAX: usize = 4_096;
