//! Who may ask what: tokens of services, and what each of them may do.
//!
//! Who may open the data directory's socket owns the replica, and may do everything. Who comes over TCP shows a token, which
//! `isle token` makes, or a certificate, of whose name it was said what it may: `rights` has what one may do, `secret` its
//! text and the hash of it that is kept, `book` which tokens there are (pure: it is told the time), `file` the book on the
//! disk, `tokens` what a running server knows of it.
//!
//! Invariants:
//! - What cannot be read lets nobody in. A token that was made or revoked counts from the next request on, without a restart.
//! - A certificate alone gives no right, and no token counts as one.
//! - The secret is printed once and kept nowhere; of it only a hash is.

mod book;
mod file;
mod rights;
mod secret;
mod tokens;

pub use book::TokenError;
pub use file::TokenFileError;
pub use rights::RightsTextError;

pub(crate) use book::{Expiry, NewToken, Token};
pub(crate) use file::TokenFile;
pub(crate) use rights::ServiceRights;
pub(crate) use tokens::{TokenRefusal, Tokens};

use crate::config::SpaceName;
use document::{Collection, Space};
use std::collections::BTreeMap;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller(Who);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    Service { name: String, spaces: BTreeMap<SpaceName, ServiceRights> },
}

impl Caller {
    /// Who may open the socket of the data directory: it may do everything.
    pub(crate) fn owner() -> Self {
        Self(Who::Owner)
    }

    /// A service with a token.
    fn service(name: &str, spaces: &BTreeMap<SpaceName, ServiceRights>) -> Self {
        Self(Who::Service { name: name.to_owned(), spaces: spaces.clone() })
    }

    /// The author of what it writes: the token's name. The owner's writes say themselves who writes.
    pub(crate) fn author(&self) -> Option<&str> {
        match &self.0 {
            Who::Owner => None,
            Who::Service { name, .. } => Some(name),
        }
    }

    /// Whether it may read a collection of a space, or, with `None`, all that the space has.
    pub(crate) fn may_read(&self, space: &Space, collection: Option<&Collection>) -> bool {
        self.rights(space).is_none_or(|rights| rights.is_some_and(|rights| rights.may_read(collection)))
    }

    /// Whether it may write a collection of a space.
    pub(crate) fn may_write(&self, space: &Space, collection: &Collection) -> bool {
        self.rights(space).is_none_or(|rights| rights.is_some_and(|rights| rights.may_write(collection)))
    }

    /// Whether it may write some collection of a space.
    pub(crate) fn may_write_something(&self, space: &Space) -> bool {
        self.rights(space).is_none_or(|rights| rights.is_some_and(ServiceRights::may_write_something))
    }

    /// Whether it may read or write a collection of some space.
    pub(crate) fn sees_collection(&self, collection: &Collection) -> bool {
        match &self.0 {
            Who::Owner => true,
            Who::Service { spaces, .. } => spaces
                .values()
                .any(|rights| rights.may_read(Some(collection)) || rights.may_write(collection)),
        }
    }

    /// What it may do in a space: `None` where it owns the replica, `Some(None)` where it may do nothing.
    #[expect(clippy::option_option, reason = "everything, something and nothing are three")]
    fn rights(&self, space: &Space) -> Option<Option<&ServiceRights>> {
        match &self.0 {
            Who::Owner => None,
            Who::Service { spaces, .. } => {
                Some(spaces.iter().find(|(name, _)| name.0 == *space).map(|(_, rights)| rights))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_what_its_token_says_and_the_owner_everything() {
        let rights = "read,inventory=write".parse().unwrap();
        let spaces = BTreeMap::from([(SpaceName::try_from("store-1".to_owned()).unwrap(), rights)]);
        let service = Caller::service("till-3", &spaces);
        let (here, there): (Space, Space) = ("store-1".parse().unwrap(), "store-2".parse().unwrap());
        let (inventory, basket): (Collection, Collection) =
            ("inventory".parse().unwrap(), "basket".parse().unwrap());
        let may = |caller: &Caller, space: &Space| {
            [
                caller.may_read(space, None),
                caller.may_read(space, Some(&basket)),
                caller.may_write(space, &inventory),
                caller.may_write(space, &basket),
            ]
        };
        assert_eq!(may(&service, &here), [true, true, true, false]);
        assert_eq!(may(&service, &there), [false; 4]);
        assert!(service.may_write_something(&here) && !service.may_write_something(&there));
        let reader =
            BTreeMap::from([(SpaceName::try_from("store-1".to_owned()).unwrap(), "read".parse().unwrap())]);
        assert!(!Caller::service("board", &reader).may_write_something(&here));
        assert_eq!(may(&Caller::owner(), &there), [true; 4]);
        let narrow = Caller::service(
            "scanner",
            &BTreeMap::from([(
                SpaceName::try_from("store-1".to_owned()).unwrap(),
                "inventory=write".parse().unwrap(),
            )]),
        );
        assert_eq!([&inventory, &basket].map(|collection| narrow.sees_collection(collection)), [true, false]);
        assert!(Caller::owner().sees_collection(&basket));
        assert_eq!((service.author(), Caller::owner().author()), (Some("till-3"), None));
    }
}
