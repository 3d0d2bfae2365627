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

/// A hub and four sites, each linked with every other.
const MESH_NODES: u32 = 5;
/// How often a change is sent over a link, both ways together, on the average of all links and changes.
///
/// A replica passes a change on as soon as it is durable, to all but the peer that it came from. Two that have it from a third
/// send it to each other, and their frames cross. So each of the five sends it to three others, and the author to four: 16
/// times over ten links. Whoever sent it back where it came from would make it 20. Less would need that a replica waits
/// whether a neighbour gets it by another way, which costs time in the case that it does not.
const SENT_PER_LINK_MAX: f64 = 1.6;

#[test]
fn a_change_travels_each_link_of_a_mesh_about_once() {
    // Between two writes few frames arrive, so that much is on its way at once, or most of them.
    for (seed, frames) in [(1, 8), (2, 60)] {
        check_travels(seed, frames);
    }
}

fn check_travels(mut chance: u64, frames: usize) {
    const ROUNDS: u32 = 30;
    let (mut fleet, nodes) = (mesh(), MESH_NODES as usize);
    for round in 0..ROUNDS {
        for node in 0..nodes {
            fleet.nodes[node].put(&format!("store-1/note/{node}-{round}"), json!({"n": round}));
            fleet.carry_some(&mut chance, frames);
        }
    }
    fleet.carry_some(&mut chance, usize::MAX);
    for (of, node) in (0..nodes).flat_map(|of| (0..nodes).map(move |node| (of, node))) {
        assert_eq!(fleet.has(node, of, "store-1"), u64::from(ROUNDS));
    }
    let (mut by_way, mut back) = (BTreeMap::new(), 0);
    for (((from, to), author, number), times) in &fleet.sent {
        assert_eq!(*times, 1, "{from} sends {to} change {number} of {author} again");
        *by_way.entry((*from, *to)).or_default() += times;
        back += u32::from(origin_of(&fleet.nodes[*to].settings.key) == *author);
    }
    let (changes, links) = (ROUNDS * MESH_NODES, MESH_NODES * (MESH_NODES - 1) / 2);
    let sent: u32 = by_way.values().sum();
    let per_link = f64::from(sent) / f64::from(changes * links);
    assert!(per_link <= SENT_PER_LINK_MAX, "{per_link} times a link: {by_way:?}");
    // Only to an author whose own frame is overtaken by another way.
    assert!(back * 8 < sent, "{back} of {sent} went back to their author");
    assert_eq!(fleet.disconnects(), []);
}

fn mesh() -> Fleet {
    let (mut fleet, nodes) = (Fleet::new(MESH_NODES as usize), MESH_NODES as usize);
    for node in 1..nodes {
        fleet.grant(node, &[("store-1", FULL), ("system", FULL)]);
        fleet.connect(0, node);
    }
    for one in 1..nodes {
        for other in one + 1..nodes {
            fleet.connect(one, other);
        }
    }
    fleet.sent.clear();
    fleet
}
