use crate::failure::Failure;
use crate::network::Message;
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{Nodes, Settled};

/// Every frame of an honest node can be read, and documents come of a fill that was offered: of any other, no checker could
/// say anything.
#[derive(Debug, Default)]
pub struct FramesRead;

impl Checker for FramesRead {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        let Observation::Sent { passage, message, .. } = observation else { return Ok(()) };
        let what = match message {
            Message::Unreadable => "a frame that cannot be read",
            Message::Documents { space: None, .. } | Message::Fill { space: None, .. } => {
                "a part of a fill that was not offered"
            }
            _ => return Ok(()),
        };
        if nodes.is_stranger(passage.from) {
            return Ok(());
        }
        let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
        Err(Failure::correctness("frames_read", format!("{from} sent {to} {what}")))
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
    use crate::topology::{NodeId, Shape, Strangeness, Stranger};
    use crate::world::World;

    #[test]
    fn what_nobody_can_read_is_seen_unless_a_stranger_sends_it() {
        let (hub, site) = (NodeId(0), NodeId(2));
        let topology = Topology::new(1, Shape::Star, 3);
        let stranger = Some(Stranger { node: site, kind: Strangeness::Hostile });
        let world = World::new(&Topology { stranger, ..topology }, Sabotage::None);
        let is_fine = |(from, to), message: &Message| {
            let passage = Passage { connection: ConnectionId(0), end: End::Dialer, from, to };
            let sent = Observation::Sent { passage, message, bytes: 1 };
            FramesRead.observe(&sent, world.nodes()).is_ok()
        };
        let unknown =
            Message::Documents { space: None, fill: 1, number: 1, changes: Vec::new(), body_bytes: 0 };
        assert!(!is_fine((hub, site), &Message::Unreadable) && is_fine((site, hub), &Message::Unreadable));
        assert!(!is_fine((hub, site), &unknown) && is_fine((hub, site), &Message::Ask));
    }
}
