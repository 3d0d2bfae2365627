//! From a seed to a list of events.
//!
//! A swarm: each seed draws its own subset of fault kinds, so that some runs see one kind alone and others all at
//! once. What is drawn for an event is keyed by the event's number: see `Dice`.

mod disks;
mod faults;
mod links;
mod rulings;

use super::sales::sales;
use super::stock::Stock;
use super::workload::Workload;
use super::{Event, Header, Schedule, Scheduled};
use crate::dice::Dice;
use crate::network::LinkNumber;
use crate::time::MICROSECOND_NS;
use crate::topology::{MESH_NODES_MAX, NODES_DRAWN_MAX, NodeId, Shape, Strangeness, Stranger, Topology};
use replica::SpaceMode;

/// Of 100 seeds so many are meshes, so many chains, and so many clusters.
const SHAPE_PERCENT: (u64, u64, u64) = (22, 26, 12);

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
/// Bursts of a run.
const BURSTS: u64 = 8;
/// Of 100 nodes so many have services that fall silent at some time.
const SILENT_PERCENT: u64 = 15;
/// How long a burst of writes lasts, in microseconds.
const BURST_US: u64 = 20_000;

/// Of 100 worlds in which one can be, so many have a node that keeps no rule, so many one of an earlier version, and so
/// many one of a later.
const STRANGE_PERCENT: [u64; 3] = [25, 10, 5];
/// Of 100 stars so many have an authority, and of 100 chains, where rights concern relays too.
const AUTHORITY_PERCENT: (u64, u64) = (30, 50);
/// Of 100 seeds so many have clocks that jump.
const CLOCK_PERCENT: u64 = 30;
/// Of 100 seeds so many have services that all fall silent while faults go on: what was left in doubt then is followed by
/// nothing that would bring it along.
const QUIET_PERCENT: u64 = 33;

pub(super) fn expand(seed: u64, nodes: Option<usize>) -> Schedule {
    let mut dice = Dice::of(seed, "swarm", &[]);
    let shape = match dice.below(100) {
        percent if percent < SHAPE_PERCENT.0 => Shape::Mesh,
        percent if percent < SHAPE_PERCENT.0 + SHAPE_PERCENT.1 => Shape::Chain,
        percent if percent < SHAPE_PERCENT.0 + SHAPE_PERCENT.1 + SHAPE_PERCENT.2 => Shape::Cluster,
        _ => Shape::Star,
    };
    let most = if shape.is_dense() { MESH_NODES_MAX } else { NODES_DRAWN_MAX } as u64;
    // Small worlds are quick, and find most of what there is to find.
    let drawn = dice.between(NODES_DRAWN_MIN, most).min(dice.between(NODES_DRAWN_MIN, most));
    let nodes = nodes.unwrap_or_else(|| usize::try_from(drawn).unwrap_or(MESH_NODES_MAX));
    let duration_us = dice.between(DURATION_US.0, DURATION_US.1);
    let mut topology = Topology::new(seed, shape, nodes);
    topology.stranger = stranger(&topology);
    let authority_percent = if shape == Shape::Chain { AUTHORITY_PERCENT.1 } else { AUTHORITY_PERCENT.0 };
    let has_authority = Dice::of(seed, "authority", &[]).chance(authority_percent);
    // There all write one space: who is cut has no space of its own that checkers could tell apart.
    let authority = has_authority && !shape.is_dense() && topology.stranger.is_none();
    let header = Header { seed, shape, nodes: topology.nodes.len(), stranger: topology.stranger, authority };
    let workload = Workload::new(seed, topology.nodes.len(), Stock::of(&topology));
    let expansion = Expansion { seed, topology, duration_us, workload, authority };
    let mut events = expansion.writes();
    events.extend(sales(&expansion.topology, expansion.duration_us));
    events.extend(expansion.workload.load(seed));
    let quiet_us = expansion.quiet_us();
    events.retain(|scheduled| scheduled.at_us < quiet_us);
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
    let [hostile, version, newer] = STRANGE_PERCENT;
    let kind = match dice.below(100) {
        percent if percent < hostile => Strangeness::Hostile,
        percent if percent < hostile + version => Strangeness::Version,
        percent if percent < hostile + version + newer => Strangeness::Newer,
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

    /// When the services of all nodes fall silent.
    fn quiet_us(&self) -> u64 {
        let mut dice = self.dice("quiet", 0);
        let (least, most) = (self.duration_us / 8, self.duration_us / 4 * 3);
        if dice.chance(QUIET_PERCENT) { dice.between(least, most) } else { u64::MAX }
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

    /// A node whose disk may be lost: what others wrote comes back to it. Where it has a catalog nobody gives the hub that
    /// back, so there it is any node but the hub.
    fn any_fungible(&self, dice: &mut Dice) -> Option<NodeId> {
        let first = usize::from(self.topology.shape != Shape::Mesh);
        let others = self.topology.nodes.len().checked_sub(first)?;
        Some(NodeId(first + usize::try_from(dice.below(others as u64)).ok()?))
    }

    fn any_node(&self, dice: &mut Dice) -> Option<NodeId> {
        usize::try_from(dice.below(self.topology.nodes.len() as u64)).ok().map(NodeId)
    }

    fn any_link(&self, dice: &mut Dice) -> Option<LinkNumber> {
        let links = self.topology.links.len() as u64;
        let link = usize::try_from(dice.below(links)).ok().map(LinkNumber);
        link.filter(|_| links > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Direction;

    #[test]
    fn seeds_draw_all_shapes_and_all_faults() {
        let schedules: Vec<_> = (0..100).map(|seed| expand(seed, None)).collect();
        for shape in [Shape::Star, Shape::Chain, Shape::Mesh, Shape::Cluster] {
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
        let is_quiet = |schedule: &Schedule| {
            let at = |is: fn(&Event) -> bool| {
                let those = schedule.events.iter().filter(|scheduled| is(&scheduled.event));
                those.map(|scheduled| scheduled.at_us).max().unwrap_or(0)
            };
            at(|event| matches!(event, Event::Write { .. })) + 3_000_000
                < at(|event| matches!(event, Event::Cut { .. } | Event::Crash { .. } | Event::Wipe { .. }))
        };
        assert!(schedules.iter().any(is_quiet), "no faults while services are silent");
        let is_large = |event: &Event| matches!(event, Event::Write { key, .. } if key == "goods-100");
        assert!(has(is_large));
        assert!(has(|event| matches!(event, Event::Core { .. })));
        for kind in [Strangeness::Hostile, Strangeness::Version, Strangeness::Newer] {
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
