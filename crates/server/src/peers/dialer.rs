//! Keeps a connection to one peer, as long as the server runs.

use super::link::{self, Carrier};
use super::pace::Pace;
use super::presence::Presence;
use super::reach::reach;
use super::timetable::Timetable;
use super::tried::Tried;
use crate::config::PeerAddress;
use crate::event_loop::Stop;
use crate::random;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use transport::{Backoff, ConnectError, Disconnect, Endpoint};

/// The first pause after a failure: a peer that restarts is back within a second.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// The longest pause. A site whose link is back waits half as long on average; a hub with 1,000 sites that are all
/// refused has 67 handshakes a second, a tenth of what it can do.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Between two looks at what becomes of datagrams to a peer that does not answer.
const DIAGNOSIS_INTERVAL: Duration = Duration::from_mins(1);

/// Dials one peer.
pub(crate) struct Dialer {
    pub(crate) endpoint: Endpoint,
    pub(crate) peer: String,
    pub(crate) address: PeerAddress,
    pub(crate) carrier: Carrier,
    pub(crate) timetable: Timetable,
    pub(crate) tried: Tried,
    pub(crate) stop: Stop,
}

/// Why a peer was not reached.
#[derive(Debug, thiserror::Error)]
enum DialError {
    /// Its name is not known.
    #[error("cannot look up {address}: {source}")]
    LookUp {
        /// The address in the configuration.
        address: PeerAddress,
        /// What the system said.
        source: io::Error,
    },
    /// Its name has no address.
    #[error("{address} has no address that this replica's socket can dial")]
    NoAddress {
        /// The address in the configuration.
        address: PeerAddress,
    },
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl DialError {
    /// Where nobody answered at all.
    fn unanswered(&self) -> Option<SocketAddr> {
        match self {
            Self::Connect(ConnectError::NoAnswer { address }) => Some(*address),
            Self::Connect(_) | Self::LookUp { .. } | Self::NoAddress { .. } => None,
        }
    }

    /// An offline site is no fault; anything else somebody has to put right.
    fn is_offline(&self) -> bool {
        match self {
            Self::LookUp { .. } | Self::NoAddress { .. } => true,
            Self::Connect(error) => {
                matches!(
                    error,
                    ConnectError::NoAnswer { .. }
                        | ConnectError::TimedOut { .. }
                        | ConnectError::Disconnect { cause: Disconnect::Busy, .. }
                )
            }
        }
    }
}

/// What is known of the failures to reach a peer.
#[derive(Default)]
struct Failures {
    /// The last one, in words; empty after a connection.
    last: String,
    /// When somebody last looked into why nobody answers.
    looked_at: Option<Instant>,
    /// Who does at the moment; ends with this.
    looking: JoinSet<()>,
}

impl Dialer {
    /// Runs until the server stops.
    pub(crate) async fn run(mut self) {
        let mut stop = self.stop.clone();
        let mut pauses = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let mut failures = Failures::default();
        loop {
            if let Some(waits) = self.timetable.waits() {
                self.carrier.presence.set_trouble(&self.peer, waits);
            }
            let dialled = tokio::select! {
                biased;
                () = stop.ordered() => return,
                dialled = async {
                    self.timetable.due().await;
                    self.dial().await
                } => dialled,
            };
            match dialled {
                Ok(connection) => {
                    failures = Failures::default();
                    let handle = connection.handle();
                    let over = async |paces: [&Pace; 2]| self.timetable.over(handle, paces).await;
                    // Ends by itself when the server stops, after what waits is sent.
                    let ended = link::carry(connection, &self.carrier, over).await;
                    self.timetable.ended(&ended);
                    // A connection alone proves little: a peer that ends it at once is not to be dialled for ever
                    // without a longer pause.
                    if ended.was_stable {
                        pauses.reset();
                    }
                    log_end(&self.peer, &ended.why);
                    if !ended.why.is_own() {
                        let why = self.timetable.waits().unwrap_or_else(|| ended.why.to_string());
                        self.carrier.presence.set_trouble(&self.peer, why);
                    }
                }
                Err(error) => self.failed(&error, &mut failures),
            }
            // Without randomness the pauses are not spread: worse for a hub, and no reason to stay away.
            let pause = pauses.next(random::number().unwrap_or_default());
            tokio::select! {
                biased;
                () = stop.ordered() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Says why there is no connection. Where nobody answered somebody looks into it, while the peer is dialled again.
    fn failed(&self, error: &DialError, failures: &mut Failures) {
        self.log_failure(error, &mut failures.last);
        let presence = &self.carrier.presence;
        let Some(address) = error.unanswered() else {
            failures.looked_at = None;
            return presence.set_trouble(&self.peer, error.to_string());
        };
        // What was found out says more than that nobody answers.
        if failures.looked_at.is_none() {
            presence.set_trouble(&self.peer, error.to_string());
        }
        if failures.looked_at.is_none_or(|at| at.elapsed() >= DIAGNOSIS_INTERVAL) {
            failures.looked_at = Some(Instant::now());
            while failures.looking.try_join_next().is_some() {}
            failures.looking.spawn(look_into(presence.clone(), self.peer.clone(), address));
        }
    }

    /// Dials when there is no connection to the peer: it may have dialled itself.
    async fn dial(&mut self) -> Result<transport::Connection, DialError> {
        self.carrier.presence.absent(&self.peer).await;
        let address = self.resolve().await?;
        let window_bytes = self.carrier.window_bytes(&self.peer);
        let connected = self.endpoint.connect_within(address, &self.peer, window_bytes).await;
        Ok(connected.inspect_err(|_| self.tried.failed(address))?)
    }

    /// Looked up at each dial: a hub may move.
    async fn resolve(&mut self) -> Result<SocketAddr, DialError> {
        let failed = |source| DialError::LookUp { address: self.address.clone(), source };
        let found = tokio::net::lookup_host(self.address.as_str()).await.map_err(failed)?;
        let next = self.tried.next(found, self.endpoint.local_address());
        next.ok_or_else(|| DialError::NoAddress { address: self.address.clone() })
    }

    /// A failure that lasts is told once.
    fn log_failure(&self, error: &DialError, last: &mut String) {
        let (peer, cause) = (&self.peer, error.to_string());
        if cause == *last {
            tracing::debug!(%peer, %cause, "still not connected");
        } else if error.is_offline() {
            tracing::info!(%peer, %cause, "not connected: trying again until it answers");
        } else {
            tracing::warn!(%peer, %cause, "not connected: trying again");
        }
        *last = cause;
    }
}

/// Finds out why nobody answers at an address; what lasts is logged once.
async fn look_into(presence: Presence, peer: String, address: SocketAddr) {
    let found = reach(address).await.to_string();
    if presence.trouble(&peer).as_ref() != Some(&found) {
        tracing::info!(%peer, %found, "looked into why nobody answers");
        presence.set_trouble(&peer, found);
    }
}

pub(super) fn log_end(peer: &str, why: &link::LinkEnd) {
    if why.is_own() {
        tracing::debug!(%peer, %why, "disconnected");
    } else {
        tracing::info!(%peer, %why, "disconnected");
    }
}
