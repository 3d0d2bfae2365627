//! Where the program and the examples are.

use crate::repository_root;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The program, built from the sources as they are. It is beside the caller: the same profile, the same target
/// directory.
///
/// # Panics
/// If it does not build.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let caller = std::env::current_exe().unwrap();
        let profile = caller.ancestors().nth(2).expect("the caller is in PROFILE/deps");
        let program = profile.join("isle");
        if is_outdated(&program) {
            build(profile);
        }
        program
    })
}

/// An example of the client library, built from the sources as they are.
///
/// # Panics
/// If it does not build.
pub fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let caller = std::env::current_exe().unwrap();
    let profile = caller.ancestors().nth(2).expect("the caller is in PROFILE/deps");
    let example = profile.join("examples").join(name);
    if is_outdated(&example) {
        BUILT.get_or_init(|| build(profile));
    }
    example
}

/// Runs a command of the program to its end.
///
/// # Panics
/// If it cannot be started.
pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> Output {
    Command::new(path()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Standard output of a command that succeeds.
///
/// # Panics
/// If it does not succeed.
#[track_caller]
pub fn run_well<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Everything that tests run, as `tests/run` does: of other packages, or without the examples, whose dependencies are those of the
/// tests, every dependency with other features would be built again.
fn build(profile: &Path) {
    let target = profile.parent().expect("a profile is in a target directory");
    let name = match profile.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo tells of the caller's package would have libraries built again that look at it.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&variable);
        }
    }
    let built = command
        .args(["build", "--quiet", "--profile", name])
        .args(["--workspace", "--bins", "--examples"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(repository_root())
        .status()
        .unwrap();
    assert!(built.success(), "the programs do not build: {built}");
}

/// Whether it is missing, or older than what it is built from.
fn is_outdated(program: &Path) -> bool {
    let Ok(built) = program.metadata().and_then(|metadata| metadata.modified()) else { return true };
    ["Cargo.toml", "Cargo.lock", "crates", "schemas"]
        .iter()
        .any(|path| newest(&repository_root().join(path)) > built)
}

fn newest(path: &Path) -> SystemTime {
    let own = path.metadata().and_then(|metadata| metadata.modified()).unwrap();
    if !path.is_dir() {
        return own;
    }
    let inside = path.read_dir().unwrap().map(|entry| newest(&entry.unwrap().path()));
    inside.fold(own, SystemTime::max)
}
