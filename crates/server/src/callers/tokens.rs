//! What a running server knows of the tokens: the book as it is on the disk at each request.

use super::Caller;
use super::book::{Token, TokenBook};
use super::file::{self, Identity, TokenFileError};
use super::secret::SecretHash;
use crate::data_directory::DataDirectory;
use crate::enrolment::date;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Why a token lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TokenRefusal {
    /// It never was one, or was revoked.
    #[error("the token is unknown here, or was revoked")]
    Unknown,
    /// Nobody said what it may do, or it was revoked.
    #[error("the certificate of '{name}' has no rights here")]
    UnknownCertificate {
        /// Its name.
        name: String,
    },
    /// Its connection was made while it held.
    #[error("the certificate of '{name}' ended at {}", moment(*ended_ms))]
    EndedCertificate {
        /// Its name.
        name: String,
        /// When, in milliseconds since 1970.
        ended_ms: i64,
    },
    /// It holds no more.
    #[error("the token '{name}' expired at {}", moment(*expired_ms))]
    Expired {
        /// Its name.
        name: String,
        /// When, in milliseconds since 1970.
        expired_ms: i64,
    },
    /// Nobody can say. The server's log has more.
    #[error("no token can be checked: {reason}")]
    Unreadable {
        /// What is wrong with the book, in words.
        reason: String,
    },
}

fn moment(ms: i64) -> String {
    date(Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

/// The tokens of a data directory.
#[derive(Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
    known: Mutex<Known>,
}

/// The book as it was last read.
#[derive(Debug)]
struct Known {
    /// Which state of the file it was read from, also where that was no book; none where there was no file, and where
    /// the file system failed: then the next request tries again.
    identity: Option<Identity>,
    book: Result<TokenBook, String>,
}

impl Tokens {
    /// The tokens of a data directory. They are read when they are asked for.
    pub(crate) fn open(data: &Path) -> Self {
        let known = Known { identity: None, book: Ok(TokenBook::default()) };
        Self { path: DataDirectory::new(data).tokens(), known: Mutex::new(known) }
    }

    /// Whom a secret lets in at a moment of the wall clock, in milliseconds since 1970. A clock that lies hastens or delays
    /// the end of a token, and does nothing else.
    ///
    /// # Errors
    /// [`TokenRefusal`]: nobody.
    pub(crate) fn caller(&self, secret: &str, now_ms: i64) -> Result<Caller, TokenRefusal> {
        let Some(shown) = SecretHash::of(secret) else { return Err(TokenRefusal::Unknown) };
        self.found(now_ms, |book| book.find(&shown).ok_or(TokenRefusal::Unknown))
    }

    /// Whom a verified certificate of this name lets in, likewise.
    ///
    /// # Errors
    /// [`TokenRefusal`]: nobody.
    pub(crate) fn caller_of_certificate(&self, name: &str, now_ms: i64) -> Result<Caller, TokenRefusal> {
        let unknown = || TokenRefusal::UnknownCertificate { name: name.to_owned() };
        self.found(now_ms, |book| book.find_certificate(name).ok_or_else(unknown))
    }

    fn found(
        &self,
        now_ms: i64,
        find: impl FnOnce(&TokenBook) -> Result<(&String, &Token), TokenRefusal>,
    ) -> Result<Caller, TokenRefusal> {
        // Nobody panics with it; if one did, the book would be whole all the same.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.bring_to_date(&self.path);
        let book =
            known.book.as_ref().map_err(|reason| TokenRefusal::Unreadable { reason: reason.clone() })?;
        let (name, token) = find(book)?;
        match token.expires_ms {
            Some(expired_ms) if token.is_over(now_ms) => {
                Err(TokenRefusal::Expired { name: name.clone(), expired_ms })
            }
            Some(_) | None => Ok(Caller::service(name, &token.spaces)),
        }
    }
}

impl Known {
    /// Reads the book again where the file is another one than was read. What fails is told once, until it is read again.
    fn bring_to_date(&mut self, path: &Path) {
        let there = Identity::at(path);
        if matches!(&there, Ok(identity) if *identity == self.identity && (identity.is_some() || self.book.is_ok()))
        {
            return;
        }
        let was_readable = self.book.is_ok();
        match file::read(path) {
            Ok((identity, book)) => {
                if !was_readable {
                    tracing::info!("the book of tokens is read again: services are let in");
                }
                *self = Self { identity, book: Ok(book) };
            }
            Err(error) => {
                if was_readable {
                    tracing::error!(%error, "the book of tokens cannot be read: no service with a token is let in");
                }
                // What is no book stays none until it is another file; what the file system refused may pass.
                let is_passing = matches!(error, TokenFileError::Read { .. });
                let identity = there.ok().flatten().filter(|_| !is_passing);
                *self = Self { identity, book: Err(error.to_string()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::Expiry;
    use super::super::file::TokenFile;
    use super::super::file::tests::new;
    use super::*;
    use std::fs;

    const DAY_MS: i64 = 86_400_000;

    struct Data {
        directory: tempfile::TempDir,
        file: TokenFile,
        tokens: Tokens,
    }

    impl Data {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = TokenFile::of(&DataDirectory::new(directory.path())).unwrap();
            let tokens = Tokens::open(directory.path());
            Self { directory, file, tokens }
        }

        fn create(&self, name: &str, expiry: Expiry) -> String {
            self.file.create(new(name, expiry), 0).unwrap().0.text().to_owned()
        }

        fn author(&self, secret: &str, now_ms: i64) -> Result<String, TokenRefusal> {
            self.tokens.caller(secret, now_ms).map(|caller| caller.author().unwrap().to_owned())
        }
    }

    #[test]
    fn a_running_server_sees_what_is_made_and_revoked() {
        let data = Data::new();
        assert_eq!(data.author("isle-token-", 0), Err(TokenRefusal::Unknown), "there is no book yet");
        let first = data.create("first", Expiry::Never);
        assert_eq!(data.author(&first, 0).as_deref(), Ok("first"));
        let second = data.create("second", Expiry::Never);
        assert_eq!(data.author(&second, 0).as_deref(), Ok("second"));
        data.file.revoke("first").unwrap();
        assert_eq!(data.author(&first, 0), Err(TokenRefusal::Unknown));
        assert_eq!(data.author(&second, 0).as_deref(), Ok("second"));
        fs::remove_file(data.directory.path().join("tokens.json")).unwrap();
        assert_eq!(data.author(&second, 0), Err(TokenRefusal::Unknown));
    }

    #[test]
    fn a_token_ends_by_the_clock_that_is_told() {
        let data = Data::new();
        let secret = data.create("till", Expiry::After(Duration::from_hours(24)));
        assert!(data.author(&secret, DAY_MS - 1).is_ok());
        let expired = TokenRefusal::Expired { name: "till".into(), expired_ms: DAY_MS };
        assert_eq!(data.author(&secret, DAY_MS), Err(expired.clone()));
        assert!(expired.to_string().contains("1970-01-02T00:00:00Z"), "{expired}");
        assert!(data.author(&secret, i64::MIN).is_ok(), "a clock that went back lets it in again");
    }

    #[test]
    fn what_cannot_be_read_lets_nobody_in_until_it_can() {
        let data = Data::new();
        let secret = data.create("till", Expiry::Never);
        assert!(data.author(&secret, 0).is_ok());
        let path = data.directory.path().join("tokens.json");
        let sound = fs::read(&path).unwrap();
        fs::write(&path, "{").unwrap();
        for _ in 0..2 {
            let refused = data.author(&secret, 0).unwrap_err();
            assert!(
                matches!(&refused, TokenRefusal::Unreadable { reason } if reason.contains("no book")),
                "{refused}"
            );
        }
        fs::write(&path, &sound).unwrap();
        assert!(data.author(&secret, 0).is_ok());
        // A directory in its place is what the file system refuses to read.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(data.author(&secret, 0), Err(TokenRefusal::Unreadable { .. })));
        fs::remove_dir(&path).unwrap();
        assert_eq!(data.author(&secret, 0), Err(TokenRefusal::Unknown), "no book is an empty one");
        fs::write(&path, &sound).unwrap();
        assert!(data.author(&secret, 0).is_ok());
    }

    #[test]
    fn a_text_that_is_no_token_is_not_looked_for() {
        let data = Data::new();
        fs::write(data.directory.path().join("tokens.json"), "{").unwrap();
        for text in ["", "x", &"x".repeat(1 << 20)] {
            assert_eq!(data.author(text, 0), Err(TokenRefusal::Unknown));
        }
    }
}
