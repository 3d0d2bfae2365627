//! Column metadata of a change, and the number of values in each column, summed from run headers unexpanded.

use super::leb::Reader;
use super::{ChangeRefusal, OPERATIONS_MAX};

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
    /// Bytes whose lengths stand in another column.
    Raw,
}

/// The columns of a change chunk: specification number (id, type) and encoding.
const COLUMNS: [(u64, Encoding); 14] = [
    (0x01, Encoding::Unsigned), // object, actor
    (0x02, Encoding::Unsigned), // object, counter
    (0x11, Encoding::Unsigned), // key, actor
    (0x13, Encoding::Delta),    // key, counter
    (0x15, Encoding::Text),     // key, string
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

/// Reads metadata and columns to the end of the change.
pub(super) fn check(reader: &mut Reader<'_>) -> Result<(), ChangeRefusal> {
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
    for (encoding, bytes) in columns {
        let mut column = Reader::new(reader.take(bytes)?);
        match encoding {
            Encoding::Raw => {}
            Encoding::Boolean => check_boolean(&mut column)?,
            Encoding::Unsigned | Encoding::Delta | Encoding::Text => check_runs(&mut column, encoding)?,
        }
    }
    // What follows the columns belongs to a newer Automerge, or to its `Author`, which is not used here.
    if reader.is_empty() { Ok(()) } else { Err(ChangeRefusal::Columns) }
}

fn add(total: u64, count: u64) -> Result<u64, ChangeRefusal> {
    total.checked_add(count).filter(|sum| *sum <= OPERATIONS_MAX).ok_or(ChangeRefusal::TooMany("operations"))
}

fn check_boolean(column: &mut Reader<'_>) -> Result<(), ChangeRefusal> {
    let mut total = 0;
    while !column.is_empty() {
        total = add(total, column.unsigned()?)?;
    }
    Ok(())
}

fn check_runs(column: &mut Reader<'_>, encoding: Encoding) -> Result<(), ChangeRefusal> {
    let mut total = 0;
    while !column.is_empty() {
        let run = column.signed()?;
        let values = match run {
            0 => {
                total = add(total, column.unsigned()?)?;
                0
            }
            1.. => {
                total = add(total, run.unsigned_abs())?;
                1
            }
            ..=-1 => {
                total = add(total, run.unsigned_abs())?;
                run.unsigned_abs()
            }
        };
        for _ in 0..values {
            skip_value(column, encoding)?;
        }
    }
    Ok(())
}

fn skip_value(column: &mut Reader<'_>, encoding: Encoding) -> Result<(), ChangeRefusal> {
    match encoding {
        Encoding::Delta => column.signed().map(drop),
        Encoding::Text => {
            let bytes = column.count(super::CHANGE_BYTES_MAX as u64, "bytes")?;
            std::str::from_utf8(column.take(bytes)?).map(drop).map_err(|_| ChangeRefusal::Malformed)
        }
        Encoding::Unsigned | Encoding::Boolean | Encoding::Raw => column.unsigned().map(drop),
    }
}
