use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use std::collections::BTreeSet;

/// A node that knows that its disk has no room takes no write.
#[derive(Debug, Default)]
pub struct FullDisksSpared {
    full: BTreeSet<NodeId>,
    /// Writes that were sent for the first time to such a node.
    sent: BTreeSet<u64>,
}

impl Checker for FullDisksSpared {
    fn observe(&mut self, observation: &Observation<'_>, _nodes: &Nodes) -> Result<(), Failure> {
        match observation {
            Observation::Room { node, is_full: true } => drop(self.full.insert(*node)),
            Observation::Room { node, is_full: false } => drop(self.full.remove(node)),
            Observation::Submitted { write, attempt: 1 } if self.full.contains(&write.node) => {
                self.sent.insert(write.id);
            }
            // A crash in between may have ended the fault.
            Observation::Acknowledged { write, stamp: Some(_), attempts: 1 }
                if self.sent.contains(&write.id) =>
            {
                let (name, id) = (Topology::name(write.node), write.id);
                let finding = format!("{name} took operation {id} though it knew that its disk has no room");
                return Err(Failure::correctness("full_disks_spared", finding));
            }
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
