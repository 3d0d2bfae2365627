use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{Nodes, Settled};
use replica::{DisconnectReason, Event};

const PROPERTY: &str = "honest_peers_agree";

/// No replica leaves another for a fault, stops a stream of another or refuses a write of its own services: all of
/// them are of one version and keep the rules.
#[derive(Debug, Default)]
pub struct HonestPeersAgree;

impl Checker for HonestPeersAgree {
    fn observe(&mut self, observation: &Observation<'_>, _nodes: &Nodes) -> Result<(), Failure> {
        let finding = match observation {
            Observation::Left { reason: DisconnectReason::Replaced, .. } => return Ok(()),
            Observation::Left { node, reason } => {
                format!("{} left a connection: {reason}", Topology::name(*node))
            }
            Observation::Told { node, event: Event::StreamStopped { space, sequence, reason, .. } } => {
                format!("{} refused change {sequence} in {space}: {reason}", Topology::name(*node))
            }
            Observation::Refused { write, error } => {
                format!("{} refused operation {}: {error}", Topology::name(write.node), write.id)
            }
            Observation::Told { .. }
            | Observation::Submitted { .. }
            | Observation::Acknowledged { .. }
            | Observation::Unknown { .. }
            | Observation::Sent { .. }
            | Observation::Delivered { .. }
            | Observation::Opened { .. }
            | Observation::TurnEnded { .. } => return Ok(()),
        };
        Err(Failure::correctness(PROPERTY, finding))
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
