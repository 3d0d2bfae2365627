//! Where a page ended, as an opaque text.
//!
//! It names a place in the order that was asked for, not in a plan: whatever index the next page is read by, it begins
//! after that place. So a document that stays as it is on every page is on one, whatever happens to others.
//!
//! base64url of: version 1 · digest of the query, 8 bytes · checksum of all else, 4 bytes · [`Position`] as CBOR.

use crate::record;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use document::Key;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
/// Longest text of a cursor; those that are made are shorter.
const TEXT_BYTES_MAX: usize = 1_024;

/// Where to go on with a query, as [`Page::next`](super::Page::next) gave it. Any text; it is looked at when it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Why a cursor does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// It was cut or changed.
    #[error("the cursor cannot be read: send it as it was given, or begin without one")]
    Unreadable,
    /// It was made by another version of the program.
    #[error("the cursor is of version {found}, this replica reads version {VERSION}: begin without one")]
    Version {
        /// What it says.
        found: u8,
    },
    /// Its page was of another query, collection or replica.
    #[error("the cursor is of another query: only 'limit' may differ from page to page; begin without one")]
    OtherQuery,
}

/// A place in an order. The order of positions is that of the pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct Position {
    /// Of the field's value; empty in the order of keys.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) rank: Vec<u8>,
    #[n(1)]
    key: String,
}

impl Position {
    pub(crate) fn new(rank: Vec<u8>, key: &Key) -> Self {
        Self { rank, key: key.as_str().to_owned() }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// Tells queries apart.
pub(crate) type Digest = [u8; 8];

/// The first bytes of a hash.
pub(crate) fn first_bytes<const N: usize>(hash: blake3::Hash) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
    bytes
}

fn checksum(digest: Digest, body: &[u8]) -> [u8; 4] {
    first_bytes(blake3::hash(&[&[VERSION], digest.as_slice(), body].concat()))
}

/// The text of a cursor: what it is for, and where it is.
pub(crate) fn seal<T: Encode<()>>(digest: Digest, position: &T) -> String {
    let body = record::encode(position);
    let bytes = [&[VERSION], digest.as_slice(), &checksum(digest, &body), &body].concat();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Where a cursor is, that was made for the same.
pub(crate) fn unseal<T>(text: &str, digest: Digest) -> Result<T, CursorError>
where
    T: for<'a> Decode<'a, ()>,
{
    if text.len() > TEXT_BYTES_MAX {
        return Err(CursorError::Unreadable);
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Unreadable)?;
    open(&bytes, digest)
}

fn open<T>(bytes: &[u8], digest: Digest) -> Result<T, CursorError>
where
    T: for<'a> Decode<'a, ()>,
{
    let (&version, rest) = bytes.split_first().ok_or(CursorError::Unreadable)?;
    if version != VERSION {
        return Err(CursorError::Version { found: version });
    }
    let (made_for, rest) = rest.split_first_chunk::<8>().ok_or(CursorError::Unreadable)?;
    let (sum, body) = rest.split_first_chunk::<4>().ok_or(CursorError::Unreadable)?;
    if *sum != checksum(*made_for, body) {
        return Err(CursorError::Unreadable);
    }
    if *made_for != digest {
        return Err(CursorError::OtherQuery);
    }
    minicbor::decode(body).map_err(|_| CursorError::Unreadable)
}

impl Cursor {
    pub(crate) fn new(digest: Digest, position: &Position) -> Self {
        Self(seal(digest, position))
    }

    pub(crate) fn read(&self, digest: Digest) -> Result<Position, CursorError> {
        unseal(&self.0, digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: Digest = [7; 8];

    fn position() -> Position {
        Position::new(vec![5, 0, 255], &Key::new("a/b ü").unwrap())
    }

    #[test]
    fn a_cursor_is_read_as_it_was_made() {
        assert_eq!(Cursor::new(DIGEST, &position()).read(DIGEST), Ok(position()));
        let longest = Position::new(vec![0xff; 130], &Key::new("k".repeat(256)).unwrap());
        let cursor = Cursor::new(DIGEST, &longest);
        assert!(cursor.0.len() <= TEXT_BYTES_MAX, "{}", cursor.0.len());
        assert_eq!(cursor.read(DIGEST), Ok(longest));
    }

    #[test]
    fn a_cursor_of_another_query_or_version_is_refused() {
        assert_eq!(Cursor::new([8; 8], &position()).read(DIGEST), Err(CursorError::OtherQuery));
        let of_tomorrow = BASE64_URL_SAFE_NO_PAD.encode([2; 40]);
        assert_eq!(Cursor(of_tomorrow).read(DIGEST), Err(CursorError::Version { found: 2 }));
    }

    #[test]
    fn a_cursor_that_was_cut_or_changed_is_refused() {
        let Cursor(text) = Cursor::new(DIGEST, &position());
        for end in 0..text.len() {
            assert!(Cursor(text[..end].to_owned()).read(DIGEST).is_err(), "cut at {end}");
        }
        for at in 0..text.len() {
            let mut other = text.clone();
            let letter = if &text[at..=at] == "A" { "B" } else { "A" };
            other.replace_range(at..=at, letter);
            assert!(Cursor(other).read(DIGEST).is_err(), "changed at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            prop_assert!(Cursor(text).read(DIGEST).is_err());
        }
    }
}
