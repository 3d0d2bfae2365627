//! Fills: a space's documents for a peer that lacks changes which this replica's journal no more has.
//!
//! The filler offers the documents as of a position of its journal, or later, with the version vector of that
//! position. The receiver finds out which differ (module `reconcile`), asks for them, and adopts the vector with the
//! last. From the position on the journal serves. A crash costs what is missing: documents that came are equal at the
//! next try.

mod beyond;
mod lacking;
mod receiver;
mod server;

pub(crate) use receiver::{FillContext, Filled, Filling, Step};
pub(crate) use server::Server;

use crate::access::PublicKey;
use crate::keys::SpaceNumber;
use document::Origin;
use std::collections::BTreeSet;

/// Documents' rows looked at for fills in one turn, of all peers together: some milliseconds.
pub(crate) const ROWS_PER_TURN: usize = 2_048;
/// Fills that this replica serves at once; each may keep half a megabyte of symbols, and a window.
pub(crate) const SERVED_MAX: usize = 32;
/// Fills that it takes at once.
pub(crate) const TAKEN_MAX: usize = 4;
/// How long a peer may say nothing of a fill, in milliseconds: a frame of a megabyte takes as long at 14 kbit/s.
pub(crate) const FILL_IDLE_MS: u64 = 10 * 60 * 1_000;
/// Offers on a connection: each follows a fill after which the journal did not serve again.
const OFFERS_MAX: u64 = 4_096;
/// Documents asked for at once; more are reconciled by listings.
const WANTED_MAX: usize = 16_384;

/// The fills of a connection.
#[derive(Default)]
pub(crate) struct Fills {
    /// Spaces that the peer has only some documents of, as its hello says.
    pub(crate) forced: BTreeSet<SpaceNumber>,
    /// Spaces of which the peer was given all documents, so that it has what this replica has without a stamp.
    pub(crate) given: BTreeSet<SpaceNumber>,
    /// Spaces that the peer did not want filled: nothing of them is sent.
    pub(crate) refused: BTreeSet<SpaceNumber>,
    /// Streams that the peer took none of with a fill, for want of their authors' rights: rows that are no more in the
    /// journal never come to it from here.
    pub(crate) declined: BTreeSet<(SpaceNumber, Origin)>,
    /// Spaces that wait to be offered.
    pub(crate) waiting: BTreeSet<SpaceNumber>,
    /// What the peer is being filled with.
    pub(crate) server: Option<Server>,
    /// Authors whose changes were not taken with a fill: when their rights change there is to be another.
    pub(crate) denied: BTreeSet<PublicKey>,
    /// What this replica is being filled with.
    pub(crate) filling: Option<Filling>,
    /// When the peer last said something of a fill, or one began; as `Clock::now_ms`.
    pub(crate) heard_ms: u64,
    offers: u64,
}

impl Fills {
    /// The number of the next offer, unless there were too many.
    pub(crate) fn next_offer(&mut self) -> Option<u64> {
        self.offers += 1;
        (self.offers <= OFFERS_MAX).then_some(self.offers)
    }
}
