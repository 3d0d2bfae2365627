//! Bounded counters: an origin spends and gives only rights that it holds (module `json::bounded`).

use super::{FieldKind, WriteError, Writer};
use crate::entry::Pointer;
use crate::json::{self, Field, Ledger, Special};
use crate::{Crdt, Origin};
use automerge::ScalarValue;

impl Writer<'_, '_> {
    pub(super) fn spend(&mut self, field: &Pointer, by: u64) -> Result<(), WriteError> {
        let ledger = self.ledger(field)?;
        self.spend_from(field, by, &ledger)
    }

    pub(super) fn grant(&mut self, field: &Pointer, by: u64, to: Option<Origin>) -> Result<(), WriteError> {
        let ledger = self.ledger(field)?;
        let own = self.origin;
        self.make(field, by, &ledger)?;
        match to.filter(|to| *to != own) {
            Some(to) if by > 0 => self.add_to(field, &field.grant(own, to), by),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn transfer(&mut self, field: &Pointer, to: Origin, by: u64) -> Result<(), WriteError> {
        let ledger = self.ledger(field)?;
        self.check_held(field, by, &ledger)?;
        if by == 0 || to == self.origin {
            return Ok(());
        }
        let name = field.grant(self.origin, to);
        self.add_to(field, &name, by)
    }

    /// Brings the value to a target by making or spending rights.
    pub(super) fn put_bounded(
        &mut self,
        field: &Pointer,
        target: i64,
        present: Option<&Field>,
    ) -> Result<(), WriteError> {
        let (ledger, has_entries) = self.seen(field, present);
        let by = i128::from(target) - ledger.value();
        if !has_entries && ledger.base() == Some(target) {
            return Ok(());
        }
        if !has_entries {
            return match u64::try_from(by) {
                Ok(by) => self.make_first(field, by, ledger.start()),
                Err(_) => Err(self.not_enough(field, by.unsigned_abs(), &ledger)),
            };
        }
        let amount = u64::try_from(by.unsigned_abs());
        let amount = amount.map_err(|_| WriteError::Overflow { field: field.clone() })?;
        match by {
            0 => Ok(()),
            1.. => self.make(field, amount, &ledger),
            ..0 => self.spend_from(field, amount, &ledger),
        }
    }

    /// Brings the value of a document that was deleted to a target, or without one to 0 as far as this origin holds
    /// the rights. No right is made: two who put a document back at once would both make them.
    pub(super) fn put_back_bounded(
        &mut self,
        field: &Pointer,
        target: Option<i64>,
        present: Option<&Field>,
    ) -> Result<(), WriteError> {
        let (ledger, has_entries) = self.seen(field, present);
        let start = ledger.start();
        let above = i128::from(target.unwrap_or(0).max(start)) - ledger.rights() - i128::from(start);
        let base = i64::try_from(i128::from(start) + above.max(0));
        let base = base.map_err(|_| WriteError::Overflow { field: field.clone() })?;
        let is_raised = target.is_some() && base > start;
        if (is_raised || ledger.base().is_some()) && ledger.base() != Some(base) {
            self.set(field.name(), ScalarValue::Int(base))?;
        }
        if !has_entries {
            self.make_first(field, 0, start)?;
        }
        let below = u64::try_from((-above).max(0)).unwrap_or(u64::MAX);
        let by = match target {
            Some(target) if target < start => {
                return Err(self.not_enough(field, u128::from(start.abs_diff(target)), &ledger));
            }
            Some(_) => below,
            None => below.min(ledger.held(&self.origin.short())),
        };
        self.spend_from(field, by, &ledger)
    }

    /// Takes the base away where nobody holds rights.
    pub(super) fn clear_bounded(&mut self, field: &Pointer, present: &Field) -> Result<(), WriteError> {
        let (ledger, _) = self.seen(field, Some(present));
        match ledger.base() {
            _ if ledger.rights() != 0 => {
                let kind = FieldKind::BoundedCounter;
                Err(WriteError::Unremovable { field: field.clone(), kind })
            }
            Some(base) if base > ledger.start() => self.set(field.name(), ScalarValue::Int(ledger.start())),
            Some(_) | None => Ok(()),
        }
    }

    /// What a field's entries say, and whether there are any.
    fn seen(&self, field: &Pointer, present: Option<&Field>) -> (Ledger, bool) {
        match present.and_then(|present| present.special.as_ref()) {
            Some(Special::Bounded(ledger)) => (ledger.as_ref().clone(), true),
            _ => (Ledger::without_entries(self.start(field), present.and_then(Field::base)), false),
        }
    }

    /// What the counter's entries say, after the first of them were put.
    fn ledger(&mut self, field: &Pointer) -> Result<Ledger, WriteError> {
        let survey = self.require(field, FieldKind::BoundedCounter)?;
        if survey.has_plain {
            self.keep_base(field)?;
        }
        if survey.kind.is_none() {
            self.make_first(field, 0, self.start(field))?;
        }
        Ok(json::ledger(&self.draft.shown(), field))
    }

    /// Where a counter without entries starts.
    fn start(&self, field: &Pointer) -> i64 {
        match self.schema_says(field) {
            Crdt::BoundedCounter { minimum } => minimum,
            Crdt::Register | Crdt::Counter | Crdt::Set | Crdt::Map | Crdt::List | Crdt::Text => 0,
        }
    }

    /// The first rights, with where the counter starts.
    fn make_first(&mut self, field: &Pointer, by: u64, start: i64) -> Result<(), WriteError> {
        if start != 0 {
            self.set(&field.bound(), ScalarValue::Int(start))?;
        }
        // Written also when nothing is made: so the counter exists.
        let made = i64::try_from(by).map_err(|_| WriteError::Overflow { field: field.clone() })?;
        self.set(&field.grant(self.origin, self.origin), ScalarValue::Int(made))
    }

    fn make(&mut self, field: &Pointer, by: u64, ledger: &Ledger) -> Result<(), WriteError> {
        if by == 0 {
            return Ok(());
        }
        if i64::try_from(ledger.value() + i128::from(by)).is_err() {
            return Err(WriteError::Overflow { field: field.clone() });
        }
        let name = field.grant(self.origin, self.origin);
        self.add_to(field, &name, by)
    }

    fn spend_from(&mut self, field: &Pointer, by: u64, ledger: &Ledger) -> Result<(), WriteError> {
        self.check_held(field, by, ledger)?;
        if by == 0 {
            return Ok(());
        }
        let name = field.spend(self.origin);
        self.add_to(field, &name, by)
    }

    fn check_held(&self, field: &Pointer, by: u64, ledger: &Ledger) -> Result<(), WriteError> {
        match by.checked_sub(ledger.held(&self.origin.short())) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(self.not_enough(field, u128::from(missing), ledger)),
        }
    }

    fn not_enough(&self, field: &Pointer, missing: u128, ledger: &Ledger) -> WriteError {
        let holders = ledger.holders_besides(&self.origin.short());
        let missing = u64::try_from(missing).unwrap_or(u64::MAX);
        WriteError::NotEnough { field: field.clone(), missing, holders }
    }

    fn add_to(&mut self, field: &Pointer, name: &str, by: u64) -> Result<(), WriteError> {
        let total = i128::from(self.number(name)?.unwrap_or(0)) + i128::from(by);
        let total = i64::try_from(total).map_err(|_| WriteError::Overflow { field: field.clone() })?;
        self.set(name, ScalarValue::Int(total))
    }
}
