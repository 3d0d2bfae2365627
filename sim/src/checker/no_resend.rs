use super::stream::Streams;
use crate::failure::Failure;
use crate::network::{ConnectionId, End, Message, Passage, RowName};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use std::collections::BTreeMap;

/// No change is sent twice on a connection unless it was asked for again, nor to a peer that has said in its hello
/// that it has it, nor back to the peer that it came from.
#[derive(Debug, Default)]
pub struct NoResend {
    senders: BTreeMap<(ConnectionId, End), Sender>,
    /// What came to a node and may wait for its next turn.
    came: BTreeMap<NodeId, Vec<(Passage, Streams)>>,
}

/// One end of a connection.
#[derive(Debug, Default)]
struct Sender {
    /// What it has sent since the peer last asked again.
    sent: Streams,
    /// What it knows that the peer has.
    known: Streams,
}

impl NoResend {
    fn sender(&mut self, connection: ConnectionId, end: End) -> &mut Sender {
        self.senders.entry((connection, end)).or_default()
    }

    fn sent(&mut self, passage: Passage, rows: &[RowName]) -> Result<(), Failure> {
        let sender = self.sender(passage.connection, passage.end);
        for row in rows {
            let why = match row.sequence {
                sequence if sequence <= sender.sent.last(row) => "that it sent before",
                sequence if sequence <= sender.known.last(row) => "that the peer has",
                _ => {
                    sender.sent.raise(row);
                    continue;
                }
            };
            let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
            let RowName { space, origin, sequence } = row;
            let finding = format!("{from} sent {to} change {sequence} of {origin} in {space}, {why}");
            return Err(Failure::correctness("no_resend", finding));
        }
        Ok(())
    }

    fn delivered(&mut self, passage: Passage, message: &Message) {
        let sender = self.sender(passage.connection, passage.end.other());
        match message {
            // Nothing is sent before the hello was taken.
            Message::Hello { has, .. } => has.iter().for_each(|row| sender.known.raise(row)),
            Message::Rewind { has, .. } => {
                sender.sent = Streams::default();
                sender.known = has.iter().collect();
            }
            Message::Delta { rows, .. } => {
                self.came.entry(passage.to).or_default().push((passage, rows.iter().collect()));
            }
            Message::Ack { .. }
            | Message::Offer { .. }
            | Message::Documents { .. }
            | Message::Fill { .. }
            | Message::Ask
            | Message::Fork { .. }
            | Message::Unreadable => {}
        }
    }

    /// A node has taken all that came: from here on it knows that those peers have it.
    fn taken(&mut self, node: NodeId) {
        for (passage, rows) in self.came.remove(&node).into_iter().flatten() {
            self.sender(passage.connection, passage.end.other()).known.raise_all(&rows);
        }
    }
}

impl Checker for NoResend {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        match observation {
            // What a stranger says that it has is not what it has.
            Observation::Delivered { passage, .. } if nodes.is_stranger(passage.from) => Ok(()),
            Observation::Sent { passage, .. } if nodes.is_stranger(passage.to) => Ok(()),
            Observation::Sent { passage, message: Message::Delta { rows, .. }, .. } => {
                self.sent(*passage, rows)
            }
            Observation::Delivered { passage, message } => {
                self.delivered(*passage, message);
                Ok(())
            }
            Observation::TurnEnded { node } if nodes.inputs_waiting(*node) == 0 => {
                self.taken(*node);
                Ok(())
            }
            Observation::Opened { node } => {
                self.came.remove(node);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
