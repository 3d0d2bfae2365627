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
