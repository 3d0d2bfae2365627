//! Names of entries in a document's root map.
//!
//! A leaf's entry is named by its JSON Pointer (RFC 6901) without the first slash. `+` at the start of a segment is
//! reserved; a segment of a user's key that starts with `+` is written `~2…`. *Short* is an origin's first 96 bits in
//! base64url, 16 characters, so that the character after `+` tells the kinds apart:
//!
//! | name | value | written by |
//! |---|---|---|
//! | `+` | true: the document is an empty object | anybody |
//! | `+deleted` | true: the document is deleted | anybody |
//! | `f/+<short>` | whole number: the origin's running total of the counter `f` | that origin |
//! | `f/+!<short>` | whole number: what the origin has spent of the bounded counter `f` | that origin |
//! | `f/+><from><to>` | whole number: rights moved from one origin to another; made anew where both are one | `from` |
//! | `f/+#` | whole number: where the bounded counter `f` started, when that is not 0 | anybody |
//! | `f` | beside entries of a counter, a whole number: its base (module `write::counter`) | anybody |
//! | `f/+=<element>` | true: the element, as JSON text, is in the set `f` | anybody |
//! | `f/+=` | true: `f` is a set, perhaps empty | anybody |
//! | `f/+[`, `f/+"` | true: `f` is a list, a text; tells that its object is to be there (module `sequence`) | anybody |

use crate::{DEPTH_MAX, Origin};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// Entry that marks a document which is an empty object.
pub(crate) const EMPTY_DOCUMENT: &str = "+";

/// Entry that says that a document is deleted.
pub(crate) const TOMBSTONE: &str = "+deleted";

/// Longest name of a field's entry, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 1_024;

/// Longest element of a set, in bytes of its JSON text as it is stored.
pub const ELEMENT_BYTES_MAX: usize = 1_024;

/// A place in a document: a JSON Pointer (RFC 6901) with at least one segment, kept as the entry's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer(String);

/// Why a text is no pointer into a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// It is the whole document.
    #[error("'' is the whole document, and no field of it: a field is named as in /on_hand")]
    Whole,
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

impl PointerError {
    /// How much a pointer may have, where this one has more: segments or bytes.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match self {
            Self::TooDeep(_) => Some(DEPTH_MAX),
            Self::TooLong(_) => Some(NAME_BYTES_MAX),
            Self::Whole | Self::NoSlash { .. } | Self::Escape { .. } => None,
        }
    }
}

impl Pointer {
    /// Reads a JSON Pointer as people write it.
    ///
    /// # Errors
    /// [`PointerError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::Whole);
        }
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

    /// The name of what an origin has spent of the bounded counter here.
    pub(crate) fn spend(&self, origin: Origin) -> String {
        format!("{}/+!{}", self.0, origin.short())
    }

    /// The name of the rights that one origin gave another; of those that it made, where both are one.
    pub(crate) fn grant(&self, from: Origin, to: Origin) -> String {
        format!("{}/+>{}{}", self.0, from.short(), to.short())
    }

    /// The name of where the bounded counter here started.
    pub(crate) fn bound(&self) -> String {
        format!("{}/+#", self.0)
    }

    /// The name of the mark that a set is here.
    pub(crate) fn set_mark(&self) -> String {
        format!("{}/+=", self.0)
    }

    /// The name of an element of the set here, given as JSON text; `None` when it is longer than an element may be.
    pub(crate) fn element(&self, text: &str) -> Option<String> {
        let mut name = self.set_mark();
        let start = name.len();
        push_segment(&mut name, text);
        (name.len() - start <= ELEMENT_BYTES_MAX).then_some(name)
    }

    /// The name of the mark that a list or a text is here.
    pub(crate) fn sequence_mark(&self, kind: SequenceKind) -> String {
        let sign = match kind {
            SequenceKind::List => '[',
            SequenceKind::Text => '"',
        };
        format!("{}/+{sign}", self.0)
    }

    /// The list and the place in it, where it may name an item of one.
    pub(crate) fn item(&self) -> Option<(Self, usize)> {
        let (list, index) = self.0.rsplit_once('/')?;
        let place = index.parse::<usize>().ok()?;
        (place.to_string() == index).then(|| (Self(list.to_owned()), place))
    }

    /// The fields above this one, from the outermost.
    pub(crate) fn above(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.match_indices('/').map(|(end, _)| Self(self.0.get(..end).unwrap_or_default().to_owned()))
    }
}

/// As JSON Pointer.
impl Serialize for Pointer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
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

/// The two kinds of sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SequenceKind {
    List,
    Text,
}

/// Characters of an origin's short form.
pub(crate) const SHORT_BYTES: usize = 16;

/// What a stored name stands for.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    /// A leaf, by the keys that lead to it.
    Leaf(Vec<String>),
    /// One origin's share of the counter at these keys.
    Tally(Vec<String>),
    /// What one origin has spent of the bounded counter at these keys.
    Spend(Vec<String>),
    /// Rights of the bounded counter at these keys that one origin gave another, or made for itself.
    Grant(Vec<String>),
    /// Where the bounded counter at these keys started.
    Bound(Vec<String>),
    /// An element of the set at these keys; without one, the mark that it is a set.
    Element(Vec<String>, Option<Value>),
    /// The mark that a list or a text is at these keys.
    Sequence(Vec<String>, SequenceKind),
    /// Something that this version does not know; kept, not shown.
    Reserved,
}

/// A name with a reserved last segment in two: the field's name, and what follows the `+`.
pub(crate) fn split_reserved(name: &str) -> Option<(&str, &str)> {
    let (field, last) = name.rsplit_once('/')?;
    Some((field, last.strip_prefix('+')?))
}

/// The short form of the only origin that may write an entry of this name, where there is one.
pub(crate) fn owner(name: &str) -> Option<&str> {
    let (_, kind) = split_reserved(name)?;
    match kind.as_bytes().first() {
        // Nobody is named so.
        None => Some(""),
        Some(b'=' | b'[' | b'"' | b'#') => None,
        Some(b'!') => kind.get(1..),
        Some(b'>') => kind.get(1..=SHORT_BYTES).or(Some("")),
        Some(_) => Some(kind),
    }
}

/// Whether a local write can make an entry of this name: no longer and no deeper than a document's.
pub(crate) fn is_within_limits(name: &str) -> bool {
    let (pointer, reserved) = split_reserved(name).unwrap_or((name, ""));
    // The sign of an element comes before it.
    if reserved.len() > ELEMENT_BYTES_MAX + 1 {
        return false;
    }
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
            let last = segments.peek().is_none() && !keys.is_empty();
            return if last { read_reserved(keys, segment) } else { Entry::Reserved };
        }
        match unescape(segment, true) {
            Some(key) => keys.push(key),
            None => return Entry::Reserved,
        }
    }
    Entry::Leaf(keys)
}

/// Reads a last segment that starts with `+`.
fn read_reserved(keys: Vec<String>, segment: &str) -> Entry {
    let kind = segment.get(1..).unwrap_or_default();
    match (kind.chars().next(), kind.len()) {
        (None, _) => Entry::Reserved,
        (Some('!'), bytes) if bytes == 1 + SHORT_BYTES => Entry::Spend(keys),
        (Some('>'), bytes) if bytes == 1 + 2 * SHORT_BYTES => Entry::Grant(keys),
        (Some('#'), 1) => Entry::Bound(keys),
        (Some('='), 1) => Entry::Element(keys, None),
        (Some('='), _) => {
            let text = kind.get(1..).and_then(|segment| unescape(segment, true));
            match text.and_then(|text| serde_json::from_str(&text).ok()) {
                Some(element) => Entry::Element(keys, Some(element)),
                None => Entry::Reserved,
            }
        }
        (Some('['), 1) => Entry::Sequence(keys, SequenceKind::List),
        (Some('"'), 1) => Entry::Sequence(keys, SequenceKind::Text),
        (Some(first), _) if first.is_ascii_alphanumeric() || matches!(first, '-' | '_') => Entry::Tally(keys),
        (Some(_), _) => Entry::Reserved,
    }
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
        assert_eq!(Pointer::parse(""), Err(PointerError::Whole));
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
