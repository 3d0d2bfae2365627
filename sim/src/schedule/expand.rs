//! From a seed to a list of events.
//!
//! A swarm: each seed draws its own subset of fault kinds, so that some runs see one kind alone and others all at
//! once. What is drawn for an event is keyed by the event's number: see `Dice`.

use super::sales::sales;
use super::workload::Workload;
use super::{Event, Header, Schedule, Scheduled};
use crate::dice::Dice;
use crate::network::{Direction, LinkNumber};
use crate::time::MICROSECOND_NS;
use crate::topology::{
    self, MESH_NODES_MAX, NODES_DRAWN_MAX, NodeId, Shape, Strangeness, Stranger, Topology,
};
use replica::SpaceMode;

/// Of 100 seeds so many are meshes; as many are chains.
const MESH_PERCENT: u64 = 20;

/// Fewest nodes of a seed.
const NODES_DRAWN_MIN: u64 = 3;
/// Of 100 things that services do, so many are looks at all goods of a space.
const LOOK_PERCENT: u64 = 6;
/// And so many are looks, or reads of one document.
const LOOK_OR_READ_PERCENT: u64 = 10;
/// Documents that are read alone.
const READ_DOCUMENTS: u64 = 12;
/// How long things happen, in microseconds: at least and at most.
const DURATION_US: (u64, u64) = (8_000_000, 40_000_000);
/// Writes of a run: at least and at most.
const WRITES: (u64, u64) = (150, 1_200);
/// Faults of one kind in a run, at most.
const FAULTS_MAX: u64 = 8;
/// Bursts of a run.
const BURSTS: u64 = 8;
/// How long nodes are divided into two groups, in microseconds: at least and at most.
const PARTITION_US: (u64, u64) = (500_000, 8_000_000);
/// Of 100 nodes so many have services that fall silent at some time.
const SILENT_PERCENT: u64 = 15;
/// How long a burst of writes lasts, in microseconds.
const BURST_US: u64 = 20_000;

/// Of 100 worlds in which one can be, so many have a node that keeps no rule, and so many one of another version.
const STRANGE_PERCENT: (u64, u64) = (25, 10);
/// Of 100 seeds so many have an authority.
const AUTHORITY_PERCENT: u64 = 30;
/// Changes of rights of a run, after those with which sites are enrolled, at most.
const RULINGS_MAX: u64 = 6;
/// Of 100 seeds so many end with a core that must converge though everything else fails.
const CORE_PERCENT: u64 = 40;
/// Of 100 seeds so many have clocks that jump.
const CLOCK_PERCENT: u64 = 30;
/// How far a wall clock is wrong, in milliseconds: some minutes, or ten years.
const CLOCK_WRONG_MS: [u64; 2] = [600_000, 10 * 365 * 86_400_000];

pub(super) fn expand(seed: u64, nodes: Option<usize>) -> Schedule {
    let mut dice = Dice::of(seed, "swarm", &[]);
    let shape = match dice.below(100) {
        0..MESH_PERCENT => Shape::Mesh,
        percent if percent < 2 * MESH_PERCENT => Shape::Chain,
        _ => Shape::Star,
    };
    let most = if shape == Shape::Mesh { MESH_NODES_MAX } else { NODES_DRAWN_MAX } as u64;
    // Small worlds are quick, and find most of what there is to find.
    let drawn = dice.between(NODES_DRAWN_MIN, most).min(dice.between(NODES_DRAWN_MIN, most));
    let nodes = nodes.unwrap_or_else(|| usize::try_from(drawn).unwrap_or(MESH_NODES_MAX));
    let duration_us = dice.between(DURATION_US.0, DURATION_US.1);
    let mut topology = Topology::new(seed, shape, nodes);
    topology.stranger = stranger(&topology);
    let has_authority = Dice::of(seed, "authority", &[]).chance(AUTHORITY_PERCENT);
    // In a mesh all write one space: who is cut there has no space of its own that checkers could tell apart.
    let authority = has_authority && shape != Shape::Mesh && topology.stranger.is_none();
    let header = Header { seed, shape, nodes: topology.nodes.len(), stranger: topology.stranger, authority };
    let workload = Workload::new(seed, topology.nodes.len());
    let expansion = Expansion { seed, topology, duration_us, workload, authority };
    let mut events = expansion.writes();
    events.extend(sales(&expansion.topology, expansion.duration_us));
    if authority {
        events.extend(expansion.rulings());
    }
    events.extend(expansion.faults().into_iter().filter(|scheduled| scheduled.at_us < 2 * DURATION_US.1));
    events.sort_by_key(|scheduled| scheduled.at_us);
    let mut schedule = Schedule { header, events };
    let end_us = schedule.end_ns() / MICROSECOND_NS;
    let core = expansion.core().map(|event| Scheduled { at_us: end_us, event });
    schedule.events.extend(core);
    schedule
}

/// A node that keeps no rule is a leaf of a star: its changes come to the hub alone, which passes them on to nobody.
fn stranger(topology: &Topology) -> Option<Stranger> {
    let mut dice = Dice::of(topology.seed, "strange", &[]);
    let node = NodeId(topology.nodes.len().checked_sub(1)?);
    let kind = match dice.below(100) {
        percent if percent < STRANGE_PERCENT.0 => Strangeness::Hostile,
        percent if percent < STRANGE_PERCENT.0 + STRANGE_PERCENT.1 => Strangeness::Version,
        _ => return None,
    };
    (topology.shape == Shape::Star && node.0 > 1).then_some(Stranger { node, kind })
}

struct Expansion {
    seed: u64,
    topology: Topology,
    duration_us: u64,
    workload: Workload,
    authority: bool,
}

impl Expansion {
    fn dice(&self, purpose: &str, number: u64) -> Dice {
        Dice::of(self.seed, purpose, &[number])
    }

    fn writes(&self) -> Vec<Scheduled> {
        let count = self.dice("writes", 0).between(WRITES.0, WRITES.1);
        (0..count).filter_map(|id| self.write(id)).collect()
    }

    /// When something happens: at any time, or in one of the bursts, where writes, crashes and cuts meet.
    fn moment_us(&self, dice: &mut Dice) -> u64 {
        match dice.chance(60) {
            true => {
                let burst = dice.below(BURSTS);
                self.dice("burst", burst).below(self.duration_us) + dice.below(BURST_US)
            }
            false => dice.below(self.duration_us),
        }
    }

    fn write(&self, id: u64) -> Option<Scheduled> {
        let mut dice = self.dice("write", id);
        let at_us = self.moment_us(&mut dice);
        // Every node is as likely as the hub, except that the catalog is the hub's.
        let node = NodeId(usize::try_from(dice.below(self.topology.nodes.len() as u64)).ok()?);
        if at_us >= self.silent_us(node) {
            return None;
        }
        let writable = self.topology.spaces(node)?.iter().filter(|(_, mode)| **mode == SpaceMode::Write);
        let writable: Vec<_> = writable.map(|(space, _)| space.as_str()).collect();
        let space = (*dice.pick(&writable)?).to_owned();
        match dice.below(100) {
            0..LOOK_PERCENT => return self.look(at_us, space, &mut dice),
            LOOK_PERCENT..LOOK_OR_READ_PERCENT => {
                let key = format!("product-{}", dice.below(READ_DOCUMENTS));
                return Some(Scheduled { at_us, event: Event::Read { node, space, key } });
            }
            _ => {}
        }
        let (key, change) = self.workload.write(&space, &mut dice)?;
        let retried = dice.chance(60);
        Some(Scheduled { at_us, event: Event::Write { id, node, space, key, change, retried } })
    }

    /// When the services of a node fall silent: what it wrote last is followed by nothing that would bring it along.
    fn silent_us(&self, node: NodeId) -> u64 {
        let mut dice = self.dice("silent", node.0 as u64);
        if dice.chance(SILENT_PERCENT) { dice.below(self.duration_us) } else { u64::MAX }
    }

    /// Any node that carries the space is looked at.
    fn look(&self, at_us: u64, space: String, dice: &mut Dice) -> Option<Scheduled> {
        let carries = |node: &NodeId| {
            let spaces = self.topology.spaces(*node);
            spaces.is_some_and(|spaces| spaces.keys().any(|carried| carried.as_str() == space))
        };
        let nodes: Vec<_> = (0..self.topology.nodes.len()).map(NodeId).filter(carries).collect();
        let node = *dice.pick(&nodes)?;
        Some(Scheduled { at_us, event: Event::Look { node, space } })
    }

    /// Each kind of fault is drawn or not; `percent` of 100 seeds have it.
    fn faults(&self) -> Vec<Scheduled> {
        let mut events = Vec::new();
        let mut add = |percent: u64, purpose: &str, make: &dyn Fn(&mut Dice) -> Vec<(u64, Event)>| {
            let is_drawn = self.dice(purpose, u64::MAX).chance(percent);
            let count = if is_drawn { self.dice(purpose, u64::MAX - 1).between(1, FAULTS_MAX) } else { 0 };
            for number in 0..count {
                let mut dice = self.dice(purpose, number);
                let at_us = self.moment_us(&mut dice);
                let made = make(&mut dice).into_iter();
                events.extend(made.map(|(later_us, event)| Scheduled { at_us: at_us + later_us, event }));
            }
        };
        let one = |event: Option<Event>| event.into_iter().map(|event| (0, event)).collect();
        add(60, "cut", &|dice| one(self.cut(dice, Direction::Both, (100_000, 15_000_000))));
        add(35, "one-way", &|dice| {
            let direction = if dice.chance(50) { Direction::Up } else { Direction::Down };
            one(self.cut(dice, direction, (100_000, 10_000_000)))
        });
        for flap in 0..4 {
            let purpose = format!("flap-{flap}");
            add(12, &purpose, &|dice| one(self.cut(dice, Direction::Both, (10_000, 2_500_000))));
        }
        add(15, "swizzle", &|dice| self.swizzle(dice));
        add(20, "partition", &|dice| self.partition(dice));
        add(50, "crash", &|dice| one(self.crash(dice)));
        add(30, "pause", &|dice| one(self.pause(dice)));
        add(20, "full", &|dice| one(self.full(dice)));
        add(20, "eio", &|dice| one(self.any_node(dice).map(|node| Event::Eio { node })));
        add(20, "slow", &|dice| one(self.slow(dice)));
        let copies_percent = if self.topology.shape == Shape::Mesh { 40 } else { 15 };
        let copies_percent = if self.authority { 0 } else { copies_percent };
        let are_copied = self.dice("old-copy", u64::MAX).chance(copies_percent);
        // Who lost its disk takes either branch from whoever comes first, and passes it on. A star's hub loses none.
        let loses_percent = if are_copied && self.topology.shape != Shape::Star { 0 } else { 12 };
        add(loses_percent, "rot", &|dice| one(self.rot(dice)));
        add(loses_percent, "wipe", &|dice| one(self.wipe(dice)));
        add(loses_percent, "restore", &|dice| self.restore(dice));
        add(copies_percent, "old-copy", &|dice| self.old_copy(dice));
        add(CLOCK_PERCENT, "clock", &|dice| one(self.clock(dice)));
        events
    }

    /// All sites are enrolled, some of them late; some that nobody is behind lose the right to write, and may get it back.
    fn rulings(&self) -> Vec<Scheduled> {
        let sites = (1..self.topology.nodes.len()).map(NodeId);
        let is_leaf = |node: &NodeId| self.topology.links.iter().all(|link| link.acceptor != *node);
        let leaves: Vec<_> = sites.clone().filter(is_leaf).collect();
        let mut events = Vec::new();
        for node in sites {
            let mut dice = self.dice("enrol", node.0 as u64);
            let last_us = if dice.chance(70) { 10_000 } else { self.duration_us / 4 * 5 };
            let at_us = dice.below(last_us);
            events.push(Scheduled { at_us, event: Event::Grant { node, narrow: false } });
        }
        for number in 0..self.dice("rulings", 0).below(RULINGS_MAX + 1) {
            let mut dice = self.dice("ruling", number);
            // Some come after the last write, so that nothing written later shows what they brought about.
            let at_us = self.duration_us / 2 + self.moment_us(&mut dice);
            let Some(node) = dice.pick(&leaves).copied() else { continue };
            let event = match dice.below(10) {
                0..4 => Event::Grant { node, narrow: true },
                4..8 => Event::Grant { node, narrow: false },
                _ => Event::Revoke { node },
            };
            events.push(Scheduled { at_us, event });
        }
        let mut dice = self.dice("schema", 0);
        let collection = (*dice.pick(&["inventory", "note", "basket"]).unwrap_or(&"note")).to_owned();
        events.push(Scheduled { at_us: self.moment_us(&mut dice), event: Event::Schema { collection } });
        // Who is revoked gets nothing back.
        let revoked = |node: &NodeId| {
            let revocations =
                events.iter().filter(|scheduled| scheduled.event == Event::Revoke { node: *node });
            revocations.map(|scheduled| scheduled.at_us).min()
        };
        let late = |scheduled: &Scheduled| {
            let Event::Grant { node, .. } = &scheduled.event else { return false };
            revoked(node).is_some_and(|at_us| scheduled.at_us >= at_us)
        };
        let kept = events.iter().filter(|scheduled| !late(scheduled));
        kept.cloned().collect()
    }

    /// Some links are cut one after another, and healed in another order.
    fn swizzle(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let links = (0..self.topology.links.len()).map(LinkNumber).filter(|_| dice.chance(60));
        let links: Vec<_> = links.collect();
        let mut at_us = 0;
        let cut = |link| {
            at_us += dice.below(1_000_000);
            let for_us = dice.between(100_000, 6_000_000);
            (at_us, Event::Cut { link, direction: Direction::Both, for_us })
        };
        links.into_iter().map(cut).collect()
    }

    /// The nodes fall into two groups that cannot reach each other, and then into two others.
    fn partition(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let (mut events, mut at_us) = (Vec::new(), 0);
        for _ in 0..2 {
            let sides: Vec<bool> = self.topology.nodes.iter().map(|_| dice.chance(50)).collect();
            let for_us = dice.between(PARTITION_US.0, PARTITION_US.1);
            let links = self.topology.links.iter().enumerate();
            let apart = links.filter(|(_, link)| sides.get(link.dialer.0) != sides.get(link.acceptor.0));
            let cut = |link| Event::Cut { link, direction: Direction::Both, for_us };
            events.extend(apart.map(|(link, _)| (at_us, cut(LinkNumber(link)))));
            at_us += for_us;
        }
        events
    }

    fn full(&self, dice: &mut Dice) -> Option<Event> {
        let (node, at_once) = (self.any_node(dice)?, dice.chance(40));
        Some(Event::Full { node, at_once, for_us: dice.between(200_000, 8_000_000) })
    }

    fn slow(&self, dice: &mut Dice) -> Option<Event> {
        let (node, times) = (self.any_node(dice)?, dice.between(2, 60));
        Some(Event::Slow { node, times, for_us: dice.between(200_000, 8_000_000) })
    }

    fn rot(&self, dice: &mut Dice) -> Option<Event> {
        let (node, row) = (self.any_fungible(dice)?, dice.below(1 << 20));
        Some(Event::Rot { node, row, found_us: dice.between(100_000, 8_000_000) })
    }

    fn wipe(&self, dice: &mut Dice) -> Option<Event> {
        Some(Event::Wipe { node: self.any_fungible(dice)?, down_us: dice.between(10_000, 6_000_000) })
    }

    fn restore(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let Some(node) = self.any_fungible(dice) else { return Vec::new() };
        let later_us = dice.between(100_000, 10_000_000);
        let down_us = dice.between(10_000, 6_000_000);
        let restore = Event::Restore { node, keeps_incarnation: false, down_us };
        vec![(0, Event::Image { node }), (later_us, restore)]
    }

    /// A directory that was copied by hand is put back, and some is written on it before it meets anyone.
    fn old_copy(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let Some(node) = self.any_copied(dice) else { return Vec::new() };
        let later_us = dice.between(100_000, 10_000_000);
        let down_us = dice.between(10_000, 2_000_000);
        let alone_us = if dice.chance(80) { down_us + dice.between(100_000, 8_000_000) } else { 0 };
        let links = self.topology.links.iter().enumerate();
        let own = links.filter(|(_, link)| alone_us > 0 && (link.dialer == node || link.acceptor == node));
        let cut = |link| Event::Cut { link, direction: Direction::Both, for_us: alone_us };
        let mut events: Vec<_> = own.map(|(link, _)| (later_us, cut(LinkNumber(link)))).collect();
        events.insert(0, (0, Event::Image { node }));
        events.push((later_us, Event::Restore { node, keeps_incarnation: true, down_us }));
        events
    }

    /// A node whose branch reaches no other that the hub cannot correct: in a chain its neighbour is the hub's, too. In a
    /// mesh it is one of the seed: peers that take each other's branches have nobody who decides. So it is in a chain whose
    /// rows are trimmed, by age or by a clock that jumps ahead: the hub cannot tell what a relay that was put back took.
    fn any_copied(&self, dice: &mut Dice) -> Option<NodeId> {
        if self.topology.shape == Shape::Mesh {
            return self.any_node(&mut self.dice("old-copy", u64::MAX - 2));
        }
        let jumps = self.dice("clock", u64::MAX).chance(CLOCK_PERCENT);
        let are_trimmed = topology::trims(self.seed) || jumps;
        let one = &mut self.dice("old-copy", u64::MAX - 2);
        let dice = if self.topology.shape == Shape::Chain && are_trimmed { one } else { dice };
        let links = &self.topology.links;
        let parent = |node: NodeId| links.iter().find(|link| link.dialer == node).map(|link| link.acceptor);
        let is_near = |node: &NodeId| parent(*node).and_then(parent).is_none_or(|above| above.0 == 0);
        self.any_fungible(dice).filter(is_near)
    }

    fn clock(&self, dice: &mut Dice) -> Option<Event> {
        let node = self.any_node(dice)?;
        let most = i64::try_from(*dice.pick(&CLOCK_WRONG_MS)?).ok()?;
        let wrong_ms = i64::try_from(dice.below(2 * most.unsigned_abs())).ok()? - most;
        Some(Event::Clock { node, wrong_ms })
    }

    /// A node whose disk may be lost: what others wrote comes back to it. In a tree nobody gives the hub its catalog
    /// back, so there it is any node but the hub.
    fn any_fungible(&self, dice: &mut Dice) -> Option<NodeId> {
        let first = usize::from(self.topology.shape != Shape::Mesh);
        let others = self.topology.nodes.len().checked_sub(first)?;
        Some(NodeId(first + usize::try_from(dice.below(others as u64)).ok()?))
    }

    /// Nodes that are linked with each other: one, and neighbours of those that are in already.
    fn core(&self) -> Option<Event> {
        let mut dice = self.dice("core", 0);
        let honest = |node: &NodeId| self.topology.stranger.is_none_or(|stranger| stranger.node != *node);
        if !dice.chance(CORE_PERCENT) {
            return None;
        }
        let size = usize::try_from(dice.between(2, self.topology.nodes.len() as u64)).ok()?;
        let mut nodes = vec![self.any_node(&mut dice).filter(honest).unwrap_or(NodeId(0))];
        while nodes.len() < size {
            let ends = self.topology.links.iter().map(|link| (link.dialer, link.acceptor));
            let both = ends.flat_map(|(one, other)| [(one, other), (other, one)]);
            let next = both.filter(|(one, other)| nodes.contains(one) && !nodes.contains(other));
            let next: Vec<_> = next.map(|(_, other)| other).filter(honest).collect();
            let Some(next) = dice.pick(&next) else { break };
            nodes.push(*next);
        }
        nodes.sort_unstable();
        Some(Event::Core { nodes })
    }

    fn cut(&self, dice: &mut Dice, direction: Direction, for_us: (u64, u64)) -> Option<Event> {
        let link = LinkNumber(usize::try_from(dice.below(self.topology.links.len() as u64)).ok()?);
        Some(Event::Cut { link, direction, for_us: dice.between(for_us.0, for_us.1) })
    }

    fn any_node(&self, dice: &mut Dice) -> Option<NodeId> {
        usize::try_from(dice.below(self.topology.nodes.len() as u64)).ok().map(NodeId)
    }

    fn crash(&self, dice: &mut Dice) -> Option<Event> {
        let node = self.any_node(dice)?;
        let keep_percent = *dice.pick(&[0, 0, 30, 60, 100])?;
        Some(Event::Crash { node, keep_percent, down_us: dice.between(10_000, 6_000_000) })
    }

    fn pause(&self, dice: &mut Dice) -> Option<Event> {
        Some(Event::Pause { node: self.any_node(dice)?, for_us: dice.between(5_000, 5_000_000) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_draw_all_shapes_and_all_faults() {
        let schedules: Vec<_> = (0..60).map(|seed| expand(seed, None)).collect();
        for shape in [Shape::Star, Shape::Chain, Shape::Mesh] {
            assert!(schedules.iter().any(|schedule| schedule.header.shape == shape), "{shape:?}");
        }
        let has = |is: fn(&Event) -> bool| {
            schedules.iter().any(|schedule| schedule.events.iter().any(|scheduled| is(&scheduled.event)))
        };
        assert!(has(|event| matches!(event, Event::Cut { direction: Direction::Both, .. })));
        assert!(has(|event| matches!(event, Event::Cut { direction: Direction::Up, .. })));
        assert!(has(|event| matches!(event, Event::Crash { .. })));
        assert!(has(|event| matches!(event, Event::Pause { .. })));
        assert!(has(|event| matches!(event, Event::Look { .. })));
        assert!(has(|event| matches!(event, Event::Full { .. })));
        assert!(has(|event| matches!(event, Event::Eio { .. })));
        assert!(has(|event| matches!(event, Event::Slow { .. })));
        assert!(has(|event| matches!(event, Event::Rot { .. })));
        assert!(has(|event| matches!(event, Event::Wipe { .. })));
        assert!(has(|event| matches!(event, Event::Restore { keeps_incarnation: false, .. })));
        assert!(has(|event| matches!(event, Event::Restore { keeps_incarnation: true, .. })));
        assert!(has(|event| matches!(event, Event::Clock { .. })));
        let is_divided = |schedule: &Schedule| {
            let cuts = schedule.events.windows(2).filter_map(|pair| match pair {
                [
                    Scheduled { at_us: one, event: Event::Cut { for_us, .. } },
                    Scheduled { at_us: other, event: Event::Cut { for_us: same, .. } },
                ] => Some(one == other && for_us == same),
                _ => None,
            });
            cuts.into_iter().any(|together| together)
        };
        assert!(schedules.iter().any(is_divided), "no partition");
        let is_late = |schedule: &Schedule| {
            let at = |is: fn(&Event) -> bool| {
                let those = schedule.events.iter().filter(|scheduled| is(&scheduled.event));
                those.map(|scheduled| scheduled.at_us).max()
            };
            at(|event| matches!(event, Event::Grant { .. }))
                > at(|event| matches!(event, Event::Write { .. }))
        };
        assert!(schedules.iter().any(is_late), "no right comes after the last write");
        assert!(has(|event| matches!(event, Event::Core { .. })));
        for kind in [Strangeness::Hostile, Strangeness::Version] {
            let is =
                |schedule: &Schedule| schedule.header.stranger.is_some_and(|stranger| stranger.kind == kind);
            assert!(schedules.iter().any(is), "{kind:?}");
        }
    }

    #[test]
    fn a_number_of_nodes_can_be_asked_for() {
        assert_eq!(expand(1, Some(7)).header.nodes.min(MESH_NODES_MAX), 5);
    }
}
