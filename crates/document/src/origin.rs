use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Who authored a change: a replica's key in one incarnation of its store. It is the Automerge actor id.
/// An origin is never used twice: a store that was made, restored or found rolled back draws another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub [u8; 16]);

impl Origin {
    /// Bytes of the origin that name its tallies. 96 bits: no two of a fleet meet, by accident or by search.
    const SHORT_BYTES: usize = 12;

    /// The 16 characters that name this origin's entry of a tally.
    #[must_use]
    pub fn short(&self) -> String {
        use base64::Engine as _;
        let (short, _) = self.0.split_at(Self::SHORT_BYTES);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(short)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no origin: it is 32 hexadecimal digits")]
pub struct OriginError {
    /// The text.
    text: String,
}

/// Reads the text of an origin: 32 hexadecimal digits.
impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let refused = || OriginError { text: text.to_owned() };
        let is_hexadecimal = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hexadecimal).ok_or_else(refused)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// As 32 hexadecimal digits.
impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_it_is_shown() {
        let origin = Origin([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(origin.to_string().parse(), Ok(origin));
        for text in ["", "00", "+0102030405060708090a0b0c0d0e0ff", &"g".repeat(32), &"é".repeat(16)] {
            let refused = text.parse::<Origin>().unwrap_err();
            assert_eq!(refused.to_string(), format!("'{text}' is no origin: it is 32 hexadecimal digits"));
        }
    }
}
