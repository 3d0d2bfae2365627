//! Changes made by closures.

use super::difference::{Undecided, merge_patch, without_nulls};
use super::{Place, conditional};
use crate::call::{Answer, Call};
use crate::error::CallError;
use crate::terms::{Condition, Terms, on_terms};
use crate::written::{Acked, Written};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;
use tokio::time::sleep;

/// How often the document may have been changed by others between being read and written.
const ATTEMPTS_MAX: u32 = 32;

/// A document changed by a closure. Sent by `.await`.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let update = milk.update(|item| item["shelf"] = "C7".into()).or_create(serde_json::json!({"shelf": "C7"}));
/// update.message("moved").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it is sent by `.await`"]
pub struct Update<'a, T, F> {
    place: Place,
    closure: F,
    created: Option<T>,
    terms: Terms,
    /// How long what the closure has borrowed lives.
    of: PhantomData<&'a ()>,
}

impl<T, F> fmt::Debug for Update<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Update").field(&self.place.to_string()).finish()
    }
}

impl<T, F: FnMut(&mut T)> Update<'_, T, F> {
    pub(super) fn new(place: Place, closure: F) -> Self {
        Self { place, closure, created: None, terms: Terms::default(), of: PhantomData }
    }

    /// Where the document is not there it is created with this value, which the closure does not see. Nothing said, that is
    /// [`CallError::Missing`].
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let new = serde_json::json!({"on_hand": 0, "shelf": "C7"});
    /// milk.update(|item| item["shelf"] = "C7".into()).or_create(new).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn or_create(mut self, value: T) -> Self {
        self.created = Some(value);
        self
    }

    on_terms!();

    async fn send(self) -> Result<Written, CallError>
    where
        T: Serialize + DeserializeOwned,
    {
        let Self { place, mut closure, created, terms, .. } = self;
        let created = created.as_ref().map(encode).transpose()?.map(without_nulls);
        for attempt in 0..ATTEMPTS_MAX {
            let answer = place.call(&Call::get(place.path())).await?;
            let is_missing = answer.status == StatusCode::NOT_FOUND && answer.problem().kind() == "not-found";
            let (call, condition) = if is_missing {
                let Some(value) = &created else {
                    return Err(CallError::Missing { document: place.to_string() });
                };
                let call = Call::new(Method::PUT, place.path()).json("application/json", value)?;
                (call, Condition::Absent)
            } else {
                let answer = answer.done()?;
                let heads = answer.heads();
                let Some(patch) = changed(&place, &answer, &mut closure)? else {
                    return Ok(Written { stamp: None, ack: Acked::Local, heads });
                };
                let call = Call::new(Method::PATCH, place.path());
                (call.json("application/merge-patch+json", &patch)?, Condition::Heads(heads))
            };
            let call = terms.on(conditional(call, Some(&condition))?)?;
            match place.call(&call).await?.written(&call) {
                Err(error) if error.is_condition_failed() => {}
                written => return written,
            }
            // Others are at it: the later the attempt the longer the pause.
            sleep(Duration::from_millis(attempt.into())).await;
        }
        Err(CallError::Contended { document: place.to_string(), attempts: ATTEMPTS_MAX })
    }
}

/// What the closure makes of what was read.
fn changed<T: Serialize + DeserializeOwned>(
    place: &Place,
    answer: &Answer,
    closure: &mut impl FnMut(&mut T),
) -> Result<Option<Value>, CallError> {
    let read: Value = place.read(answer)?;
    let mut value: T = place.read(answer)?;
    let before = encode(&value)?;
    closure(&mut value);
    let patch = merge_patch("", &read, &before, &encode(&value)?);
    patch.map_err(|Undecided { field, why }| CallError::Undecided { document: place.to_string(), field, why })
}

fn encode(value: &impl Serialize) -> Result<Value, CallError> {
    serde_json::to_value(value).map_err(|error| CallError::Unsendable { cause: error.to_string() })
}

impl<'a, T, F> IntoFuture for Update<'a, T, F>
where
    T: Serialize + DeserializeOwned + Send + 'a,
    F: FnMut(&mut T) + Send + 'a,
{
    type Output = Result<Written, CallError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}
