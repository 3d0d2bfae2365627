//! Reading: values come from their rows; one that is behind is brought up to date first.

use super::Replica;
use crate::BlockReason;
use crate::documents::{Documents, Front};
use crate::effect::{Effect, Event};
use crate::journal::{DAMAGED, DocumentPlace, StoredValue};
use crate::request::{Behind, Reading};
use crate::store::{Room, Store, StoreError, undamaged};
use document::{Address, Schema, Space, Violation};
use serde_json::Value;

/// Most changes that are applied for one request, over all of its documents; the materialiser applies the rest.
pub(crate) const CHANGES_PER_REQUEST_MAX: usize = 4_096;

/// What it came to to bring a value up to date.
pub(super) struct Refreshed {
    pub(super) freshness: Freshness,
    /// Changes that were applied for the first time.
    pub(super) changes: usize,
}

impl From<Freshness> for Refreshed {
    fn from(freshness: Freshness) -> Self {
        Self { freshness, changes: 0 }
    }
}

/// Whether a document's value has all of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    Behind,
    Blocked(BlockReason),
}

impl<S: Store> Replica<S> {
    /// Brings a document's value up to date, with about `most` changes that were not applied before. One of which rows
    /// are damaged is blocked.
    pub(super) fn refresh(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        most: usize,
    ) -> Result<Refreshed, StoreError> {
        if let Some(refreshed) = undamaged(self.bring_to_date(address, place, most))? {
            return Ok(refreshed);
        }
        self.block(address, place, (BlockReason::Damaged, None));
        Ok(Freshness::Blocked(BlockReason::Damaged).into())
    }

    fn bring_to_date(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        most: usize,
    ) -> Result<Refreshed, StoreError> {
        if let Some(blocked) = place.row.blocked {
            return Ok(Freshness::Blocked(blocked.reason).into());
        }
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::ValueNotRefreshed) && place.row.value > 0 {
            place.row.value = place.row.last;
            self.journal.put_document(address, place);
        }
        if place.row.value == place.row.last {
            return Ok(Freshness::Fresh.into());
        }
        // A read may apply changes, which writes their value: without room it shows what there is.
        if self.room == Room::ReadOnly || self.is_struck(place) {
            return Ok(Freshness::Behind.into());
        }
        let (front, applied) = self.documents.open_front(&mut self.journal, place, most)?;
        if front.applied() > place.row.value {
            self.save_value(address, place, &front)?;
        }
        let changes = front.tried();
        self.documents.keep_front(place.number(), front);
        let freshness = if let Err(unapplied) = applied {
            self.block(address, place, (unapplied.reason, unapplied.at));
            Freshness::Blocked(unapplied.reason)
        } else if place.row.value == place.row.last {
            Freshness::Fresh
        } else {
            Freshness::Behind
        };
        Ok(Refreshed { freshness, changes })
    }

    /// Builds every document of a space from its snapshot and changes, and returns those whose value is another.
    /// Values that are behind are compared as of their last change. Opens all of them: for tests and repair.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn verify_values(&self, space: &Space) -> Result<Vec<Address>, StoreError> {
        let mut wrong = Vec::new();
        for (address, _) in self.heads(space)? {
            let place = self.journal.document(&address)?.ok_or(DAMAGED)?;
            let (open, applied) = Documents::new(0).open_known(&self.journal, &place)?;
            if applied.is_err() || open.document.json() != self.journal.value(&address, &place)? {
                wrong.push(address);
            }
        }
        Ok(wrong)
    }

    /// Writes the value that an open document has.
    pub(super) fn save_value(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        front: &Front,
    ) -> Result<(), StoreError> {
        let heads: Vec<[u8; 32]> = front.heads().into_iter().map(|head| head.0).collect();
        debug_assert!(
            front.applied() < place.row.last
                || place.row.dropped.is_some()
                || heads.concat() == place.row.heads
        );
        let json = front.json();
        let violations = self.violations(address, json.as_ref());
        self.values_broken += u64::from(self.is_newly_broken(address, place, &violations)?);
        let value = self.new_value(address, place, (json, !violations.is_empty()))?;
        self.journal.put_value(address, place, (front.applied(), &heads.concat()), value);
        self.journal.put_document(address, place);
        self.note_system(address);
        Ok(())
    }

    /// Makes a value that cannot be read again from the document's changes; where those cannot be read either the document
    /// is blocked. Returns how many changes it took.
    pub(super) fn mend_value(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
    ) -> Result<usize, StoreError> {
        let is_left = place.row.blocked.is_some() || self.room == Room::ReadOnly || self.is_struck(place);
        if is_left || undamaged(self.journal.stored_value(address, place))?.is_some() {
            return Ok(0);
        }
        let (open, applied) = self.documents.open_known(&self.journal, place)?;
        let front = Front::Whole(open);
        match applied {
            Ok(()) => {
                self.save_value(address, place, &front)?;
                self.turns.hold(Effect::Event(Event::ValueMended { address: address.clone() }));
            }
            Err(unapplied) => self.block(address, place, (unapplied.reason, unapplied.at)),
        }
        self.documents.keep_front(place.number(), front);
        Ok(usize::try_from(place.row.changes).unwrap_or(usize::MAX))
    }

    /// A document as services read it; one whose row is marked as broken with the rules that it breaks. What is applied for
    /// it is taken off the request's `budget` of changes.
    pub(super) fn read(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        budget: &mut usize,
    ) -> Result<Reading, StoreError> {
        *budget = budget.saturating_sub(self.refresh(address, place, *budget)?.changes);
        let behind = self.behind(place)?;
        let stored = match undamaged(self.journal.stored_value(address, place))? {
            Some(stored) => stored,
            None => {
                *budget = budget.saturating_sub(self.mend_value(address, place)?);
                self.journal.stored_value(address, place)?
            }
        };
        let StoredValue { value, heads, is_broken } = stored;
        let is_filling = self.is_filling(&address.space);
        let value = value.map(|value| self.indexing(&address.collection).shown(value));
        let violations = if is_broken { self.violations(address, value.as_ref()) } else { Vec::new() };
        Ok(Reading { value, heads, behind, is_filling, violations })
    }

    /// The schema of a document, where there is one.
    pub(super) fn schema(&self, address: &Address) -> Option<&Schema> {
        self.system.schema(address).or_else(|| self.settings.schemas.get(&address.collection))
    }

    /// The rules of its schema that a document breaks.
    pub(super) fn violations(&self, address: &Address, value: Option<&Value>) -> Vec<Violation> {
        let schema = self.schema(address);
        schema.zip(value).map_or_else(Vec::new, |(schema, value)| schema.violations(value))
    }

    /// Whether a document breaks a rule that its value did not break before.
    fn is_newly_broken(
        &self,
        address: &Address,
        place: &DocumentPlace,
        violations: &[Violation],
    ) -> Result<bool, StoreError> {
        // Few documents break any: the value before is read for those alone.
        if violations.is_empty() {
            return Ok(false);
        }
        let Some(before) = undamaged(self.journal.value(address, place))? else { return Ok(false) };
        let before = self.violations(address, before.as_ref());
        let is_old = |broken: &Violation| {
            before.iter().any(|old| (&old.field, &old.rule) == (&broken.field, &broken.rule))
        };
        Ok(!violations.iter().all(is_old))
    }

    /// Why and since when a value lacks changes that are here; `None` when it has them all.
    pub(super) fn behind(&self, place: &DocumentPlace) -> Result<Option<Behind>, StoreError> {
        let blocked = place.row.blocked.map(|blocked| blocked.reason);
        if blocked.is_none() && place.row.value == place.row.last {
            return Ok(None);
        }
        let as_of_ms = match place.row.value {
            0 => None,
            lsn => self.journal.accepted_ms(lsn)?,
        };
        Ok(Some(Behind { as_of_ms, blocked }))
    }
}
