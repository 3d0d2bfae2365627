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
