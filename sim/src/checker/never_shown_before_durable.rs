use super::stream::Streams;
use crate::failure::Failure;
use crate::network::{ConnectionId, End, Message, Passage};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use std::collections::BTreeMap;

/// What a frame says that a node has, the node still has after a crash at any later instant.
#[derive(Debug, Default)]
pub struct NeverShownBeforeDurable {
    /// What each node has let others know that it has.
    shown: BTreeMap<NodeId, Streams>,
    /// Deltas that came over a connection and are not acknowledged: how far each goes, and what is in it.
    came: BTreeMap<(ConnectionId, End), Vec<(u64, Streams)>>,
}

impl NeverShownBeforeDurable {
    fn sent(&mut self, passage: Passage, message: &Message) {
        let shown = self.shown.entry(passage.from).or_default();
        match message {
            Message::Delta { rows, .. } => rows.iter().for_each(|row| shown.raise(row)),
            Message::Hello { has } | Message::Rewind { has, .. } => {
                has.iter().for_each(|row| shown.raise(row))
            }
            Message::Ack { durable } => {
                let came = self.came.entry((passage.connection, passage.end)).or_default();
                for (_, streams) in came.extract_if(.., |(to, _)| *to <= *durable) {
                    shown.raise_all(&streams);
                }
            }
            Message::Fill | Message::Unreadable => {}
        }
    }

    fn opened(&self, node: NodeId, nodes: &Nodes) -> Result<(), Failure> {
        for (space, origins) in self.shown.get(&node).into_iter().flat_map(Streams::iter) {
            let vector = nodes.vector(node, space);
            for (origin, shown) in origins {
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
        match observation {
            Observation::Sent { passage, message, .. } => self.sent(*passage, message),
            Observation::Delivered { passage, message: Message::Delta { to, rows, .. } } => {
                let receiver = (passage.connection, passage.end.other());
                self.came.entry(receiver).or_default().push((*to, rows.iter().collect()));
            }
            Observation::Opened { node } => return self.opened(*node, nodes),
            Observation::Delivered { .. }
            | Observation::Submitted { .. }
            | Observation::Acknowledged { .. }
            | Observation::Refused { .. }
            | Observation::Unknown { .. }
            | Observation::TurnEnded { .. }
            | Observation::Left { .. }
            | Observation::Looked { .. }
            | Observation::Told { .. } => {}
        }
        Ok(())
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
