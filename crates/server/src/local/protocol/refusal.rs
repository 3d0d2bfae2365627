use super::Violation;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub kind: RefusalKind,
    /// For people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Box<str>>,
    /// The document that it is about, where there may be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Box<str>>,
    /// The field that it is about, as a JSON Pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
    /// The rules of the schema that the document would break.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub violations: Box<[Violation]>,
    /// How much is allowed, where that was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<NonZeroU32>,
}

impl Refusal {
    /// Without a hint.
    pub(crate) fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            document: None,
            field: None,
            violations: Box::default(),
            limit: None,
        }
    }

    /// With what to do about it.
    pub(crate) fn hinted(mut self, hint: &str) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Kinds of refusals. With every kind but `unknown_outcome` nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// The line is no request.
    Malformed,
    /// The line is too long; the connection ends.
    TooLong,
    /// The replica does not carry the space.
    UnknownSpace,
    /// Services may not write the space here.
    ReadOnly,
    /// The operations do not fit the document.
    Invalid,
    /// A condition of the write does not hold.
    ConditionFailed,
    /// Rights of a bounded counter are lacking.
    NotEnough,
    /// The document waits for an upgrade.
    Blocked,
    /// What is stored of the document or the collection is damaged; the rest goes on.
    Damaged,
    /// The idempotency key belongs to another write.
    KeyReused,
    /// The disk is nearly full: nothing is written until there is room.
    DiskFull,
    /// The document has many changes that are applied first: try again.
    Behind,
    /// A backup was not made.
    Backup,
    /// The store failed and is being opened again: try later.
    Unavailable,
    /// The store failed, or the server ended, before the write was known to be durable.
    UnknownOutcome,
    /// A kind that a newer server knows.
    #[serde(other)]
    Other,
}
