//! How a document came about, and where its writers differ.

use super::answers::counted;
use super::asking::{Api, Place};
use super::body::{self, Parsed, expect_type};
use super::calling::Caller;
use super::documents::write;
use super::extract::{NoParameters, OfDocument, Parameters};
use super::parameters::{DocumentPath, WriteConditions, WriteHeaders};
use super::preferences::etag;
use super::problem::{Kind, Problem};
use super::problems::{ConflictsProblems, HistoryProblems, SettleProblems};
use super::texts::{HashText, PointerText};
use super::written::{Written, unexpected};
use crate::local::{Change, Conflict, change_shown, conflict_shown};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use document::{ChangeHash, HistoryQuery, Operation, Pointer, PointerError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Changes of one answer, unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;

/// A document's changes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// The newest first.
    changes: Vec<Change>,
    /// Where there may be more: the `before` to ask with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List a document's changes: who, when, what.
#[utoipa::path(get, path = "/v1/spaces/{space}/{collection}/{key}/history", tag = "documents",
    params(
        DocumentPath,
        ("before" = inline(Option<HashText>), Query, description = "Only those before this change, by its hash"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "At most so many, and not more than an answer has room for; 100 when nothing is said"),
    ),
    responses((status = 200, description = "Its changes, the newest first", body = History), HistoryProblems))]
pub(super) async fn history(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    OfDocument(address): OfDocument,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.only(&["before", "limit"])?;
    caller.reads(&address.space, Some(&address.collection))?;
    let before = parameters.one("before")?.map(change_hash).transpose()?;
    let limit = parameters.count("limit", u32::try_from(replica::LIST_MAX).unwrap_or(u32::MAX))?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT_DEFAULT);
    let request = replica::Request::History { address, query: HistoryQuery { before, limit } };
    let replica::Response::History { entries, more } = api.ask_core(request).await? else {
        return Err(unexpected());
    };
    let changes: Vec<Change> = entries.into_iter().map(change_shown).collect();
    let next = changes.last().filter(|_| more).map(|change| change.hash.clone());
    counted(&api, Json(History { changes, next }).into_response())
}

/// Fields that were written at the same time at several sites.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Conflicts {
    /// One for each such field.
    conflicts: Vec<Conflict>,
}

/// List the fields that several sites wrote at the same time, with every value and who wrote it.
#[utoipa::path(get, path = "/v1/spaces/{space}/{collection}/{key}/conflicts", tag = "documents",
    params(DocumentPath),
    responses((status = 200, description = "The conflicts; none is the usual case", body = Conflicts,
        headers(("ETag" = String, description = "The heads of the document that has them"))), ConflictsProblems))]
pub(super) async fn conflicts(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    OfDocument(address): OfDocument,
    _none: NoParameters,
) -> Result<Response, Problem> {
    caller.reads(&address.space, Some(&address.collection))?;
    let request = replica::Request::Conflicts { address };
    let replica::Response::Conflicts { conflicts, heads } = api.ask_core(request).await? else {
        return Err(unexpected());
    };
    let headers: HeaderMap = etag(&heads).map(|tag| (header::ETAG, tag)).into_iter().collect();
    let conflicts = Conflicts { conflicts: conflicts.into_iter().map(conflict_shown).collect() };
    counted(&api, (headers, Json(conflicts)).into_response())
}

/// What a field is from here on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settled {
    /// The field, as the conflict names it.
    #[schema(value_type = PointerText)]
    field: String,
    /// The change that wrote the value to keep.
    #[serde(default)]
    #[schema(value_type = Option<HashText>, inline)]
    hash: Option<String>,
    /// Or another value; null is one.
    #[serde(default, deserialize_with = "given")]
    value: Option<Value>,
}

/// What to do about a conflict of a whole document.
const WHOLE_HINT: &str =
    "a document that was deleted by one and edited by another stays deleted until it is put";

impl Settled {
    fn operation(self) -> Result<Operation, Problem> {
        let field = Pointer::parse(&self.field).map_err(|error| {
            let hint =
                if error == PointerError::Whole { WHOLE_HINT } else { "send the `field` of the conflict" };
            Problem::new(Kind::INVALID, error.to_string(), hint).limited(error.limit()).pointer("/field")
        })?;
        match (self.hash, self.value) {
            (Some(hash), None) => {
                let hash = change_hash(&hash).map_err(|problem| problem.pointer("/hash"))?;
                Ok(Operation::Choose { field, hash })
            }
            (None, Some(value)) => Ok(Operation::Settle { field, value }),
            (Some(_), Some(_)) | (None, None) => {
                let detail = "one of 'hash' and 'value' says what the field is, and not both";
                let hint = "send the `hash` of one of the conflict's values, or another `value`";
                Err(Problem::new(Kind::INVALID, detail, hint))
            }
        }
    }
}

fn change_hash(text: &str) -> Result<ChangeHash, Problem> {
    text.parse().map_err(|_| {
        let hint = "64 hexadecimal digits, as the history and conflicts of a document show them";
        Problem::new(Kind::INVALID, format!("'{text}' is no hash of a change"), hint)
    })
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Settle a conflict: the value that this change wrote, or another one, follows all that are here.
///
/// With `If-Match` only where the document still is as a read of it, or of its conflicts, gave it.
#[utoipa::path(post, path = "/v1/spaces/{space}/{collection}/{key}/conflicts", tag = "documents",
    params(DocumentPath, WriteConditions, WriteHeaders),
    request_body(content = Settled, example = json!({"field": "/shelf", "value": "A-12"})),
    responses((status = 200, description = "It is durable", body = Written,
        headers(("ETag" = String, description = "Its heads after it, as `heads` has them"))), SettleProblems))]
pub(super) async fn settle(
    State(api): State<Api>,
    caller: Caller,
    OfDocument(address): OfDocument,
    _none: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Written, Problem> {
    caller.reads(&address.space, Some(&address.collection))?;
    caller.writes(&address.space, &address.collection)?;
    expect_type(&headers, &["application/json"])?;
    let Parsed(settled, room) =
        body::read(&api, &caller, body, |bytes| body::shape::<Settled>(&api, bytes)).await?;
    let operations = vec![settled.operation()?];
    write(&api, &caller, &headers, (address, operations), Some(room)).await
}
