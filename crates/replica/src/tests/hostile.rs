use super::*;
use document::{Document, ForeignChange, Operation, Signature};
use wire::{Ack, Delta, DocumentName, Frame, Hello, Rewind, SpaceVector, Stopped, VectorEntry};

/// A site whose hub is played by the test: it has said hello.
pub(super) fn site_and_foe() -> Node {
    with_foe(Node::new(site_settings()))
}

/// The same, of a site that has been there before.
pub(super) fn with_foe(mut site: Node) -> Node {
    site.input(Input::PeerUp { link: LinkId(1), peer: "hub".into(), public_key: key(1).public_key });
    site.settle();
    site.frames.clear();
    send(&mut site, &Frame::Hello(hello(vec![])));
    assert!(site.disconnects.is_empty());
    site
}

pub(super) fn hello(entries: Vec<VectorEntry>) -> Hello {
    let space = |name: &str, entries| SpaceVector { space: name.into(), entries, takes: true };
    Hello {
        protocol: wire::PROTOCOL_VERSION,
        epoch: 5,
        cursor: None,
        spaces: vec![space("catalog", entries), space("store-1", vec![])],
        incomplete: vec![],
        since: 0,
        head: 0,
        subscription: [0; 8],
    }
}

pub(super) fn send(site: &mut Node, frame: &Frame) {
    site.input(Input::Frame { link: LinkId(1), bytes: wire::encode(frame).unwrap() });
    site.settle();
}

/// Sends rows, whose dependencies are named in full.
pub(super) fn send_delta(site: &mut Node, delta: &Delta) {
    let packed = site.foe.pack(delta, &mut wire::Deflaters::default(), |_, _| false).unwrap();
    send(site, &Frame::Delta(packed));
}

/// Changes of an origin to one document, each on top of the last.
pub(super) fn bodies(origin: Origin, count: usize) -> Vec<Vec<u8>> {
    let mut document = Document::new();
    let change = |n| {
        document
            .write(&Signature::of(origin, 0), None, &[Operation::Put(json!({ "n": n }))])
            .unwrap()
            .unwrap()
    };
    (0..count).map(change).map(|change| ForeignChange::body(&change.chunk).unwrap().to_vec()).collect()
}

/// Rows for `catalog/product/1`, numbered from `first`.
pub(super) fn delta(from: u64, author: u8, first: u64, bodies: &[Vec<u8>]) -> Delta {
    let rows = bodies.iter().zip(first..).map(|(body, sequence)| wire::Row {
        document: 0,
        origin: 0,
        sequence,
        body: body.clone(),
        follow: None,
    });
    Delta {
        generation: 0,
        from,
        to: from + bodies.len() as u64,
        spaces: vec!["catalog".into()],
        origins: vec![key(author)],
        documents: vec![DocumentName { space: 0, collection: "product".into(), key: "1".into() }],
        rows: rows.collect(),
    }
}

#[track_caller]
fn disconnected(site: &Node, reason: DisconnectReason) {
    assert_eq!(site.disconnects, [reason]);
}

#[test]
fn rows_are_taken_once_and_in_order() {
    let mut site = site_and_foe();
    let bodies = bodies(origin(1), 3);
    send_delta(&mut site, &delta(0, 1, 1, &bodies[..2]));
    send_delta(&mut site, &delta(2, 1, 2, &bodies[1..]));
    assert_eq!(site.get("catalog/product/1"), Some(json!({"n": 2})));
    assert_eq!(site.replica.vector(&space("catalog")).unwrap()[0].1.sequence, 3);
    assert_eq!(site.status().head, 3);
}

#[test]
fn a_gap_is_answered_with_what_is_here() {
    // W-14.
    let mut site = site_and_foe();
    let bodies = bodies(origin(1), 4);
    send_delta(&mut site, &delta(0, 1, 1, &bodies[..1]));
    site.frames.clear();
    send_delta(&mut site, &delta(1, 1, 3, &bodies[2..3]));
    let frame = wire::decode(&site.frames.pop_front().unwrap().1).unwrap();
    let Frame::Rewind(Rewind { generation: 1, spaces }) = frame else { panic!("{frame:?}") };
    let catalog = spaces.iter().find(|vector| vector.space == "catalog").unwrap();
    assert_eq!((catalog.entries[0].origin, catalog.entries[0].sequence), (origin(1).0, 1));
    send_delta(&mut site, &delta(2, 1, 2, &bodies[1..]));
    assert_eq!(site.status().head, 1, "deltas of the old generation are passed over");
    send_delta(&mut site, &Delta { generation: 1, ..delta(1, 1, 2, &bodies[1..]) });
    assert_eq!(site.status().head, 4);
    assert!(site.disconnects.is_empty());
}

#[test]
fn a_change_without_what_it_depends_on_is_a_gap_and_ends_in_time() {
    let mut site = site_and_foe();
    let bodies = bodies(origin(1), 2);
    for generation in 0..4 {
        send_delta(&mut site, &Delta { generation, ..delta(0, 1, 1, &bodies[1..]) });
    }
    disconnected(&site, Misbehaviour::Gap.into());
    assert_eq!(site.status().head, 0);
}

/// That a peer takes no more of a stream, because its writer has no right.
fn stopped(space: &str, origin: Origin, sequence: u64) -> Stopped {
    Stopped { space: space.into(), origin: origin.0, sequence, cause: Some(7) }
}

#[test]
fn another_cause_than_those_that_are_known_or_none_stops_a_stream_as_well() {
    // W-57.
    for cause in [None, Some(0), Some(200)] {
        let mut site = site_and_foe();
        site.put("store-1/note/1", json!({ "n": 1 }));
        let last = site.deltas().last().unwrap().to;
        let stopped = vec![Stopped { cause, ..stopped("store-1", origin(2), 0) }];
        send(&mut site, &Frame::Ack(Ack { durable: Some(last), stopped, ..Ack::default() }));
        let peer = &site.status().peers[0];
        assert_eq!((peer.stopped_count, peer.stopped[0].cause, peer.backlog_rows), (1, None, 1));
        assert!(site.disconnects.is_empty());
    }
}

/// How many rows of its own the site has sent.
fn sent(site: &Node) -> usize {
    site.deltas().iter().map(|delta| delta.rows.len()).sum()
}

#[test]
fn a_stream_that_the_peer_stopped_is_sent_no_more_and_is_not_taken_as_had() {
    let mut site = site_and_foe();
    for n in 1..=3 {
        site.put("store-1/note/1", json!({ "n": n }));
    }
    let last = site.deltas().last().unwrap().to;
    let stopped = vec![stopped("store-1", origin(2), 1)];
    send(&mut site, &Frame::Ack(Ack { durable: Some(last), stopped, ..Ack::default() }));
    let peer = &site.status().peers[0];
    let space = Space::new("store-1").unwrap();
    let told = StoppedStream { space, origin: origin(2), sequence: 1, cause: Some(StopCause::NoWrite) };
    assert_eq!((peer.backlog_rows, peer.stopped_count, &peer.stopped[..]), (2, 1, &[told][..]));
    site.put("store-1/note/1", json!({"n": 4}));
    assert_eq!(sent(&site), 3);
    send(&mut site, &Frame::Ack(Ack { durable: Some(last), ..Ack::default() }));
    assert_eq!(site.status().peers[0].backlog_rows, 3, "what was sent before is not had later either");
    let entries = vec![VectorEntry { origin: origin(2).0, sequence: 1, chain: [0; 8] }];
    let spaces = vec![SpaceVector { space: "store-1".into(), entries, takes: true }];
    send(&mut site, &Frame::Rewind(Rewind { generation: 1, spaces }));
    assert_eq!(sent(&site), 6, "all that it lacks, once it asks");
    assert_eq!(site.status().peers[0].stopped_count, 0);
    assert!(site.disconnects.is_empty());
}

#[test]
fn a_change_that_is_refused_stops_its_stream_and_nothing_else() {
    // W-35.
    let mut site = site_and_foe();
    let bodies = bodies(origin(1), 2);
    let mut broken = bodies[0].clone();
    broken[1] = 15;
    let mut rows = delta(0, 1, 1, &[broken, bodies[1].clone()]);
    rows.spaces.push("store-1".into());
    rows.documents.push(DocumentName { space: 1, collection: "note".into(), key: "1".into() });
    rows.rows.push(wire::Row { document: 1, origin: 0, sequence: 1, body: bodies[0].clone(), follow: None });
    site.frames.clear();
    send_delta(&mut site, &rows);
    let Ok(Frame::Ack(ack)) = wire::decode(&site.frames.pop_front().unwrap().1) else { panic!("no ack") };
    let stopped = Stopped { cause: Some(1), ..stopped("catalog", origin(1), 0) };
    assert_eq!(ack.stopped, [stopped], "the peer is told that the rows are not had");
    assert!(
        matches!(site.events.last(), Some(Event::StreamStopped { sequence: 1, .. })),
        "{:?}",
        site.events
    );
    assert_eq!((site.get("catalog/product/1"), site.get("store-1/note/1")), (None, Some(json!({"n": 0}))));
    assert!(site.disconnects.is_empty());
}

#[test]
fn nobody_writes_under_the_origin_of_another() {
    let mut site = site_and_foe();
    send_delta(&mut site, &delta(0, 1, 1, &bodies(origin(7), 1)));
    assert!(
        matches!(site.events.last(), Some(Event::StreamStopped { .. })),
        "the author is not the row's origin"
    );
    assert_eq!(site.status().head, 0);

    let mut hub = Node::new(hub_settings());
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    let hello = hello(vec![]);
    send(&mut hub, &Frame::Hello(hello));
    let mut relayed = delta(0, 7, 1, &bodies(origin(7), 1));
    relayed.spaces = vec!["store-1".into()];
    send_delta(&mut hub, &relayed);
    disconnected(&hub, Misbehaviour::Relay.into());
}

#[test]
fn a_space_that_the_peer_may_not_write_is_refused() {
    let mut hub = Node::new(hub_settings());
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    send(&mut hub, &Frame::Hello(hello(vec![])));
    send_delta(&mut hub, &delta(0, 2, 1, &bodies(origin(2), 1)));
    disconnected(&hub, Misbehaviour::Space.into());
    assert_eq!(hub.status().head, 0);
}

#[test]
fn a_stranger_is_left_at_once() {
    let mut site = Node::new(site_settings());
    site.input(Input::PeerUp { link: LinkId(1), peer: "store-9".into(), public_key: [9; 32] });
    site.settle();
    disconnected(&site, DisconnectReason::UnknownPeer { peer: "store-9".into() });
    assert!(site.frames.is_empty());
}

#[test]
fn frames_out_of_turn_and_out_of_shape_end_the_session() {
    // W-10, W-12, W-13.
    let mut early = Node::new(site_settings());
    early.input(Input::PeerUp { link: LinkId(1), peer: "hub".into(), public_key: key(1).public_key });
    send(&mut early, &Frame::Ack(Ack { durable: Some(0), ..Ack::default() }));
    disconnected(&early, Misbehaviour::Order.into());

    let mut twice = site_and_foe();
    send(&mut twice, &Frame::Hello(hello(vec![])));
    disconnected(&twice, Misbehaviour::Order.into());

    let mut future = site_and_foe();
    send(&mut future, &Frame::Ack(Ack { durable: Some(1), ..Ack::default() }));
    disconnected(&future, Misbehaviour::Position.into());

    let mut jump = site_and_foe();
    let bodies = bodies(origin(1), 2);
    send_delta(&mut jump, &delta(0, 1, 1, &bodies[..1]));
    send_delta(&mut jump, &delta(9, 1, 2, &bodies[1..]));
    disconnected(&jump, Misbehaviour::Position.into());

    let mut damaged = site_and_foe();
    let packed = damaged
        .foe
        .pack(&delta(0, 1, 1, &bodies[..1]), &mut wire::Deflaters::default(), |_, _| false)
        .unwrap();
    let mut bytes = wire::encode(&Frame::Delta(packed)).unwrap();
    bytes[5] ^= 1;
    damaged.input(Input::Frame { link: LinkId(1), bytes });
    damaged.settle();
    disconnected(&damaged, Misbehaviour::Frame(wire::DecodeError::Check).into());
    assert_eq!(damaged.status().head, 0);

    let mut garbage = site_and_foe();
    garbage.input(Input::Frame { link: LinkId(1), bytes: vec![2, 0, 0xff] });
    garbage.settle();
    disconnected(&garbage, Misbehaviour::Frame(wire::DecodeError::Body).into());
}

#[test]
fn other_protocols_and_other_histories_are_told_apart() {
    // W-11.
    let connect = || {
        let mut site = Node::new(site_settings());
        site.put("store-1/note/1", json!({"n": 1}));
        site.input(Input::PeerUp { link: LinkId(1), peer: "hub".into(), public_key: key(1).public_key });
        site.settle();
        site
    };
    let mut older = connect();
    send(&mut older, &Frame::Hello(Hello { protocol: 1, ..hello(vec![]) }));
    disconnected(&older, DisconnectReason::Protocol { theirs: 1, ours: 2 });
    // A newer peer speaks what this replica does; frames that it sends all the same are passed over.
    let mut newer = connect();
    send(&mut newer, &Frame::Hello(Hello { protocol: 3, ..hello(vec![]) }));
    newer.input(Input::Frame { link: LinkId(1), bytes: vec![29, 0, 1, 2, 3] });
    send_delta(&mut newer, &delta(0, 1, 1, &bodies(origin(1), 1)));
    assert!(newer.get("catalog/product/1").is_some());
    assert_eq!(newer.disconnects, []);

    let with_own = |sequence| {
        let entries = vec![VectorEntry { origin: origin(2).0, sequence, chain: [0; 8] }];
        let spaces = vec![SpaceVector { space: "store-1".into(), entries, takes: true }];
        Frame::Hello(Hello { spaces, ..hello(vec![]) })
    };
    let mut restored = connect();
    send(&mut restored, &with_own(2));
    disconnected(&restored, DisconnectReason::RolledBack { space: space("store-1"), theirs: 2, ours: 1 });

    let mut longer = connect();
    longer.put("store-1/note/1", json!({"n": 2}));
    send(&mut longer, &with_own(1));
    disconnected(
        &longer,
        DisconnectReason::Forked { space: space("store-1"), origin: origin(2), sequence: 0 },
    );

    let mut forked = connect();
    send(&mut forked, &with_own(1));
    disconnected(
        &forked,
        DisconnectReason::Forked { space: space("store-1"), origin: origin(2), sequence: 0 },
    );
}

#[test]
fn a_second_connection_of_a_peer_replaces_the_first() {
    let mut site = site_and_foe();
    site.input(Input::PeerUp { link: LinkId(2), peer: "hub".into(), public_key: key(1).public_key });
    site.settle();
    disconnected(&site, DisconnectReason::Replaced);
    site.disconnects.clear();
    send_delta(&mut site, &delta(0, 1, 1, &bodies(origin(1), 1)));
    assert_eq!(site.status().head, 0, "frames of the old connection are passed over");
    site.input(Input::PeerDown { link: LinkId(1) });
    let bytes = wire::encode(&Frame::Hello(hello(vec![]))).unwrap();
    site.input(Input::Frame { link: LinkId(2), bytes });
    assert!(site.status().peers[0].connected);
}

#[test]
fn nothing_leaves_before_the_own_hello() {
    let mut site = Node::new(site_settings());
    site.put("store-1/note/1", json!({"n": 1}));
    let put = Operation::Put(json!({"n": 2}));
    let (address, operations) = (address("store-1/note/1"), vec![put]);
    site.ask(Request::Write { address, operations, condition: None, terms: WriteTerms::default() });
    site.end_turn();
    site.input(Input::PeerUp { link: LinkId(1), peer: "hub".into(), public_key: key(1).public_key });
    site.end_turn();
    let bytes = wire::encode(&Frame::Hello(hello(vec![]))).unwrap();
    site.input(Input::Frame { link: LinkId(1), bytes });
    site.end_turn();
    assert!(site.frames.is_empty(), "the hello speaks of rows that are not durable");
    site.settle();
    let frames: Vec<Frame> = site.frames.iter().map(|(_, bytes)| wire::decode(bytes).unwrap()).collect();
    let [Frame::Hello(_), others @ ..] = frames.as_slice() else { panic!("{frames:?}") };
    assert!(others.iter().any(|frame| matches!(frame, Frame::Delta(_))), "{frames:?}");
}

#[test]
fn what_depends_on_a_refused_change_stops_too_and_the_link_goes_on() {
    let mut site = site_and_foe();
    let (mut here, mut there) = (Document::new(), Document::new());
    let write = |document: &mut Document, author, n| {
        let put = Operation::Put(json!({ "n": n }));
        document.write(&Signature::of(author, 0), None, &[put]).unwrap().unwrap().chunk
    };
    let first = write(&mut here, origin(7), 1);
    there.apply(std::slice::from_ref(&first)).unwrap();
    let second = write(&mut there, origin(1), 2);
    let body = |chunk: &[u8]| ForeignChange::body(chunk).unwrap().to_vec();
    let mut broken = body(&first);
    broken[1] = 15;
    let mut rows = delta(0, 7, 1, &[broken]);
    rows.origins.push(key(1));
    rows.spaces.push("store-1".into());
    rows.rows.push(wire::Row { document: 0, origin: 1, sequence: 1, body: body(&second), follow: None });
    rows.documents.push(DocumentName { space: 1, collection: "note".into(), key: "1".into() });
    rows.rows.push(wire::Row {
        document: 1,
        origin: 1,
        sequence: 1,
        body: bodies(origin(1), 1).remove(0),
        follow: None,
    });
    send_delta(&mut site, &rows);
    let reasons: Vec<StopReason> = site
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StreamStopped { reason, .. } => Some(*reason),
            Event::SessionStarted { .. }
            | Event::Rewound { .. }
            | Event::Filled { .. }
            | Event::FillStopped { .. }
            | Event::Blocked { .. }
            | Event::ForkSettled { .. }
            | Event::AccessRefused { .. }
            | Event::RowsBeyondCut { .. }
            | Event::SchemaTaken { .. }
            | Event::SchemaRefused { .. }
            | Event::ValueMended { .. }
            | Event::KeysGone { .. }
            | Event::SnapshotRefused { .. } => None,
        })
        .collect();
    assert_eq!(reasons, [StopReason::Refused(document::ChangeRefusal::Actor), StopReason::DependsOnStopped]);
    assert!(site.disconnects.is_empty());
    assert_eq!(site.get("store-1/note/1"), Some(json!({"n": 0})));
}

#[test]
fn a_peer_cannot_write_this_replica_s_next_change() {
    let mut site = site_and_foe();
    site.put("store-1/note/1", json!({"n": 1}));
    let mut rows = delta(0, 2, 2, &bodies(origin(2), 1));
    rows.spaces = vec!["store-1".into()];
    send_delta(&mut site, &rows);
    disconnected(&site, DisconnectReason::RolledBack { space: space("store-1"), theirs: 2, ours: 1 });
    assert_eq!(site.status().head, 1);
}

#[test]
fn a_fork_that_is_never_found_ends_the_connection() {
    // W-19.
    let mut site = site_and_foe();
    site.put("store-1/note/1", json!({"n": 1}));
    let place = wire::Fork {
        space: "store-1".into(),
        origin: origin(2).0,
        agreed: 0,
        differs: 1 << 40,
        chains: vec![],
        asks: false,
    };
    for count in 1..=16 {
        send(&mut site, &Frame::Fork(place.clone()));
        assert_eq!(site.disconnects, [], "after {count}");
    }
    send(&mut site, &Frame::Fork(place));
    assert!(matches!(site.disconnects[..], [DisconnectReason::Forked { .. }]), "{:?}", site.disconnects);
}

#[test]
fn a_peer_has_few_rewinds_and_few_incarnations() {
    // W-16.
    let mut site = site_and_foe();
    for generation in 1..=3 {
        send(&mut site, &Frame::Rewind(Rewind { generation, spaces: vec![] }));
    }
    assert!(site.disconnects.is_empty());
    send(&mut site, &Frame::Rewind(Rewind { generation: 4, spaces: vec![] }));
    disconnected(&site, Misbehaviour::Position.into());

    let mut site = site_and_foe();
    let keys = (0..=64).map(|number| OriginKey { public_key: [9; 32], incarnation: [number; 16] });
    let mut rows =
        Delta { to: 1, spaces: vec!["catalog".into()], origins: keys.collect(), ..Delta::default() };
    for (index, key) in (0..).zip(&rows.origins) {
        let name = DocumentName { space: 0, collection: "note".into(), key: index.to_string() };
        rows.documents.push(name);
        let body = bodies(origin_of(key), 1).remove(0);
        rows.rows.push(wire::Row { document: index, origin: index, sequence: 1, body, follow: None });
    }
    send_delta(&mut site, &rows);
    assert_eq!(site.status().head, 64);
    assert!(
        matches!(
            site.events.last(),
            Some(Event::StreamStopped { reason: StopReason::TooManyIncarnations, .. })
        ),
        "{:?}",
        site.events
    );
}

#[test]
fn the_same_change_under_another_number_is_refused() {
    let mut site = site_and_foe();
    let body = bodies(origin(1), 1).remove(0);
    send_delta(&mut site, &delta(0, 1, 1, &[body.clone(), body]));
    assert_eq!(site.status().head, 1);
    assert!(matches!(site.events.last(), Some(Event::StreamStopped { reason: StopReason::Repeated, .. })));
}

#[test]
fn a_document_that_cannot_be_applied_hides_no_other() {
    let mut site = site_and_foe();
    // Its author's first change of the document claims to be the seventh.
    let mut body = bodies(origin(1), 1).remove(0);
    body[18] = 7;
    let mut rows = delta(0, 1, 1, &[body]);
    rows.documents.push(DocumentName { space: 0, collection: "product".into(), key: "2".into() });
    let sound = bodies(origin(1), 1).remove(0);
    rows.rows.push(wire::Row { document: 1, origin: 0, sequence: 2, body: sound, follow: None });
    send_delta(&mut site, &rows);
    let behind = Behind { as_of_ms: None, blocked: Some(BlockReason::Refused) };
    assert_eq!(site.read("catalog/product/1"), Reading { behind: Some(behind), ..Reading::default() });
    let (space, collection) = (space("catalog"), document::Collection::new("product").unwrap());
    let list = Request::List { space, collection, after: None, limit: 9 };
    let Ok(Response::Listed(listed)) = site.answer(list) else { panic!("not listed") };
    assert_eq!(listed.blocked, [document::Key::new("1").unwrap()]);
    assert_eq!(listed.documents.len(), 1);
}

#[test]
fn a_change_that_came_by_two_ways_goes_back_by_neither() {
    let mut site = site_and_foe();
    let (address, operations) = (address("store-1/note/1"), vec![Operation::Put(json!({"n": 1}))]);
    site.ask(Request::Write { address, operations, condition: None, terms: WriteTerms::default() });
    site.end_turn();
    // The peer has it from elsewhere, and sends it before this replica's disk is done.
    let mut rows = delta(0, 2, 1, &bodies(origin(2), 1));
    rows.spaces = vec!["store-1".into()];
    send_delta(&mut site, &rows);
    let sent = site.frames.iter().map(|(_, bytes)| wire::decode(bytes).unwrap());
    let sent: Vec<Frame> = sent.filter(|frame| matches!(frame, Frame::Delta(_))).collect();
    assert_eq!(sent, []);
}

#[test]
fn what_a_peer_sent_is_not_sent_back_for_what_it_said_before() {
    // W-116: what is said of changes may come after changes that were sent later.
    let mut site = site_and_foe();
    let rows = Delta { spaces: vec!["store-1".into()], ..delta(0, 1, 1, &bodies(origin(1), 2)) };
    send_delta(&mut site, &rows);
    assert_eq!(site.status().head, 2);
    site.frames.clear();
    let stopped = vec![stopped("store-1", origin(1), 1)];
    send(&mut site, &Frame::Ack(Ack { stopped, ..Ack::default() }));
    assert_eq!(site.status().peers[0].stopped[0].sequence, 2);
    let entries = vec![VectorEntry { origin: origin(1).0, sequence: 1, chain: [0; 8] }];
    let spaces = vec![SpaceVector { space: "store-1".into(), entries, takes: true }];
    send(&mut site, &Frame::Rewind(Rewind { generation: 1, spaces }));
    assert_eq!(sent(&site), 0);
    assert_eq!(site.status().peers[0].backlog_rows, 0);
    // Others are.
    site.put("store-1/note/1", json!({ "n": 4 }));
    assert_eq!(sent(&site), 1);
    assert!(site.disconnects.is_empty());
}

#[test]
fn no_acknowledgement_of_an_old_generation_follows_a_rewind() {
    let mut site = site_and_foe();
    site.frames.clear();
    let bodies = bodies(origin(1), 3);
    for delta in [delta(0, 1, 1, &bodies[..1]), delta(1, 1, 3, &bodies[2..])] {
        let packed = site.foe.pack(&delta, &mut wire::Deflaters::default(), |_, _| false).unwrap();
        let bytes = wire::encode(&Frame::Delta(packed)).unwrap();
        site.input(Input::Frame { link: LinkId(1), bytes });
    }
    site.settle();
    let frames: Vec<Frame> = site.frames.iter().map(|(_, bytes)| wire::decode(bytes).unwrap()).collect();
    assert!(matches!(frames.as_slice(), [Frame::Rewind(_)]), "{frames:?}");
}
