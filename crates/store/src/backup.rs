//! Backups: the rows of a snapshot in files of our own, which do not depend on fjall's version or files.
//!
//! A backup is a directory with a file of rows for each keyspace and `manifest.json`, which is written last: without
//! it there is no backup. It holds no identity, no incarnation and no high-water mark: what is restored from it is
//! another store, under a new incarnation and epoch.

mod manifest;
mod restore;
mod rows_file;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use replica::{Keyspace, StoreError};

pub use manifest::{BackupFile, Manifest};
pub use restore::{RestoreError, restore};

use crate::directory::sync;
use crate::store::StoreSnapshot;
use crate::verify::Progress;
use manifest::sum_of;
use rows_file::RowsWriter;

/// Why a backup was not made. What there is of it has no manifest and is refused by [`restore`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is something already.
    #[error("{path} is not empty: give a directory of its own to each backup")]
    NotEmpty {
        /// Where the backup was to be.
        path: PathBuf,
    },
    /// The store could not be read.
    #[error("the store cannot be backed up: {source}")]
    Store {
        /// Why.
        source: StoreError,
    },
    /// A row is longer than the format allows.
    #[error("a row of {bytes} bytes in {keyspace:?} is longer than a backup takes")]
    RowTooLong {
        /// Where it is.
        keyspace: Keyspace,
        /// Its length.
        bytes: usize,
    },
    /// The caller ended it.
    #[error("the backup to {path} was ended before it was complete")]
    Ended {
        /// Where it was to be.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the backup to {path} failed: {operation}: {source}")]
    Io {
        /// Where it was to be.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl StoreSnapshot {
    /// Writes a consistent copy of the rows to `target`, an empty or absent directory, while the store goes on. It is
    /// durable when this returns. Memory does not grow with the rows. `progress` is told of rows and bytes so far, and
    /// ends the backup by returning false.
    ///
    /// # Errors
    /// [`BackupError`]; there is no manifest then, and `target` is to be deleted.
    pub fn backup(
        &self,
        target: &Path,
        mut progress: impl FnMut(Progress) -> bool,
    ) -> Result<Manifest, BackupError> {
        let failed = |operation| move |source| BackupError::Io { path: target.into(), operation, source };
        // It has what the data directory has, which is its owner's alone.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(target);
        made.map_err(failed("making the directory"))?;
        if fs::read_dir(target).map_err(failed("listing the directory"))?.next().is_some() {
            return Err(BackupError::NotEmpty { path: target.into() });
        }
        let mut all = Progress::default();
        let mut files = Vec::new();
        for keyspace in Keyspace::ALL {
            let name = format!("{}.rows", keyspace.name());
            let mut writer = RowsWriter::create(&target.join(&name)).map_err(failed("making a file"))?;
            let mut rows = 0;
            for row in self.all(keyspace) {
                let (key, value) = row.map_err(|source| BackupError::Store { source })?;
                let bytes = key.len().saturating_add(value.len());
                if !rows_file::fits(bytes) {
                    return Err(BackupError::RowTooLong { keyspace, bytes });
                }
                writer.row(&key, &value).map_err(failed("writing rows"))?;
                rows += 1;
                if all.count(&key, &value) && !progress(all) {
                    return Err(BackupError::Ended { path: target.into() });
                }
            }
            let (bytes, blake3) = writer.finish().map_err(failed("syncing rows"))?;
            files.push(BackupFile { name, keyspace: keyspace.name().into(), rows, bytes, blake3 });
        }
        let manifest =
            Manifest { blake3: sum_of(&files), rows: all.rows, bytes: all.bytes, files, ..Manifest::new() };
        manifest.write(target).map_err(failed("writing the manifest"))?;
        if let Some(parent) = target.parent() {
            sync(parent).map_err(failed("syncing the directory above"))?;
        }
        progress(all);
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests;
