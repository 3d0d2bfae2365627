//! Over a socket: a pool of connections, each with one request at a time.

use super::{ANSWER_DEADLINE, Lost};
use crate::call::{Body, Call, either_way, header_words};
use crate::error::CallError;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// From the start of a connection to its being there: a replica is on the same machine or in the same building.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Idle connections are closed before the replica does it, which is after 60 s.
const IDLE_MAX: Duration = Duration::from_secs(45);

/// Where a replica is, who calls, and how long to try.
///
/// ```
/// use isle_client::Connection;
/// use std::time::Duration;
///
/// let here = Connection::unix("/var/lib/isle/http.sock").author("till-3");
/// let elsewhere = Connection::tcp("10.0.0.2:7480").token("isle_…").patience(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    place: Place,
    token: Option<String>,
    author: Option<String>,
    patience: Duration,
}

#[derive(Clone, Debug)]
enum Place {
    Unix(PathBuf),
    Tcp(String),
    #[cfg(feature = "tls")]
    Tls {
        address: String,
        name: String,
        authority: PathBuf,
        identity: Option<PathBuf>,
    },
}

/// Why there is no client. Whether the replica is there is found out with the first call.
///
/// ```
/// use isle_client::{Client, ConnectError, Connection};
///
/// let refused = Client::connect(Connection::tcp("no address")).unwrap_err();
/// assert!(matches!(refused, ConnectError::Address { .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none.
    #[error("'{address}' is no address of a replica: write host:port, as in 127.0.0.1:7480")]
    Address {
        /// The address.
        address: String,
    },
    /// The token or the author cannot be said in a header.
    #[error("the {what} has characters that no header takes")]
    Text {
        /// Which of them.
        what: &'static str,
    },
    /// The authority's certificate, or the identity to show, cannot be used.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] transport::CallerError),
}

impl Connection {
    /// To the replica of this machine, by its socket `http.sock` in the data directory. The file's permissions say who may.
    ///
    /// ```
    /// use isle_client::Connection;
    ///
    /// let here = Connection::unix("/var/lib/isle/http.sock");
    /// ```
    #[must_use]
    pub fn unix(socket: impl Into<PathBuf>) -> Self {
        Self::to(Place::Unix(socket.into()))
    }

    /// To a replica's `[http] listen`, as `127.0.0.1:7480` or `till-server:7480`; what comes between is to be trusted, the
    /// connection is not encrypted.
    ///
    /// ```
    /// use isle_client::Connection;
    ///
    /// let elsewhere = Connection::tcp("127.0.0.1:7480");
    /// ```
    #[must_use]
    pub fn tcp(address: impl Into<String>) -> Self {
        Self::to(Place::Tcp(address.into()))
    }

    /// To the address of a replica that serves with TLS (`[http] tls = true`): it must show a certificate that names it, of
    /// the authority whose certificate is in the file `authority`; every data directory has that as
    /// `identity/authority.pem`.
    ///
    /// ```
    /// use isle_client::Connection;
    ///
    /// let site = Connection::tls("10.0.0.2:7480", "store-367", "/etc/isle/authority.pem").token("isle_…");
    /// let shown = Connection::tls("10.0.0.2:7480", "store-367", "/etc/isle/authority.pem").identity("/var/lib/till-3/identity");
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(address: impl Into<String>, name: impl Into<String>, authority: impl Into<PathBuf>) -> Self {
        let (address, name, authority) = (address.into(), name.into(), authority.into());
        Self::to(Place::Tls { address, name, authority, identity: None })
    }

    /// Shows the certificate of an identity of the same authority, a directory as `isle join` makes it, to a replica with TLS;
    /// `isle token create --certificate` says there what it may do. It is read once: a renewed one counts for new clients.
    ///
    /// ```
    /// use isle_client::Connection;
    ///
    /// let site = Connection::tls("10.0.0.2:7480", "store-367", "/etc/isle/authority.pem");
    /// let shown = site.identity("/var/lib/till-3/identity");
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn identity(mut self, directory: impl Into<PathBuf>) -> Self {
        if let Place::Tls { identity, .. } = &mut self.place {
            *identity = Some(directory.into());
        }
        self
    }

    fn to(place: Place) -> Self {
        Self { place, token: None, author: None, patience: Duration::ZERO }
    }

    /// Calls with a token that `isle token create` made; its name is then the author of every change.
    ///
    /// ```
    /// use isle_client::Connection;
    ///
    /// let scanner = Connection::tcp("10.0.0.2:7480").token("isle_…");
    /// ```
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Says who writes, where no token does: kept with every change.
    ///
    /// ```
    /// use isle_client::Connection;
    ///
    /// let till = Connection::unix("/var/lib/isle/http.sock").author("till-3");
    /// ```
    #[must_use]
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = Some(author.into());
        self
    }

    /// For how long a call is tried again where the replica is not reached, is busy, or an answer was lost. Nothing said, a
    /// call fails at the first of these, with an error that says whether anything can have been written; only where a
    /// connection ended without an answer it is sent once more. An attempt that has begun may take 45 seconds longer.
    ///
    /// ```
    /// use isle_client::Connection;
    ///
    /// let patient = Connection::unix("/var/lib/isle/http.sock").patience(std::time::Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// Open connections that wait for a call, and the way to more.
enum Connections {
    Unix(Pool<UnixConnector, Full<Bytes>>),
    Tcp(Pool<HttpConnector, Full<Bytes>>),
    #[cfg(feature = "tls")]
    Tls(Pool<super::tls::TlsConnector, Full<Bytes>>),
}

/// A client over sockets.
pub(crate) struct Connected {
    pool: Connections,
    /// What targets follow.
    origin: String,
    address: String,
    patience: Duration,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Connected {
    pub(crate) fn new(connection: Connection) -> Result<Self, ConnectError> {
        let Connection { place, token, author, patience } = connection;
        let (origin, address) = match &place {
            // The name is for the header Host only.
            Place::Unix(path) => ("http://localhost".to_owned(), path.display().to_string()),
            Place::Tcp(address) => (format!("http://{address}"), address.clone()),
            #[cfg(feature = "tls")]
            Place::Tls { address, .. } => (format!("http://{address}"), address.clone()),
        };
        let uri: Option<Uri> = origin.parse().ok();
        let has_port = |uri: &Uri| matches!(place, Place::Unix(_)) || uri.port().is_some();
        if !uri.is_some_and(|uri| uri.authority().is_some() && uri.path() == "/" && has_port(&uri)) {
            return Err(ConnectError::Address { address });
        }
        let mut headers = Vec::new();
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| ConnectError::Text { what: "token" })?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        if let Some(author) = author {
            let value = HeaderValue::try_from(header_words(&author).as_ref());
            let value = value.map_err(|_| ConnectError::Text { what: "author" })?;
            headers.push((HeaderName::from_static("isle-author"), value));
        }
        let mut builder = Pool::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE_MAX).pool_timer(TokioTimer::new()).retry_canceled_requests(true);
        let pool = match place {
            Place::Unix(path) => Connections::Unix(builder.build(UnixConnector(Arc::new(path)))),
            Place::Tcp(_) => Connections::Tcp(builder.build(over_tcp())),
            #[cfg(feature = "tls")]
            Place::Tls { name, authority, identity, .. } => {
                let caller = transport::ServiceCaller::new(&name, &authority, identity.as_deref())?;
                Connections::Tls(builder.build(super::tls::TlsConnector::new(over_tcp(), caller)))
            }
        };
        Ok(Self { pool, origin, address, patience, headers })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) async fn begin(&self, call: &Call) -> Result<Result<Response<Body>, Lost>, CallError> {
        let (mut parts, body) = call.request(&self.origin)?.into_parts();
        parts.headers.extend(self.headers.iter().cloned());
        let request = hyper::Request::from_parts(parts, Full::new(body));
        let most = ANSWER_DEADLINE.saturating_add(call.waits);
        let answering = async {
            match &self.pool {
                Connections::Unix(pool) => pool.request(request).await,
                Connections::Tcp(pool) => pool.request(request).await,
                #[cfg(feature = "tls")]
                Connections::Tls(pool) => pool.request(request).await,
            }
        };
        let Ok(answered) = timeout(most, answering).await else {
            return Ok(Err(Lost::Late(format!("no answer within {} s", most.as_secs()))));
        };
        Ok(match answered {
            Ok(response) => Ok(response.map(either_way)),
            Err(error) if error.is_connect() => Err(Lost::NotSent(in_words(&error))),
            Err(error) => Err(Lost::NoAnswer(in_words(&error))),
        })
    }
}

fn over_tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_DEADLINE));
    connector
}

/// An error with what is behind it.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Makes connections to one socket, whatever is asked for.
#[derive(Clone)]
struct UnixConnector(Arc<PathBuf>);

impl tower_service::Service<Uri> for UnixConnector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = Arc::clone(&self.0);
        Box::pin(async move { UnixStream::connect(&*path).await.map(TokioIo::new) })
    }
}
