//! Values of operations: kind and length in one column, bytes in another.

use super::ChangeRefusal;
use super::leb::Reader;
use automerge::ScalarValue;

/// A value, read where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Scalar<'_> {
    /// Whether it is a text of one character.
    pub(crate) fn is_character(self) -> bool {
        let Self::Text(text) = self else { return false };
        let mut characters = text.chars();
        characters.next().is_some() && characters.next().is_none()
    }
}

impl From<Scalar<'_>> for ScalarValue {
    fn from(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Boolean(value) => Self::Boolean(value),
            Scalar::Unsigned(value) => Self::Uint(value),
            Scalar::Signed(value) => Self::Int(value),
            Scalar::Float(value) => Self::F64(value),
            Scalar::Text(value) => Self::Str(value.into()),
            Scalar::Bytes(value) => Self::Bytes(value.to_vec()),
        }
    }
}

/// Reads a value whose kind and length stand in `kind`: the low four bits, and what is above them.
pub(super) fn read<'a>(values: &mut Reader<'a>, kind: u64) -> Result<Scalar<'a>, ChangeRefusal> {
    let bytes = usize::try_from(kind >> 4).map_err(|_| ChangeRefusal::Malformed)?;
    let bytes = values.take(bytes)?;
    let mut number = Reader::new(bytes);
    let scalar = match (kind & 15, bytes.len()) {
        (0, 0) => Scalar::Null,
        (1, 0) => Scalar::Boolean(false),
        (2, 0) => Scalar::Boolean(true),
        (3, _) => Scalar::Unsigned(number.unsigned()?),
        (4, _) => Scalar::Signed(number.signed()?),
        (5, 8) => Scalar::Float(f64::from_le_bytes(number.array()?)),
        (6, _) => {
            return Ok(Scalar::Text(std::str::from_utf8(bytes).map_err(|_| ChangeRefusal::Malformed)?));
        }
        (7, _) => return Ok(Scalar::Bytes(bytes)),
        // Automerge's counters and times, and what a newer Automerge may know: no document of ours has them.
        _ => return Err(ChangeRefusal::Value),
    };
    if number.is_empty() { Ok(scalar) } else { Err(ChangeRefusal::Malformed) }
}
