//! The world: nodes, links, disks and services in one thread and virtual time.

mod clients;
mod core;
mod disks;
mod faults;
mod node;
mod requests;
mod rulings;
mod settled;
mod stranger;
mod turns;
mod watchers;

pub use clients::ClientWrite;
pub use node::Nodes;
pub use rulings::{Rule, Ruling};
pub use settled::{INDEXED, Settled, SettledSpace};
pub(crate) use turns::IN_FLIGHT_BYTES_MAX;

use crate::agenda::Agenda;
use crate::disk::Disk;
use crate::failure::Failure;
use crate::network::{Direction, End, LinkNumber, Network, NetworkEvent, Planned, Traffic};
use crate::observation::{Checker, Observation};
use crate::sabotage::Sabotage;
use crate::tally::Tally;
use crate::topology::{NodeId, Topology};
use crate::trace::{Kind, Moment, Trace};
use clients::Clients;
use node::Node;
use replica::{Input, LinkId, LoadOrder, Loaded, Turn};
use rulings::Rulings;
use stranger::StrangerState;
use watchers::Watchers;

/// Most events of one run, so that one without end is seen.
const EVENTS_MAX: u64 = 20_000_000;

/// Something that is going to happen.
enum Event {
    Turn {
        node: NodeId,
        life: u32,
    },
    Synced {
        node: NodeId,
        life: u32,
    },
    Notice {
        node: NodeId,
        life: u32,
        turn: Turn,
    },
    Restart {
        node: NodeId,
    },
    /// What took the room of a disk is gone.
    Roomy {
        node: NodeId,
    },
    /// What cannot be read of a disk is found.
    Scrub {
        node: NodeId,
    },
    /// The stranger does something.
    Stranger {
        link: LinkId,
    },
    Heal {
        link: LinkNumber,
        direction: Direction,
    },
    Wake {
        node: NodeId,
    },
    /// The rows of a document are read beside a node's core.
    Load {
        node: NodeId,
        life: u32,
        order: LoadOrder,
    },
    /// The document was made of them.
    Loaded {
        node: NodeId,
        life: u32,
        loaded: Box<Loaded>,
    },
    Network(NetworkEvent),
}

/// Replicas that run, and everything around them.
///
/// ```
/// use sim::{NodeId, Sabotage, Shape, Topology, World};
/// let mut world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
/// world.open()?;
/// let address = "store-1/inventory/milk".parse()?;
/// let operations = vec![document::Operation::increment("/on_hand", 5)?];
/// let write = replica::Request::write(address, operations);
/// assert!(world.request(NodeId(1), write)?.is_some_and(|answer| answer.is_ok()));
/// world.run_until_quiet(10 * sim::SECOND_NS)?;
/// assert_eq!(world.settled()?.spaces.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct World {
    seed: u64,
    sabotage: Sabotage,
    agenda: Agenda<Event>,
    nodes: Nodes,
    network: Network,
    clients: Clients,
    watchers: Watchers,
    rulings: Rulings,
    checkers: Vec<Box<dyn Checker>>,
    stranger: StrangerState,
    trace: Trace,
    tally: Tally,
    link_ids: u64,
    events: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("now_ns", &self.now_ns())
            .finish_non_exhaustive()
    }
}

impl World {
    /// A world in which no node is up yet.
    #[must_use]
    pub fn new(topology: &Topology, sabotage: Sabotage) -> Self {
        let disk = || if sabotage == Sabotage::LyingDisk { Disk::lying() } else { Disk::default() };
        let nodes = topology.nodes.iter().map(|settings| Node::new(settings.clone(), disk())).collect();
        Self {
            seed: topology.seed,
            sabotage,
            agenda: Agenda::new(),
            nodes: Nodes::new(nodes, topology.stranger),
            network: Network::new(topology.seed, &topology.links, sabotage),
            clients: Clients::default(),
            watchers: Watchers::default(),
            rulings: Rulings::default(),
            checkers: Vec::new(),
            stranger: StrangerState::default(),
            trace: Trace::default(),
            tally: Tally::default(),
            link_ids: 0,
            events: 0,
        }
    }

    /// Lets a checker watch. From now on frames are read as they are sent.
    pub fn watch(&mut self, checker: Box<dyn Checker>) {
        self.network.is_watched = true;
        self.checkers.push(checker);
    }

    /// Opens all nodes; they connect.
    ///
    /// # Errors
    /// [`Failure`] when a store cannot be opened.
    pub fn open(&mut self) -> Result<(), Failure> {
        self.nodes.ids().try_for_each(|node| self.open_node(node))
    }

    /// Virtual time, in nanoseconds since the world began.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.agenda.now_ns()
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// What an end of a link has sent since the world began.
    #[must_use]
    pub fn traffic(&self, link: LinkNumber, from: End) -> Traffic {
        self.network.traffic(link, from)
    }

    /// What was done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally { virtual_ns: self.now_ns(), ..self.tally }
    }

    /// Hash over all that happened: frames, effects and durable notices with their times, in hexadecimal.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        self.trace.hash()
    }

    /// The same hash after every [`crate::MILESTONE_EVENTS`] events.
    #[must_use]
    pub fn milestones(&self) -> &[[u8; 32]] {
        self.trace.milestones()
    }

    /// The last that happened, a line each.
    #[must_use]
    pub fn last_lines(&self) -> Vec<String> {
        self.trace.last_lines()
    }

    /// Lets everything happen that happens up to a time.
    ///
    /// # Errors
    /// [`Failure`] of a checker or of a store, and when events have no end.
    pub fn run_until(&mut self, until_ns: u64) -> Result<(), Failure> {
        while self.step(until_ns)? {}
        self.agenda.advance(until_ns);
        Ok(())
    }

    /// Runs until nothing is going on any more. False when that has not come `within_ns`.
    ///
    /// # Errors
    /// [`Failure`] of a checker or of a store, and when events have no end.
    pub fn run_until_quiet(&mut self, within_ns: u64) -> Result<bool, Failure> {
        let until_ns = self.now_ns().saturating_add(within_ns);
        while self.step(until_ns)? {}
        Ok(self.agenda.is_empty())
    }

    /// Lets the next event happen; false when there is none up to a time.
    fn step(&mut self, until_ns: u64) -> Result<bool, Failure> {
        let Some(event) = self.agenda.next(until_ns) else { return Ok(false) };
        self.events += 1;
        if self.events > EVENTS_MAX {
            let finding = format!("{EVENTS_MAX} events, and no end");
            return Err(Failure::liveness("comes_to_rest", finding));
        }
        match event {
            Event::Turn { node, life } => self.turn(node, life)?,
            Event::Synced { node, life } => self.synced(node, life)?,
            Event::Notice { node, life, turn } => self.notice(node, life, turn),
            Event::Restart { node } => self.restart(node)?,
            Event::Roomy { node } => self.make_room(node)?,
            Event::Scrub { node } => self.scrub(node)?,
            Event::Stranger { link } => self.stranger_acts(link)?,
            Event::Wake { node } => self.wake(node),
            Event::Load { node, life, order } => self.load(node, life, &order),
            Event::Loaded { node, life, loaded } => self.loaded(node, life, loaded),
            Event::Heal { link, direction } => self.heal(link, direction),
            Event::Network(event) => self.network_event(event)?,
        }
        Ok(true)
    }

    fn network_event(&mut self, event: NetworkEvent) -> Result<(), Failure> {
        let now_ns = self.now_ns();
        match event {
            NetworkEvent::Dial(link) => {
                let reachable = self.is_reachable(link);
                let ids = &mut self.link_ids;
                let mut next_id = || {
                    *ids += 1;
                    LinkId(*ids)
                };
                let planned = self.network.dial(now_ns, link, reachable, &mut next_id);
                self.plan(planned);
            }
            NetworkEvent::Up(connection, end) => {
                if let Some((node, link, peer)) = self.network.up(connection, end) {
                    self.peer_up(node, link, peer)?;
                }
            }
            NetworkEvent::Down(connection, end, cut) => {
                let (told, planned) = self.network.down(now_ns, (connection, end, cut));
                self.plan(planned);
                if let Some((node, link)) = told {
                    self.trace.note(now_ns, Moment::PeerDown { node }, &[]);
                    // A node may still leave a link that is down, for a frame that came before the end.
                    if self.nodes.is_stranger(node) {
                        self.nodes.node_mut(node).links.remove(&link);
                    }
                    self.give(node, Input::PeerDown { link });
                }
            }
            NetworkEvent::Arrive(connection, end, lane) => self.arrive(connection, end, lane)?,
        }
        Ok(())
    }

    fn arrive(
        &mut self,
        connection: crate::network::ConnectionId,
        end: End,
        lane: replica::Lane,
    ) -> Result<(), Failure> {
        let Some(delivery) = self.network.arrive(self.now_ns(), (connection, end, lane)) else {
            return Ok(());
        };
        self.plan(delivery.planned);
        self.tally.frames += 1;
        let kind = Kind::of(delivery.message.as_deref());
        self.trace.note(self.now_ns(), Moment::Delivered(delivery.passage, kind), &delivery.bytes);
        if let Some(message) = &delivery.message {
            self.observe(&Observation::Delivered { passage: delivery.passage, message })?;
        }
        if self.nodes.stranger().is_some() {
            self.record(delivery.node, &delivery.bytes);
        }
        self.give(delivery.node, Input::Frame { link: delivery.link, bytes: delivery.bytes });
        Ok(())
    }

    fn peer_up(&mut self, node: NodeId, link: LinkId, peer: NodeId) -> Result<(), Failure> {
        self.trace.note(self.now_ns(), Moment::PeerUp { node, peer }, &[]);
        let settings = &self.nodes.node(peer).settings;
        let (name, public_key) = (settings.name.clone(), settings.key.public_key);
        self.nodes.node_mut(node).links.insert(link, peer);
        if self.nodes.is_stranger(node) {
            return self.stranger_connected(link);
        }
        self.give(node, Input::PeerUp { link, peer: name, public_key });
        Ok(())
    }

    fn plan(&mut self, planned: Planned) {
        for (at_ns, event) in planned {
            self.agenda.plan(at_ns, Event::Network(event));
        }
    }

    fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Failure> {
        self.checkers.iter_mut().try_for_each(|checker| checker.observe(observation, &self.nodes))
    }

    /// What all nodes have. For a world at rest.
    ///
    /// # Errors
    /// [`Failure`] when a store cannot be read.
    pub fn settled(&mut self) -> Result<Settled, Failure> {
        let now_ns = self.now_ns();
        let mut settled = Settled::default();
        for node in self.nodes.ids() {
            self.nodes.node(node).disk.fail_sync(false);
            let spaces = self.nodes.spaces(node).filter(|space| !self.nodes.is_denied(node, space));
            let spaces: Vec<_> = spaces.cloned().collect();
            for space in spaces {
                let content = self.nodes.settled(node, &space, now_ns);
                let content = content.map_err(|error| store_failure(node, &error))?;
                // What a stranger wrote is read all the same: nothing panics.
                if let Some(content) = content.filter(|_| !self.nodes.is_strange(&space)) {
                    settled.spaces.entry(space).or_default().insert(node, content);
                }
            }
        }
        Ok(settled)
    }

    /// Shows the checkers what there is in the end.
    ///
    /// # Errors
    /// [`Failure`] of a checker or of a store, and when a request has no answer.
    pub fn settle(&mut self) -> Result<(), Failure> {
        let open = self.clients.open();
        if open > 0 {
            return Err(Failure::liveness(
                "requests_are_answered",
                format!("{open} requests have no answer"),
            ));
        }
        let settled = self.settled()?;
        self.checkers.iter_mut().try_for_each(|checker| checker.settle(&settled))
    }
}

fn store_failure(node: NodeId, error: &replica::StoreError) -> Failure {
    let finding = format!("{} gave up its store: {error}", Topology::name(node));
    Failure::correctness("stores_are_sound", finding)
}

#[cfg(test)]
mod tests;
