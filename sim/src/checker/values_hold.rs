use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{Nodes, Settled};

const PROPERTY: &str = "values_hold";

/// Once everything is at rest, the stored value of each document is what its snapshot and changes give, and who reads it
/// beside the replica reads what the replica says.
#[derive(Debug, Default)]
pub struct ValuesHold;

impl Checker for ValuesHold {
    fn observe(&mut self, _observation: &Observation<'_>, _nodes: &Nodes) -> Result<(), Failure> {
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        let nodes = settled.spaces.values().flatten();
        let wrong = nodes.flat_map(|(node, space)| {
            space.wrong_values.iter().chain(&space.wrong_views).map(move |address| (node, address))
        });
        match wrong.into_iter().next() {
            None => Ok(()),
            Some((node, address)) => {
                let finding = format!("the value of {address} at {} is another", Topology::name(*node));
                Err(Failure::correctness(PROPERTY, finding))
            }
        }
    }
}
