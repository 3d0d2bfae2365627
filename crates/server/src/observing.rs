//! What monitoring asks of a running replica, over HTTP on an address of its own.
//!
//! | path | answer |
//! |---|---|
//! | `/health` | 200 while the event loop moves. Neither peers nor the disk decide it: a restart mends neither |
//! | `/ready` | 200 while requests are answered; 503 with the reason while the store is opening or has failed |
//! | `/metrics` | numbers in the text format of OpenMetrics 1.0, which Prometheus reads |
//!
//! It shows names of spaces and peers, no documents, and asks for no credentials: listen on loopback or on a network
//! that only monitoring reaches. A caller costs one of [`CONNECTIONS_MAX`] places for [`CONNECTION_DEADLINE`] at most.

mod metrics;

use crate::data_directory::DataDirectory;
use crate::event_loop::{Arrivals, Beside, Pulse, Reply, STUCK_AFTER, Stop};
use crate::local::Refusal;
use crate::peers::Presence;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics::Machine;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::disk_room;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use transport::Endpoint;

/// Connections at once; the next one waits in the system's queue.
const CONNECTIONS_MAX: usize = 8;

/// From accepting a connection to its end. Each brings one request.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long the core may take to say how it is. A slow disk holds it up for a second at times.
const STATUS_DEADLINE: Duration = Duration::from_secs(5);

/// After a failure to accept, as when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the answers are made from.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) arrivals: Arrivals,
    pub(crate) pulse: Pulse,
    /// Where the store is, or is to be.
    pub(crate) directory: DataDirectory,
    /// The socket to peers, once it is open, as it has the certificate, and who is connected.
    pub(crate) network: Arc<OnceLock<(Endpoint, Presence)>>,
}

/// Why the address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for monitoring (`observe` in isle.toml): {source}")]
pub struct ObserveError {
    /// The address.
    address: SocketAddr,
    /// What the system says.
    source: io::Error,
}

/// The listener.
pub(crate) struct Observing {
    listener: TcpListener,
}

impl Observing {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, ObserveError> {
        let listener = TcpListener::bind(address).await;
        Ok(Self { listener: listener.map_err(|source| ObserveError { address, source })? })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is to stop.
    pub(crate) async fn run(self, observed: Observed, mut stop: Stop) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let router = Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(observed);
        // Dropped with this task: nobody waits for monitoring.
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.ordered() => return,
                accepted = self.accept(&places) => accepted,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, place)) => drop(connections.spawn(serve(stream, router.clone(), place))),
                Err(error) => {
                    tracing::debug!(%error, "a connection of monitoring is not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
        Ok((self.listener.accept().await?.0, place))
    }
}

async fn serve(stream: TcpStream, router: Router, _place: OwnedSemaphorePermit) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).keep_alive(false).max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(CONNECTION_DEADLINE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection of monitoring failed"),
        Err(_) => tracing::debug!("a connection of monitoring took too long"),
    }
}

async fn health(State(observed): State<Observed>) -> Response {
    match observed.pulse.stuck(STUCK_AFTER) {
        None => text(StatusCode::OK, "alive\n"),
        Some(since) => {
            let message = format!("the event loop has been in one turn for {} s\n", since.as_secs());
            text(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }
}

async fn ready(State(observed): State<Observed>) -> Response {
    match observed.status().await {
        Ok(_) => text(StatusCode::OK, "ready\n"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(observed): State<Observed>) -> Response {
    let status = observed.status().await.ok();
    let machine = observed.machine().await;
    match metrics::page(status.as_ref().map(|(status, beside)| (&**status, beside)), machine) {
        Ok(page) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], page).into_response()
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(code: StatusCode, text: impl Into<String>) -> Response {
    (code, text.into()).into_response()
}

impl Observed {
    async fn machine(&self) -> Machine {
        let (store, data) = (self.directory.store(), self.directory.path().to_owned());
        // A disk that hangs may hang who asks for its room.
        let looked = spawn_blocking(move || disk_room(&store).or_else(|_| disk_room(&data)));
        let looked = timeout(STATUS_DEADLINE, looked).await;
        let disk_free_bytes =
            looked.ok().and_then(Result::ok).and_then(Result::ok).map(|room| room.free_bytes);
        let certificate_end = self.network.get().map(|(endpoint, _)| endpoint.identity().validity().end);
        let waiting = self.network.get().map(|(_, presence)| presence.waiting());
        Machine { certificate_end, disk_free_bytes, waiting: waiting.unwrap_or_default() }
    }

    /// How the replica is, or in words why nobody says.
    async fn status(&self) -> Result<(Box<replica::Status>, Beside), String> {
        if !self.pulse.has_begun() {
            return Err(
                "the store is being opened: that takes seconds where much is to be recovered".to_owned()
            );
        }
        match timeout(STATUS_DEADLINE, self.arrivals.ask(replica::Request::Status)).await {
            Ok(Ok(Reply::Status(status, beside))) => Ok((status, beside)),
            Ok(Err(Refusal { message, .. })) => Err(message),
            Ok(Ok(_)) => Err("the server is ending".to_owned()),
            Err(_) => {
                let seconds = STATUS_DEADLINE.as_secs();
                Err(format!(
                    "no answer within {seconds} s: the disk is slow, or more is asked than it can do"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::arrivals;
    use axum::body::to_bytes;

    async fn said(response: Response) -> (StatusCode, String) {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (head.status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_server_that_opens_its_store_lives_and_is_not_ready() {
        let (arrivals, _queue) = arrivals(0);
        let temporary = tempfile::tempdir().unwrap();
        let observed = || {
            State(Observed {
                arrivals: arrivals.clone(),
                pulse: Pulse::new(),
                directory: DataDirectory::new(temporary.path()),
                network: Arc::default(),
            })
        };
        assert_eq!(said(health(observed()).await).await.0, StatusCode::OK);
        let (code, why) = said(ready(observed()).await).await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(why.contains("is being opened"), "{why}");
        let (code, page) = said(metrics(observed()).await).await;
        assert!(code == StatusCode::OK && page.contains("isle_store_open 0\n"), "{page}");
        assert!(page.contains("isle_disk_free_bytes ") && !page.contains("isle_certificate"), "{page}");
    }
}
