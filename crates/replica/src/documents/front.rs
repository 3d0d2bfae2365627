//! A document in memory: whole, or its tip alone, which suffices for most writes and for most changes of others.

use super::{Read, STEP_PART, Unapplied};
use crate::request::BlockReason;
use document::{ApplyError, ChangeHash, Document, Operation, Schema, Signature, Tip, TipWrite, WriteError};
use serde_json::Value;

/// A whole document whose history nobody asked for during so many changes is kept as its tip.
const IDLE_CHANGES: usize = 32;

/// A document in memory, or its tip. Its owner gives it back with [`super::Documents::keep`].
#[derive(Clone)]
pub(crate) struct Open<D = Document> {
    /// Boxed: it has 3.5 KB of its own, and moves between the map and whoever works on it.
    pub(crate) document: Box<D>,
    /// Position of the last change that is in it.
    pub(crate) applied: u64,
    /// Changes that were applied for the first time since it was last opened.
    pub(crate) tried: usize,
    /// Whether the whole of it was needed since it was opened.
    pub(super) is_needed: bool,
}

impl<D> Open<D> {
    /// What has the changes up to a position.
    pub(crate) fn of(document: D, applied: u64) -> Self {
        Self { document: Box::new(document), applied, tried: 0, is_needed: false }
    }
}

impl Open {
    /// A document without changes.
    pub(crate) fn new() -> Self {
        Self::of(Document::new(), 0)
    }

    /// Takes in how far changes were applied.
    pub(super) fn advance(&mut self, read: &Read, applied: Result<(), ApplyError>) -> Result<(), Unapplied> {
        let Err(error) = applied else {
            self.applied = read.last();
            self.tried += read.positions.len();
            return Ok(());
        };
        let at = read.chunk_positions.get(error.applied).copied();
        let before = read.positions.iter().take_while(|lsn| at.is_some_and(|at| **lsn < at));
        self.tried += before.clone().count();
        self.applied = before.last().copied().unwrap_or(self.applied);
        Err(Unapplied { at, reason: BlockReason::Refused })
    }

    /// How many changes are worth a step, at least `least`.
    pub(crate) fn step(&self, least: usize) -> usize {
        step(self.document.changes_count(), least)
    }

    /// What it is put aside as: its tip, unless the whole of it was needed not long ago.
    pub(super) fn put_aside(self) -> Front {
        match self.is_needed && self.document.waiting() < IDLE_CHANGES {
            true => Front::Whole(self),
            false => self.without_history(),
        }
    }

    /// Its tip, where it has one.
    pub(super) fn without_history(self) -> Front {
        match self.document.into_tip() {
            Ok(tip) => Front::Tip(Open::of(tip, self.applied)),
            Err(document) => Front::Whole(Self { document, ..self }),
        }
    }
}

fn step(changes: u64, least: usize) -> usize {
    least.max(usize::try_from(changes / STEP_PART).unwrap_or(usize::MAX))
}

/// A document in memory, as much of it as there is.
#[derive(Clone)]
pub(crate) enum Front {
    Whole(Open),
    Tip(Open<Tip>),
}

impl Front {
    /// A document without changes.
    pub(crate) fn new() -> Self {
        Self::Tip(Open::of(Tip::new(), 0))
    }

    /// Position of the last change that is in it.
    pub(crate) fn applied(&self) -> u64 {
        match self {
            Self::Whole(open) => open.applied,
            Self::Tip(open) => open.applied,
        }
    }

    pub(crate) fn advance(&mut self, applied: u64) {
        match self {
            Self::Whole(open) => open.applied = applied,
            Self::Tip(open) => open.applied = applied,
        }
    }

    /// Changes that were applied for the first time since it was last opened.
    pub(crate) fn tried(&self) -> usize {
        match self {
            Self::Whole(open) => open.tried,
            Self::Tip(open) => open.tried,
        }
    }

    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        match self {
            Self::Whole(open) => open.document.heads(),
            Self::Tip(open) => open.document.heads().to_vec(),
        }
    }

    pub(crate) fn json(&self) -> Option<Value> {
        match self {
            Self::Whole(open) => open.document.json(),
            Self::Tip(open) => open.document.json(),
        }
    }

    /// Carries out operations, where that takes no more than what is here.
    pub(crate) fn write(
        &mut self,
        signature: &Signature<'_>,
        schema: Option<&Schema>,
        operations: &[Operation],
    ) -> Result<TipWrite, WriteError> {
        match self {
            Self::Whole(open) => open.document.write(signature, schema, operations).map(TipWrite::Written),
            Self::Tip(open) => open.document.write(signature, schema, operations),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Tip(_) => false,
        }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Whole(open) => open.document.memory_bytes(),
            Self::Tip(open) => open.document.memory_bytes(),
        }
    }
}

impl Open<Tip> {
    /// Takes changes in the order of their positions, as many as the tip takes; returns whether it took all.
    pub(super) fn take(&mut self, changes: Vec<(u64, Vec<u8>)>) -> bool {
        let (positions, chunks): (Vec<u64>, Vec<Vec<u8>>) = changes.into_iter().unzip();
        let taken = self.document.take(&chunks);
        if let Some(last) = taken.checked_sub(1).and_then(|last| positions.get(last)) {
            self.applied = *last;
        }
        taken == positions.len()
    }

    /// How many changes are worth a step, at least `least`.
    pub(super) fn step(&self, least: usize) -> usize {
        step(self.document.changes_count(), least)
    }
}
