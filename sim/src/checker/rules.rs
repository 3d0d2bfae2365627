use crate::observation::Observation;
use crate::topology::NodeId;
use crate::world::{Nodes, Rule, Ruling};
use document::Space;
use std::collections::BTreeMap;

/// What the hub has said of each site, and which nodes have heard it.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// By site, in the order of the hub's changes of `system` at which each was durable.
    said: BTreeMap<NodeId, Vec<(u64, Rule)>>,
    /// Sites of which the hub was ever asked to say less than the settings do.
    denied: BTreeMap<NodeId, Rule>,
    /// What is asked for of a site and may be in force, and is not answered.
    asked: BTreeMap<NodeId, u32>,
}

impl Rules {
    pub(super) fn observe(&mut self, observation: &Observation<'_>) {
        if let Observation::Asked { ruling } = observation {
            *self.asked.entry(ruling.node).or_default() += 1;
        }
        match observation {
            Observation::Asked { ruling: Ruling { node, rule } } if *rule != Rule::Full => {
                self.denied.insert(*node, *rule);
            }
            Observation::Ruled { ruling, sequence } => {
                let asked = self.asked.entry(ruling.node).or_default();
                *asked = asked.saturating_sub(1);
                self.said.entry(ruling.node).or_default().push((*sequence, ruling.rule));
            }
            _ => {}
        }
    }

    /// Whether a site may at some time have had fewer rights than the settings say.
    pub(super) fn was_denied(&self, node: NodeId) -> bool {
        self.denied.contains_key(&node)
    }

    /// Whether something else may be in force of a site than what was said last.
    pub(super) fn is_unsure(&self, node: NodeId) -> bool {
        self.asked.get(&node).is_some_and(|asked| *asked > 0)
    }

    /// Whether the last that was said of a site is that it may not write.
    pub(super) fn is_cut(&self, node: NodeId) -> bool {
        self.said.get(&node).and_then(|said| said.last()).is_some_and(|(_, rule)| *rule != Rule::Full)
    }

    pub(super) fn was_any_denied(&self) -> bool {
        !self.denied.is_empty()
    }

    /// The last that a node has heard of a site, and how many things were said of that before.
    pub(super) fn heard(&self, by: NodeId, of: NodeId, nodes: &Nodes) -> Option<(usize, Rule)> {
        let said = self.said.get(&of)?;
        let system = Space::new("system").ok()?;
        let has = nodes.vector(by, &system).get(&nodes.origin(NodeId(0))).copied().unwrap_or(0);
        let heard = said.iter().take_while(|(sequence, _)| *sequence <= has).enumerate().last();
        heard.map(|(place, (_, rule))| (place, *rule))
    }
}
