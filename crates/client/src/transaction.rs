//! Transactions.

use crate::call::Call;
use crate::document::Change;
use crate::error::CallError;
use crate::space::Space;
use crate::terms::{Condition, Terms, on_terms};
use crate::written::Written;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::Method;
use serde_json::{Value, json};

/// Changes of several documents of a space: all or none, here and at every other replica. Sent by `.await`.
///
/// ```no_run
/// # async fn example(store: isle_client::Space, inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let moved = store.transaction()
///     .with(inventory.document("back").change().increment("/on_hand", -6))
///     .with(inventory.document("front").change().increment("/on_hand", 6).if_exists());
/// moved.key("move-17").await?;
/// # Ok(())
/// # }
/// ```
///
/// What is to be sent again until it is answered is built once, and cloned: built anew of what is read by then it might be
/// another one, which its key refuses.
///
/// ```no_run
/// use isle_client::CallError;
///
/// # async fn example(store: isle_client::Space, milk: isle_client::Change) -> Result<(), CallError> {
/// let sale = store.transaction().with(milk).key("receipt-4711");
/// if let Err(CallError::OutcomeUnknown { .. }) = sale.clone().await {
///     sale.await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is sent by `.await`"]
pub struct Transaction {
    space: Space,
    writes: Vec<Change>,
    terms: Terms,
}

impl Transaction {
    pub(crate) fn new(space: Space) -> Self {
        Self { space, writes: Vec::new(), terms: Terms::default() }
    }

    /// With a change of a document. Its condition counts; ack, key and message are the transaction's to say.
    ///
    /// ```no_run
    /// # async fn example(store: isle_client::Space, inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// store.transaction().with(inventory.document("milk").change().spend("/sellable", 1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(mut self, change: Change) -> Self {
        self.writes.push(change);
        self
    }

    on_terms!();

    async fn send(self) -> Result<Written, CallError> {
        let Self { space, writes, terms } = self;
        for Change { place, unsendable, condition, .. } in &writes {
            condition.as_ref().map(Condition::check).transpose()?;
            if let Some(cause) = unsendable {
                return Err(CallError::Unsendable { cause: cause.clone() });
            }
            if place.space.name != space.name {
                let cause = format!("{place} is in a transaction of the space {}", space.name);
                return Err(CallError::Unsendable { cause });
            }
        }
        let writes: Vec<Value> = writes.into_iter().map(shown).collect();
        let call = Call::new(Method::POST, format!("{}/transactions", space.path()));
        let call = terms.on(call.json("application/json", &json!({ "writes": writes }))?)?;
        space.client.carrier.call(&call).await?.written(&call)
    }
}

fn shown(change: Change) -> Value {
    let Change { place, operations, condition, .. } = change;
    let mut write = json!({"collection": place.collection, "key": place.key, "operations": operations});
    let shown = condition.map(|condition| condition.shown());
    if let (Some((is_positive, text)), Some(members)) = (shown, write.as_object_mut()) {
        let name = if is_positive { "if_match" } else { "if_none_match" };
        members.insert(name.to_owned(), Value::String(text));
    }
    write
}

impl IntoFuture for Transaction {
    type Output = Result<Written, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}
