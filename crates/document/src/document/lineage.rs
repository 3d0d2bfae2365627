//! Whether changes fit onto what they depend on. Automerge 0.12 takes their word for it.
//!
//! An operation names the operations that it replaces. When one of those is at another entry, Automerge replaces it
//! or not, depending on which changes it is given together: replicas with equal heads would show different values,
//! and a site could take away another's tally. An operation numbered far ahead would leave no numbers for others. An
//! operation on an object that is not there ends in a panic.
//! All that is checked here is a function of a change and those that it depends on, so every replica decides the
//! same, whatever else it has and however changes are batched. It is checked before Automerge sees them.

use super::ApplyReason;
use crate::entry::SequenceKind;
use crate::foreign::{
    self, Action, Columns, ForeignChange, Header, Operation, OperationId, Operations, Place,
};
use crate::{ChangeHash, Origin, sequence};
use ancestry::Ancestry;
use automerge::{ActorId, Automerge};
use sequences::{Maker, Sequences};
use std::collections::{BTreeMap, BTreeSet};
use stored::Stored;

mod ancestry;
mod sequences;
mod stored;

pub(super) use sequences::creation_at;

/// The last change of an author in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastChange {
    /// The number of its last operation.
    pub(super) operation: u64,
    /// Its number among the author's changes of the document.
    pub(super) number: u64,
    pub(super) hash: ChangeHash,
}

/// The last change of each author in a document. Automerge does not tell it.
pub(super) type LastChanges = BTreeMap<ActorId, LastChange>;

/// A change that is checked: its identity, head and columns.
pub(super) struct Candidate<'a> {
    pub(super) hash: ChangeHash,
    pub(super) header: Header,
    pub(super) columns: Columns<'a>,
    pub(super) body_bytes: usize,
}

/// Changes that are to be applied together, while they are checked. Each is known by its place among them.
pub(super) struct Lineage<'a> {
    /// The document without the changes.
    base: &'a Automerge,
    stored: Stored<'a>,
    ancestry: Ancestry<'a>,
    /// Entries that the operations of the changes put, and the change; without those that the same change replaced.
    puts: BTreeMap<OperationId, (&'a str, usize)>,
    sequences: Sequences<'a>,
    last: LastChanges,
}

impl<'a> Lineage<'a> {
    pub(super) fn new(base: &'a Automerge, last: LastChanges) -> Self {
        let (stored, ancestry, sequences) = (Stored::new(base), Ancestry::new(base), Sequences::new(base));
        Self { base, stored, ancestry, puts: BTreeMap::new(), sequences, last }
    }

    /// The chunks of the creations that the changes need and the document has not, and the last operation of each
    /// author with the changes.
    pub(super) fn finish(self) -> (Vec<Vec<u8>>, LastChanges) {
        (self.sequences.into_chunks(), self.last)
    }

    /// Checks the next change. Changes come in an order in which each follows what it depends on.
    pub(super) fn check(&mut self, change: &'a Candidate<'a>) -> Result<(), ApplyReason> {
        let header = &change.header;
        let (number, pending) = self.ancestry.add(change)?;
        let before = self.last.get(&actor(header.author())).map_or(0, |last| last.operation);
        let mut last = before;
        // Own numbers only grow, so that no two operations have one name.
        if header.first_operation <= before {
            return Err(ApplyReason::Misfit);
        }
        let mut operations = Operations::new(header, &change.columns, change.body_bytes);
        let (mut in_entries, mut in_sequences) = (Vec::new(), Vec::new());
        let mut marked = Vec::new();
        while let Some(operation) = operations.next_operation().map_err(|_| ApplyReason::Refused)? {
            last = operation.id.counter;
            marked.extend(foreign::marked(&operation));
            let replaced = operations.replaced().to_vec();
            match operation.place {
                Place::Entry(name) => in_entries.push((operation, name, replaced)),
                Place::Element { .. } => in_sequences.push((operation, replaced)),
            }
        }
        let made = LastChange { operation: last, number: header.document_sequence, hash: change.hash };
        self.last.insert(actor(header.author()), made);
        self.ancestry.end(number, last);
        let named = in_entries.iter().map(|(operation, _, replaced)| (operation, replaced));
        let named = named.chain(in_sequences.iter().map(|(operation, replaced)| (operation, replaced)));
        read_named(&mut self.stored, &mut self.sequences, header, named)?;
        let mut hidden = Vec::new();
        for (operation, name, replaced) in in_entries {
            let entries =
                Entries { stored: &self.stored, ancestry: &mut self.ancestry, puts: &mut self.puts };
            hidden.extend(entries.check(number, operation, name, &replaced, header.first_operation)?);
        }
        let made = self.sequences.check_marks(&marked, number, &pending, &mut self.ancestry)?;
        if let Some(missing) = pending.iter().find(|hash| !made.contains(hash)) {
            // The creation of a sequence is depended on by changes that mark it, by no other.
            let is_here = self.base.get_change_meta_by_hash(missing).is_some();
            return Err(if is_here { ApplyReason::Misfit } else { ApplyReason::MissingDependency });
        }
        for creation in hidden {
            self.sequences.check_created(creation, number, &mut self.ancestry)?;
        }
        for (operation, replaced) in in_sequences {
            self.sequences.check(number, operation, &replaced, &mut self.ancestry)?;
        }
        Ok(())
    }
}

/// Reads what the operations of a change name in the document.
fn read_named<'b>(
    stored: &mut Stored<'_>,
    sequences: &mut Sequences<'_>,
    header: &Header,
    operations: impl Iterator<Item = (&'b Operation<'b>, &'b Vec<OperationId>)>,
) -> Result<(), ApplyReason> {
    let mut named = BTreeSet::new();
    for (operation, replaced) in operations {
        named.extend(replaced);
        if let Place::Element { element: Some(element), .. } = operation.place {
            named.insert(element);
        }
    }
    named.retain(|named| named.author != header.author() || named.counter < header.first_operation);
    for change in stored.changes_of(&named)? {
        let Ok(body) = ForeignChange::body(change.raw_bytes()) else { continue };
        let Ok((header, columns)) = foreign::read(body) else { continue };
        let mut operations = Operations::new(&header, &columns, body.len());
        while let Ok(Some(operation)) = operations.next_operation() {
            stored.add(&operation, operations.replaced(), change.hash());
            sequences.add(operation, Maker::Base(change.hash()));
        }
    }
    Ok(())
}

/// The entries of a document and of changes to it.
struct Entries<'a, 'b> {
    stored: &'b Stored<'a>,
    ancestry: &'b mut Ancestry<'a>,
    puts: &'b mut BTreeMap<OperationId, (&'a str, usize)>,
}

impl<'a> Entries<'a, '_> {
    /// Returns the authors of the creations that the operation replaces, which are of sequences at this very entry: a
    /// plain value in the place of a list or a text hides it. That they are before the change is checked by others.
    fn check(
        self,
        number: usize,
        operation: Operation<'a>,
        name: &'a str,
        replaced: &[OperationId],
        first: u64,
    ) -> Result<Vec<Origin>, ApplyReason> {
        let mut hidden = Vec::new();
        for replaced in replaced {
            let fits = match self.puts.get(replaced) {
                Some((entry, maker)) => *entry == name && self.ancestry.is_before(*maker, number),
                None => {
                    let maker = self.stored.put(*replaced, name);
                    maker.is_some_and(|maker| self.ancestry.has_before(&maker, number))
                }
            };
            if !fits {
                if !is_creation(*replaced, name) {
                    return Err(ApplyReason::Misfit);
                }
                hidden.push(replaced.author);
            }
            if replaced.author == operation.id.author && replaced.counter >= first {
                self.puts.remove(replaced);
            }
        }
        if let Action::Put(_) = operation.action {
            self.puts.insert(operation.id, (name, number));
        }
        Ok(hidden)
    }
}

/// Whether an operation is the one that creates the list or the text at this entry.
fn is_creation(operation: OperationId, name: &str) -> bool {
    let creates = |kind| origin(&sequence::actor(kind, name)) == Some(operation.author);
    operation.counter == 1 && [SequenceKind::List, SequenceKind::Text].into_iter().any(creates)
}

/// The Automerge name of an origin.
pub(super) fn actor(origin: Origin) -> ActorId {
    ActorId::from(&origin.0)
}

/// The origin that an Automerge actor names.
pub(super) fn origin(actor: &ActorId) -> Option<Origin> {
    actor.to_bytes().try_into().ok().map(Origin)
}

impl Ancestry<'_> {
    /// Whether an operation of this maker is before the change of this number, or in it.
    fn is_maker_before(&mut self, maker: Maker, number: usize) -> bool {
        match maker {
            Maker::Candidate(earlier) => self.is_before(earlier, number),
            Maker::Base(hash) => self.has_before(&hash, number),
        }
    }
}

#[cfg(test)]
mod tests;
