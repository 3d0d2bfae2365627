//! Rights by documents of `system`: several replicas, the first of them the authority's.

mod fills;
mod matrix;
mod restarts;
mod schemas;

use super::*;
use document::Operation;
use wire::Frame;

/// Everything but snapshots.
pub(super) const FULL: Rights = Rights { read: true, write: true, relay: true, snapshot: false };
pub(super) const READ: Rights = Rights { read: true, write: false, relay: false, snapshot: false };
pub(super) const READ_WRITE: Rights = Rights { read: true, write: true, relay: false, snapshot: false };

pub(super) fn name(node: usize) -> String {
    if node == 0 { "hub".into() } else { format!("site-{node}") }
}

/// Replicas, and the connections between them.
pub(super) struct Fleet {
    pub(super) nodes: Vec<Node>,
    links: BTreeMap<u64, (usize, usize)>,
    dialled: u64,
    /// Connections that a replica ended are made again.
    pub(super) redials: bool,
    /// What reads the deltas that a node sends over a connection.
    decoders: BTreeMap<(LinkId, usize), wire::DeltaDecoder>,
}

/// A replica that carries every space and lets its services write all; what it may do is up to documents. It knows its
/// peers' names, and shares with the hub what it has.
pub(super) fn settings(node: usize) -> Settings {
    let number = u8::try_from(node + 1).unwrap();
    let spaces = ["catalog", "store-1", "store-2"].map(space);
    let hub = PeerSettings {
        spaces: spaces.clone().map(|space| (space, BOTH)).into(),
        relay: true,
        hub: true,
        snapshots: true,
    };
    let peers = (0..4).filter(|peer| *peer != node).map(|peer| {
        let settings = if peer == 0 { hub.clone() } else { PeerSettings::default() };
        (name(peer), settings)
    });
    Settings {
        name: name(node),
        key: key(number),
        epoch: number.into(),
        is_hub: node == 0,
        authority: Some(key(1).public_key),
        spaces: spaces.map(|space| (space, SpaceMode::Write)).into(),
        peers: peers.collect(),
        schemas: schemas(),
        open_documents_bytes_max: 1 << 20,
        snapshots: SnapshotPolicy::default(),
        trimming: TrimPolicy::default(),
        takes_own_past: false,
    }
}

impl Fleet {
    pub(super) fn new(nodes: usize) -> Self {
        let nodes = (0..nodes).map(|node| Node::new(settings(node))).collect();
        Self { nodes, links: BTreeMap::new(), dialled: 0, redials: false, decoders: BTreeMap::new() }
    }

    pub(super) fn connect(&mut self, one: usize, other: usize) {
        self.dialled += 1;
        self.links.insert(self.dialled, (one, other));
        for (node, peer) in [(one, other), (other, one)] {
            let public_key = self.nodes[peer].settings.key.public_key;
            let link = LinkId(self.dialled);
            self.nodes[node].input(Input::PeerUp { link, peer: name(peer), public_key });
        }
        self.carry();
    }

    pub(super) fn cut(&mut self, one: usize, other: usize) {
        let ends = [(one, other), (other, one)];
        let cut: Vec<u64> =
            self.links.iter().filter(|(_, pair)| ends.contains(pair)).map(|(link, _)| *link).collect();
        cut.into_iter().for_each(|link| self.end(link));
    }

    fn end(&mut self, link: u64) {
        let Some((one, other)) = self.links.remove(&link) else { return };
        for node in [one, other] {
            self.nodes[node].input(Input::PeerDown { link: LinkId(link) });
            self.nodes[node].settle();
        }
    }

    /// The process dies, and starts again with what is durable; its connections end.
    pub(super) fn restart(&mut self, node: usize) {
        let cut: Vec<u64> =
            self.links.iter().filter(|(_, (a, b))| [a, b].contains(&&node)).map(|(link, _)| *link).collect();
        cut.into_iter().for_each(|link| self.end(link));
        self.nodes[node].crash();
    }

    pub(super) fn is_linked(&self, one: usize, other: usize) -> bool {
        self.links.values().any(|pair| *pair == (one, other) || *pair == (other, one))
    }

    /// Carries frames until all are silent.
    pub(super) fn carry(&mut self) {
        let mut redialled = 0;
        loop {
            let mut moved = false;
            for node in 0..self.nodes.len() {
                self.nodes[node].settle();
                for link in std::mem::take(&mut self.nodes[node].ended) {
                    let Some((one, other)) = self.links.get(&link.0).copied() else { continue };
                    self.end(link.0);
                    redialled += 1;
                    assert!(redialled < 20, "connections end for ever");
                    if self.redials && self.nodes[node].disconnects.last() != Some(&DisconnectReason::Revoked)
                    {
                        self.connect(one, other);
                    }
                    moved = true;
                }
            }
            for node in 0..self.nodes.len() {
                for (link, bytes) in std::mem::take(&mut self.nodes[node].frames) {
                    let Some((one, other)) = self.links.get(&link.0).copied() else { continue };
                    let peer = if node == one { other } else { one };
                    self.check_sent((node, peer), link, &bytes);
                    self.nodes[peer].input(Input::Frame { link, bytes });
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Of no space where the peer has no right is anything said, and rows only where it may read.
    fn check_sent(&mut self, (node, peer): (usize, usize), link: LinkId, bytes: &[u8]) {
        let key = self.nodes[peer].settings.key.public_key;
        let rights = |name_of: &str| self.nodes[node].replica.rights(&name(peer), &key, &space(name_of));
        let (said, sent): (Vec<String>, Vec<String>) = match wire::decode(bytes).unwrap() {
            Frame::Hello(hello) => (hello.spaces.into_iter().map(|vector| vector.space).collect(), vec![]),
            Frame::Rewind(rewind) => (rewind.spaces.into_iter().map(|vector| vector.space).collect(), vec![]),
            Frame::Delta(packed) => {
                let decoder = self.decoders.entry((link, node)).or_default();
                // What is named by a part of its hash was looked at when it was sent.
                match decoder.unpack(&packed, |_, _| None) {
                    Ok(wire::Unpacked::Delta(delta)) => (vec![], delta.spaces),
                    Ok(wire::Unpacked::Gap) | Err(_) => (vec![], vec![]),
                }
            }
            Frame::FillOffer(offer) => (vec![], vec![offer.space]),
            Frame::FillMore(_)
            | Frame::FillSymbols(_)
            | Frame::FillListing(_)
            | Frame::FillWant(_)
            | Frame::FillDocuments(_)
            | Frame::FillAck(_)
            | Frame::FillFinished(_)
            | Frame::Ack(_)
            | Frame::Ask
            | Frame::Fork(_)
            | Frame::Unknown(_) => (vec![], vec![]),
        };
        for space in said {
            assert_ne!(rights(&space), Rights::default(), "{node} names {space} to {peer}");
        }
        for space in sent {
            assert!(rights(&space).read, "{node} sends rows of {space} to {peer}");
        }
    }

    pub(super) fn grant(&mut self, node: usize, spaces: &[(&str, Rights)]) -> Option<Stamp> {
        let request = self.grant_request(node, spaces);
        written(self.nodes[0].answer(request))
    }

    fn grant_request(&self, node: usize, spaces: &[(&str, Rights)]) -> Request {
        Request::Grant {
            public_key: self.key(node),
            name: name(node),
            spaces: spaces.iter().map(|(name, rights)| (space(name), *rights)).collect(),
        }
    }

    pub(super) fn revoke(&mut self, node: usize) -> Option<Stamp> {
        let public_key = self.key(node);
        written(self.nodes[0].answer(Request::Revoke { public_key }))
    }

    pub(super) fn key(&self, node: usize) -> [u8; 32] {
        self.nodes[node].settings.key.public_key
    }

    /// What a node has of another's changes in a space.
    pub(super) fn has(&self, node: usize, of: usize, name: &str) -> u64 {
        let vector = self.nodes[node].replica.vector(&space(name)).unwrap();
        let author = origin_of(&self.nodes[of].settings.key);
        vector.iter().find(|(origin, _)| *origin == author).map_or(0, |(_, entry)| entry.sequence)
    }

    /// The third site is enrolled after the second was last connected, and writes; the first has it, and may relay it.
    pub(super) fn third_writes_at_first(&mut self) {
        for node in [1, 2] {
            self.grant(node, &[("store-1", FULL)]);
        }
        for node in [1, 2, 3] {
            self.connect(0, node);
            self.cut(0, node);
        }
        self.grant(3, &[("store-1", READ_WRITE)]);
        for node in [1, 3] {
            self.connect(0, node);
            self.cut(0, node);
        }
        self.connect(1, 3);
        self.nodes[3].put("store-1/note/1", json!({"n": 3}));
        self.carry();
    }

    fn disconnects(&mut self) -> Vec<(usize, DisconnectReason)> {
        let nodes = self.nodes.iter_mut().enumerate();
        let all = nodes.flat_map(|(node, has)| has.disconnects.drain(..).map(move |reason| (node, reason)));
        all.collect()
    }
}

#[track_caller]
pub(super) fn written(answer: Result<Response, RequestError>) -> Option<Stamp> {
    match answer {
        Ok(Response::Written(stamp)) => stamp,
        other => panic!("{other:?}"),
    }
}

pub(super) fn put(at: &str, n: i64) -> Request {
    Request::write(address(at), vec![Operation::Put(json!({ "n": n }))])
}

fn stops(node: &Node) -> Vec<(Origin, StopReason)> {
    let stops = node.events.iter().filter_map(|event| {
        let Event::StreamStopped { origin, reason, .. } = event else { return None };
        Some((*origin, *reason))
    });
    stops.collect()
}

#[test]
fn a_fresh_site_knows_its_hub_by_settings_and_its_rights_by_documents() {
    let mut fleet = Fleet::new(2);
    fleet.nodes[0].put("catalog/product/1", json!({"price": 1}));
    fleet.nodes[0].put("store-2/note/1", json!({"n": 1}));
    fleet.grant(1, &[("catalog", READ), ("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    assert_eq!(fleet.disconnects(), []);
    let document = format!("system/access/{}", "02".repeat(32));
    assert_eq!(fleet.nodes[1].get(&document).unwrap()["name"], "site-1");
    assert_eq!(fleet.nodes[1].get("catalog/product/1"), Some(json!({"price": 1})));
    assert_eq!(fleet.nodes[1].get("store-2/note/1"), None);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 2}));
    fleet.carry();
    assert_eq!(fleet.nodes[0].get("store-1/note/1"), Some(json!({"n": 2})));
    for at in ["catalog/product/1", "store-2/note/1"] {
        let denied = fleet.nodes[1].answer(put(at, 1));
        assert_eq!(denied, Err(RequestError::NoRight(address(at).space)));
    }
}

#[test]
fn only_the_authority_writes_system_and_its_documents_only_by_their_requests() {
    let mut fleet = Fleet::new(2);
    let request = fleet.grant_request(1, &[]);
    assert_eq!(fleet.nodes[1].answer(request.clone()), Err(AccessError::NotAuthority.into()));
    let public_key = fleet.key(1);
    assert_eq!(fleet.nodes[1].answer(Request::Revoke { public_key }), Err(AccessError::NotAuthority.into()));
    let elsewhere = fleet.nodes[1].answer(put("system/note/1", 1));
    assert_eq!(elsewhere, Err(RequestError::ReadOnly(space("system"))));
    for collection in ["access", "schema"] {
        let direct = fleet.nodes[0].answer(put(&format!("system/{collection}/1"), 1));
        let reserved = document::Collection::new(collection).unwrap();
        assert_eq!(direct, Err(AccessError::Reserved(reserved).into()));
    }
    assert!(fleet.nodes[0].answer(put("system/note/1", 1)).is_ok());
    let own = Request::Revoke { public_key: fleet.key(0) };
    assert_eq!(fleet.nodes[0].answer(own), Err(AccessError::Authority.into()));
    assert!(fleet.grant(1, &[("store-1", FULL)]).is_some());
    assert_eq!(fleet.grant(1, &[("store-1", FULL)]), None, "it says so already");
    assert!(fleet.revoke(1).is_some());
    assert_eq!(fleet.revoke(1), None);
    assert_eq!(fleet.nodes[0].answer(request), Err(AccessError::Revoked.into()));
    // Without an authority there are no such requests.
    let mut alone = Node::new(hub_settings());
    assert_eq!(alone.answer(Request::Revoke { public_key }), Err(AccessError::NotAuthority.into()));
}

#[test]
fn a_peer_whose_rights_change_comes_back_with_the_new_share() {
    let mut fleet = Fleet::new(2);
    fleet.grant(1, &[("catalog", READ), ("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    fleet.redials = true;
    fleet.nodes[0].put("catalog/product/1", json!({"price": 1}));
    fleet.grant(1, &[("store-1", READ), ("store-2", READ_WRITE)]);
    fleet.nodes[0].put("catalog/product/1", json!({"price": 2}));
    fleet.carry();
    assert_eq!(fleet.disconnects(), [(0, DisconnectReason::RightsChanged)]);
    assert_ne!(fleet.nodes[1].get("catalog/product/1"), Some(json!({"price": 2})));
    let refused = fleet.nodes[1].answer(put("store-1/note/1", 9));
    assert_eq!(refused, Err(RequestError::NoRight(space("store-1"))));
    fleet.nodes[1].put("store-2/note/1", json!({"n": 3}));
    fleet.carry();
    assert_eq!((fleet.has(0, 1, "store-1"), fleet.has(0, 1, "store-2")), (1, 1));
}

#[test]
fn rights_that_come_after_the_rows_are_seen_without_a_new_connection() {
    // The first relays what the third wrote to the second.
    let mut fleet = Fleet::new(4);
    fleet.third_writes_at_first();
    // What hangs on it waits with it.
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.cut(1, 3);
    // The second's `system` is behind, and the first may not relay `system`.
    fleet.connect(1, 2);
    let author = origin_of(&fleet.nodes[3].settings.key);
    let relay = origin_of(&fleet.nodes[1].settings.key);
    assert_eq!(
        stops(&fleet.nodes[2]),
        [(author, StopReason::RightUnknown), (relay, StopReason::DependsOnStopped)]
    );
    assert_eq!(fleet.nodes[2].get("store-1/note/1"), None);
    fleet.nodes[2].events.clear();
    fleet.connect(0, 2);
    assert_eq!(fleet.disconnects(), []);
    assert_eq!(fleet.nodes[2].get("store-1/note/1"), Some(json!({"n": 1})));
    assert_eq!(stops(&fleet.nodes[2]), []);
    assert!(fleet.nodes[2].events.contains(&Event::Rewound { peer: name(1) }));
}

#[test]
fn a_revocation_in_mid_stream_cuts_the_writer_off_everywhere() {
    // hub – site 1 (relay) – site 2
    let mut fleet = Fleet::new(4);
    fleet.grant(1, &[("store-1", FULL), ("system", FULL)]);
    fleet.grant(2, &[("store-1", READ_WRITE)]);
    fleet.grant(3, &[("store-1", READ_WRITE)]);
    for node in [2, 3] {
        fleet.connect(0, node);
        fleet.cut(0, node);
    }
    fleet.connect(0, 1);
    fleet.connect(1, 2);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    assert_eq!(fleet.has(0, 2, "store-1"), 1);
    fleet.cut(0, 1);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 2}));
    fleet.nodes[2].put("store-1/note/2", json!({"n": 3}));
    fleet.carry();
    assert_eq!(fleet.has(1, 2, "store-1"), 3, "the relay has more than the hub");
    fleet.revoke(2);
    // The hub refuses it at once, and the relay as soon as it hears of it.
    fleet.connect(0, 2);
    assert_eq!(fleet.disconnects(), [(0, DisconnectReason::Revoked)]);
    fleet.connect(0, 1);
    assert_eq!(fleet.disconnects(), [(1, DisconnectReason::Revoked)]);
    assert!(!fleet.is_linked(1, 2));
    let beyond = Event::RowsBeyondCut {
        name: name(2),
        space: space("store-1"),
        origin: origin_of(&key(3)),
        last: 1,
        rows: 2,
    };
    assert!(fleet.nodes[1].events.contains(&beyond), "{:?}", fleet.nodes[1].events);
    assert_eq!(fleet.has(0, 2, "store-1"), 1);
    fleet.connect(1, 2);
    assert_eq!(fleet.disconnects(), [(1, DisconnectReason::Revoked)]);
    // A relay gives what was before the cut, for ever, and keeps the rest.
    fleet.connect(1, 3);
    assert_eq!((fleet.has(3, 2, "store-1"), stops(&fleet.nodes[3])), (1, vec![]));
    assert_eq!(fleet.nodes[1].status().peers.iter().map(|peer| peer.backlog_rows).sum::<u64>(), 0);
    assert_eq!(fleet.disconnects(), []);
}

#[test]
fn a_relay_that_does_not_know_of_the_cut_is_not_believed() {
    let mut fleet = Fleet::new(3);
    fleet.grant(1, &[("store-1", FULL)]);
    fleet.grant(2, &[("store-1", READ_WRITE)]);
    for node in [1, 2] {
        fleet.connect(0, node);
        fleet.cut(0, node);
    }
    fleet.connect(1, 2);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    fleet.nodes[1].put("store-1/note/1", json!({"n": 2}));
    fleet.nodes[1].put("store-1/note/2", json!({"n": 2}));
    fleet.revoke(2);
    // Its own rows are on their way while the hub's document is.
    fleet.connect(0, 1);
    assert_eq!((fleet.has(0, 2, "store-1"), fleet.has(1, 2, "store-1")), (0, 1));
    assert_eq!(fleet.disconnects(), [(1, DisconnectReason::Revoked)]);
    assert!(fleet.is_linked(0, 1), "the relay did nothing wrong");
    // What the relay wrote on top of it cannot be had; it says so and the link lives.
    let stopped = stops(&fleet.nodes[0]);
    assert!(stopped.iter().any(|(_, reason)| *reason == StopReason::DependsOnStopped), "{stopped:?}");
    // Once the relay knows the cut, it does not even send what the rest hangs on.
    for note in ["store-1/note/3", "store-1/note/4"] {
        fleet.nodes[0].put(note, json!({"n": 5}));
        fleet.carry();
        assert_eq!(fleet.nodes[1].get(note), Some(json!({"n": 5})));
        fleet.cut(0, 1);
        fleet.nodes[0].events.clear();
        fleet.connect(0, 1);
        let stopped = stops(&fleet.nodes[0]);
        assert_eq!(stopped, [(origin(2), StopReason::DependsOnStopped)]);
        assert_eq!(fleet.disconnects(), []);
    }
}

#[test]
fn a_name_that_a_document_has_belongs_to_its_key() {
    let mut fleet = Fleet::new(2);
    let all =
        PeerSettings { spaces: [(space("store-1"), BOTH)].into(), relay: true, hub: false, snapshots: true };
    fleet.nodes[0].settings.peers.insert(name(1), all);
    fleet.restart(0);
    let (hub, store) = (&fleet.nodes[0].replica, space("store-1"));
    assert_eq!(hub.rights("site-1", &[77; 32], &store), Rights { snapshot: true, ..FULL });
    fleet.grant(1, &[("store-1", READ)]);
    let hub = &fleet.nodes[0].replica;
    assert_eq!(hub.rights("site-1", &fleet.key(1), &store), READ);
    assert_eq!(hub.rights("site-1", &[77; 32], &store), Rights::default());
    assert_eq!(hub.rights("site-1", &[77; 32], &space("system")), Rights::default());
    fleet.nodes[0].input(Input::PeerUp { link: LinkId(9), peer: name(1), public_key: [77; 32] });
    fleet.nodes[0].settle();
    assert_eq!(fleet.disconnects(), [(0, DisconnectReason::UnknownPeer { peer: name(1) })]);
}

#[test]
fn who_has_a_document_needs_no_settings() {
    let mut fleet = Fleet::new(2);
    fleet.nodes[0].settings.peers.clear();
    fleet.restart(0);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    assert_eq!((fleet.has(0, 1, "store-1"), fleet.disconnects()), (1, vec![]));
    assert_eq!(fleet.nodes[0].status().peers[0].peer, "site-1");
}

/// A hub whose settings let the second site write, which has done so, as long as no document says what it may do.
fn settled() -> Fleet {
    let mut fleet = Fleet::new(3);
    let all =
        PeerSettings { spaces: [(space("store-1"), BOTH)].into(), relay: true, hub: false, snapshots: true };
    fleet.nodes[0].settings.peers.insert(name(2), all);
    fleet.restart(0);
    fleet.grant(1, &[("store-1", READ)]);
    fleet.connect(0, 2);
    fleet
}

#[test]
fn a_session_starts_with_system() {
    let mut fleet = settled();
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    // In the hub's journal the row comes before what it may be written by.
    fleet.grant(2, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    assert_eq!(fleet.nodes[1].get("store-1/note/1"), Some(json!({"n": 1})));
    assert_eq!(stops(&fleet.nodes[1]), []);
    assert!(!fleet.nodes[1].events.contains(&Event::Rewound { peer: name(0) }));
}

#[test]
fn a_right_and_what_was_written_by_it_go_out_in_two_frames() {
    let mut fleet = settled();
    fleet.connect(0, 1);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    // One turn of the hub takes both, and its next pump has both.
    let all = Rights { snapshot: true, ..FULL };
    let request = fleet.grant_request(2, &[("store-1", all), ("system", all)]);
    fleet.nodes[0].ask(request);
    for (link, bytes) in std::mem::take(&mut fleet.nodes[2].frames) {
        fleet.nodes[0].input(Input::Frame { link, bytes });
    }
    fleet.carry();
    assert_eq!(fleet.has(0, 2, "store-1"), 1);
    assert_eq!(fleet.nodes[1].get("store-1/note/1"), Some(json!({"n": 1})));
    assert_eq!((stops(&fleet.nodes[1]), fleet.disconnects()), (vec![], vec![]));
}

#[test]
fn what_was_held_for_a_peer_whose_rights_end_never_leaves() {
    let mut fleet = Fleet::new(2);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    for (link, bytes) in std::mem::take(&mut fleet.nodes[1].frames) {
        fleet.nodes[0].input(Input::Frame { link, bytes });
    }
    // The acknowledgement waits for the disk.
    fleet.nodes[0].end_turn();
    let public_key = fleet.key(1);
    fleet.nodes[0].ask(Request::Revoke { public_key });
    fleet.nodes[0].settle();
    assert!(fleet.nodes[0].frames.is_empty(), "not even the acknowledgement");
    assert_eq!(fleet.nodes[0].disconnects, [DisconnectReason::Revoked]);
    // The cut has what was taken before, durable or not.
    let document = fleet.nodes[0].get(&format!("system/access/{}", "02".repeat(32))).unwrap();
    assert_eq!(document["cuts"], json!({"store-1": {origin(2).to_string(): 1}}));
}

#[test]
fn an_acknowledgement_of_a_hello_is_none_of_rows() {
    // The first row that there ever was is what a site may do.
    let mut fleet = Fleet::new(2);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    for (node, peer) in [(0, 1), (1, 0)] {
        let public_key = fleet.key(peer);
        fleet.nodes[node].input(Input::PeerUp { link: LinkId(90), peer: name(peer), public_key });
        fleet.nodes[node].settle();
    }
    let hellos = [0, 1].map(|node: usize| std::mem::take(&mut fleet.nodes[node].frames));
    let frames_to = |fleet: &mut Fleet, node: usize, frames: VecDeque<(LinkId, Vec<u8>)>| {
        for (link, bytes) in frames {
            fleet.nodes[node].input(Input::Frame { link, bytes });
        }
        fleet.nodes[node].settle();
    };
    let [of_hub, of_site] = hellos;
    frames_to(&mut fleet, 0, of_site);
    frames_to(&mut fleet, 1, of_hub);
    let acks = std::mem::take(&mut fleet.nodes[1].frames);
    assert!(acks.iter().any(|(_, bytes)| matches!(wire::decode(bytes), Ok(Frame::Ack(_)))));
    frames_to(&mut fleet, 0, acks);
    // What the hub sent is lost with the connection.
    for node in [0, 1] {
        fleet.nodes[node].input(Input::PeerDown { link: LinkId(90) });
        fleet.nodes[node].settle();
        fleet.nodes[node].frames.clear();
    }
    fleet.connect(0, 1);
    assert_eq!(fleet.has(1, 0, "system"), 1);
}
