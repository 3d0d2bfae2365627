//! Documents: read, written, their history.

mod change;
mod difference;
mod fields;
mod items;
mod settle;
mod update;

pub use change::Change;
pub use fields::{Bounded, Counter, List, Set, Text};
pub use settle::Settle;
pub use update::Update;

use crate::call::{Answer, Call, encoded, tag};
use crate::error::CallError;
use crate::history::{Conflict, Conflicts, HistoryPage};
use crate::space::Space;
use crate::terms::Condition;
use crate::watch::{Scope, WatchBuilder};
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a document is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) space: Space,
    pub(crate) collection: String,
    pub(crate) key: String,
}

impl Place {
    pub(crate) fn path(&self) -> String {
        format!("{}/{}/{}", self.space.path(), encoded(&self.collection), encoded(&self.key))
    }

    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        self.space.client.carrier.call(call).await
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, CallError> {
        let read = serde_json::from_slice(&answer.body);
        read.map_err(|error| CallError::Type { document: self.to_string(), cause: error.to_string() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.space.name, self.collection, self.key)
    }
}

/// A document, whether it is there or not.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// milk.change().increment("/on_hand", -1).await?;
/// let on_hand = milk.get().await?.map(|read| read.value["on_hand"].clone());
/// # Ok(())
/// # }
/// ```
pub struct Document<T> {
    pub(crate) place: Place,
    pub(crate) of: PhantomData<fn() -> T>,
}

impl<T> Clone for Document<T> {
    fn clone(&self) -> Self {
        Self { place: self.place.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Document<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.place.to_string()).finish()
    }
}

/// A document as it was read.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// if let Some(read) = milk.get().await? {
///     // Only if nobody wrote since.
///     milk.change().merge(&serde_json::json!({"shelf": "C7"})).if_heads(read.heads).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading<T> {
    /// Its value.
    pub value: T,
    /// Its heads: what [`Change::if_heads`] and [`Moment::Heads`] name it by.
    pub heads: Vec<String>,
    /// Whether changes of it are at the replica that the value lacks: they are being applied, or it is blocked.
    pub is_behind: bool,
    /// How many rules of its schema it breaks, as a merge of valid documents may.
    pub violations: usize,
}

/// When a document is read as of.
///
/// ```no_run
/// use isle_client::Moment;
/// use std::time::{Duration, SystemTime};
///
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let yesterday = SystemTime::now() - Duration::from_secs(24 * 3_600);
/// let then = milk.get_at(Moment::Time(yesterday)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As it had these heads.
    Heads(Vec<String>),
    /// As of a time, by the clocks of its writers.
    Time(SystemTime),
}

impl Moment {
    fn shown(&self) -> String {
        match self {
            Self::Heads(heads) => tag(heads),
            Self::Time(time) => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                since.as_millis().to_string()
            }
        }
    }
}

impl<T> Document<T> {
    /// Its key.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// println!("{}", milk.key());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        &self.place.key
    }

    /// Reads it; `None` when it was never written or is deleted.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::Type`] when it does not fit `T`.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let on_hand = milk.get().await?.map(|read| read.value["on_hand"].clone());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self) -> Result<Option<Reading<T>>, CallError>
    where
        T: DeserializeOwned,
    {
        self.read(self.place.path()).await
    }

    /// Reads it as it was.
    ///
    /// # Errors
    /// As for [`get`](Self::get), and a refusal when the heads are none of its past.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let then = milk.get_at(isle_client::Moment::Time(std::time::SystemTime::UNIX_EPOCH)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_at(&self, moment: Moment) -> Result<Option<Reading<T>>, CallError>
    where
        T: DeserializeOwned,
    {
        self.read(format!("{}?at={}", self.place.path(), encoded(&moment.shown()))).await
    }

    async fn read(&self, target: String) -> Result<Option<Reading<T>>, CallError>
    where
        T: DeserializeOwned,
    {
        let answer = self.place.call(&Call::get(target)).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.problem().kind() == "not-found" {
            return Ok(None);
        }
        let answer = answer.done()?;
        let told = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let violations = told("isle-violations").and_then(|count| count.parse().ok()).unwrap_or_default();
        let is_behind = told("isle-behind").is_some();
        Ok(Some(Reading { value: self.place.read(&answer)?, heads: answer.heads(), is_behind, violations }))
    }

    /// Begins a change: typed operations that are made together or not at all.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let written = milk.change().spend("/sellable", 2).increment("/on_hand", -2).message("basket 17").await?;
    /// assert!(written.stamp.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn change(&self) -> Change {
        Change::new(self.place.clone())
    }

    /// Creates it.
    ///
    /// Refused with `condition-failed` when it is there; a deleted one comes back. A member that is `None` is left out.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// match milk.create(&serde_json::json!({"on_hand": 0})).await {
    ///     Err(error) if error.is_condition_failed() => println!("it was there already"),
    ///     created => drop(created?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(&self, value: &T) -> Change
    where
        T: Serialize,
    {
        self.change().put(value).if_absent()
    }

    /// Makes it this value, and creates it when it is not there. Fields that `T` does not know stay as they are, as with
    /// [`update`](Self::update); to remove those too, [`Change::put`] a [`serde_json::Value`].
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.put(serde_json::json!({"product": "milk", "shelf": "C7"})).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn put<'a>(&self, value: T) -> Update<'a, T, impl FnMut(&mut T) + Send + 'a>
    where
        T: Serialize + DeserializeOwned + Clone + Send + 'a,
    {
        let made = value.clone();
        Update::new(self.place.clone(), move |present: &mut T| present.clone_from(&made)).or_create(value)
    }

    /// Changes it by a closure: what the closure changed becomes one change, and nothing else is written. Fields that `T`
    /// does not know stay as they are; of a counter what the closure added is added.
    ///
    /// So do those of a list's items: an item that equals one of before is that one, wherever the closure put it, and where as many
    /// differ between two that are as before, each was changed in place. What was removed is gone with all that it had. Where it cannot
    /// be told which item is which, and some have members that `T` does not know, nothing is written: [`CallError::Undecided`].
    ///
    /// The closure runs again where the document was changed meanwhile, also by a change of a peer that came. What other
    /// replicas write at the same time merges, as ever.
    ///
    /// Where the outcome is unknown, [`get`](Self::get) or [`history`](Self::history) tells it: an update is not sent again
    /// under its key, since the closure would make another write of it. What is to be sent again until it is answered, as a
    /// sale, is a [`change`](Self::change).
    ///
    /// ```no_run
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Item { shelf: Option<String> }
    /// # async fn example(milk: isle_client::Document<Item>) -> Result<(), isle_client::CallError> {
    /// milk.update(|item| item.shelf = Some("C7".to_owned())).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<'a, F>(&self, closure: F) -> Update<'a, T, F>
    where
        F: FnMut(&mut T) + Send + 'a,
    {
        Update::new(self.place.clone(), closure)
    }

    /// Deletes it. It is not shown while anybody's deletion stands, whatever is written concurrently; a put brings it back.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.delete().message("not sold any more").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&self) -> Change {
        self.change().delete()
    }

    /// A counter of it, by JSON Pointer.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.counter("/on_hand").add(-2).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn counter(&self, field: impl Into<String>) -> Counter {
        Counter { place: self.place.clone(), field: field.into() }
    }

    /// A bounded counter of it, by JSON Pointer.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.bounded("/sellable").spend(2).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn bounded(&self, field: impl Into<String>) -> Bounded {
        Bounded { place: self.place.clone(), field: field.into() }
    }

    /// A set of it, by JSON Pointer.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.set("/tags").add(&"organic").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn set(&self, field: impl Into<String>) -> Set {
        Set { place: self.place.clone(), field: field.into() }
    }

    /// A list of it, by JSON Pointer.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.list("/lines").cut(0, 1).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn list(&self, field: impl Into<String>) -> List {
        List { place: self.place.clone(), field: field.into() }
    }

    /// A text of it, by JSON Pointer.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.text("/body").splice(0, 0, "Dear ").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn text(&self, field: impl Into<String>) -> Text {
        Text { place: self.place.clone(), field: field.into() }
    }

    /// A feed of it alone.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let feed = milk.watch().begin().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self) -> WatchBuilder<T> {
        let Place { space, collection, key } = self.place.clone();
        // There is no scope of one key: those that start so are passed over.
        let scope = Scope {
            space: space.name,
            collection: Some(collection),
            prefix: Some(key.clone()),
            key: Some(key),
        };
        WatchBuilder::new(space.client, scope)
    }

    /// Its newest changes, before the change with the hash `before` where one is given.
    ///
    /// # Errors
    /// [`CallError`].
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let mut page = milk.history(None, 50).await?;
    /// while let Some(next) = page.next.take() {
    ///     page = milk.history(Some(&next), 50).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn history(&self, before: Option<&str>, limit: u32) -> Result<HistoryPage, CallError> {
        let mut target = format!("{}/history?limit={limit}", self.place.path());
        if let Some(before) = before {
            target = format!("{target}&before={}", encoded(before));
        }
        self.place.call(&Call::get(target)).await?.done()?.value()
    }

    /// The fields that several replicas wrote at the same time, with every value and who wrote it. None is the usual case.
    ///
    /// # Errors
    /// [`CallError`].
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// for conflict in milk.conflicts().await? {
    ///     println!("{} has {} values", conflict.field, conflict.values.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, CallError> {
        let answer = self.place.call(&Call::get(format!("{}/conflicts", self.place.path()))).await?;
        Ok(answer.done()?.value::<Conflicts>()?.conflicts)
    }

    /// Settles a conflict: the value of one change, as [`conflicts`](Self::conflicts) names it, follows all that are here.
    /// Any other value is settled on by [`Change::settle`]. Refused with `invalid` where the conflict has ended.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// for conflict in milk.conflicts().await? {
    ///     if let Some(first) = conflict.values.first() {
    ///         milk.settle(&conflict.field, &first.hash).await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn settle(&self, field: impl Into<String>, hash: impl Into<String>) -> Settle {
        Settle::new(self.place.clone(), field.into(), hash.into())
    }
}

/// Puts a condition on a call.
pub(crate) fn conditional(call: Call, condition: Option<&Condition>) -> Result<Call, CallError> {
    condition.map(Condition::check).transpose()?;
    match condition.map(Condition::shown) {
        None => Ok(call),
        Some((true, text)) => call.header("if-match", &text),
        Some((false, text)) => call.header("if-none-match", &text),
    }
}
