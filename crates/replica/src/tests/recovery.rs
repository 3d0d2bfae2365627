//! Stores that come back as old copies of themselves.

mod trimmed;

use super::*;

/// Connects as edges do: again after each end of a connection, under a new incarnation where one is asked for.
fn meet(hub: &mut Node, site: &mut Node, wire: &mut Wire) {
    for _ in 0..8 {
        wire.connect_once(hub, site);
        let left = !hub.disconnects.is_empty() || !site.disconnects.is_empty();
        if !left && site.renewals == 0 {
            return;
        }
        wire.cut(hub, site);
        hub.disconnects.clear();
        site.disconnects.clear();
        if site.renewals > 0 {
            renew(site);
        }
    }
    panic!("they never come together: {:?} {:?}", hub.events, site.events);
}

/// What the edge does: a new incarnation and a new epoch, on the same store.
fn renew(site: &mut Node) {
    let incarnation = site.settings.key.incarnation[0] + 100;
    let key = OriginKey { incarnation: [incarnation; 16], ..site.settings.key };
    let settings = Settings { key, epoch: u64::from(incarnation), ..site.settings.clone() };
    let wall_ms = site.wall_ms;
    *site = Node {
        events: std::mem::take(&mut site.events),
        wall_ms,
        ..Node::on(site.disk.after_crash(), settings)
    };
}

/// The site on an old copy of its store, later: what it writes is not what it wrote before.
fn on_old_copy(image: Disk, site: Node) -> Node {
    Node { wall_ms: 9_000, ..Node::on(image, site.settings) }
}

/// A hub and a site with ten in stock, of which the site has sold three; the site's store as it was before, too.
fn sold() -> (Node, Node, Wire, Disk) {
    let (mut hub, mut site, mut wire) = pair();
    hub.put("store-1/inventory/1", item(10));
    site.put("store-1/note/1", json!({"text": "a"}));
    wire.carry(&mut hub, &mut site);
    let image = site.disk.after_crash();
    for _ in 0..3 {
        site.sell("store-1/inventory/1", 1);
    }
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    (hub, site, wire, image)
}

fn stock(node: &mut Node) -> Option<Value> {
    node.get("store-1/inventory/1")
}

#[test]
fn a_store_that_was_rolled_back_fetches_its_past_under_a_new_origin() {
    let (mut hub, site, mut wire, image) = sold();
    let mut site = on_old_copy(image, site);
    wire.connect_once(&mut hub, &mut site);
    assert_eq!(site.renewals, 1);
    let request = Request::Write {
        address: address("store-1/note/1"),
        operations: vec![document::Operation::Put(json!({"text": "b"}))],
        condition: None,
        terms: WriteTerms::default(),
    };
    assert_eq!(site.answer(request), Err(RequestError::Renewing));
    wire.cut(&mut hub, &mut site);
    hub.disconnects.clear();
    renew(&mut site);
    meet(&mut hub, &mut site, &mut wire);
    assert_eq!((stock(&mut hub), stock(&mut site)), (Some(item(7)), Some(item(7))));
    site.sell("store-1/inventory/1", 2);
    wire.carry(&mut hub, &mut site);
    assert_eq!(stock(&mut hub), Some(item(5)));
    assert_converged(&mut hub, &mut site);
}

#[test]
fn what_was_written_on_the_old_copy_is_written_again_and_counts_once() {
    // W-19.
    for sales in [1, 3, 7] {
        let (mut hub, site, mut wire, image) = sold();
        let mut site = on_old_copy(image, site);
        for _ in 0..sales {
            site.sell("store-1/inventory/1", 1);
        }
        site.put("store-1/note/2", json!({"text": "new"}));
        site.put("store-1/note/1", json!({"text": "changed"}));
        meet(&mut hub, &mut site, &mut wire);
        let left = item(7 - sales);
        assert_eq!((stock(&mut hub), stock(&mut site)), (Some(left.clone()), Some(left)), "{sales}");
        assert_eq!(hub.get("store-1/note/1"), Some(json!({"text": "changed"})));
        assert_eq!(hub.get("store-1/note/2"), Some(json!({"text": "new"})));
        assert_converged(&mut hub, &mut site);
        assert!(site.events.iter().any(|event| matches!(event, Event::ForkSettled { .. })));
        assert_eq!(site.replica.verify(0, u64::MAX), Ok(site.status().head));
        assert_eq!(site.replica.verify_values(&space("store-1")), Ok(vec![]));
    }
}

/// Where documents are about to be replaced: has them read for writes before that is durable, and hands them in when it is.
/// How many.
fn written_while_replaced(site: &mut Node) -> usize {
    let is_snapshot = |write: &Write| write.keyspace == Keyspace::Changes && write.key.first() == Some(&b's');
    let is_replaced =
        site.disk.0.borrow().waiting.iter().any(|(_, batch)| batch.writes.iter().any(is_snapshot));
    if !is_replaced {
        return 0;
    }
    let sale = document::Operation::increment("/on_hand", -1).unwrap();
    let text = document::Operation::Put(json!({"text": "later"}));
    let writes = [("store-1/inventory/1", sale), ("store-1/note/1", text)];
    let ids = writes.map(|(at, operation)| site.ask(Request::write(address(at), vec![operation])));
    site.end_turn();
    let orders = std::mem::take(&mut site.loads);
    let early: Vec<_> = orders.iter().map(|order| order.read(&site.disk.snapshot()).load()).collect();
    site.settle();
    for loaded in early {
        site.input(Input::Loaded(Box::new(loaded)));
        site.settle();
    }
    ids.iter().for_each(|id| assert!(matches!(site.replies[id], Ok(Response::Written(_)))));
    orders.len()
}

/// Its rows are those with the branch until the batch without it is durable.
#[test]
fn a_document_that_is_read_while_its_branch_is_taken_out_is_without_it() {
    let (mut hub, site, mut wire, image) = sold();
    let mut site = on_old_copy(image, site);
    site.sell("store-1/inventory/1", 1);
    site.put("store-1/note/1", json!({"text": "changed"}));
    // Each document that is taken up lets go of the one before.
    site.settings.open_documents_bytes_max = 1;
    site.settings.loads_aside = Some(LoadPolicy { changes_min: 1, bytes_min: 1, ..LoadPolicy::default() });
    site.crash();
    let mut read_meanwhile = 0;
    while read_meanwhile == 0 {
        wire.link += 1;
        wire.introduce(&mut hub, &mut site);
        loop {
            let to_hub = site.frames_of(wire.link);
            to_hub.into_iter().for_each(|(link, bytes)| hub.input(Input::Frame { link, bytes }));
            hub.settle();
            let to_site = hub.frames_of(wire.link);
            if to_site.is_empty() {
                break;
            }
            for (link, bytes) in to_site {
                site.input(Input::Frame { link, bytes });
                site.end_turn();
                read_meanwhile += written_while_replaced(&mut site);
                site.settle();
            }
        }
        wire.cut(&mut hub, &mut site);
        [&mut hub, &mut site].into_iter().for_each(|node| node.disconnects.clear());
        assert!(wire.link < 8, "a document is closed and asked for meanwhile: {:?}", site.events);
        if site.renewals > 0 {
            renew(&mut site);
        }
    }
    assert_eq!(site.replica.verify_values(&space("store-1")), Ok(vec![]));
    site.settings.loads_aside = None;
    site.crash();
    meet(&mut hub, &mut site, &mut wire);
    assert_eq!((stock(&mut hub), stock(&mut site)), (Some(item(5)), Some(item(5))));
    assert_eq!(hub.get("store-1/note/1"), Some(json!({"text": "later"})));
    assert_converged(&mut hub, &mut site);
}

#[test]
fn what_a_new_origin_wrote_upon_the_branch_is_written_again_too() {
    let (mut hub, site, mut wire, image) = sold();
    let mut site = on_old_copy(image, site);
    site.sell("store-1/inventory/1", 1);
    renew(&mut site);
    site.sell("store-1/inventory/1", 1);
    meet(&mut hub, &mut site, &mut wire);
    assert_eq!((stock(&mut hub), stock(&mut site)), (Some(item(5)), Some(item(5))));
    assert_converged(&mut hub, &mut site);
}

#[test]
fn a_crash_between_any_two_steps_loses_nothing() {
    for steps in 0..12 {
        let (mut hub, site, mut wire, image) = sold();
        let mut site = on_old_copy(image, site);
        site.sell("store-1/inventory/1", 1);
        site.sell("store-1/inventory/1", 1);
        wire.connect_once(&mut hub, &mut site);
        for _ in 0..steps {
            site.end_turn();
            let Some(turn) = site.disk.sync_one() else { break };
            site.input(Input::Durable(turn));
        }
        wire.cut(&mut hub, &mut site);
        let wall_ms = site.wall_ms;
        site.crash();
        site.wall_ms = wall_ms;
        hub.disconnects.clear();
        meet(&mut hub, &mut site, &mut wire);
        assert_eq!((stock(&mut hub), stock(&mut site)), (Some(item(5)), Some(item(5))), "{steps}");
        assert_converged(&mut hub, &mut site);
    }
}

#[test]
fn a_peer_that_does_not_relay_moves_nothing() {
    let (mut hub, mut site, mut wire, _) = sold();
    // The hub's store is an old copy, and the site knows more of it. The site's word is not enough.
    let image = hub.disk.after_crash();
    wire.connect(&mut hub, &mut site);
    hub.put("catalog/product/1", json!({"price": 1}));
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    let mut hub = Node::on(image, hub.settings);
    wire.connect_once(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    wire.connect_once(&mut hub, &mut site);
    assert_eq!(hub.renewals, 0);
    assert!(matches!(hub.disconnects.as_slice(), [DisconnectReason::RolledBack { .. }]));
}

/// Both find the place of a fork, each in one of these: one alone yields.
#[test]
fn a_hub_that_is_an_old_copy_among_peers_that_relay_writes_again_what_it_wrote() {
    for sales in [1, 3, 7] {
        let (hub, mut site, mut wire, _) = sold();
        let mut settings = hub.settings.clone();
        settings.peers.values_mut().for_each(|peer| peer.relay = true);
        let mut hub = Node::on(hub.disk.after_crash(), settings);
        wire.connect(&mut hub, &mut site);
        let image = hub.disk.after_crash();
        for _ in 0..3 {
            hub.sell("store-1/inventory/1", 1);
        }
        wire.carry(&mut hub, &mut site);
        wire.cut(&mut hub, &mut site);
        let mut hub = on_old_copy(image, hub);
        for _ in 0..sales {
            hub.sell("store-1/inventory/1", 1);
        }
        for _ in 0..8 {
            wire.connect_once(&mut hub, &mut site);
            let left = !hub.disconnects.is_empty() || !site.disconnects.is_empty();
            if !left && hub.renewals == 0 {
                break;
            }
            wire.cut(&mut hub, &mut site);
            hub.disconnects.clear();
            site.disconnects.clear();
            if hub.renewals > 0 {
                renew(&mut hub);
            }
        }
        let left = item(4 - sales);
        assert_eq!((stock(&mut hub), stock(&mut site)), (Some(left.clone()), Some(left)), "{sales}");
        assert_converged(&mut hub, &mut site);
    }
}

/// It is not believed about what the hub wrote; the hub goes on where it is, and the site follows.
#[test]
fn a_hub_that_is_an_old_copy_among_peers_that_do_not_relay_is_followed() {
    let (mut hub, mut site, mut wire, _) = sold();
    let image = hub.disk.after_crash();
    wire.connect(&mut hub, &mut site);
    hub.sell("store-1/inventory/1", 1);
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    let mut hub = on_old_copy(image, hub);
    for _ in 0..3 {
        hub.sell("store-1/inventory/1", 1);
    }
    meet(&mut hub, &mut site, &mut wire);
    assert_eq!((hub.renewals, stock(&mut hub), stock(&mut site)), (0, Some(item(4)), Some(item(4))));
    assert_converged(&mut hub, &mut site);
}

/// As a relay that took a branch of somebody else's: nobody would take what it says there.
#[test]
fn where_a_replica_may_not_write_it_says_nothing_again() {
    let (mut hub, mut site, mut wire, _) = sold();
    let image = hub.disk.after_crash();
    wire.connect(&mut hub, &mut site);
    hub.put("catalog/product/1", json!({"price": 1}));
    hub.put("catalog/product/2", json!({"price": 2}));
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    let mut hub = on_old_copy(image, hub);
    for price in 3..6 {
        hub.put("catalog/product/1", json!({ "price": price }));
    }
    meet(&mut hub, &mut site, &mut wire);
    assert!(site.events.iter().any(|event| matches!(event, Event::ForkSettled { taken_out: 2, .. })));
    let vector = site.replica.vector(&space("catalog")).unwrap();
    assert_eq!(vector.into_iter().map(|(origin, _)| origin).collect::<Vec<_>>(), [origin_of(&key(1))]);
    assert_eq!(
        (site.get("catalog/product/1"), site.get("catalog/product/2")),
        (Some(json!({"price": 5})), None)
    );
    assert_converged(&mut hub, &mut site);
}

/// Nothing of it was before the branch: what is saved of it then is empty.
#[test]
fn a_document_that_was_all_branch_is_given_to_others() {
    let (mut hub, site, mut wire, image) = sold();
    let trimming = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
    let settings = Settings { trimming, ..site.settings.clone() };
    let mut site = on_old_copy(image, Node { settings, ..site });
    site.put("store-1/note/2", json!({"text": "new"}));
    meet(&mut hub, &mut site, &mut wire);
    wire.cut(&mut hub, &mut site);
    site.wall_ms += 5_000;
    site.put("store-1/note/1", json!({"text": "later"}));
    // The hub loses its disk, and is filled.
    let mut settings = Settings { epoch: 77, takes_own_past: true, ..hub.settings };
    settings.key.incarnation = [77; 16];
    let peer = settings.peers.get_mut("site").unwrap();
    (peer.relay, peer.snapshots) = (true, true);
    let mut hub = Node::new(settings);
    wire.connect(&mut hub, &mut site);
    assert_eq!(site.rung(), Some(Rung::Fill));
    assert_eq!(hub.get("store-1/note/2"), Some(json!({"text": "new"})));
    assert_converged(&mut hub, &mut site);
}
