//! The server's end: takes connections of services, their requests, and gives answers.

use super::answer::{Asked, Context, answer, asked};
use super::line::{LineError, read_line};
use super::protocol::{Answer, Envelope, Refusal, RefusalKind};
use super::{
    CLIENTS_KEPT, CLIENTS_MAX, REQUEST_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX, WATCH_EVENTS_MAX,
    WATCHES_PER_CONNECTION_MAX,
};
use crate::enrolment::Admissions;
use crate::event_loop::{Arrivals, ClientId, Outcome, Reply, Stop, Waiting, Watching};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// Longest path that a Unix socket can have on Linux.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Pause after a connection that could not be taken: what is out of descriptors is so for a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection stays on which nothing is asked, watched or on its way.
const IDLE_MAX: Duration = Duration::from_mins(10);

/// The same of one in a place that is kept for commands: they ask at once.
const IDLE_MAX_KEPT: Duration = Duration::from_secs(5);

/// What a connection may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How long it may be idle; none: for ever.
    idle: Option<Duration>,
    /// How many watches it may have.
    watches: usize,
}

impl Terms {
    /// Of the one connection of a replica that is open for it.
    pub(crate) const ALONE: Self = Self { idle: None, watches: WATCHES_PER_CONNECTION_MAX };
    const SERVICE: Self = Self { idle: Some(IDLE_MAX), watches: WATCHES_PER_CONNECTION_MAX };
    const KEPT: Self = Self { idle: Some(IDLE_MAX_KEPT), watches: 0 };
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The system's limit.
    #[error("the path {} is longer than the {SOCKET_PATH_BYTES_MAX} bytes of a socket: use a shorter data directory", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot make the socket {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// Listens for services.
pub(crate) struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Where a socket is made before it is moved to its path: in a directory of its own.
fn making(path: &Path) -> (PathBuf, PathBuf) {
    let directory = path.with_extension("new");
    let new = directory.join("s");
    (directory, new)
}

impl LocalSocket {
    /// Makes the socket, in place of one that a dead server left: the caller has the data directory's lock, so that
    /// no living one has it.
    pub(crate) fn bind(path: &Path) -> Result<Self, SocketError> {
        // Made in a directory that only the owner can enter, and moved when its mode is right: nobody else can
        // connect at any moment.
        Self::check_path(path)?;
        let (directory, new) = making(path);
        let bound = if_there(fs::remove_file(&new))
            .and_then(|()| if_there(fs::remove_dir(&directory)))
            .and_then(|()| DirBuilder::new().mode(0o700).create(&directory))
            .and_then(|()| UnixListener::bind(&new))
            .and_then(|listener| {
                fs::set_permissions(&new, Permissions::from_mode(0o600))?;
                fs::rename(&new, path)?;
                fs::remove_dir(&directory)?;
                Ok(listener)
            });
        match bound {
            Ok(listener) => Ok(Self { listener, path: path.to_owned() }),
            Err(source) => Err(SocketError::Io { path: path.to_owned(), source }),
        }
    }

    /// Whether a socket can be made there, as far as can be told beforehand.
    pub(crate) fn check_path(path: &Path) -> Result<(), SocketError> {
        if path.as_os_str().len().max(making(path).1.as_os_str().len()) > SOCKET_PATH_BYTES_MAX {
            return Err(SocketError::PathTooLong { path: path.to_owned() });
        }
        Ok(())
    }

    /// What accepts its connections.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// From here on nobody finds it.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Serves until the server stops and every request that was taken is answered.
    pub(crate) async fn run(self, arrivals: Arrivals, context: Arc<Context>, mut stop: Stop) {
        let (mut clients, mut kept) = (JoinSet::new(), JoinSet::new());
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.ordered() => break,
                Some(_) = clients.join_next(), if !clients.is_empty() => continue,
                Some(_) = kept.join_next(), if !kept.is_empty() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let server = || (arrivals.clone(), Arc::clone(&context));
            match accepted {
                Ok((stream, _)) if clients.len() < CLIENTS_MAX => {
                    clients.spawn(serve(stream, server(), Terms::SERVICE, stop.clone()));
                }
                Ok((stream, _)) if kept.len() < CLIENTS_KEPT => {
                    kept.spawn(serve(stream, server(), Terms::KEPT, stop.clone()));
                }
                Ok((stream, _)) => refuse(&stream),
                // Out of descriptors, or the client left before it was accepted.
                Err(error) => {
                    tracing::warn!(%error, "a local connection was not taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Who is connected gets answers.
        self.remove();
        while clients.join_next().await.is_some() {}
        while kept.join_next().await.is_some() {}
    }
}

/// In words, and at once: nobody waits for who does not read them.
fn refuse(stream: &UnixStream) {
    let places = CLIENTS_MAX + CLIENTS_KEPT;
    tracing::warn!(places, "a local connection was refused: all places are taken");
    let refusal = Refusal::new(
        RefusalKind::Unavailable,
        format!("all {places} local connections are taken: nothing was written"),
    )
    .hinted("`ss -xp | grep isle.sock` shows who has them; try again in some seconds, the last ones are soon free");
    let _ = stream.try_write(&encode(&Answer::Refused { id: None, error: refusal }));
}

/// What was not there need not be removed.
fn if_there(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// One connection: reads requests and writes answers side by side, until the client has ended and everything is
/// answered, or the client is gone.
pub(crate) async fn serve(
    stream: UnixStream,
    (arrivals, context): (Arrivals, Arc<Context>),
    terms: Terms,
    stop: Stop,
) {
    let (reader, writer) = stream.into_split();
    // One place for each request and each event that is on its way, so that there is always room for an answer.
    let events_max = WATCHES_PER_CONNECTION_MAX * usize::try_from(WATCH_EVENTS_MAX).unwrap_or(usize::MAX);
    let (outcomes, queue) = mpsc::channel(REQUESTS_IN_FLIGHT_MAX + events_max);
    let client = arrivals.next_client();
    let reading = read(reader, (client, outcomes), (&arrivals, &context.admissions), terms, stop);
    let writing = write(writer, queue, (client, &arrivals, &context));
    tokio::pin!(writing);
    tokio::select! {
        biased;
        () = &mut writing => arrivals.watch_end(client).await,
        () = reading => {
            // Its watches end with what it asks: nobody else holds the way for outcomes for ever.
            arrivals.watch_end(client).await;
            writing.await;
        }
    }
}

async fn read(
    reader: OwnedReadHalf,
    (client, outcomes): (ClientId, mpsc::Sender<Outcome>),
    server: (&Arrivals, &Admissions),
    terms: Terms,
    mut stop: Stop,
) {
    let mut reader = BufReader::new(reader);
    let mut watches = terms.watches;
    let places = Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let line = tokio::select! {
            biased;
            () = stop.ordered() => return,
            line = read_line(&mut reader, REQUEST_BYTES_MAX) => line,
            idle = idle_too_long(terms.idle, &places) => {
                let message = format!("nothing was asked for {} s: the connection is closed", idle.as_secs());
                let refusal = Refusal::new(RefusalKind::Unavailable, message).hinted("connect again");
                let _ = outcomes.try_send(Outcome { id: None, result: Err(refusal), place: Some(place) });
                return;
            }
        };
        match line {
            Ok(Some(line)) => take(&line, place, (client, &outcomes, &mut watches), server).await,
            Ok(None) | Err(LineError::Io(_)) => return,
            Err(error @ LineError::TooLong { .. }) => {
                // What follows cannot be told apart, so that the connection ends after this answer.
                let refusal = Refusal::new(RefusalKind::TooLong, error.to_string());
                let _ = outcomes.try_send(Outcome { id: None, result: Err(refusal), place: Some(place) });
                return;
            }
        }
    }
}

/// Waits until a connection has asked nothing for so long, and has nothing on its way: its watches keep a place, too.
async fn idle_too_long(idle: Option<Duration>, places: &Semaphore) -> Duration {
    let Some(idle) = idle else { return std::future::pending().await };
    // Its last answer may have been late in the first of the looks: it counts from the next.
    let mut looks = 0;
    while looks < 2 {
        tokio::time::sleep(idle / 2).await;
        // The one that is not free is for the line that is read.
        let is_idle = places.available_permits() + 1 >= REQUESTS_IN_FLIGHT_MAX;
        looks = if is_idle { looks + 1 } else { 0 };
    }
    idle
}

async fn take(
    line: &[u8],
    place: OwnedSemaphorePermit,
    (client, outcomes, watches): (ClientId, &mpsc::Sender<Outcome>, &mut usize),
    (arrivals, admissions): (&Arrivals, &Admissions),
) {
    let parsed = serde_json::from_slice::<Envelope>(line).map_err(|error| malformed(line, &error));
    let requested = parsed.and_then(|Envelope { id, request }| match asked(request) {
        Ok(asked) => Ok((id, asked)),
        Err(refusal) => Err((Some(id), refusal)),
    });
    match requested {
        Ok((id, asked)) => {
            let waiting = Waiting::new(id, outcomes.clone(), place);
            match asked {
                Asked::Core(request) => arrivals.request(request, waiting, line.len()).await,
                Asked::Watch(_) if *watches == 0 => waiting.answer(Err(too_many())),
                Asked::Watch(request) => {
                    *watches -= 1;
                    let watching = Watching { client, id, outcomes: outcomes.clone(), end: waiting };
                    arrivals.watch(request, watching).await;
                }
                Asked::Backup(directory) => arrivals.backup(directory, waiting).await,
                Asked::Hub(request) => admissions.ask(request, waiting).await,
            }
        }
        Err((id, refusal)) => {
            // There is room: this request has a place.
            let _ = outcomes.try_send(Outcome { id, result: Err(refusal), place: Some(place) });
        }
    }
}

fn too_many() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        format!(
            "a connection has at most {WATCHES_PER_CONNECTION_MAX} watches, and none where all but the last {CLIENTS_KEPT} \
             connections are taken"
        ),
    )
    .hinted("watch a whole space, or connect once more")
}

/// The id, if the line has one, and what is wrong with the rest.
fn malformed(line: &[u8], error: &serde_json::Error) -> (Option<u64>, Refusal) {
    let value = serde_json::from_slice::<serde_json::Value>(line).ok();
    let id = value.as_ref().and_then(|value| value.get("id")).and_then(serde_json::Value::as_u64);
    let hint = r#"as in {"id": 1, "request": {"get": {"address": "store-367/inventory/1029743"}}}"#;
    let message = format!("the line is no request: {error}");
    (id, Refusal::new(RefusalKind::Malformed, message).hinted(hint))
}

/// Ends when all senders of outcomes are gone, or the client is.
async fn write(
    writer: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Outcome>,
    (client, arrivals, context): (ClientId, &Arrivals, &Context),
) {
    let mut writer = BufWriter::new(writer);
    while let Some(outcome) = queue.recv().await {
        let mut next = Some(outcome);
        // What is ready goes out together.
        while let Some(Outcome { id, result, place }) = next {
            let events = if let Ok(Reply::Watched(events)) = &result { events.len() } else { 0 };
            let line = encode(&answer(id, result, context));
            if writer.write_all(&line).await.is_err() {
                return;
            }
            drop(place);
            if let Some(id) = id.filter(|_| events > 0) {
                let credit = u32::try_from(events).unwrap_or(u32::MAX);
                arrivals.watch_more((client, id), credit).await;
            }
            next = queue.try_recv().ok();
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
}

fn encode(answer: &Answer) -> Vec<u8> {
    // Maps have text keys and numbers are finite, so that it cannot fail; an empty line would be no answer.
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests;
