use crate::topology::NodeId;
use document::{Address, ChangeHash, Collection, Key, Origin, Space};
use replica::{Stamp, VectorEntry};
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields of the workload that have an index: a collection and a JSON Pointer.
pub const INDEXED: [(&str, &str); 4] =
    [("product", "/price"), ("product", "/department"), ("basket", "/till"), ("basket", "/state")];

/// What a node at rest has of a space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettledSpace {
    /// Its version vector.
    pub vector: BTreeMap<Origin, VectorEntry>,
    /// Whether it says that documents of it, or changes of them, are missing.
    pub is_filling: bool,
    /// Whether documents are missing, of what it says is missing: rows of changes alone are not.
    pub lacks_documents: bool,
    /// Its documents: heads, and what a service reads, which is null where the document is deleted; `None`
    /// where it cannot be read.
    pub documents: BTreeMap<Address, (Vec<ChangeHash>, Option<Value>)>,
    /// A digest over the sorted hashes of each document's changes.
    pub changes: BTreeMap<Address, [u8; 32]>,
    /// Keys in the order of an index, by collection and field: see [`INDEXED`].
    pub by_index: BTreeMap<(&'static str, &'static str), Vec<Key>>,
    /// Documents that the durable rows show otherwise than the replica.
    pub wrong_views: Vec<Address>,
    /// Documents whose stored value is not what their snapshot and changes give.
    pub wrong_values: Vec<Address>,
    /// Collections whose index rows are not those that the stored values give.
    pub wrong_indexes: Vec<Collection>,
}

/// What all nodes have once everything is healed and nothing is going on any more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// By space and node.
    pub spaces: BTreeMap<Space, BTreeMap<NodeId, SettledSpace>>,
}

impl Settled {
    /// Whether a change is there in the end.
    #[must_use]
    pub fn has(&self, space: &Space, stamp: Stamp) -> bool {
        let nodes = self.spaces.get(space).into_iter().flat_map(BTreeMap::values);
        let mut entries = nodes.filter_map(|content| content.vector.get(&stamp.origin));
        entries.any(|entry| entry.sequence >= stamp.sequence)
    }

    /// What any service reads of a document; `None` when nobody has it. [`crate::checker::Converged`] says that all
    /// read the same.
    #[must_use]
    pub fn document(&self, address: &Address) -> Option<&Value> {
        let nodes = self.spaces.get(&address.space)?;
        nodes.values().find_map(|space| space.documents.get(address)?.1.as_ref())
    }
}
