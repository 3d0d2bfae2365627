//! Documents that are changed while their space is being sent whole.

use super::*;
use wire::Frame;

const NOTES: usize = 600;

/// Notes that the hub's journal has no more.
const TRIMMED: TrimPolicy = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };

/// A hub with notes.
pub(super) fn hub(trimming: TrimPolicy, notes: usize) -> Node {
    let mut hub = Node::new(Settings { trimming, ..hub_settings() });
    for number in 0..notes {
        let text = document::Operation::Put(json!({ "text": format!("{number} {}", "x".repeat(2_000)) }));
        hub.ask(Request::write(address(&format!("catalog/note/{number}")), vec![text]));
    }
    hub.settle();
    hub.wall_ms += 5_000;
    hub.put("store-1/note/clock", json!({"at": hub.wall_ms}));
    hub.settle();
    hub
}

/// A hub with notes, and a site that has nothing, as they meet.
fn met(trimming: TrimPolicy) -> (Node, Node) {
    let mut hub = hub(trimming, NOTES);
    let mut site = Node::new(site_settings());
    for (node, peer, number) in [(&mut hub, "site", 2), (&mut site, "hub", 1)] {
        node.input(Input::PeerUp { link: LinkId(1), peer: peer.into(), public_key: key(number).public_key });
        node.settle();
    }
    (hub, site)
}

/// Carries a frame each way; returns the names of the documents among them.
fn carry_one(hub: &mut Node, site: &mut Node) -> Vec<String> {
    let mut names = Vec::new();
    for turn in [true, false] {
        let (from, node) = if turn { (&mut *hub, &mut *site) } else { (&mut *site, &mut *hub) };
        if let Some((link, bytes)) = from.frames.pop_front() {
            if let Ok(Frame::FillDocuments(frame)) = wire::decode(&bytes) {
                let name = |document: wire::FillDocument| {
                    format!("{}/{}", document.name.collection, document.name.key)
                };
                names.extend(frame.documents.into_iter().map(name));
            }
            node.input(Input::Frame { link, bytes });
            node.settle();
        }
    }
    names
}

pub(super) fn is_filling(site: &mut Node) -> bool {
    site.status().spaces.iter().any(|space| space.is_filling)
}

#[test]
fn a_price_does_not_wait_for_the_rest_of_its_catalogue() {
    overtakes(met(TRIMMED));
}

#[test]
fn nor_does_it_where_the_journal_still_has_all_of_it() {
    overtakes(met(TrimPolicy::default()));
}

#[test]
fn who_has_nothing_of_a_space_is_filled_if_its_journal_is_long() {
    for (notes, rung) in [(250, Rung::Vector), (256, Rung::Fill)] {
        let mut hub = hub(TrimPolicy::default(), notes);
        let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
        wire.connect(&mut hub, &mut site);
        assert_eq!(hub.rung(), Some(rung), "{notes} notes");
        assert_converged(&mut hub, &mut site);
        // What it has once it is sent row by row, however much it lacks, and however much is written meanwhile.
        wire.cut(&mut hub, &mut site);
        for number in 0..300 {
            hub.put(&format!("catalog/product/{number}"), json!({"price": number}));
        }
        wire.connect(&mut hub, &mut site);
        assert_eq!(hub.rung(), Some(Rung::Cursor));
        assert_converged(&mut hub, &mut site);
    }
}

#[test]
fn a_space_that_becomes_long_while_it_is_sent_is_sent_on() {
    let mut hub = hub(TrimPolicy::default(), 10);
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    wire.connect(&mut hub, &mut site);
    for number in 0..600 {
        hub.put(&format!("catalog/product/{number}"), json!({"price": number}));
    }
    wire.carry(&mut hub, &mut site);
    assert_eq!((hub.rung(), hub.status().fills.documents), (Some(Rung::Vector), 0));
    assert_converged(&mut hub, &mut site);
}

fn overtakes((mut hub, mut site): (Node, Node)) {
    while !is_filling(&mut site) {
        carry_one(&mut hub, &mut site);
    }
    hub.put("catalog/product/milk", json!({"price": 1.19}));
    let mut frames = 0;
    while site.get("catalog/product/milk").is_none() {
        carry_one(&mut hub, &mut site);
        frames += 1;
    }
    assert!(is_filling(&mut site), "the fill had ended");
    // What was under way goes before it.
    assert!(frames <= 6, "{frames} frames");
    // A document that was sent before is sent again as it is now.
    let sent = (0..NOTES).find(|number| site.get(&format!("catalog/note/{number}")).is_some()).unwrap();
    hub.put(&format!("catalog/note/{sent}"), json!({"text": "new"}));
    let mut frames = 0;
    while site.get(&format!("catalog/note/{sent}")) != Some(json!({"text": "new"})) {
        carry_one(&mut hub, &mut site);
        frames += 1;
    }
    assert!(is_filling(&mut site) && frames <= 6, "{frames} frames");
    while !(hub.frames.is_empty() && site.frames.is_empty()) {
        carry_one(&mut hub, &mut site);
    }
    assert_converged(&mut hub, &mut site);
    assert!(!is_filling(&mut site));
}

#[test]
fn what_is_changed_all_the_time_takes_a_part_of_a_fill_and_the_peers_own_none() {
    let (mut hub, mut site) = met(TRIMMED);
    let (mut sent, mut round) = (Vec::new(), 0);
    while !(hub.frames.is_empty() && site.frames.is_empty()) {
        sent.extend(carry_one(&mut hub, &mut site));
        if round < 60 {
            for number in 0..20 {
                let text = "y".repeat(2_000);
                hub.put(&format!("catalog/note/{number}"), json!({ "text": format!("{round} {text}") }));
            }
            site.put("store-1/note/own", json!({ "round": round }));
        }
        round += 1;
    }
    assert_converged(&mut hub, &mut site);
    let again = sent.len() - NOTES;
    assert!((10..NOTES / 2).contains(&again), "{again} documents went once more");
    assert!(sent.iter().filter(|name| *name == "note/own").count() <= 1, "its own is not said to it");
}
