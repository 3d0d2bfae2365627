//! What a connection is for, told by its first datagram.
//!
//! The accepting end must choose its TLS settings before the handshake, and the three protocols differ in what certificate
//! they ask for. So a dialler that joins or renews marks the first 8 bytes of the connection id that it chooses for the
//! accepting end (RFC 9000, section 7.2); the other 12 are random. The mark decides nothing but which settings are used:
//! each of them takes its own application protocol alone, so that a wrong mark ends the handshake.

use std::sync::Arc;

use quinn::ConnectionId;

use crate::tls::provider;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To replicate: both ends show a valid certificate.
    Replication,
    /// To get a first certificate: the dialler has none, and shows the secret of an invitation.
    Join,
    /// To get the next certificate: the dialler's may have run out not long ago, and serves for nothing else.
    Renewal,
}

const MARK_BYTES: usize = 8;
const CONNECTION_ID_BYTES: usize = 20;

impl Purpose {
    const ENROLMENT: [Self; 2] = [Self::Join, Self::Renewal];

    /// The application protocol: what both ends must name in the handshake.
    pub(crate) fn protocol(self) -> &'static [u8] {
        match self {
            Self::Replication => b"isle/1",
            Self::Join => b"isle-join/1",
            Self::Renewal => b"isle-renew/1",
        }
    }

    fn mark(self) -> Option<[u8; MARK_BYTES]> {
        match self {
            Self::Replication => None,
            Self::Join => Some(*b"isle-jn1"),
            Self::Renewal => Some(*b"isle-rn1"),
        }
    }

    /// Of the connection id that the dialler chose.
    pub(crate) fn of(id: &ConnectionId) -> Self {
        let marked = |purpose: &Self| purpose.mark().is_some_and(|mark| id.starts_with(&mark));
        Self::ENROLMENT.into_iter().find(marked).unwrap_or(Self::Replication)
    }

    /// Has the dialler mark its connections.
    pub(crate) fn mark_on(self, config: &mut quinn::ClientConfig) {
        if let Some(mark) = self.mark() {
            config.initial_dst_cid_provider(Arc::new(move || connection_id(mark)));
        }
    }
}

fn connection_id(mark: [u8; MARK_BYTES]) -> ConnectionId {
    let mut id = [0; CONNECTION_ID_BYTES];
    // Without randomness the handshake fails by itself.
    let _ = provider().secure_random.fill(&mut id);
    if let Some(start) = id.first_chunk_mut() {
        *start = mark;
    }
    ConnectionId::new(&id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_what_a_connection_is_for() {
        for purpose in Purpose::ENROLMENT {
            let ids = [(); 2].map(|()| connection_id(purpose.mark().unwrap()));
            assert_ne!(ids[0], ids[1]);
            assert_eq!(ids.map(|id| Purpose::of(&id)), [purpose; 2]);
        }
        for other in [&[][..], b"isle-jn", b"isle-jn2 and more", &[0; 20]] {
            assert_eq!(Purpose::of(&ConnectionId::new(other)), Purpose::Replication);
        }
    }
}
