//! Old copies that meet a hub, or are ones, whose rows at the sequences in question were trimmed.

use super::*;

const SHORT: TrimPolicy = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
const LONG: TrimPolicy = TrimPolicy { age_ms: i64::MAX, bytes: 1 << 30 };

/// A hub that has trimmed what the site sold, `sold` times of a hundred; the site's store as it was before, too.
fn forgotten(sold: i64, site_trims: TrimPolicy) -> (Node, Node, Wire, Disk) {
    let mut hub = Node::new(Settings { trimming: SHORT, ..hub_settings() });
    let mut site = Node::new(Settings { trimming: site_trims, ..site_settings() });
    let mut wire = Wire::default();
    wire.connect(&mut hub, &mut site);
    hub.put("store-1/inventory/1", item(100));
    site.put("store-1/note/1", json!({"text": "a"}));
    wire.carry(&mut hub, &mut site);
    let image = site.disk.after_crash();
    for _ in 0..sold {
        site.sell("store-1/inventory/1", 1);
    }
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    forget(&mut hub);
    (hub, site, wire, image)
}

/// Lets a node trim all that it has so far.
fn forget(node: &mut Node) {
    node.wall_ms += 5_000;
    let at = if node.settings.is_hub { "catalog/product/clock" } else { "store-1/note/clock" };
    node.put(at, json!({"at": node.wall_ms}));
    node.settle();
}

fn is_settled(node: &Node) -> bool {
    node.events.iter().any(|event| matches!(event, Event::ForkSettled { .. }))
}

fn is_blocked(node: &Node) -> bool {
    node.events.iter().any(|event| matches!(event, Event::Blocked { .. }))
}

#[track_caller]
fn assert_left(hub: &mut Node, site: &mut Node, left: i64) {
    let left = item(left);
    assert_eq!((stock(hub), stock(site)), (Some(left.clone()), Some(left)));
    assert_converged(hub, site);
    for node in [hub, site] {
        let head = node.status().head;
        assert_eq!(node.replica.verify(0, u64::MAX), Ok(head));
        assert_eq!(node.replica.verify_values(&space("store-1")), Ok(vec![]));
        assert!(!is_blocked(node));
    }
}

/// The hub has more than the site, as much, less; the site has its own rows before the fork, or they are gone.
#[test]
fn a_branch_is_taken_out_although_the_hub_has_trimmed_its_own() {
    // W-50, W-51.
    for site_trims in [LONG, SHORT] {
        for (sold, again) in [(3, 1), (3, 3), (3, 7), (200, 2), (2, 200), (200, 150)] {
            let (mut hub, site, mut wire, image) = forgotten(sold, site_trims);
            let mut site = on_old_copy(image, site);
            for _ in 0..again {
                site.sell("store-1/inventory/1", 1);
            }
            site.put("store-1/note/2", json!({"text": "new"}));
            meet(&mut hub, &mut site, &mut wire);
            assert!(is_settled(&site), "{sold} {again}");
            assert_left(&mut hub, &mut site, 100 - sold - again);
            assert_eq!(hub.get("store-1/note/2"), Some(json!({"text": "new"})));
            site.sell("store-1/inventory/1", 1);
            wire.carry(&mut hub, &mut site);
            assert_left(&mut hub, &mut site, 99 - sold - again);
        }
    }
}

/// Nothing of the branch is in a document that the hub changed: each would be taken where it lacks.
#[test]
fn a_branch_in_other_documents_is_found_before_a_fill() {
    for again in 1..6 {
        let (mut hub, site, mut wire, image) = forgotten(3, LONG);
        let mut site = on_old_copy(image, site);
        for number in 0..again {
            site.put(&format!("store-1/note/{}", 10 + number), json!({"text": "new"}));
        }
        meet(&mut hub, &mut site, &mut wire);
        assert!(is_settled(&site), "{again}");
        assert_left(&mut hub, &mut site, 97);
        assert_eq!(hub.get("store-1/note/10"), Some(json!({"text": "new"})));
    }
}

#[test]
fn a_store_that_was_only_rolled_back_is_asked_about_and_filled() {
    let (mut hub, site, mut wire, image) = forgotten(3, SHORT);
    let mut site = on_old_copy(image, site);
    meet(&mut hub, &mut site, &mut wire);
    assert!(!is_settled(&site));
    assert_left(&mut hub, &mut site, 97);
    // What was confirmed is kept: nothing is asked after a crash.
    wire.cut(&mut hub, &mut site);
    let wall_ms = site.wall_ms;
    site.crash();
    site.wall_ms = wall_ms;
    wire.connect(&mut hub, &mut site);
    assert_left(&mut hub, &mut site, 97);
}

/// The copy does not know that its replica ever wrote anything, and the row that would say so is gone.
#[test]
fn a_copy_from_before_the_first_write_is_noticed_and_filled() {
    let mut hub = Node::new(Settings { trimming: SHORT, ..hub_settings() });
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    wire.connect(&mut hub, &mut site);
    hub.put("store-1/inventory/1", item(100));
    wire.carry(&mut hub, &mut site);
    let image = site.disk.after_crash();
    site.sell("store-1/inventory/1", 3);
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    forget(&mut hub);
    let mut site = on_old_copy(image, site);
    let incarnation = site.settings.key.incarnation;
    meet(&mut hub, &mut site, &mut wire);
    assert_ne!(site.settings.key.incarnation, incarnation);
    assert_left(&mut hub, &mut site, 97);
}

/// Until the hub has said where the histories part, nothing of a fill is taken, in whichever order its frames come.
#[test]
fn a_fill_that_is_offered_before_the_check_is_not_taken() {
    let (mut hub, site, mut wire, image) = forgotten(30, LONG);
    let mut site = on_old_copy(image, site);
    site.sell("store-1/inventory/1", 1);
    wire.connect_once(&mut hub, &mut site);
    assert_eq!(site.renewals, 1);
    wire.cut(&mut hub, &mut site);
    site.disconnects.clear();
    hub.disconnects.clear();
    renew(&mut site);
    meet(&mut hub, &mut site, &mut wire);
    let at = |is: fn(&Event) -> bool| site.events.iter().position(is);
    let settled = at(|event| matches!(event, Event::ForkSettled { .. })).unwrap();
    let filled = at(|event| matches!(event, Event::Filled { .. })).unwrap();
    assert!(settled < filled);
    assert_left(&mut hub, &mut site, 69);
}

#[test]
fn a_crash_between_renewal_and_check_asks_again() {
    for steps in 0..12 {
        let (mut hub, site, mut wire, image) = forgotten(6, SHORT);
        let mut site = on_old_copy(image, site);
        site.sell("store-1/inventory/1", 1);
        site.sell("store-1/inventory/1", 1);
        wire.connect_once(&mut hub, &mut site);
        wire.cut(&mut hub, &mut site);
        renew(&mut site);
        site.sell("store-1/inventory/1", 1);
        // The second connection ends after so many turns of the site's.
        wire.link += 1;
        for (node, peer) in [(&mut hub, "site"), (&mut site, "hub")] {
            let public_key = [if peer == "hub" { 1 } else { 2 }; 32];
            node.input(Input::PeerUp { link: LinkId(wire.link), peer: peer.into(), public_key });
            node.settle();
        }
        for _ in 0..steps {
            let (to_site, to_hub) = (hub.frames_of(wire.link), site.frames_of(wire.link));
            to_site.into_iter().for_each(|(link, bytes)| site.input(Input::Frame { link, bytes }));
            to_hub.into_iter().for_each(|(link, bytes)| hub.input(Input::Frame { link, bytes }));
            hub.settle();
            site.end_turn();
            if let Some(turn) = site.disk.sync_one() {
                site.input(Input::Durable(turn));
            }
        }
        wire.cut(&mut hub, &mut site);
        let wall_ms = site.wall_ms;
        site.crash();
        site.wall_ms = wall_ms;
        hub.disconnects.clear();
        meet(&mut hub, &mut site, &mut wire);
        assert_left(&mut hub, &mut site, 91);
    }
}

/// The site has less of its rows than the hub has of them, and goes on: neither can tell alone.
#[test]
fn a_site_that_has_trimmed_what_the_hub_has_last_asks_it() {
    let (mut hub, mut site, mut wire, _) = forgotten(3, SHORT);
    for _ in 0..5 {
        site.sell("store-1/inventory/1", 1);
    }
    forget(&mut site);
    meet(&mut hub, &mut site, &mut wire);
    assert_eq!(site.renewals, 0);
    assert_left(&mut hub, &mut site, 92);
}

/// A branch whose own rows are gone cannot be taken out: it is refused with words, and nobody takes both.
#[test]
fn a_branch_whose_rows_are_gone_is_refused_and_blocks_nothing() {
    let (mut hub, site, mut wire, image) = forgotten(3, SHORT);
    let mut site = on_old_copy(image, site);
    for _ in 0..5 {
        site.sell("store-1/inventory/1", 1);
    }
    forget(&mut site);
    for _ in 0..4 {
        wire.connect_once(&mut hub, &mut site);
        wire.cut(&mut hub, &mut site);
        if site.renewals > 0 {
            renew(&mut site);
        }
    }
    let ends = hub.disconnects.iter().chain(&site.disconnects);
    assert!(ends.clone().any(|reason| matches!(reason, DisconnectReason::Forked { .. })));
    assert_eq!((stock(&mut hub), stock(&mut site)), (Some(item(97)), Some(item(95))));
    assert!(!is_blocked(&hub) && !is_blocked(&site));
}

/// What a peer of an earlier version makes of a frame, and sends.
fn by_old_peer(frames: VecDeque<(LinkId, Vec<u8>)>) -> VecDeque<(LinkId, Vec<u8>)> {
    let old = |(link, bytes): (LinkId, Vec<u8>)| {
        let Ok(wire::Frame::Fork(mut fork)) = wire::decode(&bytes) else { return (link, bytes) };
        fork.asks = false;
        fork.chains.iter_mut().for_each(|chain| chain.change = None);
        (link, wire::encode(&wire::Frame::Fork(fork)).unwrap())
    };
    frames.into_iter().map(old).collect()
}

/// Connects again and again, with a hub that finds no change by its hash.
fn meet_old(hub: &mut Node, site: &mut Node, wire: &mut Wire, times: usize) {
    for _ in 0..times {
        hub.disconnects.clear();
        site.disconnects.clear();
        wire.link += 1;
        for (node, peer, key) in [(&mut *hub, "site", 2), (&mut *site, "hub", 1)] {
            node.frames.clear();
            let (link, peer) = (LinkId(wire.link), peer.to_owned());
            node.input(Input::PeerUp { link, peer, public_key: [key; 32] });
            node.settle();
        }
        loop {
            hub.settle();
            site.settle();
            let to_site = by_old_peer(hub.frames_of(wire.link));
            let to_hub = by_old_peer(site.frames_of(wire.link));
            if to_site.is_empty() && to_hub.is_empty() {
                break;
            }
            to_site.into_iter().for_each(|(link, bytes)| site.input(Input::Frame { link, bytes }));
            to_hub.into_iter().for_each(|(link, bytes)| hub.input(Input::Frame { link, bytes }));
        }
        if hub.disconnects.is_empty() && site.disconnects.is_empty() && site.renewals == 0 {
            return;
        }
        wire.cut(hub, site);
        if site.renewals > 0 {
            renew(site);
        }
    }
}

#[test]
fn with_a_hub_that_finds_nothing_by_hash_things_go_as_before() {
    let (mut hub, site, mut wire, image) = forgotten(3, LONG);
    let mut site = on_old_copy(image, site);
    meet_old(&mut hub, &mut site, &mut wire, 8);
    assert_left(&mut hub, &mut site, 97);
}

/// Both branches of one document are not taken, whoever cannot tell where they part.
#[test]
fn a_fill_that_brings_another_branch_of_a_document_blocks_nothing() {
    // W-52.
    let (mut hub, site, mut wire, image) = forgotten(3, LONG);
    let mut site = on_old_copy(image, site);
    site.sell("store-1/inventory/1", 1);
    meet_old(&mut hub, &mut site, &mut wire, 8);
    let ends = hub.disconnects.iter().chain(&site.disconnects);
    assert!(ends.clone().any(|reason| matches!(reason, DisconnectReason::Forked { .. })), "{ends:?}");
    assert!(!is_blocked(&hub) && !is_blocked(&site));
    assert_eq!((stock(&mut hub), stock(&mut site)), (Some(item(97)), Some(item(99))));
    // The hub is upgraded.
    meet(&mut hub, &mut site, &mut wire);
    assert!(is_settled(&site));
    assert_left(&mut hub, &mut site, 96);
}

/// Fills the hub from a site that has trimmed what it sold. It sells once more before it sends its documents, and the row
/// of that does not come.
fn fill_ahead(hub: &mut Node, site: &mut Node, wire: &mut Wire) {
    wire.link += 1;
    wire.introduce(hub, site);
    let mut is_sold = false;
    loop {
        hub.settle();
        site.settle();
        let (to_site, to_hub) = (hub.frames_of(wire.link), site.frames_of(wire.link));
        if to_site.is_empty() && to_hub.is_empty() {
            break;
        }
        for (link, bytes) in to_site {
            if matches!(wire::decode(&bytes), Ok(wire::Frame::FillWant(_))) && !is_sold {
                is_sold = site.sell("store-1/inventory/1", 1).is_some();
            }
            site.input(Input::Frame { link, bytes });
        }
        for (link, bytes) in to_hub {
            if !matches!(wire::decode(&bytes), Ok(wire::Frame::Delta(_))) {
                hub.input(Input::Frame { link, bytes });
            }
        }
    }
    assert!(is_sold);
    wire.cut(hub, site);
    hub.disconnects.clear();
}

/// What the hub has besides its vector never gets a stamp: its author's disk is gone. That hides no fork.
#[test]
fn a_hub_that_was_filled_with_more_than_its_vector_says_finds_the_fork() {
    // W-50.
    for again in 1..5 {
        let mut hub = Node::new(hub_settings());
        let mut site = Node::new(Settings { trimming: SHORT, ..site_settings() });
        let mut wire = Wire::default();
        wire.connect(&mut hub, &mut site);
        hub.put("store-1/inventory/1", item(100));
        site.put("store-1/note/1", json!({"text": "a"}));
        wire.carry(&mut hub, &mut site);
        wire.cut(&mut hub, &mut site);
        let image = site.disk.after_crash();
        site.sell("store-1/inventory/1", 1);
        site.sell("store-1/inventory/1", 1);
        forget(&mut site);
        fill_ahead(&mut hub, &mut site, &mut wire);
        assert_eq!(hub.get("store-1/inventory/1"), Some(item(97)));
        assert!(hub.read("store-1/inventory/1").is_filling);
        let mut site = on_old_copy(image, site);
        for number in 0..again {
            site.put(&format!("store-1/note/{}", 10 + number), json!({"text": "new"}));
        }
        meet(&mut hub, &mut site, &mut wire);
        assert!(is_settled(&site), "{again}");
        assert_left(&mut hub, &mut site, 97);
        assert_eq!(hub.get("store-1/note/10"), Some(json!({"text": "new"})));
    }
}
