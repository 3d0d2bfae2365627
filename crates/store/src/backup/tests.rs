use std::sync::mpsc;

use replica::{Batch, ReadRows as _, Store as _, Turn, Write};

use super::*;
use crate::{CommitNotice, FjallStore, HighWater, Options};

const ROWS: u32 = 12_000;

fn value(number: u32) -> Vec<u8> {
    vec![number.to_be_bytes()[3]; (number % 200) as usize]
}

/// A store with `ROWS` rows in three of the keyspaces, and the snapshot of it.
fn store(directory: &Path) -> FjallStore {
    let (notices, received) = mpsc::channel();
    let on_notice = move |notice| drop(notices.send(notice));
    let mut store = FjallStore::open(directory, Options::default(), on_notice).unwrap();
    let keyspaces = [Keyspace::Meta, Keyspace::Documents, Keyspace::Changes];
    let write = |number: u32| Write {
        keyspace: keyspaces[number as usize % 3],
        key: [b"key".as_slice(), &number.to_be_bytes()].concat(),
        value: Some(value(number)),
    };
    store.submit(Turn(1), Batch { writes: (0..ROWS).map(write).collect() }).unwrap();
    assert_eq!(received.recv().unwrap(), CommitNotice::Durable(Turn(1)));
    store
}

fn rows(store: &FjallStore) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    let rows = |keyspace| store.snapshot().all(keyspace).map(Result::unwrap).collect();
    Keyspace::ALL.map(rows).into()
}

fn open(directory: &Path) -> FjallStore {
    FjallStore::open(directory, Options::default(), |_| {}).unwrap()
}

/// A store and a backup of it, in a temporary directory.
fn backed_up() -> (tempfile::TempDir, FjallStore, Manifest) {
    let temporary = tempfile::tempdir().unwrap();
    let store = store(&temporary.path().join("store"));
    let manifest = store.snapshot().backup(&temporary.path().join("backup"), |_| true).unwrap();
    (temporary, store, manifest)
}

#[test]
fn what_is_backed_up_comes_back() {
    let (temporary, mut store, manifest) = backed_up();
    assert_eq!(manifest.rows, u64::from(ROWS));
    let expected = rows(&store);
    let key = vec![b'x'];
    let later =
        Batch { writes: vec![Write { keyspace: Keyspace::Meta, key: key.clone(), value: Some(vec![1]) }] };
    store.submit(Turn(2), later).unwrap();
    drop(store);
    let target = temporary.path().join("restored");
    let mut last = Progress::default();
    let restored = restore(&temporary.path().join("backup"), &target, |progress| last = progress).unwrap();
    assert_eq!((restored, last.rows), (manifest, u64::from(ROWS)));
    for high_water in [HighWater::New, HighWater::New] {
        let restored = open(&target);
        assert_eq!(restored.high_water(), high_water);
        assert!(rows(&restored) == expected);
        assert_eq!(restored.get(Keyspace::Meta, &key), Ok(None));
    }
    let refused = restore(&temporary.path().join("backup"), &target, |_| {}).unwrap_err();
    assert!(matches!(refused, RestoreError::NotEmpty { .. }), "{refused}");
}

/// A backup is told of its progress in the middle of the second keyspace: rows written then, before and behind that place, are
/// none of it.
#[test]
fn what_is_written_meanwhile_is_not_in_the_backup() {
    let temporary = tempfile::tempdir().unwrap();
    let mut store = store(&temporary.path().join("store"));
    let expected = rows(&store);
    let write = |keyspace, key: &[u8]| Write { keyspace, key: key.to_vec(), value: Some(b"new".to_vec()) };
    let mut told = 0;
    let snapshot = store.snapshot();
    let manifest = snapshot.backup(&temporary.path().join("backup"), |_| {
        told += 1;
        let (old, last) = ([b"key".as_slice(), &2_u32.to_be_bytes()].concat(), vec![0xFE]);
        let writes =
            Keyspace::ALL.into_iter().flat_map(|of| [write(of, b"a"), write(of, &old), write(of, &last)]);
        store.submit(Turn(1 + told), Batch { writes: writes.collect() }).unwrap();
        let is_there = || store.get(Keyspace::Journal, b"a").unwrap().is_some();
        while !is_there() {
            std::thread::yield_now();
        }
        true
    });
    assert!(told > 1, "in the middle, and at the end");
    assert_eq!(manifest.unwrap().rows, u64::from(ROWS));
    drop((snapshot, store));
    restore(&temporary.path().join("backup"), &temporary.path().join("restored"), |_| {}).unwrap();
    assert!(rows(&open(&temporary.path().join("restored"))) == expected);
}

#[test]
fn a_backup_goes_to_a_directory_of_its_own_and_can_be_ended() {
    let (temporary, store, _) = backed_up();
    let refused = store.snapshot().backup(&temporary.path().join("backup"), |_| true).unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
    let target = temporary.path().join("ended");
    let ended = store.snapshot().backup(&target, |_| false).unwrap_err();
    assert!(matches!(ended, BackupError::Ended { .. }), "{ended}");
    let refused = restore(&target, &temporary.path().join("restored"), |_| {}).unwrap_err();
    assert!(matches!(refused, RestoreError::Incomplete { .. }), "{refused}");
    assert!(!temporary.path().join("restored").exists());
}

/// Damages each part of a backup in turn.
#[test]
fn a_damaged_backup_is_refused_before_anything_is_written() {
    let (temporary, _store, _) = backed_up();
    let backup = temporary.path().join("backup");
    for name in ["meta.rows", "documents.rows", "journal.rows", "manifest.json"] {
        let path = backup.join(name);
        let whole = fs::read(&path).unwrap();
        for place in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 4;
            fs::write(&path, damaged).unwrap();
            check_refused(&backup, temporary.path(), &format!("{name}, byte {place}"));
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        check_refused(&backup, temporary.path(), &format!("{name}, cut off"));
        fs::remove_file(&path).unwrap();
        check_refused(&backup, temporary.path(), &format!("{name}, missing"));
        fs::write(&path, whole).unwrap();
    }
    restore(&backup, &temporary.path().join("restored"), |_| {}).unwrap();
}

#[track_caller]
fn check_refused(backup: &Path, temporary: &Path, what: &str) {
    let target = temporary.join("restored");
    assert!(restore(backup, &target, |_| {}).is_err(), "{what}");
    assert!(!target.exists(), "{what}: something was written");
}

#[test]
fn another_format_is_told_by_its_number() {
    let (temporary, _store, _) = backed_up();
    let path = temporary.path().join("backup/manifest.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"format\": 1", "\"format\": 7, \"new\": 1");
    fs::write(&path, text).unwrap();
    let refused = restore(&temporary.path().join("backup"), &temporary.path().join("x"), |_| {}).unwrap_err();
    assert!(matches!(refused, RestoreError::Format { found: 7, expected: 1, .. }), "{refused}");
}

#[test]
fn every_row_is_read_when_a_store_is_verified() {
    let temporary = tempfile::tempdir().unwrap();
    let store = store(temporary.path());
    let mut told = Vec::new();
    let report = store.snapshot().verify(|progress| {
        told.push(progress.rows);
        true
    });
    assert!(report.iter().all(|verified| verified.damage.is_none()));
    assert_eq!(report.iter().map(|verified| verified.read.rows).sum::<u64>(), u64::from(ROWS));
    assert_eq!(told, [10_000, u64::from(ROWS)]);
    let ended = store.snapshot().verify(|_| false);
    assert_eq!(ended.iter().map(|verified| verified.read.rows).sum::<u64>(), 10_000);
}
