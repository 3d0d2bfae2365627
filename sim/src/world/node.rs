use super::rulings::{Rule, Ruling, system};
use super::settled::{INDEXED, SettledSpace};
use crate::agenda::Planned;
use crate::disk::{Disk, SimulatedDisk};
use crate::time::clock;
use crate::topology::{NodeId, Stranger, Topology};
use document::{Collection, Origin, Pointer, Space};
use replica::{
    Clock, Effect, Input, LinkId, Order, PAGE_DOCUMENTS_MAX, Queried, Query, Replica, Request, RequestError,
    RequestId, Response, Settings, SpaceMode, StoreError, Turn, VectorEntry, ViewedDocument,
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
    /// When it is to be woken.
    pub(crate) wake: Option<Planned>,
    /// Syncs of its disk so far.
    pub(crate) syncs: u64,
    /// Documents that were read beside its core.
    pub(crate) loads: u64,
    /// Connections that it was told of.
    pub(crate) links: BTreeMap<LinkId, NodeId>,
    /// Incarnations that it had before this one.
    pub(crate) incarnations: u64,
    /// By how much its wall clock is wrong, in milliseconds.
    pub(crate) clock_wrong_ms: i64,
    /// Until when its syncs take so many times as long as they would.
    pub(crate) slow: (u64, u64),
    /// What takes the room of its disk, at present.
    pub(crate) fills: u32,
    /// Incarnation and epoch when the last copy of its disk was taken.
    pub(crate) image: Option<([u8; 16], u64)>,
    /// Whether it goes on on an old copy, which may hold a branch that others are still to hear of.
    pub(crate) is_old_copy: bool,
    /// Whether a row of its disk could not be read at some time since it has it.
    pub(crate) is_damaged: bool,
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
            wake: None,
            syncs: 0,
            loads: 0,
            links: BTreeMap::new(),
            incarnations: 0,
            clock_wrong_ms: 0,
            slow: (0, 1),
            fills: 0,
            image: None,
            is_old_copy: false,
            is_damaged: false,
        }
    }

    /// Whether it is up, and has nothing to do but what somebody gives it.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_idle = self.inbox.is_empty() && self.notices.is_empty() && !self.turn_planned;
        is_idle && self.replica.as_ref().is_some_and(|replica| replica.in_flight_bytes() == 0)
    }

    /// The times that it is told.
    pub(crate) fn clock(&self, now_ns: u64) -> Clock {
        clock(now_ns, self.clock_wrong_ms)
    }
}

/// All nodes; what checkers may look at.
pub struct Nodes {
    nodes: Vec<Node>,
    /// The node that is none of us, and whether it still acts.
    stranger: Option<Stranger>,
    /// Who wrote under each origin, former incarnations included.
    owners: BTreeMap<Origin, NodeId>,
    /// What was last asked for of each site.
    rules: BTreeMap<NodeId, Rule>,
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nodes").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl Nodes {
    pub(crate) fn new(nodes: Vec<Node>, stranger: Option<Stranger>) -> Self {
        let mut nodes = Self { nodes, stranger, owners: BTreeMap::new(), rules: BTreeMap::new() };
        nodes.ids().for_each(|node| nodes.own(node));
        nodes
    }

    /// Every node.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The node writes under its origin from here on.
    pub(crate) fn own(&mut self, node: NodeId) {
        self.owners.insert(self.origin(node), node);
    }

    /// Who writes, or wrote, under an origin; `None` when no node ever did.
    #[must_use]
    pub fn owner(&self, origin: Origin) -> Option<NodeId> {
        self.owners.get(&origin).copied()
    }

    /// The node that keeps no rule, when there is one.
    #[must_use]
    pub fn stranger(&self) -> Option<Stranger> {
        self.stranger
    }

    /// Whether a node keeps no rule.
    #[must_use]
    pub fn is_stranger(&self, id: NodeId) -> bool {
        self.stranger.is_some_and(|stranger| stranger.node == id)
    }

    /// Whether a node that keeps no rule may write a space: nothing is known of what is in it.
    #[must_use]
    pub fn is_strange(&self, space: &Space) -> bool {
        self.stranger.is_some_and(|stranger| self.may_write(stranger.node, space))
    }

    /// Whether a row of a node's disk could not be read at some time since it has it.
    #[must_use]
    pub fn is_damaged(&self, id: NodeId) -> bool {
        self.has(id) && self.node(id).is_damaged
    }

    /// Whether a node's services may write a space.
    #[must_use]
    pub fn may_write(&self, id: NodeId, space: &Space) -> bool {
        self.has(id) && self.node(id).settings.spaces.get(space) == Some(&SpaceMode::Write)
    }

    /// Whether a node takes changes of others from a peer, by its settings.
    #[must_use]
    pub fn relays(&self, id: NodeId, peer: NodeId) -> bool {
        self.has(id) && self.node(id).settings.peers.get(&Topology::name(peer)).is_some_and(|peer| peer.relay)
    }

    pub(crate) fn denied_mut(&mut self, ruling: Ruling) {
        self.rules.insert(ruling.node, ruling.rule);
    }

    /// Whether documents say what sites may do.
    pub fn have_authority(&self) -> bool {
        self.node(NodeId(0)).settings.authority.is_some()
    }

    /// The sites of which the last that was asked for is that they may do nothing more.
    pub fn revoked(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.rules.iter().filter(|(_, rule)| **rule == Rule::Revoked).map(|(node, _)| *node)
    }

    /// Whether a node may hold something else of a space than the others, in the end: all but the hub do of a space
    /// whose site may not write it any more, and who is revoked has what it had.
    #[must_use]
    pub fn is_denied(&self, id: NodeId, space: &Space) -> bool {
        let writes = |node: &NodeId| *node != NodeId(0) && self.may_write(*node, space);
        let mut denied = self.rules.iter().filter(|(_, rule)| **rule != Rule::Full).map(|(node, _)| node);
        self.revoked().any(|node| node == id) || (id != NodeId(0) && denied.any(writes))
    }

    /// Whether a node is to be sent changes of a space by another.
    #[must_use]
    pub fn may_read(&self, (from, to): (NodeId, NodeId), space: &Space) -> bool {
        // A document says what it may read of anyone.
        if self.node(from).settings.authority.is_some() {
            return system().as_ref() == Some(space) || self.node(to).settings.spaces.contains_key(space);
        }
        let granted = self.node(from).settings.peers.get(&Topology::name(to));
        let granted = granted.and_then(|peer| peer.spaces.get(space)).is_some_and(|access| access.read);
        granted && self.node(to).settings.spaces.contains_key(space)
    }

    /// Whether a node may be told by another how much this has of a space: it may read it there, or bring changes to it.
    #[must_use]
    pub fn may_know(&self, (from, to): (NodeId, NodeId), space: &Space) -> bool {
        let granted = self.node(from).settings.peers.get(&Topology::name(to));
        let granted = granted.and_then(|peer| peer.spaces.get(space));
        let is_written = granted.is_some_and(|access| access.write) && !self.have_authority();
        is_written || self.may_read((from, to), space)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "node ids come from the topology, and are checked on the way in"
    )]
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "node ids come from the topology, and are checked on the way in"
    )]
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }

    pub(crate) fn has(&self, id: NodeId) -> bool {
        id.0 < self.nodes.len()
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
        self.entries(id, space).into_iter().map(|(origin, entry)| (origin, entry.sequence)).collect()
    }

    /// The same, with the digests of the changes.
    #[must_use]
    pub fn entries(&self, id: NodeId, space: &Space) -> Vec<(Origin, VectorEntry)> {
        let vector = self.node(id).replica.as_ref().and_then(|replica| replica.vector(space).ok());
        vector.unwrap_or_default()
    }

    /// How many documents of a space a node has, deleted ones included; `None` while it is down.
    #[must_use]
    pub fn documents(&self, id: NodeId, space: &Space) -> Option<usize> {
        self.node(id).replica.as_ref()?.heads(space).ok().map(|documents| documents.len())
    }

    /// Bytes that a node's replica has handed to its disk and that are not durable.
    #[must_use]
    pub fn in_flight_bytes(&self, id: NodeId) -> usize {
        self.node(id).replica.as_ref().map_or(0, Replica::in_flight_bytes)
    }

    /// Whether the documents that a node has open take no more memory than its settings give; a single one may.
    #[must_use]
    pub fn keeps_open_few(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let open = node.replica.as_ref().map_or((0, 0), Replica::open_documents);
        open.0 <= 1 || open.1 <= node.settings.open_documents_bytes_max
    }

    /// Inputs that wait for a node's next turn.
    #[must_use]
    pub fn inputs_waiting(&self, id: NodeId) -> usize {
        self.node(id).inbox.len()
    }

    /// A page as the durable rows of a node that is up have it, whatever its replica does; `None` when that must be asked.
    pub(crate) fn viewed(
        &self,
        id: NodeId,
        place: (&Space, &Collection),
        query: &Query,
    ) -> Option<Result<Queried, RequestError>> {
        let node = self.node(id);
        node.replica.as_ref()?.view().query(&node.disk.store(), place, query)
    }

    /// What a node at rest has of a space, each document read as a service would.
    pub(crate) fn settled(
        &mut self,
        id: NodeId,
        space: &Space,
        now_ns: u64,
    ) -> Result<Option<SettledSpace>, StoreError> {
        let node = self.node_mut(id);
        let disk = &node.disk;
        let Some(replica) = &mut node.replica else { return Ok(None) };
        let vector = replica.vector(space)?;
        let heads = replica.heads(space)?;
        let clock = clock(now_ns, 0);
        let (mut documents, mut changes, mut wrong_views) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let view = replica.view();
        for (address, heads) in heads {
            let request = Request::Get { address: address.clone(), at: None };
            let json = json(answer((replica, disk), request, clock)?);
            let viewed = view.document(&disk.store(), &address);
            let agrees = |viewed: &ViewedDocument| {
                let shown = serde_json::from_slice(&viewed.json).ok();
                viewed.heads == heads && shown == json
            };
            if !viewed.as_ref().is_none_or(agrees) {
                wrong_views.push(address.clone());
            }
            changes.insert(address.clone(), replica.changes_digest(&address)?);
            documents.insert(address, (heads, json));
        }
        let (mut by_index, mut is_filling) = (BTreeMap::new(), false);
        for (collection, field) in INDEXED {
            let Some(request) = in_order(space, collection, field) else { continue };
            if let Some(Ok(Response::Queried(Queried { page, is_filling: fills, .. }))) =
                answer((replica, disk), request, clock)?
            {
                is_filling |= fills;
                let keys = page.documents.into_iter().map(|(key, _)| key).collect();
                by_index.insert((collection, field), keys);
            }
        }
        replica.verify(0, u64::MAX)?;
        let wrong_values = replica.verify_values(space)?;
        let wrong_indexes = replica.verify_indexes(space)?;
        let vector = vector.into_iter().collect();
        Ok(Some(SettledSpace {
            vector,
            is_filling,
            lacks_documents: replica.lacks_documents(space),
            documents,
            changes,
            by_index,
            wrong_views,
            wrong_values,
            wrong_indexes,
        }))
    }
}

/// Asks a replica at rest, and lets its disk sync what comes of it.
fn answer(
    (replica, disk): (&mut Replica<SimulatedDisk>, &Disk),
    request: Request,
    clock: Clock,
) -> Result<Option<Result<Response, RequestError>>, StoreError> {
    replica.handle(Input::Request { id: RequestId(u64::MAX), request }, clock)?;
    replica.end_turn()?;
    // A read may bring indexes up to date, and its answer waits until that is durable.
    while disk.begin_sync() {
        let Some(turn) = disk.finish_sync()? else { break };
        replica.handle(Input::Durable(turn), clock)?;
        replica.end_turn()?;
    }
    let mut reply = None;
    while let Some(effect) = replica.poll_effect() {
        match effect {
            Effect::Reply { result, .. } => reply = Some(result),
            Effect::Load(order) => {
                replica.handle(Input::Loaded(Box::new(order.read(&disk.store()).load())), clock)?;
            }
            Effect::Send { .. }
            | Effect::Watch { .. }
            | Effect::Disconnect { .. }
            | Effect::Renew { .. }
            | Effect::Event(_) => {}
        }
    }
    Ok(reply)
}

/// All documents of a collection in the order of a field.
pub(super) fn in_order(space: &Space, collection: &str, field: &str) -> Option<Request> {
    let order = Order::Field(Pointer::parse(field).ok()?);
    let query = Box::new(Query { order, limit: PAGE_DOCUMENTS_MAX, ..Query::default() });
    Some(Request::Query { space: space.clone(), collection: Collection::new(collection).ok()?, query })
}

/// What is read; null where the document is deleted, and `None` where it cannot be read.
fn json(answer: Option<Result<Response, RequestError>>) -> Option<serde_json::Value> {
    match answer {
        Some(Ok(Response::Document(reading))) if reading.behind.is_none() => {
            Some(reading.value.unwrap_or_default())
        }
        Some(_) | None => None,
    }
}
