//! What fjall and the file system report, as what the caller can do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use replica::{Keyspace, StoreError};

/// Why a store did not open. Nothing durable was changed in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has the store open.
    #[error("the store in {path} is open elsewhere: stop that process first")]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The directory was written by a version with another format.
    #[error(
        "the store in {path} was written by {} version of isle (format {found}, this one reads {expected}): start it with the \
         version that wrote it; nothing was changed", if found > expected { "a newer" } else { "an older" }
    )]
    Format {
        /// The store's directory.
        path: PathBuf,
        /// The version in its `format` file.
        found: u32,
        /// The version that this program reads and writes.
        expected: u32,
    },
    /// There are rows, but the file that tells their format is missing or is no such file.
    #[error(
        "the store in {path} does not say its format: restore the file `format`, or move the directory away"
    )]
    Unmarked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The rows contradict their checksums. Opening again does not help.
    #[error("the store in {path} is damaged: set it aside and start with an empty one")]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What was found.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Rows that had been made durable are gone, the newest ones: something damaged the journal, or the rows were
    /// replaced by an older copy.
    #[error(
        "the store in {path} lost rows that it had made durable: {found} commits of {expected} are left; if its \
         peers can fill it again, accept that it is shortened, under a new incarnation"
    )]
    Shortened {
        /// The store's directory.
        path: PathBuf,
        /// Commits that had been made durable.
        expected: u64,
        /// Commits that are there.
        found: u64,
    },
    /// There are rows and no readable mark: the file was deleted, or the rows were copied here without it. Whether
    /// rows are lost is not known.
    #[error(
        "the store in {path} has rows, but nothing says how many there were: somebody put them there; if they are \
         what the replica is to go on with, accept that it is shortened, under a new incarnation"
    )]
    MarkMissing {
        /// The store's directory.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("the disk that holds {path} is full: free space, then start again")]
    Full {
        /// The store's directory.
        path: PathBuf,
    },
    /// The new store's rows did not become durable.
    #[error("the store in {path} was not made: {operation} failed: {source}")]
    Store {
        /// The store's directory.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// Why.
        source: StoreError,
    },
    /// The operating system refused.
    #[error("the store in {path} did not open: {operation} failed: {source}")]
    Io {
        /// The store's directory.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Rows that their own checksums do not contradict, but the mark beside them does.
#[derive(Debug, thiserror::Error)]
#[error("after commit {commits} the rows are not those that the high-water mark was written for")]
pub(crate) struct OtherRows {
    pub(crate) commits: u64,
}

/// A journal of fjall that cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("the journal {} cannot be read behind byte {whole_bytes}, where acknowledged commits follow", journal.display())]
pub(crate) struct BrokenJournal {
    pub(crate) journal: PathBuf,
    pub(crate) whole_bytes: u64,
}

/// True for the kinds of error that freeing space ends.
pub(crate) fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What the operating system said, however deep in `error`; none when it is not to blame.
pub(crate) fn io_kind(error: &fjall::Error) -> Option<io::ErrorKind> {
    said_by_system(error).map(io::Error::kind)
}

/// The same as the system's number.
fn io_code(error: &fjall::Error) -> Option<i32> {
    said_by_system(error).and_then(io::Error::raw_os_error)
}

fn said_by_system(error: &fjall::Error) -> Option<&io::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// An error of the operating system, as the store reports it.
pub(crate) fn io_error(kind: io::ErrorKind, operation: &'static str) -> StoreError {
    if is_full(kind) { StoreError::Full } else { StoreError::Io { operation, kind } }
}

/// Why rows of `keyspace` could not be read.
pub(crate) fn read_error(error: &fjall::Error, keyspace: Keyspace) -> StoreError {
    match io_kind(error) {
        Some(kind) => io_error(kind, "reading rows"),
        None => StoreError::Damaged { what: "a block that contradicts its checksum or its format", keyspace },
    }
}

/// Why a group was not made durable. `Poisoned` stands for a failure elsewhere in fjall, which it does not name.
pub(crate) fn commit_error(error: &fjall::Error) -> StoreError {
    match io_kind(error) {
        Some(kind) => io_error(kind, "committing rows"),
        None => StoreError::Poisoned,
    }
}

/// Why `path` did not open.
pub(crate) fn open_error(error: fjall::Error, path: PathBuf) -> OpenError {
    match (io_kind(&error), &error) {
        (Some(kind), _) if is_full(kind) => OpenError::Full { path },
        // One of its files is gone, or ends too early.
        (Some(io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData), _) => {
            OpenError::Damaged { path, source: Box::new(error) }
        }
        (Some(kind), _) => {
            // As the system says it, where it does: what fjall has around it is for its authors.
            let source = io_code(&error).map_or_else(|| kind.into(), io::Error::from_raw_os_error);
            OpenError::Io { path, operation: "reading the rows", source }
        }
        (None, fjall::Error::Locked) => OpenError::Locked { path },
        (None, _) => OpenError::Damaged { path, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_seen_through_every_layer() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert_eq!(commit_error(&fjall::Error::Io(kind.into())), StoreError::Full);
            let deep = fjall::Error::Storage(fjall::LsmError::Io(kind.into()));
            assert_eq!(commit_error(&deep), StoreError::Full);
            assert!(matches!(open_error(deep, "/store".into()), OpenError::Full { .. }));
        }
    }

    #[test]
    fn an_error_of_the_system_is_told_in_its_own_words() {
        let deep = fjall::Error::Storage(fjall::LsmError::Io(io::Error::from_raw_os_error(24)));
        let told = open_error(deep, "/store".into()).to_string();
        assert!(told.ends_with("reading the rows failed: Too many open files (os error 24)"), "{told}");
    }

    #[test]
    fn other_failures_keep_what_the_system_said() {
        let kind = io::ErrorKind::PermissionDenied;
        let deep = fjall::Error::Storage(fjall::LsmError::Io(kind.into()));
        assert_eq!(read_error(&deep, Keyspace::Meta), StoreError::Io { operation: "reading rows", kind });
        assert_eq!(commit_error(&fjall::Error::Poisoned), StoreError::Poisoned);
        assert!(matches!(
            read_error(&fjall::Error::InvalidTrailer, Keyspace::Journal),
            StoreError::Damaged { keyspace: Keyspace::Journal, .. }
        ));
        assert!(matches!(
            open_error(fjall::Error::Unrecoverable, "/store".into()),
            OpenError::Damaged { .. }
        ));
    }
}
