//! Bounded counters: an origin spends and gives only rights that it holds (module `json::bounded`).

use super::{FieldKind, WriteError, Writer};
use crate::entry::Pointer;
use crate::json::{self, Ledger};
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
        ledger: Option<&Ledger>,
    ) -> Result<(), WriteError> {
        let Some(ledger) = ledger else {
            let start = self.start(field);
            let by = i128::from(target) - i128::from(start);
            return match u64::try_from(by) {
                Ok(by) => self.make_first(field, by, start),
                Err(_) => Err(self.not_enough(field, by.unsigned_abs(), &Ledger::default())),
            };
        };
        let by = i128::from(target) - ledger.value();
        let amount = u64::try_from(by.unsigned_abs());
        let amount = amount.map_err(|_| WriteError::Overflow { field: field.clone() })?;
        match by {
            0 => Ok(()),
            1.. => self.make(field, amount, ledger),
            ..0 => self.spend_from(field, amount, ledger),
        }
    }

    /// Spends what this origin holds, as far as the value is above 0.
    pub(super) fn spend_all(&mut self, field: &Pointer, ledger: &Ledger) -> Result<(), WriteError> {
        let above = u64::try_from(ledger.value().max(0)).unwrap_or(u64::MAX);
        let held = ledger.held(&self.origin.short());
        self.spend_from(field, held.min(above), ledger)
    }

    /// What the counter's entries say. A plain number that was there before becomes rights of this origin.
    fn ledger(&mut self, field: &Pointer) -> Result<Ledger, WriteError> {
        if self.require(field, FieldKind::BoundedCounter)?.kind.is_none() {
            let start = self.start(field);
            let plain = self.take_plain(field)?.and_then(|plain| plain.as_i64());
            let above = plain.map_or(0, |plain| i128::from(plain) - i128::from(start));
            self.make_first(field, u64::try_from(above.max(0)).unwrap_or(0), start)?;
        } else {
            self.take_plain(field)?;
        }
        Ok(json::ledger(self.transaction, field))
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
