//! Rights by documents of `system`: several replicas, the first of them the authority's.

mod fills;
mod matrix;
mod order;
mod past;
mod restarts;
mod rights;
mod schemas;
mod sent;

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
    /// The lane of fills is the quicker one.
    pub(super) fills_overtake: bool,
    /// What reads the deltas that a node sends over a connection.
    decoders: BTreeMap<(LinkId, usize), wire::DeltaDecoder>,
    /// The positions that hellos build on, and who said them.
    since: Vec<(usize, u64)>,
    /// How often each change of `store-1` was sent: from where to where, its origin and number.
    sent: BTreeMap<((usize, usize), Origin, u64), u32>,
    /// What is on its way over a connection to a node, where it is carried frame by frame.
    streams: BTreeMap<(LinkId, usize), VecDeque<Vec<u8>>>,
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
    let peers = (0..5).filter(|peer| *peer != node).map(|peer| {
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
        loads_aside: None,
        idempotency_keys_max: 1 << 20,
        takes_own_past: false,
    }
}

impl Fleet {
    pub(super) fn new(nodes: usize) -> Self {
        let nodes = (0..nodes).map(|node| Node::new(settings(node))).collect();
        Self {
            nodes,
            links: BTreeMap::new(),
            dialled: 0,
            redials: false,
            fills_overtake: false,
            decoders: BTreeMap::new(),
            since: Vec::new(),
            sent: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    pub(super) fn connect(&mut self, one: usize, other: usize) {
        self.dial(one, other);
        self.carry();
    }

    /// A connection over which nothing is carried yet.
    pub(super) fn dial(&mut self, one: usize, other: usize) {
        self.dialled += 1;
        self.links.insert(self.dialled, (one, other));
        for (node, peer) in [(one, other), (other, one)] {
            let public_key = self.nodes[peer].settings.key.public_key;
            let link = LinkId(self.dialled);
            self.nodes[node].input(Input::PeerUp { link, peer: name(peer), public_key });
        }
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
        while self.carry_round(&mut redialled) {
            assert!(redialled < 20, "connections end for ever");
        }
    }

    /// Carries what every node has sent so far; returns whether something was.
    pub(super) fn carry_round(&mut self, redialled: &mut usize) -> bool {
        let mut moved = false;
        for node in 0..self.nodes.len() {
            self.nodes[node].settle();
            for link in std::mem::take(&mut self.nodes[node].ended) {
                let Some((one, other)) = self.links.get(&link.0).copied() else { continue };
                self.end(link.0);
                *redialled += 1;
                if self.redials && self.nodes[node].disconnects.last() != Some(&DisconnectReason::Revoked) {
                    self.dial(one, other);
                }
                moved = true;
            }
        }
        for node in 0..self.nodes.len() {
            let mut frames = std::mem::take(&mut self.nodes[node].frames);
            if self.fills_overtake {
                let is_of_fill = |bytes: &[u8]| bytes[0] >= 10;
                frames.make_contiguous().sort_by_key(|(_, bytes)| !is_of_fill(bytes));
            }
            for (link, bytes) in frames {
                let Some((one, other)) = self.links.get(&link.0).copied() else { continue };
                let peer = if node == one { other } else { one };
                self.check_sent((node, peer), link, &bytes);
                self.nodes[peer].input(Input::Frame { link, bytes });
                moved = true;
            }
        }
        moved
    }

    /// Carries at most so many frames, one by one: of those that are the first of their stream, any.
    fn carry_some(&mut self, chance: &mut u64, most: usize) {
        for _ in 0..most {
            for node in 0..self.nodes.len() {
                self.nodes[node].settle();
                for (link, bytes) in std::mem::take(&mut self.nodes[node].frames) {
                    let (one, other) = self.links[&link.0];
                    let peer = if node == one { other } else { one };
                    self.check_sent((node, peer), link, &bytes);
                    self.streams.entry((link, peer)).or_default().push_back(bytes);
                }
            }
            self.streams.retain(|_, stream| !stream.is_empty());
            // Knuth's generator, of which the upper bits serve.
            *chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let Some(place) = ((*chance >> 33) as usize).checked_rem(self.streams.len()) else { return };
            let Some(((link, peer), stream)) = self.streams.iter_mut().nth(place) else { return };
            let (link, peer, bytes) = (*link, *peer, stream.pop_front().unwrap());
            self.nodes[peer].input(Input::Frame { link, bytes });
        }
    }

    /// Of no space where the peer has no right is anything said, and rows only where it may read.
    fn check_sent(&mut self, (node, peer): (usize, usize), link: LinkId, bytes: &[u8]) {
        let key = self.nodes[peer].settings.key.public_key;
        let rights = |name_of: &str| self.nodes[node].replica.rights(&name(peer), &key, &space(name_of));
        let (said, sent): (Vec<String>, Vec<String>) = match wire::decode(bytes).unwrap() {
            Frame::Hello(hello) => {
                self.since.push((node, hello.since));
                (hello.spaces.into_iter().map(|vector| vector.space).collect(), vec![])
            }
            Frame::Rewind(rewind) => (rewind.spaces.into_iter().map(|vector| vector.space).collect(), vec![]),
            Frame::Delta(packed) => {
                let decoder = self.decoders.entry((link, node)).or_default();
                // What is named by a part of its hash was looked at when it was sent.
                match decoder.unpack(&packed, |_, _| None) {
                    Ok(wire::Unpacked::Delta(delta)) => {
                        let is_of = |row: &&wire::Row| {
                            let of = delta.documents[row.document as usize].space as usize;
                            delta.spaces[of] == "store-1"
                        };
                        for row in delta.rows.iter().filter(is_of) {
                            let origin = origin_of(&delta.origins[row.origin as usize]);
                            *self.sent.entry(((node, peer), origin, row.sequence)).or_default() += 1;
                        }
                        (vec![], delta.spaces)
                    }
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
            | Frame::FillAhead(_)
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

    pub(super) fn disconnects(&mut self) -> Vec<(usize, DisconnectReason)> {
        let nodes = self.nodes.iter_mut().enumerate();
        let all = nodes.flat_map(|(node, has)| has.disconnects.drain(..).map(move |reason| (node, reason)));
        all.collect()
    }
}

#[track_caller]
pub(super) fn written(answer: Result<Response, RequestError>) -> Option<Stamp> {
    match answer {
        Ok(Response::Written(written)) => written.stamp,
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
