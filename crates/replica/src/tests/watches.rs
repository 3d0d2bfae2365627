//! Feeds of changes, read by a model that knows only what it was shown.

mod model;

use super::fillers::{age, equal, interrupted, notes};
use super::*;
use model::{Reader, collection, everything};

fn transaction(keys: &[u8], n: i64) -> Request {
    let write = |key: &u8| TransactionWrite {
        collection: "inventory".parse().unwrap(),
        key: document::Key::new(key.to_string()).unwrap(),
        operations: vec![document::Operation::Put(item(n))],
        condition: None,
    };
    Request::Transaction {
        space: space("store-1"),
        writes: keys.iter().map(write).collect(),
        terms: WriteTerms::default(),
    }
}

fn names(reader: &Reader) -> Vec<String> {
    reader.state.keys().map(|address| address.key.to_string()).collect()
}

#[test]
fn the_initial_state_then_changes() {
    let mut site = Node::new(site_settings());
    for n in 0..5 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    site.write("store-1/inventory/3", document::Operation::Delete);
    site.put("store-1/note/a", json!({}));
    let mut reader = Reader::start(&mut site, everything(), 3);
    reader.read(&mut site);
    assert_eq!(
        (names(&reader), reader.synced),
        (vec!["0".into(), "1".into(), "2".into()], 0),
        "no more than its credit"
    );
    site.sell("store-1/inventory/0", 1);
    site.put("store-1/inventory/3", item(30));
    reader.grant(&mut site, 100);
    reader.read(&mut site);
    assert_eq!((names(&reader).len(), reader.synced), (6, 1));
    assert_eq!(reader.seen, [8, 9]);
    reader.assert_state_is_of(&mut site);
    site.write("store-1/inventory/4", document::Operation::Delete);
    site.answer(transaction(&[1, 2, 9], 7)).unwrap();
    reader.read(&mut site);
    assert_eq!(reader.seen, [8, 9, 10, 11, 12, 13]);
    assert_eq!(reader.events.last().map(|changes| changes.len()), Some(3), "a transaction is one event");
    reader.assert_state_is_of(&mut site);
}

#[test]
fn what_breaks_its_schema_is_shown_with_the_rules() {
    let mut site = Node::new(requests::with_stock(site_settings()));
    let mut hub = Node::new(requests::with_stock(hub_settings()));
    let mut wire = Wire::default();
    wire.connect(&mut hub, &mut site);
    site.put("store-1/stock/1", json!({"on_hand": 1}));
    wire.carry(&mut hub, &mut site);
    let mut reader = Reader::start(&mut hub, everything(), 100);
    reader.read(&mut hub);
    assert!(reader.broken.is_empty());
    wire.cut(&mut hub, &mut site);
    site.sell("store-1/stock/1", 1);
    hub.sell("store-1/stock/1", 1);
    wire.connect(&mut hub, &mut site);
    reader.read(&mut hub);
    let at = address("store-1/stock/1");
    let violations = hub.read("store-1/stock/1").violations;
    assert_eq!((violations.len(), reader.broken.get(&at)), (1, Some(&violations)), "with its change");
    let mut later = Reader::start(&mut hub, everything(), 100);
    later.read(&mut hub);
    assert_eq!(later.broken, reader.broken, "in the initial state");
    site.sell("store-1/stock/1", -5);
    wire.carry(&mut hub, &mut site);
    reader.read(&mut hub);
    assert!(reader.broken.is_empty());
}

#[test]
fn a_change_says_who_made_it_and_is_shown_when_durable_only() {
    let mut site = Node::new(site_settings());
    site.settle();
    let mut reader = Reader::start(&mut site, everything(), 100);
    let terms =
        WriteTerms { author: Some("till".into()), message: Some("sale".into()), ..WriteTerms::default() };
    let operations = vec![document::Operation::Put(item(5))];
    site.ask(Request::Write { address: address("store-1/inventory/1"), operations, condition: None, terms });
    site.end_turn();
    reader.read_without_settling(&mut site);
    assert!(reader.seen.is_empty());
    site.settle();
    reader.read(&mut site);
    let change = &reader.events[0][0];
    let signature = change.signature.clone().unwrap();
    assert_eq!((signature.wall_ms, signature.author.as_deref()), (1_000, Some("till")));
    assert_eq!((change.stamp, change.accepted_ms), (Stamp { origin: origin(2), sequence: 1 }, 1_000));
    assert_eq!(change.document.heads, [change.hash]);
}

#[test]
fn a_scope_shows_its_documents_and_a_write_elsewhere_costs_it_nothing() {
    let mut site = Node::new(site_settings());
    site.settle();
    let scopes = [
        collection("inventory"),
        WatchScope::Keys(space("store-1"), "inventory".parse().unwrap(), "1".into()),
        WatchScope::Document(address("store-1/inventory/12")),
    ];
    let mut readers = scopes.map(|scope| Reader::start(&mut site, scope, 100));
    for at in ["inventory/1", "note/1", "inventory/12", "inventory/2"] {
        site.put(&format!("store-1/{at}"), json!({}));
    }
    for (reader, seen) in readers.iter_mut().zip([vec![1, 3, 4], vec![1, 3], vec![3]]) {
        reader.read(&mut site);
        assert_eq!(reader.seen, seen);
    }
    let elsewhere = WatchScope::Space(space("store-9"));
    let refused = site.answer(Request::Watch { scope: elsewhere, from: None, credit: 1 });
    assert_eq!(refused, Err(RequestError::UnknownSpace(space("store-9"))));
}

#[test]
fn a_watch_goes_on_from_every_cursor_it_gave() {
    let mut site = Node::new(site_settings());
    for n in 0..4 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    let mut reader = Reader::start(&mut site, everything(), 1);
    for n in 0..4 {
        reader.read(&mut site);
        reader.grant(&mut site, 1);
        site.answer(transaction(&[n, (n + 1) % 4], 50 + i64::from(n))).unwrap();
    }
    reader.grant(&mut site, 100);
    reader.read(&mut site);
    let (all, cursors) = (reader.kinds.clone(), reader.cursors.clone());
    assert!(all.len() == 9, "{all:?}");
    for (number, cursor) in cursors.into_iter().enumerate() {
        if number % 3 == 0 {
            site.crash();
        }
        let mut again = Reader::resume(&mut site, everything(), cursor, 100);
        again.read(&mut site);
        assert_eq!(again.kinds, all[number + 1..], "after event {number}");
    }
}

#[test]
fn a_cursor_of_another_journal_is_answered_with_the_whole_state() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(1));
    let mut reader = Reader::start(&mut site, everything(), 100);
    reader.read(&mut site);
    let cursor = reader.cursors.last().unwrap().clone();
    let other = Settings { epoch: 99, key: key(3), ..site_settings() };
    let mut site = Node::on(site.disk.after_crash(), other);
    let mut reader = Reader::resume(&mut site, everything(), cursor, 100);
    reader.read(&mut site);
    assert_eq!(reader.kinds, ["reset", "store-1/inventory/1", "synced"]);
    let wrong = Request::Watch { scope: everything(), from: Some(WatchCursor("x".into())), credit: 1 };
    assert!(matches!(site.answer(wrong), Err(RequestError::Watch(WatchError::Cursor(_)))));
    let cursor = reader.cursors.last().cloned();
    let other = Request::Watch { scope: collection("inventory"), from: cursor, credit: 1 };
    assert_eq!(site.answer(other), Err(RequestError::Watch(WatchError::OtherScope)));
}

#[test]
fn a_cursor_beyond_what_the_journal_has_is_answered_with_the_whole_state() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(1));
    let old = site.disk.after_crash();
    site.put("store-1/inventory/1", item(2));
    let mut reader = Reader::start(&mut site, everything(), 100);
    reader.read(&mut site);
    let mut site = Node::on(old, site_settings());
    let mut again = Reader::resume(&mut site, everything(), reader.cursors.pop().unwrap(), 100);
    again.read(&mut site);
    assert_eq!(again.kinds, ["reset", "store-1/inventory/1", "synced"]);
}

#[test]
fn a_cursor_into_changes_that_an_old_copy_has_others_of_is_answered_with_the_whole_state() {
    let mut site = Node::new(site_settings());
    site.put("store-1/inventory/1", item(1));
    let old = site.disk.after_crash();
    site.put("store-1/inventory/1", item(2));
    let mut reader = Reader::start(&mut site, everything(), 100);
    reader.read(&mut site);
    let mut site = Node::on(old, site_settings());
    // As far as the lost one, and further.
    for n in 3..5 {
        site.put("store-1/inventory/2", item(n));
        let cursor = reader.cursors.last().unwrap().clone();
        let mut again = Reader::resume(&mut site, everything(), cursor, 100);
        again.read(&mut site);
        assert_eq!(again.kinds, ["reset", "store-1/inventory/1", "store-1/inventory/2", "synced"]);
    }
}

#[test]
fn changes_from_elsewhere_wait_for_their_values() {
    let (mut hub, mut site, mut wire) = pair();
    let mut reader = Reader::start(&mut hub, everything(), 1_000);
    for n in 0..60 {
        site.put(&format!("store-1/inventory/{}", n % 40), item(n));
    }
    wire.carry(&mut hub, &mut site);
    reader.read(&mut hub);
    assert_eq!(reader.seen, (1..=60).collect::<Vec<_>>());
    reader.assert_state_is_of(&mut hub);
    let mut late = Reader::start(&mut hub, everything(), 1_000);
    late.read(&mut hub);
    assert_eq!(late.state, reader.state);
}

#[test]
fn a_full_disk_keeps_what_has_no_value_back_until_there_is_room() {
    let (mut hub, mut site, _) = pair();
    let mut reader = Reader::start(&mut hub, everything(), 1_000);
    for n in 0..40 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    hub.input(Input::Room(Room::ReadOnly));
    hub.settle();
    reader.read(&mut hub);
    assert!(reader.seen.is_empty());
    hub.input(Input::Room(Room::Ample));
    reader.read(&mut hub);
    assert_eq!(reader.seen.len(), 40);
    reader.assert_state_is_of(&mut hub);
}

#[test]
fn watches_are_bounded_and_an_ended_one_makes_room() {
    let mut site = Node::new(site_settings());
    site.settle();
    let start = |site: &mut Node| {
        let scope = WatchScope::Document(address("store-1/inventory/1"));
        site.ask(Request::Watch { scope, from: None, credit: 1 })
    };
    let first = start(&mut site);
    for _ in 1..WATCHES_MAX {
        start(&mut site);
    }
    let refused = start(&mut site);
    site.settle();
    assert_eq!(site.replies.remove(&refused), Some(Err(RequestError::Watch(WatchError::TooMany))));
    site.input(Input::WatchEnd { id: first });
    let last = start(&mut site);
    site.settle();
    assert_eq!((site.replies.len(), site.watched[&last].len()), (0, 1));
    site.put("store-1/inventory/1", item(1));
    assert_eq!(site.watched[&first].len(), 1, "it has no credit left, and is gone");
}

#[test]
fn a_watch_that_is_ahead_of_the_rows_looked_through_repeats_nothing() {
    let mut site = Node::new(site_settings());
    site.settle();
    let mut idle = Reader::start(&mut site, everything(), 10_000);
    idle.read(&mut site);
    for round in 0..18 {
        for n in 0..=255 {
            site.ask(transaction(&[n], round));
        }
    }
    site.end_turn();
    while site.disk.sync_one().is_some() {}
    site.input(Input::Durable(Turn(u64::MAX)));
    let mut late = Reader::start(&mut site, collection("note"), 10);
    late.read(&mut site);
    idle.read_all(&mut site);
    site.put("store-1/note/a", json!({}));
    late.read(&mut site);
    assert_eq!((late.kinds.len(), late.seen.len(), idle.seen.len()), (2, 1, 18 * 256));
}

/// Stamps come later than the documents, in rows that change nothing; some never come.
#[test]
fn a_watch_goes_on_after_a_fill_whose_stamps_come_later() {
    let (mut hub, mut site, mut till) = (equal("hub", 1), equal("site", 2), equal("till", 3));
    let (mut up, mut side) = (Wire::default(), Wire { link: 100, ..Wire::default() });
    let mut far = Wire { link: 200, ..Wire::default() };
    notes(&mut hub, 100..120);
    far.connect(&mut hub, &mut till);
    far.cut(&mut hub, &mut till);
    notes(&mut hub, 120..400);
    age(&mut till);
    let mut reader = Reader::start(&mut site, everything(), 10_000);
    age(&mut hub);
    interrupted(&mut up, &mut hub, &mut site);
    reader.read_all(&mut site);
    side.connect(&mut till, &mut site);
    assert!(site.read("store-1/note/none").is_filling, "stamps are missing");
    reader.read_all(&mut site);
    reader.assert_state_is_of(&mut site);
    site.put("store-1/note/site", json!({}));
    reader.read_all(&mut site);
    assert!(reader.state.contains_key(&address("store-1/note/site")));
    reader.assert_state_is_of(&mut site);
    up.connect(&mut hub, &mut site);
    hub.put("store-1/note/last", json!({}));
    up.carry(&mut hub, &mut site);
    reader.read_all(&mut site);
    assert!(reader.state.contains_key(&address("store-1/note/last")));
    reader.assert_state_is_of(&mut site);
}
