use super::lives::Lives;
use crate::failure::Failure;
use crate::network::Message;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{ClientWrite, Nodes, Settled};
use document::{Origin, Space};
use replica::{DisconnectReason, Stamp};
use std::collections::{BTreeMap, BTreeSet};

/// No origin is used twice: wherever and whenever its changes up to a sequence are seen, their digest is the same. And who
/// was shown that its store is an old copy writes nothing more under the origin of that.
#[derive(Debug, Default)]
pub struct OriginsOnce {
    /// The digest of the changes up to a sequence, and who had them first.
    chains: BTreeMap<(Space, Origin, u64), ([u8; 32], NodeId)>,
    changed: BTreeMap<NodeId, BTreeSet<Space>>,
    /// Cut off, an old copy of a store cannot know that it is one.
    lives: Lives,
    /// What old copies had of their own when they were put back: up to there nothing is two.
    had: BTreeMap<(Space, Origin), u64>,
    /// Nodes that were shown that their store is an old copy, under the origin that they had then.
    disproved: BTreeMap<NodeId, Origin>,
    /// Writes that were first sent to such a node.
    late: BTreeMap<u64, Origin>,
}

impl OriginsOnce {
    fn look(&mut self, node: NodeId, space: &Space, nodes: &Nodes) -> Result<(), Failure> {
        for (origin, entry) in nodes.entries(node, space) {
            let had = self.had.get(&(space.clone(), origin)).copied().unwrap_or(0);
            if entry.sequence > had && self.lives.are_two(origin) {
                continue;
            }
            let key = (space.clone(), origin, entry.sequence);
            let (chain, first) = *self.chains.entry(key).or_insert((entry.chain, node));
            if chain != entry.chain {
                let (one, other) = (Topology::name(first), Topology::name(node));
                let sequence = entry.sequence;
                let finding =
                    format!("{one} and {other} have other changes of {origin} in {space} up to {sequence}");
                return Err(Failure::correctness("origins_once", finding));
            }
        }
        Ok(())
    }

    /// A node is up on an old copy.
    fn put_back(&mut self, node: NodeId, nodes: &Nodes) {
        let origin = nodes.origin(node);
        for space in nodes.spaces(node) {
            let entries = nodes.vector(node, space);
            let has = entries.get(&origin).copied().unwrap_or(0);
            let had = self.had.entry((space.clone(), origin)).or_insert(has);
            *had = has.min(*had);
        }
    }

    fn acknowledged(&self, write: &ClientWrite, stamp: Stamp) -> Result<(), Failure> {
        if self.late.get(&write.id) != Some(&stamp.origin) {
            return Ok(());
        }
        let (node, Stamp { origin, sequence }) = (Topology::name(write.node), stamp);
        let finding = format!(
            "{node} wrote change {sequence} of {origin} after it was shown that its store is an old copy"
        );
        Err(Failure::correctness("origins_once", finding))
    }
}

/// Whether a node believes a peer that has more of its own changes than it has itself: one that relays, which by documents
/// is the hub.
fn is_believed(node: NodeId, peer: NodeId, nodes: &Nodes) -> bool {
    peer == NodeId(0) || !nodes.have_authority() && nodes.relays(node, peer)
}

impl Checker for OriginsOnce {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        match observation {
            Observation::Left { node, peer: Some(peer), reason: DisconnectReason::RolledBack { .. } }
                if is_believed(*node, *peer, nodes) =>
            {
                self.disproved.insert(*node, nodes.origin(*node));
            }
            Observation::Submitted { write, attempt: 1 } => {
                let origin = self.disproved.get(&write.node).filter(|of| **of == nodes.origin(write.node));
                self.late.extend(origin.map(|origin| (write.id, *origin)));
            }
            // Only what is acknowledged or was sent outlives a crash for certain.
            Observation::Acknowledged { write, stamp: Some(stamp), .. } => {
                self.acknowledged(write, *stamp)?;
                self.changed.entry(write.node).or_default().insert(write.space.clone());
            }
            Observation::Delivered { passage, message: Message::Delta { rows, .. } } => {
                let changed = self.changed.entry(passage.to).or_default();
                changed.extend(rows.iter().map(|row| row.space.clone()));
            }
            // While anything is on its way to the disk, the vector shows what a crash may take.
            Observation::TurnEnded { node }
                if nodes.inputs_waiting(*node) == 0 && nodes.in_flight_bytes(*node) == 0 =>
            {
                for space in self.changed.remove(node).into_iter().flatten() {
                    self.look(*node, &space, nodes)?;
                }
            }
            Observation::Opened { node } => {
                // What it was shown may not have reached its disk.
                self.disproved.remove(node);
                if self.lives.is_second(*node) {
                    self.put_back(*node, nodes);
                }
                for space in nodes.spaces(*node) {
                    self.look(*node, space, nodes)?;
                }
            }
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

    const HUB: NodeId = NodeId(0);
    const SITE: NodeId = NodeId(1);

    fn write(id: u64) -> ClientWrite {
        let space = Space::new("store-1").unwrap();
        ClientWrite { id, node: SITE, space, parts: Vec::new(), is_retried: false }
    }

    #[test]
    fn who_was_shown_that_it_is_an_old_copy_writes_nothing_more_under_its_origin() {
        let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        let (mut checker, nodes) = (OriginsOnce::default(), world.nodes());
        let stamp = |sequence| Some(Stamp { origin: nodes.origin(SITE), sequence });
        let (early, late) = (write(1), write(2));
        let mut is_fine = |observation: Observation<'_>| checker.observe(&observation, nodes).is_ok();
        assert!(is_fine(Observation::Submitted { write: &early, attempt: 1 }));
        let space = early.space.clone();
        let reason = DisconnectReason::RolledBack { space, theirs: 9, ours: 4 };
        assert!(is_fine(Observation::Left { node: SITE, peer: Some(HUB), reason: &reason }));
        assert!(is_fine(Observation::Submitted { write: &late, attempt: 1 }));
        assert!(is_fine(Observation::Acknowledged { write: &early, stamp: stamp(5), attempts: 1 }));
        assert!(!is_fine(Observation::Acknowledged { write: &late, stamp: stamp(6), attempts: 1 }));
    }

    #[test]
    fn what_a_peer_says_that_relays_nothing_proves_nothing() {
        let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        assert!(is_believed(SITE, HUB, world.nodes()) && !is_believed(HUB, SITE, world.nodes()));
    }
}
