//! What could not be tested on this machine.

use std::fs::OpenOptions;
use std::io::Write as _;

/// The variable that names the file for `tests/run`, which counts and lists its lines.
pub const SKIPPED: &str = "ISLE_TESTS_SKIPPED";

/// Says that a test is left out, and why: it needs root, or a tool that is not there.
pub fn skipped(test: &str, reason: &str) {
    let line = format!("{test}: {}", reason.trim().replace('\n', "; "));
    println!("skipped: {line}");
    if let Some(path) = std::env::var_os(SKIPPED) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
