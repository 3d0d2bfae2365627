//! What a feed shows.

use crate::error::{Problem, Violation};
use crate::written::Stamp;

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
    Refused(#[from] Box<Problem>),
    /// A document does not fit the type that it is read as. Those of the same transaction that fit came before it, and the feed goes on.
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
