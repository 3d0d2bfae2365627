//! Writing without Automerge: a change made from the table of a document's entries, bit by bit as Automerge makes it.

use super::{Document, LastChange, NewChange};
use crate::table::Table;
use crate::write::{Draft, Edit, Outcome, Writer};
use crate::{ForeignChange, Operation, Schema, Signature, WriteError};
use automerge::legacy::Op;
use automerge::{ActorId, Change, ChangeHash, ExpandedChange};
use std::num::NonZeroU64;

/// How a write on a table ended.
pub(super) enum Tabled {
    /// As the write ends.
    Done(Option<NewChange>),
    /// It is to be done in Automerge.
    Unfit,
}

/// The table of a document.
#[derive(Clone, Debug, Default)]
pub(super) enum TableState {
    /// It was not made yet, or the document has got changes since.
    #[default]
    Unknown,
    Known(Table),
    /// The document has lists or texts, or had them; each write asked anew would cost a look at all of them.
    Unfit,
}

impl Document {
    /// Carries out operations on the table. When `Unfit` or refused, document and table are as they were.
    pub(super) fn write_on_table(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<Tabled, WriteError> {
        let mut table = match std::mem::take(&mut self.table) {
            TableState::Known(table) => table,
            TableState::Unknown => match Table::of(self.ahead.whole()) {
                Some(table) => table,
                None => {
                    self.table = TableState::Unfit;
                    return Ok(Tabled::Unfit);
                }
            },
            TableState::Unfit => {
                self.table = TableState::Unfit;
                return Ok(Tabled::Unfit);
            }
        };
        let done = self.write_on(&mut table, signature, schema, operations);
        self.table = TableState::Known(table);
        done
    }

    fn write_on(
        &mut self,
        table: &mut Table,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<Tabled, WriteError> {
        if self.ahead.is_stuck() {
            return Err(WriteError::Document);
        }
        let message = signature.text()?;
        let dependencies = self.heads();
        let author = ActorId::from(&signature.origin.0);
        let first = self.last_changes.values().map(|last| last.operation).max().unwrap_or(0) + 1;
        let mut edit = Edit::new(table, signature.origin, first);
        let mut writer =
            Writer::new(Draft::Table(&mut edit), signature.origin, schema, dependencies.is_empty());
        let outcome = writer.run(operations);
        if writer.wants_automerge() {
            edit.take_back();
            return Ok(Tabled::Unfit);
        }
        let made = outcome.and_then(|outcome| {
            let operations = edit.operations();
            let is_change = !operations.is_empty();
            let change =
                || self.sealed(author, first, &dependencies, (signature.wall_ms, message), operations);
            Ok((is_change.then(change).transpose()?, outcome))
        });
        match made {
            Err(error) => {
                edit.take_back();
                Err(error)
            }
            Ok((None, _)) => Ok(Tabled::Done(None)),
            Ok((Some(change), outcome)) => {
                Ok(Tabled::Done(Some(self.take_sealed(change, dependencies, outcome))))
            }
        }
    }

    /// The change of these operations, on all heads. What peers refuse must not be acknowledged here: it would stop this
    /// origin's whole stream there.
    fn sealed(
        &self,
        author: ActorId,
        first: u64,
        heads: &[ChangeHash],
        (time, message): (i64, Option<String>),
        operations: Vec<Op>,
    ) -> Result<Change, WriteError> {
        let last = self.last_changes.get(&author);
        let mut deps = heads.to_vec();
        // As Automerge does, where something else was written on the last own change.
        deps.extend(last.map(|last| last.hash).filter(|last| !heads.contains(last)));
        deps.sort_unstable();
        let change = Change::from(ExpandedChange {
            operations,
            actor_id: author,
            hash: None,
            seq: last.map_or(0, |last| last.number) + 1,
            start_op: NonZeroU64::new(first).ok_or(WriteError::Document)?,
            time,
            message,
            deps,
            extra_bytes: Vec::new(),
            author: None,
        });
        ForeignChange::body(change.raw_bytes()).and_then(ForeignChange::parse)?;
        Ok(change)
    }

    fn take_sealed(&mut self, change: Change, dependencies: Vec<ChangeHash>, outcome: Outcome) -> NewChange {
        let (hash, chunk) = (change.hash(), change.raw_bytes().to_vec());
        let last = LastChange { operation: change.max_op(), number: change.seq(), hash };
        self.last_changes.insert(change.actor_id().clone(), last);
        let operations = change.len() as u64;
        self.changes += 1;
        self.ahead.push(change, self.changes);
        self.bytes += chunk.len() as u64;
        self.memory.add(chunk.len() as u64, operations, || self.ahead.whole());
        let Outcome { json, breaks_schema } = outcome;
        NewChange { hash, dependencies, chunk, json, breaks_schema }
    }
}
