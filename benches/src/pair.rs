//! A hub and a site on simulated disks, joined by hand: what their frames weigh, and what the core costs.

use crate::cpu::thread_time;
use document::{Address, Collection, Operation, Schema, Schemas, Space};
use replica::{
    Access, Clock, Effect, Input, LinkId, OriginKey, PeerSettings, Replica, Request, RequestId, Settings,
    SpaceMode, TrimPolicy,
};
use serde_json::json;
use sim::{Disk, SimulatedDisk};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// One replica, and the frames that wait to be carried.
pub struct Node {
    replica: Replica<SimulatedDisk>,
    disk: Disk,
    pub(crate) settings: Settings,
    pub(crate) frames: VecDeque<(LinkId, Vec<u8>)>,
    requests: u64,
    link: LinkId,
    core_time: Duration,
}

fn clock() -> Clock {
    Clock { now_ms: 0, wall_ms: 1_700_000_000_000 }
}

/// An inventory document.
#[must_use]
pub fn inventory(number: usize) -> Address {
    let part = format!("store-1/inventory/{number:07}");
    part.parse().expect("an address")
}

/// Settings of a replica that shares all of `store-1` with one peer.
#[must_use]
pub fn settings(name: &str, number: u8, peer: &str) -> Settings {
    let space = Space::new("store-1").expect("a space");
    let access = Access { read: true, write: true };
    let mut schemas = Schemas::default();
    let schema = Schema::parse(include_str!("../../schemas/collections/inventory.json")).expect("a schema");
    schemas.insert(Collection::new("inventory").expect("a collection"), schema);
    let peer_settings =
        PeerSettings { spaces: [(space.clone(), access)].into(), relay: false, snapshots: true, hub: false };
    Settings {
        name: name.to_owned(),
        key: OriginKey { public_key: [number; 32], incarnation: [number; 16] },
        epoch: u64::from(number),
        is_hub: false,
        authority: None,
        spaces: [(space, SpaceMode::Write)].into(),
        peers: [(peer.to_owned(), peer_settings)].into(),
        schemas,
        open_documents_bytes_max: 16 << 20,
        snapshots: replica::SnapshotPolicy::default(),
        trimming: TrimPolicy::default(),
        loads_aside: None,
        idempotency_keys_max: 1 << 20,
        takes_own_past: false,
    }
}

impl Node {
    pub(crate) fn on(disk: Disk, settings: Settings) -> Self {
        let replica = Replica::open(disk.store(), settings.clone()).expect("a new disk opens");
        Self {
            replica,
            disk,
            settings,
            frames: VecDeque::new(),
            requests: 0,
            link: LinkId(0),
            core_time: Duration::ZERO,
        }
    }

    /// Ends the process and starts it again: nothing is left but the disk.
    pub(crate) fn restart(&mut self) {
        *self = Self::on(self.disk.clone(), self.settings.clone());
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.replica.handle(input, clock()).expect("the simulated disk does not fail");
    }

    /// Ends turns until there is no work left, and makes everything durable.
    pub(crate) fn settle(&mut self) {
        loop {
            while self.replica.end_turn().expect("the simulated disk does not fail") {}
            self.take_effects();
            if !self.sync() {
                return;
            }
        }
    }

    /// Ends one turn, makes it durable, and ends the turn of that notice. Work in the background waits.
    pub(crate) fn turn(&mut self) {
        self.replica.end_turn().expect("the simulated disk does not fail");
        self.sync();
        self.replica.end_turn().expect("the simulated disk does not fail");
        self.take_effects();
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.replica.poll_effect() {
            match effect {
                Effect::Send { link, bytes, .. } => self.frames.push_back((link, bytes)),
                Effect::Disconnect { reason, .. } => panic!("{reason}"),
                Effect::Reply { result, .. } => drop(result.expect("an answer")),
                Effect::Renew { reason } => panic!("{reason}"),
                Effect::Event(_) | Effect::Watch { .. } | Effect::Load(_) => {}
            }
        }
    }

    /// Whether there was anything to sync.
    fn sync(&mut self) -> bool {
        let begun = self.disk.begin_sync();
        if begun && let Some(turn) = self.disk.finish_sync().expect("the simulated disk does not fail") {
            self.input(Input::Durable(turn));
        }
        begun
    }

    pub(crate) fn ask(&mut self, address: Address, operation: Operation) {
        self.requests += 1;
        let request = Request::write(address, vec![operation]);
        self.input(Input::Request { id: RequestId(self.requests), request });
    }

    /// Puts `documents` inventory documents, 1,000 a turn.
    pub fn load(&mut self, documents: usize) {
        self.load_at(documents, inventory);
    }

    /// Puts inventory documents where `address` says, 1,000 a turn.
    pub fn load_at(&mut self, documents: usize, address: impl Fn(usize) -> Address) {
        for number in 0..documents {
            let value = json!({"product": number.to_string(), "on_hand": 100, "shelf": "A-12"});
            self.ask(address(number), Operation::Put(value));
            if number % 1_000 == 999 {
                self.settle();
            }
        }
        self.settle();
    }

    /// `changes` sales, spread over the first `documents` documents, `turn` a turn.
    pub fn sell(&mut self, changes: usize, documents: usize, turn: usize) {
        self.sell_at(changes, turn, |number| inventory(number % documents));
    }

    /// `changes` sales where `address` says, `turn` a turn.
    pub fn sell_at(&mut self, changes: usize, turn: usize, address: impl Fn(usize) -> Address) {
        let sale = || Operation::increment("/on_hand", -1).expect("a pointer");
        self.update(0..changes, turn, |number| (address(number), sale()));
    }

    /// The updates of these numbers, `turn` a turn.
    pub fn update(
        &mut self,
        numbers: Range<usize>,
        turn: usize,
        update: impl Fn(usize) -> (Address, Operation),
    ) {
        for first in numbers.clone().step_by(turn) {
            let before = thread_time();
            for number in first..numbers.end.min(first + turn) {
                let (address, operation) = update(number);
                self.ask(address, operation);
            }
            self.replica.end_turn().expect("the simulated disk does not fail");
            self.core_time += thread_time() - before;
            self.settle();
        }
    }

    /// Ends the process: what is left is the disk.
    #[must_use]
    pub fn end(self) -> Disk {
        self.disk
    }

    /// Processor time that the core has taken for updates, until their batches were handed over.
    #[must_use]
    pub fn core_time(&self) -> Duration {
        self.core_time
    }

    /// Changes of a space that are here, or on their way to the disk.
    #[must_use]
    pub fn changes(&self, space: &Space) -> u64 {
        let vector = self.replica.vector(space).expect("the simulated disk does not fail");
        vector.iter().map(|(_, entry)| entry.sequence).sum()
    }

    /// Documents that are open in memory, and changes that are here.
    #[must_use]
    pub fn counts(&mut self) -> (u64, u64) {
        self.input(Input::Request { id: RequestId(0), request: Request::Status });
        while self.replica.end_turn().expect("the simulated disk does not fail") {}
        let status = std::iter::from_fn(|| self.replica.poll_effect()).find_map(|effect| match effect {
            Effect::Reply { result: Ok(replica::Response::Status(status)), .. } => Some(*status),
            _ => None,
        });
        let status = status.expect("a status");
        (status.documents_open, status.spaces.iter().map(|space| space.changes).sum())
    }
}

/// What a reconciliation took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reconciled {
    /// Bytes of all frames but those that carry documents.
    pub bytes: usize,
    /// Bytes of those.
    pub document_bytes: usize,
    /// Times that frames went one way, until the last document came: two are a round trip.
    pub ways: usize,
    /// Processor time of both cores.
    pub core_time: Duration,
}

/// A hub and a site.
pub struct Pair {
    /// Only takes what the site writes.
    pub hub: Node,
    /// Writes.
    pub site: Node,
    links: u64,
}

impl Default for Pair {
    fn default() -> Self {
        let hub = Node::on(Disk::default(), settings("hub", 1, "site"));
        let site = Node::on(Disk::default(), settings("site", 2, "hub"));
        Self { hub, site, links: 0 }
    }
}

impl Pair {
    /// Ends the connection and both processes.
    pub fn cut(&mut self) {
        self.hub.restart();
        self.site.restart();
    }

    /// The site restarts and forgets its journal: the hub, which lacks some of it, must reconcile.
    pub fn forget(&mut self) {
        self.site.settings.trimming = TrimPolicy { age_ms: i64::MAX, bytes: 0 };
        self.cut();
        self.site.input(Input::Request { id: RequestId(0), request: Request::Status });
        self.site.settle();
    }

    /// Connects, and carries frames until both are silent.
    pub fn reconcile(&mut self) -> Reconciled {
        self.up();
        let (mut reconciled, mut ways) = (Reconciled::default(), 0);
        loop {
            let before = thread_time();
            self.hub.settle();
            self.site.settle();
            reconciled.core_time += thread_time() - before;
            let (from_hub, from_site) =
                (std::mem::take(&mut self.hub.frames), std::mem::take(&mut self.site.frames));
            if from_hub.is_empty() && from_site.is_empty() {
                return reconciled;
            }
            ways += 1;
            for (node, frames) in [(&mut self.site, from_hub), (&mut self.hub, from_site)] {
                for (_, frame) in frames {
                    if matches!(wire::decode(&frame), Ok(wire::Frame::FillDocuments(_))) {
                        reconciled.document_bytes += frame.len();
                        reconciled.ways = ways;
                    } else {
                        reconciled.bytes += frame.len();
                    }
                    node.input(Input::Frame { link: node.link, bytes: frame });
                }
            }
        }
    }

    fn up(&mut self) {
        self.links += 1;
        for (node, peer) in [(&mut self.hub, ("site", 2)), (&mut self.site, ("hub", 1))] {
            node.link = LinkId(self.links);
            node.input(Input::PeerUp { link: node.link, peer: peer.0.to_owned(), public_key: [peer.1; 32] });
            node.settle();
        }
    }

    /// Connects, and carries frames until both are silent. Returns their bytes, both ways.
    pub fn connect(&mut self) -> usize {
        self.up();
        self.carry()
    }

    /// Carries frames until both are silent. Returns their bytes, both ways.
    pub fn carry(&mut self) -> usize {
        let mut bytes = 0;
        loop {
            self.hub.settle();
            self.site.settle();
            let (from_hub, from_site) =
                (std::mem::take(&mut self.hub.frames), std::mem::take(&mut self.site.frames));
            if from_hub.is_empty() && from_site.is_empty() {
                return bytes;
            }
            for (node, frames) in [(&mut self.site, from_hub), (&mut self.hub, from_site)] {
                for (_, frame) in frames {
                    bytes += frame.len();
                    node.input(Input::Frame { link: node.link, bytes: frame });
                }
            }
        }
    }
}
