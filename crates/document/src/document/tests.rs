use super::*;
use crate::{ForeignChange, JsonError, Operation, Origin, Pointer, Schema, Signature, WriteError};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod clear;
mod convergence;
mod counters;
mod golden;
mod operations;
mod patches;

const HERE: Origin = Origin([1; 16]);
const THERE: Origin = Origin([2; 16]);

/// Called with each write on a table: a tip and Automerge end it alike, and make the same change, bit by bit.
pub(super) fn held_against_automerge(
    mut before: Document,
    (signature, schema, operations): (&Signature<'_>, Option<&Schema>, &[Operation]),
    written: &Result<Option<NewChange>, WriteError>,
    after: &Document,
) {
    let mut tip = tip_of(&before);
    assert_eq!(tip.write(signature, schema, operations), written.clone().map(TipWrite::Written));
    assert_eq!((tip.heads(), tip.json()), (&*after.heads(), after.json()));
    let expected = before.commit(signature, schema, &|writer| writer.run(operations));
    assert_eq!(*written, expected);
}

fn tip_of(document: &Document) -> Tip {
    Box::new(document.clone()).into_tip().unwrap()
}

/// Called with what a table took of others: a tip and the long way take it too, and the documents are one.
pub(super) fn held_against_applying(mut before: Document, taken: &[Vec<u8>], after: &Document) {
    // What it is asked for must not stay in it.
    let after = &after.clone();
    let mut tip = tip_of(&before);
    assert_eq!(tip.take(taken), taken.len());
    assert_eq!((tip.heads(), tip.json()), (&*after.heads(), after.json()));
    assert_eq!(tip.changes_count(), after.changes_count());
    before.apply_the_long_way(taken).unwrap();
    assert_eq!((before.heads(), before.json()), (after.heads(), after.json()));
    assert_eq!((before.changes_count(), before.bytes()), (after.changes_count(), after.bytes()));
    assert_eq!(before.progress.last_changes, after.progress.last_changes);
    assert_eq!(Table::of(before.ahead.whole()), Table::of(after.ahead.whole()));
    let TableState::Known(table) = &after.table else { panic!("it is known") };
    assert_eq!(Table::of(after.ahead.whole()).as_ref(), Some(table));
    assert!(taken.iter().all(|chunk| {
        let hash = ForeignChange::parse(ForeignChange::body(chunk).unwrap()).unwrap().hash;
        after.ahead.whole().get_change_by_hash(&hash).unwrap().raw_bytes() == chunk
    }));
}

/// A schema with a field of every kind.
fn every_kind() -> Schema {
    Schema::parse(include_str!("../../../../schemas/golden/document/v1/schema.json")).unwrap()
}

fn inventory() -> Schema {
    Schema::parse(include_str!("../../../../schemas/collections/inventory.json")).unwrap()
}

fn put(document: &mut Document, origin: Origin, value: Value) -> Option<NewChange> {
    document.write(&Signature::of(origin, 5), Some(&inventory()), &[Operation::Put(value)]).unwrap()
}

fn increment(document: &mut Document, origin: Origin, by: i64) -> NewChange {
    let operation = Operation::increment("/on_hand", by).unwrap();
    document.write(&Signature::of(origin, 5), Some(&inventory()), &[operation]).unwrap().unwrap()
}

fn refusal(document: &mut Document, operations: &[Operation]) -> String {
    let before = document.json();
    let error = document.write(&Signature::of(HERE, 5), Some(&inventory()), operations).unwrap_err();
    assert_eq!(document.json(), before, "a refused write changes nothing");
    error.to_string()
}

#[test]
fn a_put_writes_only_what_differs() {
    let mut document = Document::new();
    assert_eq!(document.json(), None);
    put(&mut document, HERE, json!({"product": "1", "shelf": "A", "on_hand": 4})).unwrap();
    assert_eq!(put(&mut document, HERE, json!({"product": "1", "shelf": "A", "on_hand": 4})), None);
    put(&mut document, HERE, json!({"product": "1", "on_hand": 6})).unwrap();
    assert_eq!(document.json(), Some(json!({"product": "1", "on_hand": 6})));
}

#[test]
fn cut_off_sites_make_the_same_document() {
    let (mut here, mut there) = (Document::new(), Document::new());
    let mine =
        put(&mut here, HERE, json!({"product": "1", "attributes": {"colour": "red"}, "on_hand": 3})).unwrap();
    let theirs =
        put(&mut there, THERE, json!({"product": "1", "attributes": {"size": 9}, "on_hand": 4})).unwrap();
    here.apply(&[theirs.chunk]).unwrap();
    there.apply(&[mine.chunk]).unwrap();
    assert_eq!(here.heads(), there.heads());
    let merged = json!({"product": "1", "attributes": {"colour": "red", "size": 9}, "on_hand": 7});
    assert_eq!((here.json(), there.json()), (Some(merged.clone()), Some(merged)));
}

#[test]
fn a_put_on_a_counter_keeps_concurrent_increments() {
    let (mut here, mut there) = (Document::new(), Document::new());
    let stock = put(&mut here, HERE, json!({"on_hand": 100})).unwrap();
    there.apply(std::slice::from_ref(&stock.chunk)).unwrap();
    let sold = increment(&mut there, THERE, -30);
    put(&mut here, HERE, json!({"on_hand": 90})).unwrap();
    here.apply(&[sold.chunk]).unwrap();
    assert_eq!(here.json(), Some(json!({"on_hand": 60})));
    put(&mut here, HERE, json!({"shelf": "B"})).unwrap();
    assert_eq!(here.json(), Some(json!({"on_hand": 60, "shelf": "B"})), "a counter that is left out stays");
}

#[test]
fn where_a_value_meets_members_the_members_are_shown() {
    let (mut here, mut there) = (Document::new(), Document::new());
    let value = put(&mut here, HERE, json!({"a": 1})).unwrap();
    let members = put(&mut there, THERE, json!({"a": {"b": 2}})).unwrap();
    here.apply(&[members.chunk]).unwrap();
    there.apply(&[value.chunk]).unwrap();
    assert_eq!(here.json(), Some(json!({"a": {"b": 2}})));
    assert_eq!(there.json(), here.json());
}

#[test]
fn refusals_say_what_is_wrong_and_change_nothing() {
    let mut document = Document::new();
    put(&mut document, HERE, json!({"on_hand": i64::MAX})).unwrap();
    let operations = |operation| [Operation::Put(json!({"shelf": "B"})), operation];
    assert_eq!(
        refusal(&mut document, &operations(Operation::increment("/shelf", 1).unwrap())),
        "/shelf is no counter: name it in the collection's schema with \"x-crdt\": \"counter\""
    );
    assert_eq!(
        refusal(&mut document, &operations(Operation::increment("/on_hand", 1).unwrap())),
        "/on_hand would leave the range of 64 bits"
    );
    assert_eq!(
        refusal(&mut document, &operations(Operation::Put(json!({"on_hand": 1.5})))),
        "/on_hand is a counter: it takes a whole number, not a number"
    );
    assert_eq!(
        refusal(&mut document, &operations(Operation::Put(json!([1])))),
        "a document is a JSON object, not an array"
    );
    let many: serde_json::Map<String, Value> = (0..5_000).map(|n| (n.to_string(), Value::Null)).collect();
    assert_eq!(refusal(&mut document, &[Operation::Put(many.into())]), "a document has at most 4096 fields");
    let long = json!({"text": "x".repeat(300_000)});
    assert!(
        refusal(&mut document, &[Operation::Put(long)]).starts_with("the change would have 300028 bytes")
    );
    let deep = (0..40).fold(json!(1), |inner, _| json!({ "d": inner }));
    let error = document.write(&Signature::of(HERE, 5), None, &[Operation::Put(deep)]).unwrap_err();
    assert!(matches!(error, WriteError::Json(JsonError::TooDeep(_))), "{error}");
}

#[test]
fn a_change_without_what_it_depends_on_is_not_applied() {
    let mut there = Document::new();
    put(&mut there, THERE, json!({"on_hand": 1}));
    let later = increment(&mut there, THERE, 1);
    let mut here = Document::new();
    assert_eq!(reason(here.apply(&[later.chunk])), Some(ApplyReason::MissingDependency));
    assert_eq!((here.json(), here.heads()), (None, vec![]));
}

#[test]
fn the_largest_write_is_a_change_that_peers_accept() {
    let value: serde_json::Map<String, Value> =
        (0..4_096).map(|n| (format!("field {n:04}"), json!(format!("value {n:05}")))).collect();
    let mut document = Document::new();
    let change =
        document.write(&Signature::of(HERE, 5), None, &[Operation::Put(value.into())]).unwrap().unwrap();
    ForeignChange::parse(ForeignChange::body(&change.chunk).unwrap()).unwrap();
    let mut text = Document::new();
    let longest = json!({"text": "é".repeat(98_000 - 14)});
    let change = text.write(&Signature::of(HERE, 5), None, &[Operation::Put(longest)]).unwrap().unwrap();
    ForeignChange::parse(ForeignChange::body(&change.chunk).unwrap()).unwrap();
}

#[test]
fn nothing_is_acknowledged_that_is_not_seen_afterwards() {
    let nested = r#"{"x-version":1,"type":"object","properties":{"a":{"type":"object","properties":{
        "n":{"type":"integer","x-crdt":"counter"}}}}}"#;
    let nested = Schema::parse(nested).unwrap();
    let mut document = Document::new();
    let mut put = |schema: Option<&Schema>, value| {
        document.write(&Signature::of(HERE, 0), schema, &[Operation::Put(value)]).map(|_| document.json())
    };
    assert_eq!(put(Some(&nested), json!({"a": {"n": 3}})), Ok(Some(json!({"a": {"n": 3}}))));
    let refused = put(Some(&nested), json!({"a": {"n": {"x": 1}}})).unwrap_err();
    assert_eq!(refused.to_string(), "/a/n is a counter: it takes a whole number, not an object");
    let refused = put(Some(&nested), json!({"a": 5})).unwrap_err();
    assert!(refused.to_string().starts_with("/a has the counter /a/n below it"), "{refused}");
    assert_eq!(
        put(None, json!({"a": {"n": 9}})),
        Ok(Some(json!({"a": {"n": 9}}))),
        "tallies tell of a counter"
    );
    let deep = (0..130).fold(json!([]), |inner, _| json!([inner]));
    assert!(matches!(put(None, json!({ "deep": deep })), Err(WriteError::Json(JsonError::TooDeep(_)))));
}

#[test]
fn a_field_that_becomes_a_counter_counts_on_from_its_value() {
    for (operation, expected) in
        [(Operation::increment("/on_hand", -1).unwrap(), 9), (Operation::Put(json!({"on_hand": 10})), 10)]
    {
        let mut document = Document::new();
        document.write(&Signature::of(THERE, 0), None, &[Operation::Put(json!({"on_hand": 10}))]).unwrap();
        document.write(&Signature::of(HERE, 0), Some(&inventory()), &[operation]).unwrap();
        assert_eq!(document.json(), Some(json!({"on_hand": expected})));
        increment(&mut document, HERE, -4);
        assert_eq!(document.json(), Some(json!({"on_hand": expected - 4})));
    }
}

#[test]
fn a_change_that_no_peer_would_take_is_refused_before_it_is_acknowledged() {
    let value = |site: u8| -> Value {
        (0..1_200).map(|n| (format!("field {n}"), json!(site))).collect::<serde_json::Map<_, _>>().into()
    };
    let mut joined = Document::new();
    for site in 1..=9 {
        let mut document = Document::new();
        let put = Operation::Put(value(site));
        let change = document.write(&Signature::of(Origin([site; 16]), 0), None, &[put]).unwrap().unwrap();
        joined.apply(&[change.chunk]).unwrap();
    }
    let (heads, before) = (joined.heads(), joined.json());
    let refused = joined.write(&Signature::of(HERE, 0), None, &[Operation::Put(value(100))]).unwrap_err();
    assert!(matches!(refused, WriteError::Refused(_)), "{refused}");
    assert_eq!((joined.heads(), joined.json()), (heads, before), "the document is as it was");
}

#[test]
fn a_write_on_more_heads_than_a_change_may_have_is_refused() {
    let mut joined = Document::new();
    let chunks = (0..=u16::try_from(crate::DEPENDENCIES_MAX).unwrap()).map(|site| {
        let [high, low] = site.to_be_bytes();
        let mut origin = [7; 16];
        (origin[0], origin[1]) = (high, low);
        let put = Operation::Put(json!({"shelf": site}));
        Document::new().write(&Signature::of(Origin(origin), 0), None, &[put]).unwrap().unwrap().chunk
    });
    joined.apply(&chunks.collect::<Vec<_>>()).unwrap();
    let (heads, before) = (joined.heads(), joined.json());
    let refused =
        joined.write(&Signature::of(HERE, 0), None, &[Operation::Put(json!({"shelf": "A"}))]).unwrap_err();
    assert_eq!(refused, WriteError::Refused(crate::ChangeRefusal::TooMany("dependencies")));
    assert_eq!((joined.heads(), joined.json()), (heads, before));
}

#[test]
fn a_counter_with_the_longest_name_counts_and_peers_take_it() {
    let key = "k".repeat(1_024);
    let schema = json!({"x-version": 1, "type": "object", "properties": {
        &key: {"type": "integer", "x-crdt": "counter"}}});
    let schema = Schema::parse(&schema.to_string()).unwrap();
    let mut document = Document::new();
    let operation = Operation::increment(&format!("/{key}"), 3).unwrap();
    document.write(&Signature::of(HERE, 0), Some(&schema), &[operation]).unwrap();
    assert_eq!(document.json(), Some(json!({ key: 3 })));
}

#[test]
fn a_counter_that_members_would_hide_is_refused() {
    let mut document = Document::new();
    document.write(&Signature::of(HERE, 0), None, &[Operation::Put(json!({"on_hand": {"x": 1}}))]).unwrap();
    let refused = refusal(&mut document, &[Operation::increment("/on_hand", 1).unwrap()]);
    assert!(refused.starts_with("/on_hand has members, which hide a counter"), "{refused}");
    put(&mut document, HERE, json!({"on_hand": 4}));
    increment(&mut document, HERE, 1);
    assert_eq!(document.json(), Some(json!({"on_hand": 5})));
}

#[test]
fn a_change_that_is_here_already_is_passed_over() {
    let (mut here, mut there) = (Document::new(), Document::new());
    let chunks = [put(&mut there, THERE, json!({"on_hand": 1})).unwrap(), increment(&mut there, THERE, 1)];
    let chunks = chunks.map(|change| change.chunk);
    here.apply(&chunks).unwrap();
    let bytes = here.memory_bytes();
    here.apply(&chunks).unwrap();
    assert_eq!(here.json(), there.json());
    assert!(here.memory_bytes() <= bytes, "nothing was added");
}

#[test]
fn a_change_that_fails_does_not_keep_out_those_before_it() {
    let (mut there, mut other) = (Document::new(), Document::new());
    put(&mut there, THERE, json!({"on_hand": 1}));
    let lacking = increment(&mut there, THERE, 1);
    let fine = put(&mut other, Origin([3; 16]), json!({"shelf": "A"})).unwrap();
    let more = put(&mut other, Origin([3; 16]), json!({"shelf": "B"})).unwrap();
    let mut here = Document::new();
    let error = here.apply(&[fine.chunk, lacking.chunk, more.chunk]).unwrap_err();
    let reason = ApplyReason::MissingDependency;
    assert_eq!(error, ApplyError { applied: 1, change: lacking.hash, reason });
    assert_eq!((here.json(), here.heads()), (Some(json!({"shelf": "A"})), vec![fine.hash]));
}

fn reason(result: Result<(), ApplyError>) -> Option<ApplyReason> {
    result.err().map(|error| error.reason)
}

#[test]
fn memory_is_counted_with_the_values() {
    let mut document = Document::new();
    let text = json!({"text": "x".repeat(190_000)});
    document.write(&Signature::of(HERE, 0), None, &[Operation::Put(text)]).unwrap();
    assert!(document.memory_bytes() > 190_000);
}

fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |n| serde_json::Number::from_f64(n).map(Value::Number)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any_text().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c~/+]{1,3}", "\\PC{0,5}"]
}

/// What one of three sites does.
#[derive(Clone, Debug)]
enum Step {
    Add(usize, i64),
    Shelve(usize, u8),
    Exchange(usize, usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, -9..9_i64).prop_map(|(site, by)| Step::Add(site, by)),
        1 => (0..3_usize, any::<u8>()).prop_map(|(site, shelf)| Step::Shelve(site, shelf)),
        2 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Exchange(from, to)),
    ]
}

/// A site, and the changes that it has, in the order in which it got them.
#[derive(Default)]
struct Site {
    document: Document,
    chunks: Vec<(ChangeHash, Vec<u8>)>,
}

impl Site {
    fn write(&mut self, site: usize, operation: Operation) {
        let origin = Origin([u8::try_from(site).unwrap() + 1; 16]);
        if let Some(change) =
            self.document.write(&Signature::of(origin, 0), Some(&inventory()), &[operation]).unwrap()
        {
            self.chunks.push((change.hash, change.chunk));
        }
    }

    fn take(&mut self, chunks: Vec<(ChangeHash, Vec<u8>)>) {
        let known: Vec<ChangeHash> = self.chunks.iter().map(|(hash, _)| *hash).collect();
        let fresh: Vec<_> = chunks.into_iter().filter(|(hash, _)| !known.contains(hash)).collect();
        let bytes: Vec<Vec<u8>> = fresh.iter().map(|(_, chunk)| chunk.clone()).collect();
        self.document.apply(&bytes).unwrap();
        self.chunks.extend(fresh);
    }
}

proptest! {
    #[test]
    fn json_comes_back_as_it_was_put(members in prop::collection::btree_map(any_text(), any_json(), 0..6)) {
        let value = Value::Object(members.into_iter().collect());
        let mut document = Document::new();
        document.write(&Signature::of(HERE, 0), None, &[Operation::Put(value.clone())]).unwrap();
        prop_assert_eq!(document.json(), Some(value.clone()));
        prop_assert_eq!(document.write(&Signature::of(HERE, 0), None, &[Operation::Put(value)]), Ok(None));
    }

    #[test]
    fn a_second_put_leaves_nothing_of_the_first(
        first in prop::collection::btree_map(any_text(), any_json(), 0..6),
        second in prop::collection::btree_map(any_text(), any_json(), 0..6),
    ) {
        let mut document = Document::new();
        for members in [first, second.clone()] {
            document.write(&Signature::of(HERE, 0), None, &[Operation::Put(Value::Object(members.into_iter().collect()))]).unwrap();
        }
        prop_assert_eq!(document.json(), Some(Value::Object(second.into_iter().collect())));
    }

    #[test]
    fn any_exchange_converges_and_counts_every_increment(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut sites = [Site::default(), Site::default(), Site::default()];
        let (mut sum, mut shelves) = (0, BTreeMap::new());
        for step in steps {
            match step {
                Step::Add(site, by) => {
                    sum += by;
                    sites[site].write(site, Operation::increment("/on_hand", by).unwrap());
                }
                Step::Shelve(site, shelf) => {
                    let value = json!({"shelf": shelf.to_string()});
                    shelves.insert(site, shelf.to_string());
                    sites[site].write(site, Operation::Put(value));
                }
                Step::Exchange(from, to) => {
                    let chunks = sites[from].chunks.clone();
                    sites[to].take(chunks);
                }
            }
        }
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 2)] {
            let chunks = sites[from].chunks.clone();
            sites[to].take(chunks);
        }
        let json = sites[0].document.json();
        for site in &sites {
            prop_assert_eq!(site.document.heads(), sites[0].document.heads());
            prop_assert_eq!(site.document.json(), json.clone());
            for (_, chunk) in &site.chunks {
                let parsed = ForeignChange::parse(ForeignChange::body(chunk).unwrap()).unwrap();
                prop_assert_eq!(&parsed.chunk, chunk);
            }
        }
        let json = json.unwrap_or(json!({}));
        prop_assert_eq!(json.get("on_hand").and_then(Value::as_i64).unwrap_or(0), sum);
        let shelf = json.get("shelf").and_then(Value::as_str);
        prop_assert_eq!(shelf.is_some(), !shelves.is_empty());
        prop_assert!(shelf.is_none_or(|shelf| shelves.values().any(|written| written == shelf)));
    }
}

#[test]
fn a_pointer_reaches_a_nested_counter() {
    let schema = r#"{"x-version":1,"type":"object","properties":{"a/b":{"type":"object","properties":{
        "n":{"type":"integer","x-crdt":"counter"}}}}}"#;
    let schema = Schema::parse(schema).unwrap();
    let mut document = Document::new();
    let field = Pointer::parse("/a~1b/n").unwrap();
    document.write(&Signature::of(HERE, 0), Some(&schema), &[Operation::Increment { field, by: 2 }]).unwrap();
    assert_eq!(document.json(), Some(json!({"a/b": {"n": 2}})));
}
