//! A connection to a peer.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::{RecvStream, SendStream};

use crate::certificate::Peer;
use crate::disconnect::{Disconnect, close};
use crate::lanes::{Lanes, lanes};
use crate::socket::canonical;
use crate::term::Term;

/// An established connection: both ends have accepted each other's certificate, and a stream for frames is
/// open both ways.
#[derive(Debug)]
pub struct Connection {
    handle: ConnectionHandle,
    lanes: Lanes,
}

/// Watches and closes a connection whose halves are in use elsewhere.
#[derive(Clone, Debug)]
pub struct ConnectionHandle {
    peer: Peer,
    term: Term,
    connection: quinn::Connection,
}

/// What a connection has cost so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes sent in UDP datagrams, handshake, repetitions and acknowledgements included.
    pub sent_bytes: u64,
    /// Bytes received in UDP datagrams.
    pub received_bytes: u64,
    /// The current estimate of the time there and back.
    pub round_trip: Duration,
}

impl Connection {
    pub(crate) fn new(
        (peer, term): (Peer, Term),
        connection: quinn::Connection,
        streams: (SendStream, RecvStream),
    ) -> Self {
        Self { lanes: lanes(&connection, streams), handle: ConnectionHandle { peer, term, connection } }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.handle.peer
    }

    /// A handle that outlives [`Connection::split`].
    #[must_use]
    pub fn handle(&self) -> ConnectionHandle {
        self.handle.clone()
    }

    /// Takes the connection apart. It stays open until it is closed at one end, or all parts and all handles are
    /// dropped.
    #[must_use]
    pub fn split(self) -> Lanes {
        self.lanes
    }
}

impl ConnectionHandle {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    #[cfg(test)]
    pub(crate) fn quinn(&self) -> &quinn::Connection {
        &self.connection
    }

    /// How long it may stand.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
    }

    /// The peer's UDP address, which changes when the peer moves to another network.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        canonical(self.connection.remote_address())
    }

    /// Closes the connection at once; frames not yet delivered are lost. The peer is shown the first
    /// [`CLOSE_REASON_BYTES_MAX`](crate::CLOSE_REASON_BYTES_MAX) bytes of `reason`.
    pub fn close(&self, reason: &str) {
        close(&self.connection, reason);
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> Disconnect {
        Disconnect::from_quinn(self.connection.closed().await)
    }

    /// How many parts of frames went either way so far. Stands still while neither side sends any: acknowledgements, and
    /// what keeps the connection alive, are not among them.
    #[must_use]
    pub fn frame_parts(&self) -> u64 {
        let stats = self.connection.stats();
        stats.frame_tx.stream.saturating_add(stats.frame_rx.stream)
    }

    /// What the connection has cost so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let stats = self.connection.stats();
        Traffic {
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
            round_trip: self.connection.rtt(),
        }
    }
}
