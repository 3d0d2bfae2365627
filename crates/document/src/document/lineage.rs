//! Whether changes fit onto what they depend on. Automerge 0.12 takes their word for it.
//!
//! An operation names the operations that it replaces. When one of those is at another entry, Automerge replaces it
//! or not, depending on which changes it is given together: replicas with equal heads would show different values,
//! and a site could take away another's tally. An operation numbered far ahead would leave no numbers for others.
//! All that is checked here is a function of a change and those before it, so every replica decides the same.

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, Change, ChangeHash, ObjId, ROOT, ReadDoc};
use std::collections::BTreeMap;

/// The number of the last operation of each author in a document. Automerge does not tell it.
pub(super) type LastOperations = BTreeMap<ActorId, u64>;

/// Changes that were applied together, while they are checked.
struct Lineage<'a> {
    /// The document with the changes.
    trial: &'a Automerge,
    /// Number of the last operation of each change.
    ends: BTreeMap<ChangeHash, u64>,
    /// Entries that the operations of the changes put; without those that the same change replaced.
    puts: BTreeMap<OpId, String>,
}

/// Whether all of the changes fit; they are in an order in which each follows what it depends on, and `trial` has
/// them. Brings `last` up to date.
pub(super) fn fits(trial: &Automerge, changes: &[Change], last: &mut LastOperations) -> bool {
    let ends = changes.iter().map(|change| (change.hash(), change.max_op())).collect();
    let mut lineage = Lineage { trial, ends, puts: BTreeMap::new() };
    changes.iter().all(|change| {
        let author_last = last.entry(change.actor_id().clone()).or_insert(0);
        let start = change.start_op().get();
        // Own numbers only grow, so that no two operations have one name.
        let is_numbered = start > *author_last && Some(start) == lineage.next_number(change);
        *author_last = change.max_op();
        is_numbered && lineage.operations_fit(change)
    })
}

impl Lineage<'_> {
    /// The number after those of everything that a change depends on.
    fn next_number(&self, change: &Change) -> Option<u64> {
        let end = |hash| match self.ends.get(hash) {
            Some(end) => Some(*end),
            None => self.trial.get_change_meta_by_hash(hash).map(|meta| meta.max_op),
        };
        change.deps().iter().try_fold(0, |last: u64, hash| Some(last.max(end(hash)?))).map(|last| last + 1)
    }

    fn operations_fit(&mut self, change: &Change) -> bool {
        let author = change.actor_id();
        let numbers = change.start_op().get()..;
        numbers.zip(change.decode().operations).all(|(number, operation)| {
            let id = OpId(number, author.clone());
            let Op { action, obj: ObjectId::Root, key: Key::Map(name), pred, insert: false } = operation
            else {
                return false;
            };
            let replaces_own_entry = pred.iter().all(|replaced| self.puts_entry(replaced, &name, &id));
            for replaced in pred.iter().filter(|replaced| replaced.1 == *author) {
                if replaced.0 >= change.start_op().get() {
                    self.puts.remove(replaced);
                }
            }
            match action {
                OpType::Put(_) => drop(self.puts.insert(id, name.to_string())),
                OpType::Delete => {}
                OpType::Make(_) | OpType::Increment(_) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => {
                    return false;
                }
            }
            replaces_own_entry
        })
    }

    /// Whether an operation before `later` put this entry.
    fn puts_entry(&self, operation: &OpId, name: &str, later: &OpId) -> bool {
        if operation.0 >= later.0 {
            return false;
        }
        if let Some(entry) = self.puts.get(operation) {
            return entry == name;
        }
        let id = ObjId::Id(operation.0, operation.1.clone(), 0);
        let Some(change) = self.trial.hash_for_opid(&id) else { return false };
        // At the change that put it, the entry has it.
        let values = self.trial.get_all_at(ROOT, name, &[change]).unwrap_or_default();
        values.iter().any(|(_, value)| matches!(value, ObjId::Id(number, author, _) if (*number, author) == (operation.0, &operation.1)))
    }
}

#[cfg(test)]
mod tests;
