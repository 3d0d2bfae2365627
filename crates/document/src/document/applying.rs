//! Applying changes of others, so that none can harm the document.

use super::lineage::{Candidate, Lineage};
use super::{Document, Progress, TableState};
use crate::foreign;
use crate::{ChangeHash, ForeignChange};
use automerge::{Automerge, Change};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Most changes that are checked together. Each keeps a bit for each change before it: a mebibyte, or two in reserve.
pub(super) const TOGETHER_MAX: usize = 4_096;

/// A change could not be applied. The document has those before it, and neither it nor those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("change {change} of the document cannot be applied: {reason}")]
pub struct ApplyError {
    /// How many of the chunks given are in the document.
    pub applied: usize,
    /// The change that cannot be applied: that of the chunk after those.
    pub change: ChangeHash,
    /// Why.
    pub reason: ApplyReason,
}

/// Why a change cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyReason {
    /// The parse of this version or Automerge refuses it.
    #[error("it is refused")]
    Refused,
    /// Automerge panicked on it.
    #[error("it ends in a panic")]
    Panicked,
    /// It does not fit onto what it depends on.
    #[error("it does not fit onto what it depends on")]
    Misfit,
    /// It depends on a change that is not there.
    #[error("it depends on a change that is not there")]
    MissingDependency,
    /// The document would not give it back as it was, so that it could not be saved and read again.
    #[error("the document would not give it back")]
    SaveDiffers,
}

/// Who vouches for changes.
#[derive(Clone, Copy, PartialEq)]
enum Trust {
    /// Nobody.
    Foreign,
    /// This replica has applied them before.
    Known,
}

/// Why changes were not applied together.
struct Failure {
    /// Which of them is to blame, where it is known.
    at: Option<usize>,
    reason: ApplyReason,
}

impl From<ApplyReason> for Failure {
    fn from(reason: ApplyReason) -> Self {
        Self { at: None, reason }
    }
}

impl Document {
    /// Applies changes, given as chunks in an order in which each follows what it depends on. As long as each is on all
    /// that is here, the table takes them (module `tabled`). The others are checked, tried on a clone, where a panic of
    /// Automerge ends, and asked back from it; only then does the clone become the document. Those that are here already
    /// are passed over. One that cannot be applied does not keep out those before it. The creations of lists and texts
    /// that the changes mark are made here.
    ///
    /// # Errors
    /// [`ApplyError`] names the first change that cannot be applied.
    pub fn apply(&mut self, chunks: &[Vec<u8>]) -> Result<(), ApplyError> {
        let taken = self.take_on_table(chunks);
        let rest = chunks.get(taken..).unwrap_or_default();
        self.apply_steps(rest, Trust::Foreign, TOGETHER_MAX)
            .map_err(|error| ApplyError { applied: error.applied + taken, ..error })
    }

    /// Applies changes without the table.
    #[cfg(test)]
    pub(super) fn apply_the_long_way(&mut self, chunks: &[Vec<u8>]) -> Result<(), ApplyError> {
        self.apply_steps(chunks, Trust::Foreign, TOGETHER_MAX)
    }

    /// Applies changes that this replica wrote or has applied before, as [`Document::apply`] does, but does not ask
    /// them back.
    ///
    /// # Errors
    /// [`ApplyError`], as [`Document::apply`].
    pub fn apply_known(&mut self, chunks: &[Vec<u8>]) -> Result<(), ApplyError> {
        self.apply_steps(chunks, Trust::Known, TOGETHER_MAX)
    }

    /// Applies so many chunks at a time.
    fn apply_steps(&mut self, chunks: &[Vec<u8>], trust: Trust, most: usize) -> Result<(), ApplyError> {
        let mut before = 0;
        for step in chunks.chunks(most) {
            self.apply_parts(step, trust)
                .map_err(|error| ApplyError { applied: error.applied + before, ..error })?;
            before += step.len();
        }
        Ok(())
    }

    /// Applies the chunks, in smaller and smaller parts where they fail together, so that the first that fails alone
    /// is found.
    fn apply_parts(&mut self, chunks: &[Vec<u8>], trust: Trust) -> Result<(), ApplyError> {
        let Some(first) = chunks.first() else { return Ok(()) };
        let Err(failure) = self.apply_together(chunks, trust) else { return Ok(()) };
        let failed = |chunk: &[u8]| ApplyError { applied: 0, change: hash_of(chunk), reason: failure.reason };
        let middle = match failure.at {
            Some(0) => return Err(failed(first)),
            Some(at) => at,
            None if chunks.len() == 1 => return Err(failed(first)),
            None => chunks.len() / 2,
        };
        let (before, after) = chunks.split_at_checked(middle).unwrap_or((chunks, &[]));
        self.apply_parts(before, trust)?;
        self.apply_parts(after, trust)
            .map_err(|error| ApplyError { applied: error.applied + middle, ..error })
    }

    /// All of the chunks or none.
    fn apply_together(&mut self, chunks: &[Vec<u8>], trust: Trust) -> Result<(), Failure> {
        if self.ahead.catch_up().is_err() {
            return Err(ApplyReason::MissingDependency.into());
        }
        let tried = catch_unwind(AssertUnwindSafe(|| self.with_changes(chunks, trust)));
        if let Some(document) = tried.unwrap_or_else(|_| Err(ApplyReason::Panicked.into()))? {
            *self = document;
        }
        Ok(())
    }

    /// The document with the changes; `None` when it has them all.
    fn with_changes(&self, chunks: &[Vec<u8>], trust: Trust) -> Result<Option<Self>, Failure> {
        let mut changes = Vec::with_capacity(chunks.len());
        let mut candidates = Vec::with_capacity(chunks.len());
        let mut seen = BTreeSet::new();
        for (at, chunk) in chunks.iter().enumerate() {
            let blame = |reason| Failure { at: Some(at), reason };
            let body = ForeignChange::body(chunk).map_err(|_| blame(ApplyReason::Refused))?;
            let (header, columns) = foreign::read(body).map_err(|_| blame(ApplyReason::Refused))?;
            let change = Change::from_bytes(chunk.clone()).map_err(|_| blame(ApplyReason::Refused))?;
            let hash = change.hash();
            if !self.has(&hash) && seen.insert(hash) {
                candidates.push((at, Candidate { hash, header, columns, body_bytes: body.len() }));
                changes.push(change);
            }
        }
        if candidates.is_empty() {
            return Ok(None);
        }
        let automerge = self.ahead.given();
        let mut lineage = Lineage::new(automerge, self.progress.last_changes.clone());
        for (at, candidate) in &candidates {
            lineage.check(candidate).map_err(|reason| Failure { at: Some(*at), reason })?;
        }
        let operations: u64 = changes.iter().map(|change| change.len() as u64).sum();
        let (creations, last_changes) = lineage.finish();
        let mut trial = automerge.clone();
        let creations = creations.into_iter().map(Change::from_bytes).collect::<Result<Vec<_>, _>>();
        let creations = creations.map_err(|_| ApplyReason::Refused)?;
        trial.apply_changes(creations.into_iter().chain(changes)).map_err(|_| ApplyReason::Refused)?;
        #[cfg(test)]
        tests::meddle(&mut trial, chunks);
        if trust == Trust::Foreign {
            check_given_back(automerge, &trial, chunks, &candidates)?;
        }
        let bytes = candidates.iter().filter_map(|(at, _)| chunks.get(*at)).map(|chunk| chunk.len() as u64);
        let bytes = bytes.sum::<u64>();
        let mut memory = self.memory;
        memory.add(bytes, operations, || &trial);
        Ok(Some(Self {
            ahead: trial.into(),
            table: match self.table {
                TableState::Unfit => TableState::Unfit,
                TableState::Unknown | TableState::Known(_) => TableState::Unknown,
            },
            memory,
            progress: Progress {
                changes: self.progress.changes + candidates.len() as u64,
                bytes: self.progress.bytes + bytes,
                last_changes,
            },
        }))
    }
}

/// Checks that a document gives back the changes that it got, byte by byte: they are written again from what it keeps,
/// which is what it saves.
fn check_given_back(
    before: &Automerge,
    after: &Automerge,
    chunks: &[Vec<u8>],
    candidates: &[(usize, Candidate<'_>)],
) -> Result<(), Failure> {
    let given = after.get_changes(&before.get_heads());
    let given: BTreeMap<ChangeHash, &[u8]> =
        given.iter().map(|change| (change.hash(), change.raw_bytes())).collect();
    for (at, candidate) in candidates {
        if given.get(&candidate.hash).copied() != chunks.get(*at).map(Vec::as_slice) {
            return Err(ApplyReason::SaveDiffers.into());
        }
    }
    Ok(())
}

/// The name of the change in a chunk, as far as there is one.
fn hash_of(chunk: &[u8]) -> ChangeHash {
    match ForeignChange::body(chunk) {
        Ok(body) => foreign::seal(body).0,
        Err(_) => ChangeHash(Sha256::digest(chunk).into()),
    }
}

#[cfg(test)]
mod tests;
