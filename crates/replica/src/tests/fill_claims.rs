//! What a filler may not say, and what of it changes nothing.

use super::hostile::{bodies, delta, hello, send, send_delta, site_and_foe};
use super::*;
use wire::{
    Body, FillAck, FillDocument, FillDocuments, FillMore, FillName, FillOffer, FillOrigin, FillSymbols,
    FillWant, Frame,
};

fn offer(author: u8) -> FillOffer {
    let origins = vec![FillOrigin { key: key(author), sequence: 2, chain: [1; 32] }];
    FillOffer {
        fill: 1,
        space: "catalog".into(),
        key: [0; 32],
        documents: 0,
        origins,
        symbols: vec![],
        is_ahead: false,
        more: false,
    }
}

fn document(name: &str, changes: &[Vec<u8>]) -> FillDocument {
    let name = FillName { collection: "product".into(), key: name.into() };
    let changes: Vec<_> = changes.iter().cloned().map(Body).collect();
    FillDocument { name, snapshot: None, changes, heads: vec![0; 32] }
}

fn documents(number: u32, documents: Vec<FillDocument>, is_done: bool) -> Frame {
    Frame::FillDocuments(FillDocuments { fill: 1, number, documents, is_done, ..FillDocuments::default() })
}

#[track_caller]
fn misbehaved(frames: &[Frame]) -> Misbehaviour {
    let mut site = site_and_foe();
    frames.iter().for_each(|frame| send(&mut site, frame));
    let [DisconnectReason::Misbehaved(misbehaviour)] = site.disconnects.as_slice() else {
        panic!("{:?}", site.disconnects)
    };
    *misbehaviour
}

#[test]
fn offers_without_the_right_are_refused() {
    // W-40.
    let elsewhere = FillOffer { space: "store-9".into(), ..offer(1) };
    assert_eq!(misbehaved(&[Frame::FillOffer(elsewhere)]), Misbehaviour::Space);
    let cut = FillOffer { symbols: vec![1; 30], ..offer(1) };
    assert_eq!(misbehaved(&[Frame::FillOffer(cut)]), Misbehaviour::Fill);

    let mut hub = Node::new(hub_settings());
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    send(&mut hub, &Frame::FillOffer(offer(2)));
    assert_eq!(hub.disconnects, [Misbehaviour::Space.into()], "it may read the space only");
    let mut hub = Node::new(hub_settings());
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    let mut both = FillOffer { space: "store-1".into(), ..offer(2) };
    both.origins.extend(offer(7).origins);
    send(&mut hub, &Frame::FillOffer(both));
    assert!(hub.disconnects.is_empty(), "what another wrote may be here already");
    send(&mut hub, &Frame::Hello(hello(vec![])));
    send(&mut hub, &documents(1, vec![document("1", &bodies(origin(7), 1))], true));
    assert_eq!(hub.disconnects, [Misbehaviour::Relay.into()]);
    assert_eq!(hub.status().head, 0);
}

#[test]
fn an_offer_goes_on_with_the_next_one_and_not_for_ever() {
    // W-58.
    let origins = |from: u16| {
        let made_up = move |number: u16| {
            let mut public_key = [9; 32];
            public_key[..2].copy_from_slice(&(from + number).to_be_bytes());
            stream(OriginKey { public_key, incarnation: [9; 16] }, 1)
        };
        (0..4_000).map(made_up).collect()
    };
    let part = |from| FillOffer { origins: origins(from), more: true, ..offer(1) };
    let first = Frame::FillOffer(part(0));
    let another = Frame::FillOffer(FillOffer { fill: 2, ..part(4_000) });
    let symbols = Frame::FillOffer(FillOffer { symbols: vec![1], ..part(4_000) });
    for next in [another, symbols] {
        assert_eq!(misbehaved(&[first.clone(), next]), Misbehaviour::Fill);
    }
    let endless: Vec<_> = (0..5).map(|n| Frame::FillOffer(part(n * 4_000))).collect();
    assert_eq!(misbehaved(&endless), Misbehaviour::TooManyEntries);

    let mut site = site_and_foe();
    site.frames.clear();
    send(&mut site, &first);
    assert!(site.frames.is_empty(), "the offer is not whole");
    send(&mut site, &Frame::FillOffer(FillOffer { more: false, ..part(4_000) }));
    let Frame::FillWant(FillWant { all: true, .. }) = wire::decode(&site.frames[0].1).unwrap() else {
        panic!("{:?}", site.frames)
    };
}

#[test]
fn frames_out_of_turn_are_refused() {
    // W-41.
    let start = Frame::FillOffer(offer(1));
    let more = Frame::FillMore(FillMore { fill: 1, symbols: Some(9), after: None });
    let symbols = Frame::FillSymbols(FillSymbols { fill: 1, first: 0, symbols: vec![] });
    for frames in [
        vec![more],
        vec![Frame::FillWant(FillWant { fill: 1, all: true, ..FillWant::default() })],
        vec![Frame::FillAck(FillAck { fill: 1, number: 1 })],
        vec![start.clone(), start.clone()],
        vec![start.clone(), symbols],
        vec![start.clone(), documents(2, vec![], false)],
    ] {
        assert_eq!(misbehaved(&frames), Misbehaviour::Fill, "{frames:?}");
    }
    let body = bodies(origin(7), 1);
    let foreign = documents(1, vec![document("1", &body)], false);
    assert_eq!(misbehaved(&[start.clone(), foreign]), Misbehaviour::Relay);
    let mut snapshot = document("1", &[]);
    snapshot.snapshot = Some(Body(vec![1; 99]));
    assert_eq!(misbehaved(&[start, documents(1, vec![snapshot], false)]), Misbehaviour::Fill);
}

#[test]
fn a_document_that_lacks_something_is_asked_for_once_more() {
    let mut site = site_and_foe();
    send(&mut site, &Frame::FillOffer(offer(1)));
    site.frames.clear();
    let bodies = bodies(origin(1), 2);
    send(&mut site, &documents(1, vec![document("1", &bodies[1..])], true));
    let sent: Vec<Frame> = site.frames.iter().map(|(_, bytes)| wire::decode(bytes).unwrap()).collect();
    let want = |frame: &Frame| {
        if let Frame::FillWant(want) = frame { Some(want.documents.len()) } else { None }
    };
    let want = sent.iter().find_map(want);
    assert_eq!(want, Some(1));
    send(&mut site, &documents(2, vec![document("2", &bodies)], false));
    assert_eq!(site.disconnects, [Misbehaviour::Fill.into()], "another than was asked for");

    let mut site = site_and_foe();
    send(&mut site, &Frame::FillOffer(offer(1)));
    for number in [1, 2] {
        send(&mut site, &documents(number, vec![document("1", &bodies[1..])], true));
    }
    assert_eq!(site.disconnects, [Misbehaviour::Fill.into()]);
    assert!(site.read("catalog/product/1").is_filling);
}

/// All that was offered comes row by row while documents come, and the fill is said to be short then.
#[test]
fn a_fill_that_stops_after_all_came_otherwise_leaves_nothing_open() {
    let mut site = site_and_foe();
    send(&mut site, &Frame::FillOffer(offer(1)));
    let bodies = bodies(origin(1), 2);
    send(&mut site, &documents(1, vec![], false));
    assert!(site.read("catalog/product/1").is_filling);
    send_delta(&mut site, &delta(0, 1, 1, &bodies));
    assert!(!site.read("catalog/product/1").is_filling);
    let last =
        FillDocuments { fill: 1, number: 2, is_short: true, is_done: true, ..FillDocuments::default() };
    send(&mut site, &Frame::FillDocuments(last));
    assert_eq!(stopped(&site), Some(StopReason::FillerDamaged));
    assert!(!site.read("catalog/product/1").is_filling && site.disconnects.is_empty());
}

#[test]
fn a_change_that_is_refused_ends_the_fill_and_not_the_link() {
    // W-46.
    let mut site = site_and_foe();
    send(&mut site, &Frame::FillOffer(offer(1)));
    let mut broken = bodies(origin(1), 1);
    broken[0][1] = 15;
    send(&mut site, &documents(1, vec![document("1", &broken)], true));
    assert!(matches!(site.events.last(), Some(Event::FillStopped { .. })), "{:?}", site.events);
    assert!(site.disconnects.is_empty());
}

#[test]
fn what_follows_in_a_refused_document_is_passed_over_and_others_come() {
    // W-46.
    let mut site = site_and_foe();
    send(&mut site, &Frame::FillOffer(offer(1)));
    let bodies = bodies(origin(1), 3);
    let mut broken = bodies[0].clone();
    broken[1] = 15;
    let part = |changes: &[Vec<u8>]| FillDocument { heads: vec![], ..document("1", changes) };
    let head = wire::change_hash(&bodies[2]).to_vec();
    let whole = FillDocument { heads: head, ..document("2", &bodies) };
    send(
        &mut site,
        &documents(1, vec![part(&[broken]), part(&bodies[1..]), document("1", &[]), whole], true),
    );
    assert!(matches!(stopped(&site), Some(StopReason::Refused(_))), "{:?}", site.events);
    assert_eq!((site.disconnects.len(), site.replica.vector(&space("catalog"))), (0, Ok(vec![])));
    assert!(site.read("catalog/product/2").value.is_some());
    assert_eq!(site.read("catalog/product/1").value, None);
}

/// A hub whose site is played by the test: it has said hello, and does not relay.
fn hub_and_foe(settings: Settings) -> Node {
    let mut hub = Node::new(settings);
    hub.input(Input::PeerUp { link: LinkId(1), peer: "site".into(), public_key: key(2).public_key });
    send(&mut hub, &Frame::Hello(hello(vec![])));
    hub
}

fn stream(key: OriginKey, sequence: u64) -> FillOrigin {
    FillOrigin { key, sequence, chain: [1; 32] }
}

fn offer_of(origins: Vec<FillOrigin>) -> Frame {
    Frame::FillOffer(FillOffer { space: "store-1".into(), origins, ..offer(2) })
}

fn stopped(node: &Node) -> Option<StopReason> {
    let Some(Event::FillStopped { reason, .. }) = node.events.last() else { return None };
    Some(*reason)
}

#[test]
fn nobody_writes_in_the_name_of_this_replica() {
    // W-40.
    let mut hub = hub_and_foe(hub_settings());
    send(&mut hub, &offer_of(vec![stream(key(2), 1), stream(key(1), 1 << 50)]));
    send(&mut hub, &documents(1, vec![document("1", &bodies(origin(1), 1))], true));
    assert_eq!(stopped(&hub), Some(StopReason::NoRelay));
    assert_eq!(hub.get("store-1/product/1"), None);
    let stamp = hub.put("store-1/product/1", json!({"price": 1}));
    assert_eq!(stamp, Some(Stamp { origin: origin(1), sequence: 1 }));
}

#[test]
fn no_sequence_is_beyond_what_can_be_written() {
    let mut hub = hub_and_foe(hub_settings());
    send(&mut hub, &offer_of(vec![stream(key(2), u64::MAX)]));
    assert_eq!(hub.disconnects, [Misbehaviour::Fill.into()]);
}

#[test]
fn a_relay_that_brings_more_of_this_replica_proves_that_its_store_is_old() {
    let mut site = site_and_foe();
    send(&mut site, &Frame::FillOffer(offer(1)));
    send(&mut site, &documents(1, vec![document("1", &bodies(origin(2), 1))], true));
    let rolled_back = DisconnectReason::RolledBack { space: space("catalog"), theirs: 1, ours: 0 };
    assert_eq!((site.disconnects.as_slice(), site.renewals), (&[rolled_back][..], 1));
}

#[test]
fn what_was_lost_with_a_disk_comes_back_where_the_operator_says_so() {
    let earlier = OriginKey { incarnation: [9; 16], ..key(1) };
    for takes_own_past in [false, true] {
        let mut hub = hub_and_foe(Settings { takes_own_past, ..hub_settings() });
        send(&mut hub, &offer_of(vec![stream(key(2), 1), stream(earlier, 1)]));
        send(&mut hub, &documents(1, vec![document("1", &bodies(origin_of(&earlier), 1))], false));
        let refused = [Misbehaviour::Relay.into()];
        assert_eq!(hub.disconnects.as_slice(), if takes_own_past { &[][..] } else { &refused });
        assert_eq!(hub.read("store-1/product/1").value.is_some(), takes_own_past);
    }
}

#[test]
fn an_offer_alone_changes_nothing() {
    let mut hub = hub_and_foe(hub_settings());
    send(&mut hub, &offer_of(vec![stream(key(2), 1 << 50)]));
    hub.input(Input::PeerDown { link: LinkId(1) });
    hub.settle();
    assert!(hub.status().spaces.iter().all(|space| !space.is_filling));
    hub.crash();
    assert!(hub.status().spaces.iter().all(|space| !space.is_filling));
}

#[test]
fn a_key_has_only_so_many_incarnations() {
    let incarnation = |number| OriginKey { incarnation: [number; 16], ..key(2) };
    let mut hub = hub_and_foe(hub_settings());
    send(&mut hub, &offer_of((0..65).map(|number| stream(incarnation(number), 1)).collect()));
    assert_eq!(stopped(&hub), Some(StopReason::TooManyIncarnations));
    assert_eq!(hub.replica.vector(&space("store-1")), Ok(vec![]));
}

#[test]
fn streams_that_are_made_up_end_the_connection() {
    let mut hub = hub_and_foe(hub_settings());
    send(&mut hub, &offer_of(vec![stream(key(2), 1)]));
    let made_up = |frame: u32, number: u32| {
        let mut origin = [0; 16];
        origin[..4].copy_from_slice(&(frame * 100_000 + number).to_be_bytes());
        wire::Reach { origin, sequence: 1 }
    };
    for frame in 1..=5 {
        let vector = (0..16_384).map(|number| made_up(frame, number)).collect();
        let told = FillDocuments { fill: 1, number: frame, vector, ..FillDocuments::default() };
        send(&mut hub, &Frame::FillDocuments(told));
    }
    assert_eq!(hub.disconnects, [Misbehaviour::TooManyEntries.into()]);
}

#[test]
fn streams_that_are_stopped_end_the_connection_when_there_are_too_many() {
    let mut site = site_and_foe();
    let incarnation = |number: u32| {
        let mut incarnation = [0; 16];
        incarnation[..4].copy_from_slice(&number.to_be_bytes());
        OriginKey { incarnation, ..key(1) }
    };
    let mut sent = 0;
    while site.disconnects.is_empty() && sent < 20_000 {
        let numbers: Vec<u32> = (sent..sent + 1_000).collect();
        let rows = numbers.iter().zip(0..).map(|(_, origin)| wire::Row {
            document: 0,
            origin,
            sequence: 1,
            body: vec![1, 2, 3],
            follow: None,
        });
        let delta = wire::Delta {
            from: u64::from(sent),
            to: u64::from(sent + 1_000),
            origins: numbers.iter().map(|number| incarnation(*number)).collect(),
            rows: rows.collect(),
            ..delta(u64::from(sent), 1, 1, &[])
        };
        send_delta(&mut site, &delta);
        sent += 1_000;
    }
    assert_eq!(site.disconnects, [Misbehaviour::TooManyEntries.into()]);
    let told = |(_, bytes): &(LinkId, Vec<u8>)| match wire::decode(bytes) {
        Ok(Frame::Ack(ack)) => ack.stopped.len(),
        _ => 0,
    };
    // Each that was stopped before is told, in as many acknowledgements as it takes.
    assert_eq!(site.frames.iter().map(told).sum::<usize>(), 16_000);
}

#[test]
fn authors_that_are_not_taken_end_the_connection_when_there_are_too_many() {
    let mut hub = hub_and_foe(hub_settings());
    for fill in 11..=15 {
        let made_up = |number: u16| {
            let mut public_key = [u8::try_from(fill).unwrap(); 32];
            public_key[..2].copy_from_slice(&number.to_be_bytes());
            stream(OriginKey { public_key, incarnation: [9; 16] }, 1)
        };
        let origins = (0..4_096).map(made_up).collect();
        send(&mut hub, &Frame::FillOffer(FillOffer { fill, space: "store-1".into(), origins, ..offer(2) }));
    }
    assert_eq!(hub.disconnects, [Misbehaviour::TooManyEntries.into()]);
}
