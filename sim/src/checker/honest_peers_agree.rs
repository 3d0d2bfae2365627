use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{ClientWrite, Nodes, Settled};
use document::{Address, Operation, WriteError};
use replica::{DisconnectReason, Event, RequestError};
use std::collections::BTreeSet;

const PROPERTY: &str = "honest_peers_agree";

/// No replica leaves another for a fault, stops a stream of another or refuses a write of its own services: all of
/// them are of one version and keep the rules. What a service cannot know may be refused: that rights are spent,
/// that a document is deleted, that a list is shorter.
#[derive(Debug, Default)]
pub struct HonestPeersAgree {
    /// Documents that somebody has asked to delete.
    deleted: BTreeSet<Address>,
}

impl HonestPeersAgree {
    fn is_expected(&self, write: &ClientWrite, error: &RequestError) -> bool {
        let mut operations = write.operations();
        let RequestError::Write(error) = error else { return false };
        if matches!(error, WriteError::NotEnough { .. }) {
            operations.any(|(_, operation)| {
                matches!(operation, Operation::Spend { .. } | Operation::Transfer { .. })
            })
        } else if matches!(error, WriteError::Index { .. }) {
            operations.any(|(_, operation)| {
                matches!(
                    operation,
                    Operation::Insert { index: 1.., .. } | Operation::Splice { index: 1.., .. }
                ) || matches!(operation, Operation::Splice { delete: 1.., .. })
            })
        } else {
            *error == WriteError::Deleted && operations.any(|(address, _)| self.deleted.contains(address))
        }
    }
}

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
            Observation::Submitted { write, attempt: 1 } => {
                self.deleted.extend(write.deleted().cloned());
                return Ok(());
            }
            Observation::Refused { write, error } if self.is_expected(write, error) => return Ok(()),
            Observation::Refused { write, error } => {
                format!("{} refused operation {}: {error}", Topology::name(write.node), write.id)
            }
            Observation::Watched { .. }
            | Observation::Told { .. }
            | Observation::Looked { .. }
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
