//! Live feeds, across lost connections.

use crate::call::{Body, Call, encoded};
use crate::carrier::Lost;
use crate::client::Client;
use crate::error::{CallError, Problem, Violation};
use crate::events::{Decoder, RawEvent};
use crate::written::Stamp;
use futures_core::Stream;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A replica says something every 15 seconds. Where it says nothing for so long the connection is lost.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Pauses between attempts to connect again: from the first on each is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is watched.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) space: String,
    pub(crate) collection: Option<String>,
    pub(crate) prefix: Option<String>,
    /// Only this key of those.
    pub(crate) key: Option<String>,
}

/// A feed that is not begun yet.
///
/// ```no_run
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>, kept_cursor: String) -> Result<(), isle_client::CallError> {
/// let feed = inventory.watch().prefix("4051").after(kept_cursor).begin().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "begin it by `begin`"]
pub struct WatchBuilder<T> {
    client: Client,
    scope: Scope,
    after: Option<String>,
    of: PhantomData<fn() -> T>,
}

impl<T> WatchBuilder<T> {
    pub(crate) fn new(client: Client, scope: Scope) -> Self {
        Self { client, scope, after: None, of: PhantomData }
    }

    /// Goes on behind an event, by its [`Event::cursor`], instead of showing the state first; also after a restart of this
    /// process or of the replica.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>, kept_cursor: String) -> Result<(), isle_client::CallError> {
    /// let feed = inventory.watch().after(kept_cursor).begin().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.after = Some(cursor.into());
        self
    }

    /// Only documents whose keys start so. Of a feed of one document nothing else than that document is shown.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let feed = inventory.watch().prefix("cold/").begin().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        if self.scope.key.is_none() {
            self.scope.prefix = Some(prefix.into());
        }
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// [`CallError`] when the replica is not reached or refuses. Afterwards the feed connects again by itself.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let feed = inventory.watch().begin().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn begin(self) -> Result<Watch<T>, CallError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let Self { client, scope, after, .. } = self;
        let mut feed =
            Feed { client, scope, cursor: after, body: None, decoder: Decoder::default(), is_over: false };
        feed.connect_first().await?;
        let state = (feed, VecDeque::new());
        let events = futures_util::stream::unfold(state, |(mut feed, mut waiting)| async move {
            if waiting.is_empty() {
                waiting = feed.next::<T>().await;
            }
            Some((waiting.pop_front()?, (feed, waiting)))
        });
        Ok(Watch(Box::pin(events)))
    }
}

/// A feed: a stream of events that ends only with an error.
///
/// First the present state comes, a [`Event::Document`] for each document, then [`Event::Synced`], then every change. Lost
/// connections are made again, for as long as it takes, and the feed goes on behind the last event that it gave. Nothing is
/// held back for who is slow: the replica lets go of a reader that takes nothing for 20 seconds, and the feed goes on
/// with its cursor when it is asked for more.
///
/// ```no_run
/// use futures_util::StreamExt as _;
/// use isle_client::Event;
///
/// # async fn example(client: isle_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let mut feed = client.space("store-367").collection::<serde_json::Value>("inventory").watch().begin().await?;
/// while let Some(event) = feed.next().await {
///     if let Event::Changed { changes, cursor } = event? {
///         for change in changes {
///             println!("{}: {:?}", change.document.key, change.document.value);
///         }
///         // Kept, the feed goes on here: `watch().after(cursor)`.
///         let _ = cursor;
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Watch<T>(Pin<Box<dyn Stream<Item = Result<Event<T>, WatchError>> + Send>>);

impl<T> Stream for Watch<T> {
    type Item = Result<Event<T>, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Why a feed has no next event.
///
/// ```no_run
/// use futures_util::StreamExt as _;
/// use isle_client::WatchError;
///
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let mut feed = inventory.watch().begin().await?;
/// while let Some(event) = feed.next().await {
///     if let Err(WatchError::Type { document, cause, .. }) = event {
///         println!("{document} is passed over: {cause}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The replica refuses to go on. The feed has ended.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// A document does not fit the type that it is read as. The feed goes on, with those of the same transaction that fit.
    #[error("{document} does not fit the type it is read as: {cause}")]
    Type {
        /// Its address.
        document: String,
        /// Which part does not fit, by serde.
        cause: String,
        /// What a feed goes on behind it with.
        cursor: String,
    },
    /// What came is no event that this version reads. The feed has ended.
    #[error("the replica's event cannot be read: {cause}")]
    Event {
        /// What is wrong with it.
        cause: String,
    },
}

/// What a feed shows.
///
/// ```no_run
/// use futures_util::StreamExt as _;
/// use isle_client::Event;
///
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let mut feed = inventory.watch().begin().await?;
/// while let Some(Ok(event)) = feed.next().await {
///     match event {
///         Event::Document { document, .. } => println!("there is {}", document.key),
///         Event::Changed { changes, .. } => println!("{} documents changed together", changes.len()),
///         Event::Reset { .. } => println!("forget what was shown"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<T> {
    /// A document of the initial state.
    Document {
        /// See [`Event::cursor`].
        cursor: String,
        /// The document.
        document: Watched<T>,
    },
    /// The initial state was shown whole.
    Synced {
        /// See [`Event::cursor`].
        cursor: String,
    },
    /// A change, or all those of a transaction that are watched.
    Changed {
        /// See [`Event::cursor`].
        cursor: String,
        /// Each of another document.
        changes: Vec<WatchedChange<T>>,
    },
    /// The cursor serves no more, as after a long absence: forget what was shown; the whole state follows.
    Reset {
        /// See [`Event::cursor`].
        cursor: String,
    },
}

impl<T> Event<T> {
    /// What a later feed goes on behind this event with, by [`WatchBuilder::after`].
    ///
    /// ```no_run
    /// use futures_util::StreamExt as _;
    ///
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let mut feed = inventory.watch().begin().await?;
    /// while let Some(Ok(event)) = feed.next().await {
    ///     println!("go on after {}", event.cursor());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cursor(&self) -> &str {
        match self {
            Self::Document { cursor, .. }
            | Self::Synced { cursor }
            | Self::Changed { cursor, .. }
            | Self::Reset { cursor } => cursor,
        }
    }
}

/// A document as a feed shows it.
///
/// ```no_run
/// use futures_util::StreamExt as _;
/// use isle_client::Event;
///
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let mut feed = inventory.watch().begin().await?;
/// while let Some(Ok(event)) = feed.next().await {
///     if let Event::Document { document, .. } = event {
///         println!("{}/{}: {:?}", document.collection, document.key, document.value);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Watched<T> {
    /// Its collection.
    pub collection: String,
    /// Its key.
    pub key: String,
    /// Its value; `None` when it is deleted, or left out.
    pub value: Option<T>,
    /// Whether the value is left out, because the transaction's documents are long: read it.
    pub is_omitted: bool,
    /// Its heads.
    pub heads: Vec<String>,
    /// The rules of its schema that it breaks, as a merge of valid documents may.
    pub violations: Vec<Violation>,
}

/// A change, and its document with it.
///
/// ```no_run
/// use futures_util::StreamExt as _;
/// use isle_client::Event;
///
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let mut feed = inventory.watch().begin().await?;
/// while let Some(Ok(event)) = feed.next().await {
///     if let Event::Changed { changes, .. } = event {
///         changes.iter().for_each(|change| println!("{:?} changed {}", change.author, change.document.key));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WatchedChange<T> {
    /// Its number among its origin's changes in the space.
    pub stamp: Stamp,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// When it was made, by its writer's clock, in milliseconds since 1970, where that is still known.
    pub wall_ms: Option<i64>,
    /// Who, where it was said.
    pub author: Option<String>,
    /// Why, where it was said.
    pub message: Option<String>,
    /// The document as of this change or a later one.
    pub document: Watched<T>,
}

/// The state of a feed.
struct Feed {
    client: Client,
    scope: Scope,
    cursor: Option<String>,
    body: Option<Body>,
    decoder: Decoder,
    is_over: bool,
}

impl Feed {
    fn call(&self) -> Call {
        let mut target = format!("/v1/watch?space={}", encoded(&self.scope.space));
        let given =
            [("collection", &self.scope.collection), ("prefix", &self.scope.prefix), ("after", &self.cursor)];
        for (name, value) in given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            target = format!("{target}&{name}={}", encoded(value));
        }
        Call::get(target)
    }

    /// The first connection, within the patience of the client.
    async fn connect_first(&mut self) -> Result<(), CallError> {
        let deadline = Instant::now().checked_add(self.client.carrier.patience());
        let mut pause = PAUSE_FIRST;
        loop {
            match self.connect().await? {
                Connecting::Connected => return Ok(()),
                Connecting::Refused(problem) => return Err(CallError::Refused(problem)),
                Connecting::Lost(cause)
                    if deadline.is_some_and(|deadline| Instant::now() + pause > deadline) =>
                {
                    let address = self.client.carrier.address().to_owned();
                    return Err(CallError::Unreachable { address, cause });
                }
                Connecting::Lost(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn connect(&mut self) -> Result<Connecting, CallError> {
        let response = match self.client.carrier.begin(&self.call()).await? {
            Ok(response) => response,
            Err(Lost::NotSent(cause) | Lost::NoAnswer(cause) | Lost::Late(cause)) => {
                return Ok(Connecting::Lost(cause));
            }
        };
        if response.status() == StatusCode::OK {
            self.body = Some(response.into_body());
            self.decoder = Decoder::default();
            return Ok(Connecting::Connected);
        }
        let is_passing = response.status().is_server_error();
        Ok(match crate::call::Answer::read(response).await {
            Ok(answer) if is_passing => Connecting::Lost(answer.problem().to_string()),
            Ok(answer) => Connecting::Refused(answer.problem()),
            Err(cause) => Connecting::Lost(cause),
        })
    }

    /// Connects again, for as long as it takes; an error when the replica refuses.
    async fn connect_again(&mut self) -> Result<(), WatchError> {
        let mut pause = PAUSE_FIRST;
        loop {
            let connecting = self.connect().await;
            match connecting.map_err(|error| WatchError::Event { cause: error.to_string() })? {
                Connecting::Connected => return Ok(()),
                Connecting::Refused(problem) => return Err(problem.into()),
                Connecting::Lost(cause) => tracing::debug!(%cause, "the feed is not connected"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// What comes next; empty after the last.
    async fn next<T: DeserializeOwned>(&mut self) -> VecDeque<Result<Event<T>, WatchError>> {
        while !self.is_over {
            let shape = match self.next_raw().await {
                Ok(raw) => serde_json::from_str::<EventShape>(&raw.data)
                    .map_err(|error| WatchError::Event { cause: error.to_string() }),
                Err(error) => Err(error),
            };
            let shape = match shape {
                Ok(shape) => shape,
                Err(error) => {
                    self.is_over = true;
                    return VecDeque::from([Err(error)]);
                }
            };
            self.cursor = Some(shape.cursor().to_owned());
            let shown = typed(shape, self.scope.key.as_deref());
            if !shown.is_empty() {
                return shown;
            }
        }
        VecDeque::new()
    }

    /// The next event that tells of documents.
    async fn next_raw(&mut self) -> Result<RawEvent, WatchError> {
        loop {
            if let Some(event) = self.decoder.next() {
                match event.name.as_str() {
                    "slow" => self.body = None,
                    "problem" => {
                        let problem: Problem = serde_json::from_str(&event.data)
                            .map_err(|error| WatchError::Event { cause: error.to_string() })?;
                        // Its store failed and is being opened again, or it ends: neither is for good.
                        if ![503, 504].contains(&problem.status) {
                            return Err(problem.into());
                        }
                        self.body = None;
                    }
                    _ => return Ok(event),
                }
            }
            let Some(body) = &mut self.body else {
                // Whoever answers and ends at once is not asked all the time.
                sleep(PAUSE_FIRST).await;
                self.connect_again().await?;
                continue;
            };
            match timeout(SILENCE_MAX, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let pushed = frame.data_ref().map_or(Ok(()), |bytes| self.decoder.push(bytes));
                    pushed.map_err(|_| WatchError::Event { cause: "it is too long".to_owned() })?;
                }
                Ok(Some(Err(_)) | None) | Err(_) => self.body = None,
            }
        }
    }
}

enum Connecting {
    Connected,
    Refused(Problem),
    /// Not this time.
    Lost(String),
}

/// What the replica sends.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum EventShape {
    Reset { cursor: String },
    Document { cursor: String, document: DocumentShape },
    Synced { cursor: String },
    Changed { cursor: String, changes: Vec<ChangeShape> },
}

impl EventShape {
    fn cursor(&self) -> &str {
        match self {
            Self::Reset { cursor }
            | Self::Document { cursor, .. }
            | Self::Synced { cursor }
            | Self::Changed { cursor, .. } => cursor,
        }
    }
}

#[derive(Deserialize)]
struct DocumentShape {
    address: String,
    heads: Vec<String>,
    value: Value,
    #[serde(default)]
    omitted: bool,
    #[serde(default)]
    violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct ChangeShape {
    stamp: Stamp,
    hash: String,
    #[serde(default)]
    wall_ms: Option<i64>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    message: Option<String>,
    document: DocumentShape,
}

/// The event with documents of `T`, behind an error for each that does not fit; nothing when none is of the one key that is
/// wanted.
fn typed<T: DeserializeOwned>(
    event: EventShape,
    key: Option<&str>,
) -> VecDeque<Result<Event<T>, WatchError>> {
    let is_wanted = |shape: &DocumentShape| key.is_none_or(|key| parts(&shape.address).1 == key);
    let mut shown = VecDeque::new();
    match event {
        EventShape::Reset { cursor } => shown.push_back(Ok(Event::Reset { cursor })),
        EventShape::Synced { cursor } => shown.push_back(Ok(Event::Synced { cursor })),
        EventShape::Document { document, cursor } => {
            if is_wanted(&document) {
                let document = watched(document, &cursor);
                shown.push_back(document.map(|document| Event::Document { cursor, document }));
            }
        }
        EventShape::Changed { changes, cursor } => {
            let mut fitting = Vec::new();
            for change in changes.into_iter().filter(|change| is_wanted(&change.document)) {
                match watched_change(change, &cursor) {
                    Ok(change) => fitting.push(change),
                    Err(error) => shown.push_back(Err(error)),
                }
            }
            if !fitting.is_empty() {
                shown.push_back(Ok(Event::Changed { cursor, changes: fitting }));
            }
        }
    }
    shown
}

fn watched_change<T: DeserializeOwned>(
    shape: ChangeShape,
    cursor: &str,
) -> Result<WatchedChange<T>, WatchError> {
    let ChangeShape { stamp, hash, wall_ms, author, message, document } = shape;
    let document = watched(document, cursor)?;
    Ok(WatchedChange { stamp, hash, wall_ms, author, message, document })
}

fn watched<T: DeserializeOwned>(shape: DocumentShape, cursor: &str) -> Result<Watched<T>, WatchError> {
    let DocumentShape { address, heads, value, omitted, violations } = shape;
    let (collection, key) = parts(&address);
    let value = match value.is_null() {
        true => None,
        false => Some(serde_json::from_value(value).map_err(|error| WatchError::Type {
            document: address.clone(),
            cause: error.to_string(),
            cursor: cursor.to_owned(),
        })?),
    };
    Ok(Watched { collection, key, value, is_omitted: omitted, heads, violations })
}

/// Collection and key of an address.
fn parts(address: &str) -> (String, String) {
    let mut parts = address.splitn(3, '/').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    (next().to_owned(), key_of(next()))
}

/// A key of an address, where `%` is written `%25` and `/` is written `%2F`.
fn key_of(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were() {
        assert_eq!(key_of("a%2Fb%25c"), "a/b%c");
        assert_eq!(key_of("plain"), "plain");
    }
}
