//! Who is refused where no hub enrols: `denied.txt` of the data directory, a replica's name or key on each line, and what
//! stands behind a `#` is for people. The file is the truth, whether a server runs or not.

use crate::config::PublicKey;
use crate::data_directory::DataDirectory;
use crate::private_file::{self, MODE_PRIVATE};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use transport::{Peer, check_name};

/// Longest list, in bytes: some 10,000 keys.
const LIST_BYTES_MAX: u64 = 1024 * 1024;

/// Why a list cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DenyListError {
    /// The file system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system refused. The list is as it was.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is longer than {LIST_BYTES_MAX} bytes: it is no list of names and keys", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A line is something else.
    #[error(
        "{}, line {line}: '{found}' is neither a replica's name nor its key, 64 hexadecimal digits: correct the line, or \
         delete it", path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Which.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// Nobody has this name.
    #[error("there is no peer '{given}' in {}: name one of [peers] there, or give its key", config.display())]
    Unknown {
        /// The name.
        given: String,
        /// The configuration.
        config: PathBuf,
    },
}

/// Names and keys that are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    keys: BTreeSet<[u8; 32]>,
    names: BTreeSet<String>,
}

impl Refusals {
    pub(crate) fn of_keys(keys: impl Iterator<Item = [u8; 32]>) -> Self {
        Self { keys: keys.collect(), names: BTreeSet::new() }
    }

    /// Whether a replica is refused: its key, or whoever has its name.
    pub(crate) fn has(&self, peer: &Peer) -> bool {
        self.keys.contains(&peer.public_key) || self.names.contains(&peer.name)
    }

    /// Whether it is new; `None` if it is neither a name nor a key.
    fn add(&mut self, entry: &str) -> Option<bool> {
        match entry.parse() {
            Ok(PublicKey(key)) => Some(self.keys.insert(key)),
            Err(_) if check_name(entry).is_ok() => Some(self.names.insert(entry.to_owned())),
            Err(_) => None,
        }
    }
}

/// The list of a data directory.
#[derive(Clone, Debug)]
pub(crate) struct DenyList {
    path: PathBuf,
    lock: PathBuf,
}

impl DenyList {
    pub(crate) fn of(directory: &DataDirectory) -> Self {
        Self { path: directory.denied(), lock: directory.denied_lock() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; nobody is refused where there is none.
    pub(crate) fn read(&self) -> Result<Refusals, DenyListError> {
        parse(&self.path, &self.text()?)
    }

    /// Refuses a name or a key from here on; durable when this returns. Returns whether it was not refused before.
    pub(crate) fn add(&self, entry: &str) -> Result<bool, DenyListError> {
        let failed = |source| DenyListError::Write { path: self.path.clone(), source };
        // Two commands at a time: the second one reads what the first has written.
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).mode(MODE_PRIVATE).open(&self.lock);
        let lock = lock.map_err(failed)?;
        let directory = self.lock.parent().unwrap_or(Path::new("."));
        private_file::give_to_owner(&lock, directory).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut text = self.text()?;
        if parse(&self.path, &text)?.add(entry) == Some(false) {
            return Ok(false);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text += entry;
        text.push('\n');
        parse(&self.path, &text)?;
        private_file::replace(&self.path, text.as_bytes()).map_err(failed)?;
        Ok(true)
    }

    fn text(&self) -> Result<String, DenyListError> {
        let failed = |source| DenyListError::Read { path: self.path.clone(), source };
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > LIST_BYTES_MAX => {
                Err(DenyListError::TooLong { path: self.path.clone() })
            }
            Ok(_) => fs::read_to_string(&self.path).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(failed(error)),
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<Refusals, DenyListError> {
    let mut refusals = Refusals::default();
    for (index, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if !entry.is_empty() && refusals.add(entry).is_none() {
            let (path, found) = (path.to_owned(), entry.chars().take(80).collect());
            return Err(DenyListError::Line { path, line: index + 1, found });
        }
    }
    Ok(refusals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, byte: u8) -> Peer {
        Peer { name: name.to_owned(), public_key: [byte; 32] }
    }

    #[test]
    fn a_list_has_names_and_keys_and_remarks() {
        let text = format!("# stolen in May\nstore-1\n\n  {} # store-2's first key\n", "0A".repeat(32));
        let refusals = parse(Path::new("denied.txt"), &text).unwrap();
        let refused = [("store-1", 1), ("store-9", 10), ("store-2", 2)]
            .map(|(name, byte)| refusals.has(&peer(name, byte)));
        assert_eq!(refused, [true, true, false]);
        assert_eq!(parse(Path::new("denied.txt"), "").unwrap(), Refusals::default());
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for bad in ["Store_1", "two words", &"0a".repeat(33), "é"] {
            let error = parse(Path::new("denied.txt"), &format!("store-1\n# fine\n{bad}\n")).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with("denied.txt, line 3: '") && said.contains("correct the line"), "{said}");
        }
    }

    #[test]
    fn what_is_added_is_there_once_and_what_was_written_by_hand_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let list = DenyList::of(&DataDirectory::new(temporary.path()));
        assert_eq!(list.read().unwrap(), Refusals::default());
        fs::write(list.path(), "store-1 # by hand").unwrap();
        let key = "0b".repeat(32);
        let added = ["store-1", "store-2", &key, &key.to_uppercase()].map(|entry| list.add(entry).unwrap());
        assert_eq!(added, [false, true, true, false]);
        let text = fs::read_to_string(list.path()).unwrap();
        assert_eq!(text, format!("store-1 # by hand\nstore-2\n{key}\n"));
        assert!(matches!(list.add("No Name"), Err(DenyListError::Line { line: 4, .. })));
        assert_eq!(fs::read_to_string(list.path()).unwrap(), text);
    }
}
