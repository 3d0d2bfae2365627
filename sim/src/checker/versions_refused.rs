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
