//! Documents: read, put, patched, deleted.

use super::answers::counted;
use super::asking::{Api, Place};
use super::body::{self, Parsed, Room, expect_type, media_type, wrong_type};
use super::calling::Caller;
use super::extract::{NoParameters, OfDocument, Parameters, reachable};
use super::operations::{PatchStep, TypedOperation};
use super::parameters::{DocumentPath, WriteConditions, WriteHeaders};
use super::places::Sent;
use super::preferences::{ReadConditions, condition, etag, terms, within};
use super::problem::{Kind, Problem};
use super::problems::{BodilessProblems, DocumentProblems, WriteProblems};
use super::texts::{AnyObject, MomentText, TagsText};
use super::written::{Written, unexpected};
use crate::local::{self, Moment, Reading};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use document::{Address, ChangeHash, Operation};
use replica::ViewedDocument;

/// Media types of `PATCH`.
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const OPERATIONS: &str = "application/vnd.isle.operations+json";

/// Read a document.
///
/// The body is the document; `ETag` names its state. Where its changes wait to be applied, or some of its rules are broken
/// by a merge, the headers `Isle-Behind` and `Isle-Violations` say so.
#[utoipa::path(get, path = "/v1/spaces/{space}/{collection}/{key}", tag = "documents",
    params(
        DocumentPath,
        ("at" = inline(Option<MomentText>), Query, description = "As it was: its heads as an ETag names them, or a time (RFC 3339, or \
            milliseconds since 1970) by the clocks of its writers"),
        ("If-Match" = inline(Option<TagsText>), Header, description = "Answer 412 unless its ETag is one of these"),
        ("If-None-Match" = inline(Option<TagsText>), Header, description = "Answer 304 when its ETag is one of these"),
    ),
    responses((status = 200, description = "The document", content_type = "application/json", body = inline(AnyObject),
        headers(
            ("ETag" = String, description = "Its heads"),
            ("Isle-Behind" = String, description = "Its changes are not all applied: `waiting`, or `blocked` until an upgrade"),
            ("Isle-Violations" = u64, description = "So many rules of its schema are broken by a merge"),
        )),
        (status = 304, description = "It is as the caller has it",
        headers(
            ("ETag" = String, description = "Its heads"),
            ("Isle-Behind" = String, description = "As with 200"),
            ("Isle-Violations" = u64, description = "As with 200"),
        )), DocumentProblems))]
pub(super) async fn read(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    OfDocument(address): OfDocument,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    parameters.only(&["at"])?;
    caller.reads(&address.space, Some(&address.collection))?;
    let at = parameters.one("at")?.map(moment).transpose()?;
    let conditions = ReadConditions::of(&headers)?;
    if at.is_none()
        && let Some(ViewedDocument { json, heads }) = api.viewed(&address)
    {
        let shown = || ([(header::CONTENT_TYPE, "application/json")], json).into_response();
        return counted(&api, found(etag(&heads), &heads, &conditions, shown)?);
    }
    let when = if at.is_some() { " at that time" } else { "" };
    let local::Response::Document(reading) =
        api.read(local::Request::Get { address: address.clone(), at }).await?
    else {
        return Err(unexpected());
    };
    counted(&api, shown((&address, when), reading, &conditions)?)
}

fn shown(
    (address, when): (&Address, &str),
    reading: Reading,
    conditions: &ReadConditions,
) -> Result<Response, Problem> {
    let tag = etag(&reading.heads);
    let known: Option<Vec<_>> = reading.heads.iter().map(|head| head.parse().ok()).collect();
    let Some(value) = reading.value else {
        let (is, hint) = match when {
            "" => ("is", "PUT makes it"),
            _ => ("was", "its history says when it was written and deleted"),
        };
        let problem = Problem::new(Kind::NOT_FOUND, format!("there {is} no document {address}{when}"), hint);
        // A deleted one has heads: who puts it back can say which deletion it has seen.
        return Err(match tag {
            Some(tag) => problem.header(header::ETAG, tag),
            None => problem,
        });
    };
    let mut response = found(tag, &known.unwrap_or_default(), conditions, || Json(value).into_response())?;
    let told = response.headers_mut();
    if reading.is_behind {
        let why = if reading.blocked.is_some() { "blocked" } else { "waiting" };
        told.insert(HeaderName::from_static("isle-behind"), HeaderValue::from_static(why));
    }
    if !reading.violations.is_empty() {
        told.insert(HeaderName::from_static("isle-violations"), HeaderValue::from(reading.violations.len()));
    }
    Ok(response)
}

/// The document, unless the caller has it.
fn found(
    tag: Option<HeaderValue>,
    heads: &[ChangeHash],
    conditions: &ReadConditions,
    shown: impl FnOnce() -> Response,
) -> Result<Response, Problem> {
    if !conditions.want(heads) {
        let detail = "the document is in another state than If-Match says";
        let hint = "its ETag is with this answer; without If-Match it is shown as it is";
        let problem = Problem::new(Kind::CONDITION_FAILED, detail, hint);
        return Err(match tag {
            Some(tag) => problem.header(header::ETAG, tag),
            None => problem,
        });
    }
    let mut response =
        if conditions.know(heads) { StatusCode::NOT_MODIFIED.into_response() } else { shown() };
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    Ok(response)
}

/// Heads, milliseconds or a time.
fn moment(text: &str) -> Result<Moment, Problem> {
    let tag = text.trim_matches('"');
    if tag.split('-').all(|head| head.parse::<ChangeHash>().is_ok()) {
        return Ok(Moment::Heads(tag.split('-').map(str::to_owned).collect()));
    }
    if let Ok(wall_ms) = text.parse() {
        return Ok(Moment::WallMs(wall_ms));
    }
    let time = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    let wall_ms = time.ok().and_then(|time| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    wall_ms.map(Moment::WallMs).ok_or_else(|| {
        let hint = "heads as an ETag has them, a time as in 2026-11-26T12:00:00Z, or milliseconds since 1970";
        Problem::new(Kind::MALFORMED, format!("'{text}' is no moment"), hint)
    })
}

/// Put a document.
///
/// Makes the document this object. Fields that are equal already are not written, so that concurrent changes of others stand.
/// A change has at most 196,608 bytes as it is stored, however long the body may be: what is longer is refused with 422 and
/// that `limit`. Split it into several writes, or the document into several.
#[utoipa::path(put, path = "/v1/spaces/{space}/{collection}/{key}", tag = "documents",
    params(DocumentPath, WriteConditions, WriteHeaders),
    request_body(content = inline(AnyObject), content_type = "application/json",
        example = json!({"product": "1029743", "on_hand": 12})),
    responses((status = 200, description = "It is durable", body = Written,
        headers(("ETag" = String, description = "Its heads after it, as `heads` has them"))), WriteProblems))]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller,
    OfDocument(address): OfDocument,
    _none: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Written, Problem> {
    caller.writes(&address.space, &address.collection)?;
    reachable(&address.collection, &address.key)?;
    expect_type(&headers, &["application/json"])?;
    let Parsed(value, room) = body::read(&api, &caller, body, |bytes| body::json(&api, bytes)).await?;
    let written = write(&api, &caller, &headers, (address, vec![Operation::Put(value)]), Some(room)).await;
    written.map_err(|problem| problem.placed(&Sent::Document))
}

/// Change a document.
///
/// The media type says how: `application/merge-patch+json` (RFC 7396), `application/json-patch+json` (RFC 6902) or
/// `application/vnd.isle.operations+json`, a list of typed operations such as `{"op": "increment", "field": "/on_hand",
/// "by": -2}`. All of them are one change or none. A document that is not there comes to be: `If-Match: *` refuses that.
/// A change has at most 196,608 bytes as it is stored, however long the body may be: what is longer is refused with 422 and
/// that `limit`. Split it into several writes, or the document into several.
#[utoipa::path(patch, path = "/v1/spaces/{space}/{collection}/{key}", tag = "documents",
    params(DocumentPath, WriteConditions, WriteHeaders),
    request_body(content(
        (inline(AnyObject) = "application/merge-patch+json", example = json!({"shelf": "A-12", "note": null})),
        (Vec<PatchStep> = "application/json-patch+json",
            example = json!([{"op": "add", "path": "/shelf", "value": "A-12"}])),
        (Vec<TypedOperation> = "application/vnd.isle.operations+json",
            example = json!([{"op": "increment", "field": "/on_hand", "by": -2}])),
    )),
    responses((status = 200, description = "It is durable", body = Written,
        headers(("ETag" = String, description = "Its heads after it, as `heads` has them"))), WriteProblems))]
pub(super) async fn patch(
    State(api): State<Api>,
    caller: Caller,
    OfDocument(address): OfDocument,
    _none: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Written, Problem> {
    caller.writes(&address.space, &address.collection)?;
    reachable(&address.collection, &address.key)?;
    let kind = media_type(&headers)?;
    let allowed = [MERGE_PATCH, JSON_PATCH, OPERATIONS];
    if !allowed.contains(&kind.as_str()) {
        return Err(wrong_type(&kind, &allowed));
    }
    let operations = |bytes: &[u8]| {
        Ok(match kind.as_str() {
            MERGE_PATCH => vec![Operation::MergePatch(body::json(&api, bytes)?)],
            JSON_PATCH => vec![Operation::Patch(body::shape(&api, bytes)?)],
            _ => body::shape(&api, bytes)?,
        })
    };
    let Parsed(operations, room) = body::read(&api, &caller, body, operations).await?;
    caller.may_do(&operations, &address.space, &address.collection)?;
    let sent = match kind.as_str() {
        MERGE_PATCH => Sent::Document,
        JSON_PATCH => Sent::Steps,
        _ => Sent::Operations(operations.len()),
    };
    let written = write(&api, &caller, &headers, (address, operations), Some(room)).await;
    written.map_err(|problem| problem.placed(&sent))
}

/// Delete a document.
///
/// It is not shown while anybody's deletion stands, whatever is written concurrently; a put brings it back.
#[utoipa::path(delete, path = "/v1/spaces/{space}/{collection}/{key}", tag = "documents",
    params(DocumentPath, WriteConditions, WriteHeaders),
    responses((status = 200, description = "It is durable", body = Written,
        headers(("ETag" = String, description = "Its heads after it, as `heads` has them"))), BodilessProblems))]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    OfDocument(address): OfDocument,
    _none: NoParameters,
    headers: HeaderMap,
) -> Result<Written, Problem> {
    caller.writes(&address.space, &address.collection)?;
    write(&api, &caller, &headers, (address, vec![Operation::Delete]), None).await
}

/// Writes where the condition of the headers holds, on their terms.
pub(super) async fn write(
    api: &Api,
    caller: &Caller,
    headers: &HeaderMap,
    (address, operations): (Address, Vec<Operation>),
    room: Option<Room>,
) -> Result<Written, Problem> {
    let (condition, terms) = (condition(headers)?, terms(headers, caller)?);
    let within = within(&terms.wait);
    let request = replica::Request::Write { address, operations, condition, terms };
    api.write(caller, request, (room, within)).await
}
