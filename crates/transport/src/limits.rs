//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Longest frame in bytes: the 1 MiB that a transaction may take, and room for what wraps it.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024 + 64;

/// Longest reason for closing a connection, in bytes, sent or shown. Fits one datagram.
pub const CLOSE_REASON_BYTES_MAX: usize = 256;

/// How long a handshake may take, from the first datagram until both ends have accepted each other.
/// A link with a round trip of 600 ms and some loss needs about 3 s.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// Silence after which a peer counts as gone. A dead peer is to be noticed in seconds; three keep-alives
/// may be lost before. The first keep-alive that stays unanswered starts the silence anew (RFC 9000, section 10.1),
/// so a dead peer is noticed up to `KEEP_ALIVE_INTERVAL` later.
pub const IDLE_TIMEOUT: Duration = Duration::from_millis(IDLE_TIMEOUT_MS as u64);

/// [`IDLE_TIMEOUT`] in the type that QUIC's transport parameter takes.
pub(crate) const IDLE_TIMEOUT_MS: u32 = 6_000;

/// Pause after which an idle connection says that it lives. Also keeps a firewall's UDP mapping, which
/// some forget after 30 s.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Accepted handshakes in flight; more are refused and the dialler told to come back. At 1.6 ms of work
/// each, a hub needs 0.1 s for all of them.
pub const HANDSHAKES_MAX: usize = 64;

/// As many of those who join, and as many of those who renew: places of their own, so that strangers who say that they do
/// either leave [`HANDSHAKES_MAX`] to who replicates.
pub(crate) const ENROLMENT_HANDSHAKES_MAX: usize = 16;

/// Handshakes in flight from which on a dialler has to prove its address first, so that forged source
/// addresses cannot take all of [`HANDSHAKES_MAX`].
pub(crate) const HANDSHAKES_UNPROVEN_MAX: usize = 16;

/// First datagrams kept while nobody calls `accept`; more are ignored and the dialler repeats itself.
pub(crate) const INCOMING_MAX: usize = 256;

/// Bytes kept of one connection attempt that waits for `accept`: a handshake's first flight.
pub(crate) const INCOMING_BYTES_MAX: u64 = 16 * 1024;

/// Bytes kept of all connection attempts that wait for `accept`.
pub(crate) const INCOMING_BYTES_TOTAL_MAX: u64 = 1024 * 1024;

/// Streams a dialler may have open: the one for replication.
pub(crate) const STREAMS_MAX: u32 = 1;

/// Streams of one direction that a peer may have open: of what must not wait, and of what takes long.
pub(crate) const LANE_STREAMS_MAX: u32 = 2;

/// Unread bytes a peer may have under way on one stream.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The least that can be asked for in place of it: some datagrams, so that a long way costs no more than the cap that it is for.
pub const STREAM_WINDOW_BYTES_MIN: u32 = 8 * 1024;

/// Unread bytes a peer may have under way on one connection.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Unacknowledged bytes of ours on one connection; sending waits when they are reached.
pub(crate) const SEND_WINDOW_BYTES: u64 = 1024 * 1024;

/// Longest key or certificate file in bytes; ours are below 1 KiB.
pub const PEM_FILE_BYTES_MAX: u64 = 16 * 1024;

/// How far in the past a certificate starts to be valid: the clocks of a fleet differ.
pub(crate) const VALIDITY_MARGIN: Duration = Duration::from_hours(24);

/// How long a replica's certificate is valid.
pub(crate) const LEAF_VALIDITY: Duration = Duration::from_hours(24 * 365);

/// How long the authority's certificate says that it is valid. Replicas trust the authority that they
/// were given for as long as they have it; other tools look at the date.
pub(crate) const AUTHORITY_VALIDITY: Duration = Duration::from_hours(24 * 365 * 10);

/// How long a site's own certificate is valid, unless the hub's configuration says otherwise. Short, so that one that
/// was copied is of no use soon.
pub const SITE_VALIDITY: Duration = Duration::from_hours(24 * 30);

/// How long after its end a certificate may still be renewed, unless the hub's configuration says otherwise: a shop that
/// was closed for a quarter.
pub const RENEWAL_GRACE: Duration = Duration::from_hours(24 * 90);

/// Longest message of a site that joins or renews, in bytes: a request to sign a certificate has 200.
pub(crate) const ENROLMENT_REQUEST_BYTES_MAX: usize = 4 * 1024;

/// Longest answer to it, in bytes: a certificate, and the spaces with their rights.
pub(crate) const ENROLMENT_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Most spaces of one site in an invitation.
pub const GRANTED_SPACES_MAX: usize = 128;

/// How long a hub may take to answer a site that joins or renews: it makes it durable first.
pub const ENROLMENT_DEADLINE: Duration = Duration::from_secs(20);

/// How long who is refused may take to read it: what was decided took no time, and most who are refused have nothing to say.
pub(crate) const REFUSAL_DEADLINE: Duration = Duration::from_secs(2);

/// Joins, and renewals, that a hub takes at once.
pub(crate) const ENROLMENTS_BURST: u32 = 40;

/// Pause that earns one more: 20 a second. A fleet of 1,000 sites that all renew after an outage takes 50 s, of which a
/// hub works 2.
pub(crate) const ENROLMENT_PAUSE: Duration = Duration::from_millis(50);

/// Handshakes from one address that may fail at once.
pub(crate) const FAILED_HANDSHAKES_BURST: u32 = 100;

/// Pause that earns one more: 50 a second take less than a tenth of a core. Sites behind one address share it, of which one that is
/// refused tries five times a minute.
pub(crate) const FAILED_HANDSHAKE_PAUSE: Duration = Duration::from_millis(20);

/// Handshakes in flight from an address with failures: one that stalls takes no more of [`HANDSHAKES_MAX`].
pub(crate) const FAILED_IN_FLIGHT_MAX: u32 = 16;

/// Joins, and renewals, from one address that may come to nothing at once: sites that set out together and mistype.
pub(crate) const FAILED_ENROLMENTS_BURST: u32 = 20;

/// Pause that earns one more: 2 a second are a tenth of what [`ENROLMENT_PAUSE`] leaves to all.
pub(crate) const FAILED_ENROLMENT_PAUSE: Duration = Duration::from_millis(500);

/// As [`FAILED_IN_FLIGHT_MAX`], of [`ENROLMENT_HANDSHAKES_MAX`].
pub(crate) const FAILED_ENROLMENTS_IN_FLIGHT_MAX: u32 = 4;

/// After so long without a failure an address may be forgotten: all of the burst is earned again.
pub(crate) const FAILED_FOR: Duration = Duration::from_mins(1);

/// Addresses whose failures are counted.
pub(crate) const FAILED_ADDRESSES_MAX: usize = 1_024;
