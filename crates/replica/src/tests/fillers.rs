//! A space that several peers fill.

use super::*;

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
