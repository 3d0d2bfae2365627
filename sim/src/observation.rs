use crate::failure::Failure;
use crate::network::{Message, Passage};
use crate::topology::NodeId;
use crate::world::{ClientWrite, Nodes, Ruling, Settled};
use document::{Key, Space};
use replica::{DisconnectReason, Event, RequestError, Stamp, WatchEvent, WatchScope};
use serde_json::Value;

/// Something that a checker may want to know, at the moment when it happens.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A service sent a write to its node; `attempt` counts from 1.
    Submitted {
        /// The write.
        write: &'a ClientWrite,
        /// How often it was sent, this time included.
        attempt: u32,
    },
    /// A write was acknowledged.
    Acknowledged {
        /// The write.
        write: &'a ClientWrite,
        /// Its stamp; `None` when it changed nothing.
        stamp: Option<Stamp>,
        /// How often it was sent.
        attempts: u32,
    },
    /// The service of a write is told that the hub has it, before all else that is told of it.
    Confirmed {
        /// The write.
        write: &'a ClientWrite,
        /// Its stamp.
        stamp: Stamp,
    },
    /// A write was refused: nothing was written.
    Refused {
        /// The write.
        write: &'a ClientWrite,
        /// Why.
        error: &'a RequestError,
    },
    /// Nobody will ever know what became of a write.
    Unknown {
        /// The write.
        write: &'a ClientWrite,
    },
    /// A frame leaves a node.
    Sent {
        /// Between whom.
        passage: Passage,
        /// What it says.
        message: &'a Message,
        /// Its length.
        bytes: usize,
    },
    /// A frame gets to a node.
    Delivered {
        /// Between whom.
        passage: Passage,
        /// What it says.
        message: &'a Message,
    },
    /// A node was opened on what its disk has; nothing else happened since it crashed.
    Opened {
        /// Which.
        node: NodeId,
    },
    /// A node's disk is gone, and with it every change of which no other node has a copy. It comes back empty, or with
    /// what an old copy has.
    Destroyed {
        /// Which.
        node: NodeId,
    },
    /// A node goes on on an old copy of its store, under the origin that it had then.
    OldCopy {
        /// Which.
        node: NodeId,
    },
    /// A node is told that its disk has no room, or that it has some again.
    Room {
        /// Which.
        node: NodeId,
        /// Whether there is none.
        is_full: bool,
    },
    /// A node ended a turn.
    TurnEnded {
        /// Which.
        node: NodeId,
    },
    /// A node left a connection by itself.
    Left {
        /// Which.
        node: NodeId,
        /// Whom, when it had told the peer's name already.
        peer: Option<NodeId>,
        /// Why.
        reason: &'a DisconnectReason,
    },
    /// The hub is asked to say what a site may do.
    Asked {
        /// What.
        ruling: Ruling,
    },
    /// What the hub says of a site is durable. It has the first so many of its own changes of `system` by then.
    Ruled {
        /// What.
        ruling: Ruling,
        /// How many.
        sequence: u64,
    },
    /// A service asks a node for all goods of a space. Looks that are asked for later have greater numbers.
    Looking {
        /// Names the look.
        look: u64,
    },
    /// A node showed a service all goods of a space at once.
    Looked {
        /// What was asked for; `None` when it was answered while it was asked.
        look: Option<u64>,
        /// Which.
        node: NodeId,
        /// Where.
        space: &'a Space,
        /// Keys and documents, in order of the keys.
        goods: &'a [(Key, Value)],
        /// Whether all documents are there, each with all changes that the node has.
        is_whole: bool,
    },
    /// A node showed events to a watch.
    Watched {
        /// Which.
        node: NodeId,
        /// What is watched.
        scope: &'a WatchScope,
        /// Whether these are the first events of a watch without a cursor.
        is_anew: bool,
        /// What it showed.
        events: &'a [WatchEvent],
    },
    /// A node tells its operator something.
    Told {
        /// Which.
        node: NodeId,
        /// What.
        event: &'a Event,
    },
}

/// Watches one property, with a model of its own.
pub trait Checker {
    /// Looks at what happened.
    ///
    /// # Errors
    /// [`Failure`] when the property does not hold.
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure>;

    /// Looks at what there is when everything is healed and at rest.
    ///
    /// # Errors
    /// [`Failure`] when the property does not hold.
    fn settle(&mut self, settled: &Settled) -> Result<(), Failure>;
}
