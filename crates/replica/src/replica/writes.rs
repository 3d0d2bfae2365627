//! Writing: operations of services become changes of this replica. A write of one document is a transaction of one.

use super::values::CHANGES_PER_REQUEST_MAX;
use super::{Clock, Replica};
use crate::condition::Condition;
use crate::documents::{Front, Open};
use crate::effect::{Effect, Event};
use crate::idempotency::{self, GoneEarly};
use crate::journal::{DocumentPlace, Entry, NewValue};
use crate::request::{
    AskedWrite, Behind, Reading, RequestError, Stamp, TRANSACTION_BYTES_MAX, TRANSACTION_CHANGES_MAX,
    TRANSACTION_VALUE_BYTES_MAX, TransactionError, TransactionWrite, WriteTerms, Written, told_of_damage,
};
use crate::settings::SpaceMode;
use crate::store::{Room, Store, StoreError};
use crate::waits::WaitError;
use document::{Address, ChangeHash, Collection, NewChange, Signature, Space, TipWrite};
use std::collections::BTreeSet;

/// From one word of idempotency keys that go too early to the next.
const KEYS_TOLD_EVERY_MS: u64 = 60 * 60 * 1_000;

/// An answer, or the store's failure.
type Answer<T> = Result<Result<T, RequestError>, StoreError>;

/// How much of a document a write needs.
#[derive(Clone, Copy)]
enum Needs {
    Front,
    Whole,
}

/// Operations that were carried out on a document in memory, and nowhere else yet.
struct Prepared<'a> {
    address: &'a Address,
    /// None while the document has no change.
    place: Option<DocumentPlace>,
    /// A document that has no change. Any other is given back, so that only the room for open documents bounds how much
    /// of a transaction is in memory: one that gives way is loaded again, with this change.
    front: Option<Front>,
    /// None when the document was so already.
    change: Option<NewChange>,
    /// The document's heads with the change.
    heads: Vec<ChangeHash>,
    /// What the document is to show with the change; none while it has no place.
    value: Option<NewValue>,
}

impl<S: Store> Replica<S> {
    pub(super) fn write(
        &mut self,
        write: AskedWrite<'_>,
        terms: &WriteTerms,
        clock: Clock,
    ) -> Answer<Written> {
        if let Err(error) = self.check_writable(&write.address.space, [&write.address.collection]) {
            return Ok(Err(error));
        }
        self.once(&[write], terms, clock)
    }

    pub(super) fn transact(
        &mut self,
        space: &Space,
        writes: &[TransactionWrite],
        terms: &WriteTerms,
        clock: Clock,
    ) -> Answer<Written> {
        if let Err(error) = self.check_writable(space, writes.iter().map(|write| &write.collection)) {
            return Ok(Err(error));
        }
        if writes.len() > TRANSACTION_CHANGES_MAX {
            return Ok(Err(TransactionError::TooManyWrites(writes.len()).into()));
        }
        let address = |write: &TransactionWrite| Address {
            space: space.clone(),
            collection: write.collection.clone(),
            key: write.key.clone(),
        };
        let addresses: Vec<Address> = writes.iter().map(address).collect();
        let mut seen = BTreeSet::new();
        if let Some(repeated) = addresses.iter().find(|address| !seen.insert(*address)) {
            return Ok(Err(TransactionError::Repeated(repeated.clone()).into()));
        }
        let write = |(address, write)| {
            let TransactionWrite { operations, condition, .. }: &TransactionWrite = write;
            AskedWrite { address, operations, condition: condition.as_ref() }
        };
        let writes: Vec<_> = addresses.iter().zip(writes).map(write).collect();
        self.once(&writes, terms, clock)
    }

    pub(super) fn check_writable<'a>(
        &self,
        space: &Space,
        collections: impl IntoIterator<Item = &'a Collection>,
    ) -> Result<(), RequestError> {
        if self.is_renewing {
            return Err(RequestError::Renewing);
        }
        match self.settings.spaces.get(space) {
            Some(SpaceMode::Write) => self.check_rights(space, collections),
            Some(SpaceMode::Read) => Err(RequestError::ReadOnly(space.clone())),
            None => Err(RequestError::UnknownSpace(space.clone())),
        }
    }

    /// Carries the writes out, unless a request with the same key did: that one is answered again before conditions are
    /// looked at, which its own success may have ended.
    pub(super) fn once(
        &mut self,
        writes: &[AskedWrite<'_>],
        terms: &WriteTerms,
        clock: Clock,
    ) -> Answer<Written> {
        let wait = self.check_wait(terms.wait);
        let key = terms.idempotency_key.as_ref().map(|key| (key, idempotency::digest(writes)));
        #[cfg(isle_planted)]
        let key = key.filter(|_| !crate::planted::is(crate::planted::Bug::IdempotencyForgotten));
        if let Some((key, digest)) = key
            && let Some(earlier) = idempotency::find(&self.journal, key)?
        {
            if earlier.digest != digest {
                return Ok(Err(RequestError::KeyReused));
            }
            // It is done, whether or not the hub can be waited for now: only that so many wait already passes.
            if let Err(error @ WaitError::TooMany) = wait {
                return Ok(Err(error.into()));
            }
            return Ok(Ok(earlier.answer));
        }
        // After the look for an earlier answer: that one may have been written.
        if let Err(error) = wait {
            return Ok(Err(error.into()));
        }
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::RoomIgnored) {
            self.room = Room::Ample;
        }
        if self.room == Room::ReadOnly {
            return Ok(Err(RequestError::DiskFull));
        }
        if terms.can_wait && self.must_shed() {
            return Ok(Err(RequestError::PutOff));
        }
        if let Err(error) = self.check_conditions(writes)? {
            return Ok(Err(error));
        }
        let mut prepared = match self.prepare_all(writes, terms, clock)? {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error)),
        };
        let heads = match prepared.as_mut_slice() {
            [one] => std::mem::take(&mut one.heads),
            _ => Vec::new(),
        };
        let written = Written { stamp: self.commit(prepared, clock)?, heads };
        if let Some((key, digest)) = key {
            let kept = (clock.wall_ms, self.settings.idempotency_keys_max);
            let gone = idempotency::keep(&mut self.journal, key, (digest, &written), kept)?;
            self.tell_of_keys(gone, clock);
        }
        Ok(Ok(written))
    }

    /// Counts keys that went too early, and tells of them from time to time: where one does many do.
    fn tell_of_keys(&mut self, gone: GoneEarly, clock: Clock) {
        if gone.count == 0 {
            return;
        }
        self.keys_gone += gone.count;
        let is_told = |told_ms: u64| clock.now_ms.saturating_sub(told_ms) < KEYS_TOLD_EVERY_MS;
        if !self.keys_told_ms.is_some_and(is_told) {
            self.keys_told_ms = Some(clock.now_ms);
            let (age_ms, keys_max) = (gone.youngest_ms, self.settings.idempotency_keys_max);
            self.turns.hold(Effect::Event(Event::KeysGone { age_ms, gone: self.keys_gone, keys_max }));
        }
    }

    /// Holds the conditions against their documents, all of them before the first operation. What holds then holds when
    /// the turn writes.
    fn check_conditions(&mut self, writes: &[AskedWrite<'_>]) -> Answer<()> {
        let mut budget = CHANGES_PER_REQUEST_MAX;
        for AskedWrite { address, condition, .. } in writes {
            let Some(condition) = condition else { continue };
            let checked = self.check_condition(address, condition, &mut budget);
            if let Err(error) = told_of_damage(address, checked)? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn check_condition(
        &mut self,
        address: &Address,
        condition: &Condition,
        budget: &mut usize,
    ) -> Answer<()> {
        let reading = match self.journal.document(address)? {
            None => Reading::default(),
            Some(mut place) => self.read(address, &mut place, budget)?,
        };
        Ok(match reading.behind {
            Some(Behind { blocked: Some(reason), .. }) => Err(RequestError::blocked(address, reason)),
            Some(Behind { blocked: None, .. }) => Err(RequestError::Behind(address.clone())),
            None if condition.holds(&reading) => Ok(()),
            None => Err(RequestError::ConditionFailed {
                address: address.clone(),
                exists: reading.value.is_some(),
                heads: reading.heads,
            }),
        })
    }

    /// All writes in memory, or none: when one is refused, the documents that others changed are let go of, which the
    /// journal does not know of.
    fn prepare_all<'a>(
        &mut self,
        writes: &[AskedWrite<'a>],
        terms: &WriteTerms,
        clock: Clock,
    ) -> Answer<Vec<Prepared<'a>>> {
        let mut all = Vec::with_capacity(writes.len());
        let outcome = self.prepare_into(&mut all, writes, terms, clock)?;
        if outcome.is_ok() {
            return Ok(Ok(all));
        }
        let changed = all.iter().filter(|prepared| prepared.change.is_some());
        let changed = changed.filter_map(|prepared| prepared.place.as_ref());
        changed.for_each(|place| self.documents.forget(place.number()));
        Ok(outcome.map(|()| all))
    }

    fn prepare_into<'a>(
        &mut self,
        all: &mut Vec<Prepared<'a>>,
        writes: &[AskedWrite<'a>],
        terms: &WriteTerms,
        clock: Clock,
    ) -> Answer<()> {
        let (mut bytes, mut value_bytes, mut budget) = (0, 0, CHANGES_PER_REQUEST_MAX);
        for write in writes {
            let prepared = self.prepare(*write, terms, clock, &mut budget);
            let prepared = match told_of_damage(write.address, prepared)? {
                Ok(prepared) => prepared,
                Err(RequestError::Write(error)) if writes.len() > 1 => {
                    let (address, error) = (write.address.clone(), Box::new(error));
                    return Ok(Err(RequestError::InTransaction { address, error }));
                }
                Err(error) => return Ok(Err(error)),
            };
            bytes += prepared.change.as_ref().map_or(0, |change| change.chunk.len());
            value_bytes += prepared.value.as_ref().map_or(0, |value| value.json.len());
            all.push(prepared);
            if all.len() > 1 && value_bytes > TRANSACTION_VALUE_BYTES_MAX {
                return Ok(Err(TransactionError::ValuesTooLong(value_bytes).into()));
            }
        }
        if all.len() > 1 && bytes > TRANSACTION_BYTES_MAX {
            return Ok(Err(TransactionError::TooLong(bytes).into()));
        }
        Ok(Ok(()))
    }

    fn prepare<'a>(
        &mut self,
        AskedWrite { address, operations, .. }: AskedWrite<'a>,
        terms: &WriteTerms,
        clock: Clock,
        budget: &mut usize,
    ) -> Answer<Prepared<'a>> {
        let (mut front, mut place) = match self.journal.document(address)? {
            None => (Front::new(), None),
            Some(mut place) => match self.open_for_write(address, &mut place, (Needs::Front, budget))? {
                Ok(front) => (front, Some(place)),
                Err(error) => return Ok(Err(error)),
            },
        };
        let signature = Signature {
            origin: self.origin,
            wall_ms: clock.wall_ms,
            author: terms.author.as_deref(),
            message: terms.message.as_deref(),
        };
        let mut written = front.write(&signature, self.schema(address), operations);
        if matches!(written, Ok(TipWrite::Unfit)) {
            front = match &mut place {
                None => Front::Whole(Open::new()),
                Some(place) => match self.open_for_write(address, place, (Needs::Whole, budget))? {
                    Ok(front) => front,
                    Err(error) => return Ok(Err(error)),
                },
            };
            written = front.write(&signature, self.schema(address), operations);
        }
        match written.map(TipWrite::change) {
            Ok(mut change) => {
                let heads = front.heads();
                let value = match (&place, &mut change) {
                    (Some(place), Some(change)) => {
                        let shown = (change.json.take(), change.breaks_schema);
                        Some(self.new_value(address, place, shown)?)
                    }
                    (None, _) | (_, None) => None,
                };
                let front = match &place {
                    None => Some(front),
                    Some(place) => {
                        self.documents.keep_front(place.number(), front);
                        None
                    }
                };
                Ok(Ok(Prepared { address, place, front, change, heads, value }))
            }
            Err(error) => {
                if let Some(place) = place {
                    self.documents.keep_front(place.number(), front);
                }
                Ok(Err(error.into()))
            }
        }
    }

    /// A document with all of its changes. What is applied for it is taken off the request's `budget` of changes.
    fn open_for_write(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        (needs, budget): (Needs, &mut usize),
    ) -> Answer<Front> {
        if let Some(blocked) = place.row.blocked {
            return Ok(Err(RequestError::blocked(address, blocked.reason)));
        }
        if self.is_struck(place) {
            return Ok(Err(RequestError::Behind(address.clone())));
        }
        let (front, applied) = match needs {
            Needs::Front => self.documents.open_front(&mut self.journal, place, *budget)?,
            Needs::Whole => self.documents.open_whole(&mut self.journal, place, *budget)?,
        };
        *budget = budget.saturating_sub(front.tried());
        if applied.is_ok() && front.applied() == place.row.last {
            return Ok(Ok(front));
        }
        self.documents.keep_front(place.number(), front);
        Ok(Err(match applied {
            Ok(()) => RequestError::Behind(address.clone()),
            Err(unapplied) => {
                self.block(address, place, (unapplied.reason, unapplied.at));
                RequestError::blocked(address, unapplied.reason)
            }
        }))
    }

    /// Takes the changes into the journal, one after another, so that they are one batch.
    fn commit(&mut self, prepared: Vec<Prepared<'_>>, clock: Clock) -> Result<Option<Stamp>, StoreError> {
        let mut left = prepared.iter().filter(|prepared| prepared.change.is_some()).count();
        let mut last = None;
        for Prepared { address, place, front, change, value, .. } in prepared {
            // A write that is refused, or writes nothing, leaves no trace of a document that was not there.
            let Some(mut change) = change else { continue };
            let mut place = match place {
                Some(place) => place,
                None => self.journal.new_document(address)?,
            };
            left -= 1;
            let value = match value {
                Some(value) => value,
                None => {
                    let shown = (change.json.take(), change.breaks_schema);
                    self.new_value(address, &place, shown)?
                }
            };
            let (sequence, lsn) = self.append_valued(address, &mut place, (change, value, left), clock)?;
            last = Some(Stamp { origin: self.origin, sequence });
            #[cfg(isle_planted)]
            if crate::planted::is(crate::planted::Bug::TransactionSplit) {
                self.journal.submit()?;
            }
            match front {
                None => self.documents.advance(place.number(), lsn),
                Some(mut front) => {
                    front.advance(lsn);
                    self.documents.keep_front(place.number(), front);
                }
            }
        }
        Ok(last)
    }

    pub(super) fn append(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        (mut change, follow): (NewChange, usize),
        front: &mut Front,
        clock: Clock,
    ) -> Result<u64, StoreError> {
        // What this replica writes of itself was held against no schema.
        let json = change.json.take();
        let breaks_schema = !self.violations(address, json.as_ref()).is_empty();
        let value = self.new_value(address, place, (json, breaks_schema))?;
        let (sequence, lsn) = self.append_valued(address, place, (change, value, follow), clock)?;
        front.advance(lsn);
        Ok(sequence)
    }

    /// Returns the change's number and its position.
    fn append_valued(
        &mut self,
        address: &Address,
        place: &mut DocumentPlace,
        (change, value, follow): (NewChange, NewValue, usize),
        clock: Clock,
    ) -> Result<(u64, u64), StoreError> {
        let origin = match self.journal.names.origin_number(self.origin) {
            Some(origin) => origin,
            None => self.journal.names.intern_origin(&mut self.journal.rows, self.settings.key)?,
        };
        let entry = Entry {
            origin,
            hash: change.hash,
            dependencies: &change.dependencies,
            chunk: change.chunk,
            accepted_ms: clock.wall_ms,
            // At most TRANSACTION_CHANGES_MAX.
            follow: u16::try_from(follow).unwrap_or(u16::MAX),
            value: Some(value),
        };
        let appended = self.journal.append(address, place, entry)?;
        self.note_system(address);
        Ok(appended)
    }
}
