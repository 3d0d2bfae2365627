//! Spaces of which a peer lacks little go ahead of those of which it lacks much.

use super::hostile::{hello, send};
use super::*;
use wire::{Frame, Hello};

/// A hub whose site is played by the test.
struct Reader {
    hub: Node,
    decoder: wire::DeltaDecoder,
    /// Hashes of the changes that came.
    has: BTreeSet<[u8; 32]>,
    /// Where the deltas end that are not acknowledged.
    ends: VecDeque<u64>,
    generation: u32,
    /// The fill that was offered last.
    offered: Option<u64>,
}

/// Rows in the order in which they came.
struct Came(Vec<(String, u64)>);

impl Came {
    fn of(&self, space: &str) -> Vec<u64> {
        self.0.iter().filter(|(name, _)| name == space).map(|(_, sequence)| *sequence).collect()
    }
}

impl Reader {
    /// Connects to a hub, as the site that its settings call so.
    fn new(mut hub: Node, name: &str, hello: Hello) -> Self {
        hub.input(Input::PeerUp { link: LinkId(1), peer: name.into(), public_key: key(2).public_key });
        send(&mut hub, &Frame::Hello(hello));
        Self::of(hub)
    }

    fn of(hub: Node) -> Self {
        let (decoder, has, ends) = (wire::DeltaDecoder::default(), BTreeSet::new(), VecDeque::new());
        Self { hub, decoder, has, ends, generation: 0, offered: None }
    }

    /// Takes what is under way.
    fn read(&mut self) -> Came {
        let mut came = Vec::new();
        for (_, bytes) in self.hub.frames_of(1) {
            let frame = wire::decode(&bytes).unwrap();
            if let Frame::FillOffer(offer) = &frame {
                self.offered = Some(offer.fill);
            }
            let Frame::Delta(packed) = frame else { continue };
            let find = |prefix: &[u8; 8]| self.has.iter().find(|hash| hash.starts_with(prefix)).copied();
            let unpacked = self.decoder.unpack(&packed, |_, prefix| find(prefix));
            let Ok(wire::Unpacked::Delta(delta)) = unpacked else {
                panic!("it depends on what was not sent")
            };
            assert_eq!(delta.generation, self.generation);
            let is_first = delta.spaces == ["system"];
            assert!(
                self.ends.back().is_none_or(|last| *last < delta.to || is_first),
                "each ends further than the last"
            );
            self.ends.push_back(delta.to);
            for row in &delta.rows {
                self.has.insert(document::ForeignChange::parse(&row.body).unwrap().hash.0);
                let document = &delta.documents[row.document as usize];
                came.push((delta.spaces[document.space as usize].clone(), row.sequence));
            }
        }
        Came(came)
    }

    /// Acknowledges a delta; false when there is none.
    fn acknowledge(&mut self) -> bool {
        let Some(end) = self.ends.pop_front() else { return false };
        send(&mut self.hub, &Frame::Ack(wire::Ack { durable: Some(end), ..wire::Ack::default() }));
        true
    }

    /// Acknowledges all until nothing more comes.
    fn read_all(&mut self) -> Came {
        let mut came = self.read();
        while self.acknowledge() {
            came.0.extend(self.read().0);
        }
        came
    }
}

fn write(node: &mut Node, at: &str, value: Value) {
    node.ask(Request::write(address(at), vec![document::Operation::Put(value)]));
}

/// A document of a kilobyte.
fn write_long(node: &mut Node, number: u64) {
    let text = format!("{number}{}", "x".repeat(1_000));
    write(node, &format!("catalog/note/{number}"), json!({ "text": text }));
}

/// The first of what is much, and what a peer says that has it: who has nothing is filled.
fn begin_much(hub: &mut Node) -> Hello {
    write_long(hub, 0);
    hub.settle();
    let (origin, first) = hub.replica.vector(&space("catalog")).unwrap()[0];
    let chain = *first.chain.first_chunk().unwrap();
    hello(vec![wire::VectorEntry { origin: origin.0, sequence: first.sequence, chain }])
}

/// A hub with more than a window in one space, and a few in another among them.
fn much_and_little() -> (Node, Hello) {
    let mut hub = Node::new(hub_settings());
    let hello = begin_much(&mut hub);
    write(&mut hub, "store-1/note/1", json!({"n": 0}));
    for n in 1..3_000 {
        write_long(&mut hub, n);
        if n % 100 == 0 {
            write(&mut hub, "store-1/note/1", json!({ "n": n }));
        }
    }
    hub.settle();
    (hub, hello)
}

fn numbers(last: u64) -> Vec<u64> {
    (1..=last).collect()
}

#[test]
fn a_change_does_not_wait_for_the_first_sync_of_another_space() {
    let (hub, hello) = much_and_little();
    let mut reader = Reader::new(hub, "site", hello);
    let mut came = reader.read();
    assert_eq!(came.of("store-1"), numbers(30), "those that were there");
    assert!(came.of("catalog").len() < 2_000);

    reader.hub.put("store-1/note/2", json!({"n": 1}));
    reader.acknowledge();
    let next = reader.read();
    assert!(next.of("store-1") == [31] && !next.of("catalog").is_empty(), "both go on");
    came.0.extend(next.0);

    // What would fill a frame goes in its order, and what follows it.
    write(&mut reader.hub, "store-1/note/2", json!({ "text": "y".repeat(100_000) }));
    write(&mut reader.hub, "store-1/note/2", json!({"n": 2}));
    reader.hub.settle();
    while reader.acknowledge() {
        let next = reader.read();
        let all = came.of("catalog").len() + next.of("catalog").len();
        assert!(next.of("store-1").is_empty() || all == 2_999, "{all}");
        came.0.extend(next.0);
    }
    assert_eq!((came.of("store-1"), came.of("catalog")), (numbers(33), numbers(3_000).split_off(1)));
    assert!(reader.hub.disconnects.is_empty());
}

#[test]
fn little_goes_ahead_after_a_rewind_too() {
    let (hub, hello) = much_and_little();
    let mut reader = Reader::new(hub, "site", hello.clone());
    reader.read();
    reader.generation = 1;
    reader.ends.clear();
    reader.decoder = wire::DeltaDecoder::default();
    let rewind = wire::Rewind { generation: 1, spaces: hello.spaces };
    send(&mut reader.hub, &Frame::Rewind(rewind));
    let came = reader.read();
    assert_eq!(came.of("store-1"), numbers(30));
    assert!(came.of("catalog").len() < 2_000);
    reader.hub.put("store-1/note/2", json!({"n": 1}));
    let came = reader.read_all();
    assert_eq!(came.of("store-1"), [31]);
    assert_eq!(came.of("catalog").last(), Some(&3_000));
}

#[test]
fn what_follows_a_fill_goes_ahead() {
    let trimming = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
    let mut hub = Node::new(Settings { trimming, ..hub_settings() });
    hub.put("store-1/note/1", json!({"n": 1}));
    hub.wall_ms += 5_000;
    hub.put("store-1/note/1", json!({"n": 2}));
    let hello = begin_much(&mut hub);
    (1..3_000).for_each(|n| write_long(&mut hub, n));
    write(&mut hub, "store-1/note/2", json!({"n": 3}));
    hub.settle();
    let mut reader = Reader::new(hub, "site", hello);
    assert_eq!(reader.read().of("store-1"), [0; 0], "of which something is gone");
    // It has all that is filled, and lacks what was written meanwhile.
    let fill = reader.offered.take().unwrap();
    let origin = reader.hub.replica.vector(&space("store-1")).unwrap()[0].0;
    let entries = vec![wire::VectorEntry { origin: origin.0, sequence: 2, chain: [0; 8] }];
    send(&mut reader.hub, &Frame::FillFinished(wire::FillFinished { fill, taken: true, entries }));
    reader.acknowledge();
    let came = reader.read();
    assert_eq!((came.of("store-1"), reader.hub.disconnects.len()), (vec![3], 0));
    assert_eq!(reader.read_all().of("catalog").last(), Some(&3_000));
}

/// What was sent of it and not acknowledged does not make it one of those of which there is much.
#[test]
fn what_goes_ahead_stays_ahead_when_another_space_opens() {
    let mut settings = Settings { trimming: TrimPolicy { age_ms: 1_000, bytes: 1 << 30 }, ..hub_settings() };
    settings.spaces.insert(space("store-2"), SpaceMode::Write);
    settings.peers.get_mut("site").unwrap().spaces.insert(space("store-2"), BOTH);
    let mut hub = Node::new(settings);
    hub.put("store-2/note/1", json!({"n": 1}));
    hub.wall_ms += 5_000;
    let mut hello = begin_much(&mut hub);
    (1..3_000).for_each(|n| write_long(&mut hub, n));
    hub.settle();
    hello.spaces.push(wire::SpaceVector { space: "store-2".into(), entries: vec![], takes: true });
    let mut reader = Reader::new(hub, "site", hello);
    reader.read();
    (0..70).for_each(|n| write(&mut reader.hub, "store-1/note/1", json!({ "n": n })));
    reader.hub.settle();
    reader.acknowledge();
    assert_eq!(reader.read().of("store-1"), numbers(70));

    let fill = reader.offered.take().unwrap();
    let origin = reader.hub.replica.vector(&space("store-2")).unwrap()[0].0;
    let entries = vec![wire::VectorEntry { origin: origin.0, sequence: 1, chain: [0; 8] }];
    send(&mut reader.hub, &Frame::FillFinished(wire::FillFinished { fill, taken: true, entries }));
    reader.hub.put("store-1/note/2", json!({"n": 1}));
    reader.hub.put("store-2/note/2", json!({"n": 1}));
    reader.acknowledge();
    let came = reader.read();
    assert_eq!((came.of("store-1"), came.of("store-2")), (vec![71], vec![2]));
    assert_eq!(reader.read_all().of("catalog").last(), Some(&3_000));
}

/// Rows that are not for the peer lie between what it lacks little of.
#[test]
fn a_turn_looks_at_so_many_rows_for_what_goes_ahead() {
    const TURN_ROWS: u64 = 4_096;
    let mut settings = hub_settings();
    settings.spaces.insert(space("store-2"), SpaceMode::Write);
    let mut hub = Node::new(settings);
    (0..100).for_each(|n| write_long(&mut hub, n));
    write(&mut hub, "store-1/note/1", json!({"n": 1}));
    (0..TURN_ROWS).for_each(|n| write(&mut hub, &format!("store-2/note/{}", n % 512), json!({ "n": n })));
    write(&mut hub, "store-1/note/1", json!({"n": 2}));
    hub.settle();
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    let bytes = wire::encode(&Frame::Hello(hello(vec![]))).unwrap();
    hub.input(Input::Frame { link: LinkId(1), bytes });
    let mut reader = Reader::of(hub);
    let mut read_turn = || {
        reader.hub.end_one_turn();
        while let Some(turn) = reader.hub.disk.sync_one() {
            reader.hub.input(Input::Durable(turn));
        }
        reader.read()
    };
    let mut turns = (0..).map(|_| read_turn()).filter(|came| !came.0.is_empty());
    assert_eq!(turns.next().unwrap().of("store-1"), [1], "the rest is another turn's");
    assert_eq!(turns.next().unwrap().of("store-1"), [2]);
}

/// What a document says of rights may be about the changes after it: they do not overtake it.
#[test]
fn nothing_goes_ahead_of_a_document_of_rights_before_it() {
    let mut hub = Node::new(access::settings(0));
    let grant = |hub: &mut Node, number: u8, names: &[&str]| {
        let spaces = names.iter().map(|name| (space(name), access::READ)).collect();
        let public_key = key(number).public_key;
        access::written(hub.answer(Request::Grant { public_key, name: access::name(number.into()), spaces }));
    };
    grant(&mut hub, 2, &["catalog", "store-1"]);
    let mut hello = begin_much(&mut hub);
    (1..3_000).for_each(|n| write_long(&mut hub, n));
    hub.settle();
    hello.spaces.push(wire::SpaceVector { space: "system".into(), entries: vec![], takes: true });
    let mut reader = Reader::new(hub, "site-1", hello);
    let mut came = Came(Vec::new());
    while came.of("catalog").is_empty() {
        came.0.extend(reader.read().0);
        reader.acknowledge();
    }
    let rights = came.of("system").len() as u64;
    assert!(rights > 0 && came.of("store-1").is_empty());
    write(&mut reader.hub, "store-1/note/1", json!({"n": 1}));
    grant(&mut reader.hub, 3, &["store-1"]);
    write(&mut reader.hub, "store-1/note/1", json!({"n": 2}));
    reader.hub.settle();
    let came = reader.read_all();
    let others = came.0.iter().filter(|(space, _)| space != "catalog").cloned().collect::<Vec<_>>();
    let expected = [("store-1".to_owned(), 1), ("system".to_owned(), rights + 1), ("store-1".to_owned(), 2)];
    assert_eq!(others, expected);
    assert!(
        came.0.last().is_some_and(|(space, _)| space == "catalog"),
        "it goes ahead of what else there is"
    );
}
