//! What the authority's services ask for: rights, revocations, schemas.

use super::system::Stream;
use super::{Clock, Replica};
use crate::access::{ACCESS, AccessDocument, AccessError, PublicKey, Rights, SYSTEM, access_key};
use crate::keys;
use crate::request::{AskedWrite, RequestError, Stamp, WriteTerms};
use crate::schemas::{ListedSchema, SchemaFault, schema_address, schema_document};
use crate::store::{Store, StoreError};
use document::{Address, Collection, Operation, Schema, Space};
use serde_json::Value;
use std::collections::BTreeMap;

/// An answer, or the store's failure.
type Answer<T> = Result<Result<T, RequestError>, StoreError>;

impl<S: Store> Replica<S> {
    fn check_authority(&self, public_key: Option<&PublicKey>) -> Result<(), AccessError> {
        let identities = &self.system.identities;
        if !identities.is_authority(&self.settings.key.public_key) {
            return Err(AccessError::NotAuthority);
        }
        let Some(public_key) = public_key else { return Ok(()) };
        if identities.is_authority(public_key) {
            return Err(AccessError::Authority);
        }
        let is_new = identities.document(public_key).is_none();
        if is_new && identities.is_full() { Err(AccessError::TooMany) } else { Ok(()) }
    }

    pub(super) fn grant(
        &mut self,
        public_key: &PublicKey,
        name: String,
        spaces: BTreeMap<Space, Rights>,
        clock: Clock,
    ) -> Answer<Option<Stamp>> {
        if let Err(error) = self.check_authority(Some(public_key)) {
            return Ok(Err(error.into()));
        }
        if self.system.identities.is_revoked(public_key) {
            return Ok(Err(AccessError::Revoked.into()));
        }
        self.put_access(public_key, AccessDocument { name, spaces, ..AccessDocument::default() }, clock)
    }

    pub(super) fn revoke(&mut self, public_key: &PublicKey, clock: Clock) -> Answer<Option<Stamp>> {
        if let Err(error) = self.check_authority(Some(public_key)) {
            return Ok(Err(error.into()));
        }
        let document = self.system.identities.document(public_key).cloned().unwrap_or_default();
        if document.is_revoked {
            return Ok(Ok(None));
        }
        let name = if document.name.is_empty() { "unknown".to_owned() } else { document.name };
        self.put_access(
            public_key,
            AccessDocument { name, is_revoked: true, ..AccessDocument::default() },
            clock,
        )
    }

    /// Writes an access document. Where its key loses the right to write, what is here of it is the cut.
    fn put_access(
        &mut self,
        public_key: &PublicKey,
        mut document: AccessDocument,
        clock: Clock,
    ) -> Answer<Option<Stamp>> {
        let before = self.system.identities.document(public_key).cloned();
        if let Some(before) = &before {
            let kept = before.cuts.iter().filter(|((space, _), _)| !document.writes(space));
            document.cuts = kept.map(|(stream, last)| (stream.clone(), *last)).collect();
        }
        for Stream { space, numbers, held } in self.streams_of(public_key)? {
            let was_cut = before.as_ref().is_some_and(|before| !before.writes(&space));
            if !document.writes(&space) && !was_cut {
                let (origin, _) = self.journal.names.origin(numbers.1)?;
                document.cuts.insert((space, origin), held);
            }
        }
        let Ok(address) = access_address(public_key) else {
            return Ok(Err(AccessError::NotAuthority.into()));
        };
        self.write_system(&address, document.to_json(), clock)
    }

    pub(super) fn add_schema(
        &mut self,
        collection: &Collection,
        schema: &Schema,
        clock: Clock,
    ) -> Answer<Option<Stamp>> {
        if let Err(error) = self.check_authority(None) {
            return Ok(Err(error.into()));
        }
        let Ok(address) = schema_address(collection, schema.version()) else {
            return Ok(Err(SchemaFault::Key.into()));
        };
        let taken = self.journal.rows.get(&keys::schema(collection, schema.version()))?;
        if let Some(text) = taken {
            let same = text == schema.text().as_bytes();
            return Ok(if same { Ok(None) } else { Err(SchemaFault::Changed.into()) });
        }
        if let Err(fault) = self.system.schemas.check_room(collection) {
            return Ok(Err(fault.into()));
        }
        // The first that travels may be the one in the settings.
        let before = self.settings.schemas.get(collection).filter(|before| *before != schema);
        if let Some(Err(error)) = before.map(|before| schema.follows(before)) {
            return Ok(Err(SchemaFault::Schema(error).into()));
        }
        self.write_system(&address, schema_document(schema), clock)
    }

    /// Writes a document of `system`, and takes what it says.
    fn write_system(&mut self, address: &Address, value: Value, clock: Clock) -> Answer<Option<Stamp>> {
        let operations = [Operation::Put(value)];
        let write = AskedWrite { address, operations: &operations, condition: None };
        let written = match self.once(&[write], &WriteTerms::default(), clock)? {
            Ok(written) => written,
            Err(error) => return Ok(Err(error)),
        };
        self.follow_system()?;
        Ok(Ok(written.stamp))
    }

    pub(super) fn schemas_in_force(&self) -> Vec<ListedSchema> {
        let schemas = self.settings.schemas.iter();
        let listed = schemas.map(|(collection, schema)| ListedSchema {
            collection: collection.clone(),
            schema: schema.clone(),
            travelled: self.system.schemas.get(collection).is_some(),
        });
        listed.collect()
    }
}

fn access_address(public_key: &PublicKey) -> Result<Address, document::AddressError> {
    let (space, collection) = (Space::new(SYSTEM)?, Collection::new(ACCESS)?);
    Ok(Address { space, collection, key: access_key(public_key)? })
}

#[cfg(test)]
impl<S: Store> Replica<S> {
    /// Writes a document of `system` as an authority would that keeps no rule.
    pub(crate) fn write_unchecked(&mut self, address: &Address, value: Value) {
        let schemas = (self.system.access_schema.take(), self.system.schema_schema.take());
        let written = self.write_system(address, value, Clock::default());
        (self.system.access_schema, self.system.schema_schema) = schemas;
        self.note_system(address);
        assert!(written.is_ok_and(|written| written.is_ok()));
    }
}
