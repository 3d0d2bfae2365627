use super::scope::{WatchError, WatchScope};
use crate::query::CursorError;
use crate::query::cursor::{Digest, first_bytes, seal, unseal};
use document::{Collection, Key};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Where to go on with a watch, as each of its events gives it; any text, looked at when it is used. It holds for the
/// same scope at the same replica, also after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WatchCursor(pub String);

/// Up to where a reader was shown everything.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Position {
    /// Names the journal.
    #[n(0)]
    pub(crate) epoch: u64,
    /// Changes up to here were shown, or are in the initial state.
    #[n(1)]
    pub(crate) lsn: u64,
    /// How far the initial state was shown; `None` when it was shown whole.
    #[n(2)]
    pub(crate) listing: Option<Listing>,
    /// The start of the journal's digest at `lsn`: an older copy of the store may have come to have others' changes there.
    /// `None` where the journal no longer goes back so far.
    #[n(3)]
    pub(crate) chain: Option<u64>,
}

/// How far an initial state was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Listing {
    /// Collection and key of the last document shown.
    #[n(0)]
    after: Option<(String, String)>,
}

impl Listing {
    pub(crate) fn new(after: Option<&(Collection, Key)>) -> Self {
        let names = |(collection, key): &(Collection, Key)| (collection.to_string(), key.as_str().to_owned());
        Self { after: after.map(names) }
    }

    /// `None` where it has names that are none.
    pub(crate) fn after(self) -> Option<Option<(Collection, Key)>> {
        match self.after {
            None => Some(None),
            Some((collection, key)) => Some(Some((Collection::new(collection).ok()?, Key::new(key).ok()?))),
        }
    }
}

/// Tells scopes apart.
fn digest(scope: &WatchScope) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    part("watch");
    part(scope.space().as_str());
    scope.collection().into_iter().for_each(|collection| part(collection.as_str()));
    match scope {
        WatchScope::Space(_) | WatchScope::Collection(..) => {}
        WatchScope::Keys(_, _, prefix) => [prefix, "*"].into_iter().for_each(part),
        WatchScope::Document(address) => part(address.key.as_str()),
    }
    first_bytes(hasher.finalize())
}

impl WatchCursor {
    pub(crate) fn new(scope: &WatchScope, position: &Position) -> Self {
        Self(seal(digest(scope), position))
    }

    pub(crate) fn read(&self, scope: &WatchScope) -> Result<Position, WatchError> {
        unseal(&self.0, digest(scope)).map_err(|error| match error {
            CursorError::OtherQuery => WatchError::OtherScope,
            CursorError::Unreadable | CursorError::Version { .. } => WatchError::Cursor(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_made_and_for_its_scope_only() {
        let others =
            || [WatchScope::Space("s".parse().unwrap()), WatchScope::Document("s/c/k".parse().unwrap())];
        let scope = WatchScope::Keys("s".parse().unwrap(), "c".parse().unwrap(), "k".into());
        let reached = ("c".parse().unwrap(), Key::new("k/ü".repeat(50)).unwrap());
        for listing in [None, Some(Listing::default()), Some(Listing::new(Some(&reached)))] {
            let position = Position { epoch: u64::MAX, lsn: 7, listing, chain: Some(3) };
            let cursor = WatchCursor::new(&scope, &position);
            assert_eq!(cursor.read(&scope), Ok(position));
            assert!(others().iter().all(|other| cursor.read(other) == Err(WatchError::OtherScope)));
        }
        assert_eq!(Listing::new(Some(&reached)).after(), Some(Some(reached)));
        assert_eq!(WatchCursor("x".into()).read(&scope), Err(WatchError::Cursor(CursorError::Unreadable)));
    }
}
