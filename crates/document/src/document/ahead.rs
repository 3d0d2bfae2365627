//! The Automerge document, and this replica's changes that it was not given yet.
//!
//! A small change is made from a table of entries (module `crate::table`). Automerge gets changes many at a time, which
//! costs a fifth, or when somebody asks for what it alone knows: lists and texts, history, conflicts, a save.

use crate::ChangeHash;
use automerge::{Automerge, Change};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// Most changes that Automerge is not given yet, of a document with few: who asks it then waits for so many, 5 µs each.
const AHEAD_MAX: usize = 64;

/// Of one with many it is this part of them. They are given to a copy, which takes time in proportion to all.
const AHEAD_PART: u64 = 16;

/// What a change that waits takes besides its bytes, in memory.
const CHANGE_BYTES: u64 = 400;

/// An Automerge document that is behind by some changes.
#[derive(Clone)]
pub(super) struct Ahead {
    automerge: Automerge,
    /// Each depends on the one before it, and the first on all heads.
    changes: Vec<Change>,
    /// Estimate of what they take in memory.
    waiting_bytes: u64,
    /// The document with them, where somebody asked.
    whole: OnceLock<Box<Automerge>>,
    /// Automerge did not take them.
    is_stuck: bool,
}

/// The document does not take the changes made from its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck;

impl From<Automerge> for Ahead {
    fn from(automerge: Automerge) -> Self {
        Self { automerge, changes: Vec::new(), waiting_bytes: 0, whole: OnceLock::new(), is_stuck: false }
    }
}

impl Ahead {
    /// The changes that no other change depends on, in byte order.
    pub(super) fn heads(&self) -> Vec<ChangeHash> {
        self.changes.last().map_or_else(|| self.automerge.get_heads(), |change| vec![change.hash()])
    }

    /// Whether it has no change.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.automerge.is_empty()
    }

    /// One of the changes that Automerge was not given yet.
    pub(super) fn change(&self, hash: &ChangeHash) -> Option<&Change> {
        self.changes.iter().find(|change| change.hash() == *hash)
    }

    /// What Automerge was given.
    pub(super) fn given(&self) -> &Automerge {
        &self.automerge
    }

    /// Takes a change on all heads, made from the table; the document has `count` with it. When many wait they are given
    /// to Automerge.
    pub(super) fn push(&mut self, change: Change, count: u64) {
        self.let_go_of_copy();
        self.waiting_bytes += CHANGE_BYTES + change.raw_bytes().len() as u64;
        self.changes.push(change);
        let most = usize::try_from(count / AHEAD_PART).unwrap_or(usize::MAX).max(AHEAD_MAX);
        if self.changes.len() >= most {
            // What cannot be given stays, and nothing comes after it.
            self.is_stuck = self.catch_up().is_err();
        }
    }

    /// Whether many wait and Automerge did not take them.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Keeps the document with all changes alone, where somebody asked for it.
    pub(super) fn let_go_of_copy(&mut self) {
        if let Some(whole) = self.whole.take() {
            self.automerge = *whole;
            self.all_given();
        }
    }

    /// The document with all changes; without those that wait when it does not take them.
    pub(super) fn whole(&self) -> &Automerge {
        if self.changes.is_empty() {
            return &self.automerge;
        }
        if let Some(whole) = self.whole.get() {
            return whole;
        }
        match self.with_changes() {
            Ok(whole) => self.whole.get_or_init(|| Box::new(whole)),
            Err(Stuck) => &self.automerge,
        }
    }

    /// The document, after it was given all changes.
    pub(super) fn catch_up(&mut self) -> Result<&mut Automerge, Stuck> {
        self.let_go_of_copy();
        if !self.changes.is_empty() {
            self.automerge = self.with_changes()?;
            self.all_given();
        }
        Ok(&mut self.automerge)
    }

    /// How often the document is in memory.
    pub(super) fn copies(&self) -> u64 {
        if self.whole.get().is_some() { 2 } else { 1 }
    }

    /// How many changes wait.
    pub(super) fn waiting(&self) -> usize {
        self.changes.len()
    }

    /// Estimate of what waits, in memory, in bytes.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Nothing waits any more.
    fn all_given(&mut self) {
        self.changes.clear();
        self.waiting_bytes = 0;
    }

    fn with_changes(&self) -> Result<Automerge, Stuck> {
        let applied = catch_unwind(AssertUnwindSafe(|| {
            let mut automerge = self.automerge.clone();
            automerge.apply_changes(self.changes.iter().cloned()).map(|()| automerge)
        }));
        let automerge = applied.map_err(|_| Stuck)?.map_err(|_| Stuck)?;
        if automerge.get_heads() == self.heads() { Ok(automerge) } else { Err(Stuck) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automerge::ROOT;
    use automerge::transaction::Transactable as _;

    /// So many changes, each on the one before it.
    fn changes(count: usize) -> Vec<Change> {
        let mut document = Automerge::new();
        for number in 0..count {
            let put = document.transact(|put| put.put(ROOT, "n", i64::try_from(number).unwrap()));
            put.unwrap_or_else(|failure| panic!("{}", failure.error));
        }
        document.get_changes(&[])
    }

    #[test]
    fn automerge_is_given_many_changes_at_once_and_those_that_somebody_looked_at() {
        let mut ahead = Ahead::from(Automerge::new());
        for (number, change) in (1..).zip(changes(AHEAD_MAX + 2)) {
            let hash = change.hash();
            ahead.push(change, number as u64);
            assert_eq!(ahead.heads(), [hash]);
            assert_eq!(ahead.given().get_heads() == [hash], number == AHEAD_MAX, "{number}");
        }
        assert_eq!((ahead.changes.len(), ahead.copies()), (2, 1));
        assert_eq!(ahead.whole().get_heads(), ahead.heads());
        assert_eq!((ahead.changes.len(), ahead.copies()), (2, 2));
        assert_eq!(ahead.catch_up().unwrap().get_heads().len(), 1);
        assert_eq!((ahead.changes.len(), ahead.copies()), (0, 1));
    }

    #[test]
    fn more_changes_wait_where_there_are_many_and_a_copy_is_let_go_of() {
        let mut ahead = Ahead::from(Automerge::new());
        let count = AHEAD_PART * 2 * AHEAD_MAX as u64;
        let mut all = changes(2 * AHEAD_MAX).into_iter();
        let last = all.next_back().unwrap();
        all.for_each(|change| ahead.push(change, count));
        assert_eq!(ahead.changes.len(), 2 * AHEAD_MAX - 1);
        ahead.push(last.clone(), count);
        assert!(ahead.changes.is_empty() && ahead.heads() == [last.hash()]);
        let mut ahead = Ahead::from(Automerge::new());
        changes(3).into_iter().for_each(|change| ahead.push(change, 3));
        assert_eq!((ahead.whole().get_heads(), ahead.copies()), (ahead.heads(), 2));
        ahead.let_go_of_copy();
        assert_eq!((ahead.given().get_heads(), ahead.copies()), (ahead.heads(), 1));
    }

    #[test]
    fn what_automerge_does_not_take_is_told_and_not_lost() {
        let mut ahead = Ahead::from(Automerge::new());
        // The first one is missing.
        let waiting = changes(AHEAD_MAX + 1).split_off(1);
        for change in waiting.clone() {
            assert!(!ahead.is_stuck());
            ahead.push(change, 1);
        }
        assert!(ahead.is_stuck());
        assert_eq!(ahead.catch_up().map(drop), Err(Stuck));
        assert!(ahead.whole().is_empty());
        assert_eq!(ahead.heads(), [waiting.last().unwrap().hash()]);
        assert!(waiting.iter().all(|change| ahead.change(&change.hash()) == Some(change)));
    }
}
