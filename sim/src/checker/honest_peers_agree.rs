use super::rules::Rules;
use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{ClientWrite, Nodes, Settled};
use document::{Address, Operation, WriteError};
use replica::{DisconnectReason, Event, RequestError, StopReason};
use std::collections::BTreeSet;

const PROPERTY: &str = "honest_peers_agree";

/// No replica leaves another for a fault, stops a stream of another or refuses a write of its own services: all of
/// them are of one version and keep the rules. What a service cannot know may be refused: that rights are spent,
/// that a document is deleted, that a list is shorter, that a basket is paid.
#[derive(Debug, Default)]
pub struct HonestPeersAgree {
    /// Documents that somebody has asked to delete.
    deleted: BTreeSet<Address>,
    /// Baskets that somebody has asked to pay.
    paid: BTreeSet<Address>,
    /// Nodes whose disk ever had no room.
    full: BTreeSet<NodeId>,
    /// Whether an old copy of a store went on under its origin: then histories are at odds until it is healed.
    has_old_copy: bool,
    rules: Rules,
    /// Whether anything was said of sites by documents.
    are_ruled: bool,
}

impl HonestPeersAgree {
    /// Whether a stream waits, or ends, by what is said of its author. A site behind a site is not in the hub's settings:
    /// nothing at all is said of it before the first document.
    fn is_ruled(&self, reason: &StopReason, nodes: &Nodes) -> bool {
        match reason {
            StopReason::RightUnknown => nodes.have_authority(),
            StopReason::NoWrite | StopReason::Revoked { .. } | StopReason::DependsOnStopped => {
                self.rules.was_any_denied()
            }
            _ => false,
        }
    }

    fn submitted(&mut self, write: &ClientWrite) {
        self.deleted.extend(write.deleted().cloned());
        let is_payment = |operation: &Operation| matches!(operation, Operation::MergePatch(patch) if patch.get("closed_ms").is_some());
        let payments = write.operations().filter(|(_, operation)| is_payment(operation));
        self.paid.extend(payments.map(|(address, _)| address.clone()));
    }

    fn is_expected(&self, write: &ClientWrite, error: &RequestError, nodes: &Nodes) -> bool {
        if matches!(error, RequestError::Damaged { .. }) {
            return nodes.is_damaged(write.node);
        }
        if *error == RequestError::DiskFull {
            return self.full.contains(&write.node);
        }
        if *error == RequestError::Renewing {
            return self.has_old_copy;
        }
        if matches!(error, RequestError::NoRight(_)) {
            return self.rules.was_denied(write.node);
        }
        let of = if let RequestError::InTransaction { address, .. } = error { Some(address) } else { None };
        let Some(error) = error.of_write() else { return false };
        let mut operations = write.operations().filter(|(address, _)| of.is_none_or(|of| of == *address));
        let error = error.cause();
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
        } else if let WriteError::Invalid(violations) = error {
            operations.any(|(address, _)| self.paid.contains(address))
                && violations.iter().all(|violation| violation.rule.ends_with("/x-set-once"))
        } else {
            *error == WriteError::Deleted && operations.any(|(address, _)| self.deleted.contains(address))
        }
    }
}

impl Checker for HonestPeersAgree {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.rules.observe(observation);
        let finding = match observation {
            Observation::Asked { .. } => {
                self.are_ruled = true;
                return Ok(());
            }
            Observation::Left {
                reason: DisconnectReason::RightsChanged | DisconnectReason::Revoked, ..
            } if self.are_ruled => return Ok(()),
            // Who may do nothing more in any space that the two share is none that the other knows.
            Observation::Left { reason: DisconnectReason::UnknownPeer { .. }, .. }
                if self.rules.was_any_denied() =>
            {
                return Ok(());
            }
            Observation::Told { event: Event::StreamStopped { reason, .. }, .. }
                if self.is_ruled(reason, nodes) =>
            {
                return Ok(());
            }
            Observation::Left {
                reason:
                    DisconnectReason::Replaced
                    | DisconnectReason::Room { .. }
                    | DisconnectReason::Asked
                    | DisconnectReason::HistoriesCompared
                    | DisconnectReason::ForkSettled,
                ..
            } => {
                return Ok(());
            }
            Observation::OldCopy { .. } => {
                self.has_old_copy = true;
                return Ok(());
            }
            Observation::Left {
                reason: DisconnectReason::RolledBack { .. } | DisconnectReason::Forked { .. },
                ..
            } if self.has_old_copy => return Ok(()),
            Observation::Left { peer: Some(peer), .. } if nodes.is_stranger(*peer) => return Ok(()),
            Observation::Told { event: Event::StreamStopped { peer, .. }, .. }
                if nodes.stranger().is_some_and(|stranger| Topology::name(stranger.node) == *peer) =>
            {
                return Ok(());
            }
            Observation::Room { node, .. } => {
                self.full.insert(*node);
                return Ok(());
            }
            Observation::Left { node, reason, .. } => {
                format!("{} left a connection: {reason}", Topology::name(*node))
            }
            Observation::Told { node, event: Event::StreamStopped { space, sequence, reason, .. } } => {
                format!("{} refused change {sequence} in {space}: {reason}", Topology::name(*node))
            }
            Observation::Submitted { write, attempt: 1 } => {
                self.submitted(write);
                return Ok(());
            }
            Observation::Refused { write, error } if self.is_expected(write, error, nodes) => return Ok(()),
            Observation::Refused { write, error } => {
                format!("{} refused operation {}: {error}", Topology::name(write.node), write.id)
            }
            _ => return Ok(()),
        };
        Err(Failure::correctness(PROPERTY, finding))
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sabotage::Sabotage;
    use crate::topology::{Shape, Strangeness, Stranger};
    use crate::world::World;
    use document::{Origin, Space};
    use replica::Misbehaviour;

    const HUB: NodeId = NodeId(0);
    const SITE: NodeId = NodeId(1);
    const STRANGER: NodeId = NodeId(2);

    /// Whether the last of these is fine, as all before it are.
    fn is_fine(observations: &[Observation<'_>]) -> bool {
        let stranger = Some(Stranger { node: STRANGER, kind: Strangeness::Hostile });
        let topology = Topology { stranger, ..Topology::new(1, Shape::Star, 3) };
        let world = World::new(&topology, Sabotage::None);
        let mut checker = HonestPeersAgree::default();
        let Some((last, before)) = observations.split_last() else { return true };
        before.iter().for_each(|observation| checker.observe(observation, world.nodes()).unwrap());
        checker.observe(last, world.nodes()).is_ok()
    }

    fn write(operation: Operation) -> ClientWrite {
        let address: Address = "store-1/inventory/milk".parse().unwrap();
        let (space, parts) = (address.space.clone(), vec![(address, vec![operation])]);
        ClientWrite { id: 1, node: SITE, space, parts, is_retried: false }
    }

    #[test]
    fn who_leaves_an_honest_peer_for_a_fault_is_seen() {
        let left = |peer, reason| Observation::Left { node: HUB, peer: Some(peer), reason };
        let fault = &DisconnectReason::Misbehaved(Misbehaviour::Order);
        assert!(!is_fine(&[left(SITE, fault)]) && is_fine(&[left(STRANGER, fault)]));
        assert!(is_fine(&[left(SITE, &DisconnectReason::Replaced)]));
        let (space, origin) = (Space::new("store-1").unwrap(), Origin([1; 16]));
        let forked = &DisconnectReason::Forked { space, origin, sequence: 1 };
        assert!(!is_fine(&[left(SITE, forked)]), "there is one history");
        assert!(is_fine(&[Observation::OldCopy { node: SITE }, left(SITE, forked)]));
    }

    #[test]
    fn a_stream_that_was_stopped_is_seen() {
        let stopped = |peer| Event::StreamStopped {
            peer: Topology::name(peer),
            space: Space::new("store-1").unwrap(),
            origin: Origin([1; 16]),
            sequence: 1,
            reason: StopReason::NoRelay,
        };
        let is_fine = |peer| is_fine(&[Observation::Told { node: HUB, event: &stopped(peer) }]);
        assert!(!is_fine(SITE) && is_fine(STRANGER));
    }

    #[test]
    fn a_write_that_is_refused_without_cause_is_seen() {
        let (count, discard) =
            (write(Operation::increment("/on_hand", 1).unwrap()), write(Operation::Delete));
        let refused = |error| Observation::Refused { write: &count, error };
        let deleted = &RequestError::Write(WriteError::Deleted);
        assert!(!is_fine(&[refused(deleted)]), "nobody deleted it");
        assert!(is_fine(&[Observation::Submitted { write: &discard, attempt: 1 }, refused(deleted)]));
        let full = &RequestError::DiskFull;
        assert!(!is_fine(&[refused(full)]));
        assert!(is_fine(&[Observation::Room { node: SITE, is_full: true }, refused(full)]));
        assert!(!is_fine(&[refused(&RequestError::Renewing)]));
    }
}
