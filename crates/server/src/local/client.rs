//! The other end: for this program's commands, the demo and tests.

use super::line::{LineError, read_line};
use super::protocol::{Answer, Envelope, Refusal, RefusalKind, Request, Response};
use super::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};
use crate::data_directory::DataDirectory;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// How long it may take to be connected.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// How long a server may take for what it has at hand.
const AT_HAND_DEADLINE: Duration = Duration::from_secs(5);

/// How long it may take for what waits for its disk, or has a long document read.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// How long a request may take; none where that is for nobody to say.
fn patience(request: &Request) -> Option<Duration> {
    match request {
        Request::Status | Request::Sites | Request::Schemas => Some(AT_HAND_DEADLINE),
        Request::Write { hub_within_ms, .. } | Request::Transaction { hub_within_ms, .. } => {
            Some(ANSWER_DEADLINE.saturating_add(Duration::from_millis(hub_within_ms.unwrap_or(0))))
        }
        Request::Get { .. }
        | Request::Query { .. }
        | Request::History { .. }
        | Request::Conflicts { .. }
        | Request::Blocked { .. }
        | Request::Retry { .. }
        | Request::Drop { .. }
        | Request::List { .. }
        | Request::Invite { .. }
        | Request::Admit { .. }
        | Request::Revoke { .. }
        | Request::SetRights { .. }
        | Request::AddSchema { .. } => Some(ANSWER_DEADLINE),
        Request::Backup { .. } | Request::Watch { .. } => None,
    }
}

/// Whether it may write something.
fn is_write(request: &Request) -> bool {
    match request {
        Request::Write { .. }
        | Request::Transaction { .. }
        | Request::Retry { .. }
        | Request::Drop { .. }
        | Request::Backup { .. }
        | Request::Invite { .. }
        | Request::Admit { .. }
        | Request::Revoke { .. }
        | Request::SetRights { .. }
        | Request::AddSchema { .. } => true,
        Request::Get { .. }
        | Request::Query { .. }
        | Request::History { .. }
        | Request::Conflicts { .. }
        | Request::Blocked { .. }
        | Request::List { .. }
        | Request::Watch { .. }
        | Request::Sites
        | Request::Schemas
        | Request::Status => false,
    }
}

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens.
    #[error(
        "no server is running in {}: start it with `isle serve --data {}`", data.display(), data.display()
    )]
    NotRunning {
        /// The data directory.
        data: PathBuf,
    },
    /// Somebody listens, and takes nobody.
    #[error(
        "the server in {} takes no connection: its process is stopped, it has more connections than it takes, or its disk \
         hangs", data.display()
    )]
    Silent {
        /// The data directory.
        data: PathBuf,
    },
    /// The system refused.
    #[error("cannot connect to {}: {source}", socket.display())]
    Io {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server refused it. Nothing was written, unless its kind says that the outcome is unknown.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection ended with requests unanswered: each was done or not, and writes among them are there or not.
    #[error(
        "the connection to the server ended with {unanswered} requests unanswered: their outcome is unknown; \
         send a write again with its idempotency key, it counts once"
    )]
    OutcomeUnknown {
        /// How many.
        unanswered: usize,
    },
    /// No answer came in time. The connection is of no more use.
    #[error(
        "a server is running and has not answered within {} s: its process is stopped, or its disk hangs{}",
        within.as_secs(),
        if *is_write { "; whether it was written is unknown" } else { "" }
    )]
    Silent {
        /// How long it was waited for.
        within: Duration,
        /// Whether it may have written something.
        is_write: bool,
    },
    /// The connection ended; nothing was on its way.
    #[error("the connection to the server ended: connect again")]
    Closed,
    /// [`REQUESTS_IN_FLIGHT_MAX`] requests are unanswered. This one was not sent.
    #[error("{REQUESTS_IN_FLIGHT_MAX} requests are unanswered: receive an answer before the next request")]
    TooManyInFlight,
    /// The server takes no line as long as this. It was not sent.
    #[error("the request has {bytes} bytes, {REQUEST_BYTES_MAX} are allowed: write less at once")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The request has no JSON form. It was not sent.
    #[error("the request cannot be written as JSON: {0}")]
    Encode(serde_json::Error),
    /// The server's answer is none that this version knows.
    #[error("the server's answer cannot be read: {0}")]
    Answer(serde_json::Error),
    /// The server answered what was not asked.
    #[error("the server answered another request than was asked")]
    Unasked,
}

impl CallError {
    /// Whether a write may have been done or not.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.kind == RefusalKind::UnknownOutcome,
            Self::OutcomeUnknown { .. } | Self::Answer(_) | Self::Unasked => true,
            Self::Silent { is_write, .. } => *is_write,
            Self::Closed | Self::TooManyInFlight | Self::TooLong { .. } | Self::Encode(_) => false,
        }
    }
}

/// An answer to a request that was sent.
pub type Received = (u64, Result<Response, Refusal>);

/// A connection to the server of a data directory.
///
/// [`call`](Self::call) waits for its answer. [`send`](Self::send) and [`receive`](Self::receive) keep many requests
/// on their way, which share the server's commits.
#[derive(Debug)]
pub struct LocalClient {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    next_id: u64,
    unanswered: BTreeSet<u64>,
    /// Answers that came while `call` waited for its own.
    early: BTreeMap<u64, Result<Response, Refusal>>,
}

impl LocalClient {
    /// Connects to the server that runs in a data directory.
    ///
    /// # Errors
    /// [`ConnectError`] when none runs there, or the system refuses.
    pub async fn connect(data: &Path) -> Result<Self, ConnectError> {
        let socket = DataDirectory::new(data).socket();
        let data = data.to_owned();
        match timeout(CONNECT_DEADLINE, UnixStream::connect(&socket)).await {
            Ok(Ok(stream)) => Ok(Self::over(stream)),
            // A dead server leaves its socket, which then refuses.
            Ok(Err(source))
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Err(ConnectError::NotRunning { data })
            }
            // The socket's queue is full.
            Ok(Err(source)) if source.kind() == io::ErrorKind::WouldBlock => {
                Err(ConnectError::Silent { data })
            }
            Ok(Err(source)) => Err(ConnectError::Io { socket, source }),
            Err(_) => Err(ConnectError::Silent { data }),
        }
    }

    /// Over a connection to whoever answers.
    pub(crate) fn over(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        let reader = BufReader::new(reader);
        Self { reader, writer, next_id: 1, unanswered: BTreeSet::new(), early: BTreeMap::new() }
    }

    /// Sends a request and returns its number; its answer comes by [`receive`](Self::receive). If the future is
    /// dropped before it is done the connection is of no more use.
    ///
    /// # Errors
    /// [`CallError`]; with [`CallError::OutcomeUnknown`] this request is among the unanswered.
    pub async fn send(&mut self, request: &Request) -> Result<u64, CallError> {
        if self.unanswered.len() >= REQUESTS_IN_FLIGHT_MAX {
            return Err(CallError::TooManyInFlight);
        }
        let id = self.next_id;
        let mut line =
            serde_json::to_vec(&Envelope { id, request: request.clone() }).map_err(CallError::Encode)?;
        if line.len() > REQUEST_BYTES_MAX {
            return Err(CallError::TooLong { bytes: line.len() });
        }
        line.push(b'\n');
        self.next_id += 1;
        self.unanswered.insert(id);
        match self.writer.write_all(&line).await {
            Ok(()) => Ok(id),
            Err(_) => Err(self.told().await),
        }
    }

    /// Why nothing can be sent any more: the server may have said it before it closed the connection.
    async fn told(&mut self) -> CallError {
        loop {
            match self.read().await {
                Ok((id, answer)) => drop(self.early.insert(id, answer)),
                Err(error) => return error,
            }
        }
    }

    /// Waits for the next answer, to any of the requests that were sent. If the future is dropped before it is done
    /// the connection is of no more use.
    ///
    /// # Errors
    /// [`CallError`]; a refusal is no error here, but part of the answer.
    pub async fn receive(&mut self) -> Result<Received, CallError> {
        match self.early.pop_first() {
            Some(answer) => Ok(answer),
            None => self.read().await,
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&mut self, request: &Request) -> Result<Response, CallError> {
        let id = self.send(request).await?;
        loop {
            let (answered, result) = self.read().await?;
            if answered == id {
                return Ok(result?);
            }
            // Bounded by the requests in flight.
            self.early.insert(answered, result);
        }
    }

    /// As [`call`](Self::call), for as long as the request may take; with none, for ever. A server that is stopped, or whose disk
    /// hangs, keeps its connections and answers nothing.
    ///
    /// # Errors
    /// [`CallError`]; with [`CallError::Silent`] the connection is of no more use.
    pub(crate) async fn call_in_time(&mut self, request: &Request) -> Result<Response, CallError> {
        let Some(within) = patience(request) else { return self.call(request).await };
        let silent = CallError::Silent { within, is_write: is_write(request) };
        timeout(within, self.call(request)).await.unwrap_or(Err(silent))
    }

    /// Requests that were sent and not answered.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    async fn read(&mut self) -> Result<Received, CallError> {
        let line = match read_line(&mut self.reader, ANSWER_BYTES_MAX).await {
            Ok(Some(line)) => line,
            Ok(None) | Err(LineError::TooLong { .. } | LineError::Io(_)) => return Err(self.ended()),
        };
        match serde_json::from_slice(&line).map_err(CallError::Answer)? {
            // A watch goes on.
            Answer::Done { id, result: result @ Response::Watched(_) } if self.unanswered.contains(&id) => {
                Ok((id, Ok(result)))
            }
            Answer::Done { id, result } if self.unanswered.remove(&id) => Ok((id, Ok(result))),
            Answer::Refused { id: Some(id), error } if self.unanswered.remove(&id) => Ok((id, Err(error))),
            Answer::Refused { id: None, error } => Err(error.into()),
            Answer::Done { .. } | Answer::Refused { .. } => Err(CallError::Unasked),
        }
    }

    fn ended(&mut self) -> CallError {
        match std::mem::take(&mut self.unanswered).len() {
            0 => CallError::Closed,
            unanswered => CallError::OutcomeUnknown { unanswered },
        }
    }
}
