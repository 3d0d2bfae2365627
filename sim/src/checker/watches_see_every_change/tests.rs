use super::*;
use crate::sabotage::Sabotage;
use crate::topology::Shape;
use crate::world::{ClientWrite, World};
use document::ChangeHash;
use replica::{Stamp, WatchCursor};

fn changed(sequence: u64, lsn: u64) -> WatchEvent {
    let document = WatchedDocument {
        address: "s/c/k".parse().unwrap(),
        lsn,
        heads: Vec::new(),
        value: WatchedValue::Absent,
        violations: Vec::new(),
        blocked: None,
    };
    let stamp = Stamp { origin: Origin([1; 16]), sequence };
    let hash = ChangeHash([0; 32]);
    let change = WatchedChange { stamp, hash, lsn, accepted_ms: 0, signature: None, document };
    WatchEvent::Changed { cursor: WatchCursor(String::new()), changes: vec![change] }
}

#[test]
fn a_gap_a_repetition_and_another_order_are_seen() {
    let take = |events: &[WatchEvent]| {
        let mut feed = Feed { is_synced: true, ..Feed::default() };
        let scope = WatchScope::Space(Space::new("s").unwrap());
        events.iter().try_for_each(|event| feed.take(&scope, event)).is_ok()
    };
    assert!(take(&[changed(1, 4), changed(2, 9)]));
    assert!(!take(&[changed(2, 4)]), "the first is missing");
    assert!(!take(&[changed(1, 4), changed(3, 9)]));
    assert!(!take(&[changed(1, 4), changed(1, 4)]));
    assert!(!take(&[changed(1, 4), changed(2, 3)]));
}

#[test]
fn who_watches_a_collection_is_shown_all_of_it_and_nothing_else() {
    let collection = |name: &str| {
        let (space, collection) = (Space::new("s").unwrap(), document::Collection::new(name).unwrap());
        WatchScope::Collection(space, collection)
    };
    let (scope, whole) = (collection("c"), WatchScope::Space(Space::new("s").unwrap()));
    let feed = |scope: &WatchScope, events: &[WatchEvent]| {
        let mut feed = Feed { is_synced: true, ..Feed::default() };
        events.iter().try_for_each(|event| feed.take(scope, event)).map(|()| feed)
    };
    let all = feed(&whole, &[changed(1, 4), changed(2, 9), changed(3, 11)]).unwrap();
    assert!(
        feed(&scope, &[changed(1, 4), changed(2, 9), changed(3, 11)]).unwrap().compare(&scope, &all).is_ok()
    );
    let lacks = feed(&scope, &[changed(1, 4), changed(3, 11)]).unwrap();
    assert!(lacks.compare(&scope, &all).is_err(), "the second was left out");
    assert!(feed(&collection("d"), &[changed(1, 4)]).is_err(), "it is of another collection");
    assert!(feed(&scope, &[changed(2, 4), changed(1, 9)]).is_err());
}

/// All changes of these events in one.
fn together(events: impl IntoIterator<Item = WatchEvent>) -> WatchEvent {
    let changes = events.into_iter().flat_map(|event| match event {
        WatchEvent::Changed { changes, .. } => changes,
        _ => Vec::new(),
    });
    WatchEvent::Changed { cursor: WatchCursor(String::new()), changes: changes.collect() }
}

/// Whether all is fine with these events of a watch, where changes 2 and 3 are a transaction: when it is acknowledged
/// before they are shown, and when it is after that.
fn are_whole(scope: &WatchScope, events: &[WatchEvent]) -> [bool; 2] {
    let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
    let node = NodeId(1);
    let part = |key: &str| {
        let operations = vec![document::Operation::increment("/on_hand", 1).unwrap()];
        (format!("s/c/{key}").parse().unwrap(), operations)
    };
    let parts = vec![part("k"), part("l")];
    let write = &ClientWrite { id: 1, node, space: Space::new("s").unwrap(), parts, is_retried: false };
    let stamp = Some(Stamp { origin: Origin([1; 16]), sequence: 3 });
    let acknowledged = Observation::Acknowledged { write, stamp, attempts: 1 };
    let synced = WatchEvent::Synced { cursor: WatchCursor(String::new()) };
    let events: Vec<_> = std::iter::once(synced).chain(events.iter().cloned()).collect();
    let watched = Observation::Watched { node, scope, is_anew: true, events: &events };
    let are_fine = |observations: [&Observation<'_>; 2]| {
        let mut checker = WatchesSeeEveryChange::default();
        observations.iter().all(|observation| checker.observe(observation, world.nodes()).is_ok())
    };
    [are_fine([&acknowledged, &watched]), are_fine([&watched, &acknowledged])]
}

#[test]
fn a_transaction_is_shown_in_one_event_and_alone() {
    let whole = WatchScope::Space(Space::new("s").unwrap());
    let are_whole = |events: &[WatchEvent]| are_whole(&whole, events);
    let (one, two, three, four) = (changed(1, 4), changed(2, 9), changed(3, 11), changed(4, 12));
    let transaction = together([two.clone(), three.clone()]);
    assert_eq!(are_whole(&[one.clone(), transaction.clone(), four.clone()]), [true; 2]);
    assert_eq!(are_whole(std::slice::from_ref(&one)), [true; 2], "it is to be shown yet");
    assert_eq!(are_whole(&[one.clone(), two.clone(), three.clone()]), [false; 2], "in two events");
    assert_eq!(are_whole(&[one.clone(), two.clone()]), [false; 2], "a part of it");
    assert_eq!(are_whole(&[one, together([transaction, four])]), [false; 2], "with something else");
}

#[test]
fn who_watches_less_is_shown_its_part_of_a_transaction_in_one_event() {
    let scope = WatchScope::Collection(Space::new("s").unwrap(), document::Collection::new("c").unwrap());
    assert_eq!(are_whole(&scope, &[changed(1, 4), changed(3, 9)]), [true; 2]);
    assert_eq!(are_whole(&scope, &[changed(2, 4), changed(3, 9)]), [false; 2]);
}

#[test]
fn of_a_transaction_that_came_by_a_fill_the_rest_is_shown() {
    let scope = WatchScope::Space(Space::new("s").unwrap());
    let origin = Origin([1; 16]);
    let mut feed = Feed { is_synced: true, filled: [(origin, 2)].into(), ..Feed::default() };
    feed.take(&scope, &changed(3, 4)).unwrap();
    assert!(feed.is_whole(&scope, origin, (2, 3)).is_ok());
    feed.filled.clear();
    assert!(feed.is_whole(&scope, origin, (2, 3)).is_err());
}
