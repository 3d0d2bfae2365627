//! What is sent again, and what is not.

use super::*;

/// The peer said that it stopped the stream, and takes it up at the next connection, by a hello that says nothing of it.
#[test]
fn what_was_stopped_for_want_of_a_right_comes_over_the_next_connection() {
    let mut fleet = Fleet::new(4);
    fleet.third_writes_at_first();
    fleet.cut(1, 3);
    fleet.connect(1, 2);
    assert_eq!(stops(&fleet.nodes[2]), [(origin(4), StopReason::RightUnknown)]);
    fleet.cut(1, 2);
    // The hub tells of the right, and has nothing that was written by it.
    fleet.connect(0, 2);
    fleet.cut(0, 2);
    assert_eq!(fleet.has(2, 3, "store-1"), 0);
    fleet.since.clear();
    fleet.connect(1, 2);
    let builds_on_more = |(_, since): &(usize, u64)| *since > 0;
    assert!(fleet.since.iter().all(builds_on_more) && fleet.since.len() == 2, "{:?}", fleet.since);
    assert_eq!(fleet.has(2, 3, "store-1"), 1);
    assert_eq!(fleet.nodes[2].get("store-1/note/1"), Some(json!({"n": 3})));
    assert_eq!(fleet.disconnects(), []);
}

#[test]
fn a_change_crosses_each_link_of_a_mesh_at_most_once_each_way() {
    let mut fleet = Fleet::new(4);
    for node in 1..4 {
        fleet.grant(node, &[("store-1", FULL), ("system", FULL)]);
        fleet.connect(0, node);
    }
    for (one, other) in [(1, 2), (1, 3), (2, 3)] {
        fleet.connect(one, other);
    }
    for round in 0..5 {
        for node in 0..4 {
            fleet.nodes[node].put(&format!("store-1/note/{node}-{round}"), json!({"n": round}));
        }
        fleet.carry();
    }
    for of in 0..4 {
        for node in 0..4 {
            assert_eq!(fleet.has(node, of, "store-1"), 5);
        }
    }
    assert!(fleet.sent.values().all(|times| *times == 1), "{:?}", fleet.sent);
    for (passage, author, _) in fleet.sent.keys() {
        let author = usize::from((1..=4).find(|number| origin(*number) == *author).unwrap()) - 1;
        assert_ne!(passage.1, author, "nothing goes back to its author");
    }
    // Over three links from its author, and both ways where two neighbours learn of it at once.
    let (changes, links) = (4 * 5, 6);
    assert!(fleet.sent.len() <= changes * (3 + 2 * (links - 3)), "{}", fleet.sent.len());
    assert_eq!(fleet.disconnects(), []);
}
