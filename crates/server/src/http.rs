//! The way of a site's services to their replica over HTTP/1.1, for programs in any language.
//!
//! `openapi.json` describes it, made from the handlers themselves; `/docs` shows the same to people. Requests become those
//! of the local socket and take the same way into the event loop, so that both mean the same. Errors are problem documents
//! (RFC 9457) of stable types.
//!
//! Limits: connections, requests in flight, watches, results as lines, bytes and depth of a body, bytes of all of them, and time
//! are bounded by [`Limits`], bytes of long answers on their way by `asking`. What is too much is refused with 503 and `Retry-After`; nothing is queued here but
//! one request for each connection.

mod answers;
mod asking;
mod body;
mod calling;
mod cors;
mod documents;
mod extract;
mod feed;
mod history;
mod in_process;
mod listed;
mod listening;
mod open_api;
mod operations;
mod page;
mod parameters;
mod places;
mod preferences;
mod problem;
mod problems;
mod queries;
mod replica_status;
mod shares;
mod sight;
mod strangers;
mod texts;
mod transactions;
mod turned_away;
mod watch;
mod web_socket;
mod written;

pub(crate) use asking::Api;
pub(crate) use in_process::Calls;
pub use listening::HttpError;
pub(crate) use listening::HttpListener;

use std::time::Duration;

/// Bounds of the API, and whom it trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at once; the next ones are told so.
    pub(crate) connections: u32,
    /// Requests whose answers are being made at once, over all connections. Long answers that are being sent are bounded by
    /// their bytes.
    pub(crate) requests: u32,
    /// Feeds at once.
    pub(crate) watches: u32,
    /// Results as lines at once.
    pub(crate) lines: u32,
    /// Bytes of a body.
    pub(crate) body_bytes: usize,
    /// Bytes of all bodies that are here, and of what is read from them.
    pub(crate) bodies_bytes: usize,
    /// Objects and arrays within one another in a body.
    pub(crate) depth: usize,
    /// For the body to arrive, and for the answer to be made. Waiting for the hub comes on top.
    pub(crate) time: Duration,
    /// Whether who comes from this machine needs no token.
    pub(crate) trusts_loopback: bool,
    /// Whether there may be several callers, of which each has a share.
    pub(crate) has_callers: bool,
}

fn bytes_of(count: u32, unit: usize) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(unit)
}

/// Requests and feeds at once of a service that has the replica in its own process: it bounds itself.
const IN_PROCESS_MAX: u32 = 4_096;

impl Limits {
    /// For the service that has the replica in its process.
    pub(crate) fn in_process(config: &crate::config::HttpConfig) -> Self {
        Self { requests: IN_PROCESS_MAX, watches: IN_PROCESS_MAX, has_callers: false, ..Self::of(config) }
    }

    pub(crate) fn of(config: &crate::config::HttpConfig) -> Self {
        let body_bytes = bytes_of(config.body_kib_max.get(), 1 << 10);
        Self {
            connections: config.connections_max.get(),
            requests: config.requests_max.get(),
            watches: config.watches_max.get(),
            lines: config.lines_max.get(),
            body_bytes,
            // One alone is never refused for want of room.
            bodies_bytes: bytes_of(config.bodies_mib_max.get(), 1 << 20).max(body_bytes),
            depth: usize::try_from(config.depth_max.get()).unwrap_or(usize::MAX),
            time: config.time_max.0,
            trusts_loopback: config.loopback_without_token,
            has_callers: true,
        }
    }
}
