//! Links, the connections over them, and what can happen to both.
//!
//! A connection is two ordered streams of frames, as over QUIC: nothing overtakes anything, and nothing is lost but with
//! the connection. While a link is cut frames wait; if it stays cut, each end finds out for itself, at its own
//! moment, and what was on its way is lost. So one end may have a new connection while the other still believes in
//! the old one.

mod connection;
mod link;
mod message;

pub use link::{Direction, LinkNumber, Traffic};
pub use message::{Message, RowName};

use crate::dice::Dice;
use crate::sabotage::Sabotage;
use crate::time::MILLISECOND_NS;
use crate::topology::{LinkPlan, NodeId};
use connection::{Connection, Sent};
use link::Link;
use replica::LinkId;
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
    /// An end learns that its connection is gone. With a cut's number only if that cut still lasts.
    Down(ConnectionId, End, Option<u64>),
    /// The next frame from an end gets to the other.
    Arrive(ConnectionId, End),
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
    cuts: u64,
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
            cuts: 0,
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

    /// A node came up: it dials its links.
    pub(crate) fn node_up(&mut self, now_ns: u64, node: NodeId) -> Planned {
        let of_node = |link: &LinkNumber| self.links.get(link.0).is_some_and(|link| link.plan.dialer == node);
        let links: Vec<_> = self.link_numbers().filter(of_node).collect();
        links.into_iter().filter_map(|link| self.redial(now_ns, link)).collect()
    }

    /// A node is gone, and its ends with it. The others hear a reset at once, or nothing, as it happens.
    pub(crate) fn node_down(&mut self, now_ns: u64, node: NodeId) -> Planned {
        let mut planned = Planned::new();
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            for end in [End::Dialer, End::Acceptor] {
                let Some(connection) = self.connections.get_mut(&id) else { continue };
                if connection.node(end) == node && !connection.side(end).is_closed {
                    connection.side_mut(end).is_closed = true;
                    planned.extend(self.tell_other(now_ns, id, end));
                }
            }
        }
        for link in self.link_numbers() {
            let link = self.link(link);
            if link.plan.dialer == node {
                link.current = None;
                link.is_dialing = false;
            }
        }
        planned
    }

    /// Plans the dialer's next try, unless it has a connection or is at it.
    fn redial(&mut self, now_ns: u64, link: LinkNumber) -> Option<(u64, NetworkEvent)> {
        let seed = self.seed;
        let state = self.link(link);
        if state.current.is_some() || state.is_dialing {
            return None;
        }
        state.is_dialing = true;
        let pause_ns = state.next_pause_ns(seed, link);
        Some((now_ns + pause_ns, NetworkEvent::Dial(link)))
    }

    /// The dialer tries. `reachable`: both nodes run.
    pub(crate) fn dial(
        &mut self,
        now_ns: u64,
        link: LinkNumber,
        reachable: bool,
        next_link_id: &mut impl FnMut() -> LinkId,
    ) -> Planned {
        let state = self.link(link);
        if !state.is_dialing {
            return Planned::new();
        }
        state.is_dialing = false;
        if !reachable || state.is_cut() {
            return self.redial(now_ns, link).into_iter().collect();
        }
        state.tries = 0;
        state.connections += 1;
        let (plan, ordinal) = (state.plan, state.connections);
        let id = ConnectionId(self.connections_made);
        self.connections_made += 1;
        self.link(link).current = Some(id);
        let mut dice = self.dice("handshake", &[link.0 as u64, ordinal]);
        let round_trip_ns = 2 * plan.latency_ns;
        let dialer_ns = now_ns + round_trip_ns + dice.below(plan.jitter_ns + 1);
        let acceptor_ns = dialer_ns + plan.latency_ns + dice.below(plan.jitter_ns + 1);
        let ids = (next_link_id(), next_link_id());
        self.ends.insert(ids.0, (id, End::Dialer));
        self.ends.insert(ids.1, (id, End::Acceptor));
        self.connections.insert(id, Connection::new(link, &plan, ids, (dialer_ns, acceptor_ns)));
        vec![
            (dialer_ns, NetworkEvent::Up(id, End::Dialer)),
            (acceptor_ns, NetworkEvent::Up(id, End::Acceptor)),
        ]
    }

    /// An end learns of its connection, unless it is gone already.
    pub(crate) fn up(&mut self, id: ConnectionId, end: End) -> Option<(NodeId, LinkId, NodeId)> {
        let connection = self.connections.get_mut(&id)?;
        let (node, peer) = (connection.node(end), connection.node(end.other()));
        let side = connection.side_mut(end);
        if side.is_closed {
            return None;
        }
        side.is_up = true;
        Some((node, side.link_id, peer))
    }

    /// An end learns that its connection is gone. Returns whom to tell, when it ever knew of it.
    pub(crate) fn down(
        &mut self,
        now_ns: u64,
        (id, end, cut): (ConnectionId, End, Option<u64>),
    ) -> (Option<(NodeId, LinkId)>, Planned) {
        let Some(link) = self.connections.get(&id).map(|connection| connection.link) else {
            return (None, Planned::new());
        };
        if cut.is_some() && self.link(link).cut != cut {
            return (None, Planned::new());
        }
        self.close(now_ns, id, end)
    }

    /// The node of a connection's end leaves it.
    pub(crate) fn disconnect(&mut self, now_ns: u64, link: LinkId) -> Planned {
        match self.ends.get(&link).copied() {
            Some((id, end)) => self.close(now_ns, id, end).1,
            None => Planned::new(),
        }
    }

    fn close(&mut self, now_ns: u64, id: ConnectionId, end: End) -> (Option<(NodeId, LinkId)>, Planned) {
        let Some(connection) = self.connections.get_mut(&id) else { return (None, Planned::new()) };
        let (link, node) = (connection.link, connection.node(end));
        let side = connection.side_mut(end);
        if side.is_closed {
            return (None, Planned::new());
        }
        side.is_closed = true;
        let told = side.is_up.then_some((node, side.link_id));
        let mut planned: Planned = self.tell_other(now_ns, id, end).into_iter().collect();
        if end == End::Dialer {
            let state = self.link(link);
            if state.current == Some(id) {
                state.current = None;
            }
            planned.extend(self.redial(now_ns, link));
        }
        (told, planned)
    }

    /// One end is closed: the other hears of it, or finds out by silence. A connection without ends is forgotten.
    fn tell_other(&mut self, now_ns: u64, id: ConnectionId, closed: End) -> Option<(u64, NetworkEvent)> {
        let connection = self.connections.get(&id)?;
        if connection.side(closed.other()).is_closed {
            let connection = self.connections.remove(&id)?;
            self.ends.remove(&connection.side(End::Dialer).link_id);
            self.ends.remove(&connection.side(End::Acceptor).link_id);
            return None;
        }
        let (link, plan) = (connection.link, connection.plan);
        let mut dice = self.dice("ending", &[id.0, closed as u64]);
        let is_silent = self.link(link).is_cut() || dice.chance(30);
        let after_ns = match is_silent {
            true => dice.between(SILENCE_NS_MIN, SILENCE_NS_MAX),
            false => plan.latency_ns + dice.below(plan.jitter_ns + 1),
        };
        Some((now_ns + after_ns, NetworkEvent::Down(id, closed.other(), None)))
    }

    /// Cuts a link. Cuts may overlap.
    pub(crate) fn cut(&mut self, now_ns: u64, link: LinkNumber, direction: Direction) -> Planned {
        self.cuts += 1;
        let cut = self.cuts;
        let state = self.link(link);
        let was_cut = state.is_cut();
        state.cut_by(direction);
        if was_cut {
            return Planned::new();
        }
        state.cut = Some(cut);
        let lost: Vec<_> = self.connections_of(link).collect();
        let mut planned = Planned::new();
        for id in lost {
            for end in [End::Dialer, End::Acceptor] {
                let mut dice = self.dice("silence", &[cut, id.0, end as u64]);
                let at_ns = now_ns + dice.between(SILENCE_NS_MIN, SILENCE_NS_MAX);
                planned.push((at_ns, NetworkEvent::Down(id, end, Some(cut))));
            }
        }
        planned
    }

    fn connections_of(&self, link: LinkNumber) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.iter().filter(move |(_, connection)| connection.link == link).map(|(id, _)| *id)
    }

    /// Ends one cut of a link: what waited goes on.
    pub(crate) fn heal(&mut self, now_ns: u64, link: LinkNumber, direction: Direction) -> Planned {
        let state = self.link(link);
        state.heal_by(direction);
        if !state.is_cut() {
            state.cut = None;
        }
        let open: Vec<_> =
            [End::Dialer, End::Acceptor].into_iter().filter(|end| state.side(*end).cuts == 0).collect();
        let mut planned = Planned::new();
        let ids: Vec<_> = self.connections_of(link).collect();
        for id in ids {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            for end in &open {
                for at_ns in connection.resume(now_ns, *end) {
                    planned.push((at_ns, NetworkEvent::Arrive(id, *end)));
                }
            }
        }
        planned
    }

    /// A node stalls until a time: its peers give its connections up after a silence, and so does the node then.
    pub(crate) fn stall(&mut self, now_ns: u64, node: NodeId, until_ns: u64) -> Planned {
        let mut planned = Planned::new();
        for (id, connection) in &self.connections {
            let end = match node {
                node if connection.node(End::Dialer) == node => End::Dialer,
                node if connection.node(End::Acceptor) == node => End::Acceptor,
                _ => continue,
            };
            let mut dice = self.dice("stall", &[now_ns, id.0]);
            let silent_ns = now_ns + dice.between(SILENCE_NS_MIN, SILENCE_NS_MAX);
            if silent_ns < until_ns {
                planned.push((silent_ns, NetworkEvent::Down(*id, end.other(), None)));
            }
        }
        planned
    }

    pub(crate) fn nodes_of(&self, link: LinkNumber) -> Option<(NodeId, NodeId)> {
        self.links.get(link.0).map(|link| (link.plan.dialer, link.plan.acceptor))
    }

    /// Puts a frame on its stream. `None` when the connection is gone.
    pub(crate) fn send(&mut self, now_ns: u64, link_id: LinkId, bytes: Vec<u8>) -> Option<Departure> {
        let (id, end) = self.ends.get(&link_id).copied()?;
        let connection =
            self.connections.get_mut(&id).filter(|connection| !connection.side(end).is_closed)?;
        let passage =
            Passage { connection: id, end, from: connection.node(end), to: connection.node(end.other()) };
        let (link, plan) = (connection.link, connection.plan);
        let message = self.is_watched.then(|| Rc::new(connection.side_mut(end).tables.read(&bytes)));
        let (seed, side) = (self.seed, self.link(link).side_mut(end));
        side.traffic.frames += 1;
        side.traffic.bytes += bytes.len() as u64;
        let mut dice = Dice::of(seed, "frame", &[link.0 as u64, end as u64, side.traffic.frames]);
        if self.vanishes(message.as_deref()) {
            return Some(Departure { arrival: None, passage, message });
        }
        let connection = self.connections.get_mut(&id)?;
        let at_ns = connection.push(now_ns, end, &plan, &mut dice, Sent { bytes, message: message.clone() });
        let arrival = Some((at_ns, NetworkEvent::Arrive(id, end)));
        Some(Departure { arrival, passage, message })
    }

    fn vanishes(&mut self, message: Option<&Message>) -> bool {
        let Some(Message::Delta { rows, .. }) = message else { return false };
        if rows.is_empty() {
            return false;
        }
        self.deltas += 1;
        self.sabotage == Sabotage::DropDelta { number: self.deltas - 1 }
    }

    /// The next frame of a stream gets there, unless the way is cut or nobody is there any more.
    pub(crate) fn arrive(&mut self, id: ConnectionId, end: End) -> Option<Delivery> {
        let link = self.connections.get(&id)?.link;
        let is_cut = self.link(link).side(end).cuts > 0;
        let connection = self.connections.get_mut(&id)?;
        if is_cut {
            connection.side_mut(end).stalled += 1;
            return None;
        }
        let Sent { bytes, message } = connection.side_mut(end).queue.pop_front()?;
        let (from, to) = (connection.node(end), connection.node(end.other()));
        let receiver = connection.side(end.other());
        if receiver.is_closed {
            return None;
        }
        let passage = Passage { connection: id, end, from, to };
        Some(Delivery { node: to, link: receiver.link_id, passage, bytes, message })
    }
}
