//! Why a site has no certificate, in words its operator can act on.

use std::net::SocketAddr;

use super::message::Refusal;
use super::token::{Fingerprint, TokenError};
use crate::disconnect::{CertificateRefusal, Disconnect};
use crate::limits::{ENROLMENT_DEADLINE, HANDSHAKE_DEADLINE};
use crate::name::NameError;
use crate::pem_file::FileError;
use crate::socket::BindError;

/// Why a site did not join or renew. Nothing of its identity was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The hub's name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Nothing can be asked for without a signature.
    #[error("cannot sign: is the system's random source there?")]
    Signing,
    /// The address cannot be dialled.
    #[error("{address} cannot be dialled: port 0, or an address of the wrong family")]
    Address {
        /// The address.
        address: SocketAddr,
    },
    /// Not a single answer.
    #[error("nobody answers at {address}: the hub is down, or UDP is blocked on the way")]
    NoAnswer {
        /// The address dialled.
        address: SocketAddr,
    },
    /// An answer, and then nothing more.
    #[error("{address} did not finish within {} s", (HANDSHAKE_DEADLINE + ENROLMENT_DEADLINE).as_secs())]
    TimedOut {
        /// The address dialled.
        address: SocketAddr,
    },
    /// It is no hub, or one that enrols nobody.
    #[error(
        "{address} enrols nobody: it is no hub, one without `isle hub init`, or one that needs an upgrade"
    )]
    NoHub {
        /// The address dialled.
        address: SocketAddr,
    },
    /// Somebody else than the hub of the token.
    #[error(
        "{address} is not of the fleet of the token: its authority is not the one with the fingerprint {expected}; \
         the token was altered or is of another hub, or somebody is in between. Nothing was told to it"
    )]
    OtherAuthority {
        /// The address dialled.
        address: SocketAddr,
        /// The token's fingerprint.
        expected: Fingerprint,
    },
    /// A replica of the fleet, but another one.
    #[error("{address} is not the hub {expected:?}: correct the address. Nothing was told to it")]
    OtherHub {
        /// The address dialled.
        address: SocketAddr,
        /// The name expected.
        expected: String,
    },
    /// This machine's clock, or the hub's.
    #[error(
        "the hub's certificate, or the one that it gives, is not valid at the time that this machine's clock shows: set the \
         clock that is wrong, here or at the hub"
    )]
    Clock,
    /// The own certificate is too old to be renewed.
    #[error(
        "the hub does not renew this certificate: it ran out too long ago, or a clock is wrong; if clocks are right, the site has \
         to join again with a new key and a new token: `isle join --new-key TOKEN`"
    )]
    GracePassed,
    /// The hub says no.
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// What the hub answered is no certificate for this key and name.
    #[error("the hub answered with something that is no certificate for this site's key and name")]
    Answer,
    /// The connection ended.
    #[error("cannot enrol at {address}: {cause}")]
    Disconnect {
        /// The address dialled.
        address: SocketAddr,
        /// Why it ended.
        cause: Disconnect,
    },
    /// The certificate could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Whom a site expected to answer.
pub(super) struct Expected<'a> {
    pub(super) address: SocketAddr,
    pub(super) hub: &'a str,
    /// Of who joins; who renews knows the authority.
    pub(super) fingerprint: Option<Fingerprint>,
}

impl Expected<'_> {
    pub(super) fn failed(&self, cause: Disconnect) -> EnrolError {
        let address = self.address;
        match (cause, self.fingerprint) {
            (Disconnect::ProtocolMismatch, _) => EnrolError::NoHub { address },
            (Disconnect::CertificateRefusedHere(CertificateRefusal::OutsideValidity), _) => EnrolError::Clock,
            (Disconnect::CertificateRefusedHere(CertificateRefusal::OtherAuthority), Some(expected)) => {
                EnrolError::OtherAuthority { address, expected }
            }
            (Disconnect::CertificateRefusedHere(CertificateRefusal::Unsuitable), _) => {
                EnrolError::OtherHub { address, expected: self.hub.to_owned() }
            }
            (Disconnect::CertificateRefusedByPeer(CertificateRefusal::OutsideValidity), None) => {
                EnrolError::GracePassed
            }
            (cause, _) => EnrolError::Disconnect { address, cause },
        }
    }
}
