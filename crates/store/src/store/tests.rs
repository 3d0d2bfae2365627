use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use replica::Write;
use tempfile::TempDir;

use super::*;
use crate::Durability;

const DEADLINE: Duration = Duration::from_secs(20);

fn write(keyspace: Keyspace, key: &str, value: Option<&str>) -> Write {
    Write { keyspace, key: key.into(), value: value.map(Into::into) }
}

fn batch(writes: impl IntoIterator<Item = Write>) -> Batch {
    Batch { writes: writes.into_iter().collect() }
}

/// One row, `key` = `value`, in `Documents`.
fn row(key: &str, value: &str) -> Batch {
    batch([write(Keyspace::Documents, key, Some(value))])
}

fn open(directory: &TempDir) -> (FjallStore, Receiver<CommitNotice>) {
    let (notices, received) = mpsc::channel();
    let store =
        FjallStore::open(directory.path(), Options::default(), move |notice| drop(notices.send(notice)))
            .unwrap();
    (store, received)
}

/// A store whose committer waits in each notice until it is let on, as it would for a slow disk.
fn open_held(directory: &TempDir) -> (FjallStore, Receiver<CommitNotice>, Sender<()>) {
    let (notices, received) = mpsc::channel();
    let (go_on, held) = mpsc::channel();
    let on_commit = move |notice| {
        drop(notices.send(notice));
        held.recv().unwrap_or(()); // an error means that the test no longer holds it
    };
    (FjallStore::open(directory.path(), Options::default(), on_commit).unwrap(), received, go_on)
}

#[track_caller]
fn wait_for(turn: u64, received: &Receiver<CommitNotice>) {
    loop {
        match received.recv_timeout(DEADLINE).expect("a notice in time") {
            CommitNotice::Durable(durable) if durable >= Turn(turn) => return,
            CommitNotice::Durable(_) | CommitNotice::Written(_) | CommitNotice::Room(_) => {}
            CommitNotice::Failed { turn, error, .. } => panic!("{turn:?} failed: {error}"),
        }
    }
}

fn text(store: &FjallStore, keyspace: Keyspace, key: &str) -> Option<String> {
    store.get(keyspace, key.as_bytes()).unwrap().map(|value| String::from_utf8(value).unwrap())
}

fn keys(store: &FjallStore, from: &str, to: &str) -> String {
    let keys: Vec<_> = store
        .scan(Keyspace::Documents, from.into()..to.into())
        .map(|row| String::from_utf8(row.unwrap().0).unwrap())
        .collect();
    let range = from.into()..to.into();
    let back = store
        .scan_back(Keyspace::Documents, range.clone())
        .chain(store.snapshot().scan_back(Keyspace::Documents, range).collect::<Vec<_>>());
    let back: Vec<_> = back.map(|row| String::from_utf8(row.unwrap().0).unwrap()).collect();
    assert!(back.iter().eq(keys.iter().rev().chain(keys.iter().rev())), "the other way: {back:?}");
    keys.join(" ")
}

#[test]
fn what_is_committed_is_read_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    let writes = Keyspace::ALL.map(|keyspace| write(keyspace, "key", Some(keyspace.name())));
    store.submit(Turn(1), batch(writes)).unwrap();
    wait_for(1, &received);
    for round in 0..3 {
        for keyspace in Keyspace::ALL {
            assert_eq!(text(&store, keyspace, "key").as_deref(), Some(keyspace.name()), "round {round}");
        }
        drop(store);
        store = open(&directory).0;
    }
}

#[test]
fn rows_are_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    store.submit(Turn(1), row("kept", "1")).unwrap();
    store.submit(Turn(2), row("removed", "1")).unwrap();
    wait_for(2, &received);
    store.submit(Turn(3), row("kept", "2")).unwrap();
    store.submit(Turn(4), batch([write(Keyspace::Documents, "removed", None)])).unwrap();
    store.submit(Turn(5), batch([write(Keyspace::Documents, "never there", None)])).unwrap();
    wait_for(5, &received);
    for _ in 0..2 {
        assert_eq!(text(&store, Keyspace::Documents, "kept").as_deref(), Some("2"));
        assert_eq!(text(&store, Keyspace::Documents, "removed"), None);
        assert_eq!(keys(&store, "a", "z"), "kept");
        drop(store);
        store = open(&directory).0;
    }
}

#[test]
fn writes_and_removals_of_one_key_in_one_group_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received, go_on) = open_held(&directory);
    store.submit(Turn(1), row("first", "1")).unwrap();
    received.recv_timeout(DEADLINE).unwrap();
    for (turn, value) in [(2, Some("old")), (3, None), (4, Some("new"))] {
        store.submit(Turn(turn), batch([write(Keyspace::Documents, "back", value)])).unwrap();
    }
    for (turn, value) in [(5, Some("old")), (6, None)] {
        store.submit(Turn(turn), batch([write(Keyspace::Documents, "gone", value)])).unwrap();
    }
    drop(go_on);
    wait_for(6, &received);
    assert_eq!(store.commits(), 2);
    drop(store);
    let (store, _) = open(&directory);
    assert_eq!(text(&store, Keyspace::Documents, "back").as_deref(), Some("new"));
    assert_eq!(text(&store, Keyspace::Documents, "gone"), None);
}

#[test]
fn what_arrives_during_a_commit_is_committed_together() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received, go_on) = open_held(&directory);
    store.submit(Turn(1), row("1", "")).unwrap();
    assert_eq!(received.recv_timeout(DEADLINE), Ok(CommitNotice::Durable(Turn(1))));
    for turn in 2..66 {
        store.submit(Turn(turn), row(&turn.to_string(), "")).unwrap();
    }
    assert_eq!(store.commits(), 1);
    drop(go_on);
    assert_eq!(received.recv_timeout(DEADLINE), Ok(CommitNotice::Durable(Turn(65))));
    assert_eq!(store.commits(), 2);
}

#[test]
fn nothing_is_visible_while_it_only_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received, go_on) = open_held(&directory);
    store.submit(Turn(1), row("a", "old")).unwrap();
    received.recv_timeout(DEADLINE).unwrap();
    store.submit(Turn(2), row("a", "new")).unwrap();
    assert_eq!(text(&store, Keyspace::Documents, "a").as_deref(), Some("old"));
    drop(go_on);
    wait_for(2, &received);
    assert_eq!(text(&store, Keyspace::Documents, "a").as_deref(), Some("new"));
}

/// Reads go on while batches over two keyspaces are committed. What is read later is never older.
#[test]
fn a_reader_never_sees_a_part_of_a_batch() {
    const TURNS: u64 = 400;
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    let number = |value: Option<String>| value.map_or(0, |value| value.parse::<u64>().unwrap());
    for turn in 1..=TURNS {
        let value = turn.to_string();
        let rows = (0..20).map(|place| write(Keyspace::Journal, &format!("row {place:02}"), Some(&value)));
        let meta = write(Keyspace::Meta, "head", Some(&value));
        store.submit(Turn(turn), batch(rows.chain([meta]))).unwrap();
        let journal = number(text(&store, Keyspace::Journal, "row 00"));
        let meta = number(text(&store, Keyspace::Meta, "head"));
        let last = number(text(&store, Keyspace::Journal, "row 19"));
        assert!(journal <= meta && meta <= last && last <= turn, "{journal} {meta} {last} at {turn}");
        let values: Vec<_> =
            store.scan(Keyspace::Journal, "row".into().."rox".into()).map(|row| row.unwrap().1).collect();
        assert!(values.len() == 20 || values.is_empty(), "{} rows at {turn}", values.len());
        assert!(values.iter().all(|value| Some(value) == values.first()), "{values:?} at {turn}");
    }
    wait_for(TURNS, &received);
}

#[test]
fn notices_come_in_order_and_the_last_is_the_last_turn() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    for turn in 1..=2_000 {
        let empty = turn % 7 == 0; // a turn that writes nothing is told as well
        store
            .submit(Turn(turn), if empty { Batch::default() } else { row("key", &turn.to_string()) })
            .unwrap();
    }
    let commits = {
        wait_for(2_000, &received);
        store.commits()
    };
    assert!(commits < 2_000, "{commits} commits");
    drop(store);
    assert_eq!(received.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));

    let (mut store, received) = open(&directory);
    for turn in 1..=500 {
        store.submit(Turn(turn), row("key", "")).unwrap();
    }
    drop(store);
    let turns: Vec<_> = received.iter().collect();
    let durable = |notice: &CommitNotice| match notice {
        CommitNotice::Durable(turn) => turn.0,
        CommitNotice::Failed { .. } | CommitNotice::Written(_) | CommitNotice::Room(_) => {
            panic!("{notice:?}")
        }
    };
    assert!(turns.windows(2).all(|pair| durable(&pair[0]) < durable(&pair[1])), "{turns:?}");
    assert_eq!(turns.last(), Some(&CommitNotice::Durable(Turn(500))));
}

#[test]
fn dropping_commits_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received, go_on) = open_held(&directory);
    store.submit(Turn(1), row("1", "")).unwrap();
    received.recv_timeout(DEADLINE).unwrap();
    for turn in 2..=100 {
        store.submit(Turn(turn), row(&turn.to_string(), "")).unwrap();
    }
    drop(go_on);
    drop(store);
    assert_eq!(received.try_iter().last(), Some(CommitNotice::Durable(Turn(100))));
    let (store, _) = open(&directory);
    assert_eq!(store.scan(Keyspace::Documents, vec![0]..vec![255]).count(), 100);
}

#[test]
fn a_scan_gives_the_rows_of_its_range_in_key_order() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    for (turn, key) in ["b", "a", "c\u{0}", "c", "d", "aa"].into_iter().enumerate() {
        store.submit(Turn(turn as u64 + 1), row(key, key)).unwrap();
    }
    let elsewhere = batch([write(Keyspace::Changes, "b", Some("another keyspace"))]);
    store.submit(Turn(7), elsewhere).unwrap();
    wait_for(7, &received);
    assert_eq!(keys(&store, "", "z"), "a aa b c c\u{0} d");
    assert_eq!(keys(&store, "a", "c"), "a aa b");
    assert_eq!(keys(&store, "aa", "c\u{0}"), "aa b c");
    assert_eq!(keys(&store, "b", "b"), "");
    assert_eq!(keys(&store, "d", "a"), "");
    assert_eq!(keys(&store, "x", "y"), "");
}

#[test]
fn a_scan_shows_the_rows_as_of_its_call() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    store.submit(Turn(1), row("a", "old")).unwrap();
    store.submit(Turn(2), row("b", "old")).unwrap();
    wait_for(2, &received);
    store
        .submit(
            Turn(3),
            batch([
                write(Keyspace::Documents, "a", Some("new")),
                write(Keyspace::Documents, "b", None),
                write(Keyspace::Documents, "c", Some("new")),
            ]),
        )
        .unwrap();
    {
        // Rows are read late: the commit may come before, between or after.
        let mut rows = store.scan(Keyspace::Documents, "a".into().."z".into());
        let first = rows.next().unwrap().unwrap().1;
        wait_for(3, &received);
        let rest: Vec<_> = rows.map(|row| String::from_utf8(row.unwrap().0).unwrap()).collect();
        assert_eq!(rest, [if first == b"old" { "b" } else { "c" }]);
    }
    assert_eq!(keys(&store, "a", "z"), "a c");
}

#[test]
fn a_second_open_is_refused_until_the_first_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (first, _) = open(&directory);
    let begun = Instant::now();
    let refused = FjallStore::open(directory.path(), Options::default(), |_| {}).unwrap_err();
    assert!(matches!(&refused, OpenError::Locked { path } if path == directory.path()), "{refused}");
    assert!(begun.elapsed() < DEADLINE);
    drop(first);
    drop(open(&directory));
}

#[test]
fn a_damaged_journal_is_refused_as_shortened() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    store.submit(Turn(1), row("key", "a value to be damaged")).unwrap();
    store.submit(Turn(2), row("later", "value")).unwrap();
    wait_for(2, &received);
    drop(store);
    let journal = directory.path().join("rows/0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let place = bytes.windows(7).position(|window| window == b"damaged").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let refused = FjallStore::open(directory.path(), Options::default(), |_| {}).unwrap_err();
    assert!(matches!(refused, OpenError::Shortened { found: 0, .. }), "{refused}");
}

#[test]
fn a_batch_that_fjall_cannot_take_is_refused_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    let refused = store.submit(Turn(1), row("", "no key")).unwrap_err();
    assert!(matches!(refused, StoreError::Io { kind: io::ErrorKind::InvalidInput, .. }), "{refused}");
    store.submit(Turn(1), row("key", "")).unwrap();
    wait_for(1, &received);
}

#[test]
fn turns_are_written_first_and_durable_together_later() {
    let directory = tempfile::tempdir().unwrap();
    let (notices, received) = mpsc::channel();
    let durability = Durability::Interval { interval_ms: 50 };
    let options = Options { durability, ..Options::default() };
    let on_notice = move |notice| drop(notices.send(notice));
    let mut store = FjallStore::open(directory.path(), options, on_notice).unwrap();
    let mut written = 0;
    for turn in 1..=30 {
        store.submit(Turn(turn), row(&turn.to_string(), "")).unwrap();
        while written < turn {
            match received.recv_timeout(DEADLINE).unwrap() {
                CommitNotice::Written(turn) => written = turn.0,
                CommitNotice::Durable(turn) => assert!(turn.0 <= written),
                other @ (CommitNotice::Failed { .. } | CommitNotice::Room(_)) => panic!("{other:?}"),
            }
        }
        assert_eq!(text(&store, Keyspace::Documents, &turn.to_string()).as_deref(), Some(""));
    }
    wait_for(30, &received);
    store.submit(Turn(31), row("31", "")).unwrap();
    drop(store);
    let rest: Vec<_> = received.iter().collect();
    assert_eq!(rest, [CommitNotice::Written(Turn(31)), CommitNotice::Durable(Turn(31))]);
    assert_eq!(open(&directory).0.high_water(), HighWater::Agrees);
}

/// Who waits for durable turns before it hands over more must not wait for the interval.
#[test]
fn many_bytes_are_synced_before_the_interval_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (notices, received) = mpsc::channel();
    let options =
        Options { durability: Durability::Interval { interval_ms: 3_600_000 }, ..Options::default() };
    let on_notice = move |notice| drop(notices.send(notice));
    let mut store = FjallStore::open(directory.path(), options, on_notice).unwrap();
    // The same row again and again: what counts is what was handed over.
    let value = "v".repeat(64 * 1_024);
    let turns = (crate::UNSYNCED_BYTES_MAX / value.len()) as u64;
    for round in 0..3 {
        for turn in 1..=turns {
            store.submit(Turn(round * turns + turn), row("key", &value)).unwrap();
        }
        wait_for(round * turns + 1, &received);
    }
}

#[test]
fn a_suspect_is_there_until_it_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = open(&directory);
    assert_eq!(store.suspect(), None);
    store.set_suspect(Some(b"change")).unwrap();
    for _ in 0..2 {
        assert_eq!(store.suspect().as_deref(), Some(b"change".as_slice()));
        drop(store);
        store = open(&directory).0;
    }
    store.set_suspect(None).unwrap();
    drop(store);
    assert_eq!(open(&directory).0.suspect(), None);
}

#[test]
fn the_store_s_own_row_is_nobody_s() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    store.submit(Turn(1), batch([write(Keyspace::Meta, "a", Some("1"))])).unwrap();
    wait_for(1, &received);
    assert_eq!(store.get(Keyspace::Meta, &[0]), Ok(None));
    assert_eq!(store.scan(Keyspace::Meta, Vec::new()..vec![255]).count(), 1);
    assert_eq!(store.snapshot().get(Keyspace::Meta, &[0]), Ok(None));
    let own = Write { keyspace: Keyspace::Meta, key: vec![0], value: None };
    assert!(store.submit(Turn(2), batch([own])).is_err());
}

/// Far more than the memtables and the queue hold, from a producer that never waits for a notice.
#[test]
fn a_flood_is_taken_at_the_pace_of_the_disk() {
    const BATCHES: u64 = 600;
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received) = open(&directory);
    let value = "v".repeat(16 * 1_024);
    let flood = thread::spawn(move || {
        for turn in 1..=BATCHES {
            let rows = [Keyspace::Changes, Keyspace::Journal]
                .map(|keyspace| write(keyspace, &format!("{turn:08}"), Some(&value)));
            store.submit(Turn(turn), batch(rows)).unwrap();
        }
        store
    });
    wait_for(BATCHES, &received);
    let store = flood.join().unwrap();
    for keyspace in [Keyspace::Changes, Keyspace::Journal] {
        assert_eq!(store.scan(keyspace, vec![0]..vec![255]).count() as u64, BATCHES);
    }
}

#[test]
fn a_reader_sees_what_is_durable_and_ends_with_its_store() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, received, go_on) = open_held(&directory);
    let reader = store.reader();
    store.submit(Turn(1), row("a", "old")).unwrap();
    received.recv_timeout(DEADLINE).unwrap();
    store.submit(Turn(2), row("a", "new")).unwrap();
    let read = |rows: &StoreSnapshot| rows.get(Keyspace::Documents, b"a").unwrap();
    let before = reader.snapshot().unwrap();
    assert_eq!(read(&before).as_deref(), Some(b"old".as_slice()));
    drop(go_on);
    wait_for(2, &received);
    assert_eq!(read(&reader.snapshot().unwrap()).as_deref(), Some(b"new".as_slice()));
    assert_eq!(read(&before).as_deref(), Some(b"old".as_slice()), "as of its moment");
    drop(store);
    assert!(reader.snapshot().is_none());
    drop(before);
    let (store, _) = open(&directory);
    assert_eq!(text(&store, Keyspace::Documents, "a").as_deref(), Some("new"));
}
