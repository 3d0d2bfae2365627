use crate::failure::Failure;
use crate::network::{ConnectionId, End, Message};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use std::collections::BTreeMap;

/// An end of a connection, which is asked.
type Sender = (ConnectionId, End);

/// Whoever asks for changes again is sent nothing but changes that were sent after that.
#[derive(Debug, Default)]
pub struct RewindsAnswered {
    /// The generation that an end was last asked for, of those that follow one another.
    asked: BTreeMap<Sender, u32>,
    /// The same, and not taken yet.
    came: BTreeMap<NodeId, Vec<(Sender, u32)>>,
}

impl Checker for RewindsAnswered {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        match observation {
            Observation::Delivered { passage, message: Message::Rewind { generation, .. } } => {
                let sender = (passage.connection, passage.end.other());
                self.came.entry(passage.to).or_default().push((sender, *generation));
            }
            Observation::TurnEnded { node } if nodes.inputs_waiting(*node) == 0 => {
                for (sender, generation) in self.came.remove(node).into_iter().flatten() {
                    let asked = self.asked.entry(sender).or_default();
                    *asked = if generation == *asked + 1 { generation } else { *asked };
                }
            }
            Observation::Opened { node } => drop(self.came.remove(node)),
            Observation::Sent { passage, message: Message::Delta { generation, .. }, .. } => {
                let asked = self.asked.get(&(passage.connection, passage.end)).copied().unwrap_or(0);
                if *generation < asked {
                    let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
                    let finding =
                        format!("{to} asked {from} for generation {asked}, and was sent {generation}");
                    return Err(Failure::correctness("rewinds_answered", finding));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Passage;
    use crate::sabotage::Sabotage;
    use crate::topology::Shape;
    use crate::world::World;

    #[test]
    fn who_asks_again_is_sent_nothing_of_before() {
        let (hub, site) = (NodeId(0), NodeId(1));
        let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        let passage = |from, to, end| Passage { connection: ConnectionId(0), end, from, to };
        let is_fine = |asked: &[u32], is_taken, generation| {
            let mut checker = RewindsAnswered::default();
            for generation in asked {
                let message =
                    &Message::Rewind { generation: *generation, has: Vec::new(), spaces: Vec::new() };
                let passage = passage(site, hub, End::Dialer);
                checker.observe(&Observation::Delivered { passage, message }, world.nodes()).unwrap();
            }
            if is_taken {
                checker.observe(&Observation::TurnEnded { node: hub }, world.nodes()).unwrap();
            }
            let (rows, hashes) = (Vec::new(), Vec::new());
            let message = &Message::Delta { generation, to: 1, rows, hashes, body_bytes: 0 };
            let passage = passage(hub, site, End::Acceptor);
            checker.observe(&Observation::Sent { passage, message, bytes: 1 }, world.nodes()).is_ok()
        };
        assert!(is_fine(&[], true, 0) && is_fine(&[1], true, 1) && is_fine(&[1, 2], true, 2));
        assert!(!is_fine(&[1], true, 0) && !is_fine(&[1, 2], true, 1));
        assert!(is_fine(&[1], false, 0), "it is not taken yet");
        assert!(is_fine(&[7], true, 0), "it does not follow, and is refused");
    }
}
