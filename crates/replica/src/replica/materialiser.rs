//! Work in the background: values of documents whose changes arrived while they were closed, and snapshots.
//!
//! The list is in the store, so nothing is forgotten by a crash, and a turn takes a few documents of it: requests and
//! frames never wait for more than that.

use super::Replica;
use super::loading::Aside;
use super::values::Freshness;
use crate::BlockReason;
use crate::documents::Front;
use crate::effect::{Effect, Event};
use crate::journal::{DAMAGED, DocumentPlace};
use crate::keys;
use crate::record::APPLIER_VERSION;
use crate::store::{Room, Store, StoreError, undamaged};
use document::{Address, Document};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Documents of one turn that had neither requests nor frames: about a millisecond.
const DOCUMENTS_PER_TURN: usize = 8;
/// Documents of one turn that had some.
const DOCUMENTS_PER_BUSY_TURN: usize = 1;
/// Changes applied in one turn, more of a long document: see [`crate::documents`].
pub(super) const CHANGES_PER_TURN: usize = 256;
/// Blocked documents looked at in one turn, whether another version blocked them.
const BLOCKED_PER_TURN: usize = 64;
/// Bytes on their way to the disk from which on it waits: the batches of services and peers go first.
const IN_FLIGHT_BYTES_MAX: usize = 256 * 1024;

/// Where the work stands.
#[derive(Debug, Default)]
pub(super) struct Materialiser {
    /// Whether the turn had requests or frames.
    pub(super) is_busy: bool,
    /// The last entry of the list that was looked at.
    position: Option<Vec<u8>>,
    /// The first document that was left to be read, since one was brought up to date.
    left_from: Option<Vec<u8>>,
    /// Blocked documents up to here were looked at; see [`Retried`].
    retried: Retried,
    /// Snapshots come out damaged, as none of Automerge is known to.
    #[cfg(test)]
    damages_snapshots: bool,
    /// It does nothing, so that it is seen what opens documents besides.
    #[cfg(test)]
    is_held: bool,
}

/// After an upgrade, what an earlier version blocked is tried again.
#[derive(Debug, Default)]
enum Retried {
    #[default]
    None,
    UpTo(Vec<u8>),
    All,
}

impl<S: Store> Replica<S> {
    /// Works off some of the list; returns whether there is more to do.
    pub(super) fn materialise(&mut self) -> Result<bool, StoreError> {
        let is_busy = std::mem::take(&mut self.materialiser.is_busy);
        #[cfg(test)]
        if self.materialiser.is_held {
            return Ok(false);
        }
        if self.must_spare_disk() {
            return Ok(false);
        }
        self.retry_after_upgrade()?;
        let builds = !self.must_shed() && self.build_indexes()?;
        if !self.journal.is_work_listed {
            return Ok(builds);
        }
        let documents = if is_busy { DOCUMENTS_PER_BUSY_TURN } else { DOCUMENTS_PER_TURN };
        let keys = self.next_waiting(documents)?;
        let (mut changes, mut is_reading) = (CHANGES_PER_TURN, false);
        // What is tried when it is durable waits for a notice of that.
        let stalls = self.documents.tries_durable_only && self.journal.rows.in_flight_bytes() > 0;
        for key in keys {
            if changes == 0 || is_reading {
                break;
            }
            let address = self.journal.listed_address(&key)?;
            let mut place = self.journal.document(&address)?.ok_or(DAMAGED)?;
            let (taken, aside) = self.work_on(&address, &mut place, changes)?;
            changes = changes.saturating_sub(taken);
            match aside {
                Aside::No => self.materialiser.left_from = None,
                // Once round all that is left is being read: each of them makes a turn when it was.
                Aside::Reading if self.materialiser.left_from.as_ref() == Some(&key) => is_reading = true,
                Aside::Reading => drop(self.materialiser.left_from.get_or_insert_with(|| key.clone())),
                Aside::Later => {
                    is_reading = true;
                    break;
                }
            }
            self.materialiser.position = Some(key);
        }
        if is_reading {
            self.materialiser.left_from = None;
        }
        let stalls = (stalls && changes == CHANGES_PER_TURN) || is_reading;
        Ok(self.journal.is_work_listed && !stalls || builds)
    }

    /// Whether values are not brought up to date now. A durable notice, or room on the disk, makes the next turn.
    pub(super) fn must_spare_disk(&self) -> bool {
        self.room == Room::ReadOnly
            || self.strike.is_some()
            || self.journal.rows.in_flight_bytes() >= IN_FLIGHT_BYTES_MAX
    }

    /// The next entries of the list; round and round, until it is empty.
    fn next_waiting(&mut self, most: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let after = self.materialiser.position.clone();
        let mut keys = self.journal.waiting_after(after.as_deref(), most)?;
        if keys.is_empty() && after.is_some() {
            keys = self.journal.waiting_after(None, most)?;
        }
        self.journal.is_work_listed = !keys.is_empty();
        Ok(keys)
    }

    /// As [`Replica::bring_up`], but has a long document read beside the core where only the whole of it will do.
    fn work_on(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        most: usize,
    ) -> Result<(usize, Aside), StoreError> {
        if !self.is_worth_it(place) {
            return Ok((self.bring_up(address, place, most)?, Aside::No));
        }
        let mut changes = 0;
        if place.row.value < place.row.last {
            match self.documents.tip_takes(&mut self.journal, place, most)? {
                Some(tried) => changes = tried,
                None => return Ok((0, self.load_in_background(address, place))),
            }
            // The value of what the tip has, and no more.
            self.refresh(address, place, 0)?;
        }
        let is_due = place.row.value == place.row.last && self.journal.is_snapshot_due(place);
        let aside = if is_due { self.load_in_background(address, place) } else { Aside::No };
        self.note_done(address, place);
        Ok((changes, aside))
    }

    /// Brings a document's value up to date and makes a snapshot when one is due. Returns how many changes it took.
    pub(super) fn bring_up(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        most: usize,
    ) -> Result<usize, StoreError> {
        let refreshed = self.refresh(address, place, most)?;
        if refreshed.freshness == Freshness::Fresh
            && self.journal.is_snapshot_due(place)
            && undamaged(self.save_snapshot(address, place))?.is_none()
        {
            self.block(address, place, (BlockReason::Damaged, None));
        }
        self.note_done(address, place);
        Ok(refreshed.changes)
    }

    /// Takes a document off the list for which there is nothing to do: an earlier version waited for fewer changes.
    fn note_done(&mut self, address: &Address, place: &mut DocumentPlace) {
        let is_done = place.row.value == place.row.last && !self.journal.is_snapshot_due(place);
        if is_done && place.row.waits {
            self.journal.put_document(address, place);
        }
    }

    /// Puts a snapshot in place of a document's changes, once it was read back as the same document. Changes that a
    /// connected peer is still to be sent stay, so that they need not be built again from the document.
    fn save_snapshot(&mut self, address: &Address, place: &mut DocumentPlace) -> Result<(), StoreError> {
        let (open, applied) = self.documents.open_known(&self.journal, place)?;
        if let Err(unapplied) = applied {
            self.block(address, place, (unapplied.reason, unapplied.at));
            return Ok(());
        }
        let bytes = catch_unwind(AssertUnwindSafe(|| open.document.save())).unwrap_or_default();
        #[cfg(test)]
        let bytes = if self.materialiser.damages_snapshots { Vec::from(&bytes[1..]) } else { bytes };
        let is_sound = Document::load(&bytes).is_ok_and(|loaded| {
            loaded.heads() == open.document.heads() && loaded.json() == open.document.json()
        });
        // A tip wrote what the rows say. Automerge, which was given all of it here, has to come to the same.
        let heads: Vec<[u8; 32]> = open.document.heads().into_iter().map(|head| head.0).collect();
        let is_sound = is_sound && (place.row.dropped.is_some() || heads.concat() == place.row.heads);
        let front = Front::Whole(open);
        if is_sound && undamaged(self.journal.value(address, place))? != Some(front.json()) {
            self.save_value(address, place, &front)?;
            self.turns.hold(Effect::Event(Event::ValueMended { address: address.clone() }));
        }
        self.documents.keep_front(place.number(), front);
        if is_sound {
            let unsent_after = self.peers.lowest_position();
            self.journal.put_snapshot(place, bytes, unsent_after)?;
        } else {
            self.turns.hold(Effect::Event(Event::SnapshotRefused { address: address.clone() }));
        }
        (place.row.snapshot_changes, place.row.snapshot_bytes) = (place.row.changes, place.row.bytes);
        self.journal.put_document(address, place);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn damage_snapshots(&mut self, damages: bool) {
        self.materialiser.damages_snapshots = damages;
    }

    #[cfg(test)]
    pub(crate) fn hold_materialiser(&mut self, is_held: bool) {
        self.materialiser.is_held = is_held;
    }

    /// Looks at some of the blocked documents, and lets those that another version blocked be tried again.
    fn retry_after_upgrade(&mut self) -> Result<(), StoreError> {
        let after = match &self.materialiser.retried {
            Retried::None => None,
            Retried::UpTo(key) => Some(key.clone()),
            Retried::All => return Ok(()),
        };
        let range = keys::listed_after(keys::KIND_BLOCKED, after.as_deref());
        let rows = self.journal.rows.scan(range).take(BLOCKED_PER_TURN);
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        self.materialiser.retried = Retried::All;
        for (key, version) in rows {
            if version != APPLIER_VERSION.to_be_bytes() {
                let address = self.journal.listed_address(&key)?;
                let mut place = self.journal.document(&address)?.ok_or(DAMAGED)?;
                self.journal.unblock(&address, &mut place);
            }
            self.materialiser.retried = Retried::UpTo(key);
        }
        Ok(())
    }
}
