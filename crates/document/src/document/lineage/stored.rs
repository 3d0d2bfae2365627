//! Operations of the document that changes name, read with the changes that they are of.
//!
//! Automerge finds an operation by its entry, and walks all that were ever there: a change that names thousands of
//! them would take a walk for each. Here a change of the document is read once, and those that one change names are
//! read in one pass when they are many.

use super::{ApplyReason, actor};
use crate::ChangeHash;
use crate::foreign::{Action, Operation, OperationId, Place};
use automerge::{Automerge, Change, ObjId, ReadDoc as _};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Most changes that are read one by one: each may cost a walk over operations numbered as its own are.
const ONE_BY_ONE_MAX: usize = 16;

/// The document without the changes that are checked.
pub(super) struct Stored<'a> {
    base: &'a Automerge,
    /// Entries that operations put, and the change; of the changes that were read, without those that the same change
    /// replaced.
    puts: BTreeMap<OperationId, (Rc<str>, ChangeHash)>,
    read: BTreeSet<ChangeHash>,
    /// The entry that was named last: names come in runs.
    last_name: Rc<str>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(base: &'a Automerge) -> Self {
        Self { base, puts: BTreeMap::new(), read: BTreeSet::new(), last_name: Rc::from("") }
    }

    /// The changes that have these operations, without those that were read before.
    pub(super) fn changes_of(&mut self, named: &BTreeSet<OperationId>) -> Result<Vec<Change>, ApplyReason> {
        let hash =
            |named: &OperationId| self.base.hash_for_opid(&ObjId::Id(named.counter, actor(named.author), 0));
        let mut wanted: BTreeSet<ChangeHash> = named.iter().filter_map(hash).collect();
        wanted.retain(|hash| self.read.insert(*hash));
        if wanted.len() <= ONE_BY_ONE_MAX {
            return Ok(wanted.iter().filter_map(|hash| self.base.get_change_by_hash(hash)).collect());
        }
        let bundle = self.base.bundle(wanted).map_err(|_| ApplyReason::Refused)?;
        bundle.to_changes().map_err(|_| ApplyReason::Refused)
    }

    /// Adds an operation of a change that was read, and those of the same change that it replaces.
    pub(super) fn add(&mut self, operation: &Operation<'_>, replaced: &[OperationId], change: ChangeHash) {
        let Place::Entry(name) = operation.place else { return };
        for replaced in replaced {
            if self.puts.get(replaced).is_some_and(|(_, maker)| *maker == change) {
                self.puts.remove(replaced);
            }
        }
        if let Action::Put(_) = operation.action {
            if *self.last_name != *name {
                self.last_name = Rc::from(name);
            }
            self.puts.insert(operation.id, (Rc::clone(&self.last_name), change));
        }
    }

    /// The change whose operation put this entry and left it so.
    pub(super) fn put(&self, operation: OperationId, name: &str) -> Option<ChangeHash> {
        let (entry, change) = self.puts.get(&operation)?;
        (**entry == *name).then_some(*change)
    }
}

#[cfg(test)]
mod tests;
