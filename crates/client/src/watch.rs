//! Live feeds, across lost connections.

mod event;
mod shape;

pub use event::{Event, WatchError, Watched, WatchedChange};

use crate::call::{Body, Call, encoded};
use crate::carrier::Lost;
use crate::client::Client;
use crate::error::{CallError, Problem};
use crate::events::{Decoder, RawEvent};
use futures_core::Stream;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use serde::de::DeserializeOwned;
use shape::{EventShape, typed};
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

/// What whoever stands before a replica answers while it is not there, and the replica while it cannot go on.
const PASSING: [StatusCode; 3] =
    [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];

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
/// connections are made again, for as long as it takes, and the feed goes on behind the last event that it gave; so it is where
/// the replica cannot answer for a while (502, 503, 504). Any other refusal ends it. Nothing is
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
        // Any other failure may be for good: it is told, and not asked for again for ever.
        let is_passing = PASSING.contains(&response.status());
        Ok(match timeout(SILENCE_MAX, crate::call::Answer::read(response)).await {
            Ok(Ok(answer)) if is_passing => Connecting::Lost(answer.problem().to_string()),
            Ok(Ok(answer)) => Connecting::Refused(answer.problem()),
            Ok(Err(cause)) => Connecting::Lost(cause),
            Err(_) => Connecting::Lost("the refusal did not arrive whole".to_owned()),
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
                        let problem: Box<Problem> = serde_json::from_str(&event.data)
                            .map_err(|error| WatchError::Event { cause: error.to_string() })?;
                        // Its store failed and is being opened again, or it ends: neither is for good.
                        if !PASSING.iter().any(|passing| problem.status == passing.as_u16()) {
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
    Refused(Box<Problem>),
    /// Not this time.
    Lost(String),
}
