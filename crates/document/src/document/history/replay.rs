//! Changes of a document one after another, each with what it was written on and what it made.
//!
//! What a change was written on is mostly what another one of the same page made, or a join of such: it is made from
//! there. Only where a page begins, and at changes to lists and texts, the document is read as it was.

use super::state::{State, read_sequence};
use crate::ChangeHash;
use crate::entry::SequenceKind;
use crate::json::{self, Contents};
use automerge::{Automerge, ChangeMetadata, ExpandedChange};
use json_patch::Patch;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Moments that are kept for the changes that follow: as many as replicas that write a document at the same time.
const KEPT_MAX: usize = 64;
/// Their entries, all together.
const KEPT_ENTRIES_MAX: usize = 64 * 1024;

/// A document at some heads.
struct Moment {
    heads: Vec<ChangeHash>,
    state: State,
    /// Items of its lists, and its texts, by the names of their entries.
    sequences: BTreeMap<(SequenceKind, String), Value>,
    /// Null where nothing was written, or it was deleted.
    json: Value,
}

impl Contents for (&State, &BTreeMap<(SequenceKind, String), Value>) {
    fn plain(&self, name: &str) -> Option<Value> {
        self.0.plain(name)
    }

    fn items(&self, name: &str) -> Vec<Value> {
        let items = self.1.get(&(SequenceKind::List, name.to_owned())).and_then(Value::as_array);
        items.cloned().unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        let text = self.1.get(&(SequenceKind::Text, name.to_owned())).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }
}

/// Goes through changes, each after what it depends on.
pub(super) struct Replay<'a> {
    document: &'a Automerge,
    /// All changes of the document, each before what it depends on.
    changes: &'a [ChangeMetadata<'a>],
    /// What the changes did that are gone through.
    written: BTreeMap<ChangeHash, ExpandedChange>,
    /// The one used longest ago comes first.
    kept: VecDeque<Rc<Moment>>,
}

impl<'a> Replay<'a> {
    /// For going through these changes.
    pub(super) fn new(
        document: &'a Automerge,
        changes: &'a [ChangeMetadata<'a>],
        gone_through: BTreeSet<ChangeHash>,
    ) -> Self {
        // What cannot be written again is read as it was.
        let read = || document.bundle(gone_through).ok()?.to_changes().ok();
        let read = catch_unwind(AssertUnwindSafe(read)).ok().flatten().unwrap_or_default();
        let written = read.iter().map(|change| (change.hash(), change.decode())).collect();
        Self { document, changes, written, kept: VecDeque::new() }
    }

    /// From what a change was written on, which has the heads `on`, to what it made.
    pub(super) fn patch(&mut self, change: &ChangeMetadata<'_>, on: &[ChangeHash]) -> Patch {
        let before = self.moment(on);
        let after = self.after(&before, change);
        let patch = json_patch::diff(&before.json, &after.json);
        self.keep(after);
        patch
    }

    fn after(&self, before: &Moment, change: &ChangeMetadata<'_>) -> Rc<Moment> {
        let heads = vec![change.hash];
        let creations = change.deps.iter().filter(|hash| !before.heads.contains(hash));
        let applied: Option<Vec<_>> =
            creations.chain([&change.hash]).map(|hash| self.written.get(hash)).collect();
        let Some(applied) = applied else { return self.read(heads) };
        let mut state = before.state.clone();
        let changes_items = applied.into_iter().fold(false, |changes, change| state.apply(change) | changes);
        let sequences = if changes_items { BTreeMap::new() } else { before.sequences.clone() };
        self.shown(heads, state, sequences)
    }

    fn moment(&mut self, heads: &[ChangeHash]) -> Rc<Moment> {
        let moment = match self.kept(heads) {
            Some(kept) => kept,
            None => self.join(heads),
        };
        self.keep(Rc::clone(&moment));
        moment
    }

    /// Takes one out of those that are kept.
    fn kept(&mut self, heads: &[ChangeHash]) -> Option<Rc<Moment>> {
        let at = self.kept.iter().position(|moment| moment.heads == heads)?;
        self.kept.remove(at)
    }

    fn keep(&mut self, moment: Rc<Moment>) {
        self.kept.push_back(moment);
        let mut entries: usize = self.kept.iter().map(|moment| moment.state.entries_count()).sum();
        while self.kept.len() > KEPT_MAX || entries > KEPT_ENTRIES_MAX && self.kept.len() > 1 {
            let Some(oldest) = self.kept.pop_front() else { return };
            entries -= oldest.state.entries_count();
        }
    }

    fn join(&self, heads: &[ChangeHash]) -> Rc<Moment> {
        let (mut state, mut unknown) = (None::<State>, Vec::new());
        for head in heads {
            match self.kept.iter().find(|moment| moment.heads == [*head]) {
                None => unknown.push(*head),
                Some(moment) => match &mut state {
                    None => state = Some(moment.state.clone()),
                    Some(state) => state.join(&moment.state),
                },
            }
        }
        match state {
            None => self.read(unknown),
            Some(mut state) => {
                if !unknown.is_empty() {
                    state.join(&State::at(self.document, self.changes, &unknown));
                }
                self.shown(heads.to_vec(), state, BTreeMap::new())
            }
        }
    }

    fn read(&self, heads: Vec<ChangeHash>) -> Rc<Moment> {
        let state = match heads.as_slice() {
            [] => State::default(),
            heads => State::at(self.document, self.changes, heads),
        };
        self.shown(heads, state, BTreeMap::new())
    }

    fn shown(
        &self,
        heads: Vec<ChangeHash>,
        state: State,
        mut sequences: BTreeMap<(SequenceKind, String), Value>,
    ) -> Rc<Moment> {
        for (kind, name) in state.sequences() {
            let read = || read_sequence(self.document, &heads, (kind, name));
            sequences.entry((kind, name.to_owned())).or_insert_with(read);
        }
        let json = if heads.is_empty() || state.is_deleted() {
            Value::Null
        } else {
            json::assemble_entries(&(&state, &sequences), state.shown())
        };
        Rc::new(Moment { heads, state, sequences, json })
    }
}
