//! What services ask for.

use super::{Clock, Replica};
use crate::effect::{Effect, RequestId};
use crate::idempotency;
use crate::journal::{DocumentPlace, Entry};
use crate::keys;
use crate::record;
use crate::request::{IdempotencyKey, LIST_MAX, Listed, Request, RequestError, Response, Stamp};
use crate::settings::SpaceMode;
use crate::status::{SpaceStatus, Status};
use crate::store::{Keyspace, Store, StoreError};
use document::{Address, Collection, Document, Key, Operation, Schema, Space};
use serde_json::Value;

/// Bytes of documents in one listing, about; the rest is asked for with `after`.
const LIST_BYTES: usize = 512 * 1024;

/// An answer, or the store's failure.
type Answer<T> = Result<Result<T, RequestError>, StoreError>;

impl<S: Store> Replica<S> {
    pub(super) fn handle_request(
        &mut self,
        id: RequestId,
        request: Request,
        clock: Clock,
    ) -> Result<(), StoreError> {
        let result = match request {
            Request::Get { address } => self.get(&address)?.map(Response::Document),
            Request::Write { address, operations, idempotency_key } => {
                self.write(&address, &operations, idempotency_key.as_ref(), clock)?.map(Response::Written)
            }
            Request::List { space, collection, after, limit } => {
                self.list(&space, &collection, after.as_ref(), limit)?.map(Response::Listed)
            }
            Request::Status => Ok(Response::Status(Box::new(self.status(clock)?))),
        };
        self.turns.hold(Effect::Reply { id, result });
        Ok(())
    }

    fn get(&mut self, address: &Address) -> Answer<Option<Value>> {
        if !self.settings.spaces.contains_key(&address.space) {
            return Ok(Err(RequestError::UnknownSpace(address.space.clone())));
        }
        match self.journal.document(address)? {
            None => Ok(Ok(None)),
            Some(mut place) => self.json(address, &mut place),
        }
    }

    fn json(&mut self, address: &Address, place: &mut DocumentPlace) -> Answer<Option<Value>> {
        let read =
            self.documents.with(&mut self.journal, place, |document, _, _| Ok((document.json(), None)))?;
        Ok(read.map_err(|_| RequestError::Blocked(address.clone())))
    }

    fn write(
        &mut self,
        address: &Address,
        operations: &[Operation],
        key: Option<&IdempotencyKey>,
        clock: Clock,
    ) -> Answer<Option<Stamp>> {
        match self.settings.spaces.get(&address.space) {
            Some(SpaceMode::Write) => {}
            Some(SpaceMode::Read) => return Ok(Err(RequestError::ReadOnly(address.space.clone()))),
            None => return Ok(Err(RequestError::UnknownSpace(address.space.clone()))),
        }
        let digest = idempotency::digest(address, operations);
        if let Some(key) = key
            && let Some(earlier) = idempotency::find(&self.journal, key)?
        {
            let same = earlier.digest == digest;
            return Ok(if same { Ok(earlier.stamp) } else { Err(RequestError::KeyReused) });
        }
        let place = self.journal.document(address)?;
        let place = match place {
            Some(place) => place,
            // A write that is refused, or writes nothing, leaves no trace of the document: it is tried outside first.
            None => match Document::new().write(self.origin, self.schema(address), operations, clock.wall_ms)
            {
                Ok(Some(_)) => self.journal.new_document(address)?,
                Ok(None) => return Ok(Ok(None)),
                Err(error) => return Ok(Err(error.into())),
            },
        };
        let stamp = match self.write_at(address, place, operations, clock)? {
            Ok(stamp) => stamp,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(key) = key {
            idempotency::keep(&mut self.journal, key, digest, stamp)?;
        }
        Ok(Ok(stamp))
    }

    fn write_at(
        &mut self,
        address: &Address,
        mut place: DocumentPlace,
        operations: &[Operation],
        clock: Clock,
    ) -> Answer<Option<Stamp>> {
        let (origin, key, schemas) = (self.origin, self.settings.key, &self.settings.schemas);
        let schema = schemas.get(&address.collection);
        let written =
            self.documents.with(&mut self.journal, &mut place, |document, journal, place| match document
                .write(origin, schema, operations, clock.wall_ms)
            {
                Err(error) => Ok((Err(error), None)),
                Ok(None) => Ok((Ok(None), None)),
                Ok(Some(change)) => {
                    let author = journal.names.intern_origin(&mut journal.rows, key)?;
                    let (hash, dependencies) = (change.hash, &change.dependencies);
                    let accepted_ms = clock.wall_ms;
                    let entry =
                        Entry { origin: author, hash, dependencies, chunk: change.chunk, accepted_ms };
                    let (sequence, lsn) = journal.append(address, place, entry)?;
                    Ok((Ok(Some(sequence)), Some(lsn)))
                }
            })?;
        let Ok(written) = written else { return Ok(Err(RequestError::Blocked(address.clone()))) };
        let stamp = |sequence: Option<u64>| sequence.map(|sequence| Stamp { origin, sequence });
        Ok(written.map_err(RequestError::Write).map(stamp))
    }

    fn schema(&self, address: &Address) -> Option<&Schema> {
        self.settings.schemas.get(&address.collection)
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
        let mut listed = Listed { documents: Vec::new(), blocked: Vec::new(), next: None };
        let Some(number) = self.journal.names.space_number(space) else { return Ok(Ok(listed)) };
        let limit = limit.clamp(1, LIST_MAX);
        let range = keys::documents_after(number, collection, after);
        let rows: Vec<_> = self.journal.rows.scan(range).take(limit + 1).collect::<Result<_, _>>()?;
        let (mut bytes, mut last) = (0, None);
        for (key, value) in rows {
            if listed.documents.len() + listed.blocked.len() == limit || bytes >= LIST_BYTES {
                listed.next = last;
                break;
            }
            let damaged = StoreError::Damaged { what: "a document's key", keyspace: Keyspace::Documents };
            let (collection, key) = keys::read_document(&key).ok_or(damaged)?;
            let mut place =
                DocumentPlace { space: number, row: record::decode(Keyspace::Documents, &value)? };
            last = Some(key.clone());
            let address = Address { space: space.clone(), collection, key };
            match self.json(&address, &mut place)? {
                Ok(json) => {
                    let json = json.unwrap_or(Value::Null);
                    bytes += place.row.heads.len() + json.to_string().len();
                    listed.documents.push((address.key, json));
                }
                Err(_) => listed.blocked.push(address.key),
            }
        }
        Ok(Ok(listed))
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
            changes: changes(space),
        });
        let peers = self.peers.iter().map(|peer| peer.status(&self.journal, clock.wall_ms));
        Ok(Status {
            name: self.settings.name.clone(),
            origin: self.origin,
            head: self.journal.head(),
            documents: u64::from(self.journal.documents()),
            documents_open: self.documents.count() as u64,
            spaces: spaces.collect(),
            peers: peers.collect::<Result<_, _>>()?,
        })
    }
}
