//! Documents of which no more than the tip is open, and when the whole of them is needed.

use super::*;

const ITEM: &str = "store-1/inventory/1029743";
const NOTE: &str = "store-1/note/till";

/// Whether a document is open whole; it is open.
fn is_whole(node: &Node, at: &str) -> bool {
    node.replica.is_open_whole(node.place(at).number()).unwrap()
}

fn history(node: &mut Node, at: &str) -> usize {
    let query = document::HistoryQuery { before: None, limit: 100 };
    match node.answer(Request::History { address: address(at), query }) {
        Ok(Response::History { entries, .. }) => entries.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn history_takes_the_whole_document_and_writes_its_tip() {
    let mut site = Node::new(site_settings());
    site.put(ITEM, json!({"on_hand": 100}));
    site.sell(ITEM, 1);
    assert!(!is_whole(&site, ITEM));
    assert_eq!(history(&mut site, ITEM), 2);
    assert!(is_whole(&site, ITEM), "it may be asked for again");
    for sale in 2..40 {
        site.sell(ITEM, 1);
        assert_eq!(is_whole(&site, ITEM), sale < 33, "{sale}");
    }
    assert_eq!(history(&mut site, ITEM), 40);
    assert_eq!(site.get(ITEM), Some(json!({"on_hand": 100 - 39})));
    assert_eq!(site.replica.verify_values(&space("store-1")).unwrap(), []);
}

#[test]
fn a_list_takes_the_whole_document() {
    let mut site = Node::new(site_settings());
    let schema = Schema::parse(include_str!("../../../../schemas/collections/note.json")).unwrap();
    site.settings.schemas.insert(address(NOTE).collection, schema);
    site.crash();
    site.put(NOTE, json!({"title": "till-3"}));
    assert!(!is_whole(&site, NOTE));
    let field = document::Pointer::parse("/body").unwrap();
    let insert = document::Insertion::Text("milk".into());
    site.write(NOTE, document::Operation::Splice { field, index: 0, delete: 0, insert });
    assert!(is_whole(&site, NOTE));
    assert_eq!(site.get(NOTE), Some(json!({"title": "till-3", "body": "milk"})));
    assert_eq!(site.replica.verify_values(&space("store-1")).unwrap(), []);
}

#[test]
fn changes_on_one_another_go_onto_the_tip_and_concurrent_ones_do_not() {
    let (mut hub, mut site, mut wire) = pair();
    site.put(ITEM, json!({"on_hand": 100}));
    wire.carry(&mut hub, &mut site);
    hub.sell(ITEM, 1);
    wire.carry(&mut hub, &mut site);
    site.sell(ITEM, 1);
    wire.carry(&mut hub, &mut site);
    assert_eq!((is_whole(&hub, ITEM), is_whole(&site, ITEM)), (false, false));
    wire.cut(&mut hub, &mut site);
    hub.sell(ITEM, 10);
    site.sell(ITEM, 20);
    wire.connect(&mut hub, &mut site);
    wire.carry(&mut hub, &mut site);
    assert_eq!((is_whole(&hub, ITEM), is_whole(&site, ITEM)), (true, true));
    assert_converged(&mut hub, &mut site);
    assert_eq!(hub.get(ITEM), Some(json!({"on_hand": 100 - 32})));
}

#[test]
fn a_snapshot_of_a_tips_document_has_all_of_it() {
    let mut site = Node::new(site_settings());
    site.settings.snapshots = SnapshotPolicy { changes_min: 4, ..SnapshotPolicy::default() };
    site.crash();
    site.put(ITEM, json!({"on_hand": 100}));
    (0..10).for_each(|_| assert!(site.sell(ITEM, 1).is_some()));
    assert!(site.place(ITEM).row.snapshot > 0 && !is_whole(&site, ITEM));
    site.crash();
    assert!(site.sell(ITEM, 1).is_some());
    assert!(!is_whole(&site, ITEM));
    assert_eq!((site.get(ITEM), history(&mut site, ITEM)), (Some(json!({"on_hand": 100 - 11})), 12));
    assert_eq!(site.replica.verify_values(&space("store-1")).unwrap(), []);
}

#[test]
fn a_transaction_that_is_refused_leaves_no_tip_with_its_changes() {
    let mut site = Node::new(site_settings());
    site.put(ITEM, json!({"on_hand": 100}));
    let write = |at: &str, operation| TransactionWrite {
        collection: address(at).collection,
        key: address(at).key,
        operations: vec![operation],
        condition: None,
    };
    let sale = document::Operation::increment("/on_hand", -1).unwrap();
    let refused = document::Operation::increment("/title", 1).unwrap();
    site.put(NOTE, json!({"title": "till-3"}));
    let writes = vec![write(ITEM, sale), write(NOTE, refused)];
    let request = Request::Transaction { space: space("store-1"), writes, terms: WriteTerms::default() };
    assert!(site.answer(request).is_err());
    site.sell(ITEM, 2);
    assert_eq!((site.get(ITEM), history(&mut site, ITEM)), (Some(json!({"on_hand": 98})), 2));
}
