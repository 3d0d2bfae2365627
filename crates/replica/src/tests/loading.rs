//! Documents that are read beside the core.

use super::*;

const LONG: &str = "store-1/inventory/long";
const OTHER: &str = "store-1/inventory/other";
const SHORT: &str = "store-1/inventory/short";
const LONG_MIN: u64 = 4;

/// A site that was just opened, on two documents with some history and one with little.
fn site(settings: impl FnOnce(&mut Settings)) -> Node {
    let mut site = Node::new(site_settings());
    site.settings.loads_aside =
        Some(LoadPolicy { changes_min: LONG_MIN, bytes_min: 1 << 20, ..LoadPolicy::default() });
    settings(&mut site.settings);
    site.crash();
    for (at, sales) in [(LONG, LONG_MIN), (OTHER, LONG_MIN), (SHORT, 1)] {
        site.put(at, json!({"on_hand": 100}));
        (1..sales).for_each(|_| assert!(site.sell(at, 1).is_some()));
    }
    // Those of which a snapshot is due.
    std::mem::take(&mut site.loads).iter().for_each(|order| load(&mut site, order));
    site.crash();
    site
}

fn sale(at: &str) -> Request {
    Request::write(address(at), vec![document::Operation::increment("/on_hand", -1).unwrap()])
}

fn transfer(from: &str, to: &str) -> Request {
    let write = |at: &str, by| TransactionWrite {
        collection: address(at).collection,
        key: address(at).key,
        operations: vec![document::Operation::increment("/on_hand", by).unwrap()],
        condition: None,
    };
    Request::Transaction {
        space: space("store-1"),
        writes: vec![write(from, -1), write(to, 1)],
        terms: WriteTerms::default(),
    }
}

/// Asks, and lets all become durable that can.
fn ask(site: &mut Node, request: Request) -> RequestId {
    let id = site.ask(request);
    site.settle();
    id
}

fn load(site: &mut Node, order: &LoadOrder) {
    let loaded = loaded(site, order);
    site.input(loaded);
    site.settle();
}

fn sequence(site: &Node, id: RequestId) -> Option<u64> {
    match site.replies.get(&id)? {
        Ok(Response::Written(Written { stamp, .. })) => stamp.map(|stamp| stamp.sequence),
        other => panic!("{other:?}"),
    }
}

fn loaded(site: &Node, order: &LoadOrder) -> Input {
    Input::Loaded(Box::new(order.read(&site.disk.snapshot()).load()))
}

#[test]
fn a_write_of_a_long_document_waits_and_others_do_not() {
    for changes_min in [2, 1_000] {
        let mut site = site(|settings| settings.snapshots.changes_min = changes_min);
        assert_eq!(site.place(LONG).row.snapshot > 0, changes_min == 2);
        let first = ask(&mut site, sale(LONG));
        let second = ask(&mut site, sale(LONG));
        let short = ask(&mut site, sale(SHORT));
        assert_eq!((sequence(&site, first), sequence(&site, second)), (None, None));
        assert!(sequence(&site, short).is_some());
        let [order] = &std::mem::take(&mut site.loads)[..] else { panic!("it is read once") };
        let read = site.disk.0.borrow().changes_read;
        let loaded = loaded(&site, order);
        site.input(loaded);
        assert_eq!(site.disk.0.borrow().changes_read, read, "the core reads nothing of it itself");
        site.settle();
        assert!(sequence(&site, first) < sequence(&site, second), "in their order");
        assert_eq!(site.get(LONG), Some(json!({"on_hand": 100 - 3 - 2})));
        for _ in 0..2 {
            let next = ask(&mut site, sale(LONG));
            assert!(sequence(&site, next).is_some(), "it is open now");
        }
        assert_eq!(site.loads.is_empty(), changes_min > 2, "but where a snapshot is due");
    }
}

#[test]
fn a_transaction_waits_for_its_documents_and_is_not_overtaken() {
    let mut site = site(|_| {});
    let moved = ask(&mut site, transfer(LONG, OTHER));
    let back = ask(&mut site, transfer(OTHER, SHORT));
    let sold = ask(&mut site, sale(SHORT));
    let orders = std::mem::take(&mut site.loads);
    assert_eq!(orders.len(), 2);
    load(&mut site, &orders[1]);
    let told = [moved, back, sold].map(|id| sequence(&site, id));
    assert_eq!(told, [None; 3], "the sale of a short document comes after the transaction before it");
    load(&mut site, &orders[0]);
    assert!(sequence(&site, moved) < sequence(&site, back));
    assert!(sequence(&site, back) < sequence(&site, sold));
    assert_eq!(site.get(LONG), Some(json!({"on_hand": 100 - 3 - 1})));
    assert_eq!(site.get(OTHER), Some(json!({"on_hand": 100 - 3 + 1 - 1})));
    assert_eq!(site.get(SHORT), Some(json!({"on_hand": 100 + 1 - 1})));
}

#[test]
fn what_was_not_read_the_core_reads() {
    let mut site = site(|_| {});
    let sold = ask(&mut site, sale(LONG));
    let failed = Box::new(site.loads[0].failed());
    site.input(Input::Loaded(failed));
    site.settle();
    assert!(sequence(&site, sold).is_some());
    let query = document::HistoryQuery { before: None, limit: 10 };
    for request in [
        Request::History { address: address(OTHER), query },
        Request::Conflicts { address: address(OTHER) },
        Request::Get { address: address(OTHER), at: Some(At::Wall(0)) },
    ] {
        let id = ask(&mut site, request);
        assert_eq!(site.replica.let_go_of_held(), [id]);
        assert!(!site.replies.contains_key(&id), "it was neither done nor answered");
    }
    assert_eq!(site.loads.len(), 2, "the other document was asked for once");
}

#[test]
fn of_too_many_that_wait_the_oldest_are_carried_out() {
    let mut site = site(|_| {});
    let asked: Vec<_> = (0..200).map(|_| site.ask(sale(LONG))).collect();
    site.settle();
    let done = asked.iter().filter(|id| sequence(&site, **id).is_some()).count();
    assert_eq!((done, site.loads.len()), (200 - 128, 1));
    let order = site.loads.remove(0);
    load(&mut site, &order);
    assert!(asked.iter().map(|id| sequence(&site, *id).unwrap()).is_sorted(), "in their order");
    // Likewise of much that is asked.
    let long = || document::Operation::Put(json!({"text": "x".repeat(1_500 << 10)}));
    let asked: Vec<_> = (0..3).map(|_| site.ask(Request::write(address(OTHER), vec![long()]))).collect();
    site.settle();
    let answered = asked.iter().map(|id| site.replies.contains_key(id)).collect::<Vec<_>>();
    assert_eq!(answered, [true, false, false]);
}

#[test]
fn what_is_refused_anyway_is_so_at_once() {
    let mut site = site(|_| {});
    let held = ask(&mut site, sale(LONG));
    site.input(Input::Room(Room::ReadOnly));
    let late = ask(&mut site, sale(LONG));
    let told = [held, late].map(|id| site.replies.get(&id));
    assert_eq!(told, [Some(&Err(RequestError::DiskFull)); 2]);
    site.input(Input::Room(Room::Ample));
    let mut many = transfer(OTHER, SHORT);
    if let Request::Transaction { writes, .. } = &mut many {
        *writes = std::iter::repeat_n(writes.clone(), 200).flatten().collect();
    }
    let refused = ask(&mut site, many);
    assert!(matches!(site.replies[&refused], Err(RequestError::Transaction(_))));
    assert_eq!(site.loads.len(), 1, "nothing more is read for it");
}

/// What was read before something was written gets that from the rows, as any open document.
#[test]
fn what_was_written_meanwhile_is_in_it() {
    let mut site = site(|settings| settings.open_documents_bytes_max = 1);
    let waits = ask(&mut site, sale(LONG));
    let order = site.loads.remove(0);
    let early = loaded(&site, &order);
    site.input(Input::Loaded(Box::new(order.failed())));
    site.settle();
    assert!(sequence(&site, waits).is_some(), "the core read it");
    assert!(site.sell(SHORT, 1).is_some(), "which takes its place in memory");
    site.input(early);
    let sold = ask(&mut site, sale(LONG));
    assert!(sequence(&site, sold).is_some() && site.loads.is_empty(), "it is open");
    assert_eq!(site.get(LONG), Some(json!({"on_hand": 100 - 3 - 2})));
    assert_eq!(site.replica.verify_values(&space("store-1")).unwrap(), []);
}

/// A hub with so many long documents, and closed, of each of which a change came.
fn hub_behind(documents: usize, bytes_max: u64) -> (Node, Node, Wire, Vec<String>) {
    let (mut hub, mut site, mut wire) = pair();
    let names: Vec<String> = (0..documents).map(|n| format!("store-1/inventory/{n}")).collect();
    for at in &names {
        site.put(at, json!({"on_hand": 100}));
        (0..8).for_each(|_| assert!(site.sell(at, 1).is_some()));
    }
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    hub.settings.loads_aside =
        Some(LoadPolicy { changes_min: LONG_MIN, bytes_min: 1 << 20, ..LoadPolicy::default() });
    hub.settings.open_documents_bytes_max = bytes_max;
    hub.crash();
    names.iter().for_each(|at| assert!(site.sell(at, 1).is_some()));
    wire.connect(&mut hub, &mut site);
    (hub, site, wire, names)
}

#[test]
fn values_of_long_documents_are_brought_up_to_date_with_what_was_read() {
    for bytes_max in [1 << 24, 1] {
        let (mut hub, _site, _wire, names) = hub_behind(20, bytes_max);
        let mut orders = 0;
        while !hub.loads.is_empty() {
            assert!(hub.loads.len() <= 8, "they take memory when they were read");
            // In any order.
            let order = hub.loads.pop().unwrap();
            load(&mut hub, &order);
            orders += 1;
        }
        assert_eq!(orders, names.len(), "each once, whatever stays open: {bytes_max}");
        // The change that came is read of each, and not its history.
        assert_eq!(hub.disk.0.borrow().changes_read, names.len());
        for at in &names {
            let place = hub.place(at);
            assert_eq!(place.row.value, place.row.last, "{at}");
            assert_eq!(hub.get(at), Some(json!({"on_hand": 91})));
        }
    }
}

#[test]
fn a_short_document_does_not_wait_behind_long_ones() {
    let (mut hub, mut site, mut wire, _) = hub_behind(3, 1 << 24);
    assert_eq!(hub.loads.len(), 3);
    site.put("store-1/note/new", json!({"text": "a"}));
    wire.carry(&mut hub, &mut site);
    let row = hub.place("store-1/note/new").row;
    assert_eq!(row.value, row.last);
}
