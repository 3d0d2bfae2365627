//! Values of operations: kind and length in one column, bytes in another.

use super::ChangeRefusal;
use super::leb::Reader;

/// What matters of a value to where it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    /// A text of one character.
    Character,
    Other,
}

/// Reads a value whose kind and length stand in `kind`: the low four bits, and what is above them.
pub(super) fn read(values: &mut Reader<'_>, kind: u64) -> Result<Scalar, ChangeRefusal> {
    let bytes = usize::try_from(kind >> 4).map_err(|_| ChangeRefusal::Malformed)?;
    let bytes = values.take(bytes)?;
    let mut number = Reader::new(bytes);
    match (kind & 15, bytes.len()) {
        (0, 0) => return Ok(Scalar::Null),
        (1 | 2, 0) | (5, 8) | (7, _) => {}
        (3, _) => drop(number.unsigned()?),
        (4, _) => drop(number.signed()?),
        (6, _) => {
            let text = std::str::from_utf8(bytes).map_err(|_| ChangeRefusal::Malformed)?;
            let mut characters = text.chars();
            let is_one = characters.next().is_some() && characters.next().is_none();
            return Ok(if is_one { Scalar::Character } else { Scalar::Other });
        }
        // Automerge's counters and times, and what a newer Automerge may know: no document of ours has them.
        _ => return Err(ChangeRefusal::Value),
    }
    let is_number = matches!(kind & 15, 3 | 4);
    if is_number && !number.is_empty() { Err(ChangeRefusal::Malformed) } else { Ok(Scalar::Other) }
}
