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
    /// What it is about among the operations; it stays in the process.
    #[serde(skip)]
    pub(crate) place: OperationPlace,
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
            place: OperationPlace::default(),
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

/// Which operation, and which member of which step of a JSON Patch, as far as that is known. In three bytes, for which there is
/// room: refusals are returned by value everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperationPlace {
    operation: u8,
    /// From the lowest bit on: whether the operation is known, whether a step is, two for its member, and its number.
    bits: [u8; 2],
}

/// Members of a step; the first is the step itself.
const MEMBERS: [&str; 4] = ["", "path", "from", "value"];

impl OperationPlace {
    /// Of a JSON Pointer into the list of operations. What has no room is not known: there are no more than 256 operations, and
    /// 1,024 steps.
    pub(crate) fn of(pointer: Option<&str>) -> Self {
        let mut parts = pointer.unwrap_or_default().split('/').skip(1).peekable();
        let operation = parts.peek().and_then(|part| part.parse::<u8>().ok());
        if operation.is_some() {
            parts.next();
        }
        let mut bits = u16::from(operation.is_some());
        let step = parts.next().filter(|part| *part == "patch").and(parts.next());
        if let Some(step) = step.and_then(|step| step.parse::<u16>().ok()).filter(|step| *step < 1 << 12) {
            let member = parts.next().and_then(|part| MEMBERS.iter().position(|member| *member == part));
            let member = member.and_then(|member| u16::try_from(member).ok()).unwrap_or_default();
            bits |= 0b10 | member << 2 | step << 4;
        }
        Self { operation: operation.unwrap_or_default(), bits: bits.to_le_bytes() }
    }

    /// The pointer again.
    pub(crate) fn pointer(self) -> Option<String> {
        let bits = u16::from_le_bytes(self.bits);
        let mut pointer = String::new();
        if bits & 0b1 != 0 {
            pointer = format!("/{}", self.operation);
        }
        if bits & 0b10 != 0 {
            pointer = format!("{pointer}/patch/{}", bits >> 4);
            let member = MEMBERS.get(usize::from(bits >> 2 & 0b11)).copied().unwrap_or_default();
            if !member.is_empty() {
                pointer = format!("{pointer}/{member}");
            }
        }
        Some(pointer).filter(|pointer| !pointer.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_among_operations_comes_back() {
        for pointer in ["/0", "/255", "/7/patch/0/path", "/patch/1023/from", "/patch/3/value", "/patch/3"] {
            assert_eq!(OperationPlace::of(Some(pointer)).pointer().as_deref(), Some(pointer));
        }
        for none in [None, Some(""), Some("/256"), Some("/patch"), Some("/patch/4096/path")] {
            assert_eq!(OperationPlace::of(none).pointer(), None, "{none:?}");
        }
    }
}
