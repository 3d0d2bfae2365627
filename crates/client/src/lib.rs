//! The client library of Isle: documents of a site, for the services of that site.
//!
//! There are two ways to a site's documents, and one API for both:
//! - **connected**: [`Client::connect`], a thin client of the site's replica, over its Unix socket or the network;
//! - **embedded**: [`Client::embed`], a replica inside this process. It has its own store, or is in memory, and syncs with the
//!   site's replica by itself; services go on also when the site's server is down.
//!
//! ```no_run
//! use isle_client::{Client, Connection, JsonSchema, schemars};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Item {
//!     product: String,
//!     #[serde(default)]
//!     on_hand: i64,
//!     #[serde(default)]
//!     price_override: Option<i64>,
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(Connection::unix("/var/lib/isle/http.sock"))?;
//! let inventory = client.space("store-367").collection::<Item>("inventory").checked().await?;
//! let milk = inventory.document("5410188031072");
//!
//! // A sale: durable when it returns, counted once however often it had to be sent.
//! milk.change().spend("/sellable", 1).increment("/on_hand", -1).await?;
//!
//! // A closure becomes one change; fields that `Item` does not know stay as they are.
//! milk.update(|item| item.price_override = Some(199)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//! - A write that returned is on the disk of the replica ([`Ack::Local`]), or on the hub's too ([`Ack::Hub`]).
//! - A write counts once. It carries a key; where an answer is lost it is sent again under the same key, within
//!   [`Connection::patience`]. Where that ends without an answer the error says that the outcome is unknown and gives the key,
//!   under which the write can be sent again for 24 hours, or until the replica took as many later writes with a key as it keeps
//!   (`http.idempotency_keys_max`: 1,048,576).
//! - A future may be dropped at any time. A write whose future was dropped is done or not, like one whose answer was lost.
//! - Nothing that a server sends makes this panic; what cannot be read is an error.
//! - A [`Watch`] shows every change after its first state, across lost connections and restarts of either side.
//!
//! Values are [serde](https://serde.rs) types; [`serde_json::Value`] reads any document.

mod call;
mod carrier;
mod client;
mod collection;
mod document;
mod error;
mod events;
mod fit;
mod history;
#[cfg(test)]
mod hostile;
mod query;
mod space;
mod terms;
mod transaction;
mod watch;
mod written;

#[cfg(feature = "tls")]
pub use carrier::CallerError;
pub use carrier::{ConnectError, Connection};
#[cfg(feature = "embedded")]
pub use carrier::{EmbedError, Embedding, ServeError};
pub use client::Client;
pub use collection::Collection;
pub use document::{Bounded, Change, Counter, Document, List, Moment, Reading, Set, Settle, Text, Update};
pub use error::{CallError, Problem, Violation};
pub use fit::{FitError, Misfit};
pub use history::{Conflict, ConflictingValue, HistoryEntry, HistoryPage};
pub use query::{Filter, Found, Page, Query};
/// What the code of `#[derive(JsonSchema)]` names: it is to be in scope there.
pub use schemars;
/// Derives the schema of a type, for [`Collection::checked`].
pub use schemars::JsonSchema;
pub use space::Space;
pub use terms::Ack;
pub use transaction::Transaction;
pub use watch::{Event, Watch, WatchBuilder, WatchError, Watched, WatchedChange};
pub use written::{Acked, Stamp, Written};
