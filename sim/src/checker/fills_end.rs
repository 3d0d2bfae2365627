use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{Nodes, Settled, SettledSpace};
use document::Space;
use std::collections::BTreeSet;

/// At rest no replica lacks documents of a space. Nor does one say that it lacks anything of it, unless a disk was lost there:
/// what came by a fill, and whose author lost the row before anybody had it, waits for that row for ever.
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
        for (space, nodes) in &settled.spaces {
            let may_wait = self.lost.contains(space);
            let hangs = |content: &SettledSpace| content.lacks_documents || content.is_filling && !may_wait;
            if let Some((node, _)) = nodes.iter().find(|(_, content)| hangs(content)) {
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

    #[test]
    fn a_space_may_wait_for_ever_only_for_rows_and_where_a_disk_was_lost() {
        let space = Space::new("store-1").unwrap();
        for lacks_documents in [false, true] {
            let content = SettledSpace { is_filling: true, lacks_documents, ..SettledSpace::default() };
            let nodes = [(NodeId(0), SettledSpace::default()), (NodeId(1), content)];
            let settled = Settled { spaces: [(space.clone(), nodes.into())].into() };
            assert_eq!(FillsEnd::default().settle(&settled).unwrap_err().property, "fills_end");
            let where_lost = FillsEnd { lost: [space.clone()].into() }.settle(&settled);
            assert_eq!(where_lost.is_err(), lacks_documents);
        }
    }
}
