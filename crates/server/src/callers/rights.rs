//! What a service may do in a space, as people write it: `read,inventory=write`.

use document::{AddressError, Collection};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Most collections that the rights in one space name.
const COLLECTIONS_MAX: usize = 64;
/// Longest text that is looked at, in bytes: every collection with both rights and the longest name.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Reading and writing, apart: who may write alone reads nothing, and is told nothing of what is there by an answer to a write but
/// whether it was taken, and what kind of refusal it met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Allowed {
    read: bool,
    write: bool,
}

/// What a service may do in one space: in all of its collections, and in some besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ServiceRights {
    everywhere: Allowed,
    collections: BTreeMap<Collection, Allowed>,
}

/// Why a text says no rights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RightsTextError {
    /// A part is something else.
    #[error(
        "'{part}' is no right: write read, write, COLLECTION=read or COLLECTION=write, several separated by commas, \
         as in read,inventory=write"
    )]
    Form {
        /// The part.
        part: String,
    },
    /// No collection is called so.
    #[error(transparent)]
    Name(#[from] AddressError),
    /// A part is there twice.
    #[error("'{part}' is there twice")]
    Twice {
        /// The part.
        part: String,
    },
    /// Too many.
    #[error(
        "rights name at most {COLLECTIONS_MAX} collections: give them in the whole space, or make another token"
    )]
    Count,
}

impl Allowed {
    /// Adds a right by its word; `None` when it is none, `Some(false)` when it was there.
    fn add(&mut self, word: &str) -> Option<bool> {
        let right = match word {
            "read" => &mut self.read,
            "write" => &mut self.write,
            _ => return None,
        };
        Some(!std::mem::replace(right, true))
    }

    fn words(self) -> impl Iterator<Item = &'static str> {
        let said = [("read", self.read), ("write", self.write)];
        said.into_iter().filter(|(_, has)| *has).map(|(word, _)| word)
    }
}

impl ServiceRights {
    /// `None` is all that the space has.
    pub(super) fn may_read(&self, collection: Option<&Collection>) -> bool {
        self.everywhere.read || collection.is_some_and(|collection| self.of(collection).read)
    }

    pub(super) fn may_write(&self, collection: &Collection) -> bool {
        self.everywhere.write || self.of(collection).write
    }

    pub(super) fn may_write_something(&self) -> bool {
        self.everywhere.write || self.collections.values().any(|allowed| allowed.write)
    }

    fn of(&self, collection: &Collection) -> Allowed {
        self.collections.get(collection).copied().unwrap_or_default()
    }
}

impl FromStr for ServiceRights {
    type Err = RightsTextError;
    fn from_str(text: &str) -> Result<Self, RightsTextError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(RightsTextError::Count);
        }
        let mut rights = Self::default();
        for part in text.split(',').map(str::trim) {
            let (allowed, word) = match part.split_once('=') {
                None => (&mut rights.everywhere, part),
                Some((collection, word)) => {
                    (rights.collections.entry(collection.parse()?).or_default(), word)
                }
            };
            let part = || part.to_owned();
            match allowed.add(word) {
                Some(true) => {}
                Some(false) => return Err(RightsTextError::Twice { part: part() }),
                None => return Err(RightsTextError::Form { part: part() }),
            }
        }
        if rights.collections.len() > COLLECTIONS_MAX { Err(RightsTextError::Count) } else { Ok(rights) }
    }
}

impl TryFrom<String> for ServiceRights {
    type Error = RightsTextError;
    fn try_from(text: String) -> Result<Self, RightsTextError> {
        text.parse()
    }
}

impl From<ServiceRights> for String {
    fn from(rights: ServiceRights) -> Self {
        rights.to_string()
    }
}

impl fmt::Display for ServiceRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everywhere = self.everywhere.words().map(str::to_owned);
        let some = self.collections.iter().flat_map(|(collection, allowed)| {
            allowed.words().map(move |word| format!("{collection}={word}"))
        });
        f.write_str(&everywhere.chain(some).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rights(text: &str) -> ServiceRights {
        text.parse().unwrap()
    }

    #[test]
    fn writing_is_not_reading_and_the_whole_space_is_all_collections() {
        let (a, b): (Collection, Collection) = ("a".parse().unwrap(), "b".parse().unwrap());
        let may = |text: &str| {
            let rights = rights(text);
            let reads = [rights.may_read(None), rights.may_read(Some(&a)), rights.may_read(Some(&b))];
            (reads, [rights.may_write(&a), rights.may_write(&b)])
        };
        assert_eq!(may("read"), ([true; 3], [false; 2]));
        assert_eq!(may("write"), ([false; 3], [true; 2]));
        assert_eq!(may("read, write"), ([true; 3], [true; 2]));
        assert_eq!(may("a=read,b=read"), ([false, true, true], [false; 2]), "not what is made later");
        assert_eq!(may("a=write,b=read"), ([false, false, true], [true, false]));
        assert_eq!(may("read,a=write"), ([true; 3], [true, false]));
    }

    #[test]
    fn what_says_no_rights_is_refused_with_what_would() {
        let refused = |text: &str| text.parse::<ServiceRights>().unwrap_err().to_string();
        for text in ["", "own", "read,", "a=", "a=own", "read+write", "=read,a", "a=read=write"] {
            let refused = refused(text);
            assert!(
                refused.contains("read,inventory=write") || refused.contains("empty"),
                "{text}: {refused}"
            );
        }
        assert!(refused("A=read").contains("small letters"));
        assert!(refused("read,read").contains("'read' is there twice"));
        assert!(refused("a=read,a=read").contains("'a=read' is there twice"));
        let many: Vec<_> = (0..=COLLECTIONS_MAX).map(|n| format!("c{n}=read")).collect();
        assert!(refused(&many.join(",")).contains("at most 64 collections"));
        assert!(refused(&"read,".repeat(TEXT_BYTES_MAX)).contains("at most"));
    }

    proptest! {
        #[test]
        fn rights_are_read_as_they_are_written(parts in prop::collection::btree_set("(a=|b=|read=)?(read|write)", 1..8)) {
            let text = parts.into_iter().collect::<Vec<_>>().join(",");
            let read = rights(&text);
            prop_assert_eq!(rights(&read.to_string()), read);
        }

        #[test]
        fn any_text_is_rights_or_a_refusal(text in "[a-z=,A. ]{0,40}") {
            drop(text.parse::<ServiceRights>());
        }
    }
}
