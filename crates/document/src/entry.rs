//! Names of entries in a document's root map.
//!
//! A leaf's entry is named by its JSON Pointer (RFC 6901) without the first slash. `+` at the start of a segment is
//! reserved: a tally is named `<pointer>/+<short origin>`, the marker of an empty document `+`. A segment of a user's
//! key that starts with `+` is written `~2…`.

use crate::{DEPTH_MAX, Origin};
use std::fmt;

/// Entry that marks a document which is an empty object.
pub(crate) const EMPTY_DOCUMENT: &str = "+";

/// Longest name of an entry, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 1_024;

/// A place in a document: a JSON Pointer (RFC 6901) with at least one segment, kept as the entry's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer(String);

/// Why a text is no pointer into a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// It does not start with a slash.
    #[error("'{pointer}' is no JSON Pointer: it starts with '/', as in /on_hand")]
    NoSlash {
        /// The text.
        pointer: String,
    },
    /// A `~` that starts neither `~0` nor `~1`.
    #[error("'{pointer}' is no JSON Pointer: '~' is written ~0 and '/' is written ~1")]
    Escape {
        /// The text.
        pointer: String,
    },
    /// More segments than a document is deep.
    #[error("a pointer may have {DEPTH_MAX} segments, this one has {0}")]
    TooDeep(usize),
    /// Too long.
    #[error("a pointer may have {NAME_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
}

impl Pointer {
    /// Reads a JSON Pointer as people write it.
    ///
    /// # Errors
    /// [`PointerError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let segments =
            text.strip_prefix('/').ok_or_else(|| PointerError::NoSlash { pointer: text.to_owned() })?;
        let depth = segments.split('/').count();
        if depth > DEPTH_MAX {
            return Err(PointerError::TooDeep(depth));
        }
        let mut name = String::new();
        for (index, segment) in segments.split('/').enumerate() {
            if index > 0 {
                name.push('/');
            }
            push_segment(
                &mut name,
                &unescape(segment, false).ok_or_else(|| PointerError::Escape { pointer: text.to_owned() })?,
            );
        }
        match name.len() {
            bytes if bytes > NAME_BYTES_MAX => Err(PointerError::TooLong(bytes)),
            _ => Ok(Self(name)),
        }
    }

    pub(crate) fn from_name(name: String) -> Self {
        Self(name)
    }

    /// The entry's name: the pointer without its first slash.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The name of an origin's tally of the counter here.
    pub(crate) fn tally(&self, origin: Origin) -> String {
        format!("{}/+{}", self.0, origin.short())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split('/').try_for_each(|segment| match segment.strip_prefix("~2") {
            Some(rest) => write!(f, "/+{rest}"),
            None => write!(f, "/{segment}"),
        })
    }
}

/// Appends a key of a JSON object as a segment.
pub(crate) fn push_segment(name: &mut String, key: &str) {
    for (index, character) in key.chars().enumerate() {
        match character {
            '~' => name.push_str("~0"),
            '/' => name.push_str("~1"),
            '+' if index == 0 => name.push_str("~2"),
            other => name.push(other),
        }
    }
}

/// The key that a segment stands for; `None` when it has an escape that is none. `~2` is ours, not RFC 6901's.
fn unescape(segment: &str, stored: bool) -> Option<String> {
    let mut parts = segment.split('~');
    let mut key = parts.next()?.to_owned();
    for part in parts {
        let mut characters = part.chars();
        key.push(match characters.next()? {
            '0' => '~',
            '1' => '/',
            '2' if stored => '+',
            _ => return None,
        });
        key.push_str(characters.as_str());
    }
    Some(key)
}

/// What a stored name stands for.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    /// A leaf, by the keys that lead to it.
    Leaf(Vec<String>),
    /// One origin's share of the counter at these keys.
    Tally(Vec<String>),
    /// Something that this version does not know; kept, not shown.
    Reserved,
}

/// A tally's name in two: the counter's name, and the origin's short form.
pub(crate) fn split_tally(name: &str) -> Option<(&str, &str)> {
    let (counter, last) = name.rsplit_once('/')?;
    Some((counter, last.strip_prefix('+')?))
}

/// Whether a local write can make an entry of this name: no longer and no deeper than a document's.
pub(crate) fn is_within_limits(name: &str) -> bool {
    let pointer = split_tally(name).map_or(name, |(counter, _)| counter);
    pointer.len() <= NAME_BYTES_MAX && pointer.split('/').nth(DEPTH_MAX).is_none()
}

/// Reads a stored name. Names that are none of ours, from a newer version or a foe, are `Reserved`.
pub(crate) fn read_name(name: &str) -> Entry {
    if !is_within_limits(name) {
        return Entry::Reserved;
    }
    let mut keys = Vec::new();
    let mut segments = name.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.starts_with('+') {
            let last = segments.peek().is_none() && !keys.is_empty() && segment.len() > 1;
            return if last { Entry::Tally(keys) } else { Entry::Reserved };
        }
        match unescape(segment, true) {
            Some(key) => keys.push(key),
            None => return Entry::Reserved,
        }
    }
    Entry::Leaf(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_read_and_show_as_written() {
        for text in ["/on_hand", "/attributes/colour", "/a~1b/c~0d", "/", "/+x/y+z"] {
            assert_eq!(Pointer::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Pointer::parse("on_hand"), Err(PointerError::NoSlash { pointer: "on_hand".into() }));
        assert_eq!(Pointer::parse("/a~2"), Err(PointerError::Escape { pointer: "/a~2".into() }));
        assert!(matches!(
            Pointer::parse(&format!("/{}", "x".repeat(2_000))),
            Err(PointerError::TooLong(2_000))
        ));
    }

    #[test]
    fn a_key_that_looks_like_a_tally_is_none() {
        let pointer = Pointer::parse("/stock/+abc").unwrap();
        assert_eq!(pointer.name(), "stock/~2abc");
        assert_eq!(read_name(pointer.name()), Entry::Leaf(vec!["stock".into(), "+abc".into()]));
    }

    #[test]
    fn names_are_told_apart() {
        let tally = Pointer::parse("/a/b").unwrap().tally(Origin([7; 16]));
        assert_eq!(tally, "a/b/+BwcHBwcHBwcHBwcH");
        assert_eq!(read_name(&tally), Entry::Tally(vec!["a".into(), "b".into()]));
        assert!(matches!(Pointer::parse(&"/a".repeat(33)), Err(PointerError::TooDeep(33))));
        let deep = |segments| vec!["a"; segments].join("/");
        assert!(matches!(read_name(&deep(DEPTH_MAX)), Entry::Leaf(_)));
        assert!(matches!(read_name(&(deep(DEPTH_MAX) + "/+b")), Entry::Tally(_)));
        let (deeper, deepest) = (deep(DEPTH_MAX + 1), deep(5_000));
        for reserved in [EMPTY_DOCUMENT, "+deleted", "a/+b/c", "a/+", "a/~9", &deeper, &deepest] {
            assert_eq!(read_name(reserved), Entry::Reserved, "{reserved}");
        }
        assert_eq!(read_name(""), Entry::Leaf(vec![String::new()]));
    }
}
