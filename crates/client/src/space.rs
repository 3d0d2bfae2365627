//! Spaces.

use crate::call::encoded;
use crate::client::Client;
use crate::collection::Collection;
use crate::transaction::Transaction;
use crate::watch::{Scope, WatchBuilder};
use serde_json::Value;
use std::marker::PhantomData;

/// A space: what is replicated together, and what rights are given for.
///
/// ```no_run
/// # async fn example(client: isle_client::Client) -> Result<(), isle_client::CallError> {
/// let store = client.space("store-367");
/// let products = client.space("catalog").collection::<serde_json::Value>("product");
/// println!("{}: {} products", store.name(), products.find().all().await?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Space {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Space {
    /// Its name.
    ///
    /// ```no_run
    /// # async fn example(store: isle_client::Space) -> Result<(), isle_client::CallError> {
    /// println!("{}", store.name());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A collection of it, whose documents are read as `T`. Whether they fit is found out with each;
    /// [`Collection::checked`] finds out beforehand.
    ///
    /// ```no_run
    /// # async fn example(store: isle_client::Space) -> Result<(), isle_client::CallError> {
    /// let inventory = store.collection::<serde_json::Value>("inventory");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn collection<T>(&self, name: impl Into<String>) -> Collection<T> {
        Collection { space: self.clone(), name: name.into(), of: PhantomData }
    }

    /// A transaction: changes of several of its documents that become visible together everywhere, or not at all.
    ///
    /// ```no_run
    /// # async fn example(client: isle_client::Client) -> Result<(), isle_client::CallError> {
    /// let store = client.space("store-367");
    /// let inventory = store.collection::<serde_json::Value>("inventory");
    /// store
    ///     .transaction()
    ///     .with(inventory.document("milk").change().spend("/sellable", 1))
    ///     .with(inventory.document("bread").change().spend("/sellable", 2))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// A feed of all its documents.
    ///
    /// ```no_run
    /// # async fn example(client: isle_client::Client) -> Result<(), isle_client::CallError> {
    /// let feed = client.space("store-367").watch().begin().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self) -> WatchBuilder<Value> {
        WatchBuilder::new(
            self.client.clone(),
            Scope { space: self.name.clone(), collection: None, prefix: None, key: None },
        )
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/spaces/{}", encoded(&self.name))
    }
}
