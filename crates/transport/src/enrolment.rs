//! How a site gets its certificate from the hub, and the next one: `schemas/wire/protocol.md`, "Joining and renewing".
//!
//! The hub's operator makes a [`JoinToken`] and keeps the [`SecretHash`] of its secret. The site makes a [`SiteKey`], which
//! never leaves it, and calls [`join`]; the hub gets an [`EnrolmentRequest`], decides, and answers it with a certificate of
//! the key and the name in the invitation, or a [`Refusal`]. Later the site calls [`Endpoint::renew`](crate::Endpoint),
//! with the certificate that it has, which may have run out.
//!
//! What it is not: it keeps no invitations, decides nothing, and renews nothing by itself (`server`).
//!
//! Invariants:
//! - Each purpose has its own application protocol and TLS settings ([`Purpose`]): who joins or renews can do nothing else
//!   on that connection, and a certificate that has run out serves for renewals alone.
//! - Who joins talks to nobody but the hub of the token: the replica of that name, whose certificate was signed by the
//!   authority of that fingerprint. Another site of the fleet cannot take its place, and learns no secret.
//! - A certificate is taken only when it binds the own key to the expected name, under the authority that is known.
//! - One question and one answer a connection, each of limited length and time. Addresses are proven first, what comes to
//!   nothing is charged to them, and attempts are counted ([`Rate`](crate::Rate)): renewals once a certificate was shown.

mod asking;
mod error;
mod message;
mod purpose;
mod request;
mod secret;
mod site_key;
#[cfg(test)]
mod tests;
mod token;
mod verifiers;

pub use asking::{Joined, Renewed, join};
pub use error::EnrolError;
pub use message::{GrantedSpace, Refusal};
pub use purpose::Purpose;
pub use request::{Asked, EnrolmentRequest, Grant};
pub use secret::{JoinSecret, SecretHash};
pub use site_key::{SiteKey, SiteKeyError};
pub use token::{Fingerprint, JoinToken, TOKEN_BYTES_MAX, TokenError};

pub(crate) use asking::renew;
pub(crate) use request::Question;
pub(crate) use verifiers::GraceVerifier;
