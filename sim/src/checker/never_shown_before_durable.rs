use super::lives::Lives;
use super::shown::Shown;
use super::stream::Streams;
use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};

/// What a frame says that a node has, the node still has after a crash at any later instant; but for a history of which
/// there were two.
#[derive(Debug, Default)]
pub struct NeverShownBeforeDurable {
    shown: Shown,
    lives: Lives,
}

impl NeverShownBeforeDurable {
    fn opened(&self, node: NodeId, nodes: &Nodes) -> Result<(), Failure> {
        for (space, origins) in self.shown.of(node).into_iter().flat_map(Streams::iter) {
            let vector = nodes.vector(node, space);
            for (origin, shown) in origins.iter().filter(|(origin, _)| !self.lives.are_two(**origin)) {
                let has = vector.get(origin).copied().unwrap_or(0);
                if has < *shown {
                    let name = Topology::name(node);
                    let finding = format!(
                        "{name} told others of change {shown} of {origin} in {space}, and after a crash has {has}"
                    );
                    return Err(Failure::correctness("never_shown_before_durable", finding));
                }
            }
        }
        Ok(())
    }
}

impl Checker for NeverShownBeforeDurable {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        match observation {
            Observation::Opened { node } => self.opened(*node, nodes),
            Observation::Destroyed { node } => {
                self.shown.forget(*node);
                Ok(())
            }
            _ => {
                self.shown.observe(observation, nodes);
                Ok(())
            }
        }
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
