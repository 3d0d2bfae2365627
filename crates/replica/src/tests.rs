//! Two replicas in memory, joined by hand.

mod access;
mod background;
mod blocked;
mod budgets;
mod conditions;
mod damaged;
mod dropped;
mod exchange;
mod fill;
mod fill_changed;
mod fill_claims;
mod fillers;
mod hello;
mod hostile;
mod loading;
mod newcomers;
mod overtaking;
mod recorded;
mod recovery;
mod requests;
mod sketches;
mod stalled;
mod tips;
mod transactions;
mod views;
mod waits;
mod watches;

use crate::*;
use document::{Address, Origin, Schema, Schemas, Space};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Bound, Range};
use std::rc::Rc;

/// A disk whose batches become durable when a test says so. Clones are the same disk.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<Platter>>);

#[derive(Clone, Default)]
struct Platter {
    rows: BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>,
    waiting: VecDeque<(Turn, Batch)>,
    suspect: Option<Vec<u8>>,
    /// Every suspect that was noted.
    suspects: Vec<Vec<u8>>,
    /// Rows of changes and snapshots that were read.
    changes_read: usize,
    /// Rows in a damaged block: no scan gets past them.
    unreadable: BTreeSet<(Keyspace, Vec<u8>)>,
    /// Those of them that were written again since, elsewhere on the disk.
    rewritten: BTreeSet<(Keyspace, Vec<u8>)>,
}

const UNREADABLE: StoreError = StoreError::Damaged { what: "a block", keyspace: Keyspace::Documents };

impl Disk {
    /// Makes the oldest waiting batch durable.
    fn sync_one(&self) -> Option<Turn> {
        let mut platter = self.0.borrow_mut();
        let (turn, batch) = platter.waiting.pop_front()?;
        for write in batch.writes {
            platter.rewritten.insert((write.keyspace, write.key.clone()));
            match write.value {
                Some(value) => drop(platter.rows.insert((write.keyspace, write.key), value)),
                None => drop(platter.rows.remove(&(write.keyspace, write.key))),
            }
        }
        Some(turn)
    }

    /// What a crash leaves.
    fn after_crash(&self) -> Self {
        let platter = Platter { waiting: VecDeque::new(), ..self.0.borrow().clone() };
        Self(Rc::new(RefCell::new(platter)))
    }
}

impl ReadRows for Disk {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let (platter, place) = (self.0.borrow(), (keyspace, key.to_vec()));
        if platter.unreadable.contains(&place) && !platter.rewritten.contains(&place) {
            return Err(UNREADABLE);
        }
        Ok(platter.rows.get(&place).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        // One by one: mostly the first few are wanted, of many.
        let (mut from, end) = (Bound::Included((keyspace, range.start)), (keyspace, range.end));
        std::iter::from_fn(move || {
            let platter = &mut *self.0.borrow_mut();
            let (place, value) = platter.rows.range((from.as_ref(), Bound::Excluded(&end))).next()?;
            if platter.unreadable.contains(place) {
                return Some(Err(UNREADABLE));
            }
            let (_, key) = place;
            let row = (key.clone(), value.clone());
            platter.changes_read += usize::from(keyspace == Keyspace::Changes);
            from = Bound::Excluded((keyspace, row.0.clone()));
            Some(Ok(row))
        })
    }
}

impl Store for Disk {
    type Snapshot = Self;

    fn snapshot(&self) -> Self {
        self.after_crash()
    }

    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError> {
        self.0.borrow_mut().waiting.push_back((turn, batch));
        Ok(())
    }

    fn set_suspect(&mut self, suspect: Option<&[u8]>) -> Result<(), StoreError> {
        let mut platter = self.0.borrow_mut();
        platter.suspect = suspect.map(<[u8]>::to_vec);
        platter.suspects.extend(suspect.map(<[u8]>::to_vec));
        Ok(())
    }

    fn suspect(&self) -> Option<Vec<u8>> {
        self.0.borrow().suspect.clone()
    }
}

/// Half of what a program waits for.
const SNAPSHOTS: SnapshotPolicy = SnapshotPolicy { changes_min: 64, bytes_min: 16 * 1024 };

fn space(name: &str) -> Space {
    Space::new(name).unwrap()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn key(number: u8) -> OriginKey {
    OriginKey { public_key: [number; 32], incarnation: [number; 16] }
}

fn schemas() -> Schemas {
    let mut schemas = Schemas::default();
    let inventory = Schema::parse(include_str!("../../../schemas/collections/inventory.json")).unwrap();
    schemas.insert(document::Collection::new("inventory").unwrap(), inventory);
    schemas
}

const BOTH: Access = Access { read: true, write: true };

/// The hub: writes `catalog` and `store-1`, shares both with the site.
fn hub_settings() -> Settings {
    let access = [(space("catalog"), Access { read: true, write: false }), (space("store-1"), BOTH)];
    let site = PeerSettings { spaces: access.into(), relay: false, snapshots: false, hub: false };
    Settings {
        is_hub: true,
        name: "hub".into(),
        key: key(1),
        epoch: 11,
        authority: None,
        spaces: [(space("catalog"), SpaceMode::Write), (space("store-1"), SpaceMode::Write)].into(),
        peers: [("site".to_owned(), site)].into(),
        schemas: schemas(),
        open_documents_bytes_max: 1 << 20,
        snapshots: SNAPSHOTS,
        trimming: TrimPolicy::default(),
        loads_aside: None,
        idempotency_keys_max: 1 << 20,
        takes_own_past: false,
    }
}

/// The site: reads `catalog`, writes `store-1`.
fn site_settings() -> Settings {
    let access = [(space("catalog"), Access { read: false, write: true }), (space("store-1"), BOTH)];
    let hub = PeerSettings { spaces: access.into(), relay: true, snapshots: false, hub: true };
    Settings {
        is_hub: false,
        name: "site".into(),
        key: key(2),
        epoch: 22,
        authority: None,
        spaces: [(space("catalog"), SpaceMode::Read), (space("store-1"), SpaceMode::Write)].into(),
        peers: [("hub".to_owned(), hub)].into(),
        schemas: schemas(),
        open_documents_bytes_max: 1 << 20,
        snapshots: SNAPSHOTS,
        trimming: TrimPolicy::default(),
        loads_aside: None,
        idempotency_keys_max: 1 << 20,
        takes_own_past: false,
    }
}

/// A replica, its disk, and what it did.
struct Node {
    replica: Replica<Disk>,
    disk: Disk,
    settings: Settings,
    requests: u64,
    replies: BTreeMap<RequestId, Result<Response, RequestError>>,
    watched: BTreeMap<RequestId, Vec<WatchEvent>>,
    frames: VecDeque<(LinkId, Vec<u8>)>,
    disconnects: Vec<DisconnectReason>,
    /// The connections that it ended.
    ended: Vec<LinkId>,
    events: Vec<Event>,
    /// Documents that are to be read beside the core.
    loads: Vec<LoadOrder>,
    /// How often it was to draw a new incarnation.
    renewals: u8,
    wall_ms: i64,
    /// Packs what a test says in a peer's name.
    foe: wire::DeltaEncoder,
}

impl Node {
    fn new(settings: Settings) -> Self {
        Self::on(Disk::default(), settings)
    }

    fn on(disk: Disk, settings: Settings) -> Self {
        let replica = Replica::open(disk.clone(), settings.clone()).unwrap();
        Self {
            replica,
            disk,
            settings,
            requests: 0,
            replies: BTreeMap::new(),
            watched: BTreeMap::new(),
            frames: VecDeque::new(),
            disconnects: Vec::new(),
            ended: Vec::new(),
            events: Vec::new(),
            loads: Vec::new(),
            renewals: 0,
            wall_ms: 1_000,
            foe: wire::DeltaEncoder::default(),
        }
    }

    /// Its journal, as far as it is durable.
    fn journal(&self) -> journal::Journal<Disk> {
        journal::Journal::open(
            self.disk.clone(),
            (0, self.settings.key.incarnation),
            SnapshotPolicy::default(),
        )
        .unwrap()
    }

    fn place(&self, at: &str) -> journal::DocumentPlace {
        self.journal().document(&address(at)).unwrap().unwrap()
    }

    /// Dies now, and starts again with what is durable.
    fn crash(&mut self) {
        *self = Self::on(self.disk.after_crash(), self.settings.clone());
    }

    fn input(&mut self, input: Input) {
        self.replica.handle(input, Clock { now_ms: 0, wall_ms: self.wall_ms }).unwrap();
    }

    /// Ends the turn without making anything durable.
    fn end_turn(&mut self) {
        while self.end_one_turn() {}
    }

    /// The same for one turn; whether another is due.
    fn end_one_turn(&mut self) -> bool {
        let more = self.replica.end_turn().unwrap();
        while let Some(effect) = self.replica.poll_effect() {
            match effect {
                Effect::Send { link, bytes, .. } => self.frames.push_back((link, bytes)),
                Effect::Reply { id, result } => drop(self.replies.insert(id, result)),
                Effect::Watch { id, events } => self.watched.entry(id).or_default().extend(events),
                Effect::Load(order) => self.loads.push(order),
                Effect::Renew { .. } => self.renewals += 1,
                Effect::Disconnect { link, reason } => {
                    self.ended.push(link);
                    self.disconnects.push(reason);
                }
                Effect::Event(event) => self.events.push(event),
            }
        }
        more
    }

    /// Ends the turn and makes everything durable.
    fn settle(&mut self) {
        self.end_turn();
        while let Some(turn) = self.disk.sync_one() {
            self.input(Input::Durable(turn));
            self.end_turn();
        }
    }

    /// Takes the frames that are to go over a connection.
    fn frames_of(&mut self, link: u64) -> VecDeque<(LinkId, Vec<u8>)> {
        let (taken, others) = std::mem::take(&mut self.frames).into_iter().partition(|(of, _)| of.0 == link);
        self.frames = others;
        taken
    }

    fn ask(&mut self, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.input(Input::Request { id, request });
        id
    }

    fn answer(&mut self, request: Request) -> Result<Response, RequestError> {
        let asked = request.clone();
        let id = self.ask(request);
        self.settle();
        let answer = self.replies.remove(&id).expect("an answer once everything is durable");
        views::check(self, &asked, &answer);
        answer
    }

    /// The deltas among the frames since the connection began.
    fn deltas(&self) -> Vec<wire::Delta> {
        let mut decoder = wire::DeltaDecoder::default();
        let mut unpack = |bytes: &Vec<u8>| {
            let wire::Frame::Delta(packed) = wire::decode(bytes).unwrap() else { return None };
            match decoder.unpack(&packed, |_, _| None).unwrap() {
                wire::Unpacked::Delta(delta) => Some(delta),
                wire::Unpacked::Gap => panic!("a change is named by a part of its hash"),
            }
        };
        self.frames.iter().filter_map(|(_, bytes)| unpack(bytes)).collect()
    }

    fn put(&mut self, at: &str, value: Value) -> Option<Stamp> {
        self.write(at, document::Operation::Put(value))
    }

    fn sell(&mut self, at: &str, quantity: i64) -> Option<Stamp> {
        self.write(at, document::Operation::increment("/on_hand", -quantity).unwrap())
    }

    fn write(&mut self, at: &str, operation: document::Operation) -> Option<Stamp> {
        let request = Request::Write {
            address: address(at),
            operations: vec![operation],
            condition: None,
            terms: WriteTerms::default(),
        };
        let Response::Written(Written { stamp, .. }) = self.answer(request).unwrap() else {
            panic!("another answer")
        };
        stamp
    }

    fn get(&mut self, at: &str) -> Option<Value> {
        let reading = self.read(at);
        assert_eq!(reading.behind, None);
        reading.value
    }

    fn read(&mut self, at: &str) -> Reading {
        let Response::Document(reading) =
            self.answer(Request::Get { address: address(at), at: None }).unwrap()
        else {
            panic!("another answer")
        };
        reading
    }

    fn status(&mut self) -> Status {
        let Response::Status(status) = self.answer(Request::Status).unwrap() else {
            panic!("another answer")
        };
        *status
    }

    fn rung(&self) -> Option<Rung> {
        self.events.iter().rev().find_map(|event| match event {
            Event::SessionStarted { rung, .. } => Some(*rung),
            Event::StreamStopped { .. }
            | Event::Rewound { .. }
            | Event::Filled { .. }
            | Event::FillStopped { .. }
            | Event::Blocked { .. }
            | Event::ValueMended { .. }
            | Event::ForkSettled { .. }
            | Event::AccessRefused { .. }
            | Event::RowsBeyondCut { .. }
            | Event::SchemaTaken { .. }
            | Event::SchemaRefused { .. }
            | Event::KeysGone { .. }
            | Event::SnapshotRefused { .. } => None,
        })
    }
}

/// A connection between two nodes, and what it carried.
#[derive(Default)]
struct Wire {
    link: u64,
    frames: usize,
    bytes: usize,
}

impl Wire {
    /// Connects, once more when one side asks to be told all anew, or has compared histories.
    fn connect(&mut self, hub: &mut Node, site: &mut Node) {
        self.connect_once(hub, site);
        let again = [DisconnectReason::Asked, DisconnectReason::HistoriesCompared];
        let asked = |node: &mut Node| node.disconnects.pop_if(|last| again.contains(last)).is_some();
        if asked(hub) | asked(site) {
            self.cut(hub, site);
            self.connect_once(hub, site);
        }
    }

    fn connect_once(&mut self, hub: &mut Node, site: &mut Node) {
        self.link += 1;
        self.introduce(hub, site);
        self.carry(hub, site);
    }

    /// Begins a connection; what the two say first is not carried yet.
    fn introduce(&self, hub: &mut Node, site: &mut Node) {
        let names = [&hub.settings, &site.settings].map(|node| (node.name.clone(), node.key.public_key));
        let [hub_is, site_is] = names;
        for (node, (peer, public_key)) in [(&mut *hub, site_is), (&mut *site, hub_is)] {
            node.frames.clear();
            node.input(Input::PeerUp { link: LinkId(self.link), peer, public_key });
            node.settle();
        }
    }

    fn cut(&mut self, hub: &mut Node, site: &mut Node) {
        for node in [hub, site] {
            node.input(Input::PeerDown { link: LinkId(self.link) });
            node.settle();
            node.frames.clear();
        }
    }

    /// Carries frames until both are silent.
    fn carry(&mut self, hub: &mut Node, site: &mut Node) {
        loop {
            hub.settle();
            site.settle();
            let (to_site, to_hub) = (hub.frames_of(self.link), site.frames_of(self.link));
            if to_site.is_empty() && to_hub.is_empty() {
                return;
            }
            for (node, frames) in [(&mut *site, to_site), (&mut *hub, to_hub)] {
                for (link, bytes) in frames {
                    self.frames += 1;
                    self.bytes += bytes.len();
                    node.input(Input::Frame { link, bytes });
                }
            }
        }
    }
}

/// A hub and a site that have met.
fn pair() -> (Node, Node, Wire) {
    let (mut hub, mut site, mut wire) =
        (Node::new(hub_settings()), Node::new(site_settings()), Wire::default());
    wire.connect(&mut hub, &mut site);
    (hub, site, wire)
}

#[track_caller]
fn assert_converged(hub: &mut Node, site: &mut Node) {
    for space in [space("catalog"), space("store-1")] {
        assert_eq!(hub.replica.vector(&space), site.replica.vector(&space));
        let heads = hub.replica.heads(&space).unwrap();
        assert_eq!(heads, site.replica.heads(&space).unwrap());
        for (address, _) in heads {
            assert_eq!(hub.get(&address.to_string()), site.get(&address.to_string()), "{address}");
        }
    }
    assert!(
        hub.disconnects.is_empty() && site.disconnects.is_empty(),
        "{:?} {:?}",
        hub.disconnects,
        site.disconnects
    );
}

fn item(stock: i64) -> Value {
    json!({"product": "1", "on_hand": stock})
}

fn origin(number: u8) -> Origin {
    origin_of(&key(number))
}
