//! Parameters that several operations have, described once. What reads them is in `extract` and `preferences`.
#![expect(dead_code, reason = "they are only described")]

use super::texts::{AnyTagText, AuthorText, IdempotencyKeyText, KeyText, MessageText, NameText, TagsText};
use utoipa::IntoParams;

/// The path of a document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DocumentPath {
    #[param(value_type = NameText, inline)]
    space: String,
    #[param(value_type = NameText, inline)]
    collection: String,
    /// The key, percent-encoded: a slash in it is `%2F`. `.` and `..` are steps of a path, also encoded: no document is written
    /// under such a key.
    #[param(value_type = KeyText, inline)]
    key: String,
}

/// How a write is to be done.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct WriteHeaders {
    /// 1 to 64 characters, in quotes or not: the write counts once, however often it is sent. Of each token the keys are its own.
    /// A key is kept for a day, as long as there are no more than 1,048,576 of them (`idempotency_keys_max`): beyond that the
    /// oldest go sooner, and `idempotency` of `/v1/status` says how many there are and how old.
    #[param(rename = "Idempotency-Key", value_type = Option<IdempotencyKeyText>, inline)]
    idempotency_key: Option<String>,
    /// `ack=hub; wait=5s` answers when the hub has it, or after that time. A write that changes nothing waits for nothing: it is
    /// `local`, but at the hub itself, and says nothing of whether the hub has what made it so.
    #[param(rename = "Prefer")]
    prefer: Option<String>,
    /// Why it is written, as UTF-8 or `UTF-8''Gr%C3%BCn` (RFC 8187); kept with the change.
    #[param(rename = "Isle-Message", value_type = Option<MessageText>, inline)]
    message: Option<String>,
    /// Who writes, likewise, where no token says so.
    #[param(rename = "Isle-Author", value_type = Option<AuthorText>, inline)]
    author: Option<String>,
}

/// What must hold of the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct WriteConditions {
    /// Only when its ETag is one of these; `*`: when it is there.
    #[param(rename = "If-Match", value_type = Option<TagsText>, inline)]
    if_match: Option<String>,
    /// `*`: only when it is not there.
    #[param(rename = "If-None-Match", value_type = Option<AnyTagText>, inline)]
    if_none_match: Option<String>,
}
