//! Handles of fields that merge otherwise than as registers. What each does is a [`Change`] of one operation.

use super::{Change, Place};
use serde::Serialize;

/// A counter: what several replicas add at the same time is all counted.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// milk.counter("/on_hand").add(-2).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Counter {
    pub(super) place: Place,
    pub(super) field: String,
}

impl Counter {
    /// Adds; `by` may be negative.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.counter("/on_hand").add(-2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(&self, by: i64) -> Change {
        Change::new(self.place.clone()).increment(&self.field, by)
    }
}

/// A bounded counter: never less than its bound, whoever is cut off. A replica spends of the rights that it holds.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// milk.bounded("/sellable").grant(24).await?;
/// if milk.bounded("/sellable").spend(2).await.is_err_and(|error| error.is_not_enough()) {
///     println!("sold out");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Bounded {
    pub(super) place: Place,
    pub(super) field: String,
}

impl Bounded {
    /// Takes, of the rights that the replica holds; refused with `not-enough` where it holds too few.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.bounded("/sellable").spend(2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn spend(&self, by: u64) -> Change {
        Change::new(self.place.clone()).spend(&self.field, by)
    }

    /// Adds: makes rights that the replica holds.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.bounded("/sellable").grant(24).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn grant(&self, by: u64) -> Change {
        Change::new(self.place.clone()).grant(&self.field, by)
    }

    /// Gives rights to another origin, of 32 hexadecimal digits.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.bounded("/sellable").transfer(6, "33569671fe91f32c776cb7445fcc428c").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transfer(&self, by: u64, to: &str) -> Change {
        Change::new(self.place.clone()).transfer(&self.field, by, to)
    }
}

/// A set of JSON scalars: adding wins over concurrent removing.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// milk.set("/tags").add(&"organic").await?;
/// milk.set("/tags").remove(&"new").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Set {
    pub(super) place: Place,
    pub(super) field: String,
}

impl Set {
    /// Adds an element.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.set("/tags").add(&"organic").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(&self, element: &impl Serialize) -> Change {
        Change::new(self.place.clone()).add(&self.field, element)
    }

    /// Removes an element.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.set("/tags").remove(&"organic").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove(&self, element: &impl Serialize) -> Change {
        Change::new(self.place.clone()).remove(&self.field, element)
    }
}

/// A list: items that several replicas insert at the same time are all there.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// milk.list("/lines").insert(0, &serde_json::json!({"product": "bread"})).await?;
/// milk.list("/lines").cut(0, 1).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct List {
    pub(super) place: Place,
    pub(super) field: String,
}

impl List {
    /// Inserts a value before the item at `index`, which counts from 0; the length of the list appends.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.list("/lines").insert(0, &"bread").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert(&self, index: usize, value: &impl Serialize) -> Change {
        Change::new(self.place.clone()).insert(&self.field, index, value)
    }

    /// Deletes `count` items from `index` on.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.list("/lines").cut(0, 2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cut(&self, index: usize, count: usize) -> Change {
        Change::new(self.place.clone()).cut(&self.field, index, count)
    }
}

/// A text: what several replicas write into it at the same time is all there.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// milk.text("/body").splice(0, 0, "Delivered. ").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Text {
    pub(super) place: Place,
    pub(super) field: String,
}

impl Text {
    /// Deletes `delete` characters from `index` on, counted in Unicode characters, and inserts there.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// milk.text("/body").splice(0, 0, "Dear ").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn splice(&self, index: usize, delete: usize, insert: &str) -> Change {
        Change::new(self.place.clone()).splice(&self.field, index, delete, insert)
    }
}
