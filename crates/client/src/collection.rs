//! Collections.

use crate::call::{Call, encoded};
use crate::document::{Document, Place};
use crate::error::CallError;
use crate::fit::{FitError, misfits};
use crate::query::Query;
use crate::space::Space;
use crate::watch::{Scope, WatchBuilder};
use hyper::StatusCode;
use schemars::JsonSchema;
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;

/// A collection of a space, whose documents are read as `T`.
///
/// ```no_run
/// use isle_client::Filter;
///
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let milk = inventory.document("milk");
/// let low = inventory.find().filter(Filter::at_most("/on_hand", &3)).page().await?;
/// let feed = inventory.watch().prefix("mil").begin().await?;
/// # Ok(())
/// # }
/// ```
pub struct Collection<T> {
    pub(crate) space: Space,
    pub(crate) name: String,
    pub(crate) of: PhantomData<fn() -> T>,
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self { space: self.space.clone(), name: self.name.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Collection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("space", &self.space.name).field("name", &self.name).finish()
    }
}

impl<T> Collection<T> {
    /// Its name.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// println!("{}", inventory.name());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A document by its key, as it is: a slash is a slash.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let milk = inventory.document("5410188031072");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn document(&self, key: impl Into<String>) -> Document<T> {
        let place = Place { space: self.space.clone(), collection: self.name.clone(), key: key.into() };
        Document { place, of: PhantomData }
    }

    /// A query: nothing said, all documents by their keys.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let all = inventory.find().all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self) -> Query<T> {
        Query::new(self.clone())
    }

    /// A feed of its documents.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let feed = inventory.watch().begin().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self) -> WatchBuilder<T> {
        let scope = Scope {
            space: self.space.name.clone(),
            collection: Some(self.name.clone()),
            prefix: None,
            key: None,
        };
        WatchBuilder::new(self.space.client.clone(), scope)
    }

    /// Holds `T` against the schema that the replica has of the collection, so that a type that does not fit is found when
    /// the service starts and not with the first document of that kind. A collection without a schema fits every type.
    ///
    /// # Errors
    /// [`FitError::Misfits`] names every field that does not fit and why: one that the collection does not know, one that may
    /// be absent, null, of another type, outside of the type's range or none of its choices, and one that the type refuses.
    ///
    /// What the schema does not say is not held against a type: members of a free object, items of a list without `items`. Nor are
    /// conditions (`allOf`, `if`, `not`), patterns, and what distinguishes variants with data (an `enum` of Rust whose variants
    /// have fields) looked at.
    ///
    /// ```no_run
    /// use isle_client::{JsonSchema, schemars};
    ///
    /// #[derive(serde::Deserialize, JsonSchema)]
    /// struct Product {
    ///     name: String,
    ///     #[serde(default)]
    ///     price: Option<i64>,
    /// }
    ///
    /// # async fn example(client: isle_client::Client) -> Result<(), isle_client::FitError> {
    /// let products = client.space("catalog").collection::<Product>("product").checked().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn checked(self) -> Result<Self, FitError>
    where
        T: JsonSchema,
    {
        let call = Call::get(format!("/v1/schemas/{}", encoded(&self.name)));
        let answer = self.space.client.carrier.call(&call).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(self);
        }
        let schema: Value = answer.done()?.value()?;
        let found = misfits(schemars::schema_for!(T).as_value(), &schema);
        match found.is_empty() {
            true => Ok(self),
            false => Err(FitError::Misfits { collection: self.name, misfits: found }),
        }
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.space.path(), encoded(&self.name))
    }

    /// The address of a document.
    pub(crate) fn address(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.space.name, self.name)
    }

    pub(crate) fn type_error(&self, key: &str, error: &serde_json::Error) -> CallError {
        CallError::Type { document: self.address(key), cause: error.to_string() }
    }
}
