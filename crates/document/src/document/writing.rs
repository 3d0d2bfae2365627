//! Writing: operations become one change, or none.

use super::tabled::TableState;
use super::{Document, NewChange, lineage};
use crate::json::{self, View};
use crate::sequence;
use crate::write::{Draft, Outcome, Writer};
use crate::{ForeignChange, Operation, Schema, Signature, Violation, WriteError};
use automerge::transaction::CommitOptions;
use automerge::{ActorId, Automerge, Change, ChangeHash};
use serde_json::Value;
use std::borrow::Cow;

/// How carrying out operations ended.
enum Attempt {
    /// The change was committed; what the document shows with it.
    Written(ChangeHash, Outcome),
    /// There was nothing to write.
    Nothing,
    /// These sequences are to be created first.
    Lacks(Vec<sequence::Creation>),
}

/// Writes into a transaction, and tells what the document shows then.
type Run<'a> = dyn Fn(&mut Writer<'_, '_>) -> Result<Outcome, WriteError> + 'a;

impl Document {
    /// Carries out the operations as one change. `Ok(None)` when the document is so already.
    ///
    /// # Errors
    /// [`WriteError`]; the document is as it was.
    pub fn write(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<Option<NewChange>, WriteError> {
        let chosen = self.with_chosen(operations)?;
        let written = self.write_operations(signature, schema, &chosen);
        match chosen {
            Cow::Borrowed(_) => written,
            // They are in another order than they were given.
            Cow::Owned(_) => written.map_err(WriteError::of_any_operation),
        }
    }

    fn write_operations(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<Option<NewChange>, WriteError> {
        #[cfg(test)]
        let before = self.clone();
        let written = match self.write_on_table(signature, schema, operations) {
            Ok(Some(change)) => Ok(change),
            Err(error) => Err(error),
            Ok(None) => return self.commit(signature, schema, &|writer| writer.run(operations)),
        };
        #[cfg(test)]
        super::tests::held_against_automerge(before, (signature, schema, operations), &written, self);
        written
    }

    /// What `run` writes as one change. It runs again after the creations that it lacks.
    pub(super) fn commit(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        run: &Run<'_>,
    ) -> Result<Option<NewChange>, WriteError> {
        let dependencies = self.heads();
        if let TableState::Known(_) = self.table {
            self.table = TableState::Unknown;
        }
        // The document without the creations that this call makes. Few calls make any.
        let mut before: Option<Automerge> = None;
        let written = loop {
            match self.attempt(signature, schema, run, dependencies.is_empty()) {
                Ok(Attempt::Written(hash, outcome)) => {
                    let sealed = self.seal();
                    break sealed.map(|chunk| Some((hash, chunk, outcome)));
                }
                Ok(Attempt::Nothing) => break Ok(None),
                Ok(Attempt::Lacks(creations)) => {
                    let present = self.ahead.catch_up().map_err(|_| WriteError::Document)?;
                    before.get_or_insert_with(|| present.clone());
                    if let Err(error) = self.create(creations) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        match (written, before) {
            (Ok(Some((hash, chunk, Outcome { json, breaks_schema }))), _) => {
                Ok(Some(NewChange { hash, dependencies, chunk, json, breaks_schema }))
            }
            (written, Some(before)) => {
                self.ahead = before.into();
                written.map(|_| None)
            }
            (Err(error @ (WriteError::Refused(_) | WriteError::Document)), None) => {
                self.take_back(&dependencies)?;
                Err(error)
            }
            (written, None) => written.map(|_| None),
        }
    }

    /// Every rule of the schema that the document breaks, as a merge of valid documents may; none when it is deleted.
    #[must_use]
    pub fn violations(&self, schema: &Schema) -> Vec<Violation> {
        self.json().map_or_else(Vec::new, |json| schema.violations(&json))
    }

    fn attempt(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        run: &Run<'_>,
        is_new: bool,
    ) -> Result<Attempt, WriteError> {
        let text = signature.text()?;
        let automerge = self.ahead.catch_up().map_err(|_| WriteError::Document)?;
        automerge.set_actor(ActorId::from(&signature.origin.0));
        let mut transaction = automerge.transaction();
        let mut writer = Writer::new(Draft::Transaction(&mut transaction), signature.origin, schema, is_new);
        let outcome = run(&mut writer);
        let lacking = writer.lacking();
        if !lacking.is_empty() {
            transaction.rollback();
            let creations = lacking.iter().map(|(kind, name)| sequence::creation(*kind, name));
            return Ok(Attempt::Lacks(creations.collect()));
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                transaction.rollback();
                return Err(error);
            }
        };
        let mut options = CommitOptions::default().with_time(signature.wall_ms);
        options.message = text;
        Ok(match transaction.commit_with(options) {
            (Some(hash), _) => Attempt::Written(hash, outcome),
            (None, _) => Attempt::Nothing,
        })
    }

    fn create(&mut self, creations: Vec<sequence::Creation>) -> Result<(), WriteError> {
        let changes = creations.into_iter().map(|creation| Change::from_bytes(creation.chunk));
        let changes = changes.collect::<Result<Vec<_>, _>>().map_err(|_| WriteError::Document)?;
        let automerge = self.ahead.catch_up().map_err(|_| WriteError::Document)?;
        automerge.apply_changes(changes).map_err(|_| WriteError::Document)
    }

    /// The bytes of the change just committed, counted. What peers refuse must not be acknowledged here: it would stop
    /// this origin's whole stream there.
    fn seal(&mut self) -> Result<Vec<u8>, WriteError> {
        let automerge = self.ahead.catch_up().map_err(|_| WriteError::Document)?;
        let change = automerge.get_last_local_change().ok_or(WriteError::Document)?;
        let chunk = change.raw_bytes().to_vec();
        let operations = change.len() as u64;
        let parsed = ForeignChange::body(&chunk).and_then(ForeignChange::parse)?;
        // A creation that the change depends on and does not mark would be missing everywhere else.
        let is_creation = |hash| {
            let meta = automerge.get_change_meta_by_hash(hash);
            meta.is_some_and(|meta| lineage::creation_at(automerge, &meta).is_some())
        };
        if parsed.dependencies.iter().any(is_creation) {
            return Err(WriteError::Document);
        }
        self.progress.push(&change);
        self.memory.add(chunk.len() as u64, operations, || automerge);
        Ok(chunk)
    }

    fn take_back(&mut self, heads: &[ChangeHash]) -> Result<(), WriteError> {
        let before = if heads.is_empty() { Ok(Automerge::new()) } else { self.ahead.whole().fork_at(heads) };
        self.ahead = before.map_err(|_| WriteError::Document)?.into();
        Ok(())
    }

    /// The document as JSON; `None` while nothing was ever written, and when it is deleted.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        if self.heads().is_empty() {
            return None;
        }
        match &self.table {
            TableState::Known(table) => shown(table),
            TableState::Unknown | TableState::Unfit => shown(&View::now(self.ahead.whole())),
        }
    }
}

pub(super) fn shown(document: &impl json::Entries) -> Option<Value> {
    (!document.is_deleted()).then(|| json::assemble(document))
}
