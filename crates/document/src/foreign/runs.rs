//! The values of one column, read one after another: runs are never expanded.
//!
//! Automerge writes a column again from its values when it saves or sends, so a column that is not written as it
//! writes it makes a change that comes back as another one. Only its own form is accepted: no run could be longer, none
//! is empty, and a column that says nothing is left out.

use super::ChangeRefusal;
use super::leb::Reader;

/// A column of runs: repeated values, values one by one, nulls.
pub(super) struct Runs<'a, V> {
    reader: Reader<'a>,
    read: fn(&mut Reader<'a>) -> Result<V, ChangeRefusal>,
    run: Run<V>,
    /// Rows that runs may still claim.
    rows_left: u64,
    /// A column that is left out has nulls without end.
    is_left_out: bool,
    /// Whether any value was no null.
    says_something: bool,
}

enum Run<V> {
    Start,
    Repeated { value: V, left: u64 },
    Listed { last: V, left: u64 },
    Nulls { left: u64 },
}

impl<'a, V: Copy + PartialEq> Runs<'a, V> {
    /// The column in `bytes`, of at most `rows_max` rows.
    pub(super) fn new(
        bytes: &'a [u8],
        rows_max: u64,
        read: fn(&mut Reader<'a>) -> Result<V, ChangeRefusal>,
    ) -> Self {
        Self {
            reader: Reader::new(bytes),
            read,
            run: Run::Start,
            rows_left: rows_max,
            is_left_out: bytes.is_empty(),
            says_something: bytes.is_empty(),
        }
    }

    /// The next row.
    pub(super) fn row(&mut self) -> Result<Option<V>, ChangeRefusal> {
        match &mut self.run {
            Run::Repeated { value, left } if *left > 0 => {
                *left -= 1;
                Ok(Some(*value))
            }
            Run::Listed { last, left } if *left > 0 => {
                *left -= 1;
                let value = (self.read)(&mut self.reader)?;
                if value == *last {
                    return Err(ChangeRefusal::Malformed);
                }
                *last = value;
                Ok(Some(value))
            }
            Run::Nulls { left } if *left > 0 => {
                *left -= 1;
                Ok(None)
            }
            Run::Start | Run::Repeated { .. } | Run::Listed { .. } | Run::Nulls { .. } => {
                if self.is_left_out { Ok(None) } else { self.first_of_run() }
            }
        }
    }

    fn first_of_run(&mut self) -> Result<Option<V>, ChangeRefusal> {
        let run = self.reader.signed()?;
        let rows = match run {
            0 => self.reader.unsigned()?,
            _ => run.unsigned_abs(),
        };
        self.rows_left = self.rows_left.checked_sub(rows).ok_or(ChangeRefusal::TooMany("operations"))?;
        let Some(left) = rows.checked_sub(1) else { return Err(ChangeRefusal::Malformed) };
        if run == 0 {
            let is_joined = matches!(self.run, Run::Nulls { .. });
            self.run = Run::Nulls { left };
            return if is_joined { Err(ChangeRefusal::Malformed) } else { Ok(None) };
        }
        self.says_something = true;
        let value = (self.read)(&mut self.reader)?;
        let joins = match &self.run {
            Run::Start | Run::Nulls { .. } => false,
            Run::Repeated { value: before, .. } => *before == value,
            // Two lists would be one.
            Run::Listed { last, .. } => *last == value || run < 0,
        };
        if joins || run == 1 {
            return Err(ChangeRefusal::Malformed);
        }
        self.run = if run < 0 { Run::Listed { last: value, left } } else { Run::Repeated { value, left } };
        Ok(Some(value))
    }

    /// Whether no row is left.
    pub(super) fn is_at_end(&self) -> bool {
        let left = match self.run {
            Run::Start => 0,
            Run::Repeated { left, .. } | Run::Listed { left, .. } | Run::Nulls { left } => left,
        };
        left == 0 && self.reader.is_empty()
    }

    /// Checks that all was read, and that it was worth a column.
    pub(super) fn finish(&self) -> Result<(), ChangeRefusal> {
        if self.is_at_end() && self.says_something { Ok(()) } else { Err(ChangeRefusal::Malformed) }
    }
}

/// A column of runs of differences, each to the number before it.
pub(super) struct Differences<'a> {
    runs: Runs<'a, i64>,
    last: i64,
}

impl<'a> Differences<'a> {
    pub(super) fn new(bytes: &'a [u8], rows_max: u64) -> Self {
        Self { runs: Runs::new(bytes, rows_max, Reader::signed), last: 0 }
    }

    /// The next row: numbers from 0 to the highest of an operation.
    pub(super) fn row(&mut self) -> Result<Option<u64>, ChangeRefusal> {
        let Some(difference) = self.runs.row()? else { return Ok(None) };
        self.last = self.last.checked_add(difference).ok_or(ChangeRefusal::Numbering)?;
        let number = u64::try_from(self.last).ok();
        let number = number.filter(|number| *number <= super::OPERATION_COUNTER_MAX);
        number.map(Some).ok_or(ChangeRefusal::Numbering)
    }

    pub(super) fn finish(&self) -> Result<(), ChangeRefusal> {
        self.runs.finish()
    }
}

/// A column of run lengths, of false and true by turns.
pub(super) struct Booleans<'a> {
    reader: Reader<'a>,
    value: bool,
    left: u64,
    rows_left: u64,
    is_first: bool,
}

impl<'a> Booleans<'a> {
    pub(super) fn new(bytes: &'a [u8], rows_max: u64) -> Self {
        Self { reader: Reader::new(bytes), value: true, left: 0, rows_left: rows_max, is_first: true }
    }

    /// The next row.
    pub(super) fn row(&mut self) -> Result<bool, ChangeRefusal> {
        while self.left == 0 {
            self.left = self.reader.unsigned()?;
            self.rows_left =
                self.rows_left.checked_sub(self.left).ok_or(ChangeRefusal::TooMany("operations"))?;
            if self.left == 0 && !self.is_first {
                return Err(ChangeRefusal::Malformed);
            }
            (self.value, self.is_first) = (!self.value, false);
        }
        self.left -= 1;
        Ok(self.value)
    }

    pub(super) fn finish(&self) -> Result<(), ChangeRefusal> {
        if self.left == 0 && self.reader.is_empty() { Ok(()) } else { Err(ChangeRefusal::Malformed) }
    }
}
