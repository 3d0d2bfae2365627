//! Every operation, and every refusal.

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
fn what_is_refused_leaves_no_list_behind() {
    let mut site = Site::new(HERE);
    let refused = site.refused(json!([
        {"op": "insert", "field": "/lines", "index": 0, "values": [1]},
        {"op": "insert", "field": "/lines", "index": 2, "values": [1]}
    ]));
    assert_eq!(refused, "/lines has 1 items or characters: nothing is at 2, 0 after it to delete");
    assert_eq!((site.document.heads(), site.document.json()), (vec![], None));
    site.write(json!([{"op": "insert", "field": "/lines", "index": 0, "values": [1]}]));
    let nothing = json!([{"op": "splice", "field": "/body", "index": 0, "insert": ""}, {"op": "spend", "field": "/sellable", "by": 1}]);
    assert_eq!(site.refused(nothing), "/sellable: 1 more rights are needed here, and nobody else holds any");
    site.shows(json!({"lines": [1]}));
}

#[test]
fn a_put_gives_every_kind_the_difference() {
    let mut site = Site::new(HERE);
    let value = json!({
        "name": "a", "on_hand": 4, "sellable": 3, "depth": -2, "tags": ["x", "y"], "lines": [1, 2, 3], "body": "one two",
        "attributes": {"a": {}}
    });
    let put = |value: &Value| json!([{"op": "put", "value": value}]);
    site.write(put(&value));
    site.shows(value.clone());
    assert_eq!(site.try_write(put(&value)), Ok(None), "nothing differs");
    let next = json!({
        "name": "b", "on_hand": -4, "sellable": 1, "depth": -5, "tags": ["y", null], "lines": [1, 9, 3, 4], "body": "one 2",
        "attributes": {"b": 1}
    });
    site.write(put(&next));
    site.shows(next);
    site.write(put(&json!({"name": "b"})));
    site.shows(json!({"name": "b", "on_hand": -4, "sellable": 1, "depth": -5}));
    site.write(put(&value));
    site.shows(value);
    for (wrong, refused) in [
        (json!({"on_hand": "1"}), "/on_hand is a counter: it takes a whole number, not a string"),
        (json!({"sellable": 1.5}), "/sellable is a bounded-counter: it takes a whole number, not a number"),
        (json!({"tags": 1}), "/tags is a set: it takes an array of distinct scalars, not a number"),
        (
            json!({"tags": [1, 1]}),
            "/tags is a set: it takes an array of distinct scalars, not an array with an element twice",
        ),
        (json!({"tags": [[]]}), "an element of the set /tags is a scalar, not an array"),
        (json!({"lines": {"a": 1}}), "/lines is a list: it takes an array, not an object"),
        (json!({"body": null}), "/body is a text: it takes a string, not null"),
        (json!({"depth": -6}), "/depth: 1 more rights are needed here, and nobody else holds any"),
    ] {
        assert_eq!(site.refused(put(&wrong)), refused);
    }
}

#[test]
fn concurrent_edits_of_every_kind_merge() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let base = here.write(json!([{"op": "put", "value": {
        "tags": ["a", "b"], "lines": ["1", "2", "3"], "body": "the quick fox", "on_hand": 1
    }}]));
    there.take(&[&base]);
    let mine = here.write(json!([{"op": "put", "value": {
        "tags": ["b", "c"], "lines": ["1", "2", "3", "4"], "body": "the quick brown fox", "on_hand": 3
    }}]));
    let theirs = there.write(json!([{"op": "put", "value": {
        "tags": ["a", "b", "d"], "lines": ["0", "1", "3"], "body": "a quick fox!", "on_hand": 0
    }}]));
    here.take(&[&theirs]);
    there.take(&[&mine]);
    here.shows(json!({
        "tags": ["b", "c", "d"], "lines": ["0", "1", "3", "4"], "body": "a quick brown fox!", "on_hand": 2
    }));
    assert_eq!(
        (here.document.json(), here.document.heads()),
        (there.document.json(), there.document.heads())
    );
}

#[test]
fn cut_off_sites_make_the_same_list_and_text() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let operations = |item: &str| {
        json!([{"op": "insert", "field": "/lines", "index": 0, "values": [item]},
               {"op": "splice", "field": "/body", "index": 0, "insert": item}])
    };
    let mine = here.write(operations("h"));
    let theirs = there.write(operations("t"));
    here.take(&[&theirs]);
    there.take(&[&mine]);
    assert_eq!(here.document.json(), there.document.json());
    let json = here.document.json().unwrap();
    assert_eq!(json["lines"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(json["body"].as_str().unwrap().len(), 2, "{json}");
}

#[test]
fn an_insertion_survives_who_removes_the_list() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let base = here.write(json!([{"op": "put", "value": {"name": "n", "lines": [1, 2], "body": "ab"}}]));
    there.take(&[&base]);
    let removed = here.write(json!([{"op": "put", "value": {"name": "n"}}]));
    here.shows(json!({"name": "n"}));
    let inserted = there.write(json!([
        {"op": "insert", "field": "/lines", "index": 1, "values": [9]},
        {"op": "splice", "field": "/body", "index": 1, "insert": "x"}
    ]));
    here.take(&[&inserted]);
    there.take(&[&removed]);
    for site in [&mut here, &mut there] {
        site.shows(json!({"name": "n", "lines": [9], "body": "x"}));
        site.write(json!([{"op": "insert", "field": "/lines", "index": 1, "values": [10]}]));
        site.shows(json!({"name": "n", "lines": [9, 10], "body": "x"}));
    }
}

#[test]
fn a_list_comes_back_after_a_plain_value_in_its_place() {
    let mut site = Site::new(HERE);
    site.write(json!([{"op": "put", "value": {"lines": [1, 2]}}]));
    site.write(json!([{"op": "put", "value": {}}]));
    let plain = [Operation::Put(json!({"lines": "none"}))];
    site.document.write(&Signature::of(HERE, 0), None, &plain).unwrap().unwrap();
    site.shows(json!({"lines": "none"}));
    site.write(json!([{"op": "put", "value": {"lines": [3]}}]));
    site.shows(json!({"lines": [3]}));
    let mut loaded = Document::load(&site.document.save()).unwrap();
    assert_eq!(loaded.json(), site.document.json());
    let insert = Operation::Insert { field: field("/lines"), index: 1, values: vec![json!(4)] };
    loaded.write(&Signature::of(THERE, 0), Some(&every_kind()), &[insert]).unwrap().unwrap();
    assert_eq!(loaded.json(), Some(json!({"lines": [3, 4]})));
}

/// Without the schema the field is plain; with it a list, at one site and at a peer.
#[test]
fn a_plain_value_that_becomes_a_list_is_taken_by_peers() {
    let mut site = Site::new(HERE);
    let plain = [Operation::Put(json!({"lines": ["a"], "name": "x"}))];
    site.document.write(&Signature::of(HERE, 0), None, &plain).unwrap().unwrap();
    site.write(json!([{"op": "merge_patch", "patch": {"name": "y"}}]));
    site.shows(json!({"lines": ["a"], "name": "y"}));
    site.write(json!([{"op": "insert", "field": "/lines", "index": 1, "values": ["b"]}]));
    site.shows(json!({"lines": ["a", "b"], "name": "y"}));
}

#[test]
fn a_patch_settles_no_conflict_of_another_field() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    here.document.write(&Signature::of(HERE, 0), None, &[Operation::Put(json!({"a": 1}))]).unwrap();
    let below = [Operation::Put(json!({"a": {"b": 2}}))];
    let below = there.document.write(&Signature::of(THERE, 0), None, &below).unwrap().unwrap();
    here.take(&[&below]);
    here.write(json!([{"op": "merge_patch", "patch": {"name": "n"}}]));
    here.shows(json!({"a": {"b": 2}, "name": "n"}));
    let conflicts = here.document.conflicts();
    assert!(conflicts.iter().any(|conflict| conflict.field == "/a"), "{conflicts:?}");
}

#[test]
fn a_plain_value_is_shown_where_a_list_was_removed() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let list = here.write(json!([{"op": "put", "value": {"lines": [1]}}]));
    let removed = here.write(json!([{"op": "put", "value": {}}]));
    // Its number is no higher than that of the list's creation, which outranks it by its author.
    let plain = [Operation::Put(json!({"lines": "none"}))];
    let plain = there.document.write(&Signature::of(THERE, 0), None, &plain).unwrap().unwrap();
    here.take(&[&plain]);
    there.take(&[&list, &removed]);
    here.shows(json!({"lines": "none"}));
    there.shows(json!({"lines": "none"}));
}

#[test]
fn plain_values_go_into_what_the_schema_makes_of_a_field() {
    let mut site = Site::new(HERE);
    let value = json!({"tags": ["a"], "lines": [1], "body": "x", "sellable": 4, "on_hand": 2});
    site.document.write(&Signature::of(THERE, 0), None, &[Operation::Put(value)]).unwrap();
    site.write(json!([
        {"op": "add", "field": "/tags", "element": "b"},
        {"op": "insert", "field": "/lines", "index": 1, "values": [2]},
        {"op": "splice", "field": "/body", "index": 1, "insert": "y"},
        {"op": "grant", "field": "/sellable", "by": 2},
        {"op": "spend", "field": "/sellable", "by": 1},
        {"op": "increment", "field": "/on_hand", "by": 1}
    ]));
    site.shows(json!({"tags": ["a", "b"], "lines": [1, 2], "body": "xy", "sellable": 5, "on_hand": 3}));
    assert!(site.refused(json!([{"op": "spend", "field": "/sellable", "by": 2}])).contains("1 more rights"));
}

#[test]
fn a_bounded_counter_says_what_is_missing_and_who_holds_it() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let third = Origin([3; 16]);
    let granted = here.write(json!([
        {"op": "grant", "field": "/sellable", "by": 10},
        {"op": "grant", "field": "/sellable", "by": 4, "to": third},
        {"op": "transfer", "field": "/sellable", "by": 3, "to": THERE}
    ]));
    there.take(&[&granted]);
    there.shows(json!({"sellable": 14}));
    assert_eq!(
        there.refused(json!([{"op": "spend", "field": "/sellable", "by": 5}])),
        "/sellable: 2 more rights are needed here; AQEBAQEBAQEBAQEB holds 7, AwMDAwMDAwMDAwMD holds 4"
    );
    let spent = there.write(json!([{"op": "spend", "field": "/sellable", "by": 3}]));
    let error = there.try_write(json!([{"op": "put", "value": {"sellable": 10}}])).unwrap_err();
    let holders = vec![(HERE.short(), 7), (third.short(), 4)];
    assert_eq!(error, WriteError::NotEnough { field: field("/sellable"), missing: 1, holders });
    here.write(json!([{"op": "put", "value": {"sellable": 7}}]));
    here.take(&[&spent]);
    here.shows(json!({"sellable": 4}));
    assert!(
        here.refused(json!([{"op": "transfer", "field": "/sellable", "by": 1, "to": THERE}]))
            .contains("1 more")
    );
    assert!(
        here.refused(json!([{"op": "clear", "field": "/sellable"}])).contains("others hold their rights")
    );
    for operation in ["spend", "grant"] {
        let most = json!([{"op": operation, "field": "/sellable", "by": u64::MAX}]);
        assert!(!here.refused(most).is_empty(), "no total leaves 64 bits");
    }
}

#[test]
fn clearing_empties_every_kind() {
    let mut site = Site::new(HERE);
    let value = json!({"name": "n", "on_hand": 5, "tags": [1], "lines": [1], "body": "b", "attributes": {"a": {"b": 1}, "c": []}});
    site.write(json!([{"op": "put", "value": value}]));
    for name in ["name", "on_hand", "tags", "lines", "body", "attributes", "unheard"] {
        site.try_write(json!([{"op": "clear", "field": format!("/{name}")}])).unwrap();
    }
    site.shows(json!({"on_hand": 0, "tags": [], "lines": [], "body": "", "attributes": {}}));
    let mut plain = Site::new(HERE);
    plain.write(json!([{"op": "put", "value": {"a": {"b": 1}}}]));
    plain.write(json!([{"op": "clear", "field": "/a"}]));
    plain.shows(json!({}));
}

#[test]
fn a_deleted_document_is_written_by_a_put_alone() {
    let mut site = Site::new(HERE);
    let delete = json!([{"op": "delete"}]);
    assert_eq!(site.try_write(delete.clone()), Ok(None), "nothing is there");
    site.write(json!([{"op": "put", "value": {
        "name": "n", "on_hand": 5, "sellable": 6, "tags": ["a"], "lines": [1], "body": "b", "unheard": 1
    }}]));
    let given = site.write(json!([{"op": "transfer", "field": "/sellable", "by": 2, "to": THERE}]));
    site.write(delete.clone());
    assert_eq!((site.document.json(), site.document.violations(&every_kind())), (None, vec![]));
    assert_eq!(site.try_write(delete.clone()), Ok(None), "it is deleted already");
    for operation in [
        json!({"op": "increment", "field": "/on_hand", "by": 1}),
        json!({"op": "merge_patch", "patch": {}}),
        json!({"op": "patch", "patch": []}),
        json!({"op": "add", "field": "/tags", "element": "a"}),
        json!({"op": "splice", "field": "/body", "index": 0, "insert": "x"}),
    ] {
        assert_eq!(site.refused(json!([operation])), "the document is deleted: put it to bring it back");
    }
    assert!(
        site.refused(json!([{"op": "put", "value": {"sellable": 1}}])).contains("1 more rights are needed")
    );
    site.write(json!([{"op": "put", "value": {"tags": ["b"]}}]));
    site.shows(json!({"tags": ["b"], "on_hand": 0, "sellable": 2}));
    assert_eq!(given.dependencies.len(), 1);
}

#[test]
fn a_deleted_document_that_is_too_large_to_clear_at_once_is_emptied_by_steps() {
    let mut site = Site::new(HERE);
    let splice = |delete: usize, insert: &str| json!([{"op": "splice", "field": "/body", "index": 0, "delete": delete, "insert": insert}]);
    (0..2).for_each(|_| drop(site.write(splice(0, &"x".repeat(6_000)))));
    site.write(json!([{"op": "put", "value": {"body": "x".repeat(12_000), "lines": [1], "on_hand": 3}}]));
    site.write(json!([{"op": "delete"}]));
    let back = json!([{"op": "put", "value": {"name": "n", "body": "b"}}]);
    assert!(site.refused(back.clone()).starts_with("one call may write 8192"));
    site.write(splice(6_000, ""));
    site.write(json!([{"op": "clear", "field": "/lines"}]));
    assert_eq!(site.document.json(), None, "it stays deleted");
    site.write(back);
    site.shows(json!({"name": "n", "body": "b", "on_hand": 0}));
}

#[test]
fn a_deletion_wins_over_concurrent_edits_and_puts() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let base = here.write(json!([{"op": "put", "value": {"name": "n"}}]));
    there.take(&[&base]);
    let deleted = here.write(json!([{"op": "delete"}]));
    let back = here.write(json!([{"op": "put", "value": {"name": "m"}}]));
    here.shows(json!({"name": "m"}));
    let edited = there.write(json!([{"op": "increment", "field": "/on_hand", "by": 2}]));
    let also = there.write(json!([{"op": "delete"}]));
    here.take(&[&edited]);
    here.shows(json!({"name": "m", "on_hand": 2}));
    here.take(&[&also]);
    there.take(&[&deleted, &back]);
    for site in [&mut here, &mut there] {
        assert_eq!(site.document.json(), None, "the deletion that the put has not seen stands");
        site.write(json!([{"op": "put", "value": {"name": "o"}}]));
        site.shows(json!({"name": "o", "on_hand": 0}));
    }
}

#[test]
fn a_put_keeps_what_a_newer_schema_has_added() {
    let mut site = Site::new(HERE);
    let newer = json!({"name": "n", "since": 1, "shape": {"wide": true}, "attributes": {"free": 1}});
    site.document.write(&Signature::of(THERE, 0), None, &[Operation::Put(newer)]).unwrap();
    site.write(json!([{"op": "put", "value": {"on_hand": 1}}]));
    site.shows(json!({"on_hand": 1, "since": 1, "shape": {"wide": true}}));
    site.write(json!([{"op": "merge_patch", "patch": {"since": null}}]));
    site.shows(json!({"on_hand": 1, "shape": {"wide": true}}));
    site.write(json!([{"op": "patch", "patch": [{"op": "remove", "path": "/shape"}]}]));
    site.shows(json!({"on_hand": 1}));
}

#[test]
fn a_write_breaks_no_rule_but_mends_what_a_merge_broke() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let full = |by: i64| json!([{"op": "increment", "field": "/on_hand", "by": by}]);
    let refused = here.refused(full(1_001));
    assert!(refused.starts_with("the document would break its schema: /on_hand: "), "{refused}");
    assert!(here.refused(json!([{"op": "put", "value": {"name": "much too long"}}])).contains("/name"));
    here.write(full(900));
    let theirs = there.write(full(300));
    here.take(&[&theirs]);
    here.shows(json!({"on_hand": 1_200}));
    assert_eq!(here.document.violations(&here.schema).len(), 1);
    here.write(full(-1));
    here.write(json!([{"op": "put", "value": {"name": "fine"}}]));
    assert!(here.refused(json!([{"op": "put", "value": {"name": "much too long"}}])).contains("/name"));
    here.shows(json!({"name": "fine", "on_hand": 1_199}));
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let mut site = Site::new(HERE);
    site.write(json!([{"op": "put", "value": {"on_hand": 10.0, "sellable": 4.0, "depth": -2.0}}]));
    site.write(json!([
        {"op": "increment", "field": "/on_hand", "by": -3.0},
        {"op": "spend", "field": "/sellable", "by": 1.0},
        {"op": "grant", "field": "/depth", "by": 2e0}
    ]));
    site.shows(json!({"on_hand": 7, "sellable": 3, "depth": 0}));
    assert!(
        site.refused(json!([{"op": "put", "value": {"on_hand": 1e300}}])).contains("takes a whole number")
    );
    assert!(site.refused(json!([{"op": "put", "value": {"on_hand": 7.5}}])).contains("takes a whole number"));
    for by in [json!(1.5), json!(1e30), json!("1"), json!(-1)] {
        let spend = json!({"op": "spend", "field": "/sellable", "by": by});
        assert!(serde_json::from_value::<Operation>(spend.clone()).is_err(), "{spend}");
    }
}

/// Merges of documents that each keep the limits.
fn joined(schema: Option<&Schema>, values: impl Iterator<Item = Value>) -> Document {
    let mut joined = Document::new();
    for (site, value) in (1..).zip(values) {
        let put = [Operation::Put(value)];
        let mut document = Document::new();
        let change = document.write(&Signature::of(Origin([site; 16]), 0), schema, &put).unwrap().unwrap();
        joined.apply(&[change.chunk]).unwrap();
    }
    joined
}

#[test]
fn a_document_that_a_merge_made_too_large_is_mended_by_steps() {
    let fields = |site: usize| -> serde_json::Map<String, Value> {
        (0..2_500).map(|n| (format!("{site} {n}"), json!(n))).collect()
    };
    let mut document = joined(None, (0..2).map(|site| fields(site).into()));
    let mut write = |operation: Value| {
        let operation: Operation = serde_json::from_value(operation).unwrap();
        document.write(&Signature::of(HERE, 0), None, &[operation]).map(|change| change.is_some())
    };
    let more = json!({"op": "merge_patch", "patch": {"more": 1}});
    let refused = write(more.clone()).unwrap_err();
    assert_eq!(refused.to_string(), "a document has at most 4096 fields");
    assert_eq!(write(json!({"op": "merge_patch", "patch": {"0 1": null, "0 2": 7}})), Ok(true));
    assert_eq!(write(json!({"op": "patch", "patch": [{"op": "remove", "path": "/0 3"}]})), Ok(true));
    assert_eq!(write(json!({"op": "put", "value": fields(1)})), Ok(true));
    assert_eq!(write(more), Ok(true));
}

#[test]
fn a_document_that_breaks_many_rules_is_mended_by_steps() {
    let strict = r#"{"x-version":1,"type":"object","additionalProperties":{"type":"string"}}"#;
    let strict = Schema::parse(strict).unwrap();
    let fields: serde_json::Map<String, Value> = (0..300).map(|n| (n.to_string(), json!(n))).collect();
    let mut document = joined(None, std::iter::once(Value::from(fields)));
    assert_eq!(document.violations(&strict).len(), crate::VIOLATIONS_MAX);
    let mut write = |patch: Value| {
        let patch = [Operation::MergePatch(patch)];
        document.write(&Signature::of(HERE, 0), Some(&strict), &patch).map(|change| change.is_some())
    };
    assert_eq!(write(json!({"0": "zero", "99": "more"})), Ok(true));
    assert_eq!(write(json!({"100": 7})), Ok(true), "it is no worse");
    assert!(matches!(write(json!({"more": 1})), Err(WriteError::Invalid(new)) if new.len() == 1));
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

#[test]
fn operations_need_a_field_of_their_kind() {
    let mut site = Site::new(HERE);
    for (operation, kind) in [
        (json!({"op": "spend", "field": "/name", "by": 1}), "bounded-counter"),
        (json!({"op": "grant", "field": "/on_hand", "by": 1}), "bounded-counter"),
        (json!({"op": "add", "field": "/lines", "element": 1}), "set"),
        (json!({"op": "insert", "field": "/tags", "index": 0, "values": []}), "list"),
        (json!({"op": "splice", "field": "/body", "index": 0, "insert": []}), "list"),
        (json!({"op": "splice", "field": "/lines", "index": 0, "insert": ""}), "text"),
    ] {
        let refused = site.refused(json!([operation]));
        assert!(
            refused.contains(&format!(" is no {kind}: name it in the collection's schema with")),
            "{refused}"
        );
    }
}

#[test]
fn every_limit_is_refused_with_words() {
    let mut site = Site::new(HERE);
    let many: Vec<Value> = (0..257).map(|_| json!({"op": "delete"})).collect();
    assert_eq!(site.refused(Value::Array(many)), "one call may have 256 operations, this one has 257");
    let long = json!([{"op": "add", "field": "/tags", "element": "x".repeat(1_023)}]);
    assert_eq!(site.refused(long), "an element of the set /tags has at most 1024 bytes");
    site.write(json!([{"op": "add", "field": "/tags", "element": "x".repeat(1_022)}]));
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let deep = json!([{"op": "insert", "field": "/lines", "index": 0, "values": [deep]}]);
    assert!(site.refused(deep).starts_with("a value for the list /lines is nested deeper"));
    let text = json!([{"op": "splice", "field": "/body", "index": 0, "insert": "x".repeat(9_000)}]);
    assert!(site.refused(text).starts_with("one call may write 8192 entries, items and characters"));
    let steps: Vec<Value> = (0..1_025).map(|_| json!({"op": "test", "path": "", "value": {}})).collect();
    let patch = json!([{"op": "patch", "patch": steps}]);
    assert_eq!(site.refused(patch), "a patch may have 1024 operations, this one has 1025");
}

#[test]
fn a_long_text_goes_in_and_out_and_peers_take_it() {
    let mut site = Site::new(HERE);
    let mut other = Document::new();
    let long: String = ('a'..='z').cycle().take(8_000).collect();
    for (delete, insert) in [(0, long.as_str()), (0, &long), (7_999, "")] {
        let splice = Operation::Splice {
            field: field("/body"),
            index: 1.min(delete),
            delete,
            insert: Insertion::Text(insert.into()),
        };
        let change =
            site.document.write(&Signature::of(HERE, 0), Some(&site.schema), &[splice]).unwrap().unwrap();
        other.apply(&[change.chunk]).unwrap();
    }
    assert_eq!(other.json().unwrap()["body"].as_str().unwrap().len(), 8_001);
    assert_eq!(other.json(), site.document.json());
}

fn texts() -> impl Strategy<Value = String> {
    "[abé🦀 ]{0,12}"
}

proptest! {
    #[test]
    fn a_put_makes_any_lists_and_texts_of_any_others(
        lists in prop::collection::vec(prop::collection::vec(0..5_u8, 0..8), 1..4),
        bodies in prop::collection::vec(texts(), 1..4),
        tags in prop::collection::vec(prop::collection::btree_set(0..5_u8, 0..5), 1..4),
    ) {
        let mut site = Site::new(HERE);
        for ((lines, body), tags) in lists.iter().zip(&bodies).zip(&tags) {
            let value = json!({"lines": lines, "body": body, "tags": tags});
            site.try_write(json!([{"op": "put", "value": value}])).unwrap();
            prop_assert_eq!(site.document.json(), Some(value));
        }
    }
}
