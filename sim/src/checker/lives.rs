use crate::observation::Observation;
use crate::topology::NodeId;
use crate::world::Nodes;
use document::Origin;
use replica::{Event, Stamp};
use std::collections::BTreeSet;

/// Which nodes go on on an old copy of their store, and under which origins: the stamps of what they write name
/// something else elsewhere, or nothing once it is written again under a new origin. Until the fork is settled.
#[derive(Debug, Default)]
pub(super) struct Lives {
    nodes: BTreeSet<NodeId>,
    origins: BTreeSet<Origin>,
}

impl Lives {
    /// Whether what is acknowledged may be written again, under another stamp.
    pub(super) fn may_move(&self, node: NodeId, stamp: Option<Stamp>) -> bool {
        stamp.is_some_and(|stamp| self.is_second(node) || self.are_two(stamp.origin))
    }

    /// Whether the node goes on on an old copy.
    pub(super) fn is_second(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    /// Whether two histories may have been written under an origin.
    pub(super) fn are_two(&self, origin: Origin) -> bool {
        self.origins.contains(&origin)
    }

    pub(super) fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) {
        match observation {
            Observation::OldCopy { node } => {
                self.nodes.insert(*node);
                self.origins.insert(nodes.origin(*node));
            }
            Observation::Opened { node } if self.is_second(*node) => {
                self.origins.insert(nodes.origin(*node));
            }
            Observation::Told { node, event: Event::ForkSettled { .. } } => {
                self.nodes.remove(node);
            }
            _ => {}
        }
    }
}
