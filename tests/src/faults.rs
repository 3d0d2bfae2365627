//! A disk that gives I/O errors: a library that is loaded before the C library makes calls on fjall's files fail.

use std::path::Path;
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
    let library = directory.join("faults.so");
    if !library.exists() {
        let mut compiler = Command::new("cc");
        let source = repository_root().join("tests/store/faults.c");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        if !run(&mut compiler, "I/O errors") {
            return None;
        }
    }
    Some([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAULT_CALL", call.into()),
        ("FAULT_PATH", rows.display().to_string()),
        ("FAULT_WHEN", when.to_string()),
    ])
}
