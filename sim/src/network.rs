//! Links, the connections over them, and what can happen to both.
//!
//! A connection is three ordered streams of frames each way, as over QUIC, one of each lane: nothing overtakes anything in
//! its stream, and nothing is lost but with the connection. While a link is cut frames wait; if it stays cut, each end finds out for itself, at its own
//! moment, and what was on its way is lost. So one end may have a new connection while the other still believes in
//! the old one.

mod carrying;
mod connection;
mod cutting;
mod dialing;
mod ending;
mod link;
mod message;

pub use link::{Direction, LinkNumber, Traffic};
pub use message::{FillPart, FilledChange, Message, RowName};

use crate::dice::Dice;
use crate::sabotage::Sabotage;
use crate::time::MILLISECOND_NS;
use crate::topology::{LinkPlan, NodeId};
use connection::Connection;
use link::Link;
use replica::{Lane, LinkId};
use std::collections::BTreeMap;
use std::rc::Rc;

/// An end that hears nothing gives a connection up after so long, in nanoseconds, at least.
const SILENCE_NS_MIN: u64 = 1_500 * MILLISECOND_NS;
/// And at most.
const SILENCE_NS_MAX: u64 = 3_000 * MILLISECOND_NS;

/// Names a connection. No number is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// One end of a link and of the connections over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Who connects.
    Dialer,
    /// Who is connected to.
    Acceptor,
}

impl End {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// Something that is going to happen in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkEvent {
    /// The dialer of a link tries to connect.
    Dial(LinkNumber),
    /// An end learns of its connection.
    Up(ConnectionId, End),
    /// An end learns that its connection is gone. With a number of one of its link's cuts only if that cut still lasts.
    Down(ConnectionId, End, Option<u64>),
    /// The next frame of a stream from an end gets to the other.
    Arrive(ConnectionId, End, Lane),
}

/// What the network wants to happen, and when.
pub(crate) type Planned = Vec<(u64, NetworkEvent)>;

/// A frame that was put on its stream.
pub(crate) struct Departure {
    /// None when it vanished.
    pub(crate) arrival: Option<(u64, NetworkEvent)>,
    pub(crate) passage: Passage,
    /// What it says, when checkers watch.
    pub(crate) message: Option<Rc<Message>>,
}

/// A frame that got to its end.
pub(crate) struct Delivery {
    pub(crate) node: NodeId,
    pub(crate) link: LinkId,
    pub(crate) passage: Passage,
    pub(crate) bytes: Vec<u8>,
    pub(crate) message: Option<Rc<Message>>,
    /// What waited for it.
    pub(crate) planned: Planned,
}

/// Between whom a frame passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Over which connection.
    pub connection: ConnectionId,
    /// From which end of it.
    pub end: End,
    /// Who sent it.
    pub from: NodeId,
    /// Whom it is for.
    pub to: NodeId,
}

/// All links and connections.
pub(crate) struct Network {
    seed: u64,
    sabotage: Sabotage,
    links: Vec<Link>,
    connections: BTreeMap<ConnectionId, Connection>,
    ends: BTreeMap<LinkId, (ConnectionId, End)>,
    connections_made: u64,
    deltas: u64,
    sent: message::Sent,
    /// Whether frames are read for checkers.
    pub(crate) is_watched: bool,
}

impl Network {
    pub(crate) fn new(seed: u64, links: &[LinkPlan], sabotage: Sabotage) -> Self {
        Self {
            seed,
            sabotage,
            links: links.iter().map(|plan| Link::new(*plan)).collect(),
            connections: BTreeMap::new(),
            ends: BTreeMap::new(),
            connections_made: 0,
            deltas: 0,
            sent: message::Sent::default(),
            is_watched: false,
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "link numbers come from the topology, and are checked on the way in"
    )]
    fn link(&mut self, link: LinkNumber) -> &mut Link {
        &mut self.links[link.0]
    }

    /// Whether there is such a link.
    pub(crate) fn has(&self, link: LinkNumber) -> bool {
        link.0 < self.links.len()
    }

    pub(crate) fn link_numbers(&self) -> impl Iterator<Item = LinkNumber> + use<> {
        (0..self.links.len()).map(LinkNumber)
    }

    pub(crate) fn traffic(&self, link: LinkNumber, from: End) -> Traffic {
        self.links.get(link.0).map(|link| link.side(from).traffic).unwrap_or_default()
    }

    fn dice(&self, purpose: &str, numbers: &[u64]) -> Dice {
        Dice::of(self.seed, purpose, numbers)
    }

    pub(crate) fn nodes_of(&self, link: LinkNumber) -> Option<(NodeId, NodeId)> {
        self.links.get(link.0).map(|link| (link.plan.dialer, link.plan.acceptor))
    }
}
