//! The book of tokens on the disk: `tokens.json` of the data directory. It is the truth, whether a server runs or not.

use super::book::{NewToken, Proof, Token, TokenBook, TokenError};
use super::secret::{Secret, SecretHash};
use crate::data_directory::{DataDirectory, LockError};
use crate::private_file::{self, MODE_PRIVATE};
use crate::random::RandomError;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Longest book, in bytes: 1,024 tokens with the longest rights in a few spaces.
const BOOK_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long a command waits for another one that writes the book.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at its lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the book of tokens cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// There is no data directory.
    #[error(transparent)]
    Directory(#[from] LockError),
    /// The file system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system refused. The book is as it was.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It is something else, or a later version's.
    #[error(
        "{} is no book of tokens of this version ({source}): take it from a backup of the data directory, or remove it \
         and make each token anew", path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is something else.
    #[error("{} is longer than {BOOK_BYTES_MAX} bytes: it is no book of tokens", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Another command writes it.
    #[error("another `isle token` is at work on {}: try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// What was asked does not go.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No secret can be drawn.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Tells one state of the file from another: it is never written in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of what is there; `None` when nothing is.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        found(fs::metadata(path)).map(|metadata| metadata.as_ref().map(Self::of))
    }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The book and which state of the file it was read from; an empty one where there is no file.
pub(super) fn read(path: &Path) -> Result<(Option<Identity>, TokenBook), TokenFileError> {
    let failed = |source| TokenFileError::Read { path: path.to_owned(), source };
    let Some(file) = found(File::open(path)).map_err(failed)? else {
        return Ok((None, TokenBook::default()));
    };
    let identity = Identity::of(&file.metadata().map_err(failed)?);
    let mut text = Vec::new();
    let bytes = file.take(BOOK_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if bytes as u64 > BOOK_BYTES_MAX {
        return Err(TokenFileError::TooLong { path: path.to_owned() });
    }
    match serde_json::from_slice(&text) {
        Ok(book) => Ok((Some(identity), book)),
        Err(source) => Err(TokenFileError::Malformed { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, book: &TokenBook) -> Result<(), TokenFileError> {
    let failed = |source| TokenFileError::Write { path: path.to_owned(), source };
    let mut text = serde_json::to_vec_pretty(book).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    private_file::replace(path, &text).map_err(failed)
}

/// The book of a data directory, for a command.
#[derive(Clone, Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
    lock: PathBuf,
}

impl TokenFile {
    /// The book of a data directory, which may have none yet.
    pub(crate) fn of(directory: &DataDirectory) -> Result<Self, TokenFileError> {
        directory.check_there()?;
        Ok(Self { path: directory.tokens(), lock: directory.tokens_lock() })
    }

    /// Makes a token. It holds when this returns, and its secret is here and nowhere else.
    pub(crate) fn create(&self, new: NewToken, now_ms: i64) -> Result<(Secret, Token), TokenFileError> {
        let _lock = self.locked()?;
        let (_, mut book) = read(&self.path)?;
        let secret = Secret::draw()?;
        let hash = SecretHash::of(secret.text()).ok_or(RandomError)?;
        let token = book.create(new, Proof::Secret(hash), now_ms)?.clone();
        write(&self.path, &book)?;
        Ok((secret, token))
    }

    /// Says what who shows the certificate of this name may do. It holds when this returns.
    pub(crate) fn create_for_certificate(&self, new: NewToken, now_ms: i64) -> Result<Token, TokenFileError> {
        let _lock = self.locked()?;
        let (_, mut book) = read(&self.path)?;
        let token = book.create(new, Proof::Certificate, now_ms)?.clone();
        write(&self.path, &book)?;
        Ok(token)
    }

    /// Ends a token, for ever. It holds no more when this returns.
    pub(crate) fn revoke(&self, name: &str) -> Result<(), TokenFileError> {
        let _lock = self.locked()?;
        let (_, mut book) = read(&self.path)?;
        book.revoke(name)?;
        write(&self.path, &book)
    }

    /// All tokens, by name.
    pub(crate) fn list(&self) -> Result<Vec<(String, Token)>, TokenFileError> {
        let (_, book) = read(&self.path)?;
        Ok(book.tokens().map(|(name, token)| (name.clone(), token.clone())).collect())
    }

    /// Two commands never write from one state of the book. The lock ends with what is returned, or with the process.
    fn locked(&self) -> Result<File, TokenFileError> {
        let failed = |source| TokenFileError::Write { path: self.lock.clone(), source };
        let options =
            File::options().create(true).truncate(false).write(true).mode(MODE_PRIVATE).open(&self.lock);
        let file = options.map_err(failed)?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(TokenFileError::Busy { path: self.path.clone() });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::book::Expiry;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    pub(in crate::callers) fn new(name: &str, expiry: Expiry) -> NewToken {
        let (space, rights) = ("store-1".to_owned().try_into().unwrap(), "read".parse().unwrap());
        NewToken { name: name.to_owned(), spaces: [(space, rights)].into(), expiry }
    }

    #[test]
    fn a_book_is_its_owners_alone_and_has_no_secret() {
        let temporary = tempfile::tempdir().unwrap();
        let file = TokenFile::of(&DataDirectory::new(temporary.path())).unwrap();
        assert_eq!(file.list().unwrap(), []);
        fs::write(temporary.path().join("tokens.json.new"), "half").unwrap();
        let (secret, _) = file.create(new("till", Expiry::Never), 5).unwrap();
        let text = fs::read_to_string(&file.path).unwrap();
        let digits = &secret.text()["isle-token-".len()..];
        assert!(text.contains("\"till\"") && !text.contains(digits), "{text}");
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, MODE_PRIVATE);
        assert_eq!(file.list().unwrap().len(), 1);
        file.revoke("till").unwrap();
        assert_eq!(file.list().unwrap(), []);
    }

    #[test]
    fn commands_at_the_same_time_lose_nothing_of_each_other() {
        let temporary = tempfile::tempdir().unwrap();
        let file = Arc::new(TokenFile::of(&DataDirectory::new(temporary.path())).unwrap());
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let file = Arc::clone(&file);
                thread::spawn(move || file.create(new(&format!("t{n}"), Expiry::Never), 0).map(drop))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        assert_eq!(file.list().unwrap().len(), 8);
    }

    #[test]
    fn what_is_no_book_is_refused_and_not_replaced() {
        let temporary = tempfile::tempdir().unwrap();
        let file = TokenFile::of(&DataDirectory::new(temporary.path())).unwrap();
        for text in ["", "{", "{\"version\": 1}", "{\"version\": 2, \"tokens\": {}}"] {
            fs::write(&file.path, text).unwrap();
            let refused = file.create(new("till", Expiry::Never), 0).unwrap_err();
            assert!(matches!(refused, TokenFileError::Malformed { .. }), "{refused}");
            assert_eq!(fs::read_to_string(&file.path).unwrap(), text);
        }
        File::create(&file.path).unwrap().set_len(BOOK_BYTES_MAX + 1).unwrap();
        assert!(matches!(file.list(), Err(TokenFileError::TooLong { .. })));
        let none = DataDirectory::new(temporary.path().join("none"));
        assert!(matches!(TokenFile::of(&none), Err(TokenFileError::Directory(_))));
    }
}
