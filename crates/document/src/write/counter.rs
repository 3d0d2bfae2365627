//! Counters: every origin adds to a tally of its own, on a base that all share.
//!
//! A counter's value is its base, the whole number in the plain entry at the field's own name, plus all tallies; a
//! bounded counter's its base, or its start where that is higher, plus everybody's rights. The base is a register: of
//! values put at once the last writer's counts, and the others are conflicts. What is no whole number counts as 0 and
//! goes with the next write.
//!
//! | what | counter | bounded counter |
//! |---|---|---|
//! | a plain number becomes a counter | the number stays, as the base; nothing is converted | the same; the base is nobody's right: what is to be spent is granted |
//! | at two sites at once | the base counts once, and so does each increment | the base counts once, and so does each grant |
//! | a put of what is there already | writes nothing | writes nothing |
//! | a put, with or without a base | the difference, to the own tally: puts at once add up | the difference is made, or spent of the own rights |
//! | the first put of a field, nothing there | the own tally: cut-off sites that both count add up | own rights |
//! | a plain put that knows of no counter | a new base; increments it did not know of count beside it | a new base; rights stay as they are |
//! | a plain removal that knows of no counter | takes the base away, the tallies stay | the same, rights stay |
//! | a put after a deletion, also at two sites at once | base = value wanted − tallies seen: one of the values holds, and increments that it did not see count on it | what the value has above all rights becomes the base, what it has below is spent of the own rights; no right is made |
//! | the same, the field left out | as a put of 0 | as a put of 0, as far as this origin holds the rights |
//! | clear | as a put of 0 after a deletion | refused while anybody holds rights, else the base goes: `clear` and `grant` in one call make rights of a plain number |
//!
//! So a number that a bounded counter shows may be spent only as far as somebody granted it: rights come from grants, and
//! from puts on a document that is there, each written by its maker alone, and never from what two sites both see.

use super::{FieldKind, WriteError, Writer};
use crate::entry::Pointer;
use crate::json::{self, Contents as _, Field, Special};
use automerge::ScalarValue;

impl Writer<'_, '_> {
    pub(super) fn increment(&mut self, field: &Pointer, by: i64) -> Result<(), WriteError> {
        if self.require(field, FieldKind::Counter)?.has_plain {
            self.keep_base(field)?;
        }
        self.tally(field, i128::from(by), true)
    }

    /// Brings the value to a target by the own tally.
    pub(super) fn put_counter(
        &mut self,
        field: &Pointer,
        target: i64,
        present: Option<&Field>,
    ) -> Result<(), WriteError> {
        let (base, tallies) = (present.and_then(Field::base), tallies(present));
        let value = i128::from(base.unwrap_or(0)) + tallies.unwrap_or(0);
        let is_first = base.is_none() && tallies.is_none();
        self.tally(field, i128::from(target) - value, is_first)
    }

    /// Brings the value to a target by the base, so that of several who do so at once one does.
    pub(super) fn rebase(
        &mut self,
        field: &Pointer,
        target: i64,
        present: Option<&Field>,
    ) -> Result<(), WriteError> {
        let (base, tallies) = (present.and_then(Field::base), tallies(present));
        let wanted = i128::from(target) - tallies.unwrap_or(0);
        if i128::from(base.unwrap_or(0)) != wanted {
            let wanted = i64::try_from(wanted).map_err(|_| WriteError::Overflow { field: field.clone() })?;
            self.set(field.name(), ScalarValue::Int(wanted))?;
        }
        // It tells without a schema that a counter is here.
        if tallies.is_none() { self.tally(field, 0, true) } else { Ok(()) }
    }

    /// Takes away a plain value that is no base.
    pub(super) fn keep_base(&mut self, field: &Pointer) -> Result<(), WriteError> {
        match self.draft.shown().plain(field.name()) {
            Some(plain) if json::count(&plain).is_none() => self.delete(field.name()),
            Some(_) | None => Ok(()),
        }
    }

    /// The kind of counter that a field is: its entries tell, or of a plain whole number the schema.
    pub(super) fn counter_at(&self, pointer: &Pointer, field: &Field) -> Option<FieldKind> {
        let stored = field.special.as_ref().map(super::put::kind_of_special);
        let meant = || field.base().and_then(|_| super::kind_of(self.schema_says(pointer)));
        let kind = if field.special.is_some() { stored } else { meant() };
        kind.filter(|kind| matches!(kind, FieldKind::Counter | FieldKind::BoundedCounter))
    }

    /// Adds to this origin's tally. `even_zero` writes a tally that does not change, so that the counter exists.
    pub(super) fn tally(&mut self, field: &Pointer, by: i128, even_zero: bool) -> Result<(), WriteError> {
        let name = field.tally(self.origin);
        let share = self.number(&name)?;
        if by == 0 && (share.is_some() || !even_zero) {
            return Ok(());
        }
        let total = i128::from(share.unwrap_or(0)) + by;
        let total = i64::try_from(total).map_err(|_| WriteError::Overflow { field: field.clone() })?;
        self.set(&name, ScalarValue::Int(total))
    }

    /// The whole number at an entry.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, WriteError> {
        self.draft.number(name)
    }
}

fn tallies(field: Option<&Field>) -> Option<i128> {
    match field?.special {
        Some(Special::Counter(tallies)) => Some(tallies),
        _ => None,
    }
}
