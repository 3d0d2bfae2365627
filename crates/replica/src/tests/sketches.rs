//! Sketches of spaces that are kept for the next peer.

use super::*;
use crate::keys::SpaceNumber;
use crate::reconcile::{Sketch, Sketches};
use std::sync::Arc;

/// A node that writes five spaces.
fn node() -> Node {
    let mut settings = hub_settings();
    for number in 2..=4 {
        settings.spaces.insert(space(&format!("store-{number}")), SpaceMode::Write);
    }
    settings.trimming = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
    Node::new(settings)
}

fn number(node: &Node, name: &str) -> SpaceNumber {
    node.journal().names.space_number(&space(name)).unwrap()
}

/// The sketch, where it is kept or made of at most so many documents.
fn sketch(sketches: &mut Sketches, node: &Node, name: &str, mut rows: usize) -> Option<Arc<Sketch>> {
    sketches.of(&node.journal(), number(node, name), &mut rows).unwrap()
}

#[test]
fn a_sketch_is_made_in_steps_and_serves_until_its_space_changed_much() {
    let (mut node, mut sketches) = (node(), Sketches::default());
    (0..10).for_each(|n| _ = node.put(&format!("catalog/note/{n}"), json!({ "n": n })));
    assert!(sketch(&mut sketches, &node, "catalog", 4).is_none());
    assert!(sketch(&mut sketches, &node, "catalog", 4).is_none());
    let first = sketch(&mut sketches, &node, "catalog", 4).unwrap();
    assert_eq!(first.documents, 10);
    for n in 0..1_024 {
        node.ask(Request::write(
            address("catalog/note/1"),
            vec![document::Operation::Put(json!({ "at": n }))],
        ));
    }
    node.settle();
    let kept = sketch(&mut sketches, &node, "catalog", 0).unwrap();
    assert!(Arc::ptr_eq(&first, &kept));
    node.put("catalog/note/1", json!({"at": -1}));
    assert!(sketch(&mut sketches, &node, "catalog", 0).is_none(), "one change too many");
    let second = sketch(&mut sketches, &node, "catalog", 10).unwrap();
    assert_ne!(first.key, second.key, "nobody knows the next key");
}

#[test]
fn a_sketch_whose_next_changes_the_journal_no_more_has_is_made_again() {
    let (mut node, mut sketches) = (node(), Sketches::default());
    node.put("catalog/note/1", json!({"n": 1}));
    let first = sketch(&mut sketches, &node, "catalog", 10).unwrap();
    node.put("catalog/note/1", json!({"n": 2}));
    assert!(Arc::ptr_eq(&first, &sketch(&mut sketches, &node, "catalog", 0).unwrap()));
    node.wall_ms += 5_000;
    node.put("store-1/note/1", json!({}));
    node.settle();
    assert!(sketch(&mut sketches, &node, "catalog", 0).is_none());
}

#[test]
fn few_sketches_are_kept() {
    let (mut node, mut sketches) = (node(), Sketches::default());
    let names = ["catalog", "store-1", "store-2", "store-3", "store-4"];
    for name in names {
        node.put(&format!("{name}/note/1"), json!({}));
    }
    names.iter().for_each(|name| assert!(sketch(&mut sketches, &node, name, 10).is_some()));
    let kept = names.map(|name| sketch(&mut sketches, &node, name, 0).is_some());
    assert_eq!(kept, [false, true, true, true, true]);
}
