//! A disk that gives I/O errors, a change that ends the process, and a clock that is wrong: libraries that are loaded before the C library.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::run;
use crate::repository_root;

/// Which calls of a process on a disk fail.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// A `write`, a `short` write or a `sync`.
    pub call: &'static str,
    /// The first that fails, counted from 1.
    pub when: u64,
    /// So many, or all from then on.
    pub times: Option<u64>,
}

/// The variables for a process in which calls on files below `rows` fail. `None`, with the reason told, where there is no
/// C compiler; the library goes into `directory`.
pub fn variables(directory: &Path, fault: Fault, rows: &Path) -> Option<Vec<(&'static str, String)>> {
    let library = library("tests/store/faults.c", directory, "I/O errors")?;
    let mut variables = vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAULT_CALL", fault.call.into()),
        ("FAULT_PATH", rows.display().to_string()),
        ("FAULT_WHEN", fault.when.to_string()),
    ];
    variables.extend(fault.times.map(|times| ("FAULT_TIMES", times.to_string())));
    Some(variables)
}

/// The variables for a process in which syncs of files below `rows` do not end while the file `hung` is there. `None` as
/// above.
pub fn hanging(directory: &Path, rows: &Path, hung: &Path) -> Option<[(&'static str, String); 4]> {
    let library = library("tests/store/faults.c", directory, "a disk that hangs")?;
    Some([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAULT_CALL", "hang".into()),
        ("FAULT_PATH", rows.display().to_string()),
        ("FAULT_WHILE", hung.display().to_string()),
    ])
}

/// The variables for a process that is killed as soon as it notes a change as suspect, by blake3 of its chunk: as if it
/// ended whoever tries it. `None` as above.
pub fn deadly_change(directory: &Path, sum: &[u8; 32]) -> Option<[(&'static str, String); 2]> {
    let library = library("tests/edge/deadly.c", directory, "a change that ends the process")?;
    let sum = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    Some([("LD_PRELOAD", library.display().to_string()), ("DEADLY_SUM", sum)])
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
