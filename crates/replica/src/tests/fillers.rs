//! A space that several peers fill.

use super::*;

/// One of three that share a space and relay; its journal keeps a second.
fn equal(name: &str, number: u8) -> Node {
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
fn age(node: &mut Node) {
    node.wall_ms += 5_000;
    let name = node.settings.name.clone();
    node.put(&format!("store-1/note/{name}"), json!({"at": node.wall_ms}));
}

fn notes(hub: &mut Node, numbers: Range<u32>) {
    let text = "x".repeat(8_000);
    for number in numbers {
        hub.put(&format!("store-1/note/{number}"), json!({"text": format!("{number} {text}")}));
    }
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

    // Some frames of the hub's documents, then the connection ends.
    up.link += 1;
    for (node, peer, number) in [(&mut hub, "site", 2), (&mut site, "hub", 1)] {
        node.input(Input::PeerUp {
            link: LinkId(up.link),
            peer: peer.into(),
            public_key: key(number).public_key,
        });
        node.settle();
    }
    for _ in 0..9 {
        for turn in [true, false] {
            let (from, node) = if turn { (&mut hub, &mut site) } else { (&mut site, &mut hub) };
            if let Some((link, bytes)) = from.frames.pop_front() {
                node.input(Input::Frame { link, bytes });
                node.settle();
            }
        }
    }
    up.cut(&mut hub, &mut site);
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
