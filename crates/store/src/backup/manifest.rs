//! `manifest.json`: what a complete backup consists of.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::directory::sync;

/// Version of the manifest and of the files of rows. Another one is refused.
pub(crate) const FORMAT: u32 = 1;
/// The manifest's name.
pub(crate) const NAME: &str = "manifest.json";

/// What a backup consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format's version.
    pub format: u32,
    /// Rows in all.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// blake3 over the sums of the files in their order, hexadecimal.
    pub blake3: String,
    /// The files, one for each keyspace.
    pub files: Vec<BackupFile>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// Its name in the directory.
    pub name: String,
    /// The keyspace that its rows belong to.
    pub keyspace: String,
    /// Its rows.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// blake3 over its content, hexadecimal.
    pub blake3: String,
}

impl Manifest {
    pub(super) fn new() -> Self {
        Self { format: FORMAT, rows: 0, bytes: 0, blake3: String::new(), files: Vec::new() }
    }

    /// After every file that it names is durable.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let unfinished = directory.join("manifest.new");
        let mut file = File::create(&unfinished)?;
        let text = serde_json::to_vec_pretty(self)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&unfinished, directory.join(NAME))?;
        sync(directory)
    }
}

/// The sum over the sums.
pub(super) fn sum_of(files: &[BackupFile]) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(file.blake3.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
