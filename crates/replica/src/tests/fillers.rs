//! A space that several peers fill.

use super::*;
use wire::{FillAhead, FillFinished, Frame};

/// One of three that share a space and relay; its journal keeps a second.
pub(super) fn equal(name: &str, number: u8) -> Node {
    let peer = |name: &str| {
        let spaces = [(space("store-1"), BOTH)].into();
        (name.to_owned(), PeerSettings { spaces, relay: true, snapshots: false, hub: false })
    };
    let others = ["hub", "site", "till"].into_iter().filter(|other| *other != name);
    Node::new(Settings {
        name: name.to_owned(),
        key: key(number),
        epoch: u64::from(number),
        spaces: [(space("store-1"), SpaceMode::Write)].into(),
        peers: others.map(peer).collect(),
        trimming: TrimPolicy { age_ms: 1_000, bytes: 1 << 30 },
        ..hub_settings()
    })
}

/// Lets a node forget everything that it has so far.
pub(super) fn age(node: &mut Node) {
    node.wall_ms += 5_000;
    let name = node.settings.name.clone();
    node.put(&format!("store-1/note/{name}"), json!({"at": node.wall_ms}));
}

pub(super) fn notes(hub: &mut Node, numbers: Range<u32>) {
    let text = "x".repeat(8_000);
    for number in numbers {
        hub.put(&format!("store-1/note/{number}"), json!({"text": format!("{number} {text}")}));
    }
}

/// Some frames of one's documents for the other, then the connection ends.
pub(super) fn interrupted(wire: &mut Wire, hub: &mut Node, site: &mut Node) {
    wire.link += 1;
    let names = [&hub.settings, &site.settings].map(|node| (node.name.clone(), node.key.public_key));
    let [hub_is, site_is] = names;
    for (node, (peer, public_key)) in [(&mut *hub, site_is), (&mut *site, hub_is)] {
        node.input(Input::PeerUp { link: LinkId(wire.link), peer, public_key });
        node.settle();
    }
    for _ in 0..9 {
        for turn in [true, false] {
            let (from, node) = if turn { (&mut *hub, &mut *site) } else { (&mut *site, &mut *hub) };
            if let Some((link, bytes)) = from.frames.pop_front() {
                node.input(Input::Frame { link, bytes });
                node.settle();
            }
        }
    }
    wire.cut(hub, site);
}

#[test]
fn a_fill_that_another_peer_finishes_is_complete_with_what_both_brought() {
    let (mut hub, mut site, mut till) = (equal("hub", 1), equal("site", 2), equal("till", 3));
    let (mut up, mut side) = (Wire::default(), Wire { link: 100, ..Wire::default() });
    let mut far = Wire { link: 200, ..Wire::default() };
    notes(&mut hub, 100..120);
    far.connect(&mut hub, &mut till);
    far.cut(&mut hub, &mut till);
    notes(&mut hub, 120..400);
    [&mut hub, &mut till].into_iter().for_each(age);

    interrupted(&mut up, &mut hub, &mut site);
    let came = site.replica.heads(&space("store-1")).unwrap();
    let (last, _) = came.last().unwrap().clone();
    assert!((21..300).contains(&came.len()), "{}", came.len());
    // On top of what the other peer does not have.
    site.put(&last.to_string(), json!({"site": 1}));

    side.connect(&mut till, &mut site);
    assert!(site.events.iter().any(|event| matches!(event, Event::Filled { .. })), "{:?}", site.events);
    assert!(site.read("store-1/note/none").is_filling, "the hub's documents are not all here");
    till.put("store-1/note/1", json!({"till": 1}));
    side.carry(&mut till, &mut site);
    assert_eq!((till.disconnects.as_slice(), site.disconnects.as_slice()), (&[][..], &[][..]));

    up.connect(&mut hub, &mut site);
    for _ in 0..3 {
        side.carry(&mut till, &mut site);
        up.carry(&mut hub, &mut site);
    }
    assert!(!site.read("store-1/note/none").is_filling);
    assert_converged(&mut hub, &mut site);
    assert_converged(&mut till, &mut site);
}

#[test]
fn a_filler_that_lost_its_disk_is_given_what_it_gave() {
    let (mut hub, mut site) = (equal("hub", 1), equal("site", 2));
    let mut up = Wire::default();
    notes(&mut hub, 100..400);
    age(&mut hub);
    interrupted(&mut up, &mut hub, &mut site);
    let came = site.replica.heads(&space("store-1")).unwrap();
    assert!((1..300).contains(&came.len()), "{}", came.len());
    // On top of changes whose stamps are lost with the hub's disk.
    site.put(&came.last().unwrap().0.to_string(), json!({"site": 1}));

    let incarnation = OriginKey { incarnation: [9; 16], ..key(1) };
    let mut hub = Node::new(Settings { key: incarnation, epoch: 9, ..hub.settings });
    hub.put("store-1/note/1", json!({"hub": 1}));
    up.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
    for number in 0..3 {
        site.put(&came[0].0.to_string(), json!({ "site": number }));
        up.carry(&mut hub, &mut site);
        hub.put(&came[0].0.to_string(), json!({ "hub": number }));
        up.carry(&mut hub, &mut site);
    }
    assert_converged(&mut hub, &mut site);
    up.cut(&mut hub, &mut site);
    site.put(&came[0].0.to_string(), json!({"site": 9}));
    up.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
}

/// Has the hub fill a node, and write to a note while that is on its way: the note has what the offered vector does not
/// tell of. Then the hub's disk is lost.
fn fill_and_lose(hub: &mut Node, node: &mut Node, note: &str) {
    let link = LinkId(900);
    let names = [&hub.settings, &node.settings].map(|of| (of.name.clone(), of.key.public_key));
    let [hub_is, node_is] = names;
    for (of, (peer, public_key)) in [(&mut *hub, node_is), (&mut *node, hub_is)] {
        of.input(Input::PeerUp { link, peer, public_key });
        of.settle();
    }
    while !node.events.iter().any(|event| matches!(event, Event::Filled { .. })) {
        if let Some((link, bytes)) = hub.frames.pop_front() {
            let is_offer = matches!(wire::decode(&bytes), Ok(Frame::FillOffer(_)));
            node.input(Input::Frame { link, bytes });
            node.settle();
            if is_offer {
                hub.put(note, json!({"late": 1}));
            }
        }
        if let Some((link, bytes)) = node.frames.pop_front() {
            hub.input(Input::Frame { link, bytes });
            hub.settle();
        }
    }
    node.input(Input::PeerDown { link });
    node.settle();
    node.frames.clear();
    assert_eq!(node.read(note).value, Some(json!({"late": 1})));
}

/// A hub whose documents are all that it can give.
fn hub_of_notes() -> Node {
    let mut hub = equal("hub", 1);
    notes(&mut hub, 100..110);
    age(&mut hub);
    hub
}

/// The same from an older copy of its disk.
fn restored(hub: &Node) -> Node {
    let incarnation = OriginKey { incarnation: [9; 16], ..key(1) };
    Node::on(hub.disk.after_crash(), Settings { key: incarnation, epoch: 9, ..hub.settings.clone() })
}

#[test]
fn a_change_whose_stamp_went_with_its_author_is_given_all_the_same() {
    // W-54. It came with a document while that was written on, and the row that has its stamp would have followed.
    let (mut hub, mut site, mut till) = (hub_of_notes(), equal("site", 2), equal("till", 3));
    let (mut far, mut side) = (Wire::default(), Wire { link: 100, ..Wire::default() });
    far.connect(&mut hub, &mut till);
    far.cut(&mut hub, &mut till);
    fill_and_lose(&mut hub, &mut site, "store-1/note/100");
    assert_eq!(till.replica.vector(&space("store-1")), site.replica.vector(&space("store-1")));
    side.connect(&mut till, &mut site);
    assert_eq!(till.read("store-1/note/100").value, Some(json!({"late": 1})));
    assert_converged(&mut till, &mut site);
    // What is written on top is taken.
    site.put("store-1/note/100", json!({"site": 1}));
    side.carry(&mut till, &mut site);
    till.put("store-1/note/100", json!({"till": 1}));
    side.carry(&mut till, &mut site);
    assert_converged(&mut till, &mut site);
}

#[test]
fn two_with_other_changes_that_have_no_stamp_give_each_other_theirs_and_are_silent() {
    // W-54, W-55.
    let (mut hub, mut site, mut till) = (hub_of_notes(), equal("site", 2), equal("till", 3));
    let mut older = restored(&hub);
    let mut side = Wire { link: 100, ..Wire::default() };
    fill_and_lose(&mut hub, &mut site, "store-1/note/100");
    fill_and_lose(&mut older, &mut till, "store-1/note/101");
    assert_eq!(till.replica.vector(&space("store-1")), site.replica.vector(&space("store-1")));
    side.connect(&mut till, &mut site);
    for node in [&mut till, &mut site] {
        assert_eq!(node.read("store-1/note/100").value, Some(json!({"late": 1})));
        assert_eq!(node.read("store-1/note/101").value, Some(json!({"late": 1})));
    }
    assert_converged(&mut till, &mut site);
    // Of equal documents nothing is sent, after a crash neither.
    for _ in 0..2 {
        side.cut(&mut till, &mut site);
        [&mut till, &mut site].into_iter().for_each(|node| {
            node.crash();
        });
        let (frames, bytes) = (side.frames, side.bytes);
        side.connect(&mut till, &mut site);
        assert_converged(&mut till, &mut site);
        let filled = |node: &Node| node.events.iter().any(|event| matches!(event, Event::Filled { .. }));
        assert!(!filled(&till) && !filled(&site), "{:?} {:?}", till.events, site.events);
        assert!(side.frames - frames <= 12 && side.bytes - bytes < 1_000, "{} {}", side.frames, side.bytes);
    }
}

/// Two that hold another change each that nobody has a stamp of; the first does not take changes of others from the second.
fn one_sided(takes_own_past: bool) -> (Node, Node, Wire) {
    let (mut hub, mut site, mut till) = (hub_of_notes(), equal("site", 2), equal("till", 3));
    let mut older = restored(&hub);
    fill_and_lose(&mut hub, &mut site, "store-1/note/100");
    fill_and_lose(&mut older, &mut till, "store-1/note/101");
    site.settings.takes_own_past = takes_own_past;
    site.settings.peers.get_mut("till").unwrap().relay = false;
    site.crash();
    (till, site, Wire { link: 100, ..Wire::default() })
}

#[test]
fn who_takes_no_changes_of_others_from_a_holder_does_not_ask() {
    // W-55.
    let (mut till, mut site, mut side) = one_sided(false);
    side.connect(&mut till, &mut site);
    assert_eq!((till.disconnects.as_slice(), site.disconnects.as_slice()), (&[][..], &[][..]));
    assert_eq!(till.read("store-1/note/100").value, Some(json!({"late": 1})));
    assert_ne!(site.read("store-1/note/101").value, Some(json!({"late": 1})));
    assert!(!site.events.iter().any(|event| matches!(event, Event::FillStopped { .. })), "{:?}", site.events);
}

#[test]
fn what_was_asked_for_and_may_not_be_taken_ends_neither_the_link_nor_what_is_whole() {
    // W-46, W-56. Its own past is all that it takes from there, and these are another's changes.
    let (mut till, mut site, mut side) = one_sided(true);
    side.connect(&mut till, &mut site);
    assert_eq!((till.disconnects.as_slice(), site.disconnects.as_slice()), (&[][..], &[][..]));
    assert_eq!(till.read("store-1/note/100").value, Some(json!({"late": 1})));
    let reading = site.read("store-1/note/101");
    assert_ne!(reading.value, Some(json!({"late": 1})));
    let number = *site.journal().names.space_number(&space("store-1")).as_ref().unwrap();
    let stopped = |event: &Event| matches!(event, Event::FillStopped { reason: StopReason::NoRelay, .. });
    assert!(site.events.iter().any(stopped), "{:?}", site.events);
    assert!(!site.journal().lacks_documents(number));
}

#[test]
fn an_answer_to_nothing_is_passed_over_and_another_is_answered_once() {
    // W-54, W-55.
    let (mut hub, mut site) = (hub_of_notes(), equal("site", 2));
    let (mut till, mut far) = (equal("till", 3), Wire::default());
    far.connect(&mut hub, &mut till);
    far.cut(&mut hub, &mut till);
    let link = LinkId(1);
    let ahead = |asks| Frame::FillAhead(FillAhead { space: "store-1".into(), asks });
    let say = |node: &mut Node, frame: &Frame| {
        node.input(Input::Frame { link, bytes: wire::encode(frame).unwrap() });
        node.settle();
        let sent: Vec<Frame> =
            node.frames.drain(..).filter_map(|(_, bytes)| wire::decode(&bytes).ok()).collect();
        let offers = sent.iter().filter(|frame| matches!(frame, Frame::FillOffer(_))).count();
        (offers, sent.contains(&ahead(false)))
    };
    // The till's hello, as it was before anything was asked.
    till.input(Input::PeerUp { link, peer: "site".into(), public_key: key(2).public_key });
    till.settle();
    let (_, hello) = till.frames.pop_front().unwrap();
    let hello = wire::decode(&hello).unwrap();
    let up = |node: &mut Node| {
        node.input(Input::PeerUp { link, peer: "till".into(), public_key: key(3).public_key });
        node.settle();
    };
    up(&mut site);
    assert_eq!(say(&mut site, &hello), (0, false), "everything has its stamp");
    assert_eq!(say(&mut site, &ahead(true)), (0, false));
    site.input(Input::PeerDown { link });
    fill_and_lose(&mut hub, &mut site, "store-1/note/100");
    up(&mut site);
    assert_eq!(say(&mut site, &hello), (0, true));
    assert_eq!(say(&mut site, &ahead(true)), (1, false));
    let finished = |fill| Frame::FillFinished(FillFinished { fill, taken: true, entries: vec![] });
    assert_eq!(say(&mut site, &ahead(true)), (0, false), "it is being offered");
    assert_eq!(say(&mut site, &finished(1)), (0, false), "it was given all");
    assert_eq!(say(&mut site, &ahead(true)), (0, false));
    assert_eq!(site.disconnects, []);
}
