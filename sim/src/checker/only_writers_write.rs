use super::stream::Streams;
use crate::failure::Failure;
use crate::network::{Message, RowName};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use document::Space;
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "only_writers_write";

/// A node has no change to a space of an origin that may not write it, whoever delivered it; and no change of others
/// that was not delivered to it with all before it.
#[derive(Debug, Default)]
pub struct OnlyWritersWrite {
    /// Streams of which all rows came to a node, without gaps.
    came: BTreeMap<NodeId, Streams>,
    changed: BTreeMap<NodeId, BTreeSet<Space>>,
}

impl OnlyWritersWrite {
    fn check(&self, node: NodeId, space: &Space, nodes: &Nodes) -> Result<(), Failure> {
        let name = Topology::name(node);
        for (origin, sequence) in nodes.vector(node, space) {
            let owner = nodes.owner(origin);
            // A stranger may draw an incarnation of its own.
            let is_writer =
                owner.map_or_else(|| nodes.is_strange(space), |owner| nodes.may_write(owner, space));
            if !is_writer {
                let finding =
                    format!("{name} has change {sequence} of {origin} in {space}, which it may not write");
                return Err(Failure::correctness(PROPERTY, finding));
            }
            let row = RowName { space: space.clone(), origin, sequence };
            let came = self.came.get(&node).map_or(0, |came| came.last(&row));
            if owner != Some(node) && came < sequence {
                let finding =
                    format!("{name} has {sequence} changes of {origin} in {space}, and {came} came to it");
                return Err(Failure::correctness(PROPERTY, finding));
            }
        }
        Ok(())
    }
}

impl Checker for OnlyWritersWrite {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        match observation {
            Observation::Delivered { passage, message: Message::Delta { rows, .. } } => {
                let came = self.came.entry(passage.to).or_default();
                let changed = self.changed.entry(passage.to).or_default();
                for row in rows {
                    if row.sequence <= came.last(row).saturating_add(1) {
                        came.raise(row);
                    }
                    changed.insert(row.space.clone());
                }
            }
            // With its documents all changes up to there come.
            Observation::Delivered { passage, message: Message::Offer { has } } => {
                let came = self.came.entry(passage.to).or_default();
                has.iter().for_each(|row| came.raise(row));
            }
            Observation::TurnEnded { node } if nodes.inputs_waiting(*node) == 0 => {
                for space in self.changed.remove(node).into_iter().flatten() {
                    if nodes.spaces(*node).any(|carried| *carried == space) {
                        self.check(*node, &space, nodes)?;
                    }
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
