//! What nodes carry, and what they grant each other.

use super::{NodeId, Topology};
use document::Space;
use replica::{Access, PeerSettings, Settings, SpaceMode};

/// Each way in full.
const FULL: Access = Access { read: true, write: true };
/// It is given, never taken.
const GIVEN: Access = Access { read: true, write: false };
/// It is taken, never given.
const TAKEN: Access = Access { read: false, write: true };

fn space(name: &str) -> Option<Space> {
    Space::new(name).ok()
}

/// The catalog flows from the hub down; a site's space is shared by the hub, the site and those between.
pub(super) fn grant_tree(nodes: &mut [Settings], pairs: &[(usize, usize)]) {
    for (index, node) in nodes.iter_mut().enumerate() {
        let mode = if index == 0 { SpaceMode::Write } else { SpaceMode::Read };
        node.spaces.extend(space("catalog").map(|space| (space, mode)));
        for site in below(index, pairs) {
            let mode = if index == 0 || index == site { SpaceMode::Write } else { SpaceMode::Read };
            node.spaces.extend(space(&format!("store-{site}")).map(|space| (space, mode)));
        }
    }
    for &(child, parent) in pairs {
        let sites = below(child, pairs);
        let stores = || sites.iter().filter_map(|site| space(&format!("store-{site}")));
        // Changes of others come up from a node with nodes below it, and down from every node: who lost its disk gets
        // its own past from others. So a relay takes them from all below it.
        let relay = sites.len() > 1 || parent != 0;
        let mut up = PeerSettings { relay, snapshots: relay, ..PeerSettings::default() };
        up.spaces.extend(space("catalog").map(|space| (space, GIVEN)));
        up.spaces.extend(stores().map(|space| (space, FULL)));
        let mut down =
            PeerSettings { relay: true, snapshots: true, hub: parent == 0, ..PeerSettings::default() };
        down.spaces.extend(space("catalog").map(|space| (space, TAKEN)));
        down.spaces.extend(stores().map(|space| (space, FULL)));
        know(nodes, (parent, child), up);
        know(nodes, (child, parent), down);
    }
}

/// All share one space.
pub(super) fn grant_mesh(nodes: &mut [Settings], pairs: &[(usize, usize)]) {
    for node in nodes.iter_mut() {
        node.spaces.extend(space("shared").map(|space| (space, SpaceMode::Write)));
    }
    for &(one, other) in pairs {
        let mut peer = PeerSettings { relay: true, snapshots: true, ..PeerSettings::default() };
        peer.spaces.extend(space("shared").map(|space| (space, FULL)));
        know(nodes, (one, other), peer.clone());
        know(nodes, (other, one), peer);
    }
}

/// All share one space with all; the catalog flows from the hub to the sites, and between them either way.
pub(super) fn grant_cluster(nodes: &mut [Settings], pairs: &[(usize, usize)]) {
    grant_mesh(nodes, pairs);
    for (index, node) in nodes.iter_mut().enumerate() {
        let mode = if index == 0 { SpaceMode::Write } else { SpaceMode::Read };
        node.spaces.extend(space("catalog").map(|space| (space, mode)));
        let node_is_hub = index == 0;
        for peer in node.peers.values_mut() {
            let access = match (node_is_hub, peer.hub) {
                (true, _) => GIVEN,
                (false, true) => TAKEN,
                (false, false) => FULL,
            };
            peer.spaces.extend(space("catalog").map(|space| (space, access)));
        }
    }
}

/// A node, unless it is the hub, and all nodes that are reached through it.
fn below(node: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
    let mut found = if node == 0 { Vec::new() } else { vec![node] };
    for &(child, parent) in pairs {
        if parent == node {
            found.extend(below(child, pairs));
        }
    }
    found.sort_unstable();
    found
}

fn know(nodes: &mut [Settings], (node, peer): (usize, usize), settings: PeerSettings) {
    let settings = PeerSettings { hub: peer == 0, ..settings };
    if let Some(node) = nodes.get_mut(node) {
        node.peers.insert(Topology::name(NodeId(peer)), settings);
    }
}
