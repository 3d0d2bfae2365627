use super::*;

/// A counter that no write takes below zero. Two of them do.
const STOCK: &str = r#"{
  "x-version": 1,
  "type": "object",
  "properties": {"on_hand": {"type": "integer", "minimum": 0, "x-crdt": "counter"}}
}"#;

pub(super) fn with_stock(settings: Settings) -> Settings {
    let mut schemas = settings.schemas;
    schemas.insert(document::Collection::new("stock").unwrap(), Schema::parse(STOCK).unwrap());
    Settings { schemas, ..settings }
}

#[test]
fn a_document_that_a_merge_broke_is_read_with_the_rules_that_it_breaks() {
    const AT: &str = "store-1/stock/1";
    let (mut hub, mut site) = (Node::new(with_stock(hub_settings())), Node::new(with_stock(site_settings())));
    let mut wire = Wire::default();
    wire.connect(&mut hub, &mut site);
    site.put(AT, json!({"on_hand": 1}));
    wire.carry(&mut hub, &mut site);
    assert_eq!(site.read(AT).violations, []);
    wire.cut(&mut hub, &mut site);
    site.sell(AT, 1);
    hub.sell(AT, 1);
    wire.connect(&mut hub, &mut site);
    for node in [&mut hub, &mut site] {
        let reading = node.read(AT);
        assert_eq!(reading.value, Some(json!({"on_hand": -1})), "it stays readable");
        let broken: Vec<_> = reading.violations.iter().map(|broken| broken.field.as_str()).collect();
        assert_eq!((broken, node.status().values_broken), (vec!["/on_hand"], 1));
        let at = Some(At::Wall(node.wall_ms));
        let Ok(Response::Document(then)) = node.answer(Request::Get { address: address(AT), at }) else {
            panic!("another answer")
        };
        assert_eq!(then.violations, reading.violations);
    }
    // What is broken already is counted once.
    site.sell(AT, -5);
    wire.carry(&mut hub, &mut site);
    assert_eq!((hub.read(AT).violations, hub.status().values_broken), (vec![], 1));
}

#[test]
fn a_broken_document_is_told_where_it_is_listed_found_and_watched() {
    let (mut hub, mut site) = (Node::new(with_stock(hub_settings())), Node::new(with_stock(site_settings())));
    let mut wire = Wire::default();
    wire.connect(&mut hub, &mut site);
    site.put("store-1/stock/1", json!({"on_hand": 1}));
    site.put("store-1/stock/2", json!({"on_hand": 1}));
    wire.carry(&mut hub, &mut site);
    let place = || (space("store-1"), document::Collection::new("stock").unwrap());
    let broken = |node: &mut Node| {
        let (space, collection) = place();
        let list = Request::List { space, collection, after: None, limit: 10 };
        let Ok(Response::Listed(listed)) = node.answer(list) else { panic!("no listing") };
        assert_eq!(listed.documents.len(), 2);
        let by_field = Order::Field(document::Pointer::parse("/on_hand").unwrap());
        for order in [Order::Key, by_field] {
            let (space, collection) = place();
            let query = Query { order, fields: Some(Vec::new()), ..Query::default() };
            let query = Request::Query { space, collection, query: Box::new(query) };
            let Ok(Response::Queried(found)) = node.answer(query) else { panic!("no page") };
            assert_eq!(found.page.broken, listed.broken, "whichever fields are shown");
        }
        listed.broken
    };
    assert_eq!([broken(&mut hub), broken(&mut site)], [vec![], vec![]]);
    wire.cut(&mut hub, &mut site);
    for node in [&mut hub, &mut site] {
        node.sell("store-1/stock/1", 1);
    }
    wire.connect(&mut hub, &mut site);
    assert_eq!(broken(&mut hub).len(), 1);
    // A write of something else leaves it broken.
    site.write("store-1/stock/1", document::Operation::MergePatch(json!({"shelf": "A"})));
    for node in [&mut hub, &mut site] {
        let told = broken(node);
        let reading = node.read("store-1/stock/1");
        assert_eq!((told.len(), told[0].key.as_str()), (1, "1"));
        assert_eq!((told[0].violations.len(), &told[0].violations), (1, &reading.violations));
    }
}

fn write(at: &str, operation: document::Operation, idempotency_key: Option<&str>) -> Request {
    let idempotency_key = idempotency_key.map(|text| IdempotencyKey::new(text).unwrap());
    Request::Write {
        address: address(at),
        operations: vec![operation],
        condition: None,
        terms: WriteTerms { idempotency_key, ..WriteTerms::default() },
    }
}

fn sale(at: &str, idempotency_key: &str) -> Request {
    write(at, document::Operation::increment("/on_hand", -1).unwrap(), Some(idempotency_key))
}

#[test]
fn an_answer_waits_until_the_write_is_durable() {
    let mut site = Node::new(site_settings());
    site.settle();
    let id = site.ask(write("store-1/inventory/1", document::Operation::Put(item(5)), None));
    site.end_turn();
    assert!(site.replies.is_empty());
    let read = site.ask(Request::Get { address: address("store-1/inventory/1"), at: None });
    site.end_turn();
    assert!(site.replies.is_empty(), "a read that saw the write waits with it");
    site.settle();
    let stamp = Stamp { origin: origin(2), sequence: 1 };
    let heads = site.journal().document(&address("store-1/inventory/1")).unwrap().unwrap().row.heads;
    let heads = vec![document::ChangeHash(heads.try_into().unwrap())];
    let written = Written { stamp: Some(stamp), heads: heads.clone() };
    assert_eq!(site.replies.remove(&id), Some(Ok(Response::Written(written))));
    assert_eq!(
        site.replies.remove(&read),
        Some(Ok(Response::Document(Reading { value: Some(item(5)), heads, ..Reading::default() })))
    );
}

#[test]
fn what_was_not_durable_is_gone_after_a_crash_and_its_number_free() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(5));
    site.ask(write("store-1/inventory/2", document::Operation::Put(item(6)), None));
    site.end_turn();
    site.crash();
    assert_eq!((site.get("store-1/inventory/1"), site.get("store-1/inventory/2")), (Some(item(5)), None));
    let stamp = site.put("store-1/inventory/3", item(7)).unwrap();
    assert_eq!(stamp.sequence, 2);
    assert_eq!(site.status().documents, 2);
}

#[test]
fn a_write_with_a_key_counts_once() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(5));
    site.put("store-1/inventory/2", item(5));
    let Ok(Response::Written(first)) = site.answer(sale("store-1/inventory/1", "basket-1/1")) else {
        panic!()
    };
    assert_eq!(first.heads.len(), 1);
    let again = Ok(Response::Written(first));
    assert_eq!(site.answer(sale("store-1/inventory/1", "basket-1/1")), again);
    site.crash();
    assert_eq!(site.answer(sale("store-1/inventory/1", "basket-1/1")), again);
    assert_eq!(site.get("store-1/inventory/1"), Some(item(4)));
    assert_eq!(site.answer(sale("store-1/inventory/2", "basket-1/1")), Err(RequestError::KeyReused));
    let other = write(
        "store-1/inventory/1",
        document::Operation::increment("/on_hand", -2).unwrap(),
        Some("basket-1/1"),
    );
    assert_eq!(site.answer(other), Err(RequestError::KeyReused), "another write of the same document");
    site.answer(sale("store-1/inventory/1", "basket-1/2")).unwrap();
    assert_eq!(site.get("store-1/inventory/1"), Some(item(3)));
}

#[test]
fn the_oldest_idempotency_keys_make_room() {
    let mut site = Node::new(site_settings());
    assert_eq!(site.status().idempotency, IdempotencyStatus::default());
    let nothing =
        |n: u32| write("store-1/inventory/1", document::Operation::Put(json!({})), Some(&format!("k{n}")));
    for n in 0..65_538 {
        site.ask(nothing(n));
        site.end_turn();
    }
    site.settle();
    let kept = |node: &Node, n: u32| {
        let (keyspace, key) = keys::idempotency(format!("k{n}").as_bytes());
        node.disk.get(keyspace, &key).unwrap().is_some()
    };
    assert!(kept(&site, 0), "it is not a day old");
    site.wall_ms += 5_000;
    assert_eq!(
        site.status().idempotency,
        IdempotencyStatus { keys: 65_538, oldest_ms: Some(5_000), gone_early: 0 }
    );
    site.crash();
    site.wall_ms += 24 * 60 * 60 * 1_000;
    site.ask(nothing(65_538));
    site.settle();
    assert!(!kept(&site, 0) && !kept(&site, 1));
    site.ask(nothing(65_539));
    site.ask(nothing(65_540));
    site.settle();
    assert!(!kept(&site, 4) && kept(&site, 5), "the newest stay, whatever the clock says");
}

/// A key as the version kept it that counted them for nobody, and kept no heads: what was its fourth member at most.
#[derive(minicbor::Encode)]
struct EarlierRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    digest: [u8; 16],
    #[n(1)]
    sequence: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    origin: [u8; 16],
    #[n(3)]
    kept_ms: Option<i64>,
}

#[test]
fn a_key_that_an_earlier_version_kept_is_honoured() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(5));
    let Ok(Response::Written(first)) = site.answer(sale("store-1/inventory/1", "basket-1/1")) else {
        panic!()
    };
    let place = keys::idempotency(b"basket-1/1");
    let row = site.disk.get(place.0, &place.1).unwrap().unwrap();
    let record::IdempotencyRow { digest, sequence, origin, kept_ms, holder, heads } =
        record::decode(place.0, &row).unwrap();
    assert!(holder.is_some() && heads.is_some(), "this version says whose it is, and what came of it");
    let earlier = record::encode(&EarlierRow { digest, sequence, origin, kept_ms });
    assert_ne!(earlier, row);
    site.disk.0.borrow_mut().rows.insert(place, earlier);
    site.crash();
    let again = Ok(Response::Written(Written { stamp: first.stamp, heads: Vec::new() }));
    assert_eq!(site.answer(sale("store-1/inventory/1", "basket-1/1")), again);
    assert_eq!(site.get("store-1/inventory/1"), Some(item(4)), "it counts once");
    assert_eq!(site.answer(sale("store-1/inventory/2", "basket-1/1")), Err(RequestError::KeyReused));
    assert_eq!(site.status().idempotency.keys, 1);
}

/// Keys alone, without the writes that they are of.
struct Kept(journal::Journal<Disk>);

impl Kept {
    const MAX: u64 = 65_536;

    fn new() -> Self {
        Self(Node::new(site_settings()).journal())
    }

    fn keep(&mut self, name: &str, holder: u64, wall_ms: i64) {
        let key = IdempotencyKey::new(name).unwrap().held_by(holder);
        idempotency::keep(&mut self.0, &key, ([7; 16], &Written::default()), (wall_ms, Self::MAX)).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        idempotency::find(&self.0, &IdempotencyKey::new(name).unwrap()).unwrap().is_some()
    }

    /// How many are there of those of a name and a number.
    fn count(&self, name: &str, numbers: Range<u32>) -> u64 {
        numbers.map(|n| u64::from(self.has(&format!("{name}{n}")))).sum()
    }
}

/// Where there is no room for a day of keys that is counted, and told once in a while.
#[test]
fn keys_that_go_early_are_told() {
    let mut site = Node::new(Settings { idempotency_keys_max: 65_536, ..site_settings() });
    for n in 0..65_540 {
        site.ask(write("store-1/inventory/1", document::Operation::Put(json!({})), Some(&format!("k{n}"))));
        site.end_turn();
    }
    site.settle();
    let IdempotencyStatus { keys, gone_early, .. } = site.status().idempotency;
    assert_eq!((keys, gone_early), (65_536, 4));
    let told = site.events.iter().filter(|event| matches!(event, Event::KeysGone { .. })).count();
    assert_eq!(told, 1, "not with each");
}

/// Whoever makes very many keys pushes out its own.
#[test]
fn few_keys_stay_beside_very_many_of_another_holder() {
    let mut kept = Kept::new();
    (0..4_000).for_each(|n| kept.keep(&format!("till {n}"), 7, 0));
    (0..200_000).for_each(|n| kept.keep(&format!("k{n}"), 0, 0));
    assert_eq!(kept.count("till ", 0..4_000), 4_000, "they were passed over, twice");
    let others = kept.count("k", 0..200_000);
    assert!((Kept::MAX..Kept::MAX + 16).contains(&(4_000 + others)), "as many as there may be: {others}");
    // What is left of others are the newest.
    assert_eq!(kept.count("k", 200_000 - 61_000..200_000), 61_000);
    let day_ms = 24 * 60 * 60 * 1_000;
    (0..70_000).for_each(|n| kept.keep(&format!("l{n}"), 0, day_ms));
    assert_eq!(kept.count("till ", 0..4_000), 0, "after a day they go as any");
}

/// Who holds more than its share loses what is beyond it.
#[test]
fn a_share_has_an_end() {
    let mut kept = Kept::new();
    (0..5_000).for_each(|n| kept.keep(&format!("till {n}"), 7, 0));
    (0..70_000).for_each(|n| kept.keep(&format!("k{n}"), 0, 0));
    assert_eq!(kept.count("till ", 0..5_000), Kept::MAX / 16, "the newest of them");
    assert!(!kept.has("till 0") && kept.has("till 4999"));
}

/// Where all hold little the oldest go, and there is an end to how many stay.
#[test]
fn many_holders_of_few_keys_share_the_room() {
    let mut kept = Kept::new();
    (0..150_000_u32).for_each(|n| kept.keep(&format!("k{n}"), u64::from(n % 64), 0));
    let there = kept.count("k", 0..150_000);
    assert!((Kept::MAX..=Kept::MAX + Kept::MAX / 16).contains(&there), "{there}");
}

#[test]
fn spaces_keep_to_their_mode() {
    let mut site = Node::new(site_settings());
    let put = |at| write(at, document::Operation::Put(json!({})), None);
    assert_eq!(site.answer(put("catalog/product/1")), Err(RequestError::ReadOnly(space("catalog"))));
    assert_eq!(site.answer(put("store-9/product/1")), Err(RequestError::UnknownSpace(space("store-9"))));
    let get = Request::Get { address: address("store-9/product/1"), at: None };
    assert_eq!(site.answer(get), Err(RequestError::UnknownSpace(space("store-9"))));
}

#[test]
fn a_refused_write_leaves_no_trace() {
    let mut site = Node::new(site_settings());
    let refused = site.answer(write("store-1/inventory/1", document::Operation::Put(json!(1)), None));
    assert!(matches!(refused, Err(RequestError::Write(_))), "{refused:?}");
    let nothing = Request::Write {
        address: address("store-1/inventory/1"),
        operations: vec![],
        condition: None,
        terms: WriteTerms::default(),
    };
    assert_eq!(site.answer(nothing), Ok(Response::Written(Written::default())));
    assert_eq!((site.status().documents, site.status().head), (0, 0));
}

#[test]
fn a_listing_goes_on_where_it_stopped() {
    let mut site = Node::new(site_settings());
    for n in 0..5 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    site.put("store-1/inventory-log/0", json!({}));
    let (mut after, mut keys, mut pages) = (None, Vec::new(), 0);
    loop {
        let (space, collection) = (space("store-1"), document::Collection::new("inventory").unwrap());
        let list = Request::List { space, collection, after: after.take(), limit: 2 };
        let Ok(Response::Listed(listed)) = site.answer(list) else { panic!() };
        pages += 1;
        keys.extend(listed.documents.iter().map(|(key, value)| (key.to_string(), value.clone())));
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<(String, Value)> = (0..5).map(|n| (n.to_string(), item(n))).collect();
    assert_eq!((keys, pages), (expected, 3));
}

#[test]
fn open_documents_stay_within_their_bytes() {
    let mut site = Node::new(Settings { open_documents_bytes_max: 10_000, ..site_settings() });
    for n in 0..20 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    assert!((4..=16).contains(&site.status().documents_open), "{}", site.status().documents_open);
    for n in 0..20 {
        site.sell(&format!("store-1/inventory/{n}"), 1);
        assert_eq!(site.get(&format!("store-1/inventory/{n}")), Some(item(n - 1)));
    }
}
