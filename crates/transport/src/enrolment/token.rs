//! The text that an operator carries from the hub to a site.
//!
//! `isle-join-`, and base32 (RFC 4648, small letters, no padding) of: a version (1 byte, 1), the authority's
//! [`Fingerprint`] (32), the secret (16), the names of hub and site and the hub's address, each after its length
//! (1), and a checksum: the first 4 bytes of SHA-256 of what is before it. The checksum tells a text that was mistyped
//! or cut off before anything is dialled; it protects from no one. What protects is that the fingerprint decides whom
//! the site talks to, and the secret whom the hub does.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, DecodeKind};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::secret::{JoinSecret, SECRET_BYTES};
use crate::name::{NameError, check_name};

const PREFIX: &str = "isle-join-";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Longest text of a token, in bytes, line ends of a mail program included.
pub const TOKEN_BYTES_MAX: usize = 1_024;

/// Longest address in a token, in bytes.
const ADDRESS_BYTES_MAX: usize = 255;

/// SHA-256 of an authority's certificate, as `openssl x509 -fingerprint -sha256` shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// An invitation in one text. Its [`Display`](fmt::Display) has the secret: it is for the site's operator alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// Of the authority that signs the hub's certificate, and will sign the site's.
    pub fingerprint: Fingerprint,
    /// What proves the invitation.
    pub secret: JoinSecret,
    /// The hub's name, as in its certificate.
    pub hub: String,
    /// The name that the site will have.
    pub site: String,
    /// Where to dial the hub: host and UDP port.
    pub address: String,
}

/// Why a text is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is something else.
    #[error("this is no join token: one starts with '{PREFIX}', as `isle hub invite` prints it")]
    NoToken,
    /// It is something else.
    #[error("a join token has at most {TOKEN_BYTES_MAX} characters, this text is longer")]
    TooLong,
    /// A character that no token has.
    #[error("the token is mistyped: character {position} after '{PREFIX}' is none of a-z and 2-7")]
    Character {
        /// Which one, from 1, blanks not counted.
        position: usize,
    },
    /// It is damaged.
    #[error("the token is mistyped or cut off: its checksum does not match; copy it again")]
    Checksum,
    /// A later one.
    #[error("the token is of version {version}, this program reads version {VERSION}: upgrade it")]
    Version {
        /// Its version.
        version: u8,
    },
    /// The checksum matches, and yet it is no token.
    #[error("the token is malformed: ask for a new one")]
    Malformed,
    /// A name in it cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl JoinToken {
    /// # Errors
    /// If a name cannot be a replica's, or the address is too long or has blanks.
    pub fn check(&self) -> Result<(), TokenError> {
        check_name(&self.hub)?;
        check_name(&self.site)?;
        let is_address = |byte: u8| byte.is_ascii_graphic();
        let fits = (1..=ADDRESS_BYTES_MAX).contains(&self.address.len());
        if fits && self.address.bytes().all(is_address) { Ok(()) } else { Err(TokenError::Malformed) }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.fingerprint.0);
        bytes.extend(self.secret.bytes());
        for text in [&self.hub, &self.site, &self.address] {
            // A checked token has no text of more than 255 bytes.
            let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
            bytes.push(length);
            bytes.extend(text.bytes().take(length.into()));
        }
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, TokenError> {
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(TokenError::Checksum)?;
        if checksum(content) != *sum {
            return Err(TokenError::Checksum);
        }
        let (&version, rest) = content.split_first().ok_or(TokenError::Malformed)?;
        if version != VERSION {
            return Err(TokenError::Version { version });
        }
        let (fingerprint, rest) = rest.split_first_chunk::<32>().ok_or(TokenError::Malformed)?;
        let (secret, rest) = rest.split_first_chunk::<SECRET_BYTES>().ok_or(TokenError::Malformed)?;
        let (hub, rest) = text(rest)?;
        let (site, rest) = text(rest)?;
        let (address, rest) = text(rest)?;
        if !rest.is_empty() {
            return Err(TokenError::Malformed);
        }
        let (fingerprint, secret) = (Fingerprint(*fingerprint), JoinSecret::new(*secret));
        let token = Self { fingerprint, secret, hub, site, address };
        token.check()?;
        Ok(token)
    }
}

/// A text after its length, and what follows.
fn text(bytes: &[u8]) -> Result<(String, &[u8]), TokenError> {
    let (&length, rest) = bytes.split_first().ok_or(TokenError::Malformed)?;
    let (text, rest) = rest.split_at_checked(length.into()).ok_or(TokenError::Malformed)?;
    let text = std::str::from_utf8(text).map_err(|_| TokenError::Malformed)?;
    Ok((text.to_owned(), rest))
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(content));
    [a, b, c, d]
}

impl fmt::Display for JoinToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(PREFIX)?;
        formatter.write_str(&BASE32_NOPAD.encode(&self.encode()).to_ascii_lowercase())
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;
    /// Blanks and line ends are passed over, and so is the case of letters.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        let text = text.to_ascii_lowercase();
        let encoded = text.strip_prefix(PREFIX).ok_or(TokenError::NoToken)?;
        let bytes = BASE32_NOPAD.decode(encoded.to_ascii_uppercase().as_bytes());
        let bytes = bytes.map_err(|error| match error.kind {
            DecodeKind::Symbol => TokenError::Character { position: error.position + 1 },
            DecodeKind::Length | DecodeKind::Trailing | DecodeKind::Padding => TokenError::Checksum,
        })?;
        Self::decode(&bytes)
    }
}

#[cfg(test)]
mod tests;
