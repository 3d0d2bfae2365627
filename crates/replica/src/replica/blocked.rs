//! Documents whose changes cannot be applied: set aside, listed, tried again, or freed of the change to blame.

use super::Replica;
use super::values::{CHANGES_PER_REQUEST_MAX, Freshness};
use crate::documents::Suspect;
use crate::effect::{Effect, Event};
use crate::journal::{DAMAGED, DocumentPlace};
use crate::keys::{self, DocumentNumber, OriginNumber};
use crate::record::StruckRow;
use crate::request::{
    BlockReason, Blocked, BlockedList, BlockingChange, Dropped, LIST_MAX, RequestError, Stamp,
};
use crate::store::{Room, Store, StoreError, Turn};
use document::{Address, ChangeHash, ForeignChange};

/// A change is to blame when the process ended twice while it was tried alone: power cuts and kills seldom meet the same one
/// again. Where it is never the same one, a document is blocked after so many ends without one change taken up between
/// them: it may be what all of them take together.
const STRIKES_MAX: u8 = 8;

/// The process before this one ended while changes of a document were tried.
pub(super) struct Strike {
    document: DocumentNumber,
    /// Its row says so once this turn is durable. Until then it is not tried again.
    noted: Turn,
}

impl<S: Store> Replica<S> {
    /// Notes what the process before this one ended with.
    pub(super) fn take_suspect(&mut self) -> Result<(), StoreError> {
        let Some(bytes) = self.journal.rows.suspect() else { return Ok(()) };
        let Some(suspect) = Suspect::read(&bytes) else {
            return self.journal.rows.set_suspect(None);
        };
        if !suspect.is_in(&self.journal)? {
            // Its batch was lost, and whoever sent it sends it again; or a snapshot covers it: it was applied after all.
            self.documents.tries_durable_only = true;
            return self.journal.rows.set_suspect(None);
        }
        let address = self.journal.address(suspect.document)?;
        let mut place = self.journal.document(&address)?.ok_or(DAMAGED)?;
        if suspect.last <= place.row.value || suspect.strikes != place.row.strikes {
            // It was applied after all, or counted before the process ended once more.
            return self.journal.rows.set_suspect(None);
        }
        // After a first strike changes are tried, and noted, one at a time.
        let before = place.row.struck;
        let alone = before.map(|_| suspect.last);
        let until = before.map_or(suspect.last, |before| before.until.max(suspect.last));
        place.row.struck = Some(StruckRow { until, alone });
        place.row.strikes = place.row.strikes.saturating_add(1);
        let is_same = alone.is_some() && before.and_then(|before| before.alone) == alone;
        if is_same || place.row.strikes >= STRIKES_MAX {
            self.block(&address, &mut place, (BlockReason::Crashed, alone));
        } else {
            self.journal.put_document(&address, &mut place);
        }
        let noted = self.journal.rows.current_turn();
        self.strike = Some(Strike { document: suspect.document, noted });
        Ok(())
    }

    /// A turn and all before it are durable.
    pub(super) fn settle_strike(&mut self, turn: Turn) -> Result<(), StoreError> {
        match self.strike.take_if(|strike| strike.noted <= turn) {
            Some(_) => self.journal.rows.set_suspect(None),
            None => Ok(()),
        }
    }

    /// Whether a document must not be tried before its strike is durable: one that ends the process would never be
    /// blocked.
    pub(super) fn is_struck(&self, place: &DocumentPlace) -> bool {
        self.strike.as_ref().is_some_and(|strike| strike.document == place.number())
    }

    /// `at` is the position of the change to blame, where it is known.
    pub(super) fn block(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        (reason, at): (BlockReason, Option<u64>),
    ) {
        self.journal.block(address, place, (reason, at));
        self.note_system(address);
        self.turns.hold(Effect::Event(Event::Blocked { address: address.clone(), reason }));
    }

    /// Blocks a document that could not be read for a peer, unless it is blocked already.
    pub(super) fn block_damaged(&mut self, document: DocumentNumber) -> Result<(), StoreError> {
        let address = self.journal.address(document)?;
        if let Some(mut place) = self.journal.document(&address)?.filter(|place| place.row.blocked.is_none())
        {
            self.block(&address, &mut place, (BlockReason::Damaged, None));
        }
        Ok(())
    }

    pub(super) fn list_blocked(
        &self,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<BlockedList, StoreError> {
        let mut list = BlockedList::default();
        let after = match after {
            None => None,
            Some(address) => match self.journal.names.space_number(&address.space) {
                Some(space) => Some(keys::blocked(space, &address.collection, &address.key).1),
                None => return Ok(list),
            },
        };
        let limit = limit.clamp(1, LIST_MAX);
        for row in self.journal.rows.scan(keys::listed_after(keys::KIND_BLOCKED, after.as_deref())) {
            let (key, _) = row?;
            if list.documents.len() == limit {
                list.next = list.documents.last().map(|blocked| blocked.address.clone());
                break;
            }
            let address = self.journal.listed_address(&key)?;
            let place = self.journal.document(&address)?.ok_or(DAMAGED)?;
            if let Some(blocked) = place.row.blocked {
                let change = self.blocking(&place)?.map(|(_, change)| change);
                list.documents.push(Blocked { address, reason: blocked.reason, change });
            }
        }
        Ok(list)
    }

    /// Tries a blocked document again.
    pub(super) fn retry(
        &mut self,
        address: &Address,
    ) -> Result<Result<Option<BlockReason>, RequestError>, StoreError> {
        match self.blocked_document(address)? {
            Err(error) => Ok(Err(error)),
            Ok(None) => Ok(Ok(None)),
            Ok(Some(mut place)) => Ok(Ok(self.release(address, &mut place)?)),
        }
    }

    /// Drops the change that blocks a document, and tries the others again.
    pub(super) fn drop_change(
        &mut self,
        address: &Address,
    ) -> Result<Result<Dropped, RequestError>, StoreError> {
        let mut place = match self.blocked_document(address)? {
            Err(error) => return Ok(Err(error)),
            Ok(None) => return Ok(Err(RequestError::NotBlocked(address.clone()))),
            Ok(Some(place)) => place,
        };
        let Some((lsn, change)) = self.blocking(&place)? else {
            return Ok(Err(RequestError::NothingToDrop(address.clone())));
        };
        place.row.dropped = Some(place.row.dropped.unwrap_or(0).saturating_add(1));
        self.journal.skip(&place, lsn, &change.hash);
        let blocked = self.release(address, &mut place)?;
        Ok(Ok(Dropped { change, blocked }))
    }

    /// A document that may be tried again; `None` when it is not blocked.
    fn blocked_document(
        &self,
        address: &Address,
    ) -> Result<Result<Option<DocumentPlace>, RequestError>, StoreError> {
        if !self.settings.spaces.contains_key(&address.space) {
            return Ok(Err(RequestError::UnknownSpace(address.space.clone())));
        }
        if self.room == Room::ReadOnly {
            return Ok(Err(RequestError::DiskFull));
        }
        Ok(Ok(self.journal.document(address)?.filter(|place| place.row.blocked.is_some())))
    }

    /// Tries the changes of a blocked document; returns why it is blocked still.
    fn release(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
    ) -> Result<Option<BlockReason>, StoreError> {
        self.journal.unblock(address, place);
        if let Freshness::Blocked(reason) = self.refresh(address, place, CHANGES_PER_REQUEST_MAX)?.freshness {
            return Ok(Some(reason));
        }
        // One that lacks nothing was not opened yet, and may be damaged.
        let (open, applied) = self.documents.open_known(&self.journal, place)?;
        self.documents.keep(place.number(), open);
        match applied {
            Ok(()) => drop(self.mend_value(address, place)?),
            Err(unapplied) => self.block(address, place, (unapplied.reason, unapplied.at)),
        }
        Ok(place.row.blocked.map(|blocked| blocked.reason))
    }

    /// The change to blame and its position. Only one that was never applied: what was, others may have been written on.
    /// So it is never one of this replica's own, and numbers that the document has had from its author are not used again.
    fn blocking(&self, place: &DocumentPlace) -> Result<Option<(u64, BlockingChange)>, StoreError> {
        let at = place.row.blocked.and_then(|blocked| blocked.at);
        let Some(lsn) = at.filter(|lsn| *lsn > place.row.value) else { return Ok(None) };
        if let Some(row) = self.journal.find_row(lsn)? {
            let (origin, _) = self.journal.names.origin(OriginNumber(row.origin))?;
            let stamp = Stamp { origin, sequence: row.sequence };
            return Ok(Some((lsn, BlockingChange { hash: ChangeHash(row.hash), stamp })));
        }
        // The row was trimmed, and its number with it.
        let chunk = self.journal.rows.get(&keys::change(place.number(), lsn))?;
        let change = chunk.and_then(|chunk| ForeignChange::parse(ForeignChange::body(&chunk).ok()?).ok());
        Ok(change.map(|change| {
            let stamp = Stamp { origin: change.origin, sequence: 0 };
            (lsn, BlockingChange { hash: change.hash, stamp })
        }))
    }
}
