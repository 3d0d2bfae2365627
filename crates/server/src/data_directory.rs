//! What a replica keeps on disk, and where.
//!
//! | path | content |
//! |---|---|
//! | `isle.toml` | the configuration ([`crate::config`]) |
//! | `identity/key.pem`, `certificate.pem`, `authority.pem` | who the replica is (`isle join`, `isle identity issue`) |
//! | `authority/authority-key.pem`, `authority.pem` | of a hub that enrols: who decides which replicas belong to the fleet (`isle hub init`) |
//! | `enrolment.json` | of such a hub: who was invited, joined and revoked |
//! | `identity/incarnation` | the number of its store, outside of it: 16 bytes in hexadecimal |
//! | `identity/memory-starts.json` | how many stores in memory have written under its key |
//! | `schemas/COLLECTION.json` | schemas of its own, over those of the program; optional |
//! | `tokens.json`, `tokens.lock` | which services have a token, and what each may do (`isle token`); locked while it is written |
//! | `store/` | documents, changes and the journal |
//! | `isle.sock` | where services and this program's other commands reach a running server |
//! | `lock` | locked while a server runs, or a command that needs the directory for itself; the number of its process |
//!
//! Invariant: an incarnation belongs to one store. If either is missing a new incarnation is drawn before the store
//! is opened, so that no origin ever writes from two stores.

mod incarnation;
mod memory_starts;

pub use incarnation::IncarnationError;
pub(crate) use memory_starts::MemoryStarts;

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a lock that somebody else has.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A process number and a line end, and more than any has.
const PROCESS_BYTES_MAX: u64 = 32;

/// The paths in a data directory. Nothing is read or made by having one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirectory {
    root: PathBuf,
}

/// A locked data directory. The lock ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct DataDirectoryLock {
    _file: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// There is no such directory.
    #[error(
        "there is no data directory {}: `isle join TOKEN --data {}` makes one of a site that was invited, `isle hub init` \
         one of a hub, `isle identity issue` one that you configure yourself", path.display(), path.display()
    )]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// Another server has it, or a command.
    #[error(
        "another server is running in {}, or a command works on it{}: stop it first, or use another directory",
        path.display(), process.map(|process| format!(" (process {process})")).unwrap_or_default()
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// Who has it, by the number of its process; none when it does not say.
        process: Option<u32>,
    },
    /// The file system refused.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl DataDirectory {
    /// The directory at a path.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("isle.toml")
    }

    /// Key, certificates and incarnation.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.root.join("identity")
    }

    /// The fleet's authority, at a hub that enrols.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.root.join("authority")
    }

    /// The book of sites, at a hub that enrols.
    #[must_use]
    pub fn enrolment(&self) -> PathBuf {
        self.root.join("enrolment.json")
    }

    /// The book of tokens.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.root.join("tokens.json")
    }

    /// Locked by a command while it writes the book of tokens.
    pub(crate) fn tokens_lock(&self) -> PathBuf {
        self.root.join("tokens.lock")
    }

    /// The list of those that are refused, where no hub has a book of sites.
    pub(crate) fn denied(&self) -> PathBuf {
        self.root.join("denied.txt")
    }

    /// Locked by a command while it writes that list.
    pub(crate) fn denied_lock(&self) -> PathBuf {
        self.root.join("denied.lock")
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Schemas of its own: a file `COLLECTION.json` each.
    #[must_use]
    pub fn schemas(&self) -> PathBuf {
        self.root.join("schemas")
    }

    /// The socket of a running server.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.root.join("isle.sock")
    }

    /// The socket of a running server for services that speak HTTP.
    #[must_use]
    pub fn http_socket(&self) -> PathBuf {
        self.root.join("http.sock")
    }

    /// Makes the directory, for its owner only, if it is not there.
    pub(crate) fn make(&self) -> Result<(), LockError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(|source| LockError::Io { path: self.root.clone(), source })
    }

    /// Whether there is such a directory.
    ///
    /// # Errors
    /// [`LockError::Missing`] says how one is made.
    pub(crate) fn check_there(&self) -> Result<(), LockError> {
        if self.root.is_dir() { Ok(()) } else { Err(LockError::Missing { path: self.root.clone() }) }
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    /// [`LockError`] when it is not there or another process has it.
    pub fn lock(&self) -> Result<DataDirectoryLock, LockError> {
        self.check_there()?;
        let path = self.lock_file();
        let failed = |source| LockError::Io { path: path.clone(), source };
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // For people only, and a full disk has no room for it.
                let _ = sign(&file);
                Ok(DataDirectoryLock { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                Err(LockError::Taken { path: self.root.clone(), process: self.holder() })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// As [`DataDirectory::lock`], and waits up to `patience` for a command that has it for a moment.
    ///
    /// # Errors
    /// As there.
    pub fn lock_within(&self, patience: Duration) -> Result<DataDirectoryLock, LockError> {
        let deadline = Instant::now() + patience;
        let mut is_waiting = false;
        loop {
            match self.lock() {
                Err(LockError::Taken { process, .. }) if Instant::now() < deadline => {
                    if !std::mem::replace(&mut is_waiting, true) {
                        tracing::info!(process, "the data directory is in use: waiting for a moment");
                    }
                    thread::sleep(LOCK_PAUSE);
                }
                other => return other,
            }
        }
    }

    /// The process that locked it last, as it said itself.
    pub(crate) fn holder(&self) -> Option<u32> {
        let mut text = String::new();
        let file = File::open(self.lock_file()).ok()?;
        file.take(PROCESS_BYTES_MAX).read_to_string(&mut text).ok()?;
        text.trim_end().parse().ok()
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The incarnation of the store that is there, or a new one for the store that is to be made. To be called
    /// with the lock held and the store not open.
    ///
    /// # Errors
    /// [`IncarnationError`]; the store must not be opened then.
    pub fn incarnation(&self, _lock: &DataDirectoryLock) -> Result<[u8; 16], IncarnationError> {
        incarnation::of_store(&self.identity(), self.has_store()?)
    }

    /// Sees to it that the next store, or what is left of this one, gets a new incarnation. To be called with the lock
    /// held, before a store is restored or set aside.
    ///
    /// # Errors
    /// [`IncarnationError`]; the store must not be touched then.
    pub fn forget_incarnation(&self, _lock: &DataDirectoryLock) -> Result<(), IncarnationError> {
        incarnation::forget(&self.identity())
    }

    /// Draws a new incarnation for the store that is there, which lost rows. To be called before it is opened again.
    ///
    /// # Errors
    /// [`IncarnationError`]; the store must not be opened then.
    pub(crate) fn renew_incarnation(&self) -> Result<[u8; 16], IncarnationError> {
        incarnation::forget(&self.identity())?;
        incarnation::of_store(&self.identity(), false)
    }

    /// Whether the store is there that was served last: it was neither lost, set aside, nor restored. To be asked before
    /// [`DataDirectory::incarnation`].
    pub(crate) fn has_known_store(&self) -> bool {
        self.has_store().unwrap_or(false) && self.identity().join("incarnation").exists()
    }

    /// Whether a store was made here: its rows are put in place as a whole.
    fn has_store(&self) -> Result<bool, IncarnationError> {
        let path = self.store().join("rows");
        path.try_exists().map_err(|source| IncarnationError::Io {
            path,
            operation: "looking for the store",
            source,
        })
    }
}

/// Says who has the lock.
fn sign(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_directory_for_a_moment_is_waited_for_and_named() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path());
        let lock = directory.lock().unwrap();
        let refused = directory.lock_within(Duration::from_millis(30)).unwrap_err();
        assert!(refused.to_string().contains(&format!("(process {})", process::id())), "{refused}");
        let waiting = thread::spawn({
            let directory = directory.clone();
            move || directory.lock_within(Duration::from_secs(30))
        });
        drop(lock);
        assert!(waiting.join().unwrap().is_ok());
    }

    #[test]
    fn two_servers_never_share_a_directory() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path());
        let lock = directory.lock().unwrap();
        assert!(matches!(directory.lock(), Err(LockError::Taken { .. })));
        drop(lock);
        assert!(directory.lock().is_ok());
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_made() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path().join("none"));
        let error = directory.lock().unwrap_err();
        assert!(error.to_string().contains("isle identity issue"), "{error}");
        assert!(!directory.path().exists());
    }

    #[test]
    fn an_incarnation_stays_with_its_store_and_never_meets_another() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path());
        let lock = directory.lock().unwrap();
        let rows = directory.store().join("rows");
        std::fs::create_dir(directory.identity()).unwrap();

        let unused = directory.incarnation(&lock).unwrap();
        let first = directory.incarnation(&lock).unwrap();
        assert_ne!(first, unused, "no store was made with it: it cannot be known that it is unused");
        std::fs::create_dir_all(&rows).unwrap();
        assert_eq!(directory.incarnation(&lock).unwrap(), first);

        std::fs::remove_dir(&rows).unwrap();
        let second = directory.incarnation(&lock).unwrap();
        assert_ne!(second, first, "the store is gone");
        std::fs::create_dir(&rows).unwrap();
        assert_eq!(directory.incarnation(&lock).unwrap(), second);

        std::fs::remove_file(directory.identity().join("incarnation")).unwrap();
        assert_ne!(directory.incarnation(&lock).unwrap(), second, "the incarnation is gone");
    }
}
