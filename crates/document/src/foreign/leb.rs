//! Reading bounded LEB128 numbers, the integers of Automerge's format.

use super::ChangeRefusal;

#[derive(Clone)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], ChangeRefusal> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(ChangeRefusal::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ChangeRefusal> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(ChangeRefusal::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, ChangeRefusal> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// An unsigned number in its shortest form.
    pub(super) fn unsigned(&mut self) -> Result<u64, ChangeRefusal> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(ChangeRefusal::Malformed);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                let shortest = shift == 0 || byte != 0;
                return if shortest { Ok(value) } else { Err(ChangeRefusal::Malformed) };
            }
        }
        Err(ChangeRefusal::Malformed)
    }

    /// A signed number in its shortest form.
    pub(super) fn signed(&mut self) -> Result<i64, ChangeRefusal> {
        let (mut value, mut sign_before) = (0_i64, None);
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte != 0 && byte != 0x7f {
                return Err(ChangeRefusal::Malformed);
            }
            value |= i64::from(byte & 0x7f) << shift;
            let is_negative = byte & 0x40 != 0;
            if byte & 0x80 == 0 {
                // A last byte that only repeats the sign before it is one too many.
                if (byte == 0 || byte == 0x7f) && sign_before == Some(is_negative) {
                    return Err(ChangeRefusal::Malformed);
                }
                return Ok(if is_negative && shift < 57 { value | (-1 << (shift + 7)) } else { value });
            }
            sign_before = Some(is_negative);
        }
        Err(ChangeRefusal::Malformed)
    }

    /// A text with its length before it.
    pub(super) fn text(&mut self) -> Result<&'a str, ChangeRefusal> {
        let bytes = self.count(super::CHANGE_BYTES_MAX as u64, "bytes")?;
        std::str::from_utf8(self.take(bytes)?).map_err(|_| ChangeRefusal::Malformed)
    }

    /// A count of things; more than `count_max` of them is refused before any is read.
    pub(super) fn count(&mut self, count_max: u64, things: &'static str) -> Result<usize, ChangeRefusal> {
        let count = self.unsigned()?;
        if count > count_max {
            return Err(ChangeRefusal::TooMany(things));
        }
        usize::try_from(count).map_err(|_| ChangeRefusal::TooMany(things))
    }
}

pub(crate) fn push_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_round_trip_and_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            push_unsigned(&mut bytes, value);
            assert_eq!(Reader::new(&bytes).unsigned(), Ok(value));
        }
        for malformed in
            [&[0x80, 0x00][..], &[0xff; 9], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(Reader::new(malformed).unsigned(), Err(ChangeRefusal::Malformed));
        }
    }

    #[test]
    fn signed_numbers_are_sign_extended_and_have_one_form() {
        for (bytes, value) in
            [(&[0x7f][..], -1), (&[0x3f], 63), (&[0x40], -64), (&[0xc0, 0x00], 64), (&[0x80, 0x7f], -128)]
        {
            assert_eq!(Reader::new(bytes).signed(), Ok(value));
        }
        let least = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
        assert_eq!(Reader::new(&least).signed(), Ok(i64::MIN));
        for malformed in [&[0x80, 0x00][..], &[0xff, 0x7f], &[0x85, 0x80, 0x00], &[0xff; 10]] {
            assert_eq!(Reader::new(malformed).signed(), Err(ChangeRefusal::Malformed));
        }
    }
}
