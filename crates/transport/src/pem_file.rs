//! Files of keys and certificates: bounded reading, writing that never overwrites, and putting one in place of another.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::limits::PEM_FILE_BYTES_MAX;

const MODE_OTHERS: u32 = 0o077;
const MODE_PRIVATE: u32 = 0o600;
const MODE_PUBLIC: u32 = 0o644;
const MODE_DIRECTORY: u32 = 0o700;

/// Why a key or certificate file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system refused.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// No key or certificate is that long.
    #[error("{} is longer than {PEM_FILE_BYTES_MAX} bytes: it holds no key or certificate of a replica", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A key that others can read is no longer a secret.
    #[error(
        "{} can be read by others (mode {mode:03o}): run `chmod 600 {}`, or issue a new key if others had access",
        path.display(), path.display()
    )]
    ReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// An existing identity or authority is never replaced.
    #[error("{} exists and is never overwritten: choose another directory or move it away", path.display())]
    Exists {
        /// The file that is there already.
        path: PathBuf,
    },
}

/// One file to be written.
pub(crate) struct NewFile<'a> {
    pub(crate) name: &'static str,
    pub(crate) content: &'a str,
    /// Whether only the owner may read it.
    pub(crate) private: bool,
}

/// Reads a certificate file.
pub(crate) fn read_public(path: &Path) -> Result<Vec<u8>, FileError> {
    read(path, false)
}

/// Reads a key file, which nobody but its owner may be able to read.
pub(crate) fn read_private(path: &Path) -> Result<Vec<u8>, FileError> {
    read(path, true)
}

fn read(path: &Path, private: bool) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // The mode of the file that was opened, not of whatever is at the path by now.
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if private && mode & MODE_OTHERS != 0 {
        return Err(FileError::ReadableByOthers { path: path.to_owned(), mode });
    }
    let mut content = Vec::new();
    let count = file.take(PEM_FILE_BYTES_MAX + 1).read_to_end(&mut content).map_err(failed)?;
    if count as u64 > PEM_FILE_BYTES_MAX {
        return Err(FileError::TooLong { path: path.to_owned() });
    }
    Ok(content)
}

/// Writes `files` into `directory`, which is made if it is missing, and makes them durable. If one of them
/// exists, none is written.
pub(crate) fn write_new(directory: &Path, files: &[NewFile<'_>]) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: directory.to_owned(), source };
    DirBuilder::new().recursive(true).mode(MODE_DIRECTORY).create(directory).map_err(failed)?;
    if let Some(path) = files.iter().map(|file| directory.join(file.name)).find(|path| path.exists()) {
        return Err(FileError::Exists { path });
    }
    files.iter().try_for_each(|file| write_one(&directory.join(file.name), file))?;
    // The names are durable only with their directory.
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed)
}

/// Puts a file in place of the one that is there, if there is one: at any moment the one or the other is there, whole.
/// Durable when this returns.
pub(crate) fn replace(directory: &Path, file: &NewFile<'_>) -> Result<(), FileError> {
    let path = directory.join(file.name);
    let new = directory.join(format!("{}.new", file.name));
    let failed = |source| FileError::Write { path: path.clone(), source };
    match fs::remove_file(&new) {
        // A crash may have left one.
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
        Ok(()) | Err(_) => {}
    }
    write_one(&new, file)?;
    fs::rename(&new, &path).map_err(failed)?;
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed)
}

fn write_one(path: &Path, new: &NewFile<'_>) -> Result<(), FileError> {
    let mode = if new.private { MODE_PRIVATE } else { MODE_PUBLIC };
    // `create_new`: whoever wrote the file since it was looked for keeps it.
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(new.content.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|source| match source.kind() == io::ErrorKind::AlreadyExists {
        true => FileError::Exists { path: path.to_owned() },
        false => FileError::Write { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [NewFile<'static>; 2] = [
        NewFile { name: "secret", content: "s", private: true },
        NewFile { name: "open", content: "o", private: false },
    ];

    #[test]
    fn what_is_written_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        write_new(&inner, &FILES).unwrap();
        assert_eq!(read_private(&inner.join("secret")).unwrap(), b"s");
        assert_eq!(read_public(&inner.join("open")).unwrap(), b"o");
        assert_eq!(fs::metadata(inner.join("secret")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_written_beside_an_existing_file() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("open"), "mine").unwrap();
        let refused = write_new(directory.path(), &FILES);
        assert!(matches!(refused, Err(FileError::Exists { path }) if path.ends_with("open")));
        assert_eq!(fs::read(directory.path().join("open")).unwrap(), b"mine");
        assert!(!directory.path().join("secret").exists());
    }

    #[test]
    fn a_file_gives_way_to_a_whole_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = |content| NewFile { name: "open", content, private: false };
        // A crash left half of one.
        fs::write(directory.path().join("open.new"), "ha").unwrap();
        for content in ["first", "second"] {
            replace(directory.path(), &file(content)).unwrap();
            assert_eq!(fs::read_to_string(directory.path().join("open")).unwrap(), content);
        }
        assert!(!directory.path().join("open.new").exists());
        let nowhere = replace(&directory.path().join("none"), &file("third"));
        assert!(matches!(nowhere, Err(FileError::Write { .. })));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        write_new(directory.path(), &FILES).unwrap();
        let path = directory.path().join("secret");
        for mode in [0o640, 0o604, 0o610, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_private(&path).unwrap_err();
            assert!(matches!(refused, FileError::ReadableByOthers { mode: found, .. } if found == mode));
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read_private(&path).is_ok());
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("long");
        File::create(&path).unwrap().set_len(PEM_FILE_BYTES_MAX + 1).unwrap();
        assert!(matches!(read_public(&path), Err(FileError::TooLong { .. })));
        assert!(matches!(read_public(&directory.path().join("none")), Err(FileError::Read { .. })));
    }
}
