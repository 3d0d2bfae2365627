//! What is chosen when a store is opened.

use crate::room::RoomLimits;

/// When a turn counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After `fdatasync`. Nothing reported is ever lost.
    #[default]
    Fsync,
    /// Batches are handed to the operating system at once and reported as written, and synced together at intervals,
    /// earlier when [`crate::UNSYNCED_BYTES_MAX`] wait: only then are they reported as durable. The end of the process
    /// loses nothing. A power cut, or the end of the operating system, **loses what was written in the last interval**,
    /// although services were told that it is written; peers have seen none of it.
    Interval {
        /// Milliseconds from the first batch that is not synced to the sync.
        interval_ms: u32,
    },
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// When a turn counts as durable.
    pub durability: Durability,
    /// Opens a store that lost rows it had synced ([`crate::OpenError::Shortened`]), or of which nobody knows
    /// ([`crate::OpenError::MarkMissing`]), and takes what is left as the
    /// truth. The caller draws a new incarnation and a new epoch before it writes: what was lost may have been seen
    /// by peers.
    pub accept_shortened: bool,
    /// From which free space on which state of room holds.
    pub room: RoomLimits,
    /// Bytes of a batch for which this store had no room when it was last open, 0 for none: it is
    /// [`replica::Room::ReadOnly`] from the start until there is room for as many. Otherwise whoever hands over the same
    /// again would be refused again, after each opening.
    pub refused_bytes: usize,
}
