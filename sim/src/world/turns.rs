//! How a node works: it takes a bounded number of inputs, ends the turn, and does what comes out of it.

use super::{Event, World};
use crate::dice::Dice;
use crate::failure::Failure;
use crate::network::Departure;
use crate::observation::Observation;
use crate::time::{MICROSECOND_NS, MILLISECOND_NS};
use crate::topology::{self, NodeId};
use crate::trace::{Kind, Moment};
use replica::{Effect, Input, Lane, LinkId, LoadOrder, Loaded, Replica, Room, StoreError, Turn};

/// Inputs of one turn, as the server takes them.
const INPUTS_PER_TURN_MAX: usize = 128;
/// Bytes on their way to the disk from which on a node takes durable notices only, as the server does.
pub(crate) const IN_FLIGHT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What a turn takes, in nanoseconds.
const TURN_NS: u64 = 10 * MICROSECOND_NS;
/// What an input takes, in nanoseconds.
const INPUT_NS: u64 = 20 * MICROSECOND_NS;

impl World {
    /// Opens a node on what its disk has.
    pub(super) fn open_node(&mut self, id: NodeId) -> Result<(), Failure> {
        let now_ns = self.now_ns();
        if self.nodes.is_stranger(id) {
            let planned = self.network.node_up(now_ns, id);
            self.plan(planned);
            return Ok(());
        }
        let node = self.nodes.node_mut(id);
        match Replica::open(node.disk.store(), node.settings.clone()) {
            Ok(replica) => node.replica = Some(replica),
            Err(error) => return self.store_failed(id, &error),
        }
        node.life += 1;
        if let Some(wake) = node.wake.take() {
            self.agenda.cancel(wake);
        }
        self.trace.note(now_ns, Moment::Opened(id), &[]);
        self.observe(&Observation::Opened { node: id })?;
        if self.nodes.node(id).fills > 0 {
            self.tell_room(id, Room::ReadOnly)?;
        }
        let planned = self.network.node_up(now_ns, id);
        self.plan(planned);
        self.rule_again(id);
        self.submit_waiting(id)?;
        self.start_watchers(id);
        self.plan_turn(id);
        Ok(())
    }

    /// The node is woken when its replica asks for it.
    fn plan_wake(&mut self, id: NodeId) {
        let node = self.nodes.node_mut(id);
        let wake = node.replica.as_ref().and_then(Replica::poll_timeout);
        let at_ns = wake.map(|(at_ms, _)| at_ms.saturating_mul(MILLISECOND_NS).max(self.agenda.now_ns()));
        if at_ns == node.wake.map(|wake| wake.at_ns) {
            return;
        }
        if let Some(earlier) = node.wake.take() {
            self.agenda.cancel(earlier);
        }
        node.wake = at_ns.map(|at_ns| self.agenda.plan(at_ns, Event::Wake { node: id }));
    }

    pub(super) fn wake(&mut self, id: NodeId) {
        self.nodes.node_mut(id).wake = None;
        self.give(id, Input::Timeout);
    }

    /// Puts an input before a node. One that is down takes none.
    pub(super) fn give(&mut self, id: NodeId, input: Input) {
        let node = self.nodes.node_mut(id);
        if node.replica.is_some() {
            node.inbox.push_back(input);
            self.plan_turn(id);
        }
    }

    fn plan_turn(&mut self, id: NodeId) {
        let now_ns = self.now_ns();
        let node = self.nodes.node_mut(id);
        if node.replica.is_none() || node.turn_planned {
            return;
        }
        node.turn_planned = true;
        let at_ns = now_ns.max(node.busy_ns).max(node.paused_ns);
        self.agenda.plan(at_ns, Event::Turn { node: id, life: node.life });
    }

    pub(super) fn turn(&mut self, id: NodeId, life: u32) -> Result<(), Failure> {
        let now_ns = self.now_ns();
        let node = self.nodes.node_mut(id);
        if node.life != life || node.replica.is_none() {
            return Ok(());
        }
        node.turn_planned = false;
        if node.paused_ns > now_ns {
            self.plan_turn(id);
            return Ok(());
        }
        let worked = match self.work(id) {
            Ok(worked) => worked,
            Err(error) => return self.store_failed(id, &error),
        };
        self.carry_out(id)?;
        self.observe(&Observation::TurnEnded { node: id })?;
        self.sync(id);
        self.plan_wake(id);
        let node = self.nodes.node(id);
        let has_room = self.nodes.in_flight_bytes(id) < IN_FLIGHT_BYTES_MAX;
        if worked || !node.notices.is_empty() || (has_room && !node.inbox.is_empty()) {
            self.plan_turn(id);
        }
        Ok(())
    }

    /// Takes inputs and ends the turn. Returns whether there is more to do without any.
    fn work(&mut self, id: NodeId) -> Result<bool, StoreError> {
        let now_ns = self.now_ns();
        let node = self.nodes.node_mut(id);
        let clock = node.clock(now_ns);
        let Some(replica) = &mut node.replica else { return Ok(false) };
        let mut taken = 0;
        while let Some(turn) = node.notices.pop_front() {
            replica.handle(Input::Durable(turn), clock)?;
            taken += 1;
        }
        while taken < INPUTS_PER_TURN_MAX && replica.in_flight_bytes() < IN_FLIGHT_BYTES_MAX {
            let Some(input) = node.inbox.pop_front() else { break };
            replica.handle(input, clock)?;
            taken += 1;
        }
        node.busy_ns = now_ns + TURN_NS + taken as u64 * INPUT_NS;
        replica.end_turn()
    }

    fn carry_out(&mut self, id: NodeId) -> Result<(), Failure> {
        let now_ns = self.now_ns();
        while let Some(effect) = self.nodes.node_mut(id).replica.as_mut().and_then(Replica::poll_effect) {
            match effect {
                Effect::Send { link, lane, bytes } => self.send((link, lane), bytes)?,
                Effect::Reply { id: request, result } => {
                    let content = format!("{request:?} {result:?}");
                    self.trace.note(now_ns, Moment::Replied { node: id }, content.as_bytes());
                    self.replied(request, result)?;
                }
                Effect::Watch { id: watch, events } => {
                    let content = format!("{watch:?} {events:?}");
                    self.trace.note(now_ns, Moment::Watched { node: id }, content.as_bytes());
                    self.watched(id, watch, &events)?;
                }
                Effect::Disconnect { link, reason } => {
                    self.trace.note(now_ns, Moment::Left { node: id }, reason.to_string().as_bytes());
                    let peer = self.nodes.node_mut(id).links.remove(&link);
                    let planned = self.network.disconnect(now_ns, link);
                    self.plan(planned);
                    self.observe(&Observation::Left { node: id, peer, reason: &reason })?;
                }
                Effect::Load(order) => self.plan_load(id, order),
                Effect::Renew { reason } => {
                    self.trace.note(now_ns, Moment::Left { node: id }, reason.to_string().as_bytes());
                    return self.renew(id);
                }
                Effect::Event(event) => {
                    let is_settled = matches!(event, replica::Event::ForkSettled { .. });
                    if is_settled {
                        let trimming = topology::trimming(self.seed, id);
                        let node = self.nodes.node_mut(id);
                        (node.is_old_copy, node.settings.trimming) = (false, trimming);
                    }
                    let content = format!("{event:?}");
                    let told = self.tally.count(&event);
                    self.trace.note(now_ns, Moment::Told { node: id, event: told }, content.as_bytes());
                    self.observe(&Observation::Told { node: id, event: &event })?;
                }
            }
        }
        Ok(())
    }

    /// Has a document read as by other threads, of which none may be free for a while.
    fn plan_load(&mut self, id: NodeId, order: LoadOrder) {
        let (seed, now_ns) = (self.seed, self.now_ns());
        let node = self.nodes.node_mut(id);
        node.loads += 1;
        let mut dice = Dice::of(seed, "load", &[id.0 as u64, node.loads]);
        let at_ns = now_ns + if dice.chance(50) { 0 } else { dice.between(0, 20_000) * MICROSECOND_NS };
        self.agenda.plan(at_ns, Event::Load { node: id, life: node.life, order });
        self.tally.loads += 1;
    }

    /// Its rows as of now; it takes some time to make the document of them.
    pub(super) fn load(&mut self, id: NodeId, life: u32, order: &LoadOrder) {
        let (seed, now_ns) = (self.seed, self.now_ns());
        let node = self.nodes.node_mut(id);
        if node.life != life || node.replica.is_none() {
            return;
        }
        let mut dice = Dice::of(seed, "loaded", &[id.0 as u64, node.loads, now_ns]);
        let loaded = if dice.chance(5) { order.failed() } else { order.read(&node.disk.store()).load() };
        let at_ns = now_ns + dice.between(50, 30_000) * MICROSECOND_NS;
        self.agenda.plan(at_ns, Event::Loaded { node: id, life, loaded: Box::new(loaded) });
    }

    pub(super) fn loaded(&mut self, id: NodeId, life: u32, loaded: Box<Loaded>) {
        if self.nodes.node(id).life == life {
            self.give(id, Input::Loaded(loaded));
        }
    }

    fn send(&mut self, link: (LinkId, Lane), bytes: Vec<u8>) -> Result<(), Failure> {
        let (now_ns, length) = (self.now_ns(), bytes.len());
        let Some(departure) = self.network.send(now_ns, link, bytes) else { return Ok(()) };
        let Departure { arrival, passage, message } = departure;
        self.plan(arrival.into_iter().collect());
        // Its bytes are in the trace when they are delivered.
        self.trace.note(now_ns, Moment::Sent(passage, Kind::of(message.as_deref())), &[]);
        match &message {
            Some(message) => self.observe(&Observation::Sent { passage, message, bytes: length }),
            None => Ok(()),
        }
    }

    /// Lets the disk sync what was handed to it, unless it is at it.
    fn sync(&mut self, id: NodeId) {
        let (seed, now_ns) = (self.seed, self.now_ns());
        let node = self.nodes.node_mut(id);
        if !node.disk.begin_sync() {
            return;
        }
        node.syncs += 1;
        let (slow_until_ns, times) = node.slow;
        let times = if now_ns < slow_until_ns { times } else { 1 };
        let sync_ns = sync_ns(seed, id, node.syncs).saturating_mul(times);
        self.agenda.plan(now_ns + sync_ns, Event::Synced { node: id, life: node.life });
    }

    /// The disk is done: rows are readable at once, and the node is told a little later.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub(super) fn synced(&mut self, id: NodeId, life: u32) -> Result<(), Failure> {
        let (seed, now_ns) = (self.seed, self.now_ns());
        let node = self.nodes.node_mut(id);
        if node.life != life || node.replica.is_none() {
            return Ok(());
        }
        let synced = match node.disk.finish_sync() {
            Ok(synced) => synced,
            Err(error) => return self.store_failed(id, &error),
        };
        if let Some(turn) = synced {
            let mut dice = Dice::of(seed, "notice", &[id.0 as u64, node.syncs]);
            let at_ns = now_ns + dice.between(10, 300) * MICROSECOND_NS;
            self.agenda.plan(at_ns, Event::Notice { node: id, life, turn });
        }
        self.sync(id);
        Ok(())
    }

    pub(super) fn notice(&mut self, id: NodeId, life: u32, turn: Turn) {
        let now_ns = self.now_ns();
        let node = self.nodes.node_mut(id);
        if node.life != life || node.replica.is_none() {
            return;
        }
        node.notices.push_back(turn);
        self.trace.note(now_ns, Moment::Durable(id, turn), &[]);
        self.plan_turn(id);
    }
}

/// How long a sync of a node's disk takes. Every third node has a slow disk; now and then any disk is busy with
/// something else.
fn sync_ns(seed: u64, node: NodeId, number: u64) -> u64 {
    let is_slow = Dice::of(seed, "disk", &[node.0 as u64]).chance(33);
    let mut dice = Dice::of(seed, "sync", &[node.0 as u64, number]);
    match (is_slow, dice.chance(2)) {
        (_, true) => dice.between(20, 200) * MILLISECOND_NS,
        (true, false) => dice.between(5, 40) * MILLISECOND_NS,
        (false, false) => dice.between(200, 3_000) * MICROSECOND_NS,
    }
}
