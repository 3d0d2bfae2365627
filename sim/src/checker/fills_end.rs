use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{Nodes, Settled};
use document::Space;
use std::collections::BTreeSet;

/// At rest no replica says that it lacks something of a space, unless a disk was lost there: what came by a fill, and
/// whose author lost the row before anybody had it, waits for that row for ever. It cannot tell that from a fill that hangs.
#[derive(Debug, Default)]
pub struct FillsEnd {
    /// Spaces of nodes whose disk was lost.
    lost: BTreeSet<Space>,
}

impl Checker for FillsEnd {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        if let Observation::Destroyed { node } = observation {
            self.lost.extend(nodes.spaces(*node).cloned());
        }
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        for (space, nodes) in settled.spaces.iter().filter(|(space, _)| !self.lost.contains(space)) {
            if let Some((node, _)) = nodes.iter().find(|(_, content)| content.is_filling) {
                let finding = format!("at rest, {} is still filled with {space}", Topology::name(*node));
                return Err(Failure::liveness("fills_end", finding));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::NodeId;
    use crate::world::SettledSpace;

    #[test]
    fn a_space_may_wait_for_ever_only_where_a_disk_was_lost() {
        let space = Space::new("store-1").unwrap();
        let content = SettledSpace { is_filling: true, ..SettledSpace::default() };
        let nodes = [(NodeId(0), SettledSpace::default()), (NodeId(1), content)];
        let settled = Settled { spaces: [(space.clone(), nodes.into())].into() };
        assert_eq!(FillsEnd::default().settle(&settled).unwrap_err().property, "fills_end");
        assert_eq!(FillsEnd { lost: [space].into() }.settle(&settled), Ok(()));
    }
}
