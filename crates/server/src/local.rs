//! The way of a site's services to their replica: JSON lines over a Unix socket in the data directory.
//!
//! A request is one line, `{"id": 7, "request": {"get": {"address": "store-367/inventory/1029743"}}}`; its answer
//! is one line with the same id, `{"id": 7, "result": …}` or `{"id": 7, "error": {"kind", "message", "hint"}}`.
//! Answers may come in another order than the requests. A write is answered when it is durable.
//!
//! [`LocalClient`] speaks it; `protocol` has the shapes. The socket is for the data directory's owner only.

mod answer;
mod client;
mod line;
mod protocol;
mod socket;
mod text;
mod watched;

pub(crate) use answer::{
    Asked, Attached, Context, asked, change_shown, conflict_shown, shown, stamp_shown, violation_shown,
};
pub use client::{CallError, ConnectError, LocalClient, Received};
pub(crate) use protocol::OperationPlace;
pub use protocol::{
    Answer, BackedUp, BlockedDocument, BlockingChange, CertificateStatus, Change, Condition, Conflict,
    ConflictingValue, DocumentWrite, Envelope, Found, Listed, ListedDocument, Moment, PeerStatus, Reading,
    Refusal, RefusalKind, RefusedPeer, Request, Response, SchemaInForce, SiteState, SiteStatus, SpaceMode,
    SpaceStatus, Stamp, Status, StoppedStream, StoreFailure, Violation, WatchEvent, WatchedChange,
    WatchedDocument, Written,
};
pub use socket::SocketError;
pub(crate) use socket::{LocalSocket, Terms, serve};
pub(crate) use watched::shown as watch_event;

/// Longest line of a request, in bytes: a document as long as a change may be, and what wraps it.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// Longest line of an answer that a client takes, in bytes. A document that several sites wrote can be longer than
/// any one request; a listing is cut by the core.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Requests of one connection that may be unanswered at a time. The server reads no further, and [`LocalClient`]
/// sends no further. Enough to fill a group commit.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 256;

/// Events of one watch that are on their way to its client; the rest waits in the journal.
pub const WATCH_EVENTS_MAX: u32 = 16;

/// Watches of one connection.
pub const WATCHES_PER_CONNECTION_MAX: usize = 32;

/// Connections at a time that may stay. A site has a few dozen services.
pub const CLIENTS_MAX: usize = 64;

/// Connections beyond those, for commands: each asks and is answered, may watch nothing, and is closed soon when it asks nothing.
/// Who comes when these are taken, too, is refused.
pub const CLIENTS_KEPT: usize = 8;
