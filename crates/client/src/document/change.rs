//! Changes made of typed operations.

use super::difference::without_nulls;
use super::{Place, conditional};
use crate::call::Call;
use crate::error::CallError;
use crate::terms::{Condition, Terms, on_terms};
use crate::written::Written;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};

/// One change of a document: its operations are carried out in their order, all of them or none. Sent by `.await`, or with
/// others by a [`Transaction`](crate::Transaction).
///
/// Fields are JSON Pointers, as `/on_hand`.
///
/// ```no_run
/// use isle_client::Ack;
/// use std::time::Duration;
///
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let sale = milk.change().spend("/sellable", 2).increment("/on_hand", -2);
/// let written = sale.key("receipt-4711").ack(Ack::Hub { within: Duration::from_secs(5) }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is sent by `.await`"]
pub struct Change {
    pub(crate) place: Place,
    pub(crate) operations: Vec<Value>,
    pub(crate) condition: Option<Condition>,
    /// Why an operation cannot be sent.
    pub(crate) unsendable: Option<String>,
    terms: Terms,
}

impl Change {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, operations: Vec::new(), condition: None, unsendable: None, terms: Terms::default() }
    }

    fn and(mut self, operation: Value) -> Self {
        self.operations.push(operation);
        self
    }

    pub(super) fn with_value(
        mut self,
        value: &impl Serialize,
        operation: impl FnOnce(Value) -> Value,
    ) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => self.operations.push(operation(value)),
            Err(error) => self.unsendable = Some(error.to_string()),
        }
        self
    }

    /// Makes the document this object. Fields that the value leaves out are removed where the collection's schema knows them
    /// or there is none; so are members that are null.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().put(&serde_json::json!({"product": "milk"})).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn put(self, value: &impl Serialize) -> Self {
        self.with_value(value, |value| json!({"op": "put", "value": without_nulls(value)}))
    }

    /// Merges by JSON Merge Patch (RFC 7396): null removes a field, what is not named stays.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().merge(&serde_json::json!({"shelf": "C7", "note": null})).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn merge(self, patch: &impl Serialize) -> Self {
        self.with_value(patch, |patch| json!({"op": "merge_patch", "patch": patch}))
    }

    /// Patches by JSON Patch (RFC 6902); a `test` in it is a precondition of the whole change.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().patch(&serde_json::json!([{"op": "replace", "path": "/shelf", "value": "C7"}])).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn patch(self, patch: &impl Serialize) -> Self {
        self.with_value(patch, |patch| json!({"op": "patch", "patch": patch}))
    }

    /// Deletes the document.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().delete().if_exists().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(self) -> Self {
        self.and(json!({"op": "delete"}))
    }

    /// Adds to a counter; `by` may be negative.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().increment("/on_hand", -2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn increment(self, field: &str, by: i64) -> Self {
        self.and(json!({"op": "increment", "field": field, "by": by}))
    }

    /// Takes from a bounded counter, of the rights that the replica holds. Refused with `not-enough` where it holds too few,
    /// which says who has them.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().spend("/sellable", 2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn spend(self, field: &str, by: u64) -> Self {
        self.and(json!({"op": "spend", "field": field, "by": by}))
    }

    /// Adds to a bounded counter: makes rights, held by the replica.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().grant("/sellable", 24).increment("/on_hand", 24).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn grant(self, field: &str, by: u64) -> Self {
        self.and(json!({"op": "grant", "field": field, "by": by}))
    }

    /// Makes rights that another origin, of 32 hexadecimal digits, holds.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().grant_to("/sellable", 24, "33569671fe91f32c776cb7445fcc428c").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn grant_to(self, field: &str, by: u64, to: &str) -> Self {
        self.and(json!({"op": "grant", "field": field, "by": by, "to": to}))
    }

    /// Gives rights of a bounded counter to another origin, of 32 hexadecimal digits.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().transfer("/sellable", 6, "33569671fe91f32c776cb7445fcc428c").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transfer(self, field: &str, by: u64, to: &str) -> Self {
        self.and(json!({"op": "transfer", "field": field, "by": by, "to": to}))
    }

    /// Adds an element, a JSON scalar, to a set; it wins over concurrent removing.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().add("/tags", &"organic").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(self, field: &str, element: &impl Serialize) -> Self {
        self.with_value(element, |element| json!({"op": "add", "field": field, "element": element}))
    }

    /// Removes an element from a set.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().remove("/tags", &"organic").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove(self, field: &str, element: &impl Serialize) -> Self {
        self.with_value(element, |element| json!({"op": "remove", "field": field, "element": element}))
    }

    /// Inserts a value into a list, before the item at `index`, which counts from 0. Members of it that are null are left out.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().insert("/lines", 0, &serde_json::json!({"product": "bread"})).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert(self, field: &str, index: usize, value: &impl Serialize) -> Self {
        self.with_value(
            value,
            |value| json!({"op": "insert", "field": field, "index": index, "values": [without_nulls(value)]}),
        )
    }

    /// Deletes `delete` items of a list from `index` on.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().cut("/lines", 2, 1).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cut(self, field: &str, index: usize, delete: usize) -> Self {
        self.and(json!({"op": "splice", "field": field, "index": index, "delete": delete, "insert": []}))
    }

    /// Deletes `delete` characters of a text from `index` on, counted in Unicode characters, and inserts there.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().splice("/body", 0, 5, "Dear").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn splice(self, field: &str, index: usize, delete: usize, insert: &str) -> Self {
        self.and(json!({"op": "splice", "field": field, "index": index, "delete": delete, "insert": insert}))
    }

    /// Empties a field.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().clear("/lines").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(self, field: &str) -> Self {
        self.and(json!({"op": "clear", "field": field}))
    }

    /// Decides between concurrent values: writes this one, also where it is the one that is shown.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().settle("/shelf", &"C7").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn settle(self, field: &str, value: &impl Serialize) -> Self {
        self.with_value(value, |value| json!({"op": "settle", "field": field, "value": without_nulls(value)}))
    }

    /// Decides between concurrent values: it is the one that this change wrote, as
    /// [`conflicts`](crate::Document::conflicts) names it.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// for conflict in milk.conflicts().await? {
    ///     if let Some(first) = conflict.values.first() {
    ///         milk.change().choose(&conflict.field, &first.hash).message("as the shelf says").await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn choose(self, field: &str, hash: &str) -> Self {
        self.and(json!({"op": "choose", "field": field, "hash": hash}))
    }

    /// Only when the document is there.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().increment("/on_hand", -2).if_exists().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_exists(mut self) -> Self {
        self.condition = Some(Condition::Exists);
        self
    }

    /// Only when the document is not there.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.change().put(&serde_json::json!({"on_hand": 0})).if_absent().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_absent(mut self) -> Self {
        self.condition = Some(Condition::Absent);
        self
    }

    /// Only when the document has these heads, as a reading told them: nobody of this replica wrote since. Those that
    /// [`Written::heads`] told serve too, where there are any; none are [`CallError::Unsendable`].
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// if let Some(read) = milk.get().await? {
    ///     milk.change().merge(&serde_json::json!({"shelf": "C8"})).if_heads(read.heads).await?;
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
        if let Some(cause) = self.unsendable {
            return Err(CallError::Unsendable { cause });
        }
        let call = Call::new(Method::PATCH, self.place.path());
        let call = call.json("application/vnd.isle.operations+json", &self.operations)?;
        let call = self.terms.on(conditional(call, self.condition.as_ref())?)?;
        self.place.call(&call).await?.written(&call)
    }
}

impl IntoFuture for Change {
    type Output = Result<Written, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}
