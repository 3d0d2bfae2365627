//! A replica in this process.

use crate::call::{Body, Call, either_way, header_words};
use crate::error::CallError;
use hyper::Response;
use hyper::header::{HeaderName, HeaderValue};
use server::{Embedded, Rows, ServeError};
use std::num::NonZeroU32;
use std::path::PathBuf;

/// A replica that is to run in this process.
///
/// It is one of the fleet like any other: `isle hub invite` and `isle join` make its data directory, its configuration there
/// says its spaces and its peers, usually the site's replica. No server may run in that directory.
///
/// ```
/// use isle_client::Embedding;
/// use std::num::NonZeroU32;
///
/// let till = Embedding::at("/var/lib/till-3").author("till-3");
/// let dashboard = Embedding::at("/var/lib/dashboard").in_memory(NonZeroU32::new(64).unwrap());
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    data: PathBuf,
    rows: Rows,
    author: Option<String>,
}

impl Embedding {
    /// From a data directory, with its store there: what is acknowledged survives a power cut, and waits on the disk for the
    /// peers as long as they are away.
    ///
    /// ```
    /// use isle_client::Embedding;
    ///
    /// let till = Embedding::at("/var/lib/till-3");
    /// ```
    #[must_use]
    pub fn at(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), rows: Rows::Disk, author: None }
    }

    /// With its documents in memory, up to `mib_max` MiB, of which the journal has a quarter: for what can be lost with the
    /// process, as a dashboard or a pricing engine that only reads. The documents come from its peers at every start; what it
    /// wrote and no peer had is gone, rights of bounded counters that it held too. Each start that writes is another origin to
    /// its peers, and they take 64 of one certificate's key: what writes regularly belongs on a disk. Such starts are counted
    /// in `identity/` of the directory, which has to outlive the process; from 28 on each is warned of in the log and in
    /// `isle status`, and after 56 [`EmbedError::Start`] says what to do. A start that only reads is not counted. When it is
    /// nearly full it is read-only; give it several times what its documents have as JSON.
    ///
    /// ```
    /// use isle_client::Embedding;
    ///
    /// let memory = std::num::NonZeroU32::new(64).unwrap();
    /// let dashboard = Embedding::at("/var/lib/dashboard").in_memory(memory);
    /// ```
    #[must_use]
    pub fn in_memory(mut self, mib_max: NonZeroU32) -> Self {
        self.rows = Rows::Memory { mib_max };
        self
    }

    /// Says who writes; kept with every change.
    ///
    /// ```
    /// use isle_client::Embedding;
    ///
    /// let till = Embedding::at("/var/lib/till-3").author("till-3");
    /// ```
    #[must_use]
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = Some(author.into());
        self
    }
}

/// Why a replica does not run in this process.
///
/// ```
/// use isle_client::{Client, EmbedError, Embedding};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = Client::embed(Embedding::at("/no/such/directory")).await.unwrap_err();
/// assert!(matches!(refused, EmbedError::Start(_)));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// It does not start, as a server would not.
    #[error(transparent)]
    Start(#[from] ServeError),
    /// The author cannot be said in a header.
    #[error("the author has control characters")]
    Author,
    /// The runtime is ending.
    #[error("the runtime is ending")]
    Ending,
}

pub(crate) struct InProcess {
    replica: Embedded,
    address: String,
    author: Option<HeaderValue>,
}

impl InProcess {
    /// Opens it, on a thread where that may take its time.
    pub(crate) async fn open(embedding: Embedding) -> Result<Self, EmbedError> {
        let Embedding { data, rows, author } = embedding;
        let author = author.map(|author| HeaderValue::try_from(header_words(&author).as_ref()));
        let author = author.transpose().map_err(|_| EmbedError::Author)?;
        let address = data.display().to_string();
        let opening = tokio::task::spawn_blocking(move || Embedded::open(&data, rows));
        let replica = opening.await.map_err(|_| EmbedError::Ending)??;
        Ok(Self { replica, address, author })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) async fn begin(&self, call: &Call) -> Result<Response<Body>, CallError> {
        let mut request = call.request("")?;
        if let Some(author) = &self.author {
            request.headers_mut().insert(HeaderName::from_static("isle-author"), author.clone());
        }
        Ok(self.replica.call(request).await.map(either_way))
    }
}
