//! What identities may do. An identity is a public key; its rights are a document in the space `system`, which only the
//! authority (the hub's key, by the settings) writes and everybody reads.
//!
//! Where no authority is set, the settings of a peer say what it may do, and `system` is a space like any other. With one:
//!
//! - *The authority* writes every space, and no document says anything of it. What it is sent and may deliver is in the
//!   settings of its peer, so that a fresh replica, which knows nothing but its settings, can fetch `system`; where it
//!   may write it may relay and give snapshots.
//! - *An identity with a document* may do what that says, whatever the settings say. A document that cannot be read
//!   grants nothing.
//! - *A peer whose key has no document* may do what the settings of its name say, until one comes. A name that a document
//!   has belongs to that document's key: for another key the settings are void.
//! - `system` is sent to every peer that is let in. Its changes are taken when the authority wrote them, from the
//!   authority, and from a peer that may relay there.
//! - Who wrote a change must be allowed to write the space, whoever delivers it; who delivers another's must be allowed
//!   to relay in it. Nothing is known of a writer without document: its stream waits, stopped, until `system` says more.
//!
//! Losing the right to write, by revocation or otherwise, is a cut: what the authority held at that moment is taken for
//! ever, from anyone who may relay; the rest never, and who holds it does not pass it on.
//!
//! A document counts from the turn that takes it. What it forbids ends in that turn; what it allows leaves with a session
//! that begins after it, behind its batch.

mod document;
mod identities;

pub(crate) use self::document::{AccessDocument, access_schema};
pub(crate) use identities::{Delivery, Identities};

use crate::settings::PeerSettings;
use ::document::{AddressError, Key, OriginError, Space, Violation};
use std::collections::BTreeMap;

/// The space whose documents say what identities may do and what schemas there are.
pub(crate) const SYSTEM: &str = "system";
/// The collection of access documents in it.
pub(crate) const ACCESS: &str = "access";

/// An Ed25519 key: who somebody is.
pub(crate) type PublicKey = [u8; 32];

/// What an identity may do in a space.
#[expect(clippy::struct_excessive_bools, reason = "each right is given alone")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// It is sent the space's changes.
    pub read: bool,
    /// Changes that it wrote are taken.
    pub write: bool,
    /// Changes that others wrote are taken from it.
    pub relay: bool,
    /// Whole documents are taken from it.
    pub snapshot: bool,
}

impl Rights {
    /// Whether any change is taken from it.
    pub(crate) fn delivers(self) -> bool {
        self.write || self.relay
    }

    fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// What a peer may do, by space; only spaces where it may do something are in it.
pub(crate) type Shares = BTreeMap<Space, Rights>;

/// What the settings of a peer say. Who may relay, or give snapshots, may do so wherever it may write.
pub(crate) fn settled_shares(settings: &PeerSettings) -> Shares {
    let rights = |(space, access): (&Space, &crate::Access)| {
        let relay = settings.relay && access.write;
        let snapshot = settings.snapshots && access.write;
        (space.clone(), Rights { read: access.read, write: access.write, relay, snapshot })
    };
    settings.spaces.iter().map(rights).collect()
}

/// Why an access document grants nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessFault {
    /// Its key is no public key.
    #[error("its key is not 64 small hexadecimal digits")]
    Key,
    /// There is no value: it is deleted, or its changes cannot be applied.
    #[error("it is deleted or blocked")]
    Value,
    /// It breaks its schema.
    #[error("it breaks its schema: {0}")]
    Schema(Violation),
    /// It keeps its schema and cannot be read all the same: a number is too large.
    #[error("it cannot be read")]
    Shape,
    /// A space in it is none.
    #[error(transparent)]
    Space(#[from] AddressError),
    /// An origin in it is none.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// There are too many.
    #[error("there are more than {IDENTITIES_MAX} access documents")]
    TooMany,
}

/// Most identities with a document: they are in memory, about 500 bytes each.
pub const IDENTITIES_MAX: usize = 16_384;

/// Why a right cannot be given or taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Only the authority's own replica writes `system`.
    #[error("only the replica of the settings' authority does that: ask it there")]
    NotAuthority,
    /// The key is the authority's.
    #[error("the key is the authority's own: its rights are in the settings of each replica")]
    Authority,
    /// The key was revoked.
    #[error("the key was revoked: enrol the replica with a new one")]
    Revoked,
    /// There are too many.
    #[error("there are {IDENTITIES_MAX} access documents: no more are taken")]
    TooMany,
    /// Documents of this collection of `system` are written by their own requests.
    #[error("documents of system/{0} are written by their own requests, never directly")]
    Reserved(::document::Collection),
}

/// The key of an access document.
pub(crate) fn access_key(public_key: &PublicKey) -> Result<Key, AddressError> {
    let digits = public_key.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Key::new(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect::<String>())
}

/// The public key that an access document is about.
pub(crate) fn read_access_key(key: &Key) -> Option<PublicKey> {
    let text = key.as_str();
    let is_key = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut public_key = [0; 32];
    for (byte, digits) in public_key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())?;
    }
    is_key.then_some(public_key)
}
