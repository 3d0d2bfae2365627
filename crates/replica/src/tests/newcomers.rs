//! Who has nothing of a space of which the hub's journal has all.

use super::access::{self, Fleet};
use super::fill_changed::{hub, is_filling};
use super::*;
use wire::Frame;

/// A hub with a long catalogue, which it shares with so many sites.
fn hub_of_many(sites: usize) -> Node {
    let mut settings = hub_settings();
    let site = settings.peers["site"].clone();
    settings.peers = (0..sites).map(|number| (format!("site-{number}"), site.clone())).collect();
    let mut hub = Node::new(settings);
    for number in 0..256 {
        hub.ask(written(number));
    }
    hub.settle();
    hub
}

/// A hub with so many long notes in the catalogue, and more short ones in `store-1` than a newcomer is sent row by row.
fn hub_with_much(notes: usize) -> Node {
    let mut hub = hub(TrimPolicy::default(), notes);
    for number in 0..300 {
        hub.put(&format!("store-1/note/{number}"), json!({ "n": number }));
    }
    hub
}

fn written(number: u32) -> Request {
    let price = document::Operation::Put(json!({ "price": number }));
    Request::write(address(&format!("catalog/product/{number}")), vec![price])
}

/// The peer `number` is there, and says what it has.
fn greet(hub: &mut Node, number: u8, hello: wire::Hello) {
    let link = LinkId(number.into());
    let public_key = key(100 + number).public_key;
    hub.input(Input::PeerUp { link, peer: format!("site-{number}"), public_key });
    hub.input(Input::Frame { link, bytes: wire::encode(&Frame::Hello(hello)).unwrap() });
}

/// The same of one that has nothing; what the hub has for it comes back.
fn meet(hub: &mut Node, number: u8) -> Vec<Frame> {
    greet(hub, number, hostile::hello(vec![]));
    hub.settle();
    sent(hub, number)
}

fn sent(hub: &mut Node, number: u8) -> Vec<Frame> {
    let frames = hub.frames_of(number.into());
    frames.into_iter().map(|(_, bytes)| wire::decode(&bytes).unwrap()).collect()
}

fn offers(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| matches!(frame, Frame::FillOffer(_))).count()
}

fn deltas(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| matches!(frame, Frame::Delta(_))).count()
}

#[test]
fn a_throng_of_newcomers_is_sent_the_journal() {
    let mut hub = hub_of_many(18);
    for number in 0..16 {
        let frames = meet(&mut hub, number);
        assert_eq!((offers(&frames), deltas(&frames)), (1, 0), "{number}");
    }
    let frames = meet(&mut hub, 16);
    assert_eq!(offers(&frames), 0);
    assert!(deltas(&frames) > 0, "nobody waits for a place");
    hub.input(Input::PeerDown { link: LinkId(3) });
    let frames = meet(&mut hub, 17);
    assert_eq!((offers(&frames), deltas(&frames)), (1, 0), "a place is free");
}

/// Those that the journal does not serve take all places before its turn comes.
#[test]
fn a_newcomer_waits_for_no_place() {
    let mut hub = hub_of_many(33);
    greet(&mut hub, 9, hostile::hello(vec![]));
    for number in (0..33).filter(|number| *number != 9) {
        greet(&mut hub, number, wire::Hello { incomplete: vec!["catalog".into()], ..hostile::hello(vec![]) });
    }
    hub.settle();
    for number in 0..33 {
        let frames = sent(&mut hub, number);
        let is_new = number == 9;
        assert_eq!((offers(&frames), deltas(&frames) > 0), (usize::from(!is_new), is_new), "{number}");
    }
}

#[test]
fn the_space_with_the_fewest_changes_is_filled_first() {
    let mut hub = hub_with_much(400);
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    wire.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
    let filled = site.events.iter().filter_map(|event| {
        let Event::Filled { space, .. } = event else { return None };
        Some(space.as_str())
    });
    assert_eq!(filled.collect::<Vec<_>>(), ["store-1", "catalog"]);
}

#[test]
fn who_sold_before_it_met_the_hub_is_sent_the_journal() {
    let mut hub = hub_with_much(1);
    let mut site = Node::new(site_settings());
    site.put("store-1/note/7", json!({"sold": 1}));
    let mut wire = Wire::default();
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.rung(), Some(Rung::Vector));
    assert_converged(&mut hub, &mut site);
}

/// It has others behind it, who are to get the rows.
#[test]
fn who_relays_is_sent_the_journal() {
    let mut hub = hub_with_much(1);
    hub.settings.peers.get_mut("site").unwrap().relay = true;
    hub.crash();
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.rung(), Some(Rung::Vector));
    assert_converged(&mut hub, &mut site);
}

/// A hub with what site 1 wrote, whose rights nobody is told.
fn hub_with_a_stranger(trimming: TrimPolicy) -> Fleet {
    let mut fleet = Fleet::new(3);
    fleet.redials = true;
    fleet.grant(2, &[("store-1", access::READ_WRITE)]);
    fleet.nodes[0].settings.peers.get_mut("site-1").unwrap().spaces = [(space("store-1"), BOTH)].into();
    fleet.nodes[0].settings.trimming = trimming;
    fleet.restart(0);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/stranger", json!({"n": 1}));
    fleet.carry();
    assert_eq!(fleet.has(0, 1, "store-1"), 1);
    fleet.nodes[0].put("store-1/note/stranger", json!({"n": 2}));
    let text = "x".repeat(4_000);
    for number in 0..300 {
        fleet.nodes[0].put(&format!("store-1/note/{number}"), json!({ "n": number, "text": text }));
    }
    fleet.nodes[0].wall_ms += 5_000;
    fleet.nodes[0].put("store-2/note/1", json!({"n": 1}));
    fleet.nodes[0].settle();
    fleet
}

/// Of a fill a document would be left out, and with it how far the space's streams go.
#[test]
fn what_an_unknown_author_wrote_has_the_journal_sent() {
    let mut fleet = hub_with_a_stranger(TrimPolicy::default());
    fleet.connect(0, 2);
    assert_eq!((fleet.nodes[0].rung(), fleet.nodes[0].status().fills.documents), (Some(Rung::Vector), 0));
    assert!(!is_filling(&mut fleet.nodes[2]));
    fleet.grant(1, &[("store-1", access::READ_WRITE)]);
    fleet.carry();
    assert_eq!(fleet.nodes[2].get("store-1/note/stranger"), Some(json!({"n": 2})));
    assert_eq!((fleet.has(2, 0, "store-1"), fleet.has(2, 1, "store-1")), (301, 1));
}

/// Whatever of the two lanes is quicker.
#[test]
fn whose_changes_may_be_taken_is_known_before_the_documents_that_have_them() {
    for trimming in [TrimPolicy::default(), TrimPolicy { age_ms: 1_000, bytes: 1 << 30 }] {
        let mut fleet = Fleet::new(3);
        fleet.nodes[0].settings.trimming = trimming;
        fleet.restart(0);
        for node in [1, 2] {
            fleet.grant(node, &[("store-1", access::READ_WRITE)]);
        }
        fleet.connect(0, 1);
        for number in 0..300 {
            fleet.nodes[1].put(&format!("store-1/note/{number}"), json!({ "n": number }));
        }
        fleet.carry();
        fleet.nodes[0].wall_ms += 5_000;
        fleet.nodes[0].put("store-1/note/0", json!({"n": -1}));
        fleet.nodes[0].settle();
        fleet.fills_overtake = true;
        fleet.connect(0, 2);
        assert_eq!(fleet.disconnects(), []);
        assert_eq!(
            (fleet.has(2, 1, "store-1"), fleet.nodes[2].get("store-1/note/299")),
            (300, Some(json!({"n": 299})))
        );
        assert!(fleet.nodes[0].status().fills.documents >= 300);
    }
}

#[test]
fn a_right_that_comes_during_a_fill_begins_it_anew() {
    let mut fleet = hub_with_a_stranger(TrimPolicy { age_ms: 1_000, bytes: 1 << 30 });
    fleet.dial(0, 2);
    let mut redialled = 0;
    let is_filling = |fleet: &mut Fleet| fleet.nodes[2].read("store-1/note/none").is_filling;
    while !is_filling(&mut fleet) {
        fleet.carry_round(&mut redialled);
    }
    fleet.grant(1, &[("store-1", access::READ_WRITE)]);
    while !fleet.disconnects().contains(&(2, DisconnectReason::RightsChanged)) {
        assert!(is_filling(&mut fleet));
        fleet.carry_round(&mut redialled);
    }
    fleet.carry();
    assert_eq!(fleet.nodes[2].get("store-1/note/stranger"), Some(json!({"n": 2})));
    assert!(!is_filling(&mut fleet));
}
