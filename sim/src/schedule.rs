//! What happens to a world: an explicit list of faults and operations with their times.
//!
//! A seed first becomes such a list; the list is what runs. It can be printed, edited and run again.

mod change;
mod expand;
mod lines;
mod sales;
mod scenario;
mod stock;
mod workload;

pub use change::{BIN_PREFIX, Change, Discarded, bin};
pub use lines::LineError;
pub use scenario::ScenarioError;

use crate::network::{Direction, LinkNumber};
use crate::time::MICROSECOND_NS;
use crate::topology::{NodeId, Shape, Stranger, Topology};
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
    /// The node that is none of us, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stranger: Option<Stranger>,
    /// Whether rights are given by documents that the hub writes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub authority: bool,
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
    /// A node's disk has no room for some time.
    Full {
        /// Which.
        node: NodeId,
        /// Whether it is full before the store can say so.
        at_once: bool,
        /// For how long.
        for_us: u64,
    },
    /// The next sync of a node's disk fails.
    Eio {
        /// Which.
        node: NodeId,
    },
    /// Syncs of a node's disk take longer for some time.
    Slow {
        /// Which.
        node: NodeId,
        /// How many times as long.
        times: u64,
        /// For how long.
        for_us: u64,
    },
    /// A row of a node's disk cannot be read any more. Its store is set aside when that is found.
    Rot {
        /// Which.
        node: NodeId,
        /// Which row; numbers go round.
        row: u64,
        /// When it is found, if nobody reads it before.
        found_us: u64,
    },
    /// A node loses its disk, and comes back with an empty one and a new incarnation.
    Wipe {
        /// Which.
        node: NodeId,
        /// How long it is down.
        down_us: u64,
    },
    /// A copy of a node's disk is taken.
    Image {
        /// Which.
        node: NodeId,
    },
    /// The last copy of a node's disk is put in its place.
    Restore {
        /// Which.
        node: NodeId,
        /// Whether it goes on under the incarnation that wrote after the copy was taken.
        keeps_incarnation: bool,
        /// How long it is down.
        down_us: u64,
    },
    /// A node's wall clock is wrong from here on.
    Clock {
        /// Which.
        node: NodeId,
        /// By how much, in milliseconds.
        wrong_ms: i64,
    },
    /// These nodes and the links between them are healed; whatever else there is fails and stays so until the end. The
    /// core must converge.
    Core {
        /// Which.
        nodes: Vec<NodeId>,
    },
    /// The hub says what a site may do.
    Grant {
        /// Which.
        node: NodeId,
        /// Whether nothing in its own space; else what the settings say.
        narrow: bool,
    },
    /// The hub ends what a site may do.
    Revoke {
        /// Which.
        node: NodeId,
    },
    /// The hub gives everyone the next version of a schema.
    Schema {
        /// Of which collection.
        collection: String,
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

    /// Reads a scenario file: see `schemas/scenario.md`.
    ///
    /// # Errors
    /// [`ScenarioError`] says what is wrong with it.
    pub fn from_scenario(text: &str) -> Result<Self, ScenarioError> {
        scenario::read(text)
    }

    /// The schedule as text: a line of JSON for the header, and one for each event.
    #[must_use]
    pub fn to_lines(&self) -> String {
        lines::write(self)
    }

    /// What to build the world of.
    #[must_use]
    pub fn topology(&self) -> Topology {
        let topology = Topology::new(self.header.seed, self.header.shape, self.header.nodes);
        let topology = if self.header.authority { topology.with_authority() } else { topology };
        Topology { stranger: self.header.stranger, ..topology }
    }

    /// When the last fault is over, in nanoseconds.
    #[must_use]
    pub fn end_ns(&self) -> u64 {
        let end_us = |scheduled: &Scheduled| match scheduled.event {
            Event::Cut { for_us, .. }
            | Event::Pause { for_us, .. }
            | Event::Full { for_us, .. }
            | Event::Slow { for_us, .. }
            | Event::Rot { found_us: for_us, .. }
            | Event::Crash { down_us: for_us, .. }
            | Event::Wipe { down_us: for_us, .. }
            | Event::Restore { down_us: for_us, .. } => scheduled.at_us.saturating_add(for_us),
            Event::Eio { .. }
            | Event::Image { .. }
            | Event::Clock { .. }
            | Event::Core { .. }
            | Event::Grant { .. }
            | Event::Revoke { .. }
            | Event::Schema { .. }
            | Event::Write { .. }
            | Event::Read { .. }
            | Event::Look { .. } => scheduled.at_us,
        };
        self.events.iter().map(end_us).max().unwrap_or(0).saturating_mul(MICROSECOND_NS)
    }
}
