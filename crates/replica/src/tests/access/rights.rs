//! Rights that come, change and end.

use super::*;

#[test]
fn a_fresh_site_knows_its_hub_by_settings_and_its_rights_by_documents() {
    let mut fleet = Fleet::new(2);
    fleet.nodes[0].put("catalog/product/1", json!({"price": 1}));
    fleet.nodes[0].put("store-2/note/1", json!({"n": 1}));
    fleet.grant(1, &[("catalog", READ), ("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    assert_eq!(fleet.disconnects(), []);
    let document = format!("system/access/{}", "02".repeat(32));
    assert_eq!(fleet.nodes[1].get(&document).unwrap()["name"], "site-1");
    assert_eq!(fleet.nodes[1].get("catalog/product/1"), Some(json!({"price": 1})));
    assert_eq!(fleet.nodes[1].get("store-2/note/1"), None);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 2}));
    fleet.carry();
    assert_eq!(fleet.nodes[0].get("store-1/note/1"), Some(json!({"n": 2})));
    for at in ["catalog/product/1", "store-2/note/1"] {
        let denied = fleet.nodes[1].answer(put(at, 1));
        assert_eq!(denied, Err(RequestError::NoRight(address(at).space)));
    }
}

#[test]
fn only_the_authority_writes_system_and_its_documents_only_by_their_requests() {
    let mut fleet = Fleet::new(2);
    let request = fleet.grant_request(1, &[]);
    assert_eq!(fleet.nodes[1].answer(request.clone()), Err(AccessError::NotAuthority.into()));
    let public_key = fleet.key(1);
    assert_eq!(fleet.nodes[1].answer(Request::Revoke { public_key }), Err(AccessError::NotAuthority.into()));
    let elsewhere = fleet.nodes[1].answer(put("system/note/1", 1));
    assert_eq!(elsewhere, Err(RequestError::ReadOnly(space("system"))));
    for collection in ["access", "schema"] {
        let direct = fleet.nodes[0].answer(put(&format!("system/{collection}/1"), 1));
        let reserved = document::Collection::new(collection).unwrap();
        assert_eq!(direct, Err(AccessError::Reserved(reserved).into()));
    }
    assert!(fleet.nodes[0].answer(put("system/note/1", 1)).is_ok());
    let own = Request::Revoke { public_key: fleet.key(0) };
    assert_eq!(fleet.nodes[0].answer(own), Err(AccessError::Authority.into()));
    assert!(fleet.grant(1, &[("store-1", FULL)]).is_some());
    assert_eq!(fleet.grant(1, &[("store-1", FULL)]), None, "it says so already");
    assert!(fleet.revoke(1).is_some());
    assert_eq!(fleet.revoke(1), None);
    assert_eq!(fleet.nodes[0].answer(request), Err(AccessError::Revoked.into()));
    // Without an authority there are no such requests.
    let mut alone = Node::new(hub_settings());
    assert_eq!(alone.answer(Request::Revoke { public_key }), Err(AccessError::NotAuthority.into()));
}

#[test]
fn a_peer_whose_rights_change_comes_back_with_the_new_share() {
    let mut fleet = Fleet::new(2);
    fleet.grant(1, &[("catalog", READ), ("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    fleet.redials = true;
    fleet.nodes[0].put("catalog/product/1", json!({"price": 1}));
    fleet.grant(1, &[("store-1", READ), ("store-2", READ_WRITE)]);
    fleet.nodes[0].put("catalog/product/1", json!({"price": 2}));
    fleet.carry();
    assert_eq!(fleet.disconnects(), [(0, DisconnectReason::RightsChanged)]);
    assert_ne!(fleet.nodes[1].get("catalog/product/1"), Some(json!({"price": 2})));
    let refused = fleet.nodes[1].answer(put("store-1/note/1", 9));
    assert_eq!(refused, Err(RequestError::NoRight(space("store-1"))));
    fleet.nodes[1].put("store-2/note/1", json!({"n": 3}));
    fleet.carry();
    assert_eq!((fleet.has(0, 1, "store-1"), fleet.has(0, 1, "store-2")), (1, 1));
}

#[test]
fn rights_that_come_after_the_rows_are_seen_without_a_new_connection() {
    // The first relays what the third wrote to the second.
    let mut fleet = Fleet::new(4);
    fleet.third_writes_at_first();
    // What hangs on it waits with it.
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.cut(1, 3);
    // The second's `system` is behind, and the first may not relay `system`.
    fleet.connect(1, 2);
    let author = origin_of(&fleet.nodes[3].settings.key);
    let relay = origin_of(&fleet.nodes[1].settings.key);
    assert_eq!(
        stops(&fleet.nodes[2]),
        [(author, StopReason::RightUnknown), (relay, StopReason::DependsOnStopped)]
    );
    assert_eq!(fleet.nodes[2].get("store-1/note/1"), None);
    fleet.nodes[2].events.clear();
    fleet.connect(0, 2);
    assert_eq!(fleet.disconnects(), []);
    assert_eq!(fleet.nodes[2].get("store-1/note/1"), Some(json!({"n": 1})));
    assert_eq!(stops(&fleet.nodes[2]), []);
    assert!(fleet.nodes[2].events.contains(&Event::Rewound { peer: name(1) }));
}

#[test]
fn a_revocation_in_mid_stream_cuts_the_writer_off_everywhere() {
    // hub – site 1 (relay) – site 2
    let mut fleet = Fleet::new(4);
    fleet.grant(1, &[("store-1", FULL), ("system", FULL)]);
    fleet.grant(2, &[("store-1", READ_WRITE)]);
    fleet.grant(3, &[("store-1", READ_WRITE)]);
    for node in [2, 3] {
        fleet.connect(0, node);
        fleet.cut(0, node);
    }
    fleet.connect(0, 1);
    fleet.connect(1, 2);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    assert_eq!(fleet.has(0, 2, "store-1"), 1);
    fleet.cut(0, 1);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 2}));
    fleet.nodes[2].put("store-1/note/2", json!({"n": 3}));
    fleet.carry();
    assert_eq!(fleet.has(1, 2, "store-1"), 3, "the relay has more than the hub");
    fleet.revoke(2);
    // The hub refuses it at once, and the relay as soon as it hears of it.
    fleet.connect(0, 2);
    assert_eq!(fleet.disconnects(), [(0, DisconnectReason::Revoked)]);
    fleet.connect(0, 1);
    assert_eq!(fleet.disconnects(), [(1, DisconnectReason::Revoked)]);
    assert!(!fleet.is_linked(1, 2));
    let beyond = Event::RowsBeyondCut {
        name: name(2),
        space: space("store-1"),
        origin: origin_of(&key(3)),
        last: 1,
        rows: 2,
    };
    assert!(fleet.nodes[1].events.contains(&beyond), "{:?}", fleet.nodes[1].events);
    assert_eq!(fleet.has(0, 2, "store-1"), 1);
    fleet.connect(1, 2);
    assert_eq!(fleet.disconnects(), [(1, DisconnectReason::Revoked)]);
    // A relay gives what was before the cut, for ever, and keeps the rest.
    fleet.connect(1, 3);
    assert_eq!((fleet.has(3, 2, "store-1"), stops(&fleet.nodes[3])), (1, vec![]));
    assert_eq!(fleet.nodes[1].status().peers.iter().map(|peer| peer.backlog_rows).sum::<u64>(), 0);
    assert_eq!(fleet.disconnects(), []);
}

#[test]
fn a_relay_that_does_not_know_of_the_cut_is_not_believed() {
    let mut fleet = Fleet::new(3);
    fleet.grant(1, &[("store-1", FULL)]);
    fleet.grant(2, &[("store-1", READ_WRITE)]);
    for node in [1, 2] {
        fleet.connect(0, node);
        fleet.cut(0, node);
    }
    fleet.connect(1, 2);
    fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    fleet.nodes[1].put("store-1/note/1", json!({"n": 2}));
    fleet.nodes[1].put("store-1/note/2", json!({"n": 2}));
    fleet.revoke(2);
    // Its own rows are on their way while the hub's document is.
    fleet.connect(0, 1);
    assert_eq!((fleet.has(0, 2, "store-1"), fleet.has(1, 2, "store-1")), (0, 1));
    assert_eq!(fleet.disconnects(), [(1, DisconnectReason::Revoked)]);
    assert!(fleet.is_linked(0, 1), "the relay did nothing wrong");
    // What the relay wrote on top of it cannot be had; it says so and the link lives.
    let stopped = stops(&fleet.nodes[0]);
    assert!(stopped.iter().any(|(_, reason)| *reason == StopReason::DependsOnStopped), "{stopped:?}");
    // Once the relay knows the cut, it does not even send what the rest hangs on.
    for note in ["store-1/note/3", "store-1/note/4"] {
        fleet.nodes[0].put(note, json!({"n": 5}));
        fleet.carry();
        assert_eq!(fleet.nodes[1].get(note), Some(json!({"n": 5})));
        fleet.cut(0, 1);
        fleet.nodes[0].events.clear();
        fleet.connect(0, 1);
        let stopped = stops(&fleet.nodes[0]);
        assert_eq!(stopped, [(origin(2), StopReason::DependsOnStopped)]);
        assert_eq!(fleet.disconnects(), []);
    }
}

#[test]
fn a_name_that_a_document_has_belongs_to_its_key() {
    let mut fleet = Fleet::new(2);
    let all =
        PeerSettings { spaces: [(space("store-1"), BOTH)].into(), relay: true, hub: false, snapshots: true };
    fleet.nodes[0].settings.peers.insert(name(1), all);
    fleet.restart(0);
    let (hub, store) = (&fleet.nodes[0].replica, space("store-1"));
    assert_eq!(hub.rights("site-1", &[77; 32], &store), Rights { snapshot: true, ..FULL });
    fleet.grant(1, &[("store-1", READ)]);
    let hub = &fleet.nodes[0].replica;
    assert_eq!(hub.rights("site-1", &fleet.key(1), &store), READ);
    assert_eq!(hub.rights("site-1", &[77; 32], &store), Rights::default());
    assert_eq!(hub.rights("site-1", &[77; 32], &space("system")), Rights::default());
    fleet.nodes[0].input(Input::PeerUp { link: LinkId(9), peer: name(1), public_key: [77; 32] });
    fleet.nodes[0].settle();
    assert_eq!(fleet.disconnects(), [(0, DisconnectReason::UnknownPeer { peer: name(1) })]);
}

#[test]
fn who_has_a_document_needs_no_settings() {
    let mut fleet = Fleet::new(2);
    fleet.nodes[0].settings.peers.clear();
    fleet.restart(0);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    assert_eq!((fleet.has(0, 1, "store-1"), fleet.disconnects()), (1, vec![]));
    assert_eq!(fleet.nodes[0].status().peers[0].peer, "site-1");
}

#[test]
fn the_authority_carries_every_space_that_somebody_has_rights_in() {
    let mut fleet = Fleet::new(2);
    for node in [0, 1] {
        fleet.nodes[node].settings.spaces.clear();
        fleet.restart(node);
    }
    let unknown = RequestError::UnknownSpace(space("store-1"));
    assert_eq!(fleet.nodes[0].answer(put("store-1/note/1", 1)), Err(unknown.clone()));
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.nodes[0].put("store-1/note/1", json!({"n": 1}));
    let carried = |node: &mut Node| -> Vec<String> {
        node.status().spaces.iter().map(|status| status.space.to_string()).collect()
    };
    assert_eq!(carried(&mut fleet.nodes[0]), ["store-1", "system"]);
    fleet.restart(0);
    assert_eq!(fleet.nodes[0].get("store-1/note/1"), Some(json!({"n": 1})));
    // What is said of others is nobody else's reason to carry anything.
    fleet.connect(0, 1);
    assert_eq!(carried(&mut fleet.nodes[1]), ["system"]);
    assert_eq!(fleet.nodes[1].answer(put("store-1/note/1", 1)), Err(unknown));
}
