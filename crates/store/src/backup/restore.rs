//! A new store from a backup.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use replica::{Keyspace, Row, StoreError};

use super::manifest::{BackupFile, FORMAT, Manifest, NAME, sum_of};
use super::rows_file::RowsReader;
use crate::directory::Directory;
use crate::engine::{Engine, Group, KEY_BYTES_MAX, is_reserved};
use crate::error::OpenError;
use crate::pacer::{Pacer, memtable_bytes};
use crate::verify::Progress;

/// Longest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// Why a backup was not restored. The target has no rows then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// There is no manifest: the backup was cut off, or this is none.
    #[error("{path} is not a complete backup: it has no {NAME}; use another one")]
    Incomplete {
        /// The backup.
        path: PathBuf,
    },
    /// The manifest cannot be read as one, or contradicts itself.
    #[error("the manifest of the backup in {path} is damaged: use another backup")]
    Manifest {
        /// The backup.
        path: PathBuf,
    },
    /// The backup was written by a version with another format.
    #[error(
        "the backup in {path} has format {found}, this version reads {expected}: use the version that wrote it"
    )]
    Format {
        /// The backup.
        path: PathBuf,
        /// The version in its manifest.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// A file contradicts its sum.
    #[error("the backup's file {path} is damaged: use another backup")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The target has rows already.
    #[error("the store in {path} is not empty: restore into a new directory, or set its rows aside")]
    NotEmpty {
        /// The store's directory.
        path: PathBuf,
    },
    /// The target did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target did not take the rows.
    #[error("the rows were not written: {source}")]
    Store {
        /// Why.
        source: StoreError,
    },
    /// The operating system refused.
    #[error("reading {path} failed: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Makes a store in `directory`, which has none, from the backup in `backup`. Every sum is checked before anything is
/// written, and the rows appear in one step: an interrupted one leaves an empty store. The caller draws a new
/// incarnation and a new epoch. `progress` is told of rows and bytes so far.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    backup: &Path,
    directory: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Manifest, RestoreError> {
    let manifest = read_manifest(backup)?;
    for file in &manifest.files {
        check_sum(backup, file)?;
    }
    let target = Directory::open(directory)?;
    if target.has_rows()? {
        return Err(RestoreError::NotEmpty { path: directory.into() });
    }
    let mut done = Progress::default();
    target.make_rows(|engine| {
        for (file, keyspace) in manifest.files.iter().zip(Keyspace::ALL) {
            load(&engine, &backup.join(&file.name), keyspace, &mut done, &mut progress)?;
        }
        if (done.rows, done.bytes) == (manifest.rows, manifest.bytes) {
            Ok(())
        } else {
            Err(RestoreError::Manifest { path: backup.into() })
        }
    })?;
    progress(done);
    Ok(manifest)
}

fn read_manifest(backup: &Path) -> Result<Manifest, RestoreError> {
    let path = backup.join(NAME);
    let damaged = || RestoreError::Manifest { path: backup.into() };
    let text = match File::open(&path) {
        Ok(file) => {
            let mut text = Vec::new();
            file.take(MANIFEST_BYTES_MAX)
                .read_to_end(&mut text)
                .map_err(|source| RestoreError::Io { path, source })?;
            text
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RestoreError::Incomplete { path: backup.into() });
        }
        Err(source) => return Err(RestoreError::Io { path, source }),
    };
    let format = serde_json::from_slice::<serde_json::Value>(&text).map_err(|_| damaged())?;
    let format = format.get("format").and_then(serde_json::Value::as_u64).ok_or_else(damaged)?;
    let found = u32::try_from(format).map_err(|_| damaged())?;
    if found != FORMAT {
        return Err(RestoreError::Format { path: backup.into(), found, expected: FORMAT });
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| damaged())?;
    let names =
        Keyspace::ALL.map(|keyspace| (keyspace.name().to_owned(), format!("{}.rows", keyspace.name())));
    let is_whole =
        manifest.files.iter().map(|file| (&file.keyspace, &file.name)).eq(names.iter().map(|(a, b)| (a, b)))
            && manifest.blake3 == sum_of(&manifest.files);
    if is_whole { Ok(manifest) } else { Err(damaged()) }
}

fn check_sum(backup: &Path, file: &BackupFile) -> Result<(), RestoreError> {
    let path = backup.join(&file.name);
    let mut hasher = blake3::Hasher::new();
    let hashed = File::open(&path).and_then(|file| hasher.update_reader(file).map(|_| ()));
    match hashed {
        Ok(()) if hasher.finalize().to_hex().as_str() == file.blake3 => Ok(()),
        Ok(()) => Err(RestoreError::Damaged { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RestoreError::Damaged { path }),
        Err(source) => Err(RestoreError::Io { path, source }),
    }
}

/// Writes the rows of a file, a frame a commit.
fn load(
    engine: &Arc<Engine>,
    path: &Path,
    keyspace: Keyspace,
    done: &mut Progress,
    progress: &mut impl FnMut(Progress),
) -> Result<(), RestoreError> {
    let damaged = || RestoreError::Damaged { path: path.into() };
    let failed = |source: io::Error| {
        if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) {
            damaged()
        } else {
            RestoreError::Io { path: path.into(), source }
        }
    };
    let mut reader = RowsReader::open(path).map_err(failed)?.ok_or_else(damaged)?;
    let pacer = Pacer::new(Arc::clone(engine));
    thread::scope(|scope| {
        scope.spawn(|| pacer.run());
        let loaded = (|| {
            while let Some(rows) = reader.frame().map_err(failed)? {
                if rows.iter().any(|(key, _)| !is_loadable(keyspace, key)) {
                    return Err(damaged());
                }
                for (key, value) in &rows {
                    if done.count(key, value) {
                        progress(*done);
                    }
                }
                commit(engine, &pacer, keyspace, rows).map_err(|source| RestoreError::Store { source })?;
            }
            Ok(())
        })();
        pacer.end();
        loaded
    })
}

fn is_loadable(keyspace: Keyspace, key: &[u8]) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len()) && !is_reserved(keyspace, key)
}

/// Without a sync: nothing counts until all of it is durable and in its place.
fn commit(engine: &Engine, pacer: &Pacer, keyspace: Keyspace, rows: Vec<Row>) -> Result<(), StoreError> {
    pacer.wait_for_room()?;
    let bytes = rows.iter().map(|(key, value)| memtable_bytes(key, Some(value))).sum();
    let group: Group = rows.into_iter().map(|(key, value)| ((keyspace, key), Some(value))).collect();
    engine.commit(group, false)?;
    pacer.written(keyspace, bytes);
    Ok(())
}
