use super::lives::Lives;
use crate::failure::Failure;
use crate::network::Message;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet};

/// No origin is used twice: wherever and whenever its changes up to a sequence are seen, their digest is the same.
#[derive(Debug, Default)]
pub struct OriginsOnce {
    /// The digest of the changes up to a sequence, and who had them first.
    chains: BTreeMap<(Space, Origin, u64), ([u8; 32], NodeId)>,
    changed: BTreeMap<NodeId, BTreeSet<Space>>,
    /// Cut off, an old copy of a store cannot know that it is one.
    lives: Lives,
}

impl OriginsOnce {
    fn look(&mut self, node: NodeId, space: &Space, nodes: &Nodes) -> Result<(), Failure> {
        for (origin, entry) in nodes.entries(node, space) {
            if self.lives.are_two(origin) {
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
}

impl Checker for OriginsOnce {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        match observation {
            // Only what is acknowledged or was sent outlives a crash for certain.
            Observation::Acknowledged { write, stamp: Some(_), .. } => {
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
