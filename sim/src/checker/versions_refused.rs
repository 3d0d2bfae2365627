use crate::failure::Failure;
use crate::network::Message;
use crate::observation::{Checker, Observation};
use crate::topology::{Strangeness, Topology};
use crate::world::{Nodes, Settled};
use replica::DisconnectReason;

/// A peer that speaks a version of the protocol that nobody speaks any more is left with a word about that, and with no
/// other.
#[derive(Debug, Default)]
pub struct VersionsRefused;

impl Checker for VersionsRefused {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        let stranger = nodes.stranger().filter(|stranger| stranger.kind == Strangeness::Version);
        let Some(stranger) = stranger else { return Ok(()) };
        let finding = match observation {
            Observation::Left { node, peer, reason } if *peer == Some(stranger.node) => match reason {
                DisconnectReason::Protocol { .. } | DisconnectReason::Replaced => return Ok(()),
                DisconnectReason::Room { .. } => return Ok(()),
                _ => format!("{} left a peer of an older version: {reason}", Topology::name(*node)),
            },
            Observation::Sent { passage, message: Message::Delta { .. }, .. }
                if passage.to == stranger.node =>
            {
                format!("{} sent changes to a peer of an older version", Topology::name(passage.from))
            }
            _ => return Ok(()),
        };
        Err(Failure::correctness("versions_refused", finding))
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{ConnectionId, End, Passage};
    use crate::sabotage::Sabotage;
    use crate::topology::{NodeId, Shape, Stranger};
    use crate::world::World;

    #[test]
    fn an_older_version_is_sent_nothing_and_told_why() {
        let (hub, node) = (NodeId(0), NodeId(2));
        let topology = Topology::new(1, Shape::Star, 3);
        let stranger = Some(Stranger { node, kind: Strangeness::Version });
        let world = World::new(&Topology { stranger, ..topology }, Sabotage::None);
        let is_fine =
            |observation: &Observation<'_>| VersionsRefused.observe(observation, world.nodes()).is_ok();
        let left = |reason| is_fine(&Observation::Left { node: hub, peer: Some(node), reason });
        assert!(left(&DisconnectReason::Replaced));
        assert!(!left(&DisconnectReason::RightsChanged));
        let passage = Passage { connection: ConnectionId(0), end: End::Acceptor, from: hub, to: node };
        let (rows, hashes) = (Vec::new(), Vec::new());
        let message = &Message::Delta { generation: 0, to: 1, rows, hashes, body_bytes: 0 };
        assert!(!is_fine(&Observation::Sent { passage, message, bytes: 1 }));
    }
}
