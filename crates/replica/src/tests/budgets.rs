//! What one request or one turn may cost.

use super::hostile::{bodies, delta, site_and_foe};
use super::*;
use crate::replica::CHANGES_PER_REQUEST_MAX;
use document::{Collection, Key};
use wire::{DocumentName, Frame};

/// A site that has so many changes of the documents `store-1/product/0`, `1`… and has applied none.
fn site_with_backlogs(counts: &[usize], settings: impl FnOnce(&mut Settings)) -> Node {
    const FRAME: usize = 1_000;
    let mut site = site_and_foe();
    let all = bodies(origin(1), counts.iter().copied().max().unwrap_or_default());
    let (mut sequence, mut position) = (1, 0);
    for (number, count) in counts.iter().enumerate() {
        for bodies in all[..*count].chunks(FRAME) {
            let mut rows = delta(position, 1, sequence, bodies);
            let name = DocumentName { space: 0, collection: "product".into(), key: number.to_string() };
            rows.documents = vec![name];
            rows.spaces = vec!["store-1".into()];
            (sequence, position) = (sequence + bodies.len() as u64, rows.to);
            let packed = site.foe.pack(&rows, &mut wire::Deflaters::default(), |_, _| false).unwrap();
            let bytes = wire::encode(&Frame::Delta(packed)).unwrap();
            site.input(Input::Frame { link: LinkId(1), bytes });
        }
    }
    // So much waits for the disk that the materialiser waits.
    site.replica.end_turn().unwrap();
    while site.disk.sync_one().is_some() {}
    settings(&mut site.settings);
    site.crash();
    site
}

/// A turn that answers one request.
fn answer(site: &mut Node, request: Request) -> Result<Response, RequestError> {
    let id = site.ask(request);
    site.replica.end_turn().unwrap();
    while let Some(turn) = site.disk.sync_one() {
        site.input(Input::Durable(turn));
    }
    while let Some(effect) = site.replica.poll_effect() {
        if let Effect::Reply { id: answered, result } = effect {
            assert_eq!(answered, id);
            return result;
        }
    }
    panic!("no answer")
}

fn list(site: &mut Node, after: Option<&str>) -> Listed {
    let collection = Collection::new("product").unwrap();
    let after = after.map(|key| Key::new(key).unwrap());
    let request = Request::List { space: space("store-1"), collection, after, limit: 10 };
    let Ok(Response::Listed(listed)) = answer(site, request) else { panic!("no list") };
    listed
}

#[test]
fn a_listing_has_one_budget_of_changes_for_all_of_its_documents() {
    let counts = [CHANGES_PER_REQUEST_MAX - 10, 20, 20];
    let mut site = site_with_backlogs(&counts, |_| {});
    let listed = list(&mut site, None);
    assert_eq!(listed.documents.len(), 2, "the page ends where the budget does");
    assert_eq!((listed.next, listed.is_behind), (Some(Key::new("1").unwrap()), true));
    let listed = list(&mut site, Some("1"));
    assert_eq!((listed.documents.len(), listed.next, listed.is_behind), (1, None, false));
}

#[test]
fn a_transaction_has_one_budget_of_changes_for_all_of_its_documents() {
    let mut site = site_with_backlogs(&[CHANGES_PER_REQUEST_MAX - 10, 20], |_| {});
    let write = |key: &str| TransactionWrite {
        collection: Collection::new("product").unwrap(),
        key: Key::new(key).unwrap(),
        operations: vec![document::Operation::Put(json!({"n": -1}))],
        condition: None,
    };
    let writes = vec![write("0"), write("1")];
    let request = Request::Transaction { space: space("store-1"), writes, terms: WriteTerms::default() };
    let behind = RequestError::Behind(address("store-1/product/1"));
    assert_eq!(answer(&mut site, request.clone()), Err(behind));
    assert!(answer(&mut site, request).is_ok(), "what was applied is not lost");
}

/// Two documents that push each other out of memory: each step opens one again.
#[test]
fn a_long_backlog_costs_a_few_times_its_changes() {
    const CHANGES: usize = 8_000;
    let small = |settings: &mut Settings| settings.open_documents_bytes_max = 0;
    let mut site = site_with_backlogs(&[CHANGES, CHANGES], small);
    site.disk.0.borrow_mut().changes_read = 0;
    site.settle();
    let read = site.disk.0.borrow().changes_read;
    for number in 0..2 {
        let at = format!("store-1/product/{number}");
        assert_eq!(site.get(&at), Some(json!({"n": CHANGES - 1})));
    }
    assert!(read < 8 * 2 * CHANGES, "{read} rows read for {} changes", 2 * CHANGES);
}

#[test]
fn an_index_over_long_documents_is_built_in_steps_of_bytes() {
    const DOCUMENTS: usize = 12;
    let mut site = Node::new(Settings {
        schemas: {
            let mut schemas = schemas();
            let product = include_str!("../../../../schemas/collections/product.json");
            schemas.insert(Collection::new("product").unwrap(), Schema::parse(product).unwrap());
            schemas
        },
        ..site_settings()
    });
    for n in 0..DOCUMENTS {
        let value = json!({"name": "x".repeat(100_000), "brand": format!("brand {n}")});
        site.put(&format!("store-1/product/{n}"), value);
    }
    let index = keys::indexes_of(keys::SpaceNumber(1), &Collection::new("product").unwrap());
    let built = |site: &Node| site.disk.scan(index.0, index.1.clone()).count();
    let rows = built(&site);
    assert!(rows >= DOCUMENTS, "{rows}");
    site.disk.0.borrow_mut().rows.retain(|(keyspace, key), _| *keyspace != index.0 || !index.1.contains(key));
    site.crash();
    let collection = Collection::new("product").unwrap();
    site.ask(Request::Query { space: space("store-1"), collection, query: Box::default() });
    let mut steps = vec![built(&site)];
    while site.replica.end_turn().unwrap() {
        while let Some(turn) = site.disk.sync_one() {
            site.input(Input::Durable(turn));
        }
        steps.push(built(&site));
    }
    let most = steps.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(most * 4 <= rows && built(&site) == rows, "{most} of {rows} rows in one turn: {steps:?}");
}
