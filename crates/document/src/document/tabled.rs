//! Writing without Automerge: a change made from the table of a document's entries, bit by bit as Automerge makes it. And
//! taking a change of somebody else that was made so, on all that is here.

use super::{Document, NewChange, Progress, lineage};
use crate::foreign::{self, Header, Operations};
use crate::table::Table;
use crate::write::{Draft, Edit, Outcome, Writer};
use crate::{ForeignChange, Operation, Schema, Signature, WriteError};
use automerge::legacy::Op;
use automerge::{ActorId, Change, ChangeHash, ExpandedChange};
use std::num::NonZeroU64;
use std::panic::catch_unwind;

/// What a write on a table made.
pub(super) enum Made {
    /// A change, which the table has, and what the document shows with it.
    Change(Box<Change>, Outcome),
    /// There was nothing to write.
    Nothing,
    /// It is to be done in Automerge.
    Unfit,
}

impl Made {
    /// The change as it is told, which depends on these heads.
    pub(super) fn told(change: &Change, dependencies: Vec<ChangeHash>, outcome: Outcome) -> NewChange {
        let Outcome { json, breaks_schema } = outcome;
        let (hash, chunk) = (change.hash(), change.raw_bytes().to_vec());
        NewChange { hash, dependencies, chunk, json, breaks_schema }
    }
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
    /// Carries out operations on the table; `None` when that is to be done in Automerge. Then, and when it is refused,
    /// document and table are as they were.
    pub(super) fn write_on_table(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<Option<Option<NewChange>>, WriteError> {
        let Some(mut table) = self.take_table() else { return Ok(None) };
        let heads = self.heads();
        let made = match self.ahead.is_stuck() {
            true => Err(WriteError::Document),
            false => self.progress.on(&mut table, &heads).write(signature, schema, operations),
        };
        self.table = TableState::Known(table);
        Ok(match made? {
            Made::Change(change, outcome) => {
                let told = Made::told(&change, heads, outcome);
                self.push(*change);
                Some(Some(told))
            }
            Made::Nothing => Some(None),
            Made::Unfit => None,
        })
    }

    /// The table, made where it is not known; who takes it puts it back. `None` when the document has none.
    pub(super) fn take_table(&mut self) -> Option<Table> {
        match std::mem::replace(&mut self.table, TableState::Unfit) {
            TableState::Known(table) => Some(table),
            TableState::Unknown => Table::of(self.ahead.whole()),
            TableState::Unfit => None,
        }
    }

    /// Takes a change that the table has already.
    fn push(&mut self, change: Change) {
        self.progress.push(&change);
        let (bytes, operations) = (change.raw_bytes().len() as u64, change.len() as u64);
        self.ahead.push(change, self.progress.changes);
        self.memory.add(bytes, operations, || self.ahead.whole());
    }

    /// Takes changes of others onto the table, from the first on, and tells how many: each that is on all that is here,
    /// replaces what stands, and is byte by byte the change that this replica would make of its operations, so that it is
    /// given back as it came. Such changes fit (module `lineage`). Of one that is not so, that module says whether it
    /// does.
    pub(super) fn take_on_table(&mut self, chunks: &[Vec<u8>]) -> usize {
        if self.ahead.is_stuck() {
            return 0;
        }
        #[cfg(test)]
        let before = self.clone();
        let Some(mut table) = self.take_table() else { return 0 };
        let take = |chunk: &&Vec<u8>| match self.progress.on(&mut table, &self.ahead.heads()).take(chunk) {
            Some(change) => {
                self.push(change);
                true
            }
            None => false,
        };
        let taken = chunks.iter().take_while(take).count();
        self.table = TableState::Known(table);
        #[cfg(test)]
        super::tests::held_against_applying(before, chunks.get(..taken).unwrap_or_default(), self);
        taken
    }
}

/// A table, the heads of its document, and how far that has come.
pub(super) struct OnTable<'a> {
    table: &'a mut Table,
    heads: &'a [ChangeHash],
    progress: &'a Progress,
}

impl Progress {
    pub(super) fn on<'a>(&'a self, table: &'a mut Table, heads: &'a [ChangeHash]) -> OnTable<'a> {
        OnTable { table, heads, progress: self }
    }

    /// The number of an author's next change on these heads, and what it depends on.
    fn following(&self, author: &ActorId, heads: &[ChangeHash]) -> (u64, Vec<ChangeHash>) {
        let last = self.last_changes.get(author);
        let mut dependencies = heads.to_vec();
        // As Automerge does, where something else was written on the last own change.
        dependencies.extend(last.map(|last| last.hash).filter(|last| !heads.contains(last)));
        dependencies.sort_unstable();
        (last.map_or(0, |last| last.number) + 1, dependencies)
    }

    /// The number of the next operation on all heads.
    fn next_operation(&self) -> u64 {
        self.last_changes.values().map(|last| last.operation).max().unwrap_or(0) + 1
    }
}

impl OnTable<'_> {
    /// Carries out operations. When they are unfit or refused, the table is as it was.
    pub(super) fn write(
        self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<Made, WriteError> {
        let message = signature.text()?;
        let author = ActorId::from(&signature.origin.0);
        let first = self.progress.next_operation();
        let mut edit = Edit::new(self.table, signature.origin, first);
        let mut writer =
            Writer::new(Draft::Table(&mut edit), signature.origin, schema, self.heads.is_empty());
        let outcome = writer.run(operations);
        if writer.wants_automerge() {
            edit.take_back();
            return Ok(Made::Unfit);
        }
        let made = outcome.and_then(|outcome| {
            let operations = edit.operations();
            if operations.is_empty() {
                return Ok(Made::Nothing);
            }
            let (seq, deps) = self.progress.following(&author, self.heads);
            let change = sealed(author, (seq, first), deps, (signature.wall_ms, message), operations)?;
            Ok(Made::Change(Box::new(change), outcome))
        });
        if made.is_err() {
            edit.take_back();
        }
        made
    }

    /// Does what somebody else's change does, where it is byte by byte the one that this replica would make of its
    /// operations on all that is here. `None` leaves the table as it was.
    pub(super) fn take(self, chunk: &[u8]) -> Option<Change> {
        let body = ForeignChange::body(chunk).ok()?;
        let (header, columns) = foreign::read(body).ok()?;
        let author = lineage::actor(header.author());
        let follows = self.progress.following(&author, self.heads);
        if (header.document_sequence, &header.dependencies) != (follows.0, &follows.1)
            || header.first_operation != self.progress.next_operation()
        {
            return None;
        }
        let mut edit = Edit::new(self.table, header.author(), header.first_operation);
        let change = taken(&mut edit, Operations::new(&header, &columns, body.len()))
            .and_then(|operations| made_again(author, &header, operations))
            .filter(|change| change.raw_bytes() == chunk);
        if change.is_none() {
            edit.take_back();
        }
        change
    }
}

/// The change of these operations, on all heads. What peers refuse must not be acknowledged here: it would stop this
/// origin's whole stream there.
fn sealed(
    author: ActorId,
    numbers: (u64, u64),
    deps: Vec<ChangeHash>,
    text: (i64, Option<String>),
    operations: Vec<Op>,
) -> Result<Change, WriteError> {
    let change = Change::from(expanded(author, numbers, deps, text, operations).ok_or(WriteError::Document)?);
    ForeignChange::body(change.raw_bytes()).and_then(ForeignChange::parse)?;
    Ok(change)
}

/// What the operations of somebody else's change do, done on the table. `None` when one does not fit.
fn taken(edit: &mut Edit<'_>, mut operations: Operations<'_>) -> Option<Vec<Op>> {
    while let Some(operation) = operations.next_operation().ok()? {
        if !edit.take(&operation, operations.replaced()) {
            return None;
        }
    }
    Some(edit.operations())
}

/// A change as this replica would make it; `None` where Automerge panics.
fn made_again(author: ActorId, header: &Header, operations: Vec<Op>) -> Option<Change> {
    let message = (!header.message.is_empty()).then(|| header.message.clone());
    let (numbers, deps) = ((header.document_sequence, header.first_operation), header.dependencies.clone());
    let expanded = expanded(author, numbers, deps, (header.wall_ms, message), operations)?;
    catch_unwind(|| Change::from(expanded)).ok()
}

/// A change as Automerge takes it to be encoded: its author and its number, that of its first operation, and what it has.
/// `None` when operations start at 0.
fn expanded(
    actor_id: ActorId,
    (seq, first): (u64, u64),
    deps: Vec<ChangeHash>,
    (time, message): (i64, Option<String>),
    operations: Vec<Op>,
) -> Option<ExpandedChange> {
    let (start_op, extra_bytes) = (NonZeroU64::new(first)?, Vec::new());
    let (hash, author) = (None, None);
    Some(ExpandedChange {
        operations,
        actor_id,
        hash,
        seq,
        start_op,
        time,
        message,
        deps,
        extra_bytes,
        author,
    })
}
