//! The power is cut: what the file system had on its disk at that moment must hold everything reported as durable.
//!
//! The disk is an ext4 in an image. The writer is stopped, and only when none of its threads is in a system call any
//! more is the image copied: otherwise a sync under way could return success and not be in the copy.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use replica::{Store as _, Turn};
use store::{FjallStore, HighWater, Options};
use tests::disk::{Disk, make_image, run};
use tests::eventually;

use crate::content;
use crate::writer::{Line, Start};

const ROUNDS: u64 = 6;
const IMAGE_MIB: u32 = 160;
const TEST: &str = "power cuts";

/// True once every thread of a process is stopped.
fn is_stopped(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.into_iter().all(|thread| {
        let status = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
        status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    })
}

/// Writes to the store in the image, cuts the power, leaves the disk as it was then in `image`. Returns the last turn
/// that was reported as durable; none where this machine does not allow it.
fn cut(image: &Path, mount: &Path, round: u64) -> Option<u64> {
    let disk = Disk::in_image(image, mount, TEST)?;
    let start = Start {
        directory: &mount.join("store"),
        in_flight: [1, 16, 128][usize::try_from(round % 3).unwrap()],
        interval_ms: round.is_multiple_of(2).then_some(10),
        variables: &[],
    };
    let mut writer = start.start();
    let notices = [20, 100, 50][usize::try_from(round % 3).unwrap()];
    let durable_of = |line| match line {
        Line::Durable(turn) => Some(turn),
        Line::Written(_) => None,
        Line::Failed { .. } => panic!("round {round}: {line:?}"),
    };
    let told = writer.by_ref().take(notices).filter_map(durable_of).last();
    let told = told.or_else(|| writer.by_ref().find_map(durable_of));
    let process = writer.process.id();
    assert!(run(Command::new("kill").args(["-STOP", &process.to_string()]), TEST));
    eventually(Duration::from_secs(10), "the writer is stopped", || is_stopped(process));
    let copied = copied(image);
    writer.process.kill().unwrap();
    writer.process.wait().unwrap();
    let durable = writer.filter_map(durable_of).last().or(told);
    drop(disk);
    std::fs::rename(&copied, image).unwrap();
    Some(durable.expect("something was durable"))
}

/// An image of an empty disk, and where to mount it; none where this machine does not allow it.
fn empty_disk(directory: &Path) -> Option<(PathBuf, PathBuf)> {
    let (image, mount) = (directory.join("image"), directory.join("mount"));
    std::fs::create_dir(&mount).unwrap();
    make_image(&image, IMAGE_MIB, TEST).then_some((image, mount))
}

/// The disk as it is now, in another image.
fn copied(image: &Path) -> PathBuf {
    let copied = image.with_extension("copy");
    let copy = Command::new("cp").arg("--sparse=always").args([image, &copied]).status().unwrap();
    assert!(copy.success());
    copied
}

/// What a closed store left out of its journal must be on the disk elsewhere.
#[test]
fn a_closed_store_survives_a_power_cut_with_an_empty_journal() {
    const BATCHES: u64 = 2_000;
    let temporary = tempfile::tempdir().unwrap();
    let Some((image, mount)) = empty_disk(temporary.path()) else { return };
    for round in 0..3 {
        let Some(disk) = Disk::in_image(&image, &mount, TEST) else { return };
        let mut store = FjallStore::open(&mount.join("store"), Options::default(), |_| {}).unwrap();
        assert_eq!(content::check(&store, &format!("round {round}")), round * BATCHES);
        for number in round * BATCHES + 1..=(round + 1) * BATCHES {
            store.submit(Turn(number), content::batch(number)).unwrap();
        }
        drop(store);
        assert_eq!(journals(&mount.join("store/rows")), [0], "round {round}");
        let copied = copied(&image);
        drop(disk);
        std::fs::rename(&copied, &image).unwrap();
    }
}

/// The lengths of all journals.
fn journals(rows: &Path) -> Vec<u64> {
    let files = std::fs::read_dir(rows).unwrap().map(Result::unwrap);
    let journals = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "jnl"));
    journals.map(|journal| journal.metadata().unwrap().len()).collect()
}

#[test]
fn what_was_durable_survives_a_power_cut() {
    let temporary = tempfile::tempdir().unwrap();
    let Some((image, mount)) = empty_disk(temporary.path()) else { return };
    let mut kept = 0;
    for round in 0..ROUNDS {
        let Some(durable) = cut(&image, &mount, round) else { return };
        let Some(_disk) = Disk::in_image(&image, &mount, TEST) else { return };
        let store = FjallStore::open(&mount.join("store"), Options::default(), |_| {})
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_ne!(store.high_water(), HighWater::Missing, "round {round}");
        let last = content::check(&store, &format!("round {round}"));
        assert!(last >= durable.max(kept), "round {round}: {durable} was durable, {last} is the last");
        assert!(durable > kept, "round {round}: nothing was written");
        kept = last;
    }
    println!("{ROUNDS} power cuts, {kept} batches kept");
}
