//! The book on the disk: `enrolment.json` of the data directory.

use super::book::Book;
use crate::private_file;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

/// Longest book, in bytes: 10,000 sites of a kilobyte each, and some keys that were revoked.
const BOOK_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Why the book cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
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
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It is something else, or a later version's.
    #[error(
        "{} is no book of this version: take it from a backup of the data directory; without it sites cannot renew",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is something else.
    #[error("{} is longer than {BOOK_BYTES_MAX} bytes: it is no book of sites", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{} is there already: this is a hub", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// A book and its file.
#[derive(Debug)]
pub(crate) struct Register {
    path: PathBuf,
    pub(crate) book: Book,
}

impl Register {
    /// Writes the book of a new hub.
    pub(crate) fn create(path: PathBuf, book: Book) -> Result<(), RegisterError> {
        if path.exists() {
            return Err(RegisterError::Exists { path });
        }
        Self { path, book }.save()
    }

    pub(crate) fn load(path: PathBuf) -> Result<Self, RegisterError> {
        let failed = |source| RegisterError::Read { path: path.clone(), source };
        let mut text = Vec::new();
        let file = File::open(&path).map_err(failed)?;
        let bytes = file.take(BOOK_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
        if bytes as u64 > BOOK_BYTES_MAX {
            return Err(RegisterError::TooLong { path });
        }
        match serde_json::from_slice(&text) {
            Ok(book) => Ok(Self { path, book }),
            Err(source) => Err(RegisterError::Malformed { path, source }),
        }
    }

    /// Durable when this returns; until then the old book is there.
    pub(crate) fn save(&self) -> Result<(), RegisterError> {
        let failed = |source| RegisterError::Write { path: self.path.clone(), source };
        let text = serde_json::to_vec_pretty(&self.book).map_err(|error| failed(error.into()))?;
        private_file::replace(&self.path, &text).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    #[test]
    fn a_book_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("enrolment.json");
        let book = Book::new(Duration::from_secs(7));
        Register::create(path.clone(), book.clone()).unwrap();
        assert_eq!(Register::load(path.clone()).unwrap().book, book);
        assert!(matches!(Register::create(path, book), Err(RegisterError::Exists { .. })));
    }

    #[test]
    fn a_damaged_book_is_refused_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("enrolment.json");
        assert!(matches!(Register::load(path.clone()), Err(RegisterError::Read { .. })));
        let more = "{\"version\":1,\"made_s\":1,\"sites\":{},\"later\":1}";
        let later = "{\"version\":2,\"made_s\":1,\"sites\":{}}";
        for text in ["", "{", "{\"version\": 1}", more, later] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Register::load(path.clone()), Err(RegisterError::Malformed { .. })), "{text}");
        }
        let Err(RegisterError::Malformed { source, .. }) = Register::load(path) else {
            panic!("it was read")
        };
        assert!(source.to_string().contains("a later isle wrote it"), "{source}");
    }
}
