//! Lists and texts, and plain values in their place.

use super::*;

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
