//! What a hello leaves out, because the peer has kept it.

use super::*;
use wire::{Frame, Hello};

/// What both say when they meet again.
fn hellos(hub: &mut Node, site: &mut Node) -> [Hello; 2] {
    let peers = [("site", key(2)), ("hub", key(1))];
    [&mut *hub, site]
        .into_iter()
        .zip(peers)
        .map(|(node, (peer, key))| {
            node.frames.clear();
            let link = LinkId(1_000);
            node.input(Input::PeerUp { link, peer: peer.into(), public_key: key.public_key });
            node.settle();
            let frame = wire::decode(&node.frames.pop_front().unwrap().1);
            node.input(Input::PeerDown { link });
            let Ok(Frame::Hello(hello)) = frame else { panic!("{frame:?}") };
            hello
        })
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

fn entries(hello: &Hello) -> usize {
    hello.spaces.iter().map(|vector| vector.entries.len()).sum()
}

#[test]
fn what_the_peer_has_kept_is_not_said_again() {
    let (mut hub, mut site, mut wire) = pair();
    hub.put("catalog/product/1", json!({"price": 1}));
    site.put("store-1/inventory/1", item(1));
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    wire.connect(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    for hello in hellos(&mut hub, &mut site) {
        assert!(hello.since > 0 && hello.spaces.is_empty(), "{hello:?}");
    }
    site.sell("store-1/inventory/1", 1);
    let [of_hub, of_site] = hellos(&mut hub, &mut site);
    assert_eq!((entries(&of_hub), entries(&of_site)), (0, 1));
    wire.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
}

#[test]
fn a_replica_that_forgot_asks_and_is_told_all() {
    // W-18.
    let (mut hub, mut site, mut wire) = pair();
    hub.put("catalog/product/1", json!({"price": 1}));
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    wire.connect(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    // The site's store is a new one.
    site = Node::new(Settings {
        key: OriginKey { incarnation: [9; 16], ..key(2) },
        epoch: 99,
        ..site_settings()
    });
    wire.connect_once(&mut hub, &mut site);
    assert_eq!(hub.disconnects.pop(), Some(DisconnectReason::Asked));
    wire.cut(&mut hub, &mut site);
    let [of_hub, _] = hellos(&mut hub, &mut site);
    assert_eq!((of_hub.since, of_hub.spaces.len()), (0, 2));
    wire.connect_once(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
}

#[test]
fn an_old_copy_that_lost_only_what_others_wrote_gets_it_again() {
    // W-47.
    let (mut hub, mut site, mut wire) = pair();
    hub.put("catalog/product/1", json!({"price": 1}));
    wire.carry(&mut hub, &mut site);
    for _ in 0..2 {
        wire.cut(&mut hub, &mut site);
        wire.connect(&mut hub, &mut site);
    }
    let copy = site.disk.after_crash();
    hub.put("catalog/product/1", json!({"price": 2}));
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    site = Node::on(copy, site_settings());
    wire.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
    assert_eq!(site.get("catalog/product/1"), Some(json!({"price": 2})));
}

#[test]
fn a_hello_that_was_never_said_cannot_be_heard() {
    let (mut hub, mut site, wire) = pair();
    let heard = Some(wire::Heard { lsn: 7, subscription: [0; 8] });
    let bytes = wire::encode(&Frame::Ack(wire::Ack { heard, ..wire::Ack::default() })).unwrap();
    site.input(Input::Frame { link: LinkId(wire.link), bytes });
    site.settle();
    assert_eq!(site.disconnects, [Misbehaviour::Position.into()]);
    hub.settle();
}
