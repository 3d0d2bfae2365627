use super::*;
use crate::{Operation, Signature};
use serde_json::json;

fn write(document: &mut Document, number: u8, wall_ms: i64, value: Value) -> crate::NewChange {
    document
        .write(&Signature::of(Origin([number; 16]), wall_ms), None, &[Operation::Put(value)])
        .unwrap()
        .unwrap()
}

#[test]
fn history_tells_who_changed_what_newest_first() {
    let mut here = Document::new();
    let first = write(&mut here, 1, 10, json!({"name": "milk"}));
    let second = write(&mut here, 1, 20, json!({"name": "milk", "shelf": "A"}));
    let mut there = Document::new();
    there.apply(std::slice::from_ref(&first.chunk)).unwrap();
    let third = write(&mut there, 2, 15, json!({"name": "oat milk"}));
    here.apply(std::slice::from_ref(&third.chunk)).unwrap();
    there.apply(std::slice::from_ref(&second.chunk)).unwrap();
    let all = HistoryQuery { before: None, limit: 10 };
    let told = here.history(all).unwrap();
    assert_eq!(there.history(all).unwrap(), told, "every replica tells the same");
    assert_eq!(told.len(), 3);
    let of = |hash| told.iter().find(|entry| entry.hash == hash).unwrap();
    let patch = |hash| serde_json::to_value(&of(hash).patch).unwrap();
    assert_eq!(told[2].hash, first.hash);
    assert_eq!(patch(first.hash), json!([{"op": "replace", "path": "", "value": {"name": "milk"}}]));
    assert_eq!(patch(second.hash), json!([{"op": "add", "path": "/shelf", "value": "A"}]));
    assert_eq!(patch(third.hash), json!([{"op": "replace", "path": "/name", "value": "oat milk"}]));
    assert_eq!((of(third.hash).origin, of(third.hash).wall_ms), (Origin([2; 16]), 15));
    assert_eq!(of(third.hash).dependencies, [first.hash]);
    let rest = here.history(HistoryQuery { before: Some(told[0].hash), limit: 1 }).unwrap();
    assert_eq!(rest, told[1..2]);
    let unknown = ChangeHash([0; 32]);
    assert_eq!(here.history(HistoryQuery { before: Some(unknown), limit: 1 }), Err(UnknownChange(unknown)));
}

#[test]
fn the_document_is_read_as_it_was() {
    let mut document = Document::new();
    let values = [json!({"a": 1}), json!({"a": 2, "b": [1]}), json!({"b": [1]})];
    let mut heads = vec![vec![]];
    for (wall_ms, value) in (0..).step_by(10).zip(&values) {
        heads.push(vec![write(&mut document, 1, wall_ms, value.clone()).hash]);
        assert_eq!(document.heads_at(wall_ms - 1), heads[heads.len() - 2]);
        assert_eq!(document.heads_at(wall_ms), heads[heads.len() - 1]);
    }
    assert_eq!(document.json_at(&[]), Ok(None));
    for (heads, value) in heads.iter().skip(1).zip(values) {
        assert_eq!(document.json_at(heads), Ok(Some(value)));
    }
    let unknown = ChangeHash([0; 32]);
    assert_eq!(document.json_at(&[unknown]), Err(UnknownChange(unknown)));
}

#[test]
fn a_clock_that_runs_ahead_takes_what_follows_with_it() {
    let mut document = Document::new();
    let first = write(&mut document, 1, 10, json!({"a": 1}));
    write(&mut document, 2, 1_000, json!({"a": 2}));
    let last = write(&mut document, 1, 11, json!({"a": 3}));
    assert_eq!(document.heads_at(500), [first.hash]);
    assert_eq!(document.heads_at(1_000), [last.hash]);
}

#[test]
fn more_branches_than_are_kept_are_told_as_they_are() {
    let mut document = Document::new();
    let first = write(&mut document, 1, 0, json!({"a": 0, "b": 0}));
    for number in 2..100 {
        let mut branch = Document::new();
        branch.apply(std::slice::from_ref(&first.chunk)).unwrap();
        let own = [
            write(&mut branch, number, 1, json!({"a": number, "b": 0})),
            write(&mut branch, number, 2, json!({"a": number, "b": number})),
        ];
        document.apply(&own.map(|change| change.chunk)).unwrap();
    }
    let join = write(&mut document, 1, 3, json!({"a": 0, "b": 1}));
    let told = document.history(HistoryQuery { before: None, limit: HISTORY_MAX }).unwrap();
    assert_eq!((told.len(), told[0].hash), (198, join.hash));
    for entry in told {
        let shown = |heads: &[_]| document.json_at(heads).unwrap().unwrap_or(Value::Null);
        let patch = json_patch::diff(&shown(&entry.dependencies), &shown(&[entry.hash]));
        assert_eq!(entry.patch, patch);
    }
}
