use crate::keys::{self, SpaceNumber};
use crate::query::CursorError;
use crate::store::Keyspace;
use document::{Address, Collection, Key, Space};
use std::ops::Range;

/// Longest prefix of keys: as long as a key.
const PREFIX_BYTES_MAX: usize = 256;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchScope {
    /// Every document of a space.
    Space(Space),
    /// Every document of a collection.
    Collection(Space, Collection),
    /// The documents of a collection whose keys start so; the prefix has at most 256 bytes.
    Keys(Space, Collection, String),
    /// One document, which need not be there yet.
    Document(Address),
}

/// Why nothing is watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// There are [`crate::WATCHES_MAX`] watches.
    #[error("{} watches are open: end some, or watch a whole space with one", crate::WATCHES_MAX)]
    TooMany,
    /// No key is so long.
    #[error("the prefix has {0} bytes, {PREFIX_BYTES_MAX} are allowed")]
    PrefixTooLong(usize),
    /// The cursor cannot be read.
    #[error(transparent)]
    Cursor(CursorError),
    /// The cursor is of a watch of something else.
    #[error("the cursor is of a watch of something else: begin without one")]
    OtherScope,
}

impl WatchScope {
    /// The space in which it is.
    #[must_use]
    pub fn space(&self) -> &Space {
        match self {
            Self::Space(space) | Self::Collection(space, _) | Self::Keys(space, _, _) => space,
            Self::Document(address) => &address.space,
        }
    }

    /// The collection in which it is, unless it is a whole space.
    #[must_use]
    pub fn collection(&self) -> Option<&Collection> {
        match self {
            Self::Space(_) => None,
            Self::Collection(_, collection) | Self::Keys(_, collection, _) => Some(collection),
            Self::Document(address) => Some(&address.collection),
        }
    }

    /// Whether a document is in it.
    #[must_use]
    pub fn contains(&self, address: &Address) -> bool {
        self.space() == &address.space
            && self.collection().is_none_or(|collection| collection == &address.collection)
            && match self {
                Self::Space(_) | Self::Collection(..) => true,
                Self::Keys(_, _, prefix) => address.key.as_str().starts_with(prefix.as_str()),
                Self::Document(only) => only.key == address.key,
            }
    }

    pub(crate) fn check(&self) -> Result<(), WatchError> {
        match self {
            Self::Keys(_, _, prefix) if prefix.len() > PREFIX_BYTES_MAX => {
                Err(WatchError::PrefixTooLong(prefix.len()))
            }
            Self::Space(_) | Self::Collection(..) | Self::Keys(..) | Self::Document(_) => Ok(()),
        }
    }

    /// The rows of its documents after one of them, in the order of collections and keys.
    pub(crate) fn documents(
        &self,
        space: SpaceNumber,
        after: Option<&(Collection, Key)>,
    ) -> (Keyspace, Range<Vec<u8>>) {
        let within = |collection, from: &str, behind: &[u8]| {
            keys::documents_between(space, collection, from.as_bytes(), &[from.as_bytes(), behind].concat())
        };
        let (keyspace, mut range) = match self {
            Self::Space(_) => keys::documents_of(space),
            Self::Collection(_, collection) => within(collection, "", keys::AFTER_KEYS),
            Self::Keys(_, collection, prefix) => within(collection, prefix, keys::AFTER_KEYS),
            Self::Document(address) => within(&address.collection, address.key.as_str(), &[0]),
        };
        if let Some((collection, key)) = after {
            let (_, mut next) = keys::document(space, collection, key);
            next.push(0);
            range.start = range.start.max(next);
        }
        // A place behind the last document leaves nothing.
        range.end = range.end.max(range.start.clone());
        (keyspace, range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scopes() -> Vec<WatchScope> {
        let space: Space = "s".parse().unwrap();
        let collection: Collection = "note".parse().unwrap();
        vec![
            WatchScope::Space(space.clone()),
            WatchScope::Collection(space.clone(), collection.clone()),
            WatchScope::Keys(space.clone(), collection.clone(), "a".into()),
            WatchScope::Keys(space, collection, String::new()),
            WatchScope::Document("s/note/a".parse().unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn the_rows_of_a_scope_are_those_of_its_documents(
            names in proptest::collection::vec(("note|note-log|nota", "[a-c]{1,3}|\u{323af}"), 1..12),
            after in proptest::option::of(("note|note-log|nota", "[a-c]{1,3}")),
        ) {
            let number = SpaceNumber(0);
            let after = after.map(|(collection, key)| (collection.parse().unwrap(), Key::new(key).unwrap()));
            for scope in scopes() {
                let (_, range) = scope.documents(number, after.as_ref());
                for (collection, key) in &names {
                    let address: Address = format!("s/{collection}/{key}").parse().unwrap();
                    let place = (address.collection.clone(), address.key.clone());
                    let is_after = after.as_ref().is_none_or(|after| keys::document(number, &after.0, &after.1)
                        < keys::document(number, &place.0, &place.1));
                    let is_listed = range.contains(&keys::document(number, &place.0, &place.1).1);
                    prop_assert_eq!(is_listed, scope.contains(&address) && is_after, "{:?} {}", scope, address);
                }
            }
        }
    }
}
