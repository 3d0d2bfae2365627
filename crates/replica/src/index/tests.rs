use super::*;
use crate::query::sample;
use serde_json::json;

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

#[test]
fn a_field_is_found_through_objects() {
    let document = json!({"a/b": {"~c": 1, "~1": 2}, "+x": 3, "list": [4], "": 5});
    let value = |text: &str| Field::new(&pointer(text)).value(&document).cloned();
    assert_eq!(value("/a~1b/~0c"), Some(json!(1)));
    assert_eq!(value("/a~1b/~01"), Some(json!(2)));
    assert_eq!((value("/+x"), value("/")), (Some(json!(3)), Some(json!(5))));
    assert_eq!((value("/list/0"), value("/a"), value("/+x/y")), (None, None, None));
}

#[test]
fn only_what_differs_is_written() {
    let indexing = Indexing::new(Some(&sample::schema(&["/a", "/b"], false)));
    let (space, collection, key) = (SpaceNumber(1), Collection::new("c").unwrap(), Key::new("k").unwrap());
    let of = |document: Option<Value>| rows(&indexing, space, &collection, &key, document.as_ref());
    let (old, new) = (of(Some(json!({"a": 1, "b": 2}))), of(Some(json!({"a": 1.0, "b": 3, "c": 4}))));
    let (removed, added) = difference(old.clone(), new.clone());
    assert_eq!((removed.len(), added.len()), (1, 1));
    assert!(old.contains(&removed[0]) && new.contains(&added[0]));
    assert_eq!(difference(of(None), old.clone()), (Vec::new(), old.clone()));
    assert_eq!(difference(old.clone(), of(None)), (old, Vec::new()));
}

#[test]
fn a_collection_without_a_schema_has_no_index() {
    let indexing = Indexing::new(None);
    let (collection, key) = (Collection::new("c").unwrap(), Key::new("k").unwrap());
    assert_eq!(rows(&indexing, SpaceNumber(1), &collection, &key, Some(&json!({"a": 1}))), []);
    assert_eq!(indexing.shown(json!({"a": 1})), json!({"a": 1}));
}

#[test]
fn a_default_is_indexed() {
    let indexing = Indexing::new(Some(&sample::schema(&["/b"], true)));
    let (collection, key) = (Collection::new("c").unwrap(), Key::new("k").unwrap());
    let of = |document: Value| rows(&indexing, SpaceNumber(1), &collection, &key, Some(&document));
    assert_eq!(of(json!({})), of(json!({"b": 1})));
    assert_ne!(of(json!({})), of(json!({"b": null})));
}

#[test]
fn the_bytes_of_a_row_stay_as_they_are() {
    let indexing = Indexing::new(Some(&sample::schema(&["/c/d"], false)));
    let (collection, key) = (Collection::new("shelf").unwrap(), Key::new("k").unwrap());
    let row = |d: Value| {
        let rows = rows(&indexing, SpaceNumber(1), &collection, &key, Some(&json!({"c": {"d": d}})));
        rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>().concat()
    };
    assert_eq!(row(json!("ab")), b"i\0\0\0\x01shelf\0/c/d\0\x06ab\0k");
    assert_eq!(row(json!(1)), b"i\0\0\0\x01shelf\0/c/d\0\x05\xbf\xf0\0\0\0\0\0\0\0\0k");
}
