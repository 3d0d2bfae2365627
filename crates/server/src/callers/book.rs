//! Which tokens there are, and which certificates count as one. Pure: it is told the time and given the hash.

use super::rights::ServiceRights;
use super::secret::SecretHash;
use crate::config::SpaceName;
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use transport::{NameError, check_name};

/// Most tokens of a replica: each request is held against all of them.
const TOKENS_MAX: usize = 1_024;
/// Longest name, in bytes: it is the author of changes.
const NAME_BYTES_MAX: usize = document::AUTHOR_BYTES_MAX;
/// Most spaces of one token.
const SPACES_MAX: usize = 64;

/// The book. What this version does not know in it is refused: written again it would be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBook {
    /// 1.
    version: Version,
    tokens: BTreeMap<String, Token>,
}

/// A token, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// Of the secret that its service shows; none where it shows a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_hash: Option<SecretHash>,
    /// Whether its service shows a certificate of the fleet's authority, under this name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) certificate: bool,
    /// What it may do; nothing in any other space.
    pub(crate) spaces: BTreeMap<SpaceName, ServiceRights>,
    /// In milliseconds since 1970.
    pub(crate) created_ms: i64,
    /// In milliseconds since 1970; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_ms: Option<i64>,
}

/// How long a token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    After(Duration),
    Never,
}

/// A token to be.
#[derive(Clone, Debug)]
pub(crate) struct NewToken {
    pub(crate) name: String,
    pub(crate) spaces: BTreeMap<SpaceName, ServiceRights>,
    pub(crate) expiry: Expiry,
}

/// What a service shows to be known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    Secret(SecretHash),
    Certificate,
}

/// Why a token is not made or not revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The name cannot be one.
    #[error(
        "a token's name has 1 to {NAME_BYTES_MAX} bytes of printable characters: it is the author of what its service writes"
    )]
    Name,
    /// No certificate has such a name.
    #[error(transparent)]
    CertificateName(#[from] NameError),
    /// There is one.
    #[error(
        "there is a token '{name}' already: `isle token revoke {name}` first, or give this one another name"
    )]
    Exists {
        /// Its name.
        name: String,
    },
    /// There are too many.
    #[error(
        "there are {TOKENS_MAX} tokens: revoke those that are not used or have expired, `isle token list` shows them"
    )]
    Full,
    /// None, or too many.
    #[error("a token is for 1 to {SPACES_MAX} spaces")]
    Spaces,
    /// There is none.
    #[error("there is no token '{name}': `isle token list` shows those that there are")]
    Unknown {
        /// The name.
        name: String,
    },
}

impl Default for TokenBook {
    fn default() -> Self {
        Self { version: Version, tokens: BTreeMap::new() }
    }
}

impl Token {
    /// Whether it holds no more, by a wall clock.
    pub(crate) fn is_over(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }
}

/// Whether a name can be an author and stands in one line, in a table, a log and a header.
fn is_name(name: &str) -> bool {
    let is_printable = |letter: char| !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_printable) && name.trim() == name
}

impl TokenBook {
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&String, &Token)> {
        self.tokens.iter()
    }

    /// Adds a token for who shows this.
    pub(super) fn create(&mut self, new: NewToken, proof: Proof, now_ms: i64) -> Result<&Token, TokenError> {
        let NewToken { name, spaces, expiry } = new;
        let (secret_hash, certificate) = match proof {
            Proof::Secret(hash) => (Some(hash), false),
            Proof::Certificate => {
                check_name(&name)?;
                (None, true)
            }
        };
        if !is_name(&name) {
            return Err(TokenError::Name);
        }
        if !(1..=SPACES_MAX).contains(&spaces.len()) {
            return Err(TokenError::Spaces);
        }
        if self.tokens.contains_key(name.as_str()) {
            return Err(TokenError::Exists { name });
        }
        if self.tokens.len() >= TOKENS_MAX {
            return Err(TokenError::Full);
        }
        let expires_ms = match expiry {
            Expiry::Never => None,
            Expiry::After(time) => {
                Some(now_ms.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
            }
        };
        let token = Token { secret_hash, certificate, spaces, created_ms: now_ms, expires_ms };
        Ok(self.tokens.entry(name).or_insert(token))
    }

    pub(super) fn revoke(&mut self, name: &str) -> Result<(), TokenError> {
        let token = self.tokens.remove(name);
        token.map(drop).ok_or_else(|| TokenError::Unknown { name: name.to_owned() })
    }

    /// The token of what somebody shows. Every one is looked at, so that the time tells nothing of which it is.
    pub(super) fn find(&self, shown: &SecretHash) -> Option<(&String, &Token)> {
        let mut found = None;
        for entry in &self.tokens {
            if entry.1.secret_hash.is_some_and(|hash| hash.is(shown)) {
                found = Some(entry);
            }
        }
        found
    }

    /// What is said of a certificate's name.
    pub(super) fn find_certificate(&self, name: &str) -> Option<(&String, &Token)> {
        let entry = self.tokens.get_key_value(name);
        entry.filter(|(_, token)| token.certificate && token.secret_hash.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::Secret;
    use super::*;

    const GOLDEN: &str = include_str!("../../../../schemas/golden/server/v1/tokens.json");
    const DAY: Duration = Duration::from_hours(24);

    fn hash(number: u8) -> SecretHash {
        SecretHash::of(Secret::of([number; 32]).text()).unwrap()
    }

    fn secret(number: u8) -> Proof {
        Proof::Secret(hash(number))
    }

    fn new(name: &str, expiry: Expiry) -> NewToken {
        let spaces = [("store-367", "read,inventory=write"), ("catalog", "read")];
        let spaces =
            spaces.map(|(space, rights)| (space.to_owned().try_into().unwrap(), rights.parse().unwrap()));
        NewToken { name: name.to_owned(), spaces: spaces.into(), expiry }
    }

    fn book() -> TokenBook {
        let mut book = TokenBook::default();
        book.create(new("till-3", Expiry::After(90 * DAY)), secret(1), 1_795_000_000_000).unwrap();
        book.create(new("head office", Expiry::Never), secret(2), 1_795_000_000_000).unwrap();
        book
    }

    #[test]
    fn a_token_is_found_by_its_secret_until_it_is_revoked() {
        let mut book = book();
        let name = |book: &TokenBook, number| book.find(&hash(number)).map(|(name, _)| name.clone());
        assert_eq!(name(&book, 1).as_deref(), Some("till-3"));
        assert_eq!(name(&book, 3), None);
        book.revoke("till-3").unwrap();
        assert_eq!((name(&book, 1), name(&book, 2).as_deref()), (None, Some("head office")));
        assert!(matches!(book.revoke("till-3"), Err(TokenError::Unknown { .. })));
        book.create(new("till-3", Expiry::Never), secret(4), 0).unwrap();
        assert_eq!(name(&book, 1), None, "the same name is another token");
    }

    #[test]
    fn a_certificate_counts_by_its_name_and_a_token_by_its_secret_alone() {
        let mut book = book();
        assert!(book.find_certificate("till-3").is_none(), "the name of a token is no certificate's");
        book.create(new("store-9", Expiry::Never), Proof::Certificate, 0).unwrap();
        assert_eq!(book.find_certificate("store-9").map(|(name, _)| name.as_str()), Some("store-9"));
        assert!(book.find(&hash(9)).is_none());
        let refused = book.create(new("store-9", Expiry::Never), secret(9), 0).err();
        assert_eq!(refused, Some(TokenError::Exists { name: "store-9".into() }));
        let refused = book.create(new("head office 2", Expiry::Never), Proof::Certificate, 0).err();
        assert!(matches!(refused, Some(TokenError::CertificateName(_))), "{refused:?}");
        let text = serde_json::to_string(&book).unwrap();
        assert_eq!(serde_json::from_str::<TokenBook>(&text).unwrap(), book);
        // Neither: it lets nobody in.
        let damaged = text.replace("\"certificate\":true,", "");
        let damaged: TokenBook = serde_json::from_str(&damaged).unwrap();
        assert!(damaged.find_certificate("store-9").is_none());
        book.revoke("store-9").unwrap();
        assert!(book.find_certificate("store-9").is_none());
    }

    #[test]
    fn a_token_holds_until_its_moment_or_for_ever() {
        let book = book();
        let (_, token) = book.find(&hash(1)).unwrap();
        let ends_ms = 1_795_000_000_000 + 90 * 86_400_000;
        assert_eq!((token.is_over(ends_ms - 1), token.is_over(ends_ms)), (false, true));
        assert!(!book.find(&hash(2)).unwrap().1.is_over(i64::MAX));
        let mut book = TokenBook::default();
        let token = book.create(new("a", Expiry::After(Duration::MAX)), secret(1), i64::MAX).unwrap();
        assert_eq!(token.expires_ms, Some(i64::MAX));
    }

    #[test]
    fn names_and_numbers_have_limits() {
        let mut book = book();
        let mut refused = |name: &str| book.create(new(name, Expiry::Never), secret(9), 0).err();
        for name in ["", " ", "a ", "a\nb", "a\u{7f}", "a\u{2028}b", &"a".repeat(65)] {
            assert_eq!(refused(name), Some(TokenError::Name), "{name:?}");
        }
        assert_eq!(refused("till-3"), Some(TokenError::Exists { name: "till-3".into() }));
        assert_eq!(refused(&"a".repeat(64)), None);
        let none = NewToken { spaces: BTreeMap::new(), ..new("b", Expiry::Never) };
        assert_eq!(book.create(none, secret(9), 0).err(), Some(TokenError::Spaces));
        while book.tokens.len() < TOKENS_MAX {
            book.create(new(&format!("t{}", book.tokens.len()), Expiry::Never), secret(9), 0).unwrap();
        }
        assert_eq!(book.create(new("z", Expiry::Never), secret(9), 0).err(), Some(TokenError::Full));
    }

    #[test]
    fn the_book_is_written_as_in_every_release() {
        assert_eq!(serde_json::to_string_pretty(&book()).unwrap() + "\n", GOLDEN);
        assert_eq!(serde_json::from_str::<TokenBook>(GOLDEN).unwrap(), book());
        for (from, to) in
            [("\"version\": 1", "\"version\": 2"), ("\"created_ms\"", "\"made_ms\""), ("=write", "=own")]
        {
            let other = GOLDEN.replace(from, to);
            assert!(serde_json::from_str::<TokenBook>(&other).is_err(), "{to}");
        }
    }
}
