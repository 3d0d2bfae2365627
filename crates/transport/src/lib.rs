//! Transport: QUIC connections between replicas, and the certificates that say who is at their ends.
//!
//! A fleet has one [`Authority`]; it issues every replica an [`Identity`], or signs the certificates of keys that sites
//! make themselves ([`enrolment`]). An [`Endpoint`] is one UDP
//! socket that dials and accepts. A [`Connection`] has a verified [`Peer`] at its other end and carries
//! frames both ways, in [`Lanes`]. A [`ServiceAcceptor`] takes services of the site over TCP. [`Backoff`] says how long to wait before dialling again.
//!
//! What it is not: it knows nothing of what frames mean (`wire`), of what a peer may do (`replica`), and
//! it keeps no list of peers, starts no task and redials nothing (`server`).
//!
//! Invariants:
//! - No type of quinn, rustls or rcgen is in a public signature.
//! - No connection that replicates without both certificates checked: TLS 1.3 only, mutual, one authority,
//!   Ed25519 only, one cryptography provider given explicitly, no early data, no resumption. Who joins has no
//!   certificate, and who renews may have one that ran out: on connections of their own, which give no
//!   [`Connection`].
//! - Services need no certificate, over TLS 1.3 on TCP, and are told apart from peers by that: they get no [`Connection`] either.
//!   One that they show is checked as a peer's is.
//! - A [`Connection`] is handed out only after *both* ends have accepted each other. Until when it may stand is said by its
//!   [`Term`], which is told the time; whoever has the connection ends it then.
//! - Nothing grows with what a peer announces: memory is taken for bytes that have arrived.
//! - A hostile datagram, handshake or frame costs its sender the connection and nobody else anything.
//!
//! Wall time is read for one purpose, the validity of certificates. A clock that runs behind by more than
//! a day, or ahead past the end of a certificate, makes handshakes fail with
//! [`CertificateRefusal::OutsideValidity`]; nothing else here depends on it, and local work goes on. When a
//! certificate is to be renewed is said by [`Validity`], which is told the time.

mod attempts;
mod authority;
mod backoff;
mod calling;
mod certificate;
mod connection;
mod disconnect;
mod endpoint;
pub mod enrolment;
#[cfg(test)]
mod fleet;
mod frame;
mod identity;
mod incoming;
mod issued;
mod key;
mod lanes;
mod limits;
mod name;
mod opening;
mod pem_file;
mod rate;
mod services;
mod signing_request;
mod socket;
mod term;
mod tls;
mod validity;

pub use authority::{Authority, AuthorityError};
pub use backoff::Backoff;
pub use calling::{CallerError, ServiceBytes, ServiceCaller};
pub use certificate::{CertificateError, Peer};
pub use connection::{Connection, ConnectionHandle, Traffic};
pub use disconnect::{CertificateRefusal, Disconnect};
pub use endpoint::{ConnectError, Endpoint};
pub use frame::{FrameReceiver, FrameSender, ReceiveError, SendError};
pub use identity::{Identity, IdentityError, MemberError};
pub use incoming::{AcceptError, Incoming};
pub use issued::IssuedCertificate;
pub use lanes::{Lane, LaneAcceptor, LaneReceiver, Lanes};
pub use limits::{
    CLOSE_REASON_BYTES_MAX, ENROLMENT_DEADLINE, FRAME_BYTES_MAX, GRANTED_SPACES_MAX, HANDSHAKE_DEADLINE,
    HANDSHAKES_MAX, IDLE_TIMEOUT, PEM_FILE_BYTES_MAX, RENEWAL_GRACE, SITE_VALIDITY, STREAM_WINDOW_BYTES,
    STREAM_WINDOW_BYTES_MIN,
};
pub use name::{NameError, check_name};
pub use pem_file::FileError;
pub use rate::Rate;
pub use services::{ServiceAcceptor, ServiceError, ServiceStream, Shown};
pub use socket::{BindError, Socket};
pub use term::{Outlived, Term};
pub use validity::{Stage, Validity};
