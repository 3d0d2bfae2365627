//! What services ask for.

use super::values::CHANGES_PER_REQUEST_MAX;
use super::{Clock, Replica};
use crate::effect::{Effect, RequestId};
use crate::idempotency;
use crate::journal::DocumentPlace;
use crate::keys;
use crate::record;
use crate::request::{
    AskedWrite, BrokenDocument, LIST_MAX, Listed, Reading, Request, RequestError, Response, Stamp,
    told_of_damage,
};
use crate::settings::SpaceMode;
use crate::status::{IdempotencyStatus, SpaceStatus, Status};
use crate::store::{Keyspace, Store, StoreError, undamaged};
use document::{Address, Collection, Key, Space};

/// Bytes of documents in one listing, about; the rest is asked for with `after`.
const LIST_BYTES: usize = 512 * 1024;
/// Documents of one listing whose values are brought up to date for it.
const STALE_PER_LIST_MAX: usize = 64;

/// An answer, or the store's failure.
type Answer<T> = Result<Result<T, RequestError>, StoreError>;

/// Answers what makes the replica itself write a document.
fn said(stamp: Option<Stamp>) -> Response {
    Response::Written(stamp.into())
}

impl<S: Store> Replica<S> {
    pub(super) fn handle_request(
        &mut self,
        id: RequestId,
        request: Request,
        clock: Clock,
    ) -> Result<(), StoreError> {
        let result = match request {
            Request::Watch { scope, from, credit } => {
                match self.start_watch(id, scope, from.as_ref(), credit)? {
                    Ok(()) => return Ok(()),
                    Err(error) => Err(error),
                }
            }
            Request::Wait { space, stamp, wait } => {
                match self.wait_for(id, (&space, stamp), (wait, clock))? {
                    Ok(()) => return Ok(()),
                    Err(error) => Err(error),
                }
            }
            Request::Get { address, at: None } => self.get(&address)?.map(Response::Document),
            Request::Get { address, at: Some(at) } => self.get_at(&address, &at)?.map(Response::Document),
            Request::Write { address, operations, condition, terms } => {
                let write =
                    AskedWrite { address: &address, operations: &operations, condition: condition.as_ref() };
                match self.write(write, &terms, clock)? {
                    Ok(written) => {
                        return self.answer_written(id, &address.space, written, (terms.wait, clock));
                    }
                    Err(error) => Err(error),
                }
            }
            Request::Transaction { space, writes, terms } => {
                match self.transact(&space, &writes, &terms, clock)? {
                    Ok(written) => {
                        return self.answer_written(id, &space, written, (terms.wait, clock));
                    }
                    Err(error) => Err(error),
                }
            }
            Request::List { space, collection, after, limit } => {
                self.list(&space, &collection, after.as_ref(), limit)?.map(Response::Listed)
            }
            Request::Query { space, collection, query } => {
                self.query(&space, &collection, &query)?.map(Response::Queried)
            }
            Request::History { address, query } => self.history(&address, query)?,
            Request::Conflicts { address } => self.conflicts(&address)?,
            Request::Status => Ok(Response::Status(Box::new(self.status(clock)?))),
            Request::Blocked { after, limit } => {
                Ok(Response::Blocked(self.list_blocked(after.as_ref(), limit)?))
            }
            Request::Retry { address } => self.retry(&address)?.map(Response::Retried),
            Request::Drop { address } => self.drop_change(&address)?.map(Response::Dropped),
            Request::Grant { public_key, name, spaces } => {
                self.grant(&public_key, name, spaces, clock)?.map(said)
            }
            Request::Revoke { public_key } => self.revoke(&public_key, clock)?.map(said),
            Request::AddSchema { collection, schema } => {
                self.add_schema(&collection, &schema, clock)?.map(said)
            }
            Request::Schemas => Ok(Response::Schemas(self.schemas_in_force())),
        };
        self.turns.hold(Effect::Reply { id, result });
        Ok(())
    }

    fn get(&mut self, address: &Address) -> Answer<Reading> {
        if !self.settings.spaces.contains_key(&address.space) {
            return Ok(Err(RequestError::UnknownSpace(address.space.clone())));
        }
        let reading = self.reading(address);
        told_of_damage(address, reading.map(Ok))
    }

    /// A document as it is read at present.
    pub(super) fn reading(&mut self, address: &Address) -> Result<Reading, StoreError> {
        let Some(mut place) = self.journal.document(address)? else {
            return Ok(Reading { is_filling: self.is_filling(&address.space), ..Reading::default() });
        };
        let mut budget = CHANGES_PER_REQUEST_MAX;
        let mut reading = self.read(address, &mut place, &mut budget)?;
        reading.violations = self.violations(address, reading.value.as_ref());
        Ok(reading)
    }

    fn list(
        &mut self,
        space: &Space,
        collection: &Collection,
        after: Option<&Key>,
        limit: usize,
    ) -> Answer<Listed> {
        if !self.settings.spaces.contains_key(space) {
            return Ok(Err(RequestError::UnknownSpace(space.clone())));
        }
        let listed = self.listed(space, collection, after, limit);
        told_of_damage(format_args!("{space}/{collection}"), listed.map(Ok))
    }

    fn listed(
        &mut self,
        space: &Space,
        collection: &Collection,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Listed, StoreError> {
        let mut listed = Listed { is_filling: self.is_filling(space), ..Listed::default() };
        let Some(number) = self.journal.names.space_number(space) else { return Ok(listed) };
        let limit = limit.clamp(1, LIST_MAX);
        let range = keys::documents_after(number, collection, after);
        let rows: Vec<_> = self.journal.rows.scan(range).take(limit + 1).collect::<Result<_, _>>()?;
        let (mut bytes, mut stale, mut last, mut budget) = (0, 0, None, CHANGES_PER_REQUEST_MAX);
        for (key, value) in rows {
            let read = listed.documents.len() + listed.blocked.len();
            if read == limit || bytes >= LIST_BYTES || stale == STALE_PER_LIST_MAX || budget == 0 {
                listed.next = last;
                break;
            }
            let damaged = StoreError::Damaged { what: "a document's key", keyspace: Keyspace::Documents };
            let (collection, key) = keys::read_document(&key).ok_or(damaged)?;
            last = Some(key.clone());
            let address = Address { space: space.clone(), collection, key };
            let Some(row) = undamaged(record::decode(Keyspace::Documents, &value))? else {
                listed.blocked.push(address.key);
                continue;
            };
            let mut place = DocumentPlace { space: number, row };
            stale += usize::from(place.row.value < place.row.last);
            let Some(reading) = undamaged(self.read(&address, &mut place, &mut budget))? else {
                listed.blocked.push(address.key);
                continue;
            };
            listed.is_behind |= reading.behind.is_some();
            if reading.behind.is_some_and(|behind| behind.blocked.is_some()) {
                listed.blocked.push(address.key.clone());
            }
            if let Some(value) = reading.value {
                bytes += place.row.heads.len() + value.to_string().len();
                if !reading.violations.is_empty() {
                    let (key, violations) = (address.key.clone(), reading.violations);
                    listed.broken.push(BrokenDocument { key, violations });
                }
                listed.documents.push((address.key, value));
            }
        }
        Ok(listed)
    }

    fn status(&self, clock: Clock) -> Result<Status, StoreError> {
        let changes = |space: &Space| {
            let number = self.journal.names.space_number(space);
            let entries = number.into_iter().flat_map(|number| self.journal.vectors.of(number));
            entries.map(|(_, entry)| entry.sequence).sum()
        };
        let spaces = self.settings.spaces.iter();
        let spaces = spaces.map(|(space, mode)| SpaceStatus {
            space: space.clone(),
            mode: *mode,
            lacks_read: !self.system.identities.may_read(space),
            lacks_write: *mode == SpaceMode::Write && !self.system.identities.may_write(space),
            changes: changes(space),
            is_filling: self.is_filling(space),
        });
        let (keys, oldest_ms) = idempotency::kept(&self.journal, clock.wall_ms)?;
        let peers = self.peers.iter().map(|peer| peer.status(&self.journal, clock.wall_ms));
        Ok(Status {
            name: self.settings.name.clone(),
            origin: self.origin,
            head: self.journal.head(),
            trimmed: self.journal.low_water(),
            documents: u64::from(self.journal.documents()),
            documents_open: self.documents.count() as u64,
            room: self.room,
            values_broken: self.values_broken,
            sessions: self.sessions,
            fills: self.fill_steps,
            idempotency: IdempotencyStatus { keys, oldest_ms, gone_early: self.keys_gone },
            spaces: spaces.collect(),
            peers: peers.collect::<Result<_, _>>()?,
        })
    }
}
