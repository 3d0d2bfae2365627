use super::*;
use crate::{NewChange, Operation, Pointer, Signature, WriteError};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, Automerge};
use serde_json::json;

fn write(document: &mut Document, number: u8, value: Value) -> NewChange {
    document
        .write(&Signature::of(Origin([number; 16]), i64::from(number)), None, &[Operation::Put(value)])
        .unwrap()
        .unwrap()
}

/// Two replicas that wrote these at once, and what both show.
fn merged(here: Value, there: Value) -> (Document, [NewChange; 2]) {
    let (mut one, mut other) = (Document::new(), Document::new());
    let changes = [write(&mut one, 1, here), write(&mut other, 2, there)];
    one.apply(std::slice::from_ref(&changes[1].chunk)).unwrap();
    other.apply(std::slice::from_ref(&changes[0].chunk)).unwrap();
    assert_eq!(one.conflicts(), other.conflicts(), "every replica tells the same");
    (one, changes)
}

#[test]
fn values_written_at_once_are_told_until_one_writes_again() {
    let (mut document, [mine, theirs]) =
        merged(json!({"a": {"x": 1}, "b": 1}), json!({"a": {"x": 2}, "b": 1}));
    let [conflict] = &document.conflicts()[..] else { panic!("one conflict: equal values are none") };
    assert_eq!(conflict.field, "/a/x");
    let told: Vec<_> =
        conflict.values.iter().map(|value| (value.hash, value.value.clone(), value.wins)).collect();
    assert_eq!(told, [(mine.hash, json!(1), false), (theirs.hash, json!(2), true)]);
    assert_eq!(document.json(), Some(json!({"a": {"x": 2}, "b": 1})), "the one that wins is shown");
    assert_eq!((conflict.values[0].origin, conflict.values[0].wall_ms), (Origin([1; 16]), 1));
    write(&mut document, 1, json!({"a": {"x": 3}, "b": 1}));
    assert_eq!(document.conflicts(), []);
}

#[test]
fn a_value_that_members_hide_is_told() {
    let (document, [value, _]) = merged(json!({"a": 1, "ab": 2}), json!({"a": {"b": 2}}));
    let [conflict] = &document.conflicts()[..] else { panic!("one conflict") };
    assert_eq!((conflict.field.as_str(), conflict.values.len()), ("/a", 1));
    assert_eq!((conflict.values[0].hash, conflict.values[0].wins), (value.hash, false));
}

#[test]
fn an_edit_that_a_deletion_did_not_know_of_is_told() {
    let mut document = Document::new();
    assert_eq!(document.state(), DocumentState::Absent);
    let first = write(&mut document, 1, json!({"name": "milk"}));
    assert_eq!(document.state(), DocumentState::Live);
    let mut other = Automerge::load(&document.save()).unwrap().with_actor(ActorId::from(&[2; 16]));
    let mut transaction = other.transaction();
    transaction.put(ROOT, TOMBSTONE, true).unwrap();
    transaction.commit();
    let deletion = other.get_last_local_change().unwrap();
    let mut deleted = document.clone();
    deleted.apply(&[deletion.raw_bytes().to_vec()]).unwrap();
    assert_eq!((deleted.state(), deleted.conflicts()), (DocumentState::Deleted, vec![]));
    let edit = write(&mut document, 1, json!({"name": "oat milk"}));
    document.apply(&[deletion.raw_bytes().to_vec()]).unwrap();
    assert_eq!(document.state(), DocumentState::Deleted);
    let [conflict] = &document.conflicts()[..] else { panic!("one conflict") };
    let told: Vec<_> =
        conflict.values.iter().map(|value| (value.hash, value.value.clone(), value.wins)).collect();
    let expected = [(edit.hash, json!({"name": "oat milk"}), false), (deletion.hash(), Value::Null, true)];
    assert_eq!((conflict.field.as_str(), &told[..]), ("", &expected[..]));
    assert_ne!(first.hash, edit.hash);
}

/// The value, its author's first byte, and whether it wins.
type Told = (Value, u8, bool);

/// What every field of a conflict tells, with the author's first byte and whether it wins.
fn told(document: &Document) -> Vec<(String, Vec<Told>)> {
    let value = |value: ConflictingValue| (value.value, value.origin.0[0], value.wins);
    let values = |conflict: Conflict| (conflict.field, conflict.values.into_iter().map(value).collect());
    document.conflicts().into_iter().map(values).collect()
}

fn schema(kind: &Value) -> Schema {
    let schema = json!({"x-version": 1, "type": "object", "properties": {"a": kind}});
    Schema::parse(&schema.to_string()).unwrap()
}

/// Two replicas that wrote these at once, each under its schema.
fn merged_kinds(shared: &[Value], [here, there]: [(Value, Value); 2]) -> Document {
    let mut one = Document::new();
    let write = |document: &mut Document, number: u8, kind: &Value, operations: Value| {
        let operations: Vec<Operation> = serde_json::from_value(operations).unwrap();
        let signature = Signature::of(Origin([number; 16]), 0);
        document.write(&signature, Some(&schema(kind)), &operations).unwrap().unwrap().chunk
    };
    for operations in shared {
        write(&mut one, 9, &here.0, operations.clone());
    }
    let mut other = one.clone();
    let mine = write(&mut one, 1, &here.0, here.1);
    let theirs = write(&mut other, 2, &there.0, there.1);
    one.apply(&[theirs]).unwrap();
    other.apply(&[mine]).unwrap();
    assert_eq!(one.conflicts(), other.conflicts(), "every replica tells the same");
    one
}

#[test]
fn what_another_kind_hides_is_told() {
    let list = json!({"type": "array", "x-crdt": "list"});
    let text = json!({"type": "string", "x-crdt": "text"});
    let set = json!({"type": "array", "x-crdt": "set", "items": {"type": "string"}, "uniqueItems": true});
    let counter = json!({"type": "integer", "x-crdt": "counter"});
    let plain = json!({"type": ["object", "string"]});
    let put = |value: Value| json!([{"op": "put", "value": {"a": value}}]);
    let a = |values: Vec<Told>| vec![("/a".to_owned(), values)];
    // The text's sign comes before the set's, and that before the list's.
    let document = merged_kinds(&[], [(list.clone(), put(json!([1]))), (text.clone(), put(json!("x")))]);
    assert_eq!(
        (document.json(), told(&document)),
        (Some(json!({"a": "x"})), a(vec![(json!([1]), 1, false)]))
    );
    let document = merged_kinds(&[], [(set, put(json!(["s"]))), (text.clone(), put(json!("x")))]);
    let hidden = vec![(json!([]), 1, false), (json!("s"), 1, false)];
    assert_eq!((document.json(), told(&document)), (Some(json!({"a": "x"})), a(hidden)));
    let document =
        merged_kinds(&[], [(counter.clone(), put(json!(4))), (plain.clone(), put(json!({"b": 1})))]);
    assert_eq!(
        (document.json(), told(&document)),
        (Some(json!({"a": {"b": 1}})), a(vec![(json!(4), 1, false)]))
    );
    let document = merged_kinds(&[], [(text, put(json!("x"))), (plain.clone(), put(json!("y")))]);
    assert_eq!(
        (document.json(), told(&document)),
        (Some(json!({"a": "x"})), a(vec![(json!("y"), 2, false)]))
    );
    let document = merged_kinds(&[], [(counter, put(json!(4))), (plain, put(json!("y")))]);
    assert_eq!((document.json(), told(&document)), (Some(json!({"a": 4})), a(vec![(json!("y"), 2, false)])));
}

#[test]
fn an_item_that_two_replaced_is_told() {
    let list = json!({"type": "array", "x-crdt": "list"});
    let put = |value: Value| json!([{"op": "put", "value": {"a": value}}]);
    let writes = [(list.clone(), put(json!(["1", "x", "3"]))), (list, put(json!(["1", "y", "3"])))];
    let document = merged_kinds(&[put(json!(["1", "2", "3"]))], writes);
    let conflict = ("/a/1".to_owned(), vec![(json!("x"), 1, false), (json!("y"), 2, true)]);
    assert_eq!((document.json(), told(&document)), (Some(json!({"a": ["1", "y", "3"]})), vec![conflict]));
}

#[test]
fn bases_put_at_once_are_told_and_one_alone_is_no_conflict() {
    let counter = json!({"type": "integer", "x-crdt": "counter"});
    let shared = [json!([{"op": "put", "value": {"a": 5}}]), json!([{"op": "delete"}])];
    let put = |value: Value| json!([{"op": "put", "value": {"a": value}}]);
    let document = merged_kinds(&shared, [(counter.clone(), put(json!(7))), (counter, put(json!(8)))]);
    let conflict = ("/a".to_owned(), vec![(json!(2), 1, false), (json!(3), 2, true)]);
    assert_eq!((document.json(), told(&document)), (Some(json!({"a": 8})), vec![conflict]));
    let mut document = document;
    write(&mut document, 1, json!({"a": 1}));
    let put = [Operation::Delete, Operation::Put(json!({"a": 2}))];
    document.write(&Signature::of(Origin([1; 16]), 0), None, &put).unwrap();
    assert_eq!((document.json(), told(&document)), (Some(json!({"a": 2})), vec![]));
}

fn settle(document: &mut Document, field: &str, value: Value) -> Result<(), WriteError> {
    let operation = Operation::Settle { field: Pointer::parse(field).unwrap(), value };
    document.write(&Signature::of(Origin([1; 16]), 9), None, &[operation]).map(|written| {
        assert!(written.is_some(), "it is a change, also where the value is shown already");
    })
}

#[test]
fn settling_ends_a_conflict_with_any_value() {
    for value in [json!("A"), json!("B"), json!(["C"]), Value::Null] {
        let (mut document, _) = merged(json!({"shelf": "A", "n": 1}), json!({"shelf": "B", "n": 1}));
        assert_eq!(document.conflicts().len(), 1);
        settle(&mut document, "/shelf", value.clone()).unwrap();
        assert_eq!(document.conflicts(), []);
        assert_eq!(document.json(), Some(json!({"shelf": value, "n": 1})));
    }
}

#[test]
fn only_registers_with_a_value_are_settled() {
    let mut document = Document::new();
    write(&mut document, 1, json!({"a": {"b": 1}}));
    for (field, value) in [("/none", json!(1)), ("/a", json!(1)), ("/a/b", json!({"c": 1}))] {
        let refused = settle(&mut document, field, value);
        assert!(matches!(refused, Err(WriteError::NoRegister { .. })), "{field}: {refused:?}");
    }
}

#[test]
fn a_value_is_chosen_by_the_change_that_wrote_it() {
    let (mut document, [lost, _]) = merged(json!({"shelf": "A", "n": 1}), json!({"shelf": "B", "n": 1}));
    let signature = Signature::of(Origin([1; 16]), 9);
    let choice = json!([{"op": "choose", "field": "/shelf", "hash": lost.hash.to_string()}]);
    let choice: Vec<Operation> = serde_json::from_value(choice).unwrap();
    assert_eq!(serde_json::to_value(&choice).unwrap()[0]["hash"], json!(lost.hash.to_string()));
    document.write(&signature, None, &choice).unwrap().unwrap();
    assert_eq!((document.conflicts(), document.json()), (vec![], Some(json!({"shelf": "A", "n": 1}))));
    let field = Pointer::parse("/shelf").unwrap();
    let refused = document.write(&signature, None, &choice).unwrap_err();
    assert_eq!(refused, WriteError::NoSuchValue { field, hash: lost.hash }, "it is settled");
}

#[test]
fn of_a_field_that_is_set_once_one_value_can_be_chosen() {
    let schema = r#"{"x-version": 1, "type": "object", "properties": {"name": {"type": "string", "x-set-once": true}}}"#;
    let schema = Schema::parse(schema).unwrap();
    let (mut document, [lost, shown]) = merged(json!({"name": "A"}), json!({"name": "B"}));
    let signature = Signature::of(Origin([1; 16]), 9);
    let choose = |hash| [Operation::Choose { field: Pointer::parse("/name").unwrap(), hash }];
    let refused = document.write(&signature, Some(&schema), &choose(ChangeHash([7; 32])));
    assert!(matches!(refused, Err(WriteError::NoSuchValue { .. })), "{refused:?}");
    document.clone().write(&signature, Some(&schema), &choose(shown.hash)).unwrap().unwrap();
    document.write(&signature, Some(&schema), &choose(lost.hash)).unwrap().unwrap();
    assert_eq!(document.json(), Some(json!({"name": "A"})));
}

#[test]
fn values_that_are_chosen_count_with_what_they_come_to() {
    let (mut document, [lost, _]) =
        merged(json!({"note": "x".repeat(100_000)}), json!({"note": "y".repeat(100_000)}));
    let choice = |count| {
        let field = Pointer::parse("/note").unwrap();
        vec![Operation::Choose { field, hash: lost.hash }; count]
    };
    let mut write =
        |operations: &[Operation]| document.write(&Signature::of(Origin([1; 16]), 9), None, operations);
    assert!(matches!(write(&choice(10_000)), Err(WriteError::TooManyOperations(10_000))));
    assert!(matches!(write(&choice(2)), Err(WriteError::TooLong(_))));
    assert!(write(&choice(1)).unwrap().is_some());
}

#[test]
fn what_cannot_be_chosen_is_told_so() {
    let list = json!({"type": "array", "x-crdt": "list"});
    let put = |value: Value| json!([{"op": "put", "value": {"a": value}}]);
    let writes = [(list.clone(), put(json!(["x"]))), (list, put(json!(["y"])))];
    let item = merged_kinds(&[put(json!(["1"]))], writes);
    let (hidden, _) = merged(json!({"a": 1}), json!({"a": {"b": 2}}));
    let (plain, _) = merged(json!({"a": 1}), json!({"a": 2}));
    let (empty, _) = merged(json!({"a": 1}), json!({"a": {}}));
    let documents = [(item, true), (hidden, false), (plain, true), (empty, true)];
    for (mut document, is_choosable) in documents {
        let [conflict] = &document.conflicts()[..] else {
            panic!("one conflict: {:?}", document.conflicts())
        };
        assert_eq!(conflict.choosable, is_choosable, "{conflict:?}");
        let field = Pointer::parse(&conflict.field).unwrap();
        let lost = conflict.values[0].clone();
        let choose = [Operation::Choose { field, hash: lost.hash }];
        let chosen = document.write(&Signature::of(Origin([1; 16]), 9), None, &choose);
        assert_eq!(chosen.is_ok(), is_choosable, "{chosen:?}");
        assert!(is_choosable || matches!(chosen, Err(WriteError::NoRegister { .. })), "{chosen:?}");
        if is_choosable {
            let shown = document.json().unwrap()["a"].clone();
            assert!(shown == lost.value || shown == json!([lost.value]), "{shown}");
            assert!(document.conflicts().is_empty());
        }
    }
}

/// A list whose items two replicas changed at once: `a/0` to x or y, `a/1` to u or v.
fn items_in_conflict() -> Document {
    let list = json!({"type": "array", "x-crdt": "list"});
    let put = |value: Value| json!([{"op": "put", "value": {"a": value}}]);
    let writes = [(list.clone(), put(json!(["x", "u"]))), (list, put(json!(["y", "v"])))];
    merged_kinds(&[put(json!(["1", "2"]))], writes)
}

#[test]
fn items_are_chosen_by_their_places_before_the_call() {
    let document = items_in_conflict();
    let told = document.conflicts();
    assert_eq!(told.iter().map(|at| at.field.as_str()).collect::<Vec<_>>(), ["/a/0", "/a/1"]);
    let choose = |at: usize, value: usize| {
        let field = Pointer::parse(&told[at].field).unwrap();
        Operation::Choose { field, hash: told[at].values[value].hash }
    };
    let write = |operations: &[Operation]| {
        let mut document = document.clone();
        let schema = schema(&json!({"type": "array", "x-crdt": "list"}));
        document.write(&Signature::of(Origin([1; 16]), 9), Some(&schema), operations).map(|_| document)
    };
    let value = |at: usize, value: usize| told[at].values[value].value.clone();
    let field = Pointer::parse("/a").unwrap();
    let first = Operation::Insert { field, index: 0, values: vec![json!("new")] };
    for (one, other) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let chosen = write(&[choose(1, other), first.clone(), choose(0, one)]).unwrap();
        assert_eq!(chosen.json().unwrap()["a"], json!(["new", value(0, one), value(1, other)]));
        assert!(chosen.conflicts().is_empty());
    }
    // Another value than either, of one of them alone.
    let settle = |at: &str| Operation::Settle { field: Pointer::parse(at).unwrap(), value: json!("z") };
    let settled = write(&[settle("/a/1")]).unwrap();
    assert_eq!(settled.json().unwrap()["a"], json!([value(0, 1), "z"]));
    assert_eq!(settled.conflicts(), told[..1]);
    for nowhere in ["/a/2", "/a/01", "/a/-", "/b/0"] {
        assert!(matches!(write(&[settle(nowhere)]), Err(WriteError::NoRegister { .. })), "{nowhere}");
    }
}

#[test]
fn what_a_schema_makes_a_counter_cannot_be_chosen() {
    let (document, [lost, _]) = merged(json!({"a": 1}), json!({"a": 2}));
    for (kind, is_choosable) in
        [(json!({"type": "integer", "x-crdt": "counter"}), false), (json!({"type": "integer"}), true)]
    {
        let mut conflict = document.conflicts().remove(0);
        conflict.hold_against(Some(&schema(&kind)));
        assert_eq!(conflict.choosable, is_choosable, "{kind}");
        let choose = [Operation::Choose { field: Pointer::parse("/a").unwrap(), hash: lost.hash }];
        let chosen =
            document.clone().write(&Signature::of(Origin([1; 16]), 9), Some(&schema(&kind)), &choose);
        assert_eq!(chosen.is_ok(), is_choosable, "{chosen:?}");
    }
}
