//! Fills: a space's documents for a peer that lacks changes which this replica's journal no more has, or that has nothing.
//!
//! The filler offers the documents as of a position of its journal, or later, with the version vector of that
//! position. The receiver finds out which differ (module `reconcile`), asks for them, and adopts the vector with the
//! last. From the position on the journal serves. A crash costs what is missing: documents that came are equal at the
//! next try.

mod beyond;
mod changed;
mod lacking;
mod receiver;
mod server;
mod window;

pub(crate) use receiver::{FillContext, Filled, Filling, Step};
pub(crate) use server::Server;

use crate::access::PublicKey;
use crate::effect::Misbehaviour;
use crate::keys::SpaceNumber;
use document::Origin;
use std::collections::{BTreeMap, BTreeSet};
use wire::{FillOffer, VECTOR_ENTRIES_MAX};

/// Documents' rows looked at for fills in one turn, of all peers together: some milliseconds.
pub(crate) const ROWS_PER_TURN: usize = 2_048;
/// Fills that this replica serves at once; each may keep half a megabyte of symbols, and a window.
pub(crate) const SERVED_MAX: usize = 32;
/// Peers that are filled, or wait for it, up to which another newcomer is filled that the journal would serve.
pub(crate) const NEWCOMERS_MAX: usize = SERVED_MAX / 2;
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
    /// Spaces that the peer has nothing of, and that it is filled with though the journal has all of them.
    pub(crate) new: BTreeSet<SpaceNumber>,
    /// Spaces of which the peer was given all documents, so that it has what this replica has without a stamp.
    pub(crate) given: BTreeSet<SpaceNumber>,
    /// Spaces that the peer did not want filled: of them it is sent what the journal has, where that is all that it lacks.
    pub(crate) refused: BTreeSet<SpaceNumber>,
    /// Streams that the peer took none of with a fill, for want of their authors' rights: rows that are no more in the
    /// journal never come to it from here.
    pub(crate) declined: BTreeSet<(SpaceNumber, Origin)>,
    /// Spaces whose documents have changes that no vector tells of, as the peer was told; see [`Ahead`].
    pub(crate) ahead: BTreeMap<SpaceNumber, Ahead>,
    /// Spaces that it is to be told of.
    pub(crate) ahead_due: BTreeSet<SpaceNumber>,
    /// Spaces that it wants offered, though it lacks nothing by its vector.
    pub(crate) asked: BTreeSet<SpaceNumber>,
    /// Spaces that wait to be offered.
    pub(crate) waiting: BTreeSet<SpaceNumber>,
    /// Whether one of them would be, were not as many peers filled as may be at once.
    pub(crate) lacks_place: bool,
    /// What the peer is being filled with.
    pub(crate) server: Option<Server>,
    /// Authors whose changes were not taken with a fill: when their rights change there is to be another.
    pub(crate) denied: BTreeSet<PublicKey>,
    /// An offer whose origins go on in the next one.
    offer: Option<FillOffer>,
    /// What this replica is being filled with.
    pub(crate) filling: Option<Filling>,
    /// When the peer last said something of a fill, or one began; as `Clock::now_ms`.
    pub(crate) heard_ms: u64,
    offers: u64,
}

/// What a peer was told of changes that came by fills here and that no version vector shows. It is told once, and once
/// more when more came: what two replicas give each other is finite, so that they fall silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// How much had come, as [`crate::journal::Journal::filled`].
    filled: u64,
    /// Whether it has not answered.
    waits: bool,
}

impl Fills {
    /// The peer is to be told that the space has changes that no vector shows, unless it was since as much had come.
    pub(crate) fn tell_ahead(&mut self, space: SpaceNumber, filled: u64) {
        if self.ahead.get(&space).is_none_or(|ahead| ahead.filled != filled) {
            self.ahead.insert(space, Ahead { filled, waits: true });
            self.ahead_due.insert(space);
        }
    }

    /// The peer wants the space offered: one offer for each time that it was told.
    pub(crate) fn take_ask(&mut self, space: SpaceNumber) {
        if let Some(ahead) = self.ahead.get_mut(&space).filter(|ahead| ahead.waits) {
            ahead.waits = false;
            self.asked.insert(space);
        }
    }

    /// Whether changes of one of these authors were not taken with a fill, or are not with the one that goes on.
    pub(crate) fn denies_any(&self, authors: &BTreeSet<PublicKey>) -> bool {
        !self.denied.is_disjoint(authors)
            || self.filling.as_ref().is_some_and(|filling| filling.denies_any(authors))
    }

    /// Takes a frame of an offer; returns the offer once it is whole.
    ///
    /// # Errors
    /// It does not go on with the one before, or has too many origins.
    pub(crate) fn gather(&mut self, mut frame: FillOffer) -> Result<Option<FillOffer>, Misbehaviour> {
        if let Some(mut offer) = self.offer.take() {
            if (frame.fill, &frame.space) != (offer.fill, &offer.space) || !frame.symbols.is_empty() {
                return Err(Misbehaviour::Fill);
            }
            offer.origins.append(&mut frame.origins);
            frame = FillOffer { more: frame.more, ..offer };
        }
        if frame.origins.len() > VECTOR_ENTRIES_MAX {
            return Err(Misbehaviour::TooManyEntries);
        }
        if frame.more {
            self.offer = Some(frame);
            return Ok(None);
        }
        Ok(Some(frame))
    }

    /// The number of the next offer, unless there were too many.
    pub(crate) fn next_offer(&mut self) -> Option<u64> {
        self.offers += 1;
        (self.offers <= OFFERS_MAX).then_some(self.offers)
    }
}
