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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sabotage::Sabotage;
    use crate::topology::Shape;
    use crate::world::{ClientWrite, World};
    use document::{Origin, Space};
    use replica::Stamp;

    #[test]
    fn a_write_that_a_full_disk_took_is_seen() {
        let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        let (node, space) = (NodeId(1), Space::new("store-1").unwrap());
        let write = &ClientWrite { id: 1, node, space, parts: Vec::new(), is_retried: true };
        let is_fine = |room: &[bool], (sequence, attempts): (Option<u64>, u32)| {
            let mut checker = FullDisksSpared::default();
            let mut observe = |observation: &_| checker.observe(observation, world.nodes()).is_ok();
            assert!(room.iter().all(|is_full| observe(&Observation::Room { node, is_full: *is_full })));
            assert!(observe(&Observation::Submitted { write, attempt: 1 }));
            let stamp = sequence.map(|sequence| Stamp { origin: Origin([1; 16]), sequence });
            observe(&Observation::Acknowledged { write, stamp, attempts })
        };
        assert!(!is_fine(&[true], (Some(1), 1)));
        assert!(is_fine(&[], (Some(1), 1)) && is_fine(&[true, false], (Some(1), 1)));
        assert!(is_fine(&[true], (None, 1)), "it changed nothing");
        assert!(is_fine(&[true], (Some(1), 2)), "it was sent again, when there may have been room");
    }
}
