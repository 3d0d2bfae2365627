use crate::topology::NodeId;
use document::{Address, ChangeHash, Origin, Space};
use replica::VectorEntry;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a node at rest has of a space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettledSpace {
    /// Its version vector.
    pub vector: BTreeMap<Origin, VectorEntry>,
    /// Its documents: heads, and what a service reads.
    pub documents: BTreeMap<Address, (Vec<ChangeHash>, Option<Value>)>,
}

/// What all nodes have once everything is healed and nothing is going on any more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// By space and node.
    pub spaces: BTreeMap<Space, BTreeMap<NodeId, SettledSpace>>,
}

impl Settled {
    /// What any service reads of a document; `None` when nobody has it. [`crate::checker::Converged`] says that all
    /// read the same.
    #[must_use]
    pub fn document(&self, address: &Address) -> Option<&Value> {
        let nodes = self.spaces.get(&address.space)?;
        nodes.values().find_map(|space| space.documents.get(address)?.1.as_ref())
    }
}
