use super::settled::SettledSpace;
use crate::disk::{Disk, SimulatedDisk};
use crate::time::clock;
use crate::topology::NodeId;
use document::{Origin, Space};
use replica::{
    Effect, Input, LinkId, Replica, Request, RequestError, RequestId, Response, Settings, StoreError, Turn,
};
use std::collections::{BTreeMap, VecDeque};

/// A replica, the disk under it, and what waits for it.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    pub(crate) disk: Disk,
    /// None while it is down.
    pub(crate) replica: Option<Replica<SimulatedDisk>>,
    pub(crate) inbox: VecDeque<Input>,
    /// What the disk reports; taken before anything else.
    pub(crate) notices: VecDeque<Turn>,
    /// Whether a turn is planned.
    pub(crate) turn_planned: bool,
    /// Until when it works on its last turn.
    pub(crate) busy_ns: u64,
    /// Until when it stalls.
    pub(crate) paused_ns: u64,
    /// Counts its openings: what was planned for an earlier life is void.
    pub(crate) life: u32,
    /// Syncs of its disk so far.
    pub(crate) syncs: u64,
    /// Connections that it was told of.
    pub(crate) links: BTreeMap<LinkId, NodeId>,
}

impl Node {
    pub(crate) fn new(settings: Settings, disk: Disk) -> Self {
        Self {
            settings,
            disk,
            replica: None,
            inbox: VecDeque::new(),
            notices: VecDeque::new(),
            turn_planned: false,
            busy_ns: 0,
            paused_ns: 0,
            life: 0,
            syncs: 0,
            links: BTreeMap::new(),
        }
    }
}

/// All nodes; what checkers may look at.
pub struct Nodes(pub(crate) Vec<Node>);

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Nodes").field(&self.0.len()).finish()
    }
}

impl Nodes {
    /// Every node.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.0.len()).map(NodeId)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "node ids come from the topology, and are checked on the way in"
    )]
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.0[id.0]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "node ids come from the topology, and are checked on the way in"
    )]
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.0[id.0]
    }

    pub(crate) fn has(&self, id: NodeId) -> bool {
        id.0 < self.0.len()
    }

    /// The spaces that a node carries.
    pub fn spaces(&self, id: NodeId) -> impl Iterator<Item = &Space> + '_ {
        self.node(id).settings.spaces.keys()
    }

    /// Under which origin a node writes.
    #[must_use]
    pub fn origin(&self, id: NodeId) -> Origin {
        replica::origin_of(&self.node(id).settings.key)
    }

    /// How far a node has each origin's changes in a space. Empty while it is down, or cannot read its disk.
    #[must_use]
    pub fn vector(&self, id: NodeId, space: &Space) -> BTreeMap<Origin, u64> {
        let vector = self.node(id).replica.as_ref().and_then(|replica| replica.vector(space).ok());
        vector.into_iter().flatten().map(|(origin, entry)| (origin, entry.sequence)).collect()
    }

    /// Bytes that a node's replica has handed to its disk and that are not durable.
    #[must_use]
    pub fn in_flight_bytes(&self, id: NodeId) -> usize {
        self.node(id).replica.as_ref().map_or(0, Replica::in_flight_bytes)
    }

    /// Inputs that wait for a node's next turn.
    #[must_use]
    pub fn inputs_waiting(&self, id: NodeId) -> usize {
        self.node(id).inbox.len()
    }

    /// What a node at rest has of a space, each document read as a service would.
    pub(crate) fn settled(
        &mut self,
        id: NodeId,
        space: &Space,
        now_ns: u64,
    ) -> Result<Option<SettledSpace>, StoreError> {
        let Some(replica) = &mut self.node_mut(id).replica else { return Ok(None) };
        let vector = replica.vector(space)?;
        let heads = replica.heads(space)?;
        let mut documents = BTreeMap::new();
        for (number, (address, heads)) in heads.into_iter().enumerate() {
            let request = Request::Get { address: address.clone() };
            let id = RequestId(u64::MAX - number as u64);
            replica.handle(Input::Request { id, request }, clock(now_ns))?;
            replica.end_turn()?;
            let json = std::iter::from_fn(|| replica.poll_effect()).find_map(|effect| match effect {
                Effect::Reply { result, .. } => Some(json(result)),
                Effect::Send { .. } | Effect::Disconnect { .. } | Effect::Event(_) => None,
            });
            documents.insert(address, (heads, json.flatten()));
        }
        Ok(Some(SettledSpace { vector: vector.into_iter().collect(), documents }))
    }
}

fn json(result: Result<Response, RequestError>) -> Option<serde_json::Value> {
    match result {
        Ok(Response::Document(document)) => document,
        Ok(Response::Written(_) | Response::Listed(_) | Response::Status(_)) | Err(_) => None,
    }
}
