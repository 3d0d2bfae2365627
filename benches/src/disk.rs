//! What the disk alone can do, for reference.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// One append of 150 bytes and one `fdatasync` after another, for half a second.
#[must_use]
pub fn fdatasyncs_per_second() -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let mut file = File::create(directory.path().join("file")).expect("a file");
    let (started, mut done) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_millis(500) {
        file.write_all(&[7; 150]).expect("written");
        file.sync_data().expect("synced");
        done += 1;
    }
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// The median time of an append of 150 bytes and its `fdatasync`, in milliseconds, when there is one in each `interval`:
/// a disk that rests in between takes longer than one that is kept busy.
#[must_use]
pub fn fdatasync_ms_every(interval: Duration) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let mut file = File::create(directory.path().join("file")).expect("a file");
    let mut took_ms = Vec::new();
    for _ in 0..100 {
        let started = Instant::now();
        file.write_all(&[7; 150]).expect("written");
        file.sync_data().expect("synced");
        took_ms.push(started.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(interval.saturating_sub(started.elapsed()));
    }
    took_ms.sort_by(f64::total_cmp);
    took_ms.get(took_ms.len() / 2).copied().unwrap_or_default()
}
