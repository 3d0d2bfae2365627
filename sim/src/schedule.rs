//! What happens to a world: an explicit list of faults and operations with their times.
//!
//! A seed first becomes such a list; the list is what runs. It can be printed, edited and run again.

mod change;
mod expand;
mod lines;
mod workload;

pub use change::{BIN_PREFIX, Change, Discarded, bin};
pub use lines::LineError;

use crate::network::{Direction, LinkNumber};
use crate::time::MICROSECOND_NS;
use crate::topology::{NodeId, Shape, Topology};
use serde::{Deserialize, Serialize};

/// Most events of a schedule.
pub const EVENTS_MAX: usize = 100_000;

/// What a world is built of. Everything that is drawn while it runs is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The seed.
    pub seed: u64,
    /// How nodes are linked.
    pub shape: Shape,
    /// How many nodes.
    pub nodes: usize,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// When, in microseconds since the world began.
    pub at_us: u64,
    /// What.
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Event {
    /// A link is cut for some time.
    Cut {
        /// Which.
        link: LinkNumber,
        /// Which frames it holds up.
        direction: Direction,
        /// For how long.
        for_us: u64,
    },
    /// A node is gone at once, and comes back later.
    Crash {
        /// Which.
        node: NodeId,
        /// How many of 100 of its unsynced batches are kept.
        keep_percent: u64,
        /// How long it is down.
        down_us: u64,
    },
    /// A node stalls.
    Pause {
        /// Which.
        node: NodeId,
        /// For how long.
        for_us: u64,
    },
    /// A service writes.
    Write {
        /// Names the write.
        id: u64,
        /// At which node.
        node: NodeId,
        /// Where.
        space: String,
        /// The document's key; the collection follows from the change.
        key: String,
        /// What.
        change: Change,
        /// Whether the write carries an idempotency key, and is tried again until it is answered.
        retried: bool,
    },
    /// A service reads.
    Read {
        /// At which node.
        node: NodeId,
        /// Where.
        space: String,
        /// The document's key.
        key: String,
    },
    /// A service looks at all goods of a space at once, and checkers look with it.
    Look {
        /// At which node.
        node: NodeId,
        /// Where.
        space: String,
    },
}

/// A world and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What the world is built of.
    pub header: Header,
    /// What happens, in the order of time.
    pub events: Vec<Scheduled>,
}

impl Schedule {
    /// The schedule of a seed; with so many nodes when a number is given.
    #[must_use]
    pub fn of_seed(seed: u64, nodes: Option<usize>) -> Self {
        expand::expand(seed, nodes)
    }

    /// Reads the lines that [`Schedule::to_lines`] writes.
    ///
    /// # Errors
    /// [`LineError`] names the line and what is wrong with it.
    pub fn from_lines(text: &str) -> Result<Self, LineError> {
        lines::read(text)
    }

    /// The schedule as text: a line of JSON for the header, and one for each event.
    #[must_use]
    pub fn to_lines(&self) -> String {
        lines::write(self)
    }

    /// What to build the world of.
    #[must_use]
    pub fn topology(&self) -> Topology {
        Topology::new(self.header.seed, self.header.shape, self.header.nodes)
    }

    /// When the last fault is over, in nanoseconds.
    #[must_use]
    pub fn end_ns(&self) -> u64 {
        let end_us = |scheduled: &Scheduled| match scheduled.event {
            Event::Cut { for_us, .. } | Event::Pause { for_us, .. } => scheduled.at_us.saturating_add(for_us),
            Event::Crash { down_us, .. } => scheduled.at_us.saturating_add(down_us),
            Event::Write { .. } | Event::Read { .. } | Event::Look { .. } => scheduled.at_us,
        };
        self.events.iter().map(end_us).max().unwrap_or(0).saturating_mul(MICROSECOND_NS)
    }
}
