//! Takes the peers that dial.

use super::dialer::log_end;
use super::link::{self, Carrier, REVOKED};
use crate::enrolment::{Admissions, Order};
use crate::event_loop::Stop;
use std::fmt::Display;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use transport::enrolment::Purpose;
use transport::{Endpoint, Incoming, Peer};

/// Connections of diallers at a time; more are refused. A hub of 1,000 sites has room for each of them to have an old
/// connection that has not timed out.
const ACCEPTED_MAX: usize = 2_048;

/// Refused handshakes are warned of this often, and counted between: whoever cannot get in tries for ever.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Accepts on one socket.
pub(crate) struct Acceptor {
    pub(crate) endpoint: Endpoint,
    pub(crate) carrier: Carrier,
    /// Who lets sites in, and says which keys are refused.
    pub(crate) admissions: Admissions,
    /// Whether peers may dial in at all; else each is refused at once and need not wait for an answer.
    pub(crate) takes_peers: bool,
    pub(crate) stop: Stop,
}

impl Acceptor {
    /// Runs until the server stops and every connection that was accepted has ended.
    pub(crate) async fn run(mut self) {
        let warnings = Arc::new(Warnings::start());
        let mut accepted = JoinSet::new();
        loop {
            let incoming = tokio::select! {
                biased;
                () = self.stop.ordered() => break,
                Some(_) = accepted.join_next(), if !accepted.is_empty() => continue,
                incoming = self.endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { break };
            if !self.takes_peers || accepted.len() >= ACCEPTED_MAX {
                tracing::debug!(address = %incoming.address(), "refused: no peers are taken, or too many are here");
                continue;
            }
            let warnings = Arc::clone(&warnings);
            let admissions = self.admissions.clone();
            if incoming.purpose() == Purpose::Replication {
                let endpoint = self.endpoint.clone();
                accepted.spawn(accept(incoming, (self.carrier.clone(), admissions, endpoint), warnings));
            } else {
                accepted.spawn(enrol(incoming, admissions, warnings));
            }
        }
        while accepted.join_next().await.is_some() {}
    }
}

async fn accept(
    incoming: Incoming,
    (carrier, admissions, endpoint): (Carrier, Admissions, Endpoint),
    warnings: Arc<Warnings>,
) {
    let address = incoming.address();
    match incoming.establish().await {
        Ok(connection) => {
            let (handle, Peer { name, public_key }) = (connection.handle(), connection.peer().clone());
            if admissions.is_revoked(connection.peer()) {
                handle.close(REVOKED);
                endpoint.refused(address);
                warnings.log(&format_args!("{name}: a revoked key is refused"));
                return;
            }
            if let Err(refused) = carrier.arrivals.conduct().admit(connection.peer()) {
                handle.close(&refused.to_string());
                endpoint.refused(address);
                warnings.log(&format_args!("{name}: {refused}"));
                return;
            }
            admissions.tell(Order::Up(public_key)).await;
            let ended = link::carry(connection, &carrier, async |_| pending().await).await;
            log_end(&name, &ended.why);
            admissions.tell(Order::Down(public_key)).await;
        }
        Err(error) => warnings.log(&error),
    }
}

async fn enrol(incoming: Incoming, admissions: Admissions, warnings: Arc<Warnings>) {
    match incoming.ask().await {
        Ok(request) => admissions.enrol(request),
        Err(error) => warnings.log(&error),
    }
}

/// Lets one warning through per [`WARNING_INTERVAL`].
struct Warnings {
    started: Instant,
    /// In milliseconds after the start.
    next_ms: AtomicU64,
    kept_back: AtomicU64,
}

impl Warnings {
    fn start() -> Self {
        Self { started: Instant::now(), next_ms: AtomicU64::new(0), kept_back: AtomicU64::new(0) }
    }

    fn log(&self, cause: &impl Display) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.admit(now_ms) {
            Some(kept_back) => tracing::warn!(%cause, kept_back, "a peer that dialled was refused"),
            None => tracing::debug!(%cause, "a peer that dialled was refused"),
        }
    }

    /// The number of warnings kept back since the last one, if this one is let through.
    fn admit(&self, now_ms: u64) -> Option<u64> {
        let interval_ms = u64::try_from(WARNING_INTERVAL.as_millis()).unwrap_or(u64::MAX);
        let due = |next_ms| (now_ms >= next_ms).then(|| now_ms.saturating_add(interval_ms));
        if self.next_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            Some(self.kept_back.swap(0, Ordering::Relaxed))
        } else {
            self.kept_back.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_in_an_interval_tells_of_those_kept_back() {
        let warnings = Warnings::start();
        let admitted = [0, 1, 59_999, 60_000, 60_001, 200_000].map(|now_ms| warnings.admit(now_ms));
        assert_eq!(admitted, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
