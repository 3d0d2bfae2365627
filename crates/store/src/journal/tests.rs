use super::*;
use crate::{FjallStore, Options};
use replica::{Batch, Keyspace, Store as _, Turn, Write};
use std::sync::mpsc;

const COMMITS: u64 = 5;

/// A store's directory with some commits, all in one journal.
fn store() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (notices, received) = mpsc::channel();
    let on_notice = move |notice| drop(notices.send(notice));
    let mut store = FjallStore::open(directory.path(), Options::default(), on_notice).unwrap();
    for number in 1..=COMMITS {
        let row = |keyspace, value: Option<&str>| Write {
            keyspace,
            key: format!("key {number}").into_bytes(),
            value: value.map(|value| value.repeat(40).into_bytes()),
        };
        let writes = vec![row(Keyspace::Documents, Some("value")), row(Keyspace::Journal, None)];
        store.submit(Turn(number), Batch { writes }).unwrap();
        received.recv().unwrap();
    }
    drop(store);
    directory
}

fn number(scanned: &Scanned) -> u64 {
    scanned.last.map_or(0, |mark| mark.number)
}

#[test]
fn every_commit_of_a_journal_is_found_wherever_it_ends() {
    let directory = store();
    let rows = directory.path().join("rows");
    let path = journals(&rows).unwrap().pop().unwrap();
    let all = scan(&path).unwrap();
    assert_eq!((number(&all), all.whole_bytes), (COMMITS, all.content_bytes));
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(usize::try_from(all.whole_bytes).unwrap());
    let mut ends = 0;
    for length in (0..=bytes.len()).rev() {
        fs::write(&path, &bytes[..length]).unwrap();
        let cut = scan(&path).unwrap();
        ends += u64::from(cut.whole_bytes == length as u64);
        // The rows of an empty store come before the first commit.
        assert!(number(&cut) <= COMMITS && cut.whole_bytes <= length as u64);
    }
    assert!(ends > COMMITS, "{ends} batches and the beginning");
}

/// Whichever bit flips, no batch behind it is read as one, and those before it are.
#[test]
fn a_flipped_bit_ends_a_journal_at_its_batch() {
    let directory = store();
    let path = journals(&directory.path().join("rows")).unwrap().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let all = scan(&path).unwrap();
    for at in 0..usize::try_from(all.whole_bytes).unwrap() {
        let mut flipped = bytes.clone();
        flipped.truncate(usize::try_from(all.whole_bytes).unwrap());
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        let found = scan(&path).unwrap();
        // A start's sequence number is in no checksum: fjall believes it, too.
        let is_seen = found.whole_bytes <= at as u64;
        let is_whole = found.whole_bytes == all.whole_bytes;
        assert!(is_seen || is_whole, "at {at}: {found:?}");
        assert!(!is_whole || number(&found) == COMMITS);
    }
}

#[test]
fn later_journals_are_kept_apart_with_a_damaged_one() {
    let directory = store();
    let rows = directory.path().join("rows");
    let first = journals(&rows).unwrap().pop().unwrap();
    let whole = usize::try_from(scan(&first).unwrap().whole_bytes).unwrap();
    let mut bytes = fs::read(&first).unwrap();
    bytes.truncate(whole);
    let later = rows.join("7.jnl");
    fs::write(&later, &bytes).unwrap();
    let damaged = [&bytes[..], b"\x01what is no batch"].concat();
    fs::write(&first, &damaged).unwrap();
    let durable = Some(Mark { number: COMMITS, ..Mark::default() });
    let Healed::Apart(kept) = heal(directory.path(), &rows, durable).unwrap() else { panic!("not kept") };
    assert_eq!(fs::read(kept.join(first.file_name().unwrap())).unwrap(), damaged);
    assert_eq!(fs::read(kept.join("7.jnl")).unwrap(), bytes);
    assert!(!later.exists() && fs::read(&first).unwrap() == bytes);
    assert_eq!(heal(directory.path(), &rows, durable).unwrap(), Healed::Sound);
    // Alone it costs nobody anything: all that was acknowledged comes before it.
    fs::write(&first, &damaged).unwrap();
    assert_eq!(heal(directory.path(), &rows, durable).unwrap(), Healed::Torn);
    // Nothing is known of what was acknowledged; and of those kept apart the newest are.
    for number in 2..=4 {
        fs::write(&first, &damaged).unwrap();
        let kept = directory.path().join(format!("journals.damaged-{number}"));
        assert_eq!(heal(directory.path(), &rows, None).unwrap(), Healed::Apart(kept));
    }
    let left = |number: u32| directory.path().join(format!("journals.damaged-{number}")).exists();
    assert_eq!([1, 2, 3, 4].map(left), [false, false, true, true]);
}
