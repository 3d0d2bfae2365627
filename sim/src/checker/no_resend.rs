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
                // It may have been passed by what came since, which shows more.
                has.iter().for_each(|row| sender.known.raise(row));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sabotage::Sabotage;
    use crate::topology::Shape;
    use crate::world::World;
    use document::{Origin, Space};

    const HUB: NodeId = NodeId(0);
    const SITE: NodeId = NodeId(1);

    fn passage(from: NodeId, to: NodeId) -> Passage {
        let end = if from == HUB { End::Acceptor } else { End::Dialer };
        Passage { connection: ConnectionId(0), end, from, to }
    }

    fn row(sequence: u64) -> RowName {
        RowName { space: Space::new("catalog").unwrap(), origin: Origin([1; 16]), sequence }
    }

    fn delta(sequences: &[u64]) -> Message {
        let rows: Vec<_> = sequences.iter().map(|sequence| row(*sequence)).collect();
        Message::Delta { generation: 0, to: 9, rows, hashes: Vec::new(), body_bytes: 1 }
    }

    fn sent(message: &Message) -> Observation<'_> {
        Observation::Sent { passage: passage(HUB, SITE), message, bytes: 1 }
    }

    /// What came to the hub in one turn, and then what it sends.
    fn is_fine(came: &[Message], leaving: &[Message]) -> bool {
        let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        let mut checker = NoResend::default();
        for message in came {
            let delivered = Observation::Delivered { passage: passage(SITE, HUB), message };
            checker.observe(&delivered, world.nodes()).unwrap();
        }
        checker.observe(&Observation::TurnEnded { node: HUB }, world.nodes()).unwrap();
        leaving.iter().all(|message| checker.observe(&sent(message), world.nodes()).is_ok())
    }

    #[test]
    fn what_was_sent_before_is_not_sent_again_unless_it_was_asked_for() {
        let rewind = || Message::Rewind { generation: 1, has: vec![row(1)], spaces: Vec::new() };
        assert!(is_fine(&[], &[delta(&[1, 2]), delta(&[3])]));
        assert!(!is_fine(&[], &[delta(&[1, 2]), delta(&[2])]));
        assert!(!is_fine(&[], &[delta(&[1, 1])]));
        assert!(is_fine(&[rewind()], &[delta(&[2])]));
        assert!(!is_fine(&[rewind()], &[delta(&[1])]), "the peer said that it has it");
    }

    #[test]
    fn who_asks_again_is_sent_again_what_it_lacks() {
        let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        let (first, rewind) =
            (delta(&[1, 2, 3]), Message::Rewind { generation: 1, has: vec![row(1)], spaces: Vec::new() });
        let again = |message: &Message| {
            let mut checker = NoResend::default();
            let asked = Observation::Delivered { passage: passage(SITE, HUB), message: &rewind };
            checker.observe(&sent(&first), world.nodes()).unwrap();
            checker.observe(&asked, world.nodes()).unwrap();
            checker.observe(&sent(message), world.nodes()).is_ok()
        };
        assert!(again(&delta(&[2, 3])) && !again(&delta(&[1])));
    }

    #[test]
    fn nothing_is_sent_to_who_has_it() {
        let hello = || Message::Hello { has: vec![row(5)], spaces: Vec::new() };
        assert!(is_fine(&[hello()], &[delta(&[6])]) && !is_fine(&[hello()], &[delta(&[5])]));
        assert!(is_fine(&[delta(&[5])], &[delta(&[6])]));
        assert!(!is_fine(&[delta(&[5])], &[delta(&[5])]), "it is sent back what it sent");
    }
}
