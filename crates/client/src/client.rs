//! The client itself.

use crate::carrier::{Carrier, ConnectError, Connection};
#[cfg(feature = "embedded")]
use crate::carrier::{EmbedError, Embedding};
use crate::space::Space;
use std::fmt;
use std::sync::Arc;

/// A way to the documents of a site. Clones are cheap and share connections, or the replica in this process.
///
/// ```no_run
/// # async fn example(client: isle_client::Client) -> Result<(), isle_client::CallError> {
/// let milk = client.space("store-367").collection::<serde_json::Value>("inventory").document("milk");
/// if let Some(read) = milk.get().await? {
///     println!("{}", read.value["on_hand"]);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) carrier: Arc<Carrier>,
}

impl Client {
    /// A client of a running replica. Nothing is sent yet: connections are made with the calls, and again when they are lost.
    ///
    /// # Errors
    /// [`ConnectError`] when the address, the token or the author cannot be one.
    ///
    /// ```no_run
    /// use isle_client::{Client, Connection};
    /// use std::time::Duration;
    ///
    /// # fn example() -> Result<(), isle_client::ConnectError> {
    /// let till = Client::connect(Connection::unix("/var/lib/isle/http.sock").author("till-3"))?;
    /// let dashboard = Client::connect(
    ///     Connection::tcp("10.0.0.2:7480").token("isle_…").patience(Duration::from_secs(10)),
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(connection: Connection) -> Result<Self, ConnectError> {
        let carrier = Carrier::Connected(crate::carrier::Connected::new(connection)?);
        Ok(Self { carrier: Arc::new(carrier) })
    }

    /// Runs a replica in this process, and is the client of it, until [`close`](Self::close). It shows what it has: at its first
    /// start, and at each in memory, that is nothing until its peers have been reached, and a document that is not there yet
    /// reads as one that does not exist. Counters and sets that are written meanwhile merge with what comes; do not
    /// [`put`](crate::Document::put) initial values into it.
    ///
    /// # Errors
    /// [`EmbedError`] when it does not start, as a server would not: no data directory, another process has it, a damaged
    /// store.
    ///
    /// ```no_run
    /// use isle_client::{Client, Embedding};
    ///
    /// # async fn example() -> Result<(), isle_client::EmbedError> {
    /// let client = Client::embed(Embedding::at("/var/lib/till-3").author("till-3")).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "embedded")]
    pub async fn embed(embedding: Embedding) -> Result<Self, EmbedError> {
        let carrier = Carrier::InProcess(crate::carrier::InProcess::open(embedding).await?);
        Ok(Self { carrier: Arc::new(carrier) })
    }

    /// Ends the replica in this process, where there is one, when this is the last that holds it: spaces, documents and feeds of
    /// this client hold it too. Returns when everything that it took is durable and its directory is free; dropping the last
    /// does the same and blocks its thread for so long, up to 10 seconds.
    ///
    /// ```no_run
    /// # async fn example(client: isle_client::Client) {
    /// client.close().await;
    /// # }
    /// ```
    pub async fn close(self) {
        if let Some(carrier) = Arc::into_inner(self.carrier) {
            // It fails only where the runtime ends: then it was dropped there.
            let _ = tokio::task::spawn_blocking(move || drop(carrier)).await;
        }
    }

    /// A space by its name.
    ///
    /// ```no_run
    /// # async fn example(client: isle_client::Client) -> Result<(), isle_client::CallError> {
    /// let store = client.space("store-367");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn space(&self, name: impl Into<String>) -> Space {
        Space { client: self.clone(), name: name.into() }
    }

    /// How the replica is: its spaces, its peers and what they lack, its disk; the object of `isle status --json`.
    ///
    /// # Errors
    /// [`CallError`](crate::CallError) when it is not reached or refuses.
    ///
    /// ```no_run
    /// # async fn example(client: isle_client::Client) -> Result<(), isle_client::CallError> {
    /// println!("{}", client.status().await?["peers"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn status(&self) -> Result<serde_json::Value, crate::CallError> {
        let answer = self.carrier.call(&crate::call::Call::get("/v1/status".to_owned())).await?;
        answer.done()?.value()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.carrier.address()).finish()
    }
}
