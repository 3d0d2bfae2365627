//! Replication with one peer: hello, deltas and acknowledgements, in both directions.
//!
//! The sender follows this replica's journal from a position that the peer's hello gives, and leaves out what the
//! peer may not read or has already. The receiver takes rows in order, per (space, origin) without gaps, and only
//! after what they depend on; its acknowledgements leave when the rows are durable.

mod confirmed;
pub(crate) mod fill;
mod fork;
mod hello;
mod open;
mod peers;
mod questions;
mod receiver;
mod sender;
mod stop_cause;
mod window;

pub(crate) use confirmed::Confirmed;
pub(crate) use fork::{FORK_FRAMES_MAX, Fork};
pub(crate) use hello::{CONFIRMED_MAX, Greeted, Host};
pub(crate) use peers::{OwnHello, Peer, Peers};
pub(crate) use questions::Question;
pub(crate) use receiver::{Context, Outcome, Receiver, Reconsidered};
pub(crate) use sender::Sender;
pub use stop_cause::StopCause;

use crate::journal::Journal;
use crate::store::{Store, StoreError};
use document::Space;
use wire::{SpaceVector, VectorEntry};

/// Rewinds of a connection after which it ends: a peer that needs more sends rows with gaps, or wastes this one's time.
pub(crate) const REWINDS_MAX: u32 = 3;

/// What this replica has of some spaces, as peers are told, as far as it changed after a position of its journal, and
/// whether it takes changes of them from the peer.
pub(crate) fn vectors_of<'a, S: Store>(
    journal: &Journal<S>,
    spaces: impl Iterator<Item = (&'a Space, bool)>,
    since: u64,
) -> Result<Vec<SpaceVector>, StoreError> {
    let vector = |(space, takes): (&Space, bool)| {
        let number = journal.names.space_number(space);
        let entries = number.into_iter().flat_map(|number| journal.vectors.since(number, since));
        let entries = entries.map(|(origin, entry)| {
            let (origin, _) = journal.names.origin(origin)?;
            Ok(VectorEntry { origin: origin.0, sequence: entry.sequence, chain: entry.chain_short() })
        });
        let entries = entries.collect::<Result<_, StoreError>>()?;
        Ok(SpaceVector { space: space.as_str().to_owned(), entries, takes })
    };
    spaces.map(vector).collect()
}
