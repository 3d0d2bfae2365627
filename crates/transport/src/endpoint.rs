//! One UDP socket that dials and accepts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use webpki::KeyUsage;

use crate::attempts::AttemptsByPurpose;
use crate::certificate::{CertificateError, Peer};
use crate::connection::Connection;
use crate::disconnect::{CLOSE_CODE, Disconnect, close, shortened};
use crate::enrolment::{self, EnrolError, Purpose, Renewed};
use crate::identity::Identity;
use crate::incoming::Incoming;
use crate::limits::{
    HANDSHAKE_DEADLINE, HANDSHAKES_UNPROVEN_MAX, STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES_MIN,
};
use crate::name::{NameError, check_name};
use crate::opening::{self, OpeningError};
use crate::services::ServiceAcceptor;
use crate::socket::{BindError, Socket};
use crate::tls::{Dialling, NameVerifier, accepting, serving};

/// Why a peer could not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The expected name is none that a replica can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The address cannot be dialled from this socket.
    #[error("{address} cannot be dialled from {local}: port 0, or IPv6 from an IPv4 socket")]
    Address {
        /// The address asked for.
        address: SocketAddr,
        /// The socket's own address.
        local: SocketAddr,
    },
    /// [`Endpoint::close`] was called.
    #[error("the endpoint is closed")]
    EndpointClosed,
    /// Not a single answer.
    #[error("nobody answers at {address}: the peer is down, or UDP is blocked on the way")]
    NoAnswer {
        /// The address dialled.
        address: SocketAddr,
    },
    /// An answer, and then nothing more.
    #[error("{address} answered and did not finish the handshake within {} s", HANDSHAKE_DEADLINE.as_secs())]
    TimedOut {
        /// The address dialled.
        address: SocketAddr,
    },
    /// A replica of this fleet, but another one.
    #[error("{address} is {found:?}, not {expected:?}: correct the address or the name")]
    NameMismatch {
        /// The address dialled.
        address: SocketAddr,
        /// The name asked for.
        expected: String,
        /// The name in the certificate of who answered.
        found: String,
    },
    /// Signed by the authority, and yet no replica's.
    #[error("{address} answered with a certificate that names no replica: {cause}")]
    Certificate {
        /// The address dialled.
        address: SocketAddr,
        /// What is wrong with its certificate.
        cause: CertificateError,
    },
    /// It speaks isle/1 and does not follow it.
    #[error("{address} answered and did not take the replication stream")]
    Opening {
        /// The address dialled.
        address: SocketAddr,
    },
    /// The connection ended before it was established.
    #[error("cannot connect to {address}: {cause}")]
    Disconnect {
        /// The address dialled.
        address: SocketAddr,
        /// Why it ended.
        cause: Disconnect,
    },
}

/// What the endpoint shows and expects.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) identity: Identity,
    pub(crate) dialling: Dialling,
    pub(crate) services: Arc<rustls::ServerConfig>,
    accepting: Arc<quinn::ServerConfig>,
    enrolling: Option<Enrolling>,
}

/// For those who join and renew.
#[derive(Debug)]
struct Enrolling {
    grace: Duration,
    joining: Arc<quinn::ServerConfig>,
    renewing: Arc<quinn::ServerConfig>,
}

impl Credentials {
    fn new(identity: Identity, grace: Option<Duration>) -> Self {
        let settings = |purpose, grace| Arc::new(accepting(&identity, purpose, grace));
        let enrolling = grace.map(|grace| Enrolling {
            grace,
            joining: settings(Purpose::Join, grace),
            renewing: settings(Purpose::Renewal, grace),
        });
        let services = Arc::new(serving(&identity));
        let accepting = settings(Purpose::Replication, Duration::ZERO);
        Self { dialling: Dialling::new(&identity), services, accepting, enrolling, identity }
    }
}

impl Credentials {
    /// What a dialler wants, and the settings for it. Where nobody is enrolled all are taken to replicate, and who wants
    /// something else finds that out in the handshake.
    fn accepting(&self, incoming: &quinn::Incoming) -> (Purpose, Arc<quinn::ServerConfig>) {
        match (Purpose::of(&incoming.orig_dst_cid()), &self.enrolling) {
            (Purpose::Join, Some(enrolling)) => (Purpose::Join, enrolling.joining.clone()),
            (Purpose::Renewal, Some(enrolling)) => (Purpose::Renewal, enrolling.renewing.clone()),
            (Purpose::Replication, _) | (_, None) => (Purpose::Replication, self.accepting.clone()),
        }
    }
}

/// One UDP socket that dials peers and accepts them. Clones share the socket.
#[derive(Clone, Debug)]
pub struct Endpoint {
    endpoint: quinn::Endpoint,
    local_address: SocketAddr,
    /// Put in place of the earlier ones when the certificate is renewed; each dial takes what is there.
    credentials: Arc<watch::Sender<Arc<Credentials>>>,
    attempts: Arc<AttemptsByPurpose>,
}

impl Endpoint {
    /// Binds a UDP socket. Port 0 lets the system choose: see [`Endpoint::local_address`].
    ///
    /// # Errors
    /// If the system refuses the address, or there is no tokio runtime.
    pub fn bind(address: SocketAddr, identity: &Identity) -> Result<Self, BindError> {
        Self::on(Socket::bind(address)?, identity)
    }

    /// Takes and gives what goes through a socket, from here on.
    ///
    /// # Errors
    /// If the system refuses to watch the socket, or there is no tokio runtime.
    pub fn on(socket: Socket, identity: &Identity) -> Result<Self, BindError> {
        let Socket { socket, address: local_address } = socket;
        let runtime = quinn::default_runtime().ok_or(BindError::NoRuntime)?;
        let settings = quinn::EndpointConfig::default();
        let credentials = Credentials::new(identity.clone(), None);
        let accepting = quinn::ServerConfig::clone(&credentials.accepting);
        let endpoint = quinn::Endpoint::new(settings, Some(accepting), socket, runtime);
        let endpoint = endpoint.map_err(|source| BindError::Socket { address: local_address, source })?;
        Ok(Self {
            endpoint,
            local_address,
            credentials: Arc::new(watch::Sender::new(Arc::new(credentials))),
            attempts: Arc::new(AttemptsByPurpose::start()),
        })
    }

    /// Takes those who join and renew, from here on: [`Endpoint::accept`] gives them out too. A certificate is renewed
    /// up to `grace` after its end.
    pub fn enrol(&self, grace: Duration) {
        self.replace(|credentials| (credentials.identity.clone(), Some(grace)));
    }

    /// Shows `identity` in all connections that are made from here on; those that stand go on for their [`Term`](crate::Term).
    pub fn replace_identity(&self, identity: &Identity) {
        self.replace(|credentials| {
            (identity.clone(), credentials.enrolling.as_ref().map(|enrolling| enrolling.grace))
        });
    }

    fn replace(&self, by: impl FnOnce(&Credentials) -> (Identity, Option<Duration>)) {
        self.credentials.send_modify(|credentials| {
            let (identity, grace) = by(credentials);
            *credentials = Arc::new(Credentials::new(identity, grace));
            // Who has to prove an address is told so by these.
            self.endpoint.set_server_config(Some(quinn::ServerConfig::clone(&credentials.accepting)));
        });
    }

    /// The identity that it shows.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.credentials.borrow().identity.clone()
    }

    /// What takes services of the site, with the identity that this shows at the time.
    #[must_use]
    pub fn services(&self) -> ServiceAcceptor {
        ServiceAcceptor::new(self.credentials.clone())
    }

    /// Asks the hub, the replica `hub` at `address`, for the next certificate.
    ///
    /// # Errors
    /// See [`EnrolError`].
    pub async fn renew(&self, address: SocketAddr, hub: &str) -> Result<Renewed, EnrolError> {
        let credentials = self.credentials.borrow().clone();
        enrolment::renew(&self.endpoint, &credentials, address, hub).await
    }

    /// The socket's own address.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Dials the replica `expected_name` at `address`; takes at most [`HANDSHAKE_DEADLINE`]. When it
    /// returns, the peer has accepted our certificate too.
    ///
    /// # Errors
    /// See [`ConnectError`]; which of them are worth another try the caller decides.
    pub async fn connect(
        &self,
        address: SocketAddr,
        expected_name: &str,
    ) -> Result<Connection, ConnectError> {
        self.connect_within(address, expected_name, STREAM_WINDOW_BYTES).await
    }

    /// The same with another window: so many bytes on each stream the peer may send ahead of what is read here, from
    /// [`STREAM_WINDOW_BYTES_MIN`](crate::STREAM_WINDOW_BYTES_MIN) to [`STREAM_WINDOW_BYTES`](crate::STREAM_WINDOW_BYTES).
    /// What is outside of that counts as its end.
    ///
    /// # Errors
    /// As for [`Endpoint::connect`].
    pub async fn connect_within(
        &self,
        address: SocketAddr,
        expected_name: &str,
        window_bytes: u32,
    ) -> Result<Connection, ConnectError> {
        check_name(expected_name)?;
        let deadline = Instant::now() + HANDSHAKE_DEADLINE;
        let credentials = self.credentials.borrow().clone();
        let (config, verifier) = credentials
            .dialling
            .config(Purpose::Replication, window_bytes.clamp(STREAM_WINDOW_BYTES_MIN, STREAM_WINDOW_BYTES));
        let call = Call { address, expected_name, verifier: &verifier, identity: &credentials.identity };
        let mut connecting = self
            .endpoint
            .connect_with(config, address, expected_name)
            .map_err(|error| self.not_dialled(&error, address, expected_name))?;
        match timeout_at(deadline, connecting.handshake_data()).await {
            Ok(Ok(_)) => {}
            Ok(Err(quinn::ConnectionError::TimedOut)) | Err(_) => {
                return Err(ConnectError::NoAnswer { address });
            }
            Ok(Err(error)) => return Err(call.failed(Disconnect::from_quinn(error))),
        }
        timeout_at(deadline, call.establish(connecting))
            .await
            .unwrap_or(Err(ConnectError::TimedOut { address }))
    }

    /// Waits for the next peer that dials; `None` once the endpoint is closed. The future may be dropped at
    /// any time.
    ///
    /// With many handshakes in flight diallers first have to prove their address, and who joins or renews always. With
    /// [`HANDSHAKES_MAX`](crate::HANDSHAKES_MAX), more who join than are taken in a second, or too many failures from one
    /// address, they are refused as [`Disconnect::Busy`]. Those who join, and those who renew, have fewer places, and their own.
    pub async fn accept(&self) -> Option<Incoming> {
        loop {
            let incoming = self.endpoint.accept().await?;
            let credentials = self.credentials.borrow().clone();
            let (purpose, settings) = credentials.accepting(&incoming);
            let attempts = self.attempts.of(purpose);
            let in_flight = attempts.in_flight();
            let must_prove = in_flight >= HANDSHAKES_UNPROVEN_MAX || purpose != Purpose::Replication;
            if must_prove && !incoming.remote_address_validated() {
                tracing::debug!(address = %incoming.remote_address(), in_flight, "address to be proven");
                // Cannot fail: an address that is not proven may be asked for.
                let _ = incoming.retry();
                continue;
            }
            let address = incoming.remote_address();
            if let Some(charge) = attempts.admit(address.ip()) {
                return Some(Incoming::new(incoming, (purpose, settings), credentials, charge));
            }
            if attempts.warns() {
                tracing::warn!(%address, in_flight, ?purpose, "handshakes refused: too many at once, or failed from there");
            } else {
                tracing::debug!(%address, in_flight, ?purpose, "handshake refused");
            }
            incoming.refuse();
        }
    }

    /// Somebody who went through a handshake is refused for who it is: that counts as a handshake that failed.
    pub fn refused(&self, address: SocketAddr) {
        self.attempts.of(Purpose::Replication).failed(address.ip());
    }

    /// Closes all connections at once, showing `reason` to the peers, and accepts and dials no more. What is
    /// left to be sent is sent by the time [`Endpoint::wait_idle`] returns.
    pub fn close(&self, reason: &str) {
        self.endpoint.close(CLOSE_CODE, shortened(reason).as_bytes());
    }

    /// Waits until all connections have ended and their peers were told: after a close three probe timeouts
    /// at most, which is some milliseconds on a good link and seconds on a dead one.
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }

    fn not_dialled(&self, error: &quinn::ConnectError, address: SocketAddr, name: &str) -> ConnectError {
        match error {
            quinn::ConnectError::InvalidRemoteAddress(_) => {
                ConnectError::Address { address, local: self.local_address }
            }
            quinn::ConnectError::CidsExhausted => {
                ConnectError::Disconnect { address, cause: Disconnect::Busy }
            }
            quinn::ConnectError::InvalidServerName(_) => NameError { name: name.to_owned() }.into(),
            quinn::ConnectError::EndpointStopping
            | quinn::ConnectError::NoDefaultClientConfig
            | quinn::ConnectError::UnsupportedVersion => ConnectError::EndpointClosed,
        }
    }
}

/// One call of [`Endpoint::connect`].
struct Call<'a> {
    address: SocketAddr,
    expected_name: &'a str,
    verifier: &'a NameVerifier,
    identity: &'a Identity,
}

impl Call<'_> {
    async fn establish(&self, connecting: quinn::Connecting) -> Result<Connection, ConnectError> {
        let address = self.address;
        let connection = connecting.await.map_err(|error| self.failed(Disconnect::from_quinn(error)))?;
        let peer = Peer::of_connection(&connection)
            .and_then(|peer| Ok((peer, self.identity.term_of(&connection, KeyUsage::server_auth())?)));
        let (peer, term) = peer.map_err(|cause| {
            close(&connection, &format!("certificate names no replica: {cause}"));
            ConnectError::Certificate { address, cause }
        })?;
        // Verified in the handshake already; a certificate for more than one name would not get here.
        if peer.name != self.expected_name {
            close(&connection, "another replica was expected at this address");
            return Err(self.mismatch(peer.name));
        }
        match opening::open(&connection).await {
            Ok(streams) => Ok(Connection::new((peer, term), connection, streams)),
            Err(OpeningError::Disconnect(cause)) => Err(self.failed(cause)),
            Err(OpeningError::Unexpected) => {
                close(&connection, "the replication stream was not taken");
                Err(ConnectError::Opening { address })
            }
        }
    }

    fn failed(&self, cause: Disconnect) -> ConnectError {
        match (self.verifier.wrong_name(), cause) {
            (Some(found), Disconnect::CertificateRefusedHere(_)) => self.mismatch(found.to_owned()),
            (_, cause) => ConnectError::Disconnect { address: self.address, cause },
        }
    }

    fn mismatch(&self, found: String) -> ConnectError {
        ConnectError::NameMismatch { address: self.address, expected: self.expected_name.to_owned(), found }
    }
}

#[cfg(test)]
impl Endpoint {
    pub(crate) fn handshakes_free(&self) -> usize {
        crate::limits::HANDSHAKES_MAX - self.attempts.of(Purpose::Replication).in_flight()
    }

    /// What it would dial with for another purpose.
    pub(crate) fn settings_for(&self, purpose: Purpose) -> quinn::ClientConfig {
        self.credentials.borrow().dialling.config(purpose, STREAM_WINDOW_BYTES).0
    }

    /// As if others had tried to join as often as is allowed.
    pub(crate) fn spend_joins(&self) {
        let other = std::net::IpAddr::from([192, 0, 2, 1]);
        while self.attempts.of(Purpose::Join).admit(other).is_some() {}
    }

    pub(crate) fn attempts(&self, purpose: Purpose) -> &crate::attempts::Attempts {
        self.attempts.of(purpose)
    }
}

#[cfg(test)]
mod tests;
