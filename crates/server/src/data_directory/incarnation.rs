//! The number that tells one store of a replica from the next.

use super::memory_starts::{ORIGINS_OF_A_KEY_MAX, WAY_OUT};
use crate::random::{self, RandomError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const BYTES: usize = 16;
/// 32 digits and a line end, and some room to see that there is more.
const FILE_BYTES_MAX: u64 = 64;
const MODE_PRIVATE: u32 = 0o600;

/// Why a store has no incarnation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IncarnationError {
    /// The file system refused.
    #[error("{operation} failed at {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the file system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} does not hold 32 hexadecimal digits: delete it, and the replica goes on under a new origin",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Nobody can say how many stores in memory have written.
    #[error(
        "{} does not say how many starts in memory have written: delete it if they were few, or let the replica join with a \
         new key", path.display()
    )]
    MalformedCount {
        /// The file.
        path: PathBuf,
    },
    /// Peers would not take what a further store in memory writes.
    #[error(
        "{wrote} starts with rows in memory have written under this certificate's key, as {} says, and peers take \
         {ORIGINS_OF_A_KEY_MAX} origins of one key: {WAY_OUT}", path.display()
    )]
    TooManyMemoryStarts {
        /// How many have written.
        wrote: u32,
        /// Where they are counted.
        path: PathBuf,
    },
    /// No new one can be drawn.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Reads the incarnation if there is a store for it to belong to; draws and keeps a new one else.
pub(super) fn of_store(directory: &Path, has_store: bool) -> Result<[u8; BYTES], IncarnationError> {
    let path = directory.join("incarnation");
    if has_store && let Some(incarnation) = read(&path)? {
        return Ok(incarnation);
    }
    let incarnation = random::bytes()?;
    write(directory, &path, &incarnation)?;
    Ok(incarnation)
}

/// Durable when this returns.
pub(super) fn forget(directory: &Path) -> Result<(), IncarnationError> {
    let path = directory.join("incarnation");
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&path, "removing the incarnation", error)),
    }
    let synced = File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(|source| failed(directory, "syncing the directory", source))
}

fn read(path: &Path) -> Result<Option<[u8; BYTES]>, IncarnationError> {
    let failed = |source| failed(path, "reading the incarnation", source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    match parse(&text) {
        Some(incarnation) => Ok(Some(incarnation)),
        None => Err(IncarnationError::Malformed { path: path.to_owned() }),
    }
}

/// Beside its place first, then renamed: it is never half there. Durable when this returns, so that the store, which
/// is made afterwards, cannot outlive it.
fn write(directory: &Path, path: &Path, incarnation: &[u8; BYTES]) -> Result<(), IncarnationError> {
    let new = directory.join("incarnation.new");
    match fs::remove_file(&new) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&new, "removing an unfinished incarnation", error)),
    }
    let mut text: String = incarnation.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    let created = OpenOptions::new().write(true).create_new(true).mode(MODE_PRIVATE).open(&new);
    let written = created.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| failed(&new, "writing the incarnation", source))?;
    fs::rename(&new, path).map_err(|source| failed(path, "putting the incarnation in place", source))?;
    let synced = File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(|source| failed(directory, "syncing the directory", source))
}

fn parse(text: &[u8]) -> Option<[u8; BYTES]> {
    let text = std::str::from_utf8(text).ok()?.trim_end();
    if text.len() != 2 * BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn failed(path: &Path, operation: &'static str, source: io::Error) -> IncarnationError {
    IncarnationError::Io { path: path.to_owned(), operation, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_for_its_owner_only_and_read_as_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("incarnation");
        let drawn = of_store(directory.path(), false).unwrap();
        assert_eq!(of_store(directory.path(), true).unwrap(), drawn);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE_PRIVATE);
    }

    #[test]
    fn a_damaged_one_is_refused_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("incarnation");
        for content in ["", "00", &"g".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            fs::write(&path, content).unwrap();
            let refused = of_store(directory.path(), true);
            assert!(matches!(refused, Err(IncarnationError::Malformed { .. })), "{content}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn what_a_crash_left_unfinished_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("incarnation.new"), "half").unwrap();
        assert!(of_store(directory.path(), false).is_ok());
        assert!(!directory.path().join("incarnation.new").exists());
    }
}
