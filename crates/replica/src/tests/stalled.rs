//! Fills of which the peer says nothing more.

use super::hostile::{hello, send, site_and_foe};
use super::*;
use crate::session::fill::{FILL_IDLE_MS, SERVED_MAX};
use wire::{FillAck, FillDocuments, FillOffer, Frame};

fn at(node: &mut Node, now_ms: u64, input: Input) {
    node.replica.handle(input, Clock { now_ms, wall_ms: node.wall_ms }).unwrap();
    node.settle();
}

fn frame(link: u64, frame: &Frame) -> Input {
    Input::Frame { link: LinkId(link), bytes: wire::encode(frame).unwrap() }
}

#[test]
fn a_filler_that_says_nothing_more_is_left() {
    let mut site = site_and_foe();
    let offer = FillOffer {
        fill: 1,
        space: "catalog".into(),
        key: [0; 32],
        documents: 0,
        origins: vec![],
        symbols: vec![],
        is_ahead: true,
        more: false,
    };
    send(&mut site, &Frame::FillOffer(offer));
    assert_eq!(site.replica.poll_timeout(), Some((FILL_IDLE_MS, Wake::Fill)));
    let documents = FillDocuments { fill: 1, number: 1, ..FillDocuments::default() };
    at(&mut site, 5_000, frame(1, &Frame::FillDocuments(documents)));
    assert_eq!(site.replica.poll_timeout(), Some((5_000 + FILL_IDLE_MS, Wake::Fill)));
    at(&mut site, 4_999 + FILL_IDLE_MS, Input::Timeout);
    assert_eq!(site.disconnects, []);
    at(&mut site, 5_000 + FILL_IDLE_MS, Input::Timeout);
    assert_eq!(site.disconnects, [DisconnectReason::FillStalled]);
    assert_eq!(site.replica.poll_timeout(), None);
}

#[test]
fn who_is_filled_and_says_nothing_makes_room_for_others() {
    let name = |number: usize| format!("site-{number:02}");
    let mut settings = Settings { trimming: TrimPolicy { age_ms: 1_000, bytes: 1 << 30 }, ..hub_settings() };
    let peer = settings.peers["site"].clone();
    settings.peers = (0..=SERVED_MAX).map(|number| (name(number), peer.clone())).collect();
    let mut hub = Node::new(settings);
    hub.put("catalog/product/1", json!({"price": 1}));
    hub.wall_ms += 5_000;
    hub.put("store-1/note/1", json!({}));
    hub.settle();
    let greet = |hub: &mut Node, number: usize| {
        let (link, now_ms) = (number as u64, 10 * number as u64);
        let public_key = key(100 + u8::try_from(number).unwrap()).public_key;
        at(hub, now_ms, Input::PeerUp { link: LinkId(link), peer: name(number), public_key });
        let mut hello = hello(vec![]);
        hello.spaces.retain(|vector| vector.space == "catalog");
        at(hub, now_ms, frame(link, &Frame::Hello(hello)));
    };
    (0..SERVED_MAX).for_each(|number| greet(&mut hub, number));
    assert_eq!(hub.replica.poll_timeout(), None, "nobody waits");
    greet(&mut hub, SERVED_MAX);
    assert_eq!(hub.replica.poll_timeout(), Some((FILL_IDLE_MS, Wake::Fill)));
    at(&mut hub, 5_000, frame(0, &Frame::FillAck(FillAck { fill: 1, number: 0 })));
    assert_eq!(hub.replica.poll_timeout(), Some((10 + FILL_IDLE_MS, Wake::Fill)), "the next that is silent");
    at(&mut hub, 1_000 + FILL_IDLE_MS, Input::Timeout);
    assert_eq!(
        (&hub.disconnects[..], &hub.ended[..]),
        (&[DisconnectReason::FillStalled][..], &[LinkId(1)][..])
    );
    let offered = |(link, bytes): &(LinkId, Vec<u8>)| {
        *link == LinkId(SERVED_MAX as u64) && matches!(wire::decode(bytes), Ok(Frame::FillOffer(_)))
    };
    hub.settle();
    assert!(hub.frames.iter().any(offered));
}
