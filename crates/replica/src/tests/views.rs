//! Reads of the durable rows beside the core: every answer of every test is held against them.

use super::blocked::site_with_a_blocked_document;
use super::requests::with_stock;
use super::*;
use document::{Collection, Operation, Pointer};

/// Where the rows alone answer, they answer as the core did.
pub(super) fn check(node: &Node, request: &Request, answer: &Result<Response, RequestError>) {
    let (view, rows) = (node.replica.view(), &node.disk);
    match (request, answer) {
        (Request::Get { address, at: None }, Ok(Response::Document(reading))) => {
            let Some(viewed) = view.reading(rows, address) else { return };
            assert_eq!(&viewed, reading, "{address}");
        }
        (Request::Query { space, collection, query }, answer) => {
            let Some(viewed) = view.query(rows, (space, collection), query) else { return };
            match (&viewed, answer) {
                // The index was made since.
                (Ok(viewed), Ok(Response::Queried(queried))) if viewed.page.plan != queried.page.plan => {
                    assert_eq!(viewed.page.documents, queried.page.documents, "{space}/{collection}");
                }
                _ => assert_eq!(&viewed.map(Response::Queried), answer, "{space}/{collection}"),
            }
        }
        (_, _) => {}
    }
}

fn viewed(node: &Node, at: &str) -> Option<Value> {
    let document = node.replica.view().document(&node.disk, &address(at));
    document.map(|document| serde_json::from_slice(&document.json).unwrap())
}

/// How many documents of a collection the rows alone show; `None` when the core must be asked.
fn found(node: &Node, collection: &str, query: &Query) -> Option<usize> {
    let place = (&space("store-1"), &Collection::new(collection).unwrap());
    let page = node.replica.view().query(&node.disk, place, query)?;
    Some(page.unwrap().page.documents.len())
}

#[test]
fn what_is_durable_is_read_beside_the_core() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(5));
    site.put("store-1/plain/1", json!({"a": [1, {"b": null}]}));
    assert_eq!(viewed(&site, "store-1/inventory/1"), site.get("store-1/inventory/1"));
    assert_eq!(viewed(&site, "store-1/plain/1"), Some(json!({"a": [1, {"b": null}]})));
    site.ask(Request::write(address("store-1/plain/1"), vec![Operation::Put(json!({"a": 2}))]));
    site.end_turn();
    assert_eq!(viewed(&site, "store-1/plain/1"), Some(json!({"a": [1, {"b": null}]})), "not durable yet");
    assert_eq!(found(&site, "plain", &Query::default()), Some(1));
    site.settle();
    assert_eq!(viewed(&site, "store-1/plain/1"), Some(json!({"a": 2})));
}

#[test]
fn what_the_rows_do_not_say_is_the_core_s() {
    let mut site = site_with_a_blocked_document();
    site.put("store-1/plain/deleted", json!({}));
    site.write("store-1/plain/deleted", Operation::Delete);
    let absent = ["store-1/plain/never", "elsewhere/plain/1", "system/schema/thing@1"];
    for at in absent.into_iter().chain(["store-1/plain/deleted", blocked::AT]) {
        assert_eq!(viewed(&site, at), None, "{at}");
    }
    assert_eq!(found(&site, "product", &Query::default()), None, "one of its documents is blocked");
    assert_eq!(found(&site, "plain", &Query::default()), Some(0));
}

#[test]
fn what_came_closed_is_the_core_s_until_its_value_is_there() {
    let (mut hub, mut site, _) = pair();
    const KEYS: [&str; 3] = ["store-1/inventory/1", "store-1/inventory/2", "store-1/inventory/3"];
    for at in KEYS {
        site.put(at, item(5));
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    let shown = |hub: &Node| KEYS.iter().filter(|at| viewed(hub, at).is_some()).count();
    // Durable is what one turn made: the changes, and a value at most.
    assert!(hub.replica.end_turn().unwrap());
    while hub.disk.sync_one().is_some() {}
    assert!(shown(&hub) < KEYS.len());
    assert_eq!(found(&hub, "inventory", &Query::default()), None);
    hub.settle();
    assert_eq!(shown(&hub), KEYS.len());
}

#[test]
fn a_broken_document_is_the_core_s() {
    let (mut hub, mut site) = (Node::new(with_stock(hub_settings())), Node::new(with_stock(site_settings())));
    let mut wire = Wire::default();
    site.put("store-1/stock/1", json!({"on_hand": 1}));
    wire.connect(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    for node in [&mut hub, &mut site] {
        node.sell("store-1/stock/1", 1);
    }
    assert_eq!(viewed(&site, "store-1/stock/1"), Some(json!({"on_hand": 0})));
    wire.connect(&mut hub, &mut site);
    assert_eq!(viewed(&site, "store-1/stock/1"), None);
    assert_eq!(site.read("store-1/stock/1").violations.len(), 1);
    assert_eq!(found(&site, "stock", &Query::default()), Some(1), "a page says what is broken");
}

#[test]
fn an_index_is_read_once_the_core_made_it() {
    let text =
        r#"{"x-version": 1, "type": "object", "properties": {"shelf": {"type": "string", "x-index": true}}}"#;
    let mut settings = site_settings();
    settings.schemas.insert(Collection::new("shelved").unwrap(), Schema::parse(text).unwrap());
    let mut site = Node::new(settings);
    site.put("store-1/shelved/1", json!({"shelf": "A"}));
    let order = Order::Field(Pointer::parse("/shelf").unwrap());
    let by_shelf = Query { order, ..Query::default() };
    assert_eq!(found(&site, "shelved", &by_shelf), None, "the core makes it when it is asked");
    let place = (space("store-1"), Collection::new("shelved").unwrap());
    let query = Box::new(by_shelf.clone());
    drop(site.answer(Request::Query { space: place.0, collection: place.1, query }));
    assert_eq!(found(&site, "shelved", &by_shelf), Some(1));
}

#[test]
fn a_value_is_shown_by_the_schema_in_force() {
    let schema = |text: &str| Schema::parse(text).unwrap();
    let first = schema(
        r#"{"x-version": 1, "type": "object", "properties": {"n": {"type": "integer", "default": 3}}}"#,
    );
    let second = schema(
        r#"{"x-version": 2, "type": "object", "properties": {"n": {"type": "integer", "default": 4}}}"#,
    );
    let settings = |schema: Option<&Schema>| {
        let mut settings = site_settings();
        let thing = Collection::new("thing").unwrap();
        schema.into_iter().for_each(|schema| settings.schemas.insert(thing.clone(), schema.clone()));
        settings
    };
    let mut site = Node::new(settings(None));
    site.put("store-1/thing/lacks", json!({"m": 1}));
    site.put("store-1/thing/whole", json!({"n": 1}));
    site.put("store-1/thing/broken", json!({"n": "text"}));
    for (schema, default) in [(&first, 3), (&second, 4)] {
        site = Node::on(site.disk.after_crash(), settings(Some(schema)));
        assert_eq!(viewed(&site, "store-1/thing/lacks"), Some(json!({"m": 1, "n": default})));
        assert_eq!(viewed(&site, "store-1/thing/whole"), Some(json!({"n": 1})));
        assert_eq!(viewed(&site, "store-1/thing/broken"), None, "a rule that it breaks is told");
        assert_eq!(site.read("store-1/thing/broken").violations.len(), 1);
        site.put("store-1/thing/new", json!({"n": default}));
        assert_eq!(viewed(&site, "store-1/thing/new"), Some(json!({"n": default})));
    }
}
