//! From a seed to a list of events.
//!
//! A swarm: each seed draws its own subset of fault kinds, so that some runs see one kind alone and others all at
//! once. What is drawn for an event is keyed by the event's number: see `Dice`.

use super::workload::Workload;
use super::{Event, Header, Schedule, Scheduled};
use crate::dice::Dice;
use crate::network::{Direction, LinkNumber};
use crate::topology::{MESH_NODES_MAX, NODES_MAX, NodeId, Shape, Topology};
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
/// How long a burst of writes lasts, in microseconds.
const BURST_US: u64 = 20_000;

/// Which kinds of faults a run has.
struct Swarm {
    cuts: bool,
    one_way: bool,
    flapping: bool,
    crashes: bool,
    pauses: bool,
}

pub(super) fn expand(seed: u64, nodes: Option<usize>) -> Schedule {
    let mut dice = Dice::of(seed, "swarm", &[]);
    let shape = match dice.below(100) {
        0..MESH_PERCENT => Shape::Mesh,
        percent if percent < 2 * MESH_PERCENT => Shape::Chain,
        _ => Shape::Star,
    };
    let most = if shape == Shape::Mesh { MESH_NODES_MAX } else { NODES_MAX } as u64;
    // Small worlds are quick, and find most of what there is to find.
    let drawn = dice.between(NODES_DRAWN_MIN, most).min(dice.between(NODES_DRAWN_MIN, most));
    let nodes = nodes.unwrap_or_else(|| usize::try_from(drawn).unwrap_or(MESH_NODES_MAX));
    let duration_us = dice.between(DURATION_US.0, DURATION_US.1);
    let swarm = Swarm {
        cuts: dice.chance(70),
        one_way: dice.chance(40),
        flapping: dice.chance(25),
        crashes: dice.chance(60),
        pauses: dice.chance(40),
    };
    let topology = Topology::new(seed, shape, nodes);
    let header = Header { seed, shape, nodes: topology.nodes.len() };
    let workload = Workload::new(seed, topology.nodes.len());
    let expansion = Expansion { seed, topology, duration_us, swarm, workload };
    let mut events = expansion.writes();
    events.extend(expansion.faults());
    events.sort_by_key(|scheduled| scheduled.at_us);
    Schedule { header, events }
}

struct Expansion {
    seed: u64,
    topology: Topology,
    duration_us: u64,
    swarm: Swarm,
    workload: Workload,
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

    fn faults(&self) -> Vec<Scheduled> {
        let swarm = &self.swarm;
        let mut events = Vec::new();
        let mut add = |is_drawn: bool, purpose: &str, make: &dyn Fn(&mut Dice) -> Option<Event>| {
            let count = if is_drawn { self.dice(purpose, u64::MAX).between(1, FAULTS_MAX) } else { 0 };
            for number in 0..count {
                let mut dice = self.dice(purpose, number);
                let at_us = self.moment_us(&mut dice);
                events.extend(make(&mut dice).map(|event| Scheduled { at_us, event }));
            }
        };
        add(swarm.cuts, "cut", &|dice| self.cut(dice, Direction::Both, (100_000, 15_000_000)));
        add(swarm.one_way, "one-way", &|dice| {
            let direction = if dice.chance(50) { Direction::Up } else { Direction::Down };
            self.cut(dice, direction, (100_000, 10_000_000))
        });
        for flap in 0..4 {
            let purpose = format!("flap-{flap}");
            add(swarm.flapping, &purpose, &|dice| self.cut(dice, Direction::Both, (10_000, 2_500_000)));
        }
        add(swarm.crashes, "crash", &|dice| self.crash(dice));
        add(swarm.pauses, "pause", &|dice| self.pause(dice));
        events
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
    }

    #[test]
    fn a_number_of_nodes_can_be_asked_for() {
        assert_eq!(expand(1, Some(7)).header.nodes.min(MESH_NODES_MAX), 5);
    }
}
