use super::PageOrigins;
use crate::duration::Span;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// Deepest body that the parser takes.
pub(super) const DEPTH_LIMIT: u32 = 127;

/// How services are answered over HTTP. The Unix socket `http.sock` of the data directory is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// The TCP address; none: the Unix socket alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether TLS is spoken there, with the replica's own certificate. Services may show one of the same authority.
    pub tls: bool,
    /// Connections at once, more than feeds; the next ones are told to try again.
    pub connections_max: NonZeroU32,
    /// Requests that are answered at once; more are told to try again.
    pub requests_max: NonZeroU32,
    /// Feeds at once; likewise. One caller has at most a quarter of them, and at least one.
    pub watches_max: NonZeroU32,
    /// Results as lines at once; likewise. One caller has at most a quarter of them, and at least one.
    pub lines_max: NonZeroU32,
    /// KiB of a body.
    pub body_kib_max: NonZeroU32,
    /// MiB of all bodies that are here at once, and of what is read from them, or as much as one may have; past them a service is
    /// told to try again. One caller has at most a quarter of them, or one body.
    pub bodies_mib_max: NonZeroU32,
    /// Objects and arrays within one another in a body; 127 at most.
    pub depth_max: NonZeroU32,
    /// For a body to arrive, and for an answer to be made; waiting for the hub comes on top.
    pub time_max: Span,
    /// Idempotency keys, of which each is kept for a day; where there are more the oldest go sooner, down to 65,536, and those of
    /// a caller that holds up to a sixteenth of them last.
    pub idempotency_keys_max: NonZeroU32,
    /// Whether whoever comes over TCP from this machine may do everything: any user and any program on it.
    pub loopback_without_token: bool,
    /// Pages of which origins may read answers in a browser; none: of no other origin. They need a token all the same.
    pub allow_origins: PageOrigins,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let count = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            listen: None,
            tls: false,
            connections_max: count(512),
            requests_max: count(64),
            watches_max: count(256),
            lines_max: count(16),
            body_kib_max: count(1_024),
            // A small machine has 128 MiB for everything.
            bodies_mib_max: count(8),
            depth_max: count(64),
            time_max: Span(Duration::from_secs(30)),
            idempotency_keys_max: count(1 << 20),
            loopback_without_token: false,
            allow_origins: PageOrigins::default(),
        }
    }
}

impl HttpConfig {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
