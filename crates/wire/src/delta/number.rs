//! LEB128 numbers: those of Automerge's format and of slim rows.

/// Reads from the front of a slice; `None` when it ends early.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    /// An unsigned number.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number of Automerge: two's complement, the sign in bit 6 of the last byte.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let mut value = 0_i64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let is_negative = byte & 0x40 != 0 && shift < 57;
                return Some(if is_negative { value | (-1 << (shift + 7)) } else { value });
            }
        }
        None
    }

    /// The difference that [`push_difference`] wrote, added to `base`.
    pub(super) fn difference(&mut self, base: u64) -> Option<u64> {
        let folded = self.unsigned()?;
        Some(base.wrapping_add((folded >> 1) ^ (folded & 1).wrapping_neg()))
    }

    /// A number of at most `max`.
    pub(super) fn count(&mut self, max: usize) -> Option<usize> {
        usize::try_from(self.unsigned()?).ok().filter(|count| *count <= max)
    }

    /// Bytes with their number before them, at most `max`.
    pub(super) fn bytes(&mut self, max: usize) -> Option<&'a [u8]> {
        let count = self.count(max)?;
        self.take(count)
    }

    /// A text of at most `max` bytes.
    pub(super) fn text(&mut self, max: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(max)?).ok()
    }
}

pub(super) fn push_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

pub(super) fn push_signed(bytes: &mut Vec<u8>, mut value: i64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        let low = low & 0x7f;
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// Writes how far `value` is from `base`: small differences either way are short (zigzag), and none overflows.
pub(super) fn push_difference(bytes: &mut Vec<u8>, value: u64, base: u64) {
    let difference = value.wrapping_sub(base);
    push_unsigned(bytes, (difference << 1) ^ (difference >> 63).wrapping_neg());
}

pub(super) fn push_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    push_unsigned(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value in any::<u64>(), base in any::<u64>(), small in -70_i64..70) {
            let mut bytes = Vec::new();
            push_unsigned(&mut bytes, value);
            push_difference(&mut bytes, value, base);
            for signed in [value.cast_signed(), small, i64::MIN, i64::MAX] {
                push_signed(&mut bytes, signed);
            }
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.unsigned(), Some(value));
            prop_assert_eq!(reader.difference(base), Some(value));
            for signed in [value.cast_signed(), small, i64::MIN, i64::MAX] {
                prop_assert_eq!(reader.signed(), Some(signed));
            }
            prop_assert_eq!(reader.rest(), b"");
        }
    }

    #[test]
    fn small_differences_are_short_either_way() {
        for (value, written) in [(9, [0]), (10, [2]), (8, [1])] {
            let mut bytes = Vec::new();
            push_difference(&mut bytes, value, 9);
            assert_eq!(bytes, written);
        }
    }
}
