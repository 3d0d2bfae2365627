//! Files of a store are damaged, lost or replaced: opening says so, and again the next time; nothing is overwritten.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use replica::{Store as _, Turn};
use store::{CommitNotice, FjallStore, HighWater, OpenError, Options, set_aside};

use crate::content;

const BATCHES: u64 = 300;

fn open(directory: &Path) -> Result<FjallStore, OpenError> {
    FjallStore::open(directory, Options::default(), |_| {})
}

/// Writes batches up to `last`, each a commit of its own.
fn write(directory: &Path, last: u64) {
    let (notices, received) = mpsc::channel();
    let on_notice = move |notice| drop(notices.send(notice));
    let mut store = FjallStore::open(directory, Options::default(), on_notice).unwrap();
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
        let (mut bytes, _) = journal(&directory);
        let page = place_of(batch, &bytes).next_multiple_of(4_096);
        bytes[page..page + 4_096].fill(0);
        fs::write(directory.join("rows/0.jnl"), bytes).unwrap();

        let mut left = Vec::new();
        for _ in 0..3 {
            let refused = open(&directory).unwrap_err();
            let OpenError::Shortened { expected, found, .. } = refused else { panic!("{refused}") };
            assert!(expected == BATCHES && found < expected, "{found} of {expected}");
            left.push(found);
        }
        assert!(left.iter().all(|found| *found == left[0]), "{left:?}");

        let accepting = Options { accept_shortened: true, ..Options::default() };
        let store = FjallStore::open(&directory, accepting, |_| {}).unwrap();
        let expected = HighWater::AcceptedShortened { expected: BATCHES, found: left[0] };
        assert_eq!(store.high_water(), expected);
        assert_eq!(content::check(&store, "accepted"), left[0]);
        drop(store);
        assert_eq!(open(&directory).unwrap().high_water(), HighWater::Agrees);
        write(&directory, BATCHES);
        assert_eq!(content::check(&open(&directory).unwrap(), "written again"), BATCHES);
    }
}

#[test]
fn a_flipped_byte_is_damage_and_the_rows_can_be_set_aside() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    write(&directory, BATCHES);
    let (mut bytes, written) = journal(&directory);
    let place = place_of(BATCHES / 2, &bytes);
    bytes[place] ^= 0x10;
    fs::write(directory.join("rows/0.jnl"), &bytes).unwrap();
    for _ in 0..3 {
        let refused = open(&directory).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
        assert!(refused.to_string().contains("set it aside"), "{refused}");
    }
    let aside = set_aside(&directory).unwrap();
    assert!(
        fs::read(aside.path.join("0.jnl")).unwrap()[..written] == bytes[..written],
        "evidence was changed"
    );
    let store = open(&directory).unwrap();
    assert_eq!((store.high_water(), content::check(&store, "set aside")), (HighWater::New, 0));
    drop(store);
    write(&directory, 20);
    assert_eq!(content::check(&open(&directory).unwrap(), "filled again"), 20);
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
    store.submit(Turn(1), replica::Batch::default()).unwrap();
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
