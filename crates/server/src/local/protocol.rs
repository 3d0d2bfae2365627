//! The shapes of the lines. A field that is not named here is refused, so that a misspelt one is noticed.

mod refusal;
mod request;
mod response;
mod site;
mod status;
mod watch;

pub use refusal::{Refusal, RefusalKind};
pub use request::{DocumentWrite, Moment, Request};
pub use response::{
    BackedUp, BlockedDocument, BlockingChange, Change, Conflict, ConflictingValue, Found, Listed,
    ListedDocument, Reading, Response, SchemaInForce, Stamp, Violation,
};
pub use site::{SiteState, SiteStatus};
pub use status::{CertificateStatus, PeerStatus, SpaceMode, SpaceStatus, Status, StoreFailure};
pub use watch::{WatchEvent, WatchedChange, WatchedDocument};

use serde::{Deserialize, Serialize};

/// A request as it is on the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The client's number for it; its answer carries the same.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// An answer as it is on the line: a result or an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The request was done.
    Done {
        /// The request's number.
        id: u64,
        /// What came of it.
        result: Response,
    },
    /// It was not done, or nobody knows.
    Refused {
        /// The request's number; none when the line was not readable that far.
        id: Option<u64>,
        /// Why.
        error: Refusal,
    },
}
