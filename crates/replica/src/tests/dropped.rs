//! Changes that an operator dropped.

use super::blocked::{
    AT, disk_of_a_crashed_hub, disk_of_a_hub_that_ended_on, ends_when_it_tries, list,
    site_with_a_blocked_document,
};
use super::hostile::{bodies, delta, hello, send, send_delta};
use super::*;
use crate::documents::Suspect;
use document::{ChangeHash, ForeignChange};
use wire::{Delta, Frame, Row};

/// The second change of the document, which cannot be applied, and one on top of it.
fn bad_and_dependent() -> (ChangeHash, Vec<u8>) {
    let mut bodies = bodies(origin(1), 3);
    bodies[1][50] = 7;
    let bad = ForeignChange::parse(&bodies[1]).unwrap().hash;
    (bad, on_top_of(&bad, bodies.remove(2)))
}

/// A change with one dependency, with another one.
fn on_top_of(dependency: &ChangeHash, mut body: Vec<u8>) -> Vec<u8> {
    body[1..33].copy_from_slice(&dependency.0);
    body
}

fn in_store(delta: Delta) -> Delta {
    Delta { spaces: vec!["store-1".into()], ..delta }
}

fn drop_change(node: &mut Node) -> Result<Dropped, RequestError> {
    let Response::Dropped(dropped) = node.answer(Request::Drop { address: address(AT) })? else {
        panic!("another answer")
    };
    Ok(dropped)
}

fn stored_changes(node: &Node) -> usize {
    node.disk.scan(Keyspace::Changes, vec![b'c']..vec![b'c' + 1]).count()
}

#[test]
fn a_dropped_change_and_what_depends_on_it_are_passed_over_for_good() {
    let mut site = site_with_a_blocked_document();
    let (bad, dependent) = bad_and_dependent();
    send_delta(&mut site, &in_store(delta(2, 1, 3, &[dependent])));
    let change = BlockingChange { hash: bad, stamp: Stamp { origin: origin(1), sequence: 2 } };
    let Ok(Response::Blocked(blocked)) = site.answer(Request::Blocked { after: None, limit: 10 }) else {
        panic!("no list")
    };
    assert_eq!(blocked.documents[0].change, Some(change), "the operator sees what would be dropped");
    assert_eq!(drop_change(&mut site), Ok(Dropped { change, blocked: None }));
    for _ in 0..2 {
        assert_eq!(site.get(AT), Some(json!({"n": 0})));
        assert_eq!(list(&mut site), []);
        let vector = site.replica.vector(&space("store-1")).unwrap();
        assert_eq!((vector[0].0, vector[0].1.sequence), (origin(1), 3), "stored and counted");
        site.crash();
    }
    site.put(AT, json!({"n": 5}));
    assert_eq!(site.get(AT), Some(json!({"n": 5})), "the document lives again");
    assert_eq!(drop_change(&mut site), Err(RequestError::NotBlocked(address(AT))));
}

#[test]
fn a_snapshot_keeps_the_changes_that_it_does_not_have() {
    let mut site = site_with_a_blocked_document();
    let (_, dependent) = bad_and_dependent();
    send_delta(&mut site, &in_store(delta(2, 1, 3, std::slice::from_ref(&dependent))));
    drop_change(&mut site).unwrap();
    for n in 0..100 {
        site.put(AT, json!({ "n": n }));
    }
    let row = site.place(AT).row;
    assert!(row.snapshot > 3 && stored_changes(&site) < 50, "{row:?}");
    for lsn in [2, 3] {
        let (keyspace, key) = keys::change(keys::DocumentNumber(row.number), lsn);
        assert!(site.disk.get(keyspace, &key).unwrap().is_some(), "{lsn} can still be sent");
    }
    // On top of one that the snapshot does not have.
    let last = on_top_of(&ForeignChange::parse(&dependent).unwrap().hash, bodies(origin(1), 4).remove(3));
    site.crash();
    site.input(Input::PeerUp { link: LinkId(1), peer: "hub".into(), public_key: key(1).public_key });
    site.settle();
    send(&mut site, &Frame::Hello(hello(vec![])));
    let fresh = delta(0, 1, 4, &[last]);
    send_delta(&mut site, &in_store(fresh));
    assert_eq!(site.place(AT).row.changes, 103, "99 of its own, and it is stored");
    for _ in 0..2 {
        assert_eq!(site.get(AT), Some(json!({"n": 99})));
        assert_eq!(site.replica.verify_values(&space("store-1")), Ok(vec![]));
        site.crash();
    }
}

#[test]
fn a_second_drop_names_the_next_change() {
    let mut site = site_with_a_blocked_document();
    let mut other = bodies(origin(3), 1).remove(0);
    // Its author's first change of the document claims to be the seventh.
    other[18] = 7;
    let hash = ForeignChange::parse(&other).unwrap().hash;
    let mut rows = delta(2, 1, 1, &[]);
    rows.origins = vec![key(3)];
    rows.to = 3;
    rows.rows = vec![Row { document: 0, origin: 0, sequence: 1, body: other, follow: None }];
    send_delta(&mut site, &in_store(rows));
    let first = drop_change(&mut site).unwrap();
    assert_eq!((first.change.hash, first.blocked), (bad_and_dependent().0, Some(BlockReason::Refused)));
    assert_eq!(list(&mut site).len(), 1);
    site.crash();
    let second = drop_change(&mut site).unwrap();
    let stamp = Stamp { origin: origin(3), sequence: 1 };
    assert_eq!(second, Dropped { change: BlockingChange { hash, stamp }, blocked: None });
    assert_eq!(site.get(AT), Some(json!({"n": 0})));
}

/// The site takes part in a chain: it was sent the changes, and sends them on.
#[test]
fn a_dropped_change_is_sent_on_and_who_drops_it_too_shows_the_same() {
    let mut site = site_with_a_blocked_document();
    let (bad, dependent) = bad_and_dependent();
    send_delta(&mut site, &in_store(delta(2, 1, 3, &[dependent])));
    let shared = || PeerSettings {
        spaces: [(space("store-1"), BOTH)].into(),
        relay: true,
        hub: false,
        snapshots: false,
    };
    site.settings.peers.insert("leaf".into(), shared());
    site.crash();
    drop_change(&mut site).unwrap();
    site.put(AT, json!({"n": 5}));
    let mut leaf = Node::new(Settings {
        name: "leaf".into(),
        key: key(4),
        epoch: 44,
        spaces: [(space("store-1"), SpaceMode::Write)].into(),
        peers: [("site".to_owned(), shared())].into(),
        ..site_settings()
    });
    let mut wire = Wire { link: 10, ..Wire::default() };
    wire.connect(&mut site, &mut leaf);
    let vector = |node: &Node| node.replica.vector(&space("store-1")).unwrap();
    assert_eq!(vector(&leaf), vector(&site));
    assert_eq!(leaf.read(AT).value, Some(json!({"n": 0})), "blocked where it was not dropped");
    assert_eq!(drop_change(&mut leaf).unwrap().change.hash, bad);
    leaf.put(AT, json!({"n": 6}));
    wire.carry(&mut site, &mut leaf);
    for node in [&mut site, &mut leaf] {
        assert_eq!(node.get(AT), Some(json!({"n": 6})));
        assert_eq!(node.replica.verify_values(&space("store-1")), Ok(vec![]));
    }
    assert_eq!(site.replica.heads(&space("store-1")), leaf.replica.heads(&space("store-1")));
}

#[test]
fn what_cannot_be_dropped_is_said() {
    let mut site = site_with_a_blocked_document();
    let elsewhere = Request::Drop { address: address("store-9/product/1") };
    assert_eq!(site.answer(elsewhere), Err(RequestError::UnknownSpace(space("store-9"))));
    let never = Request::Drop { address: address("store-1/product/none") };
    assert_eq!(site.answer(never), Err(RequestError::NotBlocked(address("store-1/product/none"))));
    site.input(Input::Room(Room::ReadOnly));
    site.settle();
    assert_eq!(drop_change(&mut site), Err(RequestError::DiskFull));
    site.input(Input::Room(Room::Ample));
    // As a version wrote it that did not know the change.
    let mut place = site.place(AT);
    place.row.blocked = Some(record::BlockedRow { at: None, ..place.row.blocked.unwrap() });
    let at = address(AT);
    let row = keys::document(place.space, &at.collection, &at.key);
    site.disk.0.borrow_mut().rows.insert(row, record::encode(&place.row));
    site.crash();
    assert_eq!(drop_change(&mut site), Err(RequestError::NothingToDrop(address(AT))));
    site.answer(Request::Retry { address: address(AT) }).unwrap();
    assert!(drop_change(&mut site).is_ok(), "a release finds it");
}

/// The process ended on a document: from then on each change is noted alone, so that the second time it is known.
#[test]
fn a_change_that_ends_the_process_twice_can_be_dropped() {
    let at = "store-1/inventory/1";
    let mut disk = disk_of_a_crashed_hub();
    for _ in 0..2 {
        disk = ends_when_it_tries(Node::on(disk, hub_settings()));
    }
    let mut hub = Node::on(disk, hub_settings());
    hub.settle();
    assert_eq!(hub.read(at).behind.unwrap().blocked, Some(BlockReason::Crashed));
    let Ok(Response::Dropped(dropped)) = hub.answer(Request::Drop { address: address(at) }) else {
        panic!("not dropped")
    };
    assert_eq!((dropped.change.stamp.sequence, dropped.blocked), (2, None));
    assert_eq!((hub.get(at), hub.get("store-1/inventory/0")), (None, Some(item(0))));
}

#[test]
fn after_a_strike_changes_are_tried_one_at_a_time() {
    let disk = disk_of_a_hub_that_ended_on(3);
    let mut hub = Node::on(disk, hub_settings());
    hub.disk.0.borrow_mut().suspects.clear();
    hub.settle();
    let noted = hub.disk.0.borrow().suspects.clone();
    let positions: Vec<u64> = noted.iter().map(|noted| Suspect::read(noted).unwrap().last).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert_eq!(hub.get(AT), Some(item(2)));
}
