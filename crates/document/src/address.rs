use std::fmt;
use std::str::FromStr;

/// Which part of an address a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPart {
    /// The unit of subscription: the first part.
    Space,
    /// The second part.
    Collection,
    /// Everything after the second slash.
    Key,
}

impl fmt::Display for AddressPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Space => "space",
            Self::Collection => "collection",
            Self::Key => "key",
        })
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Fewer than three parts.
    #[error("'{address}' is no address: write space/collection/key, as in store-367/inventory/1029743")]
    Shape {
        /// The text.
        address: String,
    },
    /// A part has no characters.
    #[error("the {0} is empty")]
    Empty(AddressPart),
    /// A part is too long.
    #[error("the {part} has {bytes} bytes, {bytes_max} are allowed")]
    TooLong {
        /// Which part.
        part: AddressPart,
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// A character that the part may not hold.
    #[error("the {part} may not contain {character:?}: {allowed}")]
    Character {
        /// Which part.
        part: AddressPart,
        /// The first such character.
        character: char,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A percent sign that does not start `%25` or `%2F`.
    #[error("in the text of a key '%' is written %25 and '/' is written %2F; '{key}' has another '%'")]
    Escape {
        /// The text.
        key: String,
    },
}

const NAME_BYTES_MAX: usize = 64;
const NAME_ALLOWED: &str = "small letters, digits, '-', '_' and '.'";
const KEY_BYTES_MAX: usize = 256;
const KEY_ALLOWED: &str = "printable characters";

/// Whether a character shows in a key, so that keys which look alike are few and none turns the text around it.
/// Refused are controls, line and paragraph separators, marks that turn the direction of writing, a space of no width,
/// the byte order mark, and what Unicode gives no meaning: noncharacters and private use. The joiners U+200C and U+200D
/// stay: some scripts cannot be written without.
fn is_printable(character: char) -> bool {
    let is_invisible = matches!(
        character,
        '\u{61c}'
            | '\u{200b}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    );
    let is_private = matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    // The last two of each plane, and 32 more.
    let is_no_character =
        u32::from(character) & 0xfffe == 0xfffe || matches!(character, '\u{fdd0}'..='\u{fdef}');
    !(character.is_control() || is_invisible || is_private || is_no_character)
}

fn check_name(part: AddressPart, text: &str) -> Result<(), AddressError> {
    check_length(part, text, NAME_BYTES_MAX)?;
    let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    match text.chars().find(|c| !allowed(c)) {
        Some(character) => Err(AddressError::Character { part, character, allowed: NAME_ALLOWED }),
        None => Ok(()),
    }
}

fn check_length(part: AddressPart, text: &str, bytes_max: usize) -> Result<(), AddressError> {
    match text.len() {
        0 => Err(AddressError::Empty(part)),
        bytes if bytes > bytes_max => Err(AddressError::TooLong { part, bytes, bytes_max }),
        _ => Ok(()),
    }
}

macro_rules! part {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks length and characters.
            ///
            /// # Errors
            /// [`AddressError`] says what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, AddressError> {
                let text = text.into();
                ($check)(&text)?;
                Ok(Self(text))
            }

            /// The text, as it is stored.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

part!(
    /// The unit of subscription, of rights and of causality: 1 to 64 of `a-z 0-9 - _ .`.
    Space,
    |text: &str| check_name(AddressPart::Space, text)
);
part!(
    /// Documents of one schema inside a space: 1 to 64 of `a-z 0-9 - _ .`.
    Collection,
    |text: &str| check_name(AddressPart::Collection, text)
);
part!(
    /// A document's name inside its collection: 1 to 256 bytes of printable UTF-8, slashes included. Not printable are
    /// controls, separators of lines, marks of direction, U+200B, U+FEFF, private use and noncharacters.
    Key,
    |text: &str| {
        check_length(AddressPart::Key, text, KEY_BYTES_MAX)?;
        match text.chars().find(|c| !is_printable(*c)) {
            Some(character) => {
                Err(AddressError::Character { part: AddressPart::Key, character, allowed: KEY_ALLOWED })
            }
            None => Ok(()),
        }
    }
);

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As text of an address: `%` is written `%25`, `/` is written `%2F`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '%' => f.write_str("%25"),
            '/' => f.write_str("%2F"),
            other => fmt::Write::write_char(f, other),
        })
    }
}

impl FromStr for Space {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::new(text)
    }
}

impl FromStr for Collection {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::new(text)
    }
}

/// Reads the text of an address; see its `Display`.
impl FromStr for Key {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut parts = text.split('%');
        let mut key = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (sign, rest) = match (part.strip_prefix("25"), part.strip_prefix("2F")) {
                (Some(rest), _) => ('%', rest),
                (None, Some(rest)) => ('/', rest),
                (None, None) => return Err(AddressError::Escape { key: text.to_owned() }),
            };
            key.push(sign);
            key.push_str(rest);
        }
        Self::new(key)
    }
}

/// Where a document is: `space/collection/key`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The space that the document is in; it is in no other.
    pub space: Space,
    /// The collection inside the space.
    pub collection: Collection,
    /// The document's name inside the collection.
    pub key: Key,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.space, self.collection, self.key)
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let shape = || AddressError::Shape { address: text.to_owned() };
        let (space, rest) = text.split_once('/').ok_or_else(shape)?;
        let (collection, key) = rest.split_once('/').ok_or_else(shape)?;
        if key.contains('/') {
            return Err(AddressError::Character {
                part: AddressPart::Key,
                character: '/',
                allowed: "write a slash inside a key as %2F",
            });
        }
        Ok(Self { space: space.parse()?, collection: collection.parse()?, key: key.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_parts_agree() {
        for text in ["store-367/inventory/1029743", "catalog/product/a%2Fb%25c", "s/c/Süßwaren 7"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let address: Address = "s/c/a%2Fb%25c".parse().unwrap();
        assert_eq!(address.key.as_str(), "a/b%c");
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        assert_eq!(text.parse::<Address>().unwrap_err().to_string(), why);
    }

    #[test]
    fn a_key_shows_as_it_is() {
        for hidden in [
            '\u{0}',
            '\u{7f}',
            '\u{85}',
            '\u{61c}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{e000}',
            '\u{f8ff}',
            '\u{fdd0}',
            '\u{fdef}',
            '\u{feff}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{1fffe}',
            '\u{f0000}',
            '\u{10ffff}',
        ] {
            let expected =
                AddressError::Character { part: AddressPart::Key, character: hidden, allowed: KEY_ALLOWED };
            assert_eq!(Key::new(format!("a{hidden}b")), Err(expected), "{hidden:?}");
        }
        // A letter, both joiners, their neighbours, Arabic, Devanagari, a replaced character and one outside the BMP.
        for shown in
            ["Süß", "می\u{200c}خواهم", "क्\u{200d}ष", "\u{2010}", "\u{2030}", "\u{fffd}", "🛒", "漢字"]
        {
            assert_eq!(Key::new(shown).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_refusal_names_the_part_and_the_rule() {
        refused(
            "store-367",
            "'store-367' is no address: write space/collection/key, as in store-367/inventory/1029743",
        );
        refused("/c/k", "the space is empty");
        refused("s/c/", "the key is empty");
        refused("Store/c/k", "the space may not contain 'S': small letters, digits, '-', '_' and '.'");
        refused("s/c/a/b", "the key may not contain '/': write a slash inside a key as %2F");
        refused("s/c/a\u{7}", "the key may not contain '\\u{7}': printable characters");
        refused(
            "s/c/100%",
            "in the text of a key '%' is written %25 and '/' is written %2F; '100%' has another '%'",
        );
        refused(&format!("s/c/{}", "k".repeat(257)), "the key has 257 bytes, 256 are allowed");
    }
}
