use super::*;
use crate::{NewChange, Operation, Signature};
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
