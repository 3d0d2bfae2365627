//! Rows of a document that cannot be read: they concern that document, and nobody else.

use super::*;

#[test]
fn a_damaged_snapshot_concerns_its_document_alone() {
    for request in requests_that_open() {
        let mut site = site_with_a_damaged_snapshot();
        assert_eq!(site.get(DAMAGED), Some(json!({"n": 69})), "the value is there");
        let Err(RequestError::Damaged { place, .. }) = site.answer(request.clone()) else {
            panic!("{request:?} is answered")
        };
        assert_eq!(place, DAMAGED);
        let put = Request::write(address(DAMAGED), vec![document::Operation::Put(json!({"n": 0}))]);
        assert!(matches!(site.answer(put), Err(RequestError::Damaged { .. })), "after {request:?}");
        assert_eq!(blocked::list(&mut site), [(address(DAMAGED), BlockReason::Damaged)]);
        let retry = Request::Retry { address: address(DAMAGED) };
        assert_eq!(site.answer(retry), Ok(Response::Retried(Some(BlockReason::Damaged))));
        assert_eq!(site.read(DAMAGED).value, Some(json!({"n": 69})), "the value is still there");
        site.put("store-1/note/2", json!({"n": 1}));
        assert_eq!(site.get("store-1/note/2"), Some(json!({"n": 1})), "others go on");
    }
}

const DAMAGED: &str = "store-1/note/1";

fn requests_that_open() -> [Request; 4] {
    let query = document::HistoryQuery { before: None, limit: 5 };
    [
        Request::write(address(DAMAGED), vec![document::Operation::Put(json!({"n": 0}))]),
        Request::History { address: address(DAMAGED), query },
        Request::Conflicts { address: address(DAMAGED) },
        Request::Get { address: address(DAMAGED), at: Some(At::Wall(0)) },
    ]
}

/// Changes a byte of a row of the disk.
fn damage(node: &Node, (keyspace, key): keys::Place) {
    let mut bytes = node.disk.get(keyspace, &key).unwrap().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    node.disk.0.borrow_mut().rows.insert((keyspace, key), bytes);
}

fn site_with_a_damaged_snapshot() -> Node {
    let mut site = Node::new(site_settings());
    for n in 0..70 {
        site.put(DAMAGED, json!({ "n": n }));
    }
    damage(&site, keys::snapshot(keys::DocumentNumber(0)));
    site.crash();
    site
}

#[test]
fn a_snapshot_that_does_not_load_leaves_the_changes_and_is_told() {
    let mut site = Node::new(site_settings());
    site.replica.damage_snapshots(true);
    (0..70).for_each(|n| _ = site.put(DAMAGED, json!({ "n": n })));
    site.settle();
    let refused = |event: &&Event| matches!(event, Event::SnapshotRefused { .. });
    assert_eq!(site.events.iter().filter(refused).count(), 1, "not in every turn again");
    let changes = |site: &Node| site.disk.scan(Keyspace::Changes, vec![b'c']..vec![b'd']).count();
    assert_eq!((site.place(DAMAGED).row.snapshot, changes(&site)), (0, 70));
    site.crash();
    site.put(DAMAGED, json!({"n": 70}));
    assert_eq!(site.get(DAMAGED), Some(json!({"n": 70})), "it is made from its changes");
    assert_eq!(site.replica.verify_values(&space("store-1")), Ok(vec![]));
    // With the next that is due.
    (71..140).for_each(|n| _ = site.put(DAMAGED, json!({ "n": n })));
    site.settle();
    assert!(site.place(DAMAGED).row.snapshot > 0);
    assert!(changes(&site) < 70, "what the snapshot covers goes");
    site.crash();
    assert_eq!(site.get(DAMAGED), Some(json!({"n": 139})));
    assert_eq!(site.replica.verify_values(&space("store-1")), Ok(vec![]));
}

#[test]
fn the_materialiser_passes_over_a_damaged_document() {
    let (mut hub, mut site, mut wire) = pair();
    for n in 0..70 {
        site.put(DAMAGED, json!({ "n": n }));
    }
    wire.carry(&mut hub, &mut site);
    assert!(hub.place(DAMAGED).row.snapshot > 0);
    damage(&hub, keys::snapshot(keys::DocumentNumber(hub.place(DAMAGED).row.number)));
    hub.crash();
    wire.connect(&mut hub, &mut site);
    site.put(DAMAGED, json!({"n": 70}));
    site.put("store-1/note/2", json!({"n": 1}));
    wire.carry(&mut hub, &mut site);
    let reading = hub.read(DAMAGED);
    assert_eq!(reading.behind.and_then(|behind| behind.blocked), Some(BlockReason::Damaged));
    assert_eq!(reading.value, Some(json!({"n": 69})));
    assert_eq!(hub.get("store-1/note/2"), Some(json!({"n": 1})));
    assert_eq!(
        hub.disk.scan(Keyspace::Documents, vec![keys::KIND_WAITING]..vec![keys::KIND_WAITING + 1]).count(),
        0
    );
}

/// With an index, built when a query first asks for it.
fn indexed_settings() -> Settings {
    let schema = json!({"x-version": 1, "type": "object", "properties": {
        "n": {"type": "integer", "x-index": true}, "sold": {"type": "integer", "x-crdt": "counter"}}});
    let mut settings = site_settings();
    settings.schemas.insert("note".parse().unwrap(), Schema::parse(&schema.to_string()).unwrap());
    settings
}

fn value_of(node: &Node, text: &str) -> (Keyspace, Vec<u8>) {
    let address = address(text);
    keys::value(node.place(text).space, &address.collection, &address.key)
}

/// What is wrong with the value of [`DAMAGED`].
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// Its bytes say nothing.
    Value,
    /// The disk does not give it.
    Block,
    /// Nor can what it was made from be read.
    All,
}

/// A site with 70 notes, of which the index is not built.
fn site_with_a_damaged_value(harm: Harm) -> Node {
    let mut site = Node::new(indexed_settings());
    (0..70).for_each(|n| _ = site.put(DAMAGED, json!({ "n": n })));
    (2..70).for_each(|n| _ = site.put(&format!("store-1/note/{n}"), json!({ "n": n })));
    site.settle();
    let value = value_of(&site, DAMAGED);
    match harm {
        Harm::Value | Harm::All => drop(site.disk.0.borrow_mut().rows.insert(value, vec![0])),
        Harm::Block => _ = site.disk.0.borrow_mut().unreadable.insert(value),
    }
    if let Harm::All = harm {
        damage(&site, keys::snapshot(keys::DocumentNumber(site.place(DAMAGED).row.number)));
    }
    site.disk.0.borrow_mut().rewritten.clear();
    site.crash();
    site
}

fn query(site: &mut Node, query: Value) -> Queried {
    let (space, collection) = (space("store-1"), "note".parse().unwrap());
    let query = serde_json::from_value(query).unwrap();
    match site.answer(Request::Query { space, collection, query }) {
        Ok(Response::Queried(queried)) => queried,
        answer => panic!("{answer:?}"),
    }
}

fn keys_of(documents: &[(document::Key, Value)]) -> Vec<String> {
    documents.iter().map(|(key, _)| key.to_string()).collect()
}

#[test]
fn an_index_is_built_past_a_damaged_value() {
    for harm in [Harm::Value, Harm::Block, Harm::All] {
        let mut site = site_with_a_damaged_value(harm);
        let by_index = json!({"filters": [{"field": "/n", "at_least": 69}]});
        // It asks for the index.
        query(&mut site, by_index.clone());
        site.settle();
        site.put("store-1/note/71", json!({"n": 71}));
        let queried = query(&mut site, by_index);
        assert!(queried.page.index.is_some(), "{harm:?}: the index is built");
        let expected: &[&str] = if let Harm::All = harm { &["69", "71"] } else { &["1", "69", "71"] };
        assert_eq!(keys_of(&queried.page.documents), expected, "{harm:?}");
    }
}

#[test]
fn a_query_passes_over_what_cannot_be_read_and_says_so() {
    for (order, descending) in
        [(json!("key"), false), (json!("key"), true), (json!({"field": "/other"}), false)]
    {
        let mut site = site_with_a_damaged_value(Harm::All);
        let queried = query(&mut site, json!({"order": order, "descending": descending, "limit": 100}));
        assert_eq!(queried.page.damaged, [document::Key::new("1").unwrap()], "{order}");
        assert_eq!(queried.page.documents.len(), 68, "{order}");
        assert_eq!(blocked::list(&mut site), [(address(DAMAGED), BlockReason::Damaged)]);
        let one = query(&mut site, json!({"order": order, "descending": descending, "limit": 1}));
        assert!(one.page.next.is_some(), "a page goes on behind it");
    }
    for harm in [Harm::Value, Harm::Block] {
        let mut site = site_with_a_damaged_value(harm);
        for limit in [100, 70] {
            let queried = query(&mut site, json!({ "limit": limit }));
            assert_eq!(queried.page.damaged, [], "{harm:?}: it is made again");
            assert_eq!(queried.page.documents.len(), 69, "{harm:?}");
            site.settle();
        }
        assert_eq!(site.events.iter().filter(|event| matches!(event, Event::ValueMended { .. })).count(), 1);
    }
}

#[test]
fn a_damaged_value_is_made_again_for_whoever_asks() {
    let watch = |site: &mut Node| {
        let scope = WatchScope::Document(address(DAMAGED));
        let id = site.ask(Request::Watch { scope, from: None, credit: 9 });
        site.settle();
        site.watched.remove(&id).unwrap_or_default()
    };
    let (space, collection) = (space("store-1"), "note".parse::<document::Collection>().unwrap());
    let list = Request::List { space, collection, after: None, limit: 100 };
    for harm in [Harm::Value, Harm::Block] {
        assert_eq!(site_with_a_damaged_value(harm).get(DAMAGED), Some(json!({"n": 69})), "{harm:?}");
        let mut site = site_with_a_damaged_value(harm);
        let Ok(Response::Listed(listed)) = site.answer(list.clone()) else { panic!("no list") };
        assert_eq!((listed.documents.len(), listed.blocked.len()), (69, 0), "{harm:?}");
        let mut site = site_with_a_damaged_value(harm);
        let shown = watch(&mut site);
        assert!(
            matches!(&shown[..], [WatchEvent::Document { document, .. }, ..]
                if document.value == WatchedValue::Json(json!({"n": 69}))),
            "{harm:?}: {shown:?}"
        );
        let mut site = site_with_a_damaged_value(harm);
        let sell = vec![document::Operation::increment("/sold", 1).unwrap()];
        site.answer(Request::write(address(DAMAGED), sell)).unwrap();
        assert_eq!(site.get(DAMAGED), Some(json!({"n": 69, "sold": 1})), "{harm:?}: and by a write");
    }
    let mut site = site_with_a_damaged_value(Harm::All);
    let shown = watch(&mut site);
    let is_left_out = |document: &WatchedDocument| {
        (&document.value, document.blocked) == (&WatchedValue::Omitted, Some(BlockReason::Damaged))
    };
    assert!(matches!(&shown[..], [WatchEvent::Document { document, .. }, ..] if is_left_out(document)));
    let get = Request::Get { address: address(DAMAGED), at: None };
    assert!(matches!(site.answer(get), Err(RequestError::Damaged { .. })));
    let Ok(Response::Listed(listed)) = site.answer(list) else { panic!("no list") };
    assert_eq!((listed.documents.len(), listed.blocked), (68, vec![address(DAMAGED).key]));
    let sell = vec![document::Operation::increment("/sold", 1).unwrap()];
    let sold = site.answer(Request::write(address(DAMAGED), sell));
    assert!(matches!(sold, Err(RequestError::Blocked { .. } | RequestError::Damaged { .. })), "{sold:?}");
}

/// A hub whose product 1 is damaged, besides others, as `rows` of the journal are kept.
fn hub_with_a_damaged_product(trimming: TrimPolicy) -> Node {
    let mut hub = Node::new(Settings { trimming, ..hub_settings() });
    for n in 0..70 {
        hub.put("catalog/product/1", json!({ "price": n }));
    }
    hub.put("catalog/product/2", json!({"price": 2}));
    hub.put("store-1/inventory/1", item(3));
    hub.wall_ms += 5_000;
    hub.put("store-1/note/clock", json!({"at": 1}));
    hub.settle();
    damage(&hub, keys::snapshot(keys::DocumentNumber(hub.place("catalog/product/1").row.number)));
    hub.crash();
    hub
}

#[test]
fn a_change_that_cannot_be_built_again_holds_up_its_stream_alone() {
    let mut hub = hub_with_a_damaged_product(TrimPolicy::default());
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    for _ in 0..2 {
        wire.connect(&mut hub, &mut site);
        site.put("store-1/inventory/2", item(5));
        hub.put("store-1/note/2", json!({"n": 1}));
        wire.carry(&mut hub, &mut site);
        assert_eq!(site.get("store-1/inventory/1"), Some(item(3)), "other spaces come");
        assert_eq!(site.get("store-1/note/2"), Some(json!({"n": 1})));
        assert_eq!(hub.get("store-1/inventory/2"), Some(item(5)), "and what the site writes goes");
        assert_eq!(site.get("catalog/product/2"), None, "what follows in the stream waits");
        assert_eq!(blocked::list(&mut hub), [(address("catalog/product/1"), BlockReason::Damaged)]);
        assert_eq!((&hub.disconnects, &site.disconnects), (&vec![], &vec![]));
        wire.cut(&mut hub, &mut site);
    }
    let told = |event: &&Event| matches!(event, Event::Blocked { .. });
    assert_eq!(hub.events.iter().filter(told).count(), 1, "once, not at each connection");
    assert!(hub.status().peers.iter().any(|peer| peer.backlog_rows > 0), "status shows that something waits");
}

#[test]
fn a_transaction_of_which_a_part_cannot_be_read_is_not_sent_at_all() {
    let mut hub = Node::new(hub_settings());
    let put = |key: &str| TransactionWrite {
        collection: "product".parse().unwrap(),
        key: key.parse().unwrap(),
        operations: vec![document::Operation::Put(json!({"price": 0}))],
        condition: None,
    };
    let (space, writes) = (space("catalog"), vec![put("0"), put("1")]);
    hub.answer(Request::Transaction { space, writes, terms: WriteTerms::default() }).unwrap();
    (1..70).for_each(|n| _ = hub.put("catalog/product/1", json!({ "price": n })));
    hub.settle();
    damage(&hub, keys::snapshot(keys::DocumentNumber(hub.place("catalog/product/1").row.number)));
    hub.crash();
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    wire.connect(&mut hub, &mut site);
    assert_eq!(site.get("catalog/product/0"), None, "its other part was readable");
    assert_eq!((&hub.disconnects, &site.disconnects), (&vec![], &vec![]));
}

#[test]
fn a_fill_leaves_a_damaged_document_out_and_says_so() {
    // W-48.
    let mut hub = hub_with_a_damaged_product(TrimPolicy { age_ms: 1_000, bytes: 1 << 30 });
    let (mut site, mut wire) = (Node::new(site_settings()), Wire::default());
    for _ in 0..2 {
        wire.connect(&mut hub, &mut site);
        hub.put("store-1/note/2", json!({"n": 1}));
        wire.carry(&mut hub, &mut site);
        assert_eq!(site.get("store-1/note/2"), Some(json!({"n": 1})), "other spaces go on");
        assert_eq!(site.get("catalog/product/2"), Some(json!({"price": 2})), "other documents are here");
        assert_eq!(site.get("catalog/product/1"), None);
        let stopped =
            |event: &Event| matches!(event, Event::FillStopped { reason: StopReason::FillerDamaged, .. });
        assert!(site.events.iter().any(stopped));
        let vector = site.replica.vector(&space("catalog")).unwrap();
        assert!(vector.iter().all(|(_, entry)| entry.sequence == 0), "the vector is not adopted: {vector:?}");
        assert_eq!(blocked::list(&mut hub), [(address("catalog/product/1"), BlockReason::Damaged)]);
        assert_eq!((&hub.disconnects, &site.disconnects), (&vec![], &vec![]));
        wire.cut(&mut hub, &mut site);
    }
}

/// What a tip wrote is held against the whole document.
#[test]
fn a_value_that_is_another_is_found_by_a_snapshot() {
    let mut site = Node::new(site_settings());
    site.replica.hold_materialiser(true);
    (0..65).for_each(|n| assert!(site.put(DAMAGED, json!({ "n": n })).is_some()));
    site.put("store-1/note/2", json!({"n": 7}));
    let (other, own) = (value_of(&site, "store-1/note/2"), value_of(&site, DAMAGED));
    let value = site.disk.0.borrow().rows[&other].clone();
    site.disk.0.borrow_mut().rows.insert(own, value);
    site.crash();
    assert_eq!(site.replica.verify_values(&space("store-1")), Ok(vec![address(DAMAGED)]));
    site.settle();
    assert!(site.place(DAMAGED).row.snapshot > 0);
    assert!(site.events.iter().any(|event| matches!(event, Event::ValueMended { .. })));
    assert_eq!(site.get(DAMAGED), Some(json!({"n": 64})));
    assert_eq!(site.replica.verify_values(&space("store-1")), Ok(vec![]));
}
