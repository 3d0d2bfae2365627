//! Which changes are before which: among those that are checked, and between those and the document.

use super::{ApplyReason, Candidate, creation_at};
use crate::{ChangeHash, Origin};
use automerge::Automerge;
use std::collections::{BTreeMap, BTreeSet};

/// A set of small numbers.
#[derive(Clone, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn insert(&mut self, bit: usize) {
        let word = bit / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (bit % 64);
        }
    }

    fn contains(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|bits| bits & 1 << (bit % 64) != 0)
    }

    fn add_all(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(bits, more)| *bits |= more);
    }

    fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }
}

struct Member {
    author: Origin,
    document_sequence: u64,
    /// Number of its last operation.
    end: u64,
    /// Members before it.
    before: Bits,
    /// Heads of the document that are before it.
    heads: Bits,
    /// Changes of the document that it directly depends on.
    in_base: Vec<ChangeHash>,
}

/// The changes that are checked together.
pub(super) struct Ancestry<'a> {
    base: &'a Automerge,
    heads: Vec<ChangeHash>,
    members: Vec<Member>,
    by_hash: BTreeMap<ChangeHash, usize>,
    /// Changes of the document that are not before a member, for the last member that was asked about.
    not_before: Option<(usize, BTreeSet<ChangeHash>)>,
}

impl<'a> Ancestry<'a> {
    pub(super) fn new(base: &'a Automerge) -> Self {
        let (members, by_hash) = (Vec::new(), BTreeMap::new());
        Self { base, heads: base.get_heads(), members, by_hash, not_before: None }
    }

    /// Adds a change; returns its number, and what it depends on that is not there or creates a sequence. Refuses a
    /// change whose numbers do not follow those of everything that it depends on.
    pub(super) fn add(&mut self, change: &Candidate<'_>) -> Result<(usize, Vec<ChangeHash>), ApplyReason> {
        let header = &change.header;
        let mut member = Member {
            author: header.author(),
            document_sequence: header.document_sequence,
            end: 0,
            before: Bits::default(),
            heads: Bits::default(),
            in_base: Vec::new(),
        };
        let mut pending = Vec::new();
        // The author's last change is among the dependencies always.
        let (mut end_before, mut sequence_before) = (0, 0);
        for hash in &header.dependencies {
            let (author, sequence, end) = if let Some((number, before)) = self.member(hash) {
                member.before.add_all(&before.before);
                member.heads.add_all(&before.heads);
                member.before.insert(number);
                (Some(before.author), before.document_sequence, before.end)
            } else if let Some(meta) = self.base.get_change_meta_by_hash(hash) {
                if creation_at(self.base, &meta).is_some() {
                    pending.push(*hash);
                }
                if let Ok(head) = self.heads.binary_search(hash) {
                    member.heads.insert(head);
                }
                member.in_base.push(*hash);
                (super::origin(&meta.actor), meta.seq, meta.max_op)
            } else {
                pending.push(*hash);
                (None, 0, 1)
            };
            end_before = end.max(end_before);
            if author == Some(member.author) {
                sequence_before = sequence.max(sequence_before);
            }
        }
        let follows =
            header.first_operation == end_before + 1 && header.document_sequence == sequence_before + 1;
        if !follows {
            let is_missing = pending.iter().any(|hash| self.base.get_change_meta_by_hash(hash).is_none());
            return Err(if is_missing { ApplyReason::MissingDependency } else { ApplyReason::Misfit });
        }
        let number = self.members.len();
        self.by_hash.insert(change.hash, number);
        self.members.push(member);
        Ok((number, pending))
    }

    fn member(&self, hash: &ChangeHash) -> Option<(usize, &Member)> {
        let number = *self.by_hash.get(hash)?;
        Some((number, self.members.get(number)?))
    }

    /// Tells the number of a member's last operation.
    pub(super) fn end(&mut self, number: usize, end: u64) {
        if let Some(member) = self.members.get_mut(number) {
            member.end = end;
        }
    }

    /// Whether a member is another, or before it.
    pub(super) fn is_before(&self, earlier: usize, number: usize) -> bool {
        earlier == number || self.members.get(number).is_some_and(|member| member.before.contains(earlier))
    }

    /// Whether a change of the document is before a member.
    pub(super) fn has_before(&mut self, hash: &ChangeHash, number: usize) -> bool {
        let Some(member) = self.members.get(number) else { return false };
        if member.heads.len() == self.heads.len() {
            return true;
        }
        if self.not_before.as_ref().is_none_or(|(known, _)| *known != number) {
            let members = self.members.iter().enumerate();
            let before = members.filter(|(earlier, _)| self.is_before(*earlier, number));
            let known: Vec<ChangeHash> =
                before.flat_map(|(_, member)| member.in_base.iter().copied()).collect();
            let others = self.base.get_changes_meta(&known).into_iter().map(|meta| meta.hash).collect();
            self.not_before = Some((number, others));
        }
        self.not_before.as_ref().is_some_and(|(_, others)| !others.contains(hash))
    }
}

#[cfg(test)]
mod tests;
