//! A disk fills up under the store: the failure is told, reads go on, what was acknowledged is kept.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use replica::{Store, StoreError, Turn};
use store::{CommitNotice, FjallStore};

use crate::content;

/// Sizes of the disk: where it fills up (fjall's journal, a memtable being written out, a compaction) differs.
const DISK_MIB: [u32; 4] = [6, 11, 17, 24];
/// More batches than fit on the largest disk.
const BATCHES_MAX: u64 = 100_000;
const IN_FLIGHT_MAX: u64 = 16;
const DEADLINE: Duration = Duration::from_secs(20);

/// A small file system in memory; unmounted when dropped.
struct Disk {
    mounted_on: PathBuf,
}

impl Disk {
    /// None, with the reason printed, where mounting is not allowed.
    fn mount(on: &Path, mib: u32) -> Option<Self> {
        let options = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(on).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { mounted_on: on.into() }),
            Ok(output) => {
                println!("skipped: cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: cannot run mount: {error}");
                None
            }
        }
    }

    fn grow(&self, mib: u32) {
        let options = format!("remount,size={mib}m");
        let grown = Command::new("mount").args(["-o", &options]).arg(&self.mounted_on).status().unwrap();
        assert!(grown.success(), "remount: {grown}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.mounted_on).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(), "umount failed");
    }
}

fn open(directory: &Path) -> (FjallStore, Receiver<CommitNotice>) {
    let (notices, received) = mpsc::channel();
    let store = FjallStore::open(directory, move |notice| drop(notices.send(notice))).unwrap();
    (store, received)
}

/// What a writer was told when its disk was full.
struct Filled {
    durable: u64,
    failed: u64,
    error: StoreError,
}

/// Submits batches until a commit fails. A batch may be refused just before that is told.
fn fill(store: &mut FjallStore, received: &Receiver<CommitNotice>) -> Filled {
    let mut durable = 0;
    for turn in 1..BATCHES_MAX {
        let refused = store.submit(Turn(turn), content::batch(turn)).is_err();
        while refused || turn - durable >= IN_FLIGHT_MAX {
            match received.recv_timeout(DEADLINE).expect("a notice in time") {
                CommitNotice::Durable(turn) => durable = turn.0,
                CommitNotice::Failed { turn, error } => return Filled { durable, failed: turn.0, error },
            }
        }
    }
    panic!("{BATCHES_MAX} batches fit on the disk");
}

#[track_caller]
fn check_full_disk(mib: u32) {
    let temporary = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(temporary.path(), mib) else {
        return;
    };
    let directory = temporary.path().join("store");
    let (mut store, received) = open(&directory);
    let Filled { durable, failed, error } = fill(&mut store, &received);
    assert!(matches!(error, StoreError::Full | StoreError::Io { .. }), "{mib} MiB: {error}");
    assert_eq!(failed, durable + 1, "{mib} MiB: the first turn that is not durable");
    assert!(durable > 0, "{mib} MiB: something fitted");
    println!("{mib} MiB: {durable} batches, then: {error}");

    for turn in [failed, failed + 1, failed + 2] {
        assert_eq!(store.submit(Turn(turn), content::batch(turn)), Err(StoreError::Poisoned), "{mib} MiB");
    }
    let last = content::check(&store, &format!("{mib} MiB, failed"));
    assert_eq!(last, durable, "{mib} MiB: what failed is not shown");
    drop(store);
    assert_eq!(received.try_recv().ok(), None, "{mib} MiB: a notice after the failure");

    disk.grow(4 * mib);
    let (mut store, received) = open(&directory);
    let last = content::check(&store, &format!("{mib} MiB, opened again"));
    assert!(last >= durable, "{mib} MiB: {durable} was durable, {last} is there");
    store.submit(Turn(last + 1), content::batch(last + 1)).unwrap();
    assert_eq!(received.recv_timeout(DEADLINE), Ok(CommitNotice::Durable(Turn(last + 1))));
    assert_eq!(content::check(&store, &format!("{mib} MiB, written again")), last + 1);
}

#[test]
fn a_full_disk_is_told_and_loses_nothing_acknowledged() {
    for mib in DISK_MIB {
        check_full_disk(mib);
    }
}

#[test]
fn a_store_opens_on_a_disk_that_is_still_full() {
    let temporary = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::mount(temporary.path(), 8) else {
        return;
    };
    let directory = temporary.path().join("store");
    let (mut store, received) = open(&directory);
    let durable = fill(&mut store, &received).durable;
    drop(store);
    let (store, _) = open(&directory);
    let last = content::check(&store, "still full");
    assert!(last >= durable, "{durable} was durable, {last} is there");
}
