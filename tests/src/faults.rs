//! A disk that gives I/O errors, and a clock that is wrong: libraries that are loaded before the C library.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::run;
use crate::repository_root;

/// The variables for a process whose `when`-th `call` on a file below `rows` fails, and every one after it: a `write`,
/// a `short` write or a `sync`. `None`, with the reason told, where there is no C compiler; the library goes into
/// `directory`.
pub fn variables(
    directory: &Path,
    (call, when): (&str, u64),
    rows: &Path,
) -> Option<[(&'static str, String); 4]> {
    let library = library("tests/store/faults.c", directory, "I/O errors")?;
    Some([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAULT_CALL", call.into()),
        ("FAULT_PATH", rows.display().to_string()),
        ("FAULT_WHEN", when.to_string()),
    ])
}

/// The variables for a process whose wall clock is `seconds` ahead, or behind. `None`, with the reason told, where there is
/// no C compiler; the library goes into `directory`.
pub fn wrong_clock(directory: &Path, seconds: i64) -> Option<[(&'static str, String); 2]> {
    let library = library("tests/edge/clock.c", directory, "wrong clocks")?;
    Some([("LD_PRELOAD", library.display().to_string()), ("CLOCK_AHEAD_S", seconds.to_string())])
}

/// Compiles a source of the repository, once for each directory.
fn library(source: &str, directory: &Path, test: &str) -> Option<PathBuf> {
    let source = repository_root().join(source);
    let library = directory.join(source.file_name()?).with_extension("so");
    if !library.exists() {
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        if !run(&mut compiler, test) {
            return None;
        }
    }
    Some(library)
}
