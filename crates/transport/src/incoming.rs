//! A peer that dials this endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::timeout;
use webpki::KeyUsage;

use crate::attempts::Charge;
use crate::certificate::{CertificateError, Peer};
use crate::connection::Connection;
use crate::disconnect::{CertificateRefusal, Disconnect, close};
use crate::endpoint::Credentials;
use crate::enrolment::{EnrolmentRequest, Purpose, Question};
use crate::limits::HANDSHAKE_DEADLINE;
use crate::opening::{self, OpeningError};
use crate::socket::canonical;

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
    /// It asked for a certificate in a way that cannot be read.
    #[error("{address} asked for a certificate in a way that cannot be read")]
    Question {
        /// The dialler's address.
        address: SocketAddr,
    },
    /// It renews, and so do too many others.
    #[error("{address} wants its next certificate while too many others do")]
    Crowded {
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

impl AcceptError {
    /// Whether who dialled has read what was sent to its address. What else ends a handshake may be in another's name, or a
    /// bad line; a site whose certificate ended is no stranger.
    fn proves_address(&self) -> bool {
        match self {
            Self::Certificate { .. } | Self::Opening { .. } => true,
            Self::Disconnect { cause, .. } => matches!(
                cause,
                Disconnect::CertificateRefusedHere(refusal) | Disconnect::CertificateRefusedByPeer(refusal)
                    if *refusal != CertificateRefusal::OutsideValidity
            ),
            Self::TimedOut { .. } | Self::Question { .. } | Self::Crowded { .. } => false,
        }
    }
}

/// A peer that dials this endpoint and whose handshake has not begun. Dropping it refuses the peer.
#[derive(Debug)]
pub struct Incoming {
    pub(crate) incoming: quinn::Incoming,
    /// Its place among the handshakes in flight, and what it costs its address.
    charge: Charge,
    purpose: Purpose,
    settings: Arc<quinn::ServerConfig>,
    /// What the settings were made of.
    credentials: Arc<Credentials>,
}

impl Incoming {
    /// Of somebody who wants this, if `credentials` have settings for it.
    pub(crate) fn new(
        incoming: quinn::Incoming,
        (purpose, settings): (Purpose, Arc<quinn::ServerConfig>),
        credentials: Arc<Credentials>,
        charge: Charge,
    ) -> Self {
        Self { incoming, charge, purpose, settings, credentials }
    }

    /// What the peer wants, as far as its first datagram says. With [`Purpose::Replication`] call
    /// [`establish`](Self::establish), else [`ask`](Self::ask).
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The dialler's UDP address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        canonical(self.incoming.remote_address())
    }

    /// Goes through the handshake, at most [`HANDSHAKE_DEADLINE`]. To be run beside the next
    /// [`Endpoint::accept`](crate::Endpoint::accept): a slow peer then delays nobody.
    ///
    /// # Errors
    /// If the peer's certificate is not accepted here or ours by the peer, or the peer does something else
    /// or nothing at all.
    pub async fn establish(self) -> Result<Connection, AcceptError> {
        let address = self.address();
        let Self { incoming, charge, settings, credentials, .. } = self;
        let is_proven = incoming.remote_address_validated();
        let establishing = async {
            let connecting = incoming.accept_with(settings);
            let disconnect =
                |error| AcceptError::Disconnect { address, cause: Disconnect::from_quinn(error) };
            establish(connecting.map_err(disconnect)?.await.map_err(disconnect)?, &credentials, address).await
        };
        let established = timeout(HANDSHAKE_DEADLINE, establishing).await;
        let established = established.unwrap_or(Err(AcceptError::TimedOut { address }));
        if established.as_ref().err().is_some_and(|error| is_proven || error.proves_address()) {
            charge.fail();
        }
        established
    }

    /// Goes through the handshake of who joins or renews, and reads its question, both in [`HANDSHAKE_DEADLINE`]. Who does
    /// not get there is charged for it: its address was proven.
    ///
    /// # Errors
    /// As for [`establish`](Self::establish), when the question cannot be read, and when more renew than are taken.
    pub async fn ask(self) -> Result<EnrolmentRequest, AcceptError> {
        let address = self.address();
        let Self { incoming, mut charge, purpose, settings, .. } = self;
        let disconnect = |error| AcceptError::Disconnect { address, cause: Disconnect::from_quinn(error) };
        let asked = timeout(HANDSHAKE_DEADLINE, async {
            let connection = incoming.accept_with(settings).map_err(disconnect)?.await.map_err(disconnect)?;
            if purpose == Purpose::Renewal && !charge.admits_shown() {
                close(&connection, "too many renew at once: try again later");
                return Err(AcceptError::Crowded { address });
            }
            Question::read(connection, purpose, address).await
        });
        let asked = asked.await.unwrap_or(Err(AcceptError::TimedOut { address }));
        charge.leave_place();
        match asked {
            Ok(question) => Ok(EnrolmentRequest::new(question, charge)),
            Err(error @ AcceptError::Crowded { .. }) => Err(error),
            Err(error) => {
                charge.fail();
                Err(error)
            }
        }
    }
}

async fn establish(
    connection: quinn::Connection,
    credentials: &Credentials,
    address: SocketAddr,
) -> Result<Connection, AcceptError> {
    let peer = Peer::of_connection(&connection)
        .and_then(|peer| Ok((peer, credentials.identity.term_of(&connection, KeyUsage::client_auth())?)));
    let peer = peer.map_err(|cause| {
        close(&connection, &format!("certificate names no replica: {cause}"));
        AcceptError::Certificate { address, cause }
    })?;
    match opening::take(&connection).await {
        Ok(streams) => Ok(Connection::new(peer, connection, streams)),
        Err(OpeningError::Disconnect(cause)) => Err(AcceptError::Disconnect { address, cause }),
        Err(OpeningError::Unexpected) => {
            close(&connection, "the stream is not opened for replication");
            Err(AcceptError::Opening { address })
        }
    }
}
