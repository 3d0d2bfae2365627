//! Counters: every origin adds to a tally of its own.

use super::{FieldKind, WriteError, Writer};
use crate::entry::Pointer;
use automerge::{ROOT, ReadDoc as _, ScalarValue};

impl Writer<'_, '_> {
    pub(super) fn increment(&mut self, field: &Pointer, by: i64) -> Result<(), WriteError> {
        let survey = self.require(field, FieldKind::Counter)?;
        let plain = if survey.has_plain { self.take_plain(field)? } else { None };
        let plain = plain.filter(|_| survey.kind.is_none()).and_then(|plain| plain.as_i64()).unwrap_or(0);
        let by = i128::from(by) + i128::from(plain);
        self.tally(field, by, true)
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
        match self.transaction.get(ROOT, name) {
            Ok(Some((automerge::Value::Scalar(number), _))) => Ok(number.as_i64()),
            Ok(_) => Ok(None),
            Err(_) => Err(WriteError::Document),
        }
    }
}
