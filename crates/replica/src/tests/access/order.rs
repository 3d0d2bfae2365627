//! What waits for what: `system` before rows, rights before what was written by them.

use super::*;

/// A hub whose settings let the second site write, which has done so, as long as no document says what it may do.
fn settled() -> Fleet {
    let mut fleet = Fleet::new(3);
    let all =
        PeerSettings { spaces: [(space("store-1"), BOTH)].into(), relay: true, hub: false, snapshots: true };
    fleet.nodes[0].settings.peers.insert(name(2), all);
    fleet.restart(0);
    fleet.grant(1, &[("store-1", READ)]);
    fleet.connect(0, 2);
    fleet
}

#[test]
fn a_session_starts_with_system() {
    let mut fleet = settled();
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    // In the hub's journal the row comes before what it may be written by.
    fleet.grant(2, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    assert_eq!(fleet.nodes[1].get("store-1/note/1"), Some(json!({"n": 1})));
    assert_eq!(stops(&fleet.nodes[1]), []);
    assert!(!fleet.nodes[1].events.contains(&Event::Rewound { peer: name(0) }));
}

#[test]
fn a_right_and_what_was_written_by_it_go_out_in_two_frames() {
    let mut fleet = settled();
    fleet.connect(0, 1);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    // One turn of the hub takes both, and its next pump has both.
    let all = Rights { snapshot: true, ..FULL };
    let request = fleet.grant_request(2, &[("store-1", all), ("system", all)]);
    fleet.nodes[0].ask(request);
    for (link, bytes) in std::mem::take(&mut fleet.nodes[2].frames) {
        fleet.nodes[0].input(Input::Frame { link, bytes });
    }
    fleet.carry();
    assert_eq!(fleet.has(0, 2, "store-1"), 1);
    assert_eq!(fleet.nodes[1].get("store-1/note/1"), Some(json!({"n": 1})));
    assert_eq!((stops(&fleet.nodes[1]), fleet.disconnects()), (vec![], vec![]));
}

#[test]
fn what_was_held_for_a_peer_whose_rights_end_never_leaves() {
    let mut fleet = Fleet::new(2);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    for (link, bytes) in std::mem::take(&mut fleet.nodes[1].frames) {
        fleet.nodes[0].input(Input::Frame { link, bytes });
    }
    // The acknowledgement waits for the disk.
    fleet.nodes[0].end_turn();
    let public_key = fleet.key(1);
    fleet.nodes[0].ask(Request::Revoke { public_key });
    fleet.nodes[0].settle();
    assert!(fleet.nodes[0].frames.is_empty(), "not even the acknowledgement");
    assert_eq!(fleet.nodes[0].disconnects, [DisconnectReason::Revoked]);
    // The cut has what was taken before, durable or not.
    let document = fleet.nodes[0].get(&format!("system/access/{}", "02".repeat(32))).unwrap();
    assert_eq!(document["cuts"], json!({"store-1": {origin(2).to_string(): 1}}));
}

#[test]
fn an_acknowledgement_of_a_hello_is_none_of_rows() {
    // The first row that there ever was is what a site may do.
    let mut fleet = Fleet::new(2);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    for (node, peer) in [(0, 1), (1, 0)] {
        let public_key = fleet.key(peer);
        fleet.nodes[node].input(Input::PeerUp { link: LinkId(90), peer: name(peer), public_key });
        fleet.nodes[node].settle();
    }
    let hellos = [0, 1].map(|node: usize| std::mem::take(&mut fleet.nodes[node].frames));
    let frames_to = |fleet: &mut Fleet, node: usize, frames: VecDeque<(LinkId, Vec<u8>)>| {
        for (link, bytes) in frames {
            fleet.nodes[node].input(Input::Frame { link, bytes });
        }
        fleet.nodes[node].settle();
    };
    let [of_hub, of_site] = hellos;
    frames_to(&mut fleet, 0, of_site);
    frames_to(&mut fleet, 1, of_hub);
    let acks = std::mem::take(&mut fleet.nodes[1].frames);
    assert!(acks.iter().any(|(_, bytes)| matches!(wire::decode(bytes), Ok(Frame::Ack(_)))));
    frames_to(&mut fleet, 0, acks);
    // What the hub sent is lost with the connection.
    for node in [0, 1] {
        fleet.nodes[node].input(Input::PeerDown { link: LinkId(90) });
        fleet.nodes[node].settle();
        fleet.nodes[node].frames.clear();
    }
    fleet.connect(0, 1);
    assert_eq!(fleet.has(1, 0, "system"), 1);
}
