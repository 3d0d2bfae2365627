//! Lists and texts: which are there, and which operation is at which of their elements.

use super::ancestry::Ancestry;
use super::{ApplyReason, actor, origin};
use crate::entry::SequenceKind;
use crate::foreign::{Action, Operation, OperationId, Place};
use crate::sequence::{self, Creation};
use crate::{ChangeHash, Origin};
use automerge::legacy::{Key, ObjectId, OpType};
use automerge::{Automerge, ChangeMetadata, ObjId, ObjType, ReadDoc as _};
use std::collections::BTreeMap;

/// Where an operation comes from.
#[derive(Clone, Copy)]
pub(super) enum Maker {
    /// From the change of this number, of those that are checked.
    Candidate(usize),
    /// From a change of the document.
    Base(ChangeHash),
}

/// An operation in a sequence.
#[derive(Clone, Copy)]
struct Placed {
    sequence: Origin,
    /// The operation that inserted the element.
    element: OperationId,
    is_delete: bool,
    maker: Maker,
}

struct Sequence {
    kind: SequenceKind,
    creation: Creation,
    /// Whether the document has it.
    is_in_base: bool,
    /// The checked changes that depend on its creation.
    makers: Vec<usize>,
}

/// The sequences of a document and of changes to it. What the document has is read when it is asked for.
pub(super) struct Sequences<'a> {
    base: &'a Automerge,
    /// By the author of the creation.
    known: BTreeMap<Origin, Sequence>,
    /// Of the changes that are checked, and of what they name in the document.
    placed: BTreeMap<OperationId, Placed>,
}

impl<'a> Sequences<'a> {
    pub(super) fn new(base: &'a Automerge) -> Self {
        Self { base, known: BTreeMap::new(), placed: BTreeMap::new() }
    }

    /// The creations that the document has not.
    pub(super) fn into_chunks(self) -> Vec<Vec<u8>> {
        let new = self.known.into_values().filter(|sequence| !sequence.is_in_base);
        new.map(|sequence| sequence.creation.chunk).collect()
    }

    /// Checks that every sequence which a change marks is created by then; returns the creations, by their hashes.
    pub(super) fn check_marks(
        &mut self,
        marked: &[(SequenceKind, &str)],
        number: usize,
        dependencies: &[ChangeHash],
        ancestry: &mut Ancestry<'_>,
    ) -> Result<Vec<ChangeHash>, ApplyReason> {
        let mut hashes = Vec::new();
        for (kind, name) in marked {
            let author = origin(&sequence::actor(*kind, name)).ok_or(ApplyReason::Misfit)?;
            if self.sequence(author).is_none() {
                let creation = sequence::creation(*kind, name);
                let made = Sequence { kind: *kind, creation, is_in_base: false, makers: Vec::new() };
                self.known.insert(author, made);
            }
            let sequence = self.known.get_mut(&author).ok_or(ApplyReason::Misfit)?;
            if dependencies.contains(&sequence.creation.hash) {
                sequence.makers.push(number);
            }
            hashes.push(sequence.creation.hash);
            self.check_created(author, number, ancestry)?;
        }
        Ok(hashes)
    }

    /// Checks an operation in a sequence.
    pub(super) fn check(
        &mut self,
        number: usize,
        operation: Operation<'_>,
        replaced: &[OperationId],
        ancestry: &mut Ancestry<'_>,
    ) -> Result<(), ApplyReason> {
        let Place::Element { sequence, element } = operation.place else { return Err(ApplyReason::Misfit) };
        let kind = self.check_created(sequence, number, ancestry)?;
        let is_allowed = match (kind, operation.action) {
            (SequenceKind::List, _) | (SequenceKind::Text, Action::Delete) => true,
            (SequenceKind::Text, Action::Insert(scalar)) => scalar.is_character(),
            (SequenceKind::Text, Action::Put(_)) => false,
        };
        if !is_allowed {
            return Err(ApplyReason::Misfit);
        }
        if let Some(element) = element {
            let is_element = |placed: Placed| placed.element == element && !placed.is_delete;
            if !self.is_placed(element, sequence, number, ancestry, is_element) {
                return Err(ApplyReason::Misfit);
            }
        }
        for replaced in replaced {
            let is_at_element = |placed: Placed| Some(placed.element) == element && !placed.is_delete;
            if !self.is_placed(*replaced, sequence, number, ancestry, is_at_element) {
                return Err(ApplyReason::Misfit);
            }
        }
        self.add(operation, Maker::Candidate(number));
        Ok(())
    }

    /// Checks that a sequence is created by then.
    pub(super) fn check_created(
        &mut self,
        author: Origin,
        number: usize,
        ancestry: &mut Ancestry<'_>,
    ) -> Result<SequenceKind, ApplyReason> {
        let sequence = self.sequence(author).ok_or(ApplyReason::Misfit)?;
        let is_created = sequence.makers.iter().any(|maker| ancestry.is_before(*maker, number))
            || sequence.is_in_base && ancestry.has_before(&sequence.creation.hash, number);
        if is_created { Ok(sequence.kind) } else { Err(ApplyReason::Misfit) }
    }

    fn sequence(&mut self, author: Origin) -> Option<&Sequence> {
        if !self.known.contains_key(&author) {
            let hash = self.base.hash_for_opid(&ObjId::Id(1, actor(author), 0))?;
            let (kind, creation) = creation_at(self.base, &self.base.get_change_meta_by_hash(&hash)?)?;
            let found = Sequence { kind, creation, is_in_base: true, makers: Vec::new() };
            self.known.insert(author, found);
        }
        self.known.get(&author)
    }

    /// Whether an operation is in this sequence, as `is_right` wants it, and before the change of this number.
    fn is_placed(
        &mut self,
        operation: OperationId,
        sequence: Origin,
        number: usize,
        ancestry: &mut Ancestry<'_>,
        is_right: impl Fn(Placed) -> bool,
    ) -> bool {
        let placed = self.placed.get(&operation).copied();
        placed.is_some_and(|placed| {
            placed.sequence == sequence && is_right(placed) && ancestry.is_maker_before(placed.maker, number)
        })
    }

    /// Adds an operation of a change that is checked, or of one of the document that is read.
    pub(super) fn add(&mut self, operation: Operation<'_>, maker: Maker) {
        let Place::Element { sequence, element } = operation.place else { return };
        let is_delete = operation.action == Action::Delete;
        let element = match operation.action {
            Action::Insert(_) => operation.id,
            Action::Put(_) | Action::Delete => element.unwrap_or(operation.id),
        };
        self.placed.insert(operation.id, Placed { sequence, element, is_delete, maker });
    }
}

/// The creation of a sequence, when a change is one.
pub(in crate::document) fn creation_at(
    document: &Automerge,
    change: &ChangeMetadata<'_>,
) -> Option<(SequenceKind, Creation)> {
    let is_like_one = change.deps.is_empty() && (change.seq, change.max_op, change.timestamp) == (1, 1, 0);
    if !is_like_one {
        return None;
    }
    let made = document.get_change_by_hash(&change.hash)?.decode();
    let operation = made.operations.first()?;
    let (ObjectId::Root, Key::Map(name)) = (&operation.obj, &operation.key) else { return None };
    let kind = match operation.action {
        OpType::Make(ObjType::List) => SequenceKind::List,
        OpType::Make(ObjType::Text) => SequenceKind::Text,
        OpType::Make(ObjType::Map | ObjType::Table)
        | OpType::Put(_)
        | OpType::Delete
        | OpType::Increment(_)
        | OpType::MarkBegin(..)
        | OpType::MarkEnd(_) => return None,
    };
    let creation = sequence::creation(kind, name.as_str());
    (creation.hash == change.hash).then_some((kind, creation))
}
