//! What the two ends say: `schemas/wire/protocol.md`, "Joining and renewing".

use minicbor::{Decode, Encode};

use super::secret::{JoinSecret, SECRET_BYTES};
use crate::limits::GRANTED_SPACES_MAX;

/// Why a hub does not issue a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no invitation with this secret.
    #[error(
        "the hub knows no such invitation: another hub made it, or it was withdrawn or replaced by a newer one"
    )]
    UnknownInvitation,
    /// It was used, by another key.
    #[error("the invitation was used already, by another key")]
    Used,
    /// It came too late, by the hub's clock.
    #[error("the invitation has expired")]
    Expired,
    /// The key was revoked.
    #[error("the key of this site was revoked at the hub")]
    Revoked,
    /// The hub has not enrolled this key under this name.
    #[error("the hub has not enrolled this key under this name")]
    NotEnrolled,
    /// The hub cannot at present.
    #[error("the hub cannot enrol at present, its log says why: try again later")]
    Unavailable,
    /// What was asked cannot be read, or its signature does not fit.
    #[error(
        "the hub could not read what was asked, or its signature does not fit: is one of the two much older?"
    )]
    Malformed,
    /// The key is another site's.
    #[error("this key belongs to another site: a site makes its own, in a data directory of its own")]
    KeyTaken,
    /// A later hub has more reasons.
    #[error("the hub refuses, for a reason that this version does not know (code {code})")]
    Other {
        /// Its number.
        code: u8,
    },
}

impl Refusal {
    fn code(self) -> u8 {
        match self {
            Self::UnknownInvitation => 1,
            Self::Used => 2,
            Self::Expired => 3,
            Self::Revoked => 4,
            Self::NotEnrolled => 5,
            Self::Unavailable => 6,
            Self::Malformed => 7,
            Self::KeyTaken => 8,
            Self::Other { code } => code,
        }
    }

    fn of_code(code: u8) -> Self {
        match code {
            1 => Self::UnknownInvitation,
            2 => Self::Used,
            3 => Self::Expired,
            4 => Self::Revoked,
            5 => Self::NotEnrolled,
            6 => Self::Unavailable,
            7 => Self::Malformed,
            8 => Self::KeyTaken,
            code => Self::Other { code },
        }
    }
}

/// What a site was given in a space.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GrantedSpace {
    /// Which space.
    #[n(0)]
    pub space: String,
    /// What it may do there: 1 read, 2 write, 4 relay, 8 snapshot, added up.
    #[n(1)]
    pub rights: u8,
}

/// What a site that joins asks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct JoinMessage {
    /// The name in its token.
    #[n(0)]
    pub(crate) site: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) secret: [u8; SECRET_BYTES],
    /// PKCS #10, signed by the site's key. Its names count for nothing.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) signing_request: Vec<u8>,
}

impl JoinMessage {
    pub(crate) fn secret(&self) -> JoinSecret {
        JoinSecret::new(self.secret)
    }
}

/// What a site that renews asks; its certificate says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RenewalMessage {}

/// A certificate in DER, and what it is for.
pub(crate) type Certified = (Vec<u8>, Vec<GrantedSpace>);

/// What the hub answers: a refusal, or a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct AnswerMessage {
    #[n(0)]
    refusal: Option<u8>,
    /// X.509, DER.
    #[cbor(n(1), with = "minicbor::bytes")]
    certificate: Option<Vec<u8>>,
    #[n(2)]
    spaces: Option<Vec<GrantedSpace>>,
}

impl AnswerMessage {
    pub(crate) fn new(answer: &Result<Certified, Refusal>) -> Self {
        match answer {
            Ok((certificate, spaces)) => {
                Self { refusal: None, certificate: Some(certificate.clone()), spaces: Some(spaces.clone()) }
            }
            Err(refusal) => Self { refusal: Some(refusal.code()), ..Self::default() },
        }
    }

    /// `None` when it says neither, or too much.
    pub(crate) fn read(self) -> Option<Result<Certified, Refusal>> {
        if let Some(code) = self.refusal {
            return Some(Err(Refusal::of_code(code)));
        }
        let spaces = self.spaces.unwrap_or_default();
        (spaces.len() <= GRANTED_SPACES_MAX).then_some(Ok((self.certificate?, spaces)))
    }
}

pub(crate) fn encode<M: Encode<()>>(message: &M) -> Vec<u8> {
    // Writing into memory does not fail.
    minicbor::to_vec(message).unwrap_or_default()
}

/// `None` when the bytes are not exactly one message.
pub(crate) fn decode<'a, M: Decode<'a, ()>>(bytes: &'a [u8]) -> Option<M> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().ok()?;
    (decoder.position() == bytes.len()).then_some(message)
}

#[cfg(test)]
mod tests;
