//! Trimmed journals, and the fills that they make necessary.

use super::hostile::{bodies, hello, send, send_delta};
use super::*;
use crate::reconcile::ItemKey;
use wire::Frame;

/// A hub that keeps so few rows of its journal that whoever was away must be filled.
fn trimming_hub() -> Node {
    Node::new(Settings { trimming: TrimPolicy { age_ms: 1_000, bytes: 1 << 30 }, ..hub_settings() })
}

/// The same with a site that takes whole documents.
fn trimming_pair() -> (Node, Node, Wire) {
    let mut settings = site_settings();
    settings.peers.get_mut("hub").unwrap().snapshots = true;
    (trimming_hub(), Node::new(settings), Wire::default())
}

fn price(hub: &mut Node, number: usize, price: usize) {
    hub.put(&format!("catalog/product/{number}"), json!({"price": price}));
}

/// Many at once: a turn for each would take most of a test's time.
fn prices(hub: &mut Node, prices: impl Iterator<Item = (usize, usize)>) {
    for (number, price) in prices {
        let put = vec![document::Operation::Put(json!({ "price": price }))];
        hub.ask(Request::write(address(&format!("catalog/product/{number}")), put));
    }
    hub.settle();
}

/// Lets the hub forget everything that it wrote so far.
fn age(hub: &mut Node) {
    hub.wall_ms += 5_000;
    hub.put("store-1/note/clock", json!({"at": hub.wall_ms}));
    hub.settle();
}

fn rows(node: &Node, kind: u8) -> usize {
    node.disk.scan(Keyspace::Journal, vec![kind]..vec![kind + 1]).count()
}

#[track_caller]
fn assert_filled(hub: &mut Node, site: &mut Node) {
    assert_converged(hub, site);
    for space in [space("catalog"), space("store-1")] {
        assert_eq!(site.replica.verify_values(&space), Ok(vec![]));
    }
    assert!(site.status().spaces.iter().all(|space| !space.is_filling));
}

#[test]
fn rows_go_by_age_and_the_chain_holds() {
    let mut hub = trimming_hub();
    for n in 0..600 {
        price(&mut hub, n % 7, n);
    }
    age(&mut hub);
    assert_eq!((rows(&hub, b'j'), rows(&hub, b't')), (1, 1));
    assert_eq!(hub.replica.verify(0, u64::MAX), Ok(601));
    assert_eq!(verify_journal(&hub.disk), Ok(601));
    hub.crash();
    price(&mut hub, 3, 9);
    assert_eq!(hub.get("catalog/product/3"), Some(json!({"price": 9})));
    assert_eq!(hub.replica.verify(0, u64::MAX), Ok(602));
    assert_eq!(hub.replica.verify_values(&space("catalog")), Ok(vec![]));
}

#[test]
fn rows_go_by_bytes() {
    let trimming = TrimPolicy { age_ms: i64::MAX, bytes: 20_000 };
    let mut hub = Node::new(Settings { trimming, ..hub_settings() });
    for n in 0..400 {
        price(&mut hub, n % 7, n);
        hub.wall_ms += 1_000;
    }
    assert!((100..=102).contains(&rows(&hub, b'j')), "{}", rows(&hub, b'j'));
    assert_eq!(hub.replica.verify_values(&space("catalog")), Ok(vec![]));
}

#[test]
fn a_damaged_row_after_the_low_water_is_seen() {
    let mut hub = trimming_hub();
    (0..9).for_each(|n| price(&mut hub, n, n));
    age(&mut hub);
    (0..9).for_each(|n| price(&mut hub, n, n + 1));
    for lsn in [11, 14] {
        let disk = hub.disk.after_crash();
        let row = disk.0.borrow_mut().rows.remove(&keys::journal(lsn)).unwrap();
        let mut row: record::JournalRow = record::decode(Keyspace::Journal, &row).unwrap();
        row.sequence += 1;
        disk.0.borrow_mut().rows.insert(keys::journal(lsn), record::encode(&row));
        assert_eq!(verify_journal(&disk), Err(StoreError::BrokenJournal { lsn }));
    }
}

#[test]
fn a_site_that_has_nothing_is_filled() {
    let (mut hub, mut site, mut wire) = trimming_pair();
    for n in 0..300 {
        price(&mut hub, n, n);
        price(&mut hub, 0, n);
    }
    age(&mut hub);
    site.put("store-1/inventory/1", item(4));
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.rung(), Some(Rung::Fill));
    assert!(site.events.iter().any(|event| matches!(event, Event::Filled { documents: 300, .. })));
    assert_filled(&mut hub, &mut site);
    price(&mut hub, 1, 7);
    wire.carry(&mut hub, &mut site);
    site.sell("store-1/inventory/1", 1);
    wire.carry(&mut hub, &mut site);
    assert_filled(&mut hub, &mut site);
    // Next time the cursor serves.
    wire.cut(&mut hub, &mut site);
    price(&mut hub, 2, 8);
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.rung(), Some(Rung::Cursor));
    assert_filled(&mut hub, &mut site);
    assert_eq!(hub.status().sessions, Sessions { fill: 1, cursor: 1, ..Sessions::default() });
    let steps = hub.status().fills;
    assert_eq!((steps.symbols, steps.listings, steps.documents), (0, 0, 300), "it said that it has nothing");
    assert!(steps.snapshots > 0, "one has 301 changes: {steps:?}");
    assert_eq!(site.status().fills, FillSteps::default());
}

/// A hub to which a relay, at link 1, tells of many writers.
fn hub_with_relay() -> Node {
    let mut settings = trimming_hub().settings;
    let reader = settings.peers["site"].clone();
    settings.peers.get_mut("site").unwrap().relay = true;
    settings.peers.insert("reader".to_owned(), reader);
    let mut hub = Node::new(settings);
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    send(&mut hub, &Frame::Hello(hello(vec![])));
    hub
}

/// The relay tells of 60 incarnations of each of so many keys, and a document of each.
fn many_writers(hub: &mut Node, part: u8, keys: u8) {
    let keys = (keys * part..keys * (part + 1)).flat_map(|n: u8| {
        (0..60)
            .map(move |incarnation| OriginKey { public_key: [100 + n; 32], incarnation: [incarnation; 16] })
    });
    let from = part.into();
    let mut delta =
        wire::Delta { from, to: from + 1, spaces: vec!["store-1".into()], ..wire::Delta::default() };
    for (index, key) in (0..).zip(keys) {
        let (name, body) = (format!("{part}-{index}"), bodies(origin_of(&key), 1).remove(0));
        delta.origins.push(key);
        delta.documents.push(wire::DocumentName { space: 0, collection: "note".into(), key: name });
        delta.rows.push(wire::Row { document: index, origin: index, sequence: 1, body, follow: None });
    }
    send_delta(hub, &delta);
}

#[test]
fn a_space_of_more_writers_than_an_offer_names_is_filled() {
    // W-58.
    let mut hub = hub_with_relay();
    (0..2).for_each(|part| many_writers(&mut hub, part, 35));
    hub.input(Input::PeerDown { link: LinkId(1) });
    age(&mut hub);
    assert_eq!(rows(&hub, b'j'), 1);
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    wire.connect(&mut hub, &mut site);
    assert_filled(&mut hub, &mut site);
    assert_eq!(site.replica.vector(&space("store-1")).unwrap().len(), 4_201);
    assert!(hub.disconnects.is_empty() && site.disconnects.is_empty());
}

#[test]
fn documents_wait_for_acknowledgements() {
    const WINDOW_BYTES: usize = 256 * 1024;
    let mut hub = trimming_hub();
    let text = "x".repeat(40_000);
    for n in 0..64 {
        hub.put(&format!("store-1/note/{n}"), json!({ "text": format!("{n}{text}") }));
    }
    age(&mut hub);
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    send(&mut hub, &Frame::Hello(hello(vec![])));
    let sent = |hub: &mut Node| {
        let (mut bytes, mut last, mut is_done) = (0, 0, false);
        for (_, frame) in hub.frames_of(1) {
            let Frame::FillDocuments(frame) = wire::decode(&frame).unwrap() else { continue };
            let changes = frame.documents.iter().flat_map(|document| &document.changes);
            bytes += changes.map(|body| body.0.len()).sum::<usize>();
            (last, is_done) = (frame.number, frame.is_done);
        }
        (bytes, last, is_done)
    };
    sent(&mut hub);
    // Another space may be offered first: what it has is none.
    let want = |fill| Frame::FillWant(wire::FillWant { fill, all: true, ..wire::FillWant::default() });
    send(&mut hub, &want(1));
    let (first, last, is_done) = sent(&mut hub);
    assert!(!is_done && (WINDOW_BYTES / 2..WINDOW_BYTES + 100_000).contains(&first), "{first}");
    hub.settle();
    assert_eq!(sent(&mut hub).0, 0, "nothing goes without an acknowledgement");
    send(&mut hub, &Frame::FillAck(wire::FillAck { fill: 1, number: 1 }));
    let (next, _, _) = sent(&mut hub);
    assert!((1..200_000).contains(&next), "as much as was acknowledged: {next}");
    let beyond = wire::FillAck { fill: 1, number: last + 1_000 };
    send(&mut hub, &Frame::FillAck(beyond));
    assert_eq!(hub.disconnects, [Misbehaviour::Position.into()], "what was not sent is not acknowledged");
}

#[test]
fn few_spaces_are_filled_at_once() {
    let mut settings = site_settings();
    let peer = settings.peers["hub"].clone();
    for number in 1..=6 {
        let name = space(&format!("space-{number}"));
        settings.spaces.insert(name.clone(), SpaceMode::Read);
        let access = [(name, Access { read: false, write: true })];
        let peer = PeerSettings { spaces: access.into(), ..peer.clone() };
        settings.peers.insert(format!("peer-{number}"), peer);
    }
    let mut site = Node::new(settings);
    let frame =
        |link, frame: &Frame| Input::Frame { link: LinkId(link), bytes: wire::encode(frame).unwrap() };
    for number in 1..=6 {
        let public_key = key(100 + u8::try_from(number).unwrap()).public_key;
        let link = LinkId(number);
        site.input(Input::PeerUp { link, peer: format!("peer-{number}"), public_key });
        let vector = wire::SpaceVector { space: format!("space-{number}"), entries: vec![], takes: true };
        let hello = wire::Hello { spaces: vec![vector], ..hello(vec![]) };
        site.input(frame(number, &Frame::Hello(hello)));
        let offer = wire::FillOffer {
            fill: 1,
            space: format!("space-{number}"),
            key: [0; 32],
            documents: 0,
            origins: vec![wire::FillOrigin { key: key(1), sequence: 1, chain: [1; 32] }],
            symbols: vec![],
            is_ahead: false,
            more: false,
        };
        site.input(frame(number, &Frame::FillOffer(offer)));
    }
    site.settle();
    let wanted = |site: &mut Node| -> Vec<u64> {
        let frames = site.frames.drain(..);
        let is_want = |bytes: &[u8]| matches!(wire::decode(bytes), Ok(Frame::FillWant(_)));
        frames.filter(|(_, bytes)| is_want(bytes)).map(|(link, _)| link.0).collect()
    };
    assert_eq!(wanted(&mut site), [1, 2, 3, 4]);
    let done = wire::FillDocuments { fill: 1, number: 1, is_done: true, ..wire::FillDocuments::default() };
    site.input(frame(2, &Frame::FillDocuments(done)));
    site.settle();
    assert_eq!(wanted(&mut site), [5], "the next when one is over");
    site.input(Input::PeerDown { link: LinkId(1) });
    site.settle();
    assert_eq!(wanted(&mut site), [6]);
}

#[test]
fn writers_that_come_during_a_fill_are_told_before_their_documents() {
    let mut hub = hub_with_relay();
    hub.put("store-1/note/1", json!({"n": 1}));
    age(&mut hub);
    let reader = |frame: &Frame| Input::Frame { link: LinkId(2), bytes: wire::encode(frame).unwrap() };
    hub.input(Input::PeerUp { link: LinkId(2), peer: "reader".into(), public_key: key(3).public_key });
    hub.input(reader(&Frame::Hello(hello(vec![]))));
    hub.settle();
    (0..2).for_each(|part| many_writers(&mut hub, part, 35));
    let offered = hub.frames_of(2).into_iter().find_map(|(_, bytes)| {
        let Frame::FillOffer(offer) = wire::decode(&bytes).unwrap() else { return None };
        Some(offer)
    });
    let fill = offered.unwrap().fill;
    hub.input(reader(&Frame::FillWant(wire::FillWant { fill, all: true, ..wire::FillWant::default() })));
    hub.settle();
    let mut told = BTreeSet::new();
    let mut counts = Vec::new();
    for (_, bytes) in hub.frames_of(2) {
        let Frame::FillDocuments(frame) = wire::decode(&bytes).unwrap() else { continue };
        told.extend(frame.vector.iter().map(|reach| reach.origin));
        counts.push((frame.number, frame.origins.len()));
        let authors = frame.documents.iter().flat_map(|document| &document.changes).map(|body| {
            let chunk = document::ForeignChange::parse(&body.0).unwrap();
            chunk.origin.0
        });
        assert!(authors.into_iter().all(|author| told.contains(&author) || author == origin(1).0));
    }
    assert_eq!(counts[..2], [(1, 4_096), (2, 104)]);
}

/// A document that fills most of a frame, and writers who came since the offer: together they are longer than a frame.
#[test]
fn what_is_told_of_writers_leaves_room_for_a_long_document() {
    let mut hub = hub_with_relay();
    let mut noise = vec![0; 945_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    for (name, noise) in ["a", "b", "c", "d", "e"].into_iter().zip(noise.chunks(189_000)) {
        let text: String = noise.iter().map(|byte| char::from(b'#' + byte % 90)).collect();
        let patch = document::Operation::MergePatch(json!({ name: text }));
        assert!(hub.write("store-1/book/1", patch).is_some());
    }
    age(&mut hub);
    let reader = |frame: &Frame| Input::Frame { link: LinkId(2), bytes: wire::encode(frame).unwrap() };
    hub.input(Input::PeerUp { link: LinkId(2), peer: "reader".into(), public_key: key(3).public_key });
    hub.input(reader(&Frame::Hello(hello(vec![]))));
    hub.settle();
    (0..2).for_each(|part| many_writers(&mut hub, part, 34));
    let offer = hub.frames_of(2).into_iter().find_map(|(_, bytes)| {
        let Frame::FillOffer(offer) = wire::decode(&bytes).unwrap() else { return None };
        Some(offer)
    });
    // It alone is asked for: of a whole space what the writers wrote would go before it.
    let wire::FillOffer { fill, key, .. } = offer.unwrap();
    let book = address("store-1/book/1");
    let (_, row) = keys::document(keys::SpaceNumber(0), &book.collection, &book.key);
    let document = ItemKey::new(&key).document(keys::name_bytes(&row).unwrap());
    let documents = vec![wire::Wanted { document, heads: Vec::new() }];
    let want = wire::FillWant { fill, snapshots: true, documents, ..wire::FillWant::default() };
    hub.input(reader(&Frame::FillWant(want)));
    hub.settle();
    assert_eq!(hub.disconnects, []);
    let frames = hub.frames_of(2).into_iter().map(|(_, bytes)| {
        let Frame::FillDocuments(frame) = wire::decode(&bytes).unwrap() else { panic!("another frame") };
        (frame.origins.len(), frame.documents.len())
    });
    assert_eq!(frames.take(2).collect::<Vec<_>>(), [(4_080, 0), (0, 1)]);
}

#[test]
fn without_the_right_to_give_snapshots_changes_come_one_by_one() {
    // W-44.
    let (mut hub, mut site, mut wire) = (trimming_hub(), Node::new(site_settings()), Wire::default());
    (0..300).for_each(|n| price(&mut hub, n % 2, n));
    age(&mut hub);
    wire.connect(&mut hub, &mut site);
    assert_filled(&mut hub, &mut site);
    assert_eq!(hub.status().fills, FillSteps { documents: 2, ..FillSteps::default() });
}

/// Both have so many documents; then the hub changes some that the site does not hear of, and forgets.
fn apart(documents: usize, differ: usize) -> (Node, Node, Wire) {
    let (mut hub, mut site, mut wire) = trimming_pair();
    prices(&mut hub, (0..documents).map(|n| (n, n)));
    wire.connect(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    prices(&mut hub, (0..differ).map(|n| (n * 7 % documents, n + 10_000)));
    age(&mut hub);
    (hub, site, wire)
}

#[test]
fn few_differences_cost_few_bytes() {
    let (mut hub, mut site, mut wire) = apart(1_000, 5);
    site.put("store-1/note/2", json!({"n": 1}));
    wire.bytes = 0;
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.rung(), Some(Rung::Reconcile));
    assert_filled(&mut hub, &mut site);
    assert!(wire.bytes < 6_000, "{}", wire.bytes);
}

/// The steps by which the hub told a site which documents differ.
#[track_caller]
fn reconciled(documents: usize, differ: usize) -> FillSteps {
    let (mut hub, mut site, mut wire) = apart(documents, differ);
    // Those of the first sync.
    let before = hub.status().fills;
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.rung(), Some(Rung::Reconcile));
    assert_filled(&mut hub, &mut site);
    let after = hub.status().fills;
    let steps = FillSteps {
        symbols: after.symbols - before.symbols,
        listings: after.listings - before.listings,
        documents: after.documents - before.documents,
        snapshots: after.snapshots - before.snapshots,
    };
    assert_eq!(steps.documents, differ as u64, "what differs is sent, and no more");
    steps
}

#[test]
fn many_differences_are_asked_for_by_more_symbols() {
    let steps = reconciled(2_000, 200);
    assert!(steps.symbols > 1 && steps.listings == 0, "{steps:?}");
}

#[test]
fn very_many_differences_are_found_by_listings() {
    assert_eq!(reconciled(601, 600).listings, 1);
    assert_eq!(reconciled(4_201, 4_150).listings, 2);
}

#[test]
fn documents_that_both_changed_merge() {
    let (mut hub, mut site, mut wire) = trimming_pair();
    for n in 0..50 {
        hub.put(&format!("store-1/inventory/{n}"), item(n));
    }
    wire.connect(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    for n in 0..50 {
        hub.sell(&format!("store-1/inventory/{n}"), 1);
        site.sell(&format!("store-1/inventory/{}", n / 2), 1);
        site.put(&format!("store-1/note/{n}"), json!({ "n": n }));
    }
    age(&mut hub);
    wire.connect(&mut hub, &mut site);
    assert_filled(&mut hub, &mut site);
    assert_eq!(hub.get("store-1/inventory/7"), Some(item(4)));
}

#[test]
fn only_the_space_that_needs_it_is_filled() {
    let (mut hub, mut site, mut wire) = trimming_pair();
    wire.connect(&mut hub, &mut site);
    hub.put("store-1/inventory/1", item(1));
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    (0..20).for_each(|n| price(&mut hub, n, n));
    hub.wall_ms += 5_000;
    hub.put("store-1/inventory/1", item(2));
    wire.connect(&mut hub, &mut site);
    let filled: Vec<_> = site
        .events
        .iter()
        .filter_map(|event| if let Event::Filled { space, .. } = event { Some(space.as_str()) } else { None })
        .collect();
    assert_eq!(filled, ["catalog"]);
    assert_filled(&mut hub, &mut site);
}

#[test]
fn a_crash_in_the_middle_costs_what_is_missing() {
    // W-43.
    let (mut hub, mut site, mut wire) = trimming_pair();
    let text = "x".repeat(8_000);
    for n in 0..300 {
        hub.put(&format!("catalog/note/{n}"), json!({"text": format!("{n} {text}")}));
    }
    age(&mut hub);
    for frames in 1..9 {
        wire.link += 1;
        let (link, to) = (LinkId(wire.link), wire.link);
        for (node, peer, number) in [(&mut hub, "site", 2), (&mut site, "hub", 1)] {
            node.input(Input::PeerUp { link, peer: peer.into(), public_key: key(number).public_key });
            node.settle();
        }
        // So many frames each way, then the site dies.
        for _ in 0..frames {
            for turn in [true, false] {
                let (from, node) = if turn { (&mut hub, &mut site) } else { (&mut site, &mut hub) };
                let frame = from.frames.iter().position(|(link, _)| link.0 == to);
                if let Some((link, bytes)) = frame.and_then(|at| from.frames.remove(at)) {
                    node.input(Input::Frame { link, bytes });
                    node.settle();
                }
            }
        }
        site.crash();
        hub.input(Input::PeerDown { link });
        hub.settle();
        hub.frames.clear();
        if frames > 4 {
            assert!(site.read("catalog/note/none").is_filling);
            assert!(site.status().spaces[0].is_filling);
        }
    }
    let had = site.replica.heads(&space("catalog")).unwrap().len();
    assert!((1..300).contains(&had), "{had}");
    price(&mut hub, 1, 1);
    wire.bytes = 0;
    wire.connect(&mut hub, &mut site);
    assert_filled(&mut hub, &mut site);
    assert_eq!(hub.rung(), Some(Rung::Reconcile));
}

#[test]
fn what_is_written_and_trimmed_while_filling_comes_too() {
    let (mut hub, mut site, _) = trimming_pair();
    let text = "x".repeat(2_000);
    for n in 0..300 {
        hub.put(&format!("catalog/note/{n}"), json!({"text": format!("{n} {text}")}));
    }
    age(&mut hub);
    for (node, peer, number) in [(&mut hub, "site", 2), (&mut site, "hub", 1)] {
        node.input(Input::PeerUp { link: LinkId(1), peer: peer.into(), public_key: key(number).public_key });
        node.settle();
    }
    let mut round = 0;
    while !(hub.frames.is_empty() && site.frames.is_empty()) {
        round += 1;
        for turn in [true, false] {
            let (from, node) = if turn { (&mut hub, &mut site) } else { (&mut site, &mut hub) };
            if let Some((link, bytes)) = from.frames.pop_front() {
                node.input(Input::Frame { link, bytes });
                node.settle();
            }
        }
        if round < 30 {
            hub.put(&format!("catalog/note/{}", round * 9), json!({ "round": round }));
            site.put("store-1/note/site", json!({ "round": round }));
        }
        if round == 12 {
            age(&mut hub);
        }
    }
    assert_filled(&mut hub, &mut site);
}

#[test]
fn lanes_may_overtake_each_other() {
    // W-42.
    let (mut hub, mut site, mut wire) = apart(300, 40);
    wire.link += 1;
    for (node, peer, number) in [(&mut hub, "site", 2), (&mut site, "hub", 1)] {
        let link = LinkId(wire.link);
        node.frames.clear();
        node.input(Input::PeerUp { link, peer: peer.into(), public_key: key(number).public_key });
        node.settle();
    }
    // The site's hello first, then what the hub offers before the hub's own hello.
    let (link, bytes) = site.frames.pop_front().unwrap();
    hub.input(Input::Frame { link, bytes });
    hub.settle();
    hub.frames.make_contiguous().sort_by_key(|(_, bytes)| bytes[0] < 10);
    assert_eq!(hub.frames[0].1[0], 10);
    wire.carry(&mut hub, &mut site);
    assert_filled(&mut hub, &mut site);
}

/// A replica behind the site: it reads `catalog` and writes `store-1`.
fn till_settings() -> Settings {
    let mut settings = Settings { name: "till".into(), key: key(3), epoch: 33, ..site_settings() };
    let site = settings.peers.remove("hub").unwrap();
    settings.peers.insert("site".into(), site);
    settings
}

#[test]
fn a_relay_that_was_filled_fills_who_is_behind_it() {
    let mut settings = site_settings();
    let access = [(space("catalog"), Access { read: true, write: false }), (space("store-1"), BOTH)];
    let till = PeerSettings { spaces: access.into(), relay: false, snapshots: false, hub: false };
    settings.peers.insert("till".into(), till);
    let (mut site, mut till) = (Node::new(settings), Node::new(till_settings()));
    let mut settings = trimming_hub().settings;
    settings.peers.get_mut("site").unwrap().relay = true;
    let mut hub = Node::new(settings);
    (0..200).for_each(|n| price(&mut hub, n, n));
    age(&mut hub);
    let (mut up, mut down) = (Wire::default(), Wire { link: 100, ..Wire::default() });
    down.connect(&mut site, &mut till);
    up.connect(&mut hub, &mut site);
    down.carry(&mut site, &mut till);
    down.carry(&mut site, &mut till);
    let filled = till.events.iter().any(|event| matches!(event, Event::Filled { documents: 200, .. }));
    assert!(filled, "{:?} {:?}", till.events, till.disconnects);
    assert_filled(&mut hub, &mut till);
    price(&mut hub, 3, 5);
    till.put("store-1/note/till", json!({"n": 1}));
    for _ in 0..3 {
        up.carry(&mut hub, &mut site);
        down.carry(&mut site, &mut till);
    }
    assert_filled(&mut hub, &mut till);
    assert_filled(&mut hub, &mut site);
}

#[test]
fn two_that_forgot_what_the_other_lacks_fill_each_other() {
    let short = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
    let (mut hub, mut site, mut wire) =
        (trimming_hub(), Node::new(Settings { trimming: short, ..site_settings() }), Wire::default());
    for n in 0..20 {
        hub.put(&format!("store-1/inventory/{n}"), item(n));
        site.put(&format!("store-1/inventory/{}", n + 10), item(n));
    }
    age(&mut hub);
    site.wall_ms += 5_000;
    site.put("store-1/note/site", json!({"n": 1}));
    wire.connect(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    wire.connect(&mut hub, &mut site);
    assert_filled(&mut hub, &mut site);
}

#[test]
fn rows_trimmed_after_a_fill_bring_back_none_of_what_it_brought() {
    let mut hub = Node::new(hub_settings());
    price(&mut hub, 1, 1);
    let mut journal = hub.journal();
    let (space, of) = (space("catalog"), origin(1));
    let stream = (journal.names.space_number(&space).unwrap(), journal.names.origin_number(of).unwrap());
    journal.adopt(stream, VectorEntry { sequence: 23, chain: [1; 32] });
    // Its row 1 goes only now.
    journal.vectors.raise_first(&mut journal.rows, stream, 2);
    assert_eq!(journal.vectors.first(stream.0, stream.1), 24);
}
