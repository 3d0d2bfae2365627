//! Replication with one peer: hello, deltas and acknowledgements, in both directions.
//!
//! The sender follows this replica's journal from a position that the peer's hello gives, and leaves out what the
//! peer may not read or has already. The receiver takes rows in order, per (space, origin) without gaps, and only
//! after what they depend on; its acknowledgements leave when the rows are durable.

mod confirmed;
mod hello;
mod peers;
mod receiver;
mod sender;

pub(crate) use confirmed::Confirmed;
pub(crate) use peers::{OwnHello, Peer, Peers};
pub(crate) use receiver::{Context, Outcome, Receiver};
pub(crate) use sender::{Sender, confirmed_by};

use crate::journal::Journal;
use crate::store::{Store, StoreError};
use document::Space;
use wire::{SpaceVector, VectorEntry};

/// What this replica has of some spaces, as peers are told.
pub(crate) fn vectors_of<'a, S: Store>(
    journal: &Journal<S>,
    spaces: impl Iterator<Item = &'a Space>,
) -> Result<Vec<SpaceVector>, StoreError> {
    let vector = |space: &Space| {
        let number = journal.names.space_number(space);
        let entries = number.into_iter().flat_map(|number| journal.vectors.of(number));
        let entries = entries.map(|(origin, entry)| {
            let (origin, _) = journal.names.origin(origin)?;
            Ok(VectorEntry { origin: origin.0, sequence: entry.sequence, chain: entry.chain_short() })
        });
        Ok(SpaceVector {
            space: space.as_str().to_owned(),
            entries: entries.collect::<Result<_, StoreError>>()?,
        })
    };
    spaces.map(vector).collect()
}
