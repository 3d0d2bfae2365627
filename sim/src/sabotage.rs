/// A disk that lies truly syncs every so many times.
pub(crate) const LYING_SYNCS: u64 = 3;

/// An environment that breaks its promise, so that it can be shown that the checkers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// The environment keeps its promises.
    #[default]
    None,
    /// Disks report batches as durable that a crash takes back.
    LyingDisk,
    /// The frame with changes of this number (from 0, over all links) vanishes from its stream.
    DropDelta {
        /// Which.
        number: u64,
    },
    /// Of each transaction that comes, the last row is gone.
    TornTransactions,
    /// A service sends each of its writes twice and counts it once.
    DoubledWrites,
}
