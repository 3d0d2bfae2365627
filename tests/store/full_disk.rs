//! A disk fills up under the store: it is told before fjall notices, reads go on, and writes as soon as there is room.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use replica::{Batch, Keyspace, Room, Store, StoreError, Turn, Write};
use store::{CommitNotice, FjallStore, Options, Outcome};
use tests::disk::Disk;

use crate::content;

/// Sizes of the disk: how full fjall's journal and memtables are, and what is being compacted then, differs.
const DISK_MIB: [u32; 4] = [11, 24, 40, 64];
/// More batches than fit on the largest disk.
const BATCHES_MAX: u64 = 100_000;
const IN_FLIGHT_MAX: u64 = 16;
const DEADLINE: Duration = Duration::from_secs(20);

/// A store on a small disk, and what its writer was told.
struct Scene {
    store: FjallStore,
    received: Receiver<CommitNotice>,
    durable: u64,
    rooms: Vec<Room>,
}

/// How writing ended.
#[derive(Debug)]
struct Failure {
    turn: u64,
    error: StoreError,
    outcome: Outcome,
}

impl Scene {
    fn open(directory: &Path) -> Self {
        Self::open_with(directory, Options::default())
    }

    fn open_with(directory: &Path, options: Options) -> Self {
        let (notices, received) = mpsc::channel();
        let on_notice = move |notice| drop(notices.send(notice));
        let store = FjallStore::open(directory, options, on_notice).unwrap();
        let durable = content::last(&store);
        Self { store, received, durable, rooms: Vec::new() }
    }

    fn submit(&mut self, batch: Batch) {
        self.store.submit(Turn(self.durable + 1), batch).unwrap();
    }

    /// What comes of the turns that were submitted.
    fn told(&mut self) -> Result<u64, (StoreError, Outcome)> {
        loop {
            match self.received.recv_timeout(DEADLINE).expect("a notice in time") {
                CommitNotice::Durable(turn) => return Ok(turn.0),
                CommitNotice::Room(room) => self.rooms.push(room),
                CommitNotice::Failed { error, outcome, .. } => return Err((error, outcome)),
                CommitNotice::Written(_) => panic!("a store that syncs every commit"),
            }
        }
    }

    /// The room as of an empty turn.
    fn room(&mut self) -> Room {
        self.submit(Batch::default());
        self.durable = self.told().unwrap();
        self.rooms.last().copied().unwrap_or_default()
    }

    /// Submits up to `last`, until a commit fails. A batch may be refused just before that is told.
    fn fill(&mut self, last: u64) -> Result<(), Failure> {
        for turn in self.durable + 1..=last {
            let refused = self.store.submit(Turn(turn), content::batch(turn)).is_err();
            let in_flight = if turn == last { 1 } else { IN_FLIGHT_MAX };
            while refused || turn + 1 > self.durable + in_flight {
                match self.received.recv_timeout(DEADLINE).expect("a notice in time") {
                    CommitNotice::Durable(turn) => self.durable = turn.0,
                    CommitNotice::Room(room) => self.rooms.push(room),
                    CommitNotice::Failed { turn, error, outcome } => {
                        return Err(Failure { turn: turn.0, error, outcome });
                    }
                    CommitNotice::Written(_) => panic!("a store that syncs every commit"),
                }
            }
        }
        Ok(())
    }

    /// Until the disk is full. It must be told in time, and nothing of the failed turn may be written.
    #[track_caller]
    fn fill_up(&mut self, context: &str) -> u64 {
        let Failure { turn, error, outcome } = self.fill(BATCHES_MAX).unwrap_err();
        assert_eq!((error, outcome), (StoreError::Full, Outcome::NotWritten), "{context}");
        assert_eq!(turn, self.durable + 1, "{context}: the first turn that is not durable");
        assert!(self.rooms.contains(&Room::ReadOnly), "{context}: {:?}", self.rooms);
        turn
    }
}

#[track_caller]
fn check_full_disk(mib: u32) {
    let temporary = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::in_memory(temporary.path(), mib, "full disks") else { return };
    let directory = temporary.path().join("store");
    let context = format!("{mib} MiB");
    let mut scene = Scene::open(&directory);
    let failed = scene.fill_up(&context);
    assert!(failed > 1, "{context}: something fitted");
    assert!(!directory.join("ballast").exists(), "{context}: the ballast is released");
    println!("{context}: {} batches, {:?}", failed - 1, scene.rooms);

    assert_eq!(scene.store.submit(Turn(failed + 1), content::batch(failed + 1)), Err(StoreError::Full));
    assert_eq!(content::check(&scene.store, &context), failed - 1, "{context}: reads go on");
    // Again and again: fjall meets no full disk. A little more fits when memtables have become tables.
    let failed = (0..50).fold(failed, |before, _| {
        let failed = scene.fill_up(&context);
        assert!(failed >= before, "{context}: {failed} after {before}");
        failed
    });

    disk.resize(4 * mib);
    scene.fill(failed + 100).unwrap();
    assert_eq!(content::check(&scene.store, &context), failed + 100, "{context}: without being opened again");
    drop(scene);
    let scene = Scene::open(&directory);
    assert_eq!(content::check(&scene.store, &context), failed + 100, "{context}: opened again");
}

#[test]
fn a_full_disk_is_told_and_writes_go_on_when_there_is_room() {
    for mib in DISK_MIB {
        check_full_disk(mib);
    }
}

#[test]
fn room_comes_back_in_steps_when_a_file_of_others_goes() {
    let temporary = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::in_memory(temporary.path(), 64, "full disks") else { return };
    let mut scene = Scene::open(&temporary.path().join("store"));
    scene.fill(50).unwrap();
    let others = temporary.path().join("others");
    let mut file = File::create(&others).unwrap();
    let block = vec![1; 1024 * 1024];
    while file.write_all(&block).is_ok() {}
    drop(file);
    let failed = scene.fill_up("others");
    std::fs::remove_file(others).unwrap();
    scene.fill(failed + 50).unwrap();
    while scene.rooms.last() != Some(&Room::Ample) {
        let notice = scene.received.recv_timeout(DEADLINE).expect("a notice in time");
        let CommitNotice::Room(room) = notice else { panic!("{notice:?}") };
        scene.rooms.push(room);
    }
    assert!(temporary.path().join("store/ballast").exists());
}

/// A store on a disk of 64 MiB that `filler` leaves a little less than 6.4 MiB of: [`Room::Low`] has begun.
fn nearly_full(directory: &Path) -> Option<(Disk, Scene)> {
    let disk = Disk::in_memory(directory, 64, "full disks")?;
    let mut scene = Scene::open(&directory.join("store"));
    scene.fill(50).unwrap();
    let mut filler = File::create(directory.join("filler")).unwrap();
    while scene.room() != Room::Low {
        filler.write_all(&[1; 128 * 1024]).unwrap();
    }
    Some((disk, scene))
}

/// Far more than a commit of small batches: what a large document or a full frame of a peer comes to.
fn large(bytes: usize) -> Batch {
    let write = Write { keyspace: Keyspace::Changes, key: b"large".to_vec(), value: Some(vec![7; bytes]) };
    Batch { writes: vec![write] }
}

#[test]
fn a_large_batch_on_a_nearly_full_disk_ends_the_room_and_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let Some((_disk, mut scene)) = nearly_full(temporary.path()) else { return };
    scene.submit(large(2 * 1024 * 1024));
    assert_eq!(scene.told(), Ok(scene.durable + 1));
    assert_eq!(scene.rooms.last(), Some(&Room::ReadOnly));
}

#[test]
fn a_batch_that_cannot_be_written_ends_the_room_until_there_is_room_for_it() {
    let temporary = tempfile::tempdir().unwrap();
    let Some((_disk, mut scene)) = nearly_full(temporary.path()) else { return };
    let bytes = 4 * 1024 * 1024;
    scene.submit(large(bytes));
    assert_eq!(scene.told(), Err((StoreError::Full, Outcome::NotWritten)));
    assert_eq!(scene.rooms.last(), Some(&Room::ReadOnly));
    drop(scene);
    let options = Options { refused_bytes: bytes, ..Options::default() };
    let mut scene = Scene::open_with(&temporary.path().join("store"), options);
    assert_eq!(scene.room(), Room::ReadOnly, "nobody hands it over again");
    std::fs::remove_file(temporary.path().join("filler")).unwrap();
    while scene.room() == Room::ReadOnly {}
    scene.submit(large(bytes));
    assert_eq!(scene.told(), Ok(scene.durable + 1));
}

/// Others take everything while the store writes. Whatever fjall meets then, nothing acknowledged is lost.
#[test]
fn a_disk_that_others_fill_at_once_loses_nothing_acknowledged() {
    for after in [100, 2_500, 5_000] {
        let temporary = tempfile::tempdir().unwrap();
        let Some(_disk) = Disk::in_memory(temporary.path(), 48, "full disks") else { return };
        let directory = temporary.path().join("store");
        let mut scene = Scene::open(&directory);
        scene.fill(after).unwrap();
        let others = temporary.path().join("others");
        let mut file = File::create(&others).unwrap();
        while file.write_all(&[1; 4_096]).is_ok() {}
        drop(file);
        let failure = scene.fill(BATCHES_MAX).unwrap_err();
        let durable = scene.durable;
        assert_eq!(content::check(&scene.store, "full"), durable);
        drop(scene);
        let full = Scene::open(&directory);
        let last = content::check(&full.store, "opened while it is full");
        assert!(last >= durable, "{durable} was durable, {last} is there: {failure:?}");
        drop(full);
        std::fs::remove_file(others).unwrap();
        let mut scene = Scene::open(&directory);
        scene.fill(last + 10).unwrap();
        assert_eq!(content::check(&scene.store, "room again"), last + 10);
    }
}
