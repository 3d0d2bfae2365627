//! Clearing fields, deleting documents, and putting them back.

use super::*;

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
