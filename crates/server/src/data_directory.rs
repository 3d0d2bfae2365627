//! What a replica keeps on disk, and where.
//!
//! | path | content |
//! |---|---|
//! | `isle.toml` | the configuration ([`crate::config`]) |
//! | `identity/key.pem`, `certificate.pem`, `authority.pem` | who the replica is (`isle join`, `isle identity issue`) |
//! | `authority/authority-key.pem`, `authority.pem` | of a hub that enrols: who decides which replicas belong to the fleet (`isle hub init`) |
//! | `enrolment.json` | of such a hub: who was invited, joined and revoked |
//! | `identity/incarnation` | the number of its store, outside of it: 16 bytes in hexadecimal |
//! | `schemas/COLLECTION.json` | schemas of its own, over those of the program; optional |
//! | `store/` | documents, changes and the journal |
//! | `isle.sock` | where services and this program's other commands reach a running server |
//! | `lock` | empty; locked while a server runs |
//!
//! Invariant: an incarnation belongs to one store. If either is missing a new incarnation is drawn before the store
//! is opened, so that no origin ever writes from two stores.

mod incarnation;

pub use incarnation::IncarnationError;

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks at a lock that another process has.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

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
    /// Another server has it.
    #[error("another server is running in {}: stop it first, or use another directory", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
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

    /// Makes the directory, for its owner only, if it is not there.
    pub(crate) fn make(&self) -> Result<(), LockError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(|source| LockError::Io { path: self.root.clone(), source })
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    /// [`LockError`] when it is not there or another server has it.
    pub fn lock(&self) -> Result<DataDirectoryLock, LockError> {
        if !self.root.is_dir() {
            return Err(LockError::Missing { path: self.root.clone() });
        }
        let path = self.root.join("lock");
        let failed = |source| LockError::Io { path: path.clone(), source };
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(DataDirectoryLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken { path: self.root.clone() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The same, for who can wait until another process lets go of it.
    ///
    /// # Errors
    /// As for [`DataDirectory::lock`].
    pub(crate) fn lock_within(&self, patience: Duration) -> Result<DataDirectoryLock, LockError> {
        let end = Instant::now() + patience;
        loop {
            match self.lock() {
                Err(LockError::Taken { .. }) if Instant::now() < end => thread::sleep(LOCK_PAUSE),
                locked => return locked,
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
