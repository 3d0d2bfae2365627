//! Why a connection ended, in words an operator can act on.

use quinn::{ConnectionError, TransportErrorCode, VarInt};
use rustls::AlertDescription;

use crate::limits::{CLOSE_REASON_BYTES_MAX, IDLE_TIMEOUT_MS};

/// Application error code of every close of ours; what is meant is in the reason.
pub(crate) const CLOSE_CODE: VarInt = VarInt::from_u32(1);

/// QUIC error codes from here on carry a TLS alert in their low byte (RFC 9001, section 4.8).
const TLS_ALERT_FIRST: u64 = 0x100;

/// Why a connection ended, or never came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// The peer closed the connection.
    #[error("closed by the peer: {}", if reason.is_empty() { "no reason given" } else { reason })]
    ClosedByPeer {
        /// The peer's words, at most [`CLOSE_REASON_BYTES_MAX`] bytes, without control characters.
        reason: String,
    },
    /// This end closed the connection.
    #[error("closed here")]
    ClosedHere,
    /// Nothing was heard for the idle timeout.
    #[error("nothing heard for {} s: the peer is down or the network is cut", IDLE_TIMEOUT_MS / 1000)]
    TimedOut,
    /// The peer no longer knows this connection.
    #[error("the peer restarted and does not know this connection: connect again")]
    PeerRestarted,
    /// Theirs, by us.
    #[error("the peer's certificate is not accepted here: {0}")]
    CertificateRefusedHere(CertificateRefusal),
    /// Ours, by them.
    #[error("our certificate is not accepted by the peer: {0}")]
    CertificateRefusedByPeer(CertificateRefusal),
    /// The ends have no protocol version in common.
    #[error(
        "the peer does not speak isle/1: another program is at this address, or one side needs an upgrade"
    )]
    ProtocolMismatch,
    /// Too many handshakes at once, or it is closing: both refuse in one way (RFC 9000, section 20.1).
    #[error("the accepting end is stopping, or has too many handshakes at once: try again later")]
    Busy,
    /// The peer did what QUIC or TLS forbid, or something on the way did.
    #[error("the peer broke the QUIC or TLS protocol (error {code:#x})")]
    ViolatedByPeer {
        /// The QUIC transport error code (RFC 9000, section 20.1).
        code: u64,
    },
    /// The peer says that we did what QUIC or TLS forbid.
    #[error("the peer aborted the connection (QUIC error {code:#x})")]
    AbortedByPeer {
        /// The QUIC transport error code (RFC 9000, section 20.1).
        code: u64,
    },
}

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateRefusal {
    /// Signed by somebody else, or shown by somebody who does not have its key.
    #[error("it is not signed by the fleet's authority or not with its own key, issue one by the authority")]
    OtherAuthority,
    /// Expired or not yet valid.
    #[error("it is not valid at this time, renew it or set the clock of the refusing end")]
    OutsideValidity,
    /// None was shown.
    #[error("none was shown")]
    Missing,
    /// Genuine perhaps, but issued for another name or use.
    #[error("it is not for this name or this use")]
    Unsuitable,
}

impl CertificateRefusal {
    fn from_alert(alert: AlertDescription) -> Option<Self> {
        // The alerts that rustls gives for each cause; a signature by another key under the authority's
        // name is a decrypt error.
        const OTHER_AUTHORITY: [AlertDescription; 2] =
            [AlertDescription::UnknownCA, AlertDescription::DecryptError];
        const MISSING: [AlertDescription; 2] =
            [AlertDescription::CertificateRequired, AlertDescription::NoCertificate];
        const UNSUITABLE: [AlertDescription; 5] = [
            AlertDescription::BadCertificate,
            AlertDescription::UnsupportedCertificate,
            AlertDescription::CertificateUnknown,
            AlertDescription::CertificateRevoked,
            AlertDescription::AccessDenied,
        ];
        if OTHER_AUTHORITY.contains(&alert) {
            Some(Self::OtherAuthority)
        } else if alert == AlertDescription::CertificateExpired {
            Some(Self::OutsideValidity)
        } else if MISSING.contains(&alert) {
            Some(Self::Missing)
        } else {
            UNSUITABLE.contains(&alert).then_some(Self::Unsuitable)
        }
    }
}

impl Disconnect {
    /// Not a `From`, which would show quinn to users of this crate.
    pub(crate) fn from_quinn(error: ConnectionError) -> Self {
        match error {
            ConnectionError::VersionMismatch => Self::ProtocolMismatch,
            ConnectionError::TransportError(error) => Self::from_code(error.code.into(), End::Here),
            ConnectionError::ConnectionClosed(close) => Self::from_code(close.error_code.into(), End::Peer),
            ConnectionError::ApplicationClosed(close) => {
                Self::ClosedByPeer { reason: readable(&close.reason) }
            }
            ConnectionError::Reset => Self::PeerRestarted,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::ClosedHere,
            ConnectionError::CidsExhausted => Self::Busy,
        }
    }

    fn from_code(code: u64, found_by: End) -> Self {
        let alert = code
            .checked_sub(TLS_ALERT_FIRST)
            .and_then(|alert| u8::try_from(alert).ok())
            .map(AlertDescription::from);
        if alert == Some(AlertDescription::NoApplicationProtocol) {
            return Self::ProtocolMismatch;
        }
        if code == u64::from(TransportErrorCode::CONNECTION_REFUSED) {
            return Self::Busy;
        }
        match (alert.and_then(CertificateRefusal::from_alert), found_by) {
            (Some(refusal), End::Here) => Self::CertificateRefusedHere(refusal),
            (Some(refusal), End::Peer) => Self::CertificateRefusedByPeer(refusal),
            (None, End::Here) => Self::ViolatedByPeer { code },
            (None, End::Peer) => Self::AbortedByPeer { code },
        }
    }
}

/// Which end found the fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Here,
    Peer,
}

/// Closes with as much of `reason` as may be sent.
pub(crate) fn close(connection: &quinn::Connection, reason: &str) {
    connection.close(CLOSE_CODE, shortened(reason).as_bytes());
}

/// The first [`CLOSE_REASON_BYTES_MAX`] bytes, cut between characters.
pub(crate) fn shortened(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)).unwrap_or_default()
}

/// A peer's words made safe for a terminal and a log line.
fn readable(reason: &[u8]) -> String {
    let text = String::from_utf8_lossy(reason.get(..CLOSE_REASON_BYTES_MAX).unwrap_or(reason));
    let replaced: String =
        text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect();
    shortened(&replaced).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u64, found_by: End, expected: &Disconnect) {
        assert_eq!(&Disconnect::from_code(code, found_by), expected, "{code:#x}");
    }

    #[test]
    fn codes_become_causes() {
        use CertificateRefusal::{Missing, OtherAuthority, OutsideValidity, Unsuitable};
        use Disconnect::{CertificateRefusedByPeer, CertificateRefusedHere};
        check(0x130, End::Here, &CertificateRefusedHere(OtherAuthority));
        check(0x133, End::Peer, &CertificateRefusedByPeer(OtherAuthority));
        check(0x12d, End::Peer, &CertificateRefusedByPeer(OutsideValidity));
        check(0x174, End::Here, &CertificateRefusedHere(Missing));
        check(0x12a, End::Peer, &CertificateRefusedByPeer(Unsuitable));
        check(0x178, End::Peer, &Disconnect::ProtocolMismatch);
        check(0x178, End::Here, &Disconnect::ProtocolMismatch);
        check(0x2, End::Peer, &Disconnect::Busy);
        check(0xa, End::Here, &Disconnect::ViolatedByPeer { code: 0xa });
        check(0x100, End::Peer, &Disconnect::AbortedByPeer { code: 0x100 });
        check(u64::MAX, End::Peer, &Disconnect::AbortedByPeer { code: u64::MAX });
    }

    #[test]
    fn a_hostile_reason_is_made_readable() {
        assert_eq!(readable(b"not known\x1b[2J\n\xff"), "not known\u{fffd}[2J\u{fffd}\u{fffd}");
        assert!(readable(&[0xff; 10_000]).len() <= CLOSE_REASON_BYTES_MAX);
        assert_eq!(readable(b""), "");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = format!("{}é", "a".repeat(CLOSE_REASON_BYTES_MAX - 1));
        assert_eq!(shortened(&long), "a".repeat(CLOSE_REASON_BYTES_MAX - 1));
        assert_eq!(shortened("short"), "short");
    }
}
