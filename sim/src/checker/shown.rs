use super::stream::Streams;
use crate::network::{ConnectionId, End, Message, Passage, RowName};
use crate::observation::Observation;
use crate::topology::NodeId;
use crate::world::Nodes;
use document::{Origin, Space};
use replica::Event;
use std::collections::{BTreeMap, BTreeSet};

/// What each node has let others know that it has, which is on its disk.
#[derive(Debug, Default)]
pub(super) struct Shown {
    nodes: BTreeMap<NodeId, Streams>,
    /// Deltas that came over a connection and are not acknowledged: how far each goes, and what is in it.
    came: BTreeMap<(ConnectionId, End), Vec<(u64, Streams)>>,
    /// Streams that a node ever stopped: what it acknowledges of them it may have passed over.
    stopped: BTreeMap<NodeId, BTreeSet<(Space, Origin)>>,
}

impl Shown {
    pub(super) fn of(&self, node: NodeId) -> Option<&Streams> {
        self.nodes.get(&node)
    }

    /// The last sequence of a stream that some node has.
    pub(super) fn most(&self, row: &RowName) -> u64 {
        self.nodes.values().map(|shown| shown.last(row)).max().unwrap_or(0)
    }

    /// A node that has a change.
    pub(super) fn holder(&self, row: &RowName) -> Option<NodeId> {
        let mut holders = self.nodes.iter().filter(|(_, shown)| shown.last(row) >= row.sequence);
        holders.next().map(|(node, _)| *node)
    }

    /// The node has let others know of a change in a way that no frame says alone.
    pub(super) fn raise(&mut self, node: NodeId, row: &RowName) {
        self.nodes.entry(node).or_default().raise(row);
    }

    /// The node has another disk.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    pub(super) fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) {
        match observation {
            Observation::Sent { passage, message, .. } => {
                // What the hub says that it has, sites pass on: a site's own word is of its journal alone.
                if let Message::Ack { hub, .. } = message
                    && passage.from == NodeId(0)
                {
                    let shown = self.nodes.entry(passage.from).or_default();
                    hub.iter().for_each(|row| shown.raise(row));
                }
                self.sent(*passage, message);
            }
            // Of what a stranger sends, not all is taken.
            Observation::Delivered { passage, .. } if nodes.is_stranger(passage.from) => {}
            Observation::Delivered { passage, message: Message::Delta { to, rows, .. } } => {
                let receiver = (passage.connection, passage.end.other());
                self.came.entry(receiver).or_default().push((*to, rows.iter().collect()));
            }
            Observation::Told { node, event: Event::StreamStopped { space, origin, .. } } => {
                self.stopped.entry(*node).or_default().insert((space.clone(), *origin));
            }
            _ => {}
        }
    }

    fn sent(&mut self, passage: Passage, message: &Message) {
        let shown = self.nodes.entry(passage.from).or_default();
        match message {
            Message::Delta { rows, .. } => rows.iter().for_each(|row| shown.raise(row)),
            Message::Hello { has, .. } | Message::Rewind { has, .. } => {
                has.iter().for_each(|row| shown.raise(row))
            }
            Message::Ack { durable: None, .. } => {}
            Message::Ack { durable: Some(durable), .. } => {
                let came = self.came.entry((passage.connection, passage.end)).or_default();
                for (_, streams) in came.extract_if(.., |(to, _)| *to <= *durable) {
                    let stopped = self.stopped.get(&passage.from);
                    let is_taken = |space: &Space, origin: &Origin| {
                        stopped.is_none_or(|stopped| !stopped.contains(&(space.clone(), *origin)))
                    };
                    shown.raise_those(&streams, is_taken);
                }
            }
            Message::Offer { .. }
            | Message::Documents { .. }
            | Message::Fill { .. }
            | Message::Ask
            | Message::Fork { .. }
            | Message::Unreadable => {}
        }
    }
}
