//! The store's directory: who has it, which format it is in, and how it is first made.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::{Engine, MEMTABLE_BYTES_MAX};
use crate::error::{OpenError, open_error};

/// Version of the names, files and keyspaces below. Another one is refused.
const FORMAT: u32 = 1;
/// What the `format` file starts with.
const FORMAT_NAME: &str = "isle store ";
/// Longest `format` file that is looked at.
const FORMAT_BYTES_MAX: u64 = 64;

/// A locked directory in a known format. The lock ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes `path` if it is not there, locks it and checks its format.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |operation| move |source| io_error(path, operation, source);
        fs::create_dir_all(path).map_err(failed("making the directory"))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed("opening the lock file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(io_error(path, "locking the directory", source)),
        }
        let directory = Self { path: path.into(), _lock: lock };
        directory.check_format()?;
        Ok(directory)
    }

    /// Opens the rows, making them first if there are none.
    pub(crate) fn open_rows(&self) -> Result<Engine, OpenError> {
        if !self.has_rows()? {
            self.make_rows(|_| Ok::<_, OpenError>(()))?;
        }
        Engine::open(&self.rows()).map_err(|error| open_error(error, self.path.clone()))
    }

    /// True when there are rows, be it none at all in a store that was made.
    pub(crate) fn has_rows(&self) -> Result<bool, OpenError> {
        self.rows().try_exists().map_err(|source| io_error(&self.path, "looking for rows", source))
    }

    /// Makes the rows with what `fill` writes.
    ///
    /// They are made beside their place and renamed into it: a crash leaves nothing that fjall would refuse to open,
    /// and nothing half filled.
    pub(crate) fn make_rows<E: From<OpenError>>(
        &self,
        fill: impl FnOnce(Arc<Engine>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |operation| move |source| io_error(&self.path, operation, source);
        let unfinished = self.file("rows.new");
        match fs::remove_dir_all(&unfinished) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&self.path, "removing unfinished rows", error).into()),
        }
        let engine = Engine::open(&unfinished).map_err(|error| open_error(error, self.path.clone()))?;
        let engine = Arc::new(engine);
        fill(Arc::clone(&engine))?;
        let operation = "syncing the new rows";
        let synced =
            engine.sync().map_err(|source| OpenError::Store { path: self.path.clone(), operation, source });
        drop(engine); // closes its files before they move
        synced?;
        fs::rename(&unfinished, self.rows()).map_err(failed("renaming the new rows"))?;
        sync(&self.path).map_err(failed("syncing the directory"))?;
        Ok(())
    }

    /// Writes, syncs and removes as many bytes as one memtable on its way to the disk: tells a full disk from a
    /// broken one after a failure that fjall does not name.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let path = self.path.join("probe");
        let written = File::create(&path).and_then(|mut file| {
            let block = [0; 4_096];
            for _ in 0..MEMTABLE_BYTES_MAX / block.len() {
                file.write_all(&block)?;
            }
            file.sync_all()
        });
        written.and(fs::remove_file(&path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file beside the rows.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn rows(&self) -> PathBuf {
        self.file("rows")
    }

    /// Refuses another format; marks a directory without rows with ours.
    fn check_format(&self) -> Result<(), OpenError> {
        match format(&self.path)? {
            Some(_) => Ok(()),
            None => {
                self.write_format().map_err(|source| io_error(&self.path, "writing the format file", source))
            }
        }
    }

    /// Durable before any row: rows without a marker are never ours to touch.
    fn write_format(&self) -> io::Result<()> {
        let unfinished = self.path.join("format.new");
        let mut file = File::create(&unfinished)?;
        writeln!(file, "{FORMAT_NAME}{FORMAT}")?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path.join("format"))?;
        sync(&self.path)
    }
}

/// The format of the store in `path`; `None` when there is none. Nothing is made, changed or locked.
///
/// # Errors
/// [`OpenError`] of a store that this version does not open for its format.
pub fn format(path: &Path) -> Result<Option<u32>, OpenError> {
    let failed = |source| io_error(path, "reading the format file", source);
    match read_format(&path.join("format")).map_err(failed)? {
        Marker::Version(FORMAT) => Ok(Some(FORMAT)),
        Marker::Version(found) => Err(OpenError::Format { path: path.into(), found, expected: FORMAT }),
        Marker::Missing if !path.join("rows").try_exists().map_err(failed)? => Ok(None),
        Marker::Missing | Marker::Unknown => Err(OpenError::Unmarked { path: path.into() }),
    }
}

/// What the `format` file says.
enum Marker {
    Missing,
    Unknown,
    Version(u32),
}

fn read_format(path: &Path) -> io::Result<Marker> {
    match fs::metadata(path) {
        Ok(found) if found.len() > FORMAT_BYTES_MAX => return Ok(Marker::Unknown),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Marker::Missing),
        Err(error) => return Err(error),
    }
    let bytes = fs::read(path)?;
    let version =
        str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix(FORMAT_NAME)?.trim_end().parse().ok());
    Ok(version.map_or(Marker::Unknown, Marker::Version))
}

/// Makes the directory's entries durable.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// An error of the operating system about the store in `path`.
pub(crate) fn io_error(path: &Path, operation: &'static str, source: io::Error) -> OpenError {
    if crate::error::is_full(source.kind()) {
        OpenError::Full { path: path.into() }
    } else {
        OpenError::Io { path: path.into(), operation, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_refused_and_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("format"), "isle store 7\n").unwrap();
        let refused = Directory::open(temporary.path()).unwrap_err();
        assert!(matches!(refused, OpenError::Format { found: 7, expected: FORMAT, .. }), "{refused}");
        assert_eq!(fs::read(temporary.path().join("format")).unwrap(), b"isle store 7\n");
    }

    #[test]
    fn rows_without_a_readable_marker_are_refused() {
        let long = "isle store 1".repeat(100);
        for marker in [None, Some(""), Some("isle store one"), Some("\u{0}"), Some(long.as_str())] {
            let temporary = tempfile::tempdir().unwrap();
            fs::create_dir(temporary.path().join("rows")).unwrap();
            if let Some(marker) = marker {
                fs::write(temporary.path().join("format"), marker).unwrap();
            }
            let refused = Directory::open(temporary.path()).unwrap_err();
            assert!(matches!(refused, OpenError::Unmarked { .. }), "{marker:?}: {refused}");
        }
    }

    #[test]
    fn a_store_whose_making_was_cut_off_is_made_anew() {
        let temporary = tempfile::tempdir().unwrap();
        let unfinished = temporary.path().join("rows.new");
        fs::create_dir(&unfinished).unwrap();
        fs::write(unfinished.join("0.jnl"), "half a journal").unwrap(); // fjall alone refuses this
        drop(Directory::open(temporary.path()).unwrap().open_rows().unwrap());
        assert!(!unfinished.exists());
        Directory::open(temporary.path()).unwrap().open_rows().unwrap();
    }

    #[test]
    fn the_lock_ends_with_the_directory() {
        let temporary = tempfile::tempdir().unwrap();
        let first = Directory::open(temporary.path()).unwrap();
        assert!(matches!(Directory::open(temporary.path()).unwrap_err(), OpenError::Locked { .. }));
        drop(first);
        Directory::open(temporary.path()).unwrap();
    }

    #[test]
    fn a_probe_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path()).unwrap();
        directory.probe().unwrap();
        assert!(!temporary.path().join("probe").exists());
    }
}
