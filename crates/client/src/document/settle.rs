//! Conflicts that are settled by one of their values.

use super::{Place, conditional};
use crate::call::Call;
use crate::error::CallError;
use crate::terms::{Condition, Terms, on_terms};
use crate::written::Written;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::Method;
use serde_json::json;

/// The choice of one of the values that a field has. Sent by `.await`.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// // Read before the conflicts are: what they say is of these heads, or the choice is refused.
/// let Some(read) = milk.get().await? else { return Ok(()) };
/// for conflict in milk.conflicts().await? {
///     if let Some(first) = conflict.values.first() {
///         let heads = read.heads.clone();
///         return milk.settle(&conflict.field, &first.hash).if_heads(heads).message("as the shelf says").await.map(drop);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is sent by `.await`"]
pub struct Settle {
    place: Place,
    field: String,
    hash: String,
    condition: Option<Condition>,
    terms: Terms,
}

impl Settle {
    pub(super) fn new(place: Place, field: String, hash: String) -> Self {
        Self { place, field, hash, condition: None, terms: Terms::default() }
    }

    /// Only when the document has these heads, as a reading told them: nobody wrote since, and the conflict is as it was seen.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>, hash: &str) -> Result<(), isle_client::CallError> {
    /// if let Some(read) = milk.get().await? {
    ///     milk.settle("/shelf", hash).if_heads(read.heads).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_heads(mut self, heads: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.condition = Some(Condition::Heads(heads.into_iter().map(Into::into).collect()));
        self
    }

    on_terms!();

    async fn send(self) -> Result<Written, CallError> {
        let call = Call::new(Method::POST, format!("{}/conflicts", self.place.path()));
        let call = call.json("application/json", &json!({"field": self.field, "hash": self.hash}))?;
        let call = self.terms.on(conditional(call, self.condition.as_ref())?)?;
        self.place.call(&call).await?.written(&call)
    }
}

impl IntoFuture for Settle {
    type Output = Result<Written, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}
