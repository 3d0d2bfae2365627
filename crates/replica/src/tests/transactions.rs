//! Several documents written together.

use super::hostile::{bodies, delta, send_delta, site_and_foe};
use super::*;
use std::num::NonZeroU16;
use wire::{Delta, DocumentName};

fn write(key: &str, operation: document::Operation) -> TransactionWrite {
    let (collection, key) = ("inventory".parse().unwrap(), document::Key::new(key).unwrap());
    TransactionWrite { collection, key, operations: vec![operation], condition: None }
}

fn count(key: &str, by: i64) -> TransactionWrite {
    write(key, document::Operation::increment("/on_hand", by).unwrap())
}

fn put(key: &str, value: Value) -> TransactionWrite {
    write(key, document::Operation::Put(value))
}

fn transaction(writes: Vec<TransactionWrite>, key: Option<&str>) -> Request {
    let idempotency_key = key.map(|key| IdempotencyKey::new(key).unwrap());
    Request::Transaction {
        space: space("store-1"),
        writes,
        terms: WriteTerms { idempotency_key, ..WriteTerms::default() },
    }
}

#[test]
fn a_transaction_is_written_whole_and_once() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(9));
    let request = || transaction(vec![count("1", -4), count("2", 4), put("3", item(0))], Some("move"));
    let written = site.answer(request());
    let stamp = Stamp { origin: origin(2), sequence: 4 };
    assert_eq!(written, Ok(Response::Written(Some(stamp).into())));
    assert_eq!(site.answer(request()), written, "it counts once");
    let other = transaction(vec![count("1", -4), count("2", 5), put("3", item(0))], Some("move"));
    assert_eq!(site.answer(other), Err(RequestError::KeyReused));
    assert_eq!(site.get("store-1/inventory/1"), Some(item(5)));
    assert_eq!(site.get("store-1/inventory/2"), Some(json!({"on_hand": 4})));
    let follow: Vec<u16> = (1..=4).map(|lsn| site.journal().row(lsn).unwrap().follow).collect();
    assert_eq!(follow, [0, 2, 1, 0]);
}

#[test]
fn a_transaction_of_which_one_write_is_refused_writes_nothing() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(9));
    let refused = site.answer(transaction(vec![count("1", -4), count("2", 4), put("3", json!(1))], None));
    let Err(RequestError::InTransaction { address: of, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(of, address("store-1/inventory/3"));
    assert_eq!((site.get("store-1/inventory/1"), site.get("store-1/inventory/2")), (Some(item(9)), None));
    assert_eq!((site.status().head, site.status().documents), (1, 1));
    site.sell("store-1/inventory/1", 1);
    assert_eq!(site.get("store-1/inventory/1"), Some(item(8)), "nothing of it is left in memory");
}

/// The room for open documents bounds those of a transaction, too: here it is for one of 40.
#[test]
fn a_transaction_of_more_documents_than_may_be_open_is_whole_or_nothing() {
    let mut site = Node::new(Settings { open_documents_bytes_max: 1, ..site_settings() });
    let keys: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    for key in &keys {
        site.put(&format!("store-1/inventory/{key}"), item(9));
    }
    let sales = || keys.iter().map(|key| count(key, -1));
    let on_hand = |site: &mut Node| -> Vec<Option<Value>> {
        keys.iter().map(|key| site.get(&format!("store-1/inventory/{key}"))).collect()
    };
    let refused = site.answer(transaction(sales().chain([put("bad", json!(1))]).collect(), None));
    assert!(matches!(refused, Err(RequestError::InTransaction { .. })), "{refused:?}");
    assert_eq!(on_hand(&mut site), vec![Some(item(9)); 40]);
    for (sold, left) in [(true, 8), (true, 7), (false, 7)] {
        if sold {
            let moved = sales().chain([count("new", 40)]);
            assert!(matches!(
                site.answer(transaction(moved.collect(), None)),
                Ok(Response::Written(Written { stamp: Some(_), .. }))
            ));
        } else {
            site.crash();
        }
        assert_eq!(on_hand(&mut site), vec![Some(item(left)); 40]);
        assert!(site.status().documents_open <= 1);
    }
    site.sell("store-1/inventory/39", 1);
    assert_eq!(site.get("store-1/inventory/39"), Some(item(6)), "the last one was open still");
    assert_eq!(site.replica.verify_values(&space("store-1")), Ok(Vec::new()));
}

#[test]
fn transactions_have_limits() {
    let mut site = Node::new(site_settings());
    let refused = |error: TransactionError| Err(RequestError::Transaction(error));
    let twice = transaction(vec![count("1", 1), count("2", 1), count("1", 1)], None);
    let address = address("store-1/inventory/1");
    assert_eq!(site.answer(twice), refused(TransactionError::Repeated(address)));
    let many = |n: usize| transaction((0..n).map(|n| count(&n.to_string(), 1)).collect(), None);
    assert_eq!(site.answer(many(257)), refused(TransactionError::TooManyWrites(257)));
    let long = |n: u32| put(&n.to_string(), json!({"shelf": "x".repeat(60_000)}));
    let answer = site.answer(transaction((0..9).map(long).collect(), None));
    assert!(
        matches!(answer, Err(RequestError::Transaction(TransactionError::TooLong(540_000..)))),
        "{answer:?}"
    );
    assert_eq!(site.status().head, 0);
    assert!(site.answer(many(256)).is_ok());
    assert_eq!(site.answer(transaction(vec![], None)), Ok(Response::Written(Written::default())));
    let elsewhere =
        Request::Transaction { space: space("catalog"), writes: vec![], terms: WriteTerms::default() };
    assert_eq!(site.answer(elsewhere), Err(RequestError::ReadOnly(space("catalog"))));
}

#[test]
fn no_frame_splits_a_transaction() {
    // W-17.
    let (mut hub, mut site, mut wire) = pair();
    wire.cut(&mut hub, &mut site);
    for n in 0..8 {
        let shelf = |key: u32| put(&format!("{n}-{key}"), json!({"shelf": format!("{key}").repeat(2_000)}));
        site.answer(transaction((0..40).map(shelf).collect(), None)).unwrap();
        site.put(&format!("store-1/inventory/alone-{n}"), item(n));
    }
    for node in [&mut hub, &mut site] {
        node.frames.clear();
    }
    wire.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
    let follow = |node: &Node| -> Vec<u16> {
        let journal = node.journal();
        (1..=journal.head()).map(|lsn| journal.row(lsn).unwrap().follow).collect()
    };
    assert_eq!(follow(&hub), follow(&site), "the receiver keeps the marks, for those that it relays to");
    assert_eq!(hub.status().head, 8 * 41);
}

#[test]
fn a_crash_leaves_a_transaction_whole_or_nothing_of_it() {
    let (mut hub, mut site, mut wire) = pair();
    site.answer(transaction(vec![put("1", item(1)), put("2", item(2))], None)).unwrap();
    let frames = std::mem::take(&mut site.frames);
    for (link, bytes) in frames {
        hub.input(Input::Frame { link, bytes });
    }
    hub.end_turn();
    assert!(!hub.disk.0.borrow().waiting.is_empty());
    hub.disk.sync_one();
    hub.crash();
    assert_eq!(hub.status().head, 2);
    wire.cut(&mut hub, &mut site);
    wire.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
}

/// Rows of one transaction of `origin(1)` over so many documents.
fn rows(count: u16) -> Delta {
    let body = bodies(origin(1), 1).remove(0);
    let mut rows = delta(0, 1, 1, &[]);
    rows.to = u64::from(count);
    rows.documents.clear();
    for n in 0..count {
        rows.documents.push(DocumentName { space: 0, collection: "product".into(), key: n.to_string() });
        rows.rows.push(wire::Row {
            document: u32::from(n),
            origin: 0,
            sequence: u64::from(n) + 1,
            body: body.clone(),
            follow: NonZeroU16::new(count - n - 1),
        });
    }
    rows
}

#[test]
fn a_transaction_is_taken_whole_or_not_at_all() {
    let mut site = site_and_foe();
    send_delta(&mut site, &rows(3));
    assert_eq!((site.status().head, site.get("catalog/product/2")), (3, Some(json!({"n": 0}))));

    let mut site = site_and_foe();
    let mut refused = rows(3);
    refused.rows[2].body[1] = 15;
    send_delta(&mut site, &refused);
    assert!(matches!(site.events.last(), Some(Event::StreamStopped { sequence: 3, .. })));
    assert_eq!((site.status().head, site.get("catalog/product/0")), (0, None));
}

#[test]
fn transactions_that_are_not_whole_end_the_session() {
    type Change = fn(&mut Delta);
    let changes: [Change; 6] = [
        |rows| drop(rows.rows.pop()),
        |rows| rows.rows[1].sequence = 3,
        |rows| rows.rows[1].follow = None,
        |rows| rows.rows[1].document = 0,
        |rows| {
            rows.spaces.push("store-1".into());
            rows.documents[1].space = 1;
        },
        |rows| rows.rows[0].follow = NonZeroU16::new(u16::MAX),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut site = site_and_foe();
        let mut rows = rows(3);
        change(&mut rows);
        send_delta(&mut site, &rows);
        let expected = [DisconnectReason::Misbehaved(Misbehaviour::Transaction)];
        assert_eq!(site.disconnects, expected, "{number}");
        assert_eq!(site.status().head, 0, "{number}");
    }
}
