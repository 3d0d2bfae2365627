use super::lives::Lives;
use crate::failure::Failure;
use crate::network::{ConnectionId, Message};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "causally_closed";

/// What a node had of a space, by origin.
type Seen = BTreeMap<Origin, u64>;

/// A node that has a change has all changes of the space that its author had when it was written; but for a history of
/// which there were two, and for a stream that a node held up which cannot read its disk: that concerns no other stream.
#[derive(Debug, Default)]
pub struct CausallyClosed {
    /// What a node had when a write was sent to it for the first time.
    open: BTreeMap<u64, Seen>,
    /// What its author had seen, by change.
    seen: BTreeMap<(Space, Origin), BTreeMap<u64, Seen>>,
    /// Nodes to which changes came, and of which spaces, since they were looked at.
    came: BTreeMap<NodeId, BTreeSet<Space>>,
    /// How far each node's changes were looked at.
    checked: BTreeMap<(NodeId, Space), Seen>,
    lives: Lives,
    /// Connections over which a node sent that could not read all of its disk.
    damaged: BTreeSet<ConnectionId>,
    /// Nodes to which something came over one of these.
    behind: BTreeSet<NodeId>,
    /// Streams that were held up.
    held_up: BTreeSet<(Space, Origin)>,
}

impl CausallyClosed {
    fn observe_damage(&mut self, observation: &Observation<'_>, nodes: &Nodes) {
        match observation {
            Observation::Sent { passage, message: Message::Delta { .. }, .. }
                if nodes.is_damaged(passage.from) =>
            {
                self.damaged.insert(passage.connection);
            }
            Observation::Delivered { passage, .. } if self.damaged.contains(&passage.connection) => {
                self.behind.insert(passage.to);
            }
            _ => {}
        }
    }

    fn check(&mut self, node: NodeId, space: &Space, nodes: &Nodes) -> Result<(), Failure> {
        let has = nodes.vector(node, space);
        let checked = self.checked.insert((node, space.clone()), has.clone()).unwrap_or_default();
        for (origin, last) in &has {
            let from = checked.get(origin).copied().unwrap_or(0) + 1;
            let changes = self.seen.get(&(space.clone(), *origin)).into_iter();
            for (sequence, seen) in changes.flat_map(|changes| changes.range(from..=(*last).max(from))) {
                let missing = seen.iter().find(|(of, seen)| {
                    has.get(of).is_none_or(|has| has < seen)
                        && ![*of, origin].iter().any(|of| self.lives.are_two(**of))
                        && !self.held_up.contains(&(space.clone(), **of))
                });
                if let Some((other, _)) = missing.filter(|_| self.behind.contains(&node)) {
                    self.held_up.insert((space.clone(), *other));
                    continue;
                }
                if let Some((other, seen)) = missing.filter(|_| sequence <= last) {
                    let name = Topology::name(node);
                    let finding = format!(
                        "{name} has change {sequence} of {origin} in {space}, and not change {seen} of {other}, which it was written on"
                    );
                    return Err(Failure::correctness(PROPERTY, finding));
                }
            }
        }
        Ok(())
    }
}

impl Checker for CausallyClosed {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        self.observe_damage(observation, nodes);
        match observation {
            Observation::Submitted { write, attempt: 1 } => {
                self.open.insert(write.id, nodes.vector(write.node, &write.space));
            }
            Observation::Acknowledged { write, stamp: Some(stamp), attempts: 1 } => {
                if let Some(seen) = self.open.remove(&write.id) {
                    let changes = self.seen.entry((write.space.clone(), stamp.origin)).or_default();
                    changes.insert(stamp.sequence, seen);
                }
            }
            Observation::Delivered { passage, message: Message::Delta { rows, .. } } => {
                let came = self.came.entry(passage.to).or_default();
                for row in rows {
                    if !came.contains(&row.space) {
                        came.insert(row.space.clone());
                    }
                }
            }
            Observation::TurnEnded { node } if nodes.inputs_waiting(*node) == 0 => {
                for space in self.came.remove(node).into_iter().flatten() {
                    self.check(*node, &space, nodes)?;
                }
            }
            Observation::Opened { node } => self.checked.retain(|(of, _), _| of != node),
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sabotage::Sabotage;
    use crate::topology::Shape;
    use crate::world::World;

    #[test]
    fn a_change_without_what_it_was_written_on_is_seen() {
        let (site, space) = (NodeId(1), Space::new("store-1").unwrap());
        let mut world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        world.open().unwrap();
        let milk = "store-1/inventory/milk".parse().unwrap();
        let write =
            replica::Request::write(milk, vec![document::Operation::increment("/on_hand", 1).unwrap()]);
        world.request(site, write).unwrap().unwrap().unwrap();

        let (nodes, origin) = (world.nodes(), world.nodes().origin(site));
        let is_fine = |seen: Seen| {
            let seen = BTreeMap::from([((space.clone(), origin), BTreeMap::from([(1, seen)]))]);
            let mut checker = CausallyClosed { seen, ..CausallyClosed::default() };
            checker.came.insert(site, BTreeSet::from([space.clone()]));
            checker.observe(&Observation::TurnEnded { node: site }, nodes).is_ok()
        };
        assert!(is_fine(Seen::new()));
        assert!(!is_fine(Seen::from([(Origin([9; 16]), 1)])));
    }
}
