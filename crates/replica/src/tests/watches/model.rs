use super::*;
use document::Violation;
use proptest::prelude::*;

/// The reader of a watch. It checks that nothing comes twice, out of order, in parts or beyond its credit.
pub(super) struct Reader {
    id: RequestId,
    scope: WatchScope,
    credit: usize,
    /// Positions of the changes shown.
    pub(super) seen: Vec<u64>,
    /// What it was told, in short.
    pub(super) kinds: Vec<String>,
    pub(super) cursors: Vec<WatchCursor>,
    pub(super) events: Vec<Vec<WatchedChange>>,
    pub(super) state: BTreeMap<Address, Value>,
    /// The rules that documents break.
    pub(super) broken: BTreeMap<Address, Vec<Violation>>,
    pub(super) synced: usize,
}

pub(super) fn everything() -> WatchScope {
    WatchScope::Space(space("store-1"))
}

pub(super) fn collection(name: &str) -> WatchScope {
    WatchScope::Collection(space("store-1"), name.parse().unwrap())
}

impl Reader {
    pub(super) fn start(node: &mut Node, scope: WatchScope, credit: u32) -> Self {
        Self::open(node, scope, None, credit)
    }

    pub(super) fn resume(node: &mut Node, scope: WatchScope, from: WatchCursor, credit: u32) -> Self {
        Self::open(node, scope, Some(from), credit)
    }

    fn open(node: &mut Node, scope: WatchScope, from: Option<WatchCursor>, credit: u32) -> Self {
        let id = node.ask(Request::Watch { scope: scope.clone(), from, credit });
        Self {
            id,
            scope,
            credit: credit as usize,
            seen: Vec::new(),
            kinds: Vec::new(),
            cursors: Vec::new(),
            events: Vec::new(),
            state: BTreeMap::new(),
            broken: BTreeMap::new(),
            synced: 0,
        }
    }

    /// The node died: goes on at the last cursor.
    fn reopen(&mut self, node: &mut Node, credit: u32) {
        let from = self.cursors.last().cloned();
        self.id = node.ask(Request::Watch { scope: self.scope.clone(), from, credit });
        self.credit = credit as usize;
    }

    pub(super) fn grant(&mut self, node: &mut Node, credit: u32) {
        self.credit += credit as usize;
        node.input(Input::WatchMore { id: self.id, credit });
    }

    pub(super) fn read(&mut self, node: &mut Node) {
        node.settle();
        self.read_without_settling(node);
    }

    /// Reads, and returns room for what it took, until nothing comes.
    pub(super) fn read_all(&mut self, node: &mut Node) {
        loop {
            let before = self.cursors.len();
            self.read(node);
            match u32::try_from(self.cursors.len() - before) {
                Ok(taken @ 1..) => self.grant(node, taken),
                Ok(0) | Err(_) => return,
            }
        }
    }

    pub(super) fn read_without_settling(&mut self, node: &mut Node) {
        let journal = node.journal();
        for event in node.watched.remove(&self.id).unwrap_or_default() {
            self.credit = self.credit.checked_sub(1).expect("no event beyond the credit");
            self.cursors.push(event.cursor().clone());
            match event {
                WatchEvent::Reset { .. } => {
                    self.state.clear();
                    self.kinds.push("reset".into());
                }
                WatchEvent::Document { document, .. } => {
                    self.kinds.push(document.address.to_string());
                    self.show(document);
                }
                WatchEvent::Synced { .. } => {
                    self.synced += 1;
                    self.kinds.push("synced".into());
                }
                WatchEvent::Changed { changes, .. } => {
                    self.kinds
                        .push(format!("{:?}", changes.iter().map(|change| change.lsn).collect::<Vec<_>>()));
                    if matches!(self.scope, WatchScope::Space(_)) {
                        let follow = journal.row(changes[0].lsn).unwrap().follow;
                        assert_eq!(changes.len(), usize::from(follow) + 1, "transactions are whole");
                    }
                    for change in &changes {
                        assert!(self.seen.last() < Some(&change.lsn), "once, and in order");
                        self.seen.push(change.lsn);
                        self.show(change.document.clone());
                    }
                    self.events.push(changes);
                }
            }
        }
    }

    fn show(&mut self, document: WatchedDocument) {
        self.broken.remove(&document.address);
        if !document.violations.is_empty() {
            self.broken.insert(document.address.clone(), document.violations);
        }
        match document.value {
            WatchedValue::Json(value) => drop(self.state.insert(document.address, value)),
            WatchedValue::Absent => drop(self.state.remove(&document.address)),
            WatchedValue::Omitted => panic!("nothing here is long"),
        }
    }

    #[track_caller]
    pub(super) fn assert_state_is_of(&self, node: &mut Node) {
        let mut state = BTreeMap::new();
        for (address, _) in node.replica.heads(self.scope.space()).unwrap() {
            if let Some(value) = node.get(&address.to_string()) {
                state.insert(address, value);
            }
        }
        assert_eq!(self.state, state);
    }
}

#[derive(Clone, Debug)]
enum Event {
    Put(u8, i64),
    Delete(u8),
    Move(u8, u8),
    EndTurn,
    SyncOne,
    Crash,
    Read,
    Grant(u32),
    Carry,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..6_u8, 0..90_i64).prop_map(|(key, n)| Event::Put(key, n)),
        1 => (0..6_u8).prop_map(Event::Delete),
        2 => (0..3_u8, 3..6_u8).prop_map(|(from, to)| Event::Move(from, to)),
        3 => Just(Event::EndTurn),
        3 => Just(Event::SyncOne),
        1 => Just(Event::Crash),
        2 => Just(Event::Read),
        2 => (0..4_u32).prop_map(Event::Grant),
        2 => Just(Event::Carry),
    ]
}

fn sync_one(node: &mut Node) {
    if let Some(turn) = node.disk.sync_one() {
        node.input(Input::Durable(turn));
    }
}

/// A write at the site, a reader at `at` (0: hub, 1: site) that dies with its node and goes on from its last cursor.
fn play(events: &[Event], at: usize, credit: u32) {
    let (hub, site, mut wire) = pair();
    let mut nodes = [hub, site];
    let mut reader = Reader::start(&mut nodes[at], everything(), credit);
    // One that dies without a cursor would begin anew.
    reader.read(&mut nodes[at]);
    for event in events {
        let [hub, site] = &mut nodes;
        match event {
            Event::Put(key, n) => {
                let operations = vec![document::Operation::Put(item(*n))];
                site.ask(Request::write(address(&format!("store-1/inventory/{key}")), operations));
            }
            Event::Delete(key) => {
                let operations = vec![document::Operation::Delete];
                site.ask(Request::write(address(&format!("store-1/inventory/{key}")), operations));
            }
            Event::Move(from, to) => drop(site.ask(transaction(&[*from, *to], 5))),
            Event::EndTurn => nodes.iter_mut().for_each(Node::end_turn),
            Event::SyncOne => nodes.iter_mut().for_each(sync_one),
            Event::Crash => {
                reader.read_without_settling(&mut nodes[at]);
                nodes[at].crash();
                reader.reopen(&mut nodes[at], credit);
                let [hub, site] = &mut nodes;
                wire.cut(hub, site);
                wire.connect(hub, site);
            }
            Event::Read => reader.read_without_settling(&mut nodes[at]),
            Event::Grant(credit) => reader.grant(&mut nodes[at], *credit),
            Event::Carry => wire.carry(hub, site),
        }
    }
    let [hub, site] = &mut nodes;
    wire.carry(hub, site);
    reader.grant(&mut nodes[at], 10_000);
    reader.read(&mut nodes[at]);
    let head = nodes[at].journal().head();
    assert_eq!(reader.synced, 1);
    // The watch began on an empty journal, so that every change is shown as one.
    assert_eq!(reader.seen, (1..=head).collect::<Vec<_>>());
    reader.assert_state_is_of(&mut nodes[at]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_change_is_shown_once_and_in_order(
        events in prop::collection::vec(any_event(), 1..60),
        at in 0..2_usize,
        credit in 1..5_u32,
    ) {
        play(&events, at, credit);
    }

    #[test]
    fn a_state_listed_while_it_changes_ends_as_it_is(
        before in prop::collection::vec((0..9_u8, 0..90_i64), 0..20),
        steps in prop::collection::vec((1..3_u32, 0..9_u8, any::<bool>()), 1..20),
    ) {
        let mut site = Node::new(site_settings());
        for (key, n) in before {
            site.put(&format!("store-1/inventory/{key}"), item(n));
        }
        let start = site.journal().head();
        let mut reader = Reader::start(&mut site, everything(), 0);
        for (credit, key, deletes) in steps {
            reader.grant(&mut site, credit);
            reader.read(&mut site);
            let at = format!("store-1/inventory/{key}");
            match deletes {
                true => drop(site.write(&at, document::Operation::Delete)),
                false => drop(site.put(&at, item(100))),
            }
            if credit == 2 {
                site.crash();
                reader.reopen(&mut site, 0);
            }
        }
        reader.grant(&mut site, 1_000);
        reader.read(&mut site);
        let head = site.journal().head();
        // A reader that died before its first event began anew, later.
        let first = reader.seen.first().copied().unwrap_or(head + 1);
        prop_assert!(first > start);
        prop_assert_eq!(&reader.seen, &(first..=head).collect::<Vec<_>>());
        reader.assert_state_is_of(&mut site);
    }
}
