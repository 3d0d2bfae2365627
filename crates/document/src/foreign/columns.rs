//! Column metadata of a change, and the number of values in each column, summed from run headers unexpanded.

use super::leb::Reader;
use super::{ChangeRefusal, OPERATIONS_MAX};
use crate::Origin;
use crate::entry;

const COLUMNS_MAX: u64 = 32;

/// How a column's values are written.
#[derive(Clone, Copy)]
enum Encoding {
    /// Runs of unsigned numbers.
    Unsigned,
    /// Runs of signed differences.
    Delta,
    /// Run lengths of alternating false and true.
    Boolean,
    /// Runs of length-prefixed strings.
    Text,
    /// The same; the strings are names of entries.
    Name,
    /// Bytes whose lengths stand in another column.
    Raw,
}

/// The columns of a change chunk: specification number (id, type) and encoding.
const COLUMNS: [(u64, Encoding); 14] = [
    (0x01, Encoding::Unsigned), // object, actor
    (0x02, Encoding::Unsigned), // object, counter
    (0x11, Encoding::Unsigned), // key, actor
    (0x13, Encoding::Delta),    // key, counter
    (0x15, Encoding::Name),     // key, string
    (0x34, Encoding::Boolean),  // insert
    (0x42, Encoding::Unsigned), // action
    (0x56, Encoding::Unsigned), // value, metadata
    (0x57, Encoding::Raw),      // value
    (0x70, Encoding::Unsigned), // predecessors, count
    (0x71, Encoding::Unsigned), // predecessors, actor
    (0x73, Encoding::Delta),    // predecessors, counter
    (0x94, Encoding::Boolean),  // expand
    (0xa5, Encoding::Text),     // mark name
];

/// Reads metadata and columns to the end of a change of `body_bytes` by `origin`.
pub(super) fn check(reader: &mut Reader<'_>, body_bytes: usize, origin: Origin) -> Result<(), ChangeRefusal> {
    let mut columns = Vec::new();
    let mut last = None;
    for _ in 0..reader.count(COLUMNS_MAX, "columns")? {
        let specification = reader.unsigned()?;
        if last.is_some_and(|last| last >= specification) {
            return Err(ChangeRefusal::Columns);
        }
        last = Some(specification);
        let known = COLUMNS.iter().find(|(number, _)| *number == specification);
        let (_, encoding) = known.ok_or(ChangeRefusal::Columns)?;
        columns.push((*encoding, reader.count(super::CHANGE_BYTES_MAX as u64, "bytes")?));
    }
    let short = origin.short();
    // An operation of ours names an entry of its own, which takes a byte at least: runs that claim more are a bomb.
    let values_max = OPERATIONS_MAX.min(body_bytes as u64);
    for (encoding, bytes) in columns {
        let reader = Reader::new(reader.take(bytes)?);
        Column { reader, encoding, values: 0, values_max, short: &short }.check()?;
    }
    // What follows the columns belongs to a newer Automerge, or to its `Author`, which is not used here.
    if reader.is_empty() { Ok(()) } else { Err(ChangeRefusal::Columns) }
}

struct Column<'a> {
    reader: Reader<'a>,
    encoding: Encoding,
    values: u64,
    values_max: u64,
    /// The author's short form: the only tallies that it may write.
    short: &'a str,
}

impl Column<'_> {
    fn check(mut self) -> Result<(), ChangeRefusal> {
        match self.encoding {
            Encoding::Raw => Ok(()),
            Encoding::Boolean => {
                while !self.reader.is_empty() {
                    let run = self.reader.unsigned()?;
                    self.add(run)?;
                }
                Ok(())
            }
            Encoding::Unsigned | Encoding::Delta | Encoding::Text | Encoding::Name => self.check_runs(),
        }
    }

    fn add(&mut self, count: u64) -> Result<(), ChangeRefusal> {
        let total = self.values.checked_add(count).filter(|total| *total <= self.values_max);
        self.values = total.ok_or(ChangeRefusal::TooMany("operations"))?;
        Ok(())
    }

    fn check_runs(&mut self) -> Result<(), ChangeRefusal> {
        while !self.reader.is_empty() {
            let run = self.reader.signed()?;
            let written = match run {
                0 => {
                    let nulls = self.reader.unsigned()?;
                    self.add(nulls)?;
                    0
                }
                1.. => {
                    self.add(run.unsigned_abs())?;
                    1
                }
                ..=-1 => {
                    self.add(run.unsigned_abs())?;
                    run.unsigned_abs()
                }
            };
            for _ in 0..written {
                self.check_value()?;
            }
        }
        Ok(())
    }

    fn check_value(&mut self) -> Result<(), ChangeRefusal> {
        match self.encoding {
            Encoding::Delta => self.reader.signed().map(drop),
            Encoding::Text => self.text().map(drop),
            Encoding::Name => {
                let short = self.short;
                let name = self.text()?;
                if !entry::is_within_limits(name) {
                    return Err(ChangeRefusal::Name);
                }
                let foreign = entry::split_tally(name).is_some_and(|(_, owner)| owner != short);
                if foreign { Err(ChangeRefusal::Tally) } else { Ok(()) }
            }
            Encoding::Unsigned | Encoding::Boolean | Encoding::Raw => self.reader.unsigned().map(drop),
        }
    }

    fn text(&mut self) -> Result<&str, ChangeRefusal> {
        let bytes = self.reader.count(super::CHANGE_BYTES_MAX as u64, "bytes")?;
        std::str::from_utf8(self.reader.take(bytes)?).map_err(|_| ChangeRefusal::Malformed)
    }
}
