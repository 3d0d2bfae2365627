//! Who there is, who is linked with whom, and who may do what where.

mod rights;

use crate::dice::Dice;
use document::{Schema, Schemas, Space};
use replica::{LoadPolicy, OriginKey, Settings, SnapshotPolicy, SpaceMode, TrimPolicy};
use std::collections::BTreeMap;

/// Fewest nodes of a world.
pub const NODES_MIN: usize = 2;
/// Most nodes of a world that a seed draws.
pub const NODES_DRAWN_MAX: usize = 10;
/// Most nodes of a world.
pub const NODES_MAX: usize = 1_001;
/// Most nodes of a mesh: every one is linked with several others.
pub const MESH_NODES_MAX: usize = 5;

/// Most memory for open documents of a node, in bytes: few enough that documents are closed and opened again.
const OPEN_DOCUMENTS_BYTES_MAX: u64 = 512 * 1024;

/// Of 100 worlds so many have poor lines alone.
const REMOTE_PERCENT: u64 = 15;

/// Names a node: its place in the topology. Node 0 is the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub usize);

/// How nodes are linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Every site with the hub.
    Star,
    /// Some sites behind another, which relays.
    Chain,
    /// Equals that share one space and relay.
    Mesh,
    /// Sites of one place: each with the hub, and with one another. They share one space, and relay.
    Cluster,
}

impl Shape {
    /// Whether all share one space, and are linked with several others.
    #[must_use]
    pub fn is_dense(self) -> bool {
        match self {
            Self::Mesh | Self::Cluster => true,
            Self::Star | Self::Chain => false,
        }
    }
}

/// A node that is none of us: it has a name, a key and a link, and keeps no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stranger {
    /// Which.
    pub node: NodeId,
    /// What is strange about it.
    pub kind: Strangeness,
}

/// What is strange about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strangeness {
    /// It sends whatever may do harm, and acknowledges nothing.
    Hostile,
    /// It speaks a version of the protocol that nobody speaks any more.
    Version,
    /// It speaks a version of the protocol that nobody else speaks yet: it keeps to what others know, and says more. It
    /// has no changes, and acknowledges none.
    Newer,
}

/// A link between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// Who connects.
    pub dialer: NodeId,
    /// Who is connected to.
    pub acceptor: NodeId,
    /// How long a frame takes at least, in nanoseconds.
    pub latency_ns: u64,
    /// How much longer it may take, in nanoseconds.
    pub jitter_ns: u64,
    /// Bytes a second, each way.
    pub bytes_per_second: u64,
}

/// What to build a world of.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Where every random decision comes from.
    pub seed: u64,
    /// How nodes are linked.
    pub shape: Shape,
    /// What each node is told about itself and its peers.
    pub nodes: Vec<Settings>,
    /// The links.
    pub links: Vec<LinkPlan>,
    /// The node that is none of us.
    pub stranger: Option<Stranger>,
}

impl Topology {
    /// The topology of a seed. `nodes` is brought into the limits of the shape.
    #[must_use]
    pub fn new(seed: u64, shape: Shape, nodes: usize) -> Self {
        let nodes = match shape {
            Shape::Star | Shape::Chain => nodes.clamp(NODES_MIN, NODES_MAX),
            Shape::Mesh | Shape::Cluster => nodes.clamp(NODES_MIN, MESH_NODES_MAX),
        };
        let pairs = match shape {
            Shape::Star => (1..nodes).map(|node| (node, 0)).collect(),
            Shape::Chain => chain(seed, nodes),
            Shape::Mesh => mesh(seed, nodes),
            Shape::Cluster => (1..nodes).flat_map(|node| (0..node).map(move |other| (node, other))).collect(),
        };
        let mut topology = Self { seed, shape, nodes: Vec::new(), links: Vec::new(), stranger: None };
        topology.nodes = (0..nodes).map(|node| topology.blank(NodeId(node))).collect();
        topology.links = pairs
            .iter()
            .map(|&(dialer, acceptor)| match shape {
                Shape::Cluster if acceptor > 0 => local_plan(seed, NodeId(dialer), NodeId(acceptor)),
                Shape::Star | Shape::Chain | Shape::Mesh | Shape::Cluster => {
                    link_plan(seed, NodeId(dialer), NodeId(acceptor))
                }
            })
            .collect();
        match shape {
            Shape::Star | Shape::Chain => rights::grant_tree(&mut topology.nodes, &pairs),
            Shape::Mesh => rights::grant_mesh(&mut topology.nodes, &pairs),
            Shape::Cluster => rights::grant_cluster(&mut topology.nodes, &pairs),
        }
        topology
    }

    /// The same, with the hub's key as authority.
    #[must_use]
    pub fn with_authority(mut self) -> Self {
        let authority = self.nodes.first().map(|hub| hub.key.public_key);
        self.nodes.iter_mut().for_each(|node| node.authority = authority);
        self
    }

    /// The name of a node.
    #[must_use]
    pub fn name(node: NodeId) -> String {
        if node.0 == 0 { "hub".to_owned() } else { format!("site-{}", node.0) }
    }

    /// The spaces that a node carries, and what its services may do in each.
    #[must_use]
    pub fn spaces(&self, node: NodeId) -> Option<&BTreeMap<Space, SpaceMode>> {
        self.nodes.get(node.0).map(|settings| &settings.spaces)
    }

    fn blank(&self, node: NodeId) -> Settings {
        let mut dice = Dice::of(self.seed, "identity", &[node.0 as u64]);
        Settings {
            name: Self::name(node),
            key: OriginKey { public_key: dice.bytes(), incarnation: dice.bytes() },
            epoch: dice.below(u64::MAX),
            is_hub: node.0 == 0,
            authority: None,
            spaces: BTreeMap::new(),
            peers: BTreeMap::new(),
            schemas: schemas(),
            open_documents_bytes_max: OPEN_DOCUMENTS_BYTES_MAX,
            snapshots: snapshots(self.seed),
            trimming: trimming(self.seed, node),
            loads_aside: loads_aside(self.seed),
            idempotency_keys_max: 1 << 20,
            takes_own_past: false,
        }
    }
}

/// In half of the worlds documents with a few changes are read beside the core, in half of those fewer at a time than are
/// asked for.
fn loads_aside(seed: u64) -> Option<LoadPolicy> {
    let mut dice = Dice::of(seed, "loads", &[]);
    dice.chance(50).then(|| {
        let few = LoadPolicy {
            changes_min: dice.between(1, 6),
            bytes_min: dice.between(200, 4_000),
            ..LoadPolicy::default()
        };
        let mut some = || usize::try_from(dice.below(4)).unwrap_or_default();
        let (held_max, reading_max) = (some(), some());
        if dice.chance(50) { LoadPolicy { held_max, reading_max, ..few } } else { few }
    })
}

/// In half of the worlds documents are saved after a few changes, so that they are read from snapshots, and changes
/// for peers that were away are built again.
fn snapshots(seed: u64) -> SnapshotPolicy {
    let mut dice = Dice::of(seed, "snapshots", &[]);
    match dice.chance(50) {
        true => SnapshotPolicy { changes_min: dice.between(1, 8), bytes_min: dice.between(200, 4_000) },
        false => SnapshotPolicy::default(),
    }
}

/// In most worlds some nodes trim their journals after a short time, each as its operator has set it, so that who was away is
/// filled by one and not by another.
pub(crate) fn trimming(seed: u64, node: NodeId) -> TrimPolicy {
    let any = Dice::of(seed, "trimming", &[]).chance(65);
    let mut dice = Dice::of(seed, "trimming", &[node.0 as u64]);
    match any && dice.chance(70) {
        true => TrimPolicy {
            age_ms: i64::try_from(dice.between(100, 10_000)).unwrap_or(i64::MAX),
            bytes: dice.between(2_000, 200_000),
        },
        false => TrimPolicy::default(),
    }
}

/// The schemas of the workload's collections: those that the product ships.
fn schemas() -> Schemas {
    let mut schemas = Schemas::default();
    let shipped = [
        ("inventory", include_str!("../../schemas/collections/inventory.json")),
        ("note", include_str!("../../schemas/collections/note.json")),
        ("basket", include_str!("../../schemas/collections/basket.json")),
        ("device", include_str!("../../schemas/collections/device.json")),
        ("product", include_str!("../../schemas/collections/product.json")),
    ];
    for (collection, text) in shipped {
        if let (Ok(collection), Ok(schema)) = (collection.parse(), Schema::parse(text)) {
            schemas.insert(collection, schema);
        }
    }
    schemas
}

/// Site 1 is linked with the hub; each other with site 1, or with the one before it.
fn chain(seed: u64, nodes: usize) -> Vec<(usize, usize)> {
    let behind = |node: usize| match node {
        1 => 0,
        _ if Dice::of(seed, "chain", &[node as u64]).chance(50) => 1,
        _ => node - 1,
    };
    (1..nodes).map(|node| (node, behind(node))).collect()
}

/// A ring, and half of the chords.
fn mesh(seed: u64, nodes: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for dialer in 1..nodes {
        for acceptor in 0..dialer {
            let in_ring = dialer == acceptor + 1 || (acceptor == 0 && dialer == nodes - 1);
            if in_ring || Dice::of(seed, "mesh", &[dialer as u64, acceptor as u64]).chance(50) {
                pairs.push((dialer, acceptor));
            }
        }
    }
    pairs
}

/// Whether all lines of a world are poor.
pub(crate) fn is_remote(seed: u64) -> bool {
    Dice::of(seed, "remote", &[]).chance(REMOTE_PERCENT)
}

fn link_plan(seed: u64, dialer: NodeId, acceptor: NodeId) -> LinkPlan {
    use crate::time::{MICROSECOND_NS, MILLISECOND_NS};
    let mut dice = Dice::of(seed, "link", &[dialer.0 as u64, acceptor.0 as u64]);
    // A site on fibre, on a mobile network, or behind a satellite.
    let (latency_ns, bytes_per_second) = match dice.below(10) {
        _ if is_remote(seed) => (dice.between(100, 400) * MILLISECOND_NS, dice.between(20_000, 100_000)),
        0..5 => (dice.between(200, 5_000) * MICROSECOND_NS, 10_000_000),
        5..9 => (dice.between(10, 80) * MILLISECOND_NS, 500_000),
        _ => (dice.between(200, 400) * MILLISECOND_NS, 20_000),
    };
    LinkPlan { dialer, acceptor, latency_ns, jitter_ns: latency_ns / 2, bytes_per_second }
}

/// A link within one place, however poor the lines out of it are.
fn local_plan(seed: u64, dialer: NodeId, acceptor: NodeId) -> LinkPlan {
    let mut dice = Dice::of(seed, "local", &[dialer.0 as u64, acceptor.0 as u64]);
    let latency_ns = dice.between(100, 1_000) * crate::time::MICROSECOND_NS;
    LinkPlan { dialer, acceptor, latency_ns, jitter_ns: latency_ns / 2, bytes_per_second: 10_000_000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_keeps_the_sites_apart() {
        let topology = Topology::new(1, Shape::Star, 4);
        assert_eq!((topology.nodes.len(), topology.links.len()), (4, 3));
        let spaces: Vec<_> = topology.nodes[2].spaces.keys().map(Space::as_str).collect();
        assert_eq!(spaces, ["catalog", "store-2"]);
        let hub: Vec<_> = topology.nodes[2].peers["hub"].spaces.keys().map(Space::as_str).collect();
        assert_eq!(hub, spaces);
        assert!(!topology.nodes[0].peers["site-2"].relay);
    }

    #[test]
    fn in_a_chain_a_relay_carries_what_is_behind_it() {
        let topology = Topology::new(1, Shape::Chain, 3);
        let spaces: Vec<_> = topology.nodes[1].spaces.keys().map(Space::as_str).collect();
        assert_eq!(spaces, ["catalog", "store-1", "store-2"]);
        assert!(topology.nodes[0].peers["site-1"].relay);
        assert!(topology.nodes[2].peers["site-1"].relay);
    }

    #[test]
    fn in_a_cluster_all_are_linked_and_give_each_other_what_is_the_hubs() {
        let topology = Topology::new(1, Shape::Cluster, 5);
        assert_eq!((topology.nodes.len(), topology.links.len()), (5, 10));
        let sibling = &topology.nodes[2].peers["site-1"];
        let names: Vec<_> = sibling.spaces.keys().map(Space::as_str).collect();
        assert_eq!(names, ["catalog", "shared"]);
        assert!(sibling.relay && !sibling.hub && topology.nodes[2].peers["hub"].hub);
        let catalog = Space::new("catalog").unwrap();
        assert_eq!(topology.nodes[2].spaces[&catalog], SpaceMode::Read);
        assert!(
            topology.links.iter().filter(|link| link.acceptor.0 > 0).all(|link| link.latency_ns <= 1_000_000)
        );
    }

    #[test]
    fn every_node_of_a_mesh_is_linked() {
        for seed in 0..20 {
            let topology = Topology::new(seed, Shape::Mesh, 5);
            assert!(topology.nodes.iter().all(|node| node.peers.len() >= 2));
        }
    }
}
