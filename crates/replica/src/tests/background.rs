//! Values, snapshots and what is done in the background.

use super::*;

fn rows_of(node: &Node, keyspace: Keyspace, kind: u8) -> Vec<Row> {
    node.disk.scan(keyspace, vec![kind]..vec![kind + 1]).map(Result::unwrap).collect()
}

fn waiting(node: &Node) -> usize {
    rows_of(node, Keyspace::Documents, keys::KIND_WAITING).len()
}

fn changes(node: &Node) -> usize {
    rows_of(node, Keyspace::Changes, b'c').len()
}

fn document_row(node: &Node, at: &str) -> record::DocumentRow {
    node.place(at).row
}

#[track_caller]
fn assert_values_hold(node: &Node) {
    for space in ["catalog", "store-1"].map(space) {
        assert_eq!(node.replica.verify_values(&space), Ok(vec![]));
    }
}

#[test]
fn what_arrived_closed_gets_its_value_in_the_background() {
    let (mut hub, mut site, mut wire) = pair();
    for n in 0..40 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    assert_eq!(waiting(&site), 0, "what is written here has its value at once");
    wire.carry(&mut hub, &mut site);
    assert_eq!(waiting(&hub), 0);
    assert_values_hold(&hub);
    hub.crash();
    assert_eq!(hub.get("store-1/inventory/7"), Some(item(7)));
    assert_eq!(hub.status().documents_open, 0, "a read opens no document");
}

#[test]
fn what_waited_for_a_snapshot_that_is_no_more_due_is_off_the_list() {
    let mut site = Node::new(site_settings());
    site.settings.snapshots.changes_min = 4;
    site.crash();
    site.replica.hold_materialiser(true);
    (0..5).for_each(|n| assert!(site.put("store-1/inventory/1", item(n)).is_some()));
    assert_eq!(waiting(&site), 1);
    site.settings.snapshots.changes_min = 1_000;
    site.crash();
    site.settle();
    assert_eq!(waiting(&site), 0);
    assert_values_hold(&site);
}

#[test]
fn a_hub_stores_and_forwards_what_peers_wrote_and_opens_no_document() {
    let (mut settings, mut far) = (hub_settings(), site_settings());
    settings.peers.insert("far".into(), settings.peers["site"].clone());
    (far.name, far.key, far.epoch) = ("far".into(), key(3), 33);
    let (mut hub, mut site, mut far) = (Node::new(settings), Node::new(site_settings()), Node::new(far));
    let (mut up, mut down) = (Wire::default(), Wire { link: 100, ..Wire::default() });
    hub.replica.hold_materialiser(true);
    up.connect(&mut hub, &mut site);
    down.connect(&mut hub, &mut far);
    let writes = |site: &mut Node, numbers: Range<i64>| {
        for n in numbers {
            site.put(&format!("store-1/inventory/{n}"), item(9));
            site.sell(&format!("store-1/inventory/{n}"), 1);
        }
    };
    // Live, then from the journal, to a peer that has some of it.
    writes(&mut site, 0..40);
    up.carry(&mut hub, &mut site);
    down.carry(&mut hub, &mut far);
    down.cut(&mut hub, &mut far);
    writes(&mut site, 20..60);
    up.carry(&mut hub, &mut site);
    down.connect(&mut hub, &mut far);
    far.sell("store-1/inventory/7", 3);
    down.carry(&mut hub, &mut far);
    up.carry(&mut hub, &mut site);
    assert_eq!(hub.status().documents_open, 0);
    assert_eq!(waiting(&hub), 60, "no value was made, for which a document is opened");
    assert_eq!(
        [&site, &far].map(|node| node.replica.vector(&space("store-1"))),
        [hub.replica.vector(&space("store-1")), hub.replica.vector(&space("store-1"))]
    );
    hub.replica.hold_materialiser(false);
    hub.settle();
    assert_eq!(waiting(&hub), 0);
    assert!(hub.status().documents_open > 0, "what opens documents is seen");
    assert_converged(&mut hub, &mut site);
    assert_converged(&mut hub, &mut far);
}

/// While it is short the list is in memory: in debug builds each read of it there is held against the store.
#[test]
fn a_list_that_becomes_long_is_worked_off_from_the_store() {
    let (mut hub, mut site, mut wire) = pair();
    let documents = journal::LISTED_MAX + 10;
    hub.replica.hold_materialiser(true);
    for n in 0..documents {
        site.put(&format!("store-1/inventory/{n}"), item(1));
    }
    wire.carry(&mut hub, &mut site);
    assert_eq!(waiting(&hub), documents);
    hub.replica.hold_materialiser(false);
    hub.settle();
    assert_eq!(waiting(&hub), 0);
    site.sell("store-1/inventory/7", 1);
    wire.carry(&mut hub, &mut site);
    assert_eq!((waiting(&hub), hub.get("store-1/inventory/7")), (0, Some(item(0))));
    assert_converged(&mut hub, &mut site);
}

#[test]
fn a_turn_takes_a_few_documents_and_a_crash_forgets_none() {
    let (mut hub, mut site, _) = pair();
    for n in 0..40 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    assert!(hub.replica.end_turn().unwrap());
    while hub.disk.sync_one().is_some() {}
    assert_eq!(waiting(&hub), 39, "a turn with frames takes one");
    assert_eq!(hub.get("store-1/inventory/39"), Some(item(39)), "a read does not wait");
    hub.crash();
    hub.settle();
    assert_eq!(waiting(&hub), 0);
    assert_values_hold(&hub);
}

#[test]
fn a_long_backlog_of_one_document_is_applied_in_steps() {
    let (mut hub, mut site, _) = pair();
    site.put("store-1/inventory/1", item(0));
    for _ in 0..600 {
        site.sell("store-1/inventory/1", -1);
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    let mut positions = Vec::new();
    while hub.replica.end_turn().unwrap() {
        while let Some(turn) = hub.disk.sync_one() {
            hub.input(Input::Durable(turn));
        }
        positions.push(document_row(&hub, "store-1/inventory/1").value);
    }
    assert!(positions.starts_with(&[256, 512, 601]), "{positions:?}");
    assert_eq!(hub.get("store-1/inventory/1"), Some(item(600)));
}

#[test]
fn a_snapshot_stands_in_for_the_changes_that_it_covers() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(0));
    for _ in 0..200 {
        site.sell("store-1/inventory/1", -1);
    }
    assert!(changes(&site) <= 201 / 2, "{}", changes(&site));
    assert_eq!(document_row(&site, "store-1/inventory/1").changes, 201);
    site.crash();
    assert_eq!(site.get("store-1/inventory/1"), Some(item(200)));
    site.sell("store-1/inventory/1", 1);
    assert_eq!(site.get("store-1/inventory/1"), Some(item(199)));
    assert_values_hold(&site);
}

#[test]
fn long_changes_are_saved_by_their_bytes() {
    let mut site = Node::new(site_settings());
    for n in 0..4 {
        site.put("store-1/note/1", json!({"text": format!("{n} {}", "word ".repeat(1_000))}));
    }
    assert_eq!(changes(&site), 0);
    assert_eq!(document_row(&site, "store-1/note/1").snapshot, 4);
    assert_values_hold(&site);
}

#[test]
fn a_peer_that_was_away_is_sent_changes_that_a_snapshot_covers() {
    let (mut hub, mut site, mut wire) = pair();
    wire.cut(&mut hub, &mut site);
    for n in 0..150 {
        site.put("store-1/inventory/1", item(n));
        site.put("store-1/note/1", json!({ "n": n }));
    }
    assert!(changes(&site) < 128, "{}", changes(&site));
    site.crash();
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.get("store-1/note/1"), Some(json!({"n": 149})));
    assert_converged(&mut hub, &mut site);
}

#[test]
fn changes_that_a_connected_peer_waits_for_are_kept() {
    let (mut hub, mut site, mut wire) = pair();
    let text = "x".repeat(10_000);
    for n in 0..150 {
        hub.put(&format!("catalog/note/{n}"), json!({"text": format!("{n} {text}")}));
    }
    // The window is full: what follows is not sent before the peer acknowledges.
    let before = changes(&hub);
    for n in 0..100 {
        hub.put("catalog/product/1", json!({ "price": n }));
    }
    assert!(document_row(&hub, "catalog/product/1").snapshot > 0);
    assert_eq!(changes(&hub), before + 100);
    wire.carry(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
}

#[test]
fn the_journal_s_chain_shows_a_row_that_was_changed_or_lost() {
    let mut site = Node::new(site_settings());
    for n in 0..400 {
        site.put("store-1/note/1", json!({ "n": n }));
    }
    let (mut after, mut steps) = (0, 0);
    while after < 400 {
        after = site.replica.verify(after, 150).unwrap();
        steps += 1;
    }
    assert_eq!((after, steps), (400, 3));

    let tampered = |lsn: u64, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let disk = site.disk.after_crash();
        let place = keys::journal(lsn);
        let row = disk.0.borrow_mut().rows.remove(&place).unwrap();
        if let Some(row) = change(row) {
            disk.0.borrow_mut().rows.insert(place, row);
        }
        disk
    };
    let other_sequence = |row: Vec<u8>| {
        let row: record::JournalRow = record::decode(Keyspace::Journal, &row).unwrap();
        Some(record::encode(&record::JournalRow { sequence: row.sequence + 1, ..row }))
    };
    for lsn in [10, 399, 400] {
        for change in [&other_sequence as &dyn Fn(_) -> _, &|_| None] {
            let opened = Replica::open(tampered(lsn, change), site_settings());
            let found = match opened {
                Ok(replica) => replica.verify(0, 1_000).unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(found, StoreError::BrokenJournal { lsn });
        }
    }
}

#[test]
fn a_recovered_store_has_another_epoch_and_serves_no_old_cursor() {
    let (mut hub, mut site, mut wire) = pair();
    hub.put("catalog/product/1", json!({"price": 1}));
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    hub.put("catalog/product/2", json!({"price": 2}));
    hub.settings = Settings { epoch: 77, ..hub_settings() };
    hub.settings.key.incarnation = [7; 16];
    hub.crash();
    wire.connect(&mut hub, &mut site);
    assert_eq!((hub.rung(), hub.journal().epoch()), (Some(Rung::Vector), 77));
    assert_converged(&mut hub, &mut site);
    hub.crash();
    assert_eq!(hub.journal().epoch(), 77, "it stays");
    assert_eq!(hub.status().head, 2);
}

#[test]
fn services_are_answered_at_written_and_peers_at_durable() {
    let (mut hub, mut site, mut wire) = pair();
    let put = document::Operation::Put(item(1));
    let id = site.ask(Request::Write {
        address: address("store-1/inventory/1"),
        operations: vec![put],
        condition: None,
        terms: WriteTerms::default(),
    });
    site.end_turn();
    let turn = site.disk.0.borrow().waiting.back().unwrap().0;
    site.input(Input::Written(turn));
    site.end_turn();
    assert!(matches!(site.replies.get(&id), Some(Ok(Response::Written(Written { stamp: Some(_), .. })))));
    assert!(site.frames.is_empty());
    wire.carry(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
}

#[test]
fn without_room_nothing_is_written_and_reads_go_on() {
    let (mut hub, mut site, mut wire) = pair();
    site.put("store-1/inventory/1", item(1));
    wire.carry(&mut hub, &mut site);
    hub.input(Input::Room(Room::Low));
    hub.settle();
    assert!(hub.disconnects.is_empty());
    hub.input(Input::Room(Room::ReadOnly));
    hub.settle();
    assert_eq!(std::mem::take(&mut hub.disconnects), [DisconnectReason::Room { is_full: true }]);
    let put = |at: &str| Request::Write {
        address: address(at),
        operations: vec![document::Operation::Put(item(2))],
        condition: None,
        terms: WriteTerms::default(),
    };
    assert_eq!(hub.answer(put("store-1/inventory/1")), Err(RequestError::DiskFull));
    assert_eq!(hub.get("store-1/inventory/1"), Some(item(1)));
    assert_eq!(hub.status().room, Room::ReadOnly);

    // The hub says that it takes nothing: the site keeps its changes, and connections do not go round in circles.
    wire.cut(&mut hub, &mut site);
    site.put("store-1/inventory/1", item(5));
    wire.connect(&mut hub, &mut site);
    assert_eq!((hub.status().head, hub.disconnects.len()), (1, 0));
    hub.input(Input::Room(Room::Ample));
    hub.settle();
    assert_eq!(std::mem::take(&mut hub.disconnects), [DisconnectReason::Room { is_full: false }]);
    wire.cut(&mut hub, &mut site);
    wire.connect(&mut hub, &mut site);
    assert_eq!(hub.get("store-1/inventory/1"), Some(item(5)));
    assert_converged(&mut hub, &mut site);
}

/// A write that can wait, as one of an import.
fn imported(at: &str) -> Request {
    let Request::Write { address, operations, condition, terms } =
        Request::write(address(at), vec![document::Operation::Put(json!({"n": 1}))])
    else {
        panic!("no write")
    };
    Request::Write { address, operations, condition, terms: WriteTerms { can_wait: true, ..terms } }
}

#[test]
fn with_little_room_what_can_wait_is_put_off_and_tills_go_on() {
    let trimming = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
    let mut hub = Node::new(Settings { trimming, ..hub_settings() });
    (0..9).for_each(|n| _ = hub.put(&format!("catalog/product/{n}"), json!({ "price": n })));
    hub.wall_ms += 5_000;
    hub.put("store-1/note/clock", json!({"at": 1}));
    hub.settle();
    let mut settings = site_settings();
    let indexed =
        r#"{"x-version": 1, "type": "object", "properties": {"n": {"type": "integer", "x-index": true}}}"#;
    settings.schemas.insert("note".parse().unwrap(), Schema::parse(indexed).unwrap());
    let (mut site, mut wire) = (Node::new(settings), Wire::default());
    site.put("store-1/note/1", json!({"n": 1}));
    site.input(Input::Room(Room::Shed));
    assert_eq!(site.answer(imported("store-1/note/2")), Err(RequestError::PutOff));
    wire.connect(&mut hub, &mut site);
    let by_index = || Request::Query {
        space: space("store-1"),
        collection: "note".parse().unwrap(),
        query: serde_json::from_str(r#"{"filters": [{"field": "/n", "equal": 1}]}"#).unwrap(),
    };
    let index = |site: &mut Node| {
        let Ok(Response::Queried(queried)) = site.answer(by_index()) else { panic!("no page") };
        assert!(queried.page.documents.iter().any(|(key, _)| key.as_str() == "1"));
        queried.page.index
    };
    for _ in 0..2 {
        assert_eq!(index(&mut site), None);
        site.put("store-1/note/3", json!({"n": 3}));
        hub.put("store-1/note/4", json!({"n": 4}));
        wire.carry(&mut hub, &mut site);
    }
    assert_eq!(hub.get("store-1/note/3"), Some(json!({"n": 3})), "what a till writes is taken and sent");
    assert_eq!(site.get("store-1/note/4"), Some(json!({"n": 4})), "and what is new comes");
    assert_eq!(site.get("catalog/product/1"), None, "what the hub has anyway is put off");
    assert!(site.disconnects.is_empty() && hub.disconnects.is_empty());

    site.input(Input::Room(Room::Low));
    site.settle();
    wire.carry(&mut hub, &mut site);
    assert_eq!(site.get("catalog/product/1"), Some(json!({"price": 1})));
    assert!(index(&mut site).is_some());
    assert!(site.answer(imported("store-1/note/2")).is_ok());
    wire.carry(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
}

fn query(text: &str) -> Request {
    let (space, collection) = (space("store-1"), "inventory".parse().unwrap());
    Request::Query { space, collection, query: Box::new(serde_json::from_str(text).unwrap()) }
}

fn queried(node: &mut Node, text: &str) -> (Vec<String>, bool) {
    let Ok(Response::Queried(queried)) = node.answer(query(text)) else { panic!("no page") };
    let keys = queried.page.documents.iter().map(|(key, _)| key.to_string()).collect();
    (keys, queried.is_behind)
}

#[test]
fn a_query_sees_what_arrived_closed() {
    let (mut hub, mut site, _) = pair();
    for n in 0..100 {
        site.put(&format!("store-1/inventory/{n:03}"), item(n));
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    let few = r#"{"filters": [{"field": "/on_hand", "less": 3}]}"#;
    let at_once = hub.ask(query(few));
    hub.settle();
    let Some(Ok(Response::Queried(first))) = hub.replies.remove(&at_once) else { panic!("no page") };
    assert!(first.is_behind, "a query brings some up to date, and says that there are more");
    assert_eq!(queried(&mut hub, few), (vec!["000".into(), "001".into(), "002".into()], false));
    let back = queried(&mut hub, r#"{"descending": true, "limit": 2}"#);
    assert_eq!(back, (vec!["099".into(), "098".into()], false));
    let elsewhere = Request::Query {
        space: space("store-9"),
        collection: "inventory".parse().unwrap(),
        query: Box::default(),
    };
    assert_eq!(hub.answer(elsewhere), Err(RequestError::UnknownSpace(space("store-9"))));
}
