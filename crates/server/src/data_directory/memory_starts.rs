//! How many stores in memory have written under a replica's key: `identity/memory-starts.json`.
//!
//! Each of them is an origin of its own to the peers, which take 64 of one key and never forget any. Whoever went on beyond
//! that would be answered here as written, and nobody else would take it. So they are counted, durably before the first
//! write of each, and no further one is begun from [`MEMORY_STARTS_MAX`] on. A start that writes nothing is no origin to
//! anybody: a service that ends again and again before it has written, or that only reads, uses none up.

use super::IncarnationError;
use crate::config::PublicKey;
use crate::private_file;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What peers take of one key: stores on disks, each of which was lost or put back, have their part of it.
pub(super) const ORIGINS_OF_A_KEY_MAX: u32 = 64;

/// Stores in memory that may write under one key. Eight are left to stores on disks, to which the replica can move at last.
pub(crate) const MEMORY_STARTS_MAX: u32 = 56;

/// From here on each start is warned of: half of them are left.
const MEMORY_STARTS_WARNED: u32 = MEMORY_STARTS_MAX / 2;

const _: () = assert!(MEMORY_STARTS_MAX < ORIGINS_OF_A_KEY_MAX);

/// Counts the stores in memory of one key.
#[derive(Clone, Debug)]
pub(crate) struct MemoryStarts {
    path: PathBuf,
    count: Count,
    /// Whether this store is among them, or never will be.
    is_noted: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    /// Whose: another key begins anew.
    public_key: PublicKey,
    /// Stores that have written.
    wrote: u32,
}

impl MemoryStarts {
    /// Of a store that is to be made, and `may_write`. That it can be counted is tried before anybody writes.
    ///
    /// # Errors
    /// [`IncarnationError`]; the store must not be made then.
    pub(crate) fn begin(
        identity: &Path,
        public_key: [u8; 32],
        may_write: bool,
    ) -> Result<Self, IncarnationError> {
        let path = identity.join("memory-starts.json");
        let none = Count { public_key: PublicKey(public_key), wrote: 0 };
        let count = read(&path)?.filter(|count| count.public_key.0 == public_key).unwrap_or(none);
        let starts = Self { path, count, is_noted: !may_write };
        if !may_write {
            return Ok(starts);
        }
        let wrote = starts.count.wrote;
        if wrote >= MEMORY_STARTS_MAX {
            return Err(IncarnationError::TooManyMemoryStarts { wrote, path: starts.path });
        }
        if let Some(warning) = starts.warning() {
            tracing::warn!("{warning}");
        }
        starts.save()?;
        Ok(starts)
    }

    /// This store is about to write. Durable when this returns; to be called as often as it writes.
    ///
    /// # Errors
    /// [`IncarnationError`]; nothing must be written then.
    pub(crate) fn note(&mut self) -> Result<(), IncarnationError> {
        if self.is_noted {
            return Ok(());
        }
        let count = Count { wrote: self.count.wrote.saturating_add(1), ..self.count.clone() };
        Self { count: count.clone(), ..self.clone() }.save()?;
        (self.count, self.is_noted) = (count, true);
        Ok(())
    }

    /// What is to be done before there are too many, in words; none while few have written.
    pub(crate) fn warning(&self) -> Option<String> {
        let wrote = self.count.wrote;
        (wrote >= MEMORY_STARTS_WARNED).then(|| {
            format!(
                "{wrote} of {MEMORY_STARTS_MAX} starts with rows in memory have written under this certificate's key, \
                 and none is begun after them: {WAY_OUT}"
            )
        })
    }

    fn save(&self) -> Result<(), IncarnationError> {
        let operation = "counting the starts in memory";
        let failed = |source| IncarnationError::Io { path: self.path.clone(), operation, source };
        let text = serde_json::to_vec(&self.count).map_err(|error| failed(error.into()))?;
        private_file::replace(&self.path, &text).map_err(failed)
    }
}

/// What to do about it.
pub(super) const WAY_OUT: &str = "keep its rows on the disk, or let it join with a new key (`isle hub revoke`, `isle hub \
                                  invite`, then `isle join` into an empty data directory)";

fn read(path: &Path) -> Result<Option<Count>, IncarnationError> {
    let operation = "reading the count of starts in memory";
    match fs::read(path) {
        Ok(text) => {
            let count = serde_json::from_slice(&text);
            count.map(Some).map_err(|_| IncarnationError::MalformedCount { path: path.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IncarnationError::Io { path: path.to_owned(), operation, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn begin(directory: &Path) -> Result<MemoryStarts, IncarnationError> {
        MemoryStarts::begin(directory, KEY, true)
    }

    #[test]
    fn starts_that_write_are_counted_warned_of_and_refused_before_peers_refuse_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut warned = 0;
        for _ in 0..MEMORY_STARTS_MAX {
            // One that ends before it writes is none.
            begin(directory.path()).unwrap();
            let mut starts = begin(directory.path()).unwrap();
            warned += u32::from(starts.warning().is_some());
            starts.note().unwrap();
            starts.note().unwrap();
        }
        assert_eq!(warned, MEMORY_STARTS_MAX - MEMORY_STARTS_WARNED);
        let refused = begin(directory.path()).unwrap_err();
        assert!(matches!(refused, IncarnationError::TooManyMemoryStarts { wrote: 56, .. }), "{refused}");
        assert!(refused.to_string().contains("isle hub revoke"), "{refused}");
        // Who only reads goes on, and so does another key.
        MemoryStarts::begin(directory.path(), KEY, false).unwrap().note().unwrap();
        MemoryStarts::begin(directory.path(), [8; 32], true).unwrap();
    }

    #[test]
    fn what_cannot_be_counted_is_not_begun() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory-starts.json");
        fs::write(&path, "{").unwrap();
        assert!(matches!(begin(directory.path()), Err(IncarnationError::MalformedCount { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{");
        let nowhere = directory.path().join("nowhere");
        assert!(matches!(begin(&nowhere), Err(IncarnationError::Io { .. })));
    }
}
