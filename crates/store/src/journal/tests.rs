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

/// A commit's journal, as it is on the disk, with something behind it.
struct Damaged {
    directory: tempfile::TempDir,
    journal: PathBuf,
    whole: Vec<u8>,
}

impl Damaged {
    fn new() -> Self {
        let directory = store();
        let journal = journals(&directory.path().join("rows")).unwrap().pop().unwrap();
        let mut whole = fs::read(&journal).unwrap();
        whole.truncate(usize::try_from(scan(&journal).unwrap().whole_bytes).unwrap());
        Self { directory, journal, whole }
    }

    /// What becomes of it with this behind it, `last` being acknowledged; and the mark that nothing reaches.
    fn heal(&self, behind: &[u8], last: Option<u64>, one_by_one: bool) -> (Healed, Option<u64>) {
        fs::write(&self.journal, [&self.whole[..], behind].concat()).unwrap();
        let last = last.map(|number| Mark { number, ..Mark::default() });
        let mut forgotten = None;
        let rows = self.directory.path().join("rows");
        let acknowledged = Acknowledged { last, one_by_one };
        let healed = heal((self.directory.path(), &rows), acknowledged, |mark| {
            forgotten = Some(mark.number);
            Ok(())
        });
        (healed.unwrap(), forgotten)
    }

    fn kept(&self, number: u32) -> PathBuf {
        self.directory.path().join(format!("journals.damaged-{number}"))
    }
}

const TORN: &[u8] = b"\x01what is no batch";
const MORE_BEHIND: &[u8] = b"\x01what was a batch FJL\x03\x01and another";

#[test]
fn an_end_of_which_nobody_was_told_is_cut_off() {
    let damaged = Damaged::new();
    for last in [None, Some(1), Some(COMMITS)] {
        assert_eq!(damaged.heal(TORN, last, true), (Healed::Torn, None));
        assert_eq!(fs::read(&damaged.journal).unwrap(), damaged.whole);
    }
    // Commits that were not synced one by one may be gone by the block.
    assert_eq!(damaged.heal(MORE_BEHIND, Some(COMMITS), false), (Healed::Torn, None));
    assert_eq!(damaged.heal(b"", Some(COMMITS), true), (Healed::Sound, None));
    assert_eq!(damaged.heal(&[0; 9_000], Some(COMMITS), true), (Healed::Sound, None));
    assert!(!damaged.kept(1).exists());
}

#[test]
fn what_was_acknowledged_is_kept_before_it_is_cut_off() {
    let damaged = Damaged::new();
    let with = |behind: &[u8]| [&damaged.whole[..], behind].concat();
    // More commits were acknowledged than are left; and the mark on the disk may be a second old.
    let cases = [(TORN, COMMITS + 3, COMMITS + 4), (MORE_BEHIND, COMMITS, COMMITS + 1)];
    for (number, (behind, last, never_reached)) in (1..).zip(cases) {
        let kept = damaged.kept(number);
        let healed = damaged.heal(behind, Some(last), true);
        assert_eq!(healed, (Healed::Apart(kept.clone()), Some(never_reached)));
        assert_eq!(fs::read(&damaged.journal).unwrap(), damaged.whole);
        assert_eq!(fs::read(kept.join(damaged.journal.file_name().unwrap())).unwrap(), with(behind));
    }
    for number in 3..=4 {
        damaged.heal(MORE_BEHIND, Some(COMMITS), true);
        assert!(damaged.kept(number).exists() && !damaged.kept(number - 2).exists());
    }
}

#[test]
fn rows_in_tables_and_later_journals_hang_on_what_is_damaged() {
    let damaged = Damaged::new();
    let rows = damaged.directory.path().join("rows");
    let refused =
        Healed::Damaged { journal: damaged.journal.clone(), whole_bytes: damaged.whole.len() as u64 };
    let later = rows.join("7.jnl");
    fs::write(&later, &damaged.whole).unwrap();
    // Commits follow in the later one, so that the end of this one was no end.
    assert_eq!(damaged.heal(TORN, Some(1), true), (refused.clone(), None));
    fs::remove_file(later).unwrap();
    let table = rows.join("keyspaces/2/tables/5");
    fs::create_dir_all(table.parent().unwrap()).unwrap();
    fs::write(&table, "rows").unwrap();
    assert_eq!(damaged.heal(MORE_BEHIND, Some(COMMITS), true), (refused, None));
    assert_eq!(fs::read(&damaged.journal).unwrap(), [&damaged.whole[..], MORE_BEHIND].concat(), "untouched");
    assert!(!damaged.kept(1).exists());
    assert_eq!(damaged.heal(TORN, Some(COMMITS), true), (Healed::Torn, None));
}
