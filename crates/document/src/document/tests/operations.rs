//! Every operation, and every refusal.

mod deletion;
mod lists;
mod merging;
mod rules;

use super::{HERE, THERE, every_kind};
use crate::{
    Document, HistoryQuery, Insertion, NewChange, Operation, Origin, Pointer, Schema, Signature, WriteError,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn field(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

/// A document at one origin, written under the schema with every kind of field.
struct Site {
    document: Document,
    origin: Origin,
    schema: Schema,
}

impl Site {
    fn new(origin: Origin) -> Self {
        Self { document: Document::new(), origin, schema: every_kind() }
    }

    /// Carries out operations in their JSON form.
    fn try_write(&mut self, operations: Value) -> Result<Option<NewChange>, WriteError> {
        let operations: Vec<Operation> = serde_json::from_value(operations).unwrap();
        let change = self.document.write(&Signature::of(self.origin, 7), Some(&self.schema), &operations)?;
        if let Some(change) = &change {
            assert_eq!(change.json, self.document.json(), "a write tells what the document shows");
        }
        Ok(change)
    }

    #[track_caller]
    fn write(&mut self, operations: Value) -> NewChange {
        self.try_write(operations).unwrap().unwrap()
    }

    #[track_caller]
    fn refused(&mut self, operations: Value) -> String {
        let before = (self.document.heads(), self.document.json(), self.document.changes_count());
        let error = self.try_write(operations).unwrap_err();
        let after = (self.document.heads(), self.document.json(), self.document.changes_count());
        assert_eq!(after, before, "a refused write changes nothing");
        error.to_string()
    }

    #[track_caller]
    fn shows(&self, value: Value) {
        let value = Some(value);
        assert_eq!(self.document.json(), value);
        let history = self.document.history(HistoryQuery { before: None, limit: 1_000 }).unwrap();
        let chunks = history.iter().rev().map(|entry| self.document.change(&entry.hash).unwrap());
        let chunks: Vec<_> = chunks.collect();
        let (mut peer, mut other) = (Document::new(), Document::new());
        chunks.iter().for_each(|chunk| peer.apply(std::slice::from_ref(chunk)).unwrap());
        other.apply(&chunks).unwrap();
        for peer in [peer, other] {
            assert_eq!(peer.json(), value, "a peer takes the changes and shows the same");
            assert_eq!(peer.heads(), self.document.heads());
        }
    }

    fn take(&mut self, changes: &[&NewChange]) {
        let chunks: Vec<_> = changes.iter().map(|change| change.chunk.clone()).collect();
        self.document.apply(&chunks).unwrap();
    }
}

#[test]
fn operations_have_a_json_form() {
    let operations = json!([
        {"op": "put", "value": {"name": "milk"}},
        {"op": "merge_patch", "patch": {"name": null}},
        {"op": "patch", "patch": [{"op": "test", "path": "/name", "value": 1}]},
        {"op": "delete"},
        {"op": "increment", "field": "/on_hand", "by": -1},
        {"op": "spend", "field": "/sellable", "by": 1},
        {"op": "grant", "field": "/sellable", "by": 1},
        {"op": "grant", "field": "/sellable", "by": 1, "to": "02020202020202020202020202020202"},
        {"op": "transfer", "field": "/sellable", "to": "02020202020202020202020202020202", "by": 18_446_744_073_709_551_615_u64},
        {"op": "add", "field": "/a~1b/+c", "element": "x"},
        {"op": "remove", "field": "/tags", "element": null},
        {"op": "insert", "field": "/lines", "index": 0, "values": [1, [2]]},
        {"op": "splice", "field": "/body", "index": 0, "delete": 2, "insert": "é"},
        {"op": "splice", "field": "/lines", "index": 0, "delete": 0, "insert": [1]},
        {"op": "clear", "field": "/body"}
    ]);
    let read: Vec<Operation> = serde_json::from_value(operations.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), operations);
    for unknown in [
        json!({"op": "increment", "field": "/on_hand", "by": 1, "more": 1}),
        json!({"op": "put", "value": {}, "more": 1}),
        json!({"op": "delete", "more": 1}),
        json!({"op": "increment", "field": "on_hand", "by": 1}),
        json!({"op": "transfer", "field": "/a", "to": "02", "by": 1}),
        json!({"op": "grow"}),
    ] {
        assert!(serde_json::from_value::<Operation>(unknown.clone()).is_err(), "{unknown}");
    }
}

#[test]
fn all_operations_of_a_call_are_one_change() {
    let mut site = Site::new(HERE);
    let change = site.write(json!([
        {"op": "put", "value": {"name": "milk", "lines": ["a"], "attributes": {"colour": "red"}}},
        {"op": "increment", "field": "/on_hand", "by": 3},
        {"op": "grant", "field": "/sellable", "by": 5},
        {"op": "spend", "field": "/sellable", "by": 2},
        {"op": "add", "field": "/tags", "element": "cold"},
        {"op": "add", "field": "/tags", "element": 7},
        {"op": "remove", "field": "/tags", "element": "cold"},
        {"op": "insert", "field": "/lines", "index": 1, "values": ["b", {"c": [1]}]},
        {"op": "splice", "field": "/lines", "index": 0, "delete": 1, "insert": []},
        {"op": "splice", "field": "/body", "index": 0, "insert": "hi🦀there"},
        {"op": "splice", "field": "/body", "index": 3, "delete": 5, "insert": "!"},
        {"op": "merge_patch", "patch": {"attributes": {"size": 9}}}
    ]));
    assert_eq!((site.document.heads(), change.dependencies), (vec![change.hash], vec![]));
    site.shows(json!({
        "name": "milk", "on_hand": 3, "sellable": 3, "tags": [7], "lines": ["b", {"c": [1]}], "body": "hi🦀!",
        "attributes": {"colour": "red", "size": 9}
    }));
    let shown = site.document.json();
    let loaded = Document::load(&site.document.save()).unwrap();
    assert_eq!(loaded.json(), shown, "a saved document shows the same");
    let mut other = Document::new();
    other.apply(&[change.chunk]).unwrap();
    assert_eq!(other.json(), shown, "so does another replica");
}

#[test]
fn a_change_says_who_and_why() {
    let mut document = Document::new();
    let long = "x".repeat(513);
    let mut write = |author, message, value: u8| {
        let signature = Signature { author, message, ..Signature::of(HERE, 5) };
        let change = document.write(&signature, None, &[Operation::Put(json!({"n": value}))])?.unwrap();
        let change = automerge::Change::from_bytes(change.chunk).unwrap();
        Ok::<_, WriteError>((change.message().map(ToString::to_string), change.timestamp()))
    };
    assert_eq!(write(None, None, 1), Ok((None, 5)));
    assert_eq!(write(Some("till 3"), None, 2), Ok((Some("till 3".into()), 5)));
    assert_eq!(write(None, Some("counted"), 3), Ok((Some("\ncounted".into()), 5)));
    assert_eq!(write(Some("till 3"), Some("a\nb"), 4), Ok((Some("till 3\na\nb".into()), 5)));
    assert_eq!(write(Some("till\n3"), None, 5), Err(WriteError::Author));
    assert_eq!(write(long.get(..65), None, 5), Err(WriteError::Author));
    assert_eq!(write(None, Some(&long), 5), Err(WriteError::Message(513)));
}
