//! Errors as problem documents (RFC 9457).

use super::places::Sent;
use crate::local::{Refusal, RefusalKind, Violation};
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Problem(Box<ProblemDocument>);

/// What is wrong. `type` is stable, and what programs go by. Who writes what it may not read is told the kind in fixed words, and
/// the document and field that it named itself: nothing of what is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDocument {
    /// The kind of problem: `urn:isle:problem:` and its name.
    #[serde(rename = "type")]
    #[schema(example = "urn:isle:problem:invalid")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The status of the answer.
    #[schema(value_type = u16)]
    status: u16,
    /// This problem in words.
    detail: String,
    /// What to do about it.
    hint: String,
    /// The document that it is about, where there may be several: `space/collection/key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    /// The field of the document that it is about, as a JSON Pointer into the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The place in the request's body that it is about, as a JSON Pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The rules of the schema that the document would break.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
    /// The limit that was passed: of a body or a change in bytes, of entries and operations how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// Of which operation it is, as the core says it.
    #[serde(skip)]
    place: Option<String>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A kind of problem: its name, its status, and in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
}

macro_rules! kinds {
    ($($constant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        impl Kind {
            $(pub(super) const $constant: Self =
                Self { name: $name, status: StatusCode::$status, title: $title };)*

            /// All, as the page for people lists them.
            pub(super) const ALL: &[Self] = &[$(Self::$constant),*];
        }
    };
}

kinds! {
    MALFORMED = "malformed", BAD_REQUEST, "The request cannot be read";
    UNAUTHORIZED = "unauthorized", UNAUTHORIZED, "Who calls is not known";
    FORBIDDEN = "forbidden", FORBIDDEN, "The caller has no right to this";
    READ_ONLY = "read-only", FORBIDDEN, "The space is not written here";
    NOT_FOUND = "not-found", NOT_FOUND, "It is not there";
    UNKNOWN_SPACE = "unknown-space", NOT_FOUND, "This replica does not carry the space";
    METHOD = "method-not-allowed", METHOD_NOT_ALLOWED, "The resource has no such method";
    NOT_ENOUGH = "not-enough", CONFLICT, "Rights of a bounded counter are lacking";
    BLOCKED = "blocked", CONFLICT, "Changes of the document cannot be applied";
    CONDITION_FAILED = "condition-failed", PRECONDITION_FAILED, "The document is not as the condition says";
    TOO_SLOW = "too-slow", REQUEST_TIMEOUT, "The body did not arrive in time";
    TOO_LARGE = "too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    CONTENT_TYPE = "content-type", UNSUPPORTED_MEDIA_TYPE, "The body is of another type";
    INVALID = "invalid", UNPROCESSABLE_ENTITY, "The request does not fit";
    KEY_REUSED = "key-reused", UNPROCESSABLE_ENTITY, "The idempotency key belongs to another write";
    DAMAGED = "damaged", INTERNAL_SERVER_ERROR, "What is stored cannot be read";
    OTHER = "other", INTERNAL_SERVER_ERROR, "It was not done";
    BEHIND = "behind", SERVICE_UNAVAILABLE, "Changes of the document are being applied";
    BUSY = "busy", SERVICE_UNAVAILABLE, "Too much is asked at once";
    UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE, "The replica takes no requests";
    OUTCOME_UNKNOWN = "outcome-unknown", GATEWAY_TIMEOUT, "It may be done or not";
    DISK_FULL = "disk-full", INSUFFICIENT_STORAGE, "The disk is nearly full";
}

impl Problem {
    /// What is wrong, and what to do about it.
    pub(super) fn new(kind: Kind, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Box::new(ProblemDocument {
            kind: format!("urn:isle:problem:{}", kind.name),
            title: kind.title,
            status: kind.status.as_u16(),
            detail: detail.into(),
            hint: hint.into(),
            document: None,
            field: None,
            pointer: None,
            violations: Vec::new(),
            limit: None,
            place: None,
            headers: Vec::new(),
        }))
    }

    /// The place in the body that it is about.
    pub(super) fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = Some(pointer.into());
        self
    }

    /// The same of one whose place is from here on.
    pub(super) fn within(mut self, place: &str) -> Self {
        let rest = self.0.pointer.take().unwrap_or_default();
        self.pointer(format!("{place}{rest}"))
    }

    /// The same of what the core refused, whose place is known by what the body is.
    pub(super) fn placed(self, of: &Sent) -> Self {
        let ProblemDocument { document, field, place, .. } = self.0.as_ref();
        match of.place(document.as_deref(), field.as_deref(), place.as_deref()) {
            Some(pointer) => self.pointer(pointer),
            None => self,
        }
    }

    /// The limit that was passed.
    pub(super) fn limit(mut self, limit: u64) -> Self {
        self.0.limit = Some(limit);
        self
    }

    /// The same, where one was.
    pub(super) fn limited(mut self, limit: Option<usize>) -> Self {
        self.0.limit = limit.map(|limit| limit as u64);
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// When to try again, in seconds.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

/// What the core or the loop refuses.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.kind {
            RefusalKind::Malformed => Kind::MALFORMED,
            RefusalKind::TooLong => Kind::TOO_LARGE,
            RefusalKind::UnknownSpace => Kind::UNKNOWN_SPACE,
            RefusalKind::ReadOnly => Kind::READ_ONLY,
            RefusalKind::Invalid => Kind::INVALID,
            RefusalKind::NotEnough => Kind::NOT_ENOUGH,
            RefusalKind::ConditionFailed => Kind::CONDITION_FAILED,
            RefusalKind::Blocked => Kind::BLOCKED,
            RefusalKind::Damaged => Kind::DAMAGED,
            RefusalKind::KeyReused => Kind::KEY_REUSED,
            RefusalKind::DiskFull => Kind::DISK_FULL,
            RefusalKind::Behind => Kind::BEHIND,
            RefusalKind::Unavailable => Kind::UNAVAILABLE,
            RefusalKind::UnknownOutcome => Kind::OUTCOME_UNKNOWN,
            RefusalKind::Backup | RefusalKind::Other => Kind::OTHER,
        };
        let hint = refusal.hint.map_or_else(|| usual_hint(refusal.kind).to_owned(), String::from);
        let mut problem = Self::new(kind, refusal.message, hint);
        problem.0.document = refusal.document.map(String::from);
        problem.0.field = refusal.field.map(String::from);
        problem.0.place = refusal.place.pointer();
        problem.0.violations = refusal.violations.into_vec();
        problem.0.limit = refusal.limit.map(|limit| limit.get().into());
        if kind.status == StatusCode::SERVICE_UNAVAILABLE { problem.retry_after(1) } else { problem }
    }
}

/// What to do about a refusal that does not say it.
fn usual_hint(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Malformed | RefusalKind::Invalid => {
            "/docs says what is taken here, and why it may be refused"
        }
        RefusalKind::TooLong => "write in parts",
        RefusalKind::UnknownSpace => "/v1/status lists the spaces that are here",
        RefusalKind::ReadOnly => "write it where the space is written",
        RefusalKind::ConditionFailed => "read the document again and decide anew",
        RefusalKind::NotEnough => "who holds rights can transfer some",
        RefusalKind::KeyReused => "make a key for each write",
        RefusalKind::DiskFull => "free space on the disk; it goes on by itself",
        RefusalKind::Behind | RefusalKind::Unavailable => "try again in a moment",
        RefusalKind::UnknownOutcome => "sent again under its idempotency key a write counts once",
        RefusalKind::Blocked | RefusalKind::Damaged | RefusalKind::Backup | RefusalKind::Other => {
            "the server's log may say more: tell who runs it"
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = std::mem::take(&mut self.0.headers);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.headers_mut().extend(headers);
        response
    }
}
