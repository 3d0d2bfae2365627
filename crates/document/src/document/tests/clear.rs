//! Emptying a field, where others wrote at once.

use super::{HERE, THERE, every_kind};
use crate::{Document, Operation, Origin, Pointer, Signature};
use serde_json::{Value, json};

fn write(document: &mut Document, origin: Origin, operation: Operation) -> Option<Vec<u8>> {
    let written = document.write(&Signature::of(origin, 5), Some(&every_kind()), &[operation]);
    written.unwrap().map(|change| change.chunk)
}

fn clear(field: &str) -> Operation {
    Operation::Clear { field: Pointer::parse(field).unwrap() }
}

fn shown(document: &Document, field: &str) -> Value {
    document.json().unwrap()[field].clone()
}

#[test]
fn a_map_stays_however_often_it_is_cleared() {
    let mut document = Document::new();
    write(&mut document, HERE, Operation::Put(json!({"attributes": {"colour": "red"}})));
    assert!(write(&mut document, HERE, clear("/attributes")).is_some());
    assert_eq!(shown(&document, "attributes"), json!({}));
    assert_eq!(write(&mut document, HERE, clear("/attributes")), None, "nothing is left to remove");
    assert_eq!(shown(&document, "attributes"), json!({}));
}

#[test]
fn a_set_stays_that_another_left_out_meanwhile() {
    let add = || Operation::Add { field: Pointer::parse("/tags").unwrap(), element: json!("new") };
    let (mut here, mut there) = (Document::new(), Document::new());
    let first = write(&mut here, HERE, add()).unwrap();
    there.apply(&[first]).unwrap();
    write(&mut here, HERE, add()).unwrap();
    let left_out = write(&mut there, THERE, Operation::Put(json!({"name": "milk"}))).unwrap();
    here.apply(&[left_out]).unwrap();
    assert_eq!(shown(&here, "tags"), json!(["new"]), "added meanwhile");
    write(&mut here, HERE, clear("/tags"));
    assert_eq!(shown(&here, "tags"), json!([]));
}
