//! What a document was, and who changed what.

use super::{Document, lineage};
use crate::json::{self, Entries as _, View};
use crate::{ChangeHash, Origin};
use automerge::ChangeMetadata;
use json_patch::Patch;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeSet;

mod replay;
mod state;
use replay::Replay;

/// Most changes that one call of [`Document::history`] tells.
pub const HISTORY_MAX: usize = 1_000;

/// A change that the document does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document has no change {0}: ask for one of its history")]
pub struct UnknownChange(pub ChangeHash);

/// Which part of a document's history is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only changes that come after this one in the list, which are the older ones; `None` starts with the newest.
    pub before: Option<ChangeHash>,
    /// How many changes; at most [`HISTORY_MAX`] are told.
    pub limit: usize,
}

/// A change, as history tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// Its identity.
    pub hash: ChangeHash,
    /// The changes that it was written on.
    pub dependencies: Vec<ChangeHash>,
    /// The replica that wrote it.
    pub origin: Origin,
    /// When, by its author's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The service or user.
    pub author: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// From the JSON that it was written on to the JSON that it made.
    pub patch: Patch,
}

/// A change without what it did.
pub(super) struct Signed {
    pub(super) origin: Origin,
    pub(super) wall_ms: i64,
    pub(super) author: Option<String>,
    pub(super) message: Option<String>,
}

impl Document {
    /// The document as JSON as it was at these heads; `None` where nothing was written, or it was deleted. Costs time
    /// linear in the history.
    ///
    /// # Errors
    /// [`UnknownChange`] names one that is not here.
    pub fn json_at(&self, heads: &[ChangeHash]) -> Result<Option<Value>, UnknownChange> {
        match heads.iter().find(|hash| !self.has(hash)) {
            Some(unknown) => Err(UnknownChange(*unknown)),
            None if heads.is_empty() => Ok(None),
            None => {
                let then = View::at(self.ahead.whole(), heads);
                Ok((!then.is_deleted()).then(|| json::assemble(&then)))
            }
        }
    }

    /// The heads of what had been written by a wall time: of the changes whose own time, and that of all they depend on,
    /// is not later. Each time is of its author's clock: a change of a clock that runs ahead is left out with all that
    /// was written on it, one of a clock that runs late is taken in. It is a state that a replica could have had, not
    /// what a certain one had.
    #[must_use]
    pub fn heads_at(&self, wall_ms: i64) -> Vec<ChangeHash> {
        let mut changes = self.ahead.whole().get_changes_meta(&[]);
        changes.sort_by_key(|change| change.start_op);
        let mut written = BTreeSet::new();
        let mut heads = BTreeSet::new();
        for change in changes {
            let is_creation = lineage::creation_at(self.ahead.whole(), &change).is_some();
            let is_by_then = is_creation || change.timestamp <= wall_ms;
            if !is_by_then || !change.deps.iter().all(|hash| written.contains(hash)) {
                continue;
            }
            written.insert(change.hash);
            heads.retain(|hash| !change.deps.contains(hash));
            if !is_creation {
                heads.insert(change.hash);
            }
        }
        heads.into_iter().collect()
    }

    /// The changes of the document, newest first: none comes before one that was written on it. The order is the same
    /// at every replica. Costs a walk over the history, whatever the limit, and for each change told what the document
    /// shows; a change to the items of a list or text, or on other branches than those told before it, a read of the
    /// document as it was.
    ///
    /// # Errors
    /// [`UnknownChange`] when the change to start from is not here.
    pub fn history(&self, query: HistoryQuery) -> Result<Vec<HistoryEntry>, UnknownChange> {
        let mut changes = self.ahead.whole().get_changes_meta(&[]);
        changes.sort_unstable_by_key(|change| Reverse((change.start_op, change.hash)));
        let is_creation =
            |change: &&ChangeMetadata<'_>| lineage::creation_at(self.ahead.whole(), change).is_some();
        let creations: BTreeSet<_> = changes.iter().filter(is_creation).map(|change| change.hash).collect();
        let start = match query.before {
            None => 0,
            Some(hash) => {
                let at = changes.iter().position(|change| change.hash == hash && !creations.contains(&hash));
                at.ok_or(UnknownChange(hash))? + 1
            }
        };
        let told = changes.iter().skip(start).filter(|change| !creations.contains(&change.hash));
        let told: Vec<_> = told.take(query.limit.min(HISTORY_MAX)).collect();
        let used = told.iter().flat_map(|change| &change.deps).filter(|hash| creations.contains(hash));
        let gone_through = told.iter().map(|change| change.hash).chain(used.copied()).collect();
        let mut replay = Replay::new(self.ahead.whole(), &changes, gone_through);
        let entries = told.iter().rev().map(|change| {
            let written = change.deps.iter().filter(|hash| !creations.contains(hash));
            let dependencies: Vec<ChangeHash> = written.copied().collect();
            let patch = replay.patch(change, &dependencies);
            let Signed { origin, wall_ms, author, message } = signed(change);
            HistoryEntry { hash: change.hash, dependencies, origin, wall_ms, author, message, patch }
        });
        let mut entries: Vec<_> = entries.collect();
        entries.reverse();
        Ok(entries)
    }
}

/// Who signed a change: the first line of its text says who, the rest why.
pub(super) fn signed(change: &ChangeMetadata<'_>) -> Signed {
    let text = change.message.as_deref().unwrap_or_default();
    let (author, message) = text.split_once('\n').unwrap_or((text, ""));
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Signed {
        // Only creations have actors that are no origins.
        origin: lineage::origin(&change.actor).unwrap_or(Origin([0; 16])),
        wall_ms: change.timestamp,
        author: given(author),
        message: given(message),
    }
}

#[cfg(test)]
mod tests;
