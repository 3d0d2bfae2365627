//! Sockets and connections.
//!
//! hyper carries the connections, because axum's own server bounds neither how many there are nor how long one may take.

use super::asking::Api;
use super::calling::{ShownCertificate, Via};
use super::cors;
use super::open_api::router;
use super::strangers::Acquaintance;
use super::turned_away::turn_away;
use crate::config::{HttpConfig, PageOrigins};
use crate::event_loop::Stop;
use crate::local::{LocalSocket, SocketError};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;
use transport::ServiceAcceptor;

/// Bytes of a request's head, and of what is read or written ahead.
const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// From the start of a connection, or the end of an answer, to the whole head of the next request.
const HEAD_DEADLINE: Duration = Duration::from_secs(60);

/// A reader that takes nothing for so long loses its connection.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Connections at once that are told that there is no place; of the socket, and of the network. More of them wait in the system's
/// queue.
const TURNED_AWAY_MAX: usize = 16;

/// After a failure to accept, as when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The Unix socket did not open.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The address did not open.
    #[error("cannot listen on {address} for services (`listen` of `[http]` in isle.toml): {source}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// The API's sockets.
pub(crate) struct HttpListener {
    unix: LocalSocket,
    tcp: Option<TcpListener>,
    tls: Option<ServiceAcceptor>,
    origins: PageOrigins,
}

impl HttpListener {
    /// Opens the Unix socket, for the data directory's owner, and the address where there is one; `tls` takes who comes over
    /// the network, if TLS is to be spoken there.
    pub(crate) async fn bind(
        socket: &Path,
        config: &HttpConfig,
        tls: Option<ServiceAcceptor>,
    ) -> Result<Self, HttpError> {
        let unix = LocalSocket::bind(socket)?;
        let tcp = match config.listen {
            None => None,
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.map_err(|source| HttpError::Address { address, source })?)
            }
        };
        Ok(Self { unix, tcp, tls, origins: config.allow_origins.clone() })
    }

    /// Where it listens over the network.
    pub(crate) fn address(&self) -> io::Result<Option<SocketAddr>> {
        self.tcp.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Serves until the server stops and every request that was taken is answered.
    pub(crate) async fn run(self, api: Api, mut stop: Stop) {
        let most = usize::try_from(api.limits().connections).unwrap_or(usize::MAX);
        // Who comes over the network takes no place from who has the socket.
        let places = [(); 2].map(|()| Places::new(most));
        let mut connections = JoinSet::new();
        let Self { unix, tcp, tls, origins } = self;
        let router = cors::layered(router(api), &origins);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.ordered() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = accept(unix.listener(), tcp.as_ref(), &places) => accepted,
            };
            match accepted {
                Ok((Accepted::Unix(stream), Place::Connection(place))) => {
                    connections.spawn(serve((stream, Via::Unix), router.clone(), stop.clone(), place));
                }
                Ok((Accepted::Unix(stream), Place::None(spare))) => {
                    connections.spawn(turn_away(stream, stop.clone(), spare));
                }
                Ok((Accepted::Tcp(stream, from), place)) => {
                    // Answers are small, and waited for.
                    let _ = stream.set_nodelay(true);
                    let (router, stop) = (router.clone(), stop.clone());
                    match (tls.clone(), place) {
                        (Some(tls), place) => {
                            connections.spawn(serve_tls((stream, from), tls, router, stop, place))
                        }
                        (None, Place::Connection(place)) => {
                            connections.spawn(serve((stream, Via::Tcp(from, None)), router, stop, place))
                        }
                        (None, Place::None(spare)) => connections.spawn(turn_away(stream, stop, spare)),
                    };
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of a service was not taken");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        unix.remove();
        while connections.join_next().await.is_some() {}
    }
}

enum Accepted {
    Unix(UnixStream),
    Tcp(TcpStream, IpAddr),
}

/// Places of connections, and of those that are told that there are none.
struct Places {
    connections: Arc<Semaphore>,
    spare: Arc<Semaphore>,
}

/// What a connection has, as long as it is held.
enum Place {
    Connection(OwnedSemaphorePermit),
    /// It is told that there is none.
    None(OwnedSemaphorePermit),
}

impl Places {
    fn new(most: usize) -> Self {
        let of = |most| Arc::new(Semaphore::new(most));
        Self { connections: of(most), spare: of(TURNED_AWAY_MAX) }
    }

    /// A place for the next connection, of either kind.
    async fn next(&self) -> io::Result<Place> {
        let place = async |places: &Arc<Semaphore>| {
            Arc::clone(places).acquire_owned().await.map_err(io::Error::other)
        };
        tokio::select! {
            biased;
            place = place(&self.connections) => place.map(Place::Connection),
            spare = place(&self.spare) => spare.map(Place::None),
        }
    }

    /// The best there is when the connection has come: it may have waited for long.
    fn now(&self, place: Place) -> Place {
        match (place, Arc::clone(&self.connections).try_acquire_owned()) {
            (Place::None(_), Ok(place)) => Place::Connection(place),
            (place, _) => place,
        }
    }
}

async fn accept(
    unix: &UnixListener,
    tcp: Option<&TcpListener>,
    [of_unix, of_tcp]: &[Places; 2],
) -> io::Result<(Accepted, Place)> {
    let over_socket = async {
        let place = of_unix.next().await?;
        let stream = unix.accept().await?.0;
        Ok((Accepted::Unix(stream), of_unix.now(place)))
    };
    let over_network = async {
        let Some(listener) = tcp else { return std::future::pending().await };
        let place = of_tcp.next().await?;
        let (stream, from) = listener.accept().await?;
        Ok((Accepted::Tcp(stream, from.ip()), of_tcp.now(place)))
    };
    tokio::select! {
        accepted = over_socket => accepted,
        accepted = over_network => accepted,
    }
}

/// One connection that begins with a handshake.
async fn serve_tls(
    (stream, from): (TcpStream, IpAddr),
    tls: ServiceAcceptor,
    router: Router,
    mut stop: Stop,
    place: Place,
) {
    let shaken = tokio::select! {
        biased;
        () = stop.ordered() => return,
        shaken = tls.accept(stream) => shaken,
    };
    match shaken {
        Ok(stream) => match place {
            Place::Connection(place) => {
                let certificate = stream.shown().map(ShownCertificate::of);
                serve((stream, Via::Tcp(from, certificate)), router, stop, place).await;
            }
            Place::None(spare) => turn_away(stream, stop, spare).await,
        },
        Err(error) => tracing::debug!(%error, %from, "a service was not let in"),
    }
}

/// Who holds it keeps its connection's place, also when the connection has become something else than HTTP.
#[derive(Clone)]
pub(super) struct Kept(#[expect(dead_code, reason = "it is held")] mpsc::Sender<Infallible>);

/// One connection: its requests one after another, until either side ends it, and what it became after that. All the while
/// it has its place.
async fn serve<S>(connection: (S, Via), router: Router, stop: Stop, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (kept, mut none_kept) = mpsc::channel(1);
    serve_http(connection, router, stop, Kept(kept)).await;
    let _ = none_kept.recv().await;
}

async fn serve_http<S>((stream, via): (S, Via), router: Router, mut stop: Stop, kept: Kept)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_DEADLINE));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(BUFFER_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let is_known = matches!(via, Via::Unix | Via::Tcp(_, Some(_)));
    let (acquaintance, strange) = if is_known { Acquaintance::known() } else { Acquaintance::new() };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(via.clone());
        request.extensions_mut().insert(kept.clone());
        request.extensions_mut().insert(acquaintance.clone());
        acquaintance.during(service.call(request))
    });
    let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = strange.too_long() => {
            tracing::debug!("a connection of a service ended: it did not say who calls");
            return;
        }
        () = stop.ordered() => {
            // What is being answered is answered; feeds end by themselves.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of a service failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::{StatusCode, header};
    use axum::routing::get;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, timeout};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: site\r\n\r\n";

    /// The service's end of a connection, and how long it lasted, which is told when it ends. Time stands still but for
    /// what waits.
    fn connected(router: Router) -> (DuplexStream, tokio::task::JoinHandle<Duration>) {
        let (service, server) = duplex(64 * 1024);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let began = Instant::now();
        let serving = tokio::spawn(async move {
            let (order, stop) = Stop::new();
            serve((server, Via::Unix), router, stop, place).await;
            drop(order);
            began.elapsed()
        });
        (service, serving)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_loses_its_connection() {
        let endless =
            || async { Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(vec![0_u8; 1_024]))) };
        let (mut service, serving) = connected(Router::new().route("/", get(endless)));
        service.write_all(REQUEST).await.unwrap();
        let lasted = serving.await.unwrap();
        assert!((WRITE_DEADLINE..WRITE_DEADLINE * 2).contains(&lasted), "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_becomes_something_else_keeps_its_place_and_the_deadline() {
        const UPGRADE: &[u8] =
            b"GET / HTTP/1.1\r\nhost: site\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n";
        let becomes = |mut request: Request<Body>| async move {
            let kept = request.extensions().get::<Kept>().cloned();
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let _kept = kept.unwrap();
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                while stream.write_all(&[0; 1_024]).await.is_ok() {}
            });
            let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "other")];
            (StatusCode::SWITCHING_PROTOCOLS, headers)
        };
        let (mut service, serving) = connected(Router::new().route("/", get(becomes)));
        service.write_all(UPGRADE).await.unwrap();
        let lasted = serving.await.unwrap();
        assert!((WRITE_DEADLINE..WRITE_DEADLINE * 2).contains(&lasted), "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_nothing_more_is_ended() {
        let (mut service, serving) = connected(Router::new().route("/", get(|| async { "answer" })));
        service.write_all(REQUEST).await.unwrap();
        let mut answer = [0; 4_096];
        let read = timeout(HEAD_DEADLINE, service.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..read].ends_with(b"answer"));
        let lasted = serving.await.unwrap();
        assert!((HEAD_DEADLINE..HEAD_DEADLINE * 2).contains(&lasted), "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_arrive_ends_the_connection() {
        let (mut service, serving) = connected(Router::new());
        service.write_all(b"GET / HT").await.unwrap();
        assert!(serving.await.unwrap() < HEAD_DEADLINE * 2);
    }
}
