//! A peer that dials this endpoint.

use std::net::SocketAddr;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::certificate::{CertificateError, Peer};
use crate::connection::Connection;
use crate::disconnect::{Disconnect, close};
use crate::limits::HANDSHAKE_DEADLINE;
use crate::opening::{self, OpeningError};

/// Why a peer that dialled was not connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The handshake took too long.
    #[error("{address} dialled and did not finish the handshake within {} s", HANDSHAKE_DEADLINE.as_secs())]
    TimedOut {
        /// The dialler's address.
        address: SocketAddr,
    },
    /// Signed by the authority, and yet no replica's.
    #[error("{address} dialled with a certificate that names no replica: {cause}")]
    Certificate {
        /// The dialler's address.
        address: SocketAddr,
        /// What is wrong with its certificate.
        cause: CertificateError,
    },
    /// It speaks isle/1 and does not follow it.
    #[error("{address} dialled and did not open a replication stream")]
    Opening {
        /// The dialler's address.
        address: SocketAddr,
    },
    /// The connection ended before it was established.
    #[error("{address} dialled: {cause}")]
    Disconnect {
        /// The dialler's address.
        address: SocketAddr,
        /// Why it ended.
        cause: Disconnect,
    },
}

/// A peer that dials this endpoint and whose handshake has not begun. Dropping it refuses the peer.
#[derive(Debug)]
pub struct Incoming {
    pub(crate) incoming: quinn::Incoming,
    /// Its place among the handshakes in flight.
    place: OwnedSemaphorePermit,
}

impl Incoming {
    pub(crate) fn new(incoming: quinn::Incoming, place: OwnedSemaphorePermit) -> Self {
        Self { incoming, place }
    }

    /// The dialler's UDP address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Goes through the handshake, at most [`HANDSHAKE_DEADLINE`]. To be run beside the next
    /// [`Endpoint::accept`](crate::Endpoint::accept): a slow peer then delays nobody.
    ///
    /// # Errors
    /// If the peer's certificate is not accepted here or ours by the peer, or the peer does something else
    /// or nothing at all.
    pub async fn establish(self) -> Result<Connection, AcceptError> {
        let address = self.address();
        let established = timeout(HANDSHAKE_DEADLINE, establish(self.incoming, address)).await;
        drop(self.place);
        established.unwrap_or(Err(AcceptError::TimedOut { address }))
    }
}

async fn establish(incoming: quinn::Incoming, address: SocketAddr) -> Result<Connection, AcceptError> {
    let disconnect = |cause| AcceptError::Disconnect { address, cause };
    let connection = incoming.await.map_err(|error| disconnect(Disconnect::from_quinn(error)))?;
    let peer = Peer::of_connection(&connection).map_err(|cause| {
        close(&connection, &format!("certificate names no replica: {cause}"));
        AcceptError::Certificate { address, cause }
    })?;
    match opening::take(&connection).await {
        Ok(streams) => Ok(Connection::new(peer, connection, streams)),
        Err(OpeningError::Disconnect(cause)) => Err(disconnect(cause)),
        Err(OpeningError::Unexpected) => {
            close(&connection, "the stream is not opened for replication");
            Err(AcceptError::Opening { address })
        }
    }
}
