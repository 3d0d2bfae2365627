//! Files of a store are damaged, lost or replaced: opening says so, and again the next time; nothing is overwritten.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use replica::{Batch, Keyspace, ReadRows as _, Store as _, StoreError, Turn, Write};
use store::{CommitNotice, FjallStore, HighWater, OpenError, Options, set_aside};

use crate::content;

const BATCHES: u64 = 300;

fn open(directory: &Path) -> Result<FjallStore, OpenError> {
    FjallStore::open(directory, Options::default(), |_| {})
}

/// With what it reports.
fn open_noticed(directory: &Path) -> (FjallStore, mpsc::Receiver<CommitNotice>) {
    let (notices, received) = mpsc::channel();
    let on_notice = move |notice| drop(notices.send(notice));
    (FjallStore::open(directory, Options::default(), on_notice).unwrap(), received)
}

/// Writes batches up to `last`, each a commit of its own.
fn write(directory: &Path, last: u64) {
    let (mut store, received) = open_noticed(directory);
    for turn in content::last(&store) + 1..=last {
        store.submit(Turn(turn), content::batch(turn)).unwrap();
        let notice = received.recv_timeout(Duration::from_secs(20));
        assert_eq!(notice, Ok(CommitNotice::Durable(Turn(turn))));
    }
}

/// The journal's content, and how much of it is written.
fn journal(directory: &Path) -> (Vec<u8>, usize) {
    let bytes = fs::read(directory.join("rows/0.jnl")).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (bytes, written)
}

/// A place within the payload of a batch.
fn place_of(batch: u64, journal: &[u8]) -> usize {
    let payload = &content::batch(batch).writes[1].value.clone().unwrap()[40..60];
    journal.windows(20).position(|window| window == payload).unwrap()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

#[test]
fn a_zeroed_page_in_the_journal_is_noticed_until_it_is_accepted() {
    // Among small batches: inside a long value fjall notices by itself.
    for batch in [60, 210] {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("store");
        write(&directory, BATCHES);
        let (mut bytes, written) = journal(&directory);
        let page = place_of(batch, &bytes).next_multiple_of(4_096);
        bytes[page..page + 4_096].fill(0);
        fs::write(directory.join("rows/0.jnl"), &bytes).unwrap();

        let mut left = Vec::new();
        for _ in 0..3 {
            let refused = open(&directory).unwrap_err();
            let OpenError::Shortened { expected, found, .. } = refused else { panic!("{refused}") };
            assert!(expected == BATCHES + 1 && found < BATCHES, "{found} of {expected}");
            left.push(found);
        }
        assert!(left.iter().all(|found| *found == left[0]), "{left:?}");
        check_apart(&directory, &bytes[..written]);

        let accepting = Options { accept_shortened: true, ..Options::default() };
        let store = FjallStore::open(&directory, accepting, |_| {}).unwrap();
        let expected = HighWater::AcceptedShortened { expected: BATCHES + 1, found: left[0] };
        assert_eq!(store.high_water(), expected);
        assert_eq!(content::check(&store, "accepted"), left[0]);
        drop(store);
        assert_eq!(open(&directory).unwrap().high_water(), HighWater::Agrees);
        write(&directory, BATCHES);
        assert_eq!(content::check(&open(&directory).unwrap(), "written again"), BATCHES);
    }
}

/// What the damaged journal had is kept, once.
fn check_apart(directory: &Path, written: &[u8]) {
    let kept = fs::read(directory.join("journals.damaged-1/0.jnl")).unwrap();
    assert!(kept[..written.len()] == *written, "evidence was changed");
    assert!(kept[written.len()..].iter().all(|byte| *byte == 0));
    assert!(!directory.join("journals.damaged-2").exists());
}

/// The power goes while the last commit is written: of its blocks some are there, as a disk writes them in any order. It was
/// never acknowledged.
#[test]
fn a_hole_in_the_commit_that_was_under_way_costs_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    let (mut store, received) = open_noticed(&directory);
    write_long(&mut store, &received, 1..4);
    drop(store);
    let mark = fs::read(directory.join("high-water")).unwrap();
    let (before, _) = journal(&directory);
    let whole = before.len();
    let (mut store, received) = open_noticed(&directory);
    write_long(&mut store, &received, 4..5);
    drop(store);
    fs::write(directory.join("high-water"), mark).unwrap();
    let (mut bytes, written) = journal(&directory);
    for page in (whole.next_multiple_of(4_096)..written - 4_096).step_by(4_096) {
        let mut torn = bytes.clone();
        torn[page..page + 4_096].fill(0);
        fs::write(directory.join("rows/0.jnl"), &torn).unwrap();
        let store = open(&directory).unwrap();
        assert_eq!(store.high_water(), HighWater::Agrees, "page at {page}");
        assert_eq!(store.get(Keyspace::Documents, &3_u64.to_be_bytes()), Ok(Some(long_value(3))));
        assert_eq!(store.get(Keyspace::Documents, &4_u64.to_be_bytes()), Ok(None));
    }
    assert!(!directory.join("journals.damaged-1").exists());
    // The same place in a commit that was acknowledged is another matter.
    let place = whole - 8_192;
    bytes[place] ^= 0x10;
    fs::write(directory.join("rows/0.jnl"), &bytes).unwrap();
    assert!(matches!(open(&directory), Err(OpenError::Shortened { expected: 4, found: 2, .. })));
    check_apart(&directory, &bytes[..written]);
}

/// Rows are in tables that came behind the damage: a journal that ended there would not fit them.
#[test]
fn a_damaged_journal_of_a_store_with_tables_is_left_as_it_is() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    let (mut store, received) = open_noticed(&directory);
    write_long(&mut store, &received, 1..LONG_ROWS);
    // As a process that is killed leaves it; a store that is closed has nothing in it that could be damaged.
    let (mut bytes, written) = journal(&directory);
    drop(store);
    assert!(!tables(&directory).is_empty());
    bytes[written / 2] ^= 0x10;
    fs::write(directory.join("rows/0.jnl"), &bytes).unwrap();
    let mark = fs::read(directory.join("high-water")).unwrap();
    for _ in 0..2 {
        let refused = open(&directory).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
        assert!(refused.to_string().contains("set it aside"), "{refused}");
    }
    assert!(fs::read(directory.join("rows/0.jnl")).unwrap() == bytes, "evidence was changed");
    assert!(
        fs::read(directory.join("high-water")).unwrap() == mark
            && !directory.join("journals.damaged-1").exists()
    );
    let aside = set_aside(&directory).unwrap();
    assert!(fs::read(aside.path.join("0.jnl")).unwrap() == bytes);
}

#[test]
fn a_flipped_byte_ends_the_journal_there_and_the_rows_can_be_set_aside() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    write(&directory, BATCHES);
    let (mut bytes, written) = journal(&directory);
    let place = place_of(BATCHES / 2, &bytes);
    bytes[place] ^= 0x10;
    fs::write(directory.join("rows/0.jnl"), &bytes).unwrap();
    for _ in 0..3 {
        let refused = open(&directory).unwrap_err();
        let OpenError::Shortened { expected, found, .. } = refused else { panic!("{refused}") };
        assert!(
            expected > BATCHES && found == BATCHES / 2 - 1,
            "all before the damaged one: {found} of {expected}"
        );
    }
    check_apart(&directory, &bytes[..written]);
    let aside = set_aside(&directory).unwrap();
    assert!(aside.path.join("0.jnl").exists());
    let store = open(&directory).unwrap();
    assert_eq!((store.high_water(), content::check(&store, "set aside")), (HighWater::New, 0));
    drop(store);
    write(&directory, 20);
    assert_eq!(content::check(&open(&directory).unwrap(), "filled again"), 20);
}

/// Rows that cannot be compressed, so many that most are in tables and no longer in the journal.
const LONG_ROWS: u64 = 500;

fn long_value(row: u64) -> Vec<u8> {
    (0..2_000).flat_map(|place| content::scrambled(row << 16 | place).to_be_bytes()).collect()
}

/// Writes long rows, each a commit of its own.
fn write_long(store: &mut FjallStore, received: &mpsc::Receiver<CommitNotice>, rows: Range<u64>) {
    for row in rows {
        let (key, value) = (row.to_be_bytes().to_vec(), Some(long_value(row)));
        let batch = Batch { writes: vec![Write { keyspace: Keyspace::Documents, key, value }] };
        store.submit(Turn(row), batch).unwrap();
        let is_room = |notice: &CommitNotice| matches!(notice, CommitNotice::Room(_));
        let mut notices = std::iter::repeat_with(|| received.recv_timeout(Duration::from_secs(20)).unwrap());
        assert_eq!(notices.find(|notice| !is_room(notice)), Some(CommitNotice::Durable(Turn(row))));
    }
}

/// The tables of a store.
fn tables(directory: &Path) -> Vec<PathBuf> {
    let (mut tables, mut left) = (Vec::new(), vec![directory.join("rows/keyspaces")]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                tables.push(path);
            }
        }
    }
    tables
}

#[test]
fn a_flipped_byte_in_a_table_costs_the_rows_of_its_block() {
    const HIT: u64 = 100;
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    let opened = || open_noticed(&directory);
    let (mut store, received) = opened();
    write_long(&mut store, &received, 1..LONG_ROWS);
    drop(store);
    let part = &long_value(HIT)[8_000..8_016];
    let found = tables(&directory).into_iter().find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(part.len()).position(|window| window == part)?;
        Some((path, bytes, at))
    });
    let (table, mut bytes, at) = found.expect("the row is in a table");
    bytes[at] ^= 0x10;
    fs::write(&table, bytes).unwrap();

    let (mut store, received) = opened();
    assert_eq!(store.high_water(), HighWater::Agrees, "damage in a table is seen when it is read");
    let get = |store: &FjallStore, row: u64| store.get(Keyspace::Documents, &row.to_be_bytes());
    let is_damaged =
        |error: &StoreError| matches!(error, StoreError::Damaged { keyspace: Keyspace::Documents, .. });
    assert!(is_damaged(&get(&store, HIT).unwrap_err()));
    for row in (1..LONG_ROWS).filter(|row| row.abs_diff(HIT) > 8) {
        assert!(get(&store, row).unwrap() == Some(long_value(row)), "{row}");
    }
    let behind = (HIT + 8).to_be_bytes().to_vec()..vec![u8::MAX; 8];
    assert!(store.scan(Keyspace::Documents, behind).all(|row| row.is_ok()));
    let reports = store.snapshot().verify(|_| true);
    let damaged: Vec<_> = reports.iter().filter(|report| report.damage.is_some()).collect();
    assert!(matches!(&damaged[..], [report] if is_damaged(report.damage.as_ref().unwrap())), "{reports:?}");
    assert!((1..HIT).contains(&damaged[0].read.rows), "it stops at the damage: {reports:?}");
    // Others are written and read on.
    write_long(&mut store, &received, LONG_ROWS..LONG_ROWS + 20);
    assert!(get(&store, LONG_ROWS).unwrap() == Some(long_value(LONG_ROWS)));
    drop(store);

    let aside = set_aside(&directory).unwrap();
    assert!(aside.path.is_dir());
    let (store, _received) = opened();
    assert_eq!((store.high_water(), get(&store, 1).unwrap()), (HighWater::New, None));
}

#[test]
fn rows_of_an_older_copy_and_of_another_store_are_noticed() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    let rows = directory.join("rows");
    let old = temporary.path().join("old");
    write(&directory, 10);
    copy(&rows, &old);
    write(&directory, 20);
    fs::remove_dir_all(&rows).unwrap();
    copy(&old, &rows);
    let refused = open(&directory).unwrap_err();
    assert!(matches!(refused, OpenError::Shortened { expected: 20, found: 10, .. }), "{refused}");

    // As many commits, but others: one of them has two batches.
    let other = temporary.path().join("other");
    write(&other, 19);
    let (notices, received) = mpsc::channel();
    let on_notice = move |notice| drop(notices.send(notice));
    let mut store = FjallStore::open(&other, Options::default(), on_notice).unwrap();
    store.submit(Turn(1), Batch::default()).unwrap();
    assert_eq!(received.recv().unwrap(), CommitNotice::Durable(Turn(1)));
    drop(store);
    fs::remove_dir_all(&rows).unwrap();
    copy(&other.join("rows"), &rows);
    let refused = open(&directory).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");

    fs::remove_dir_all(&rows).unwrap();
    let refused = open(&directory).unwrap_err();
    assert!(matches!(refused, OpenError::Shortened { expected: 20, found: 0, .. }), "{refused}");
}

#[test]
fn a_lost_mark_is_told_until_it_is_accepted() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    write(&directory, 10);
    fs::remove_file(directory.join("high-water")).unwrap();
    for _ in 0..2 {
        let refused = open(&directory).unwrap_err();
        assert!(matches!(refused, OpenError::MarkMissing { .. }), "{refused}");
    }
    let options = Options { accept_shortened: true, ..Options::default() };
    let accepted = FjallStore::open(&directory, options, |_| {}).unwrap();
    assert_eq!(accepted.high_water(), HighWater::Missing);
    drop(accepted);
    assert_eq!(open(&directory).unwrap().high_water(), HighWater::Agrees);
}
