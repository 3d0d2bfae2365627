//! What a call can come to.

use serde::Deserialize;
use std::fmt;

/// Why a call has no result.
///
/// ```no_run
/// use isle_client::CallError;
///
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// match milk.bounded("/sellable").spend(1).key("receipt-4711").await {
///     Ok(_) => println!("sold"),
///     Err(error) if error.is_not_enough() => println!("sold out: {error}"),
///     Err(CallError::OutcomeUnknown { key, .. }) => println!("ask again under {key}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The replica was not reached. Nothing was written.
    #[error("the replica at {address} is not reached: {cause}; nothing was written")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the system said.
        cause: String,
    },
    /// The replica refused. Nothing was read, or written by this call.
    #[error(transparent)]
    Refused(#[from] Box<Problem>),
    /// The write may be done or not: the answer was lost, or the replica does not know. Sent again under the same key it
    /// counts once: see [`crate`] for how long.
    #[error("the write may be done or not: {cause}; send it again under the key {key}, it counts once")]
    OutcomeUnknown {
        /// The idempotency key, for [`Change::key`](crate::Change::key) and the like.
        key: String,
        /// Why the outcome is unknown.
        cause: String,
    },
    /// A read was sent and not answered.
    #[error("the replica at {address} did not answer: {cause}")]
    NoAnswer {
        /// Where it is.
        address: String,
        /// What happened.
        cause: String,
    },
    /// The answer is none that this version reads. Of a write the outcome is unknown then.
    #[error("the replica's answer cannot be read: {cause}")]
    Answer {
        /// What is wrong with it.
        cause: String,
    },
    /// A document does not fit the type that it is read as.
    #[error("{document} does not fit the type it is read as: {cause}")]
    Type {
        /// Its address.
        document: String,
        /// Which part does not fit, by serde.
        cause: String,
    },
    /// Documents that belong to the answer cannot be read, as after a bad sector: `isle repair` brings them back.
    #[error("cannot be read at this replica: {}; `isle repair` brings them back", documents.join(", "))]
    Damaged {
        /// Their addresses.
        documents: Vec<String>,
    },
    /// The request cannot be said: a value has no JSON, a text does not fit a header, a document is of another space.
    /// Nothing was sent.
    #[error("the request cannot be sent: {cause}")]
    Unsendable {
        /// What is wrong with it.
        cause: String,
    },
    /// What a closure made of a list cannot be written: its items have members that the type does not know, and it cannot be
    /// told to which they belong now. Nothing was written. A type that knows all members, or keeps the others by
    /// `#[serde(flatten)]`, has nothing to lose; a [`change`](crate::Document::change) says itself what becomes of which item.
    #[error(
        "{document}: items of {field} have members that the type does not know, and {why}: nothing was written; have the type \
         keep all members (`#[serde(flatten)]`), make one kind of change at a time, or use `change`"
    )]
    Undecided {
        /// Its address.
        document: String,
        /// The list, as a JSON Pointer.
        field: String,
        /// What cannot be told.
        why: &'static str,
    },
    /// There is no such document to be changed. Nothing was written.
    #[error("there is no document {document}: create it first")]
    Missing {
        /// Its address.
        document: String,
    },
    /// The document was changed by others again and again between being read and written. Nothing was written.
    #[error("{document} was changed by others {attempts} times while it was to be updated: try again")]
    Contended {
        /// Its address.
        document: String,
        /// How often it was tried.
        attempts: u32,
    },
}

impl CallError {
    /// The name of the problem that the replica refused with, as `not-enough`; `None` when it did not refuse.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// if let Err(error) = milk.counter("/on_hand").add(1).await {
    ///     println!("{:?}", error.kind());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(problem.kind()),
            Self::Unreachable { .. }
            | Self::OutcomeUnknown { .. }
            | Self::NoAnswer { .. }
            | Self::Answer { .. }
            | Self::Type { .. }
            | Self::Damaged { .. }
            | Self::Unsendable { .. }
            | Self::Undecided { .. }
            | Self::Missing { .. }
            | Self::Contended { .. } => None,
        }
    }

    /// Whether a bounded counter lacks rights: what is sold is not there to be sold.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let is_sold_out = milk.bounded("/sellable").spend(1).await.is_err_and(|error| error.is_not_enough());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_not_enough(&self) -> bool {
        self.kind() == Some("not-enough")
    }

    /// Whether the condition of a write did not hold.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let was_there = milk.delete().if_exists().await.is_ok_and(|written| written.stamp.is_some());
    /// let is_new = milk.create(&serde_json::json!({})).await.is_err_and(|error| error.is_condition_failed());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_condition_failed(&self) -> bool {
        self.kind() == Some("condition-failed")
    }
}

/// A refusal, as the replica words it (RFC 9457).
///
/// Who writes with a token that gives no right to read what it writes is told the kind, and which of its own fields it is about;
/// nothing of what is there.
///
/// ```no_run
/// use isle_client::CallError;
///
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// if let Err(CallError::Refused(problem)) = milk.counter("/on_hand").add(1).await {
///     println!("{}: {}", problem.kind(), problem.detail);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// `urn:isle:problem:` and a name that is stable; see [`Problem::kind`].
    #[serde(rename = "type", default)]
    pub urn: Box<str>,
    /// The HTTP status of it.
    #[serde(default)]
    pub status: u16,
    /// What is wrong, in words.
    #[serde(default)]
    pub detail: Box<str>,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<Box<str>>,
    /// The document that it is about, where there may be several: `space/collection/key`.
    #[serde(default)]
    pub document: Option<Box<str>>,
    /// The field of the document that it is about, as a JSON Pointer.
    #[serde(default)]
    pub field: Option<Box<str>>,
    /// The place in the request's body that it is about, as a JSON Pointer into the body.
    #[serde(default)]
    pub pointer: Option<Box<str>>,
    /// The rules of the schema that would be broken.
    #[serde(default)]
    pub violations: Box<[Violation]>,
    /// The limit that was passed.
    #[serde(default)]
    pub limit: Option<u64>,
}

impl Problem {
    /// Its name: `not-enough`, `condition-failed`, `invalid`, … as `/docs` of a replica lists them.
    ///
    /// ```no_run
    /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// if let Err(isle_client::CallError::Refused(problem)) = milk.counter("/on_hand").add(1).await {
    ///     println!("{}", problem.kind());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn kind(&self) -> &str {
        self.urn.strip_prefix("urn:isle:problem:").unwrap_or(&self.urn)
    }
}

impl Problem {
    /// Whether a replica says it, and nobody on the way there.
    pub(crate) fn is_of_a_replica(&self) -> bool {
        self.urn.starts_with("urn:isle:problem:")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.kind())?;
        if let Some(hint) = &self.hint {
            write!(f, ": {hint}")?;
        }
        for violation in &self.violations {
            write!(f, "; {}: {}", violation.field, violation.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A rule of its schema that a document breaks.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// if let Err(isle_client::CallError::Refused(problem)) = milk.counter("/on_hand").add(1).await {
///     problem.violations.iter().for_each(|broken| println!("{}: {}", broken.field, broken.message));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// The field, as a JSON Pointer; empty for the document itself.
    pub field: String,
    /// The rule, as a JSON Pointer into the schema.
    pub rule: String,
    /// What is wrong with which value, in words.
    pub message: String,
}
