//! Writes of several documents of a space that become visible together everywhere, or not at all.

use super::asking::Api;
use super::body::{self, Parsed, expect_type};
use super::calling::Caller;
use super::extract::{Named, NoParameters, name, no_name, reachable};
use super::operations::TypedOperation;
use super::parameters::WriteHeaders;
use super::places::Sent;
use super::preferences::{condition_of, no_condition, terms, within};
use super::problem::Problem;
use super::problems::WriteProblems;
use super::texts::{AnyTagText, KeyText, NameText, TagsText};
use super::written::Written;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use document::{Key, Operation, Space};
use replica::TransactionWrite;
use serde::Deserialize;
use utoipa::ToSchema;

/// A transaction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Transaction {
    /// One for each document.
    #[schema(max_items = 256)]
    writes: Vec<DocumentWrite>,
}

/// One document's part of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentWrite {
    /// Its collection.
    #[schema(value_type = NameText)]
    collection: String,
    /// Its key, as it is: a slash is a slash.
    #[schema(value_type = KeyText)]
    key: String,
    /// What to do, in this order: `{"op": "increment", "field": "/on_hand", "by": -2}`, `{"op": "put", "value": {…}}`,
    /// `{"op": "merge_patch", "patch": {…}}` and the others.
    #[schema(value_type = Vec<TypedOperation>)]
    operations: Vec<Operation>,
    /// Only when the document's ETag is one of these; `*`: when it is there.
    #[serde(default)]
    #[schema(value_type = Option<TagsText>, inline)]
    if_match: Option<String>,
    /// `*`: only when it is not there.
    #[serde(default)]
    #[schema(value_type = Option<AnyTagText>, inline)]
    if_none_match: Option<String>,
}

/// Write several documents together.
///
/// All of them become visible together, here and at every other replica, or none. Where the condition of one does not hold,
/// none is written: each write has its own, and with `If-Match` or `If-None-Match` as a header it is refused. One of a single
/// document is a write of it, and is answered as one. The change of each document has at most 196,608 bytes as it is stored and
/// those of all together 524,288: what is longer is refused with 422 and that `limit`. Split the write of the document that it
/// names, or the transaction.
#[utoipa::path(post, path = "/v1/spaces/{space}/transactions", tag = "documents",
    params(
        ("space" = inline(NameText), Path),
        WriteHeaders,
    ),
    request_body(content = Transaction, example = json!({"writes": [
        {"collection": "inventory", "key": "1029743", "operations": [{"op": "increment", "field": "/on_hand", "by": -2}]},
        {"collection": "basket", "key": "17", "operations": [{"op": "put", "value": {"total": 3.98}}], "if_none_match": "*"},
    ]})),
    responses((status = 200, description = "It is durable", body = Written,
        headers(("ETag" = String, description = "Of a single document: its heads after it, as `heads` has them"))), WriteProblems))]
pub(super) async fn transact(
    State(api): State<Api>,
    caller: Caller,
    Named(space): Named<Space>,
    _none: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Written, Problem> {
    // Which collections it writes is in the body: who may write none of them has no room for one.
    caller.writes_something(&space)?;
    expect_type(&headers, &["application/json"])?;
    no_condition(&headers)?;
    let Parsed(transaction, room) =
        body::read(&api, &caller, body, |bytes| body::shape::<Transaction>(&api, bytes)).await?;
    let mut writes = Vec::with_capacity(transaction.writes.len());
    for (number, write) in transaction.writes.into_iter().enumerate() {
        let at = |member: &str| format!("/writes/{number}{member}");
        let collection = name(&write.collection).map_err(|problem| problem.pointer(at("/collection")))?;
        caller.writes(&space, &collection)?;
        caller.may_do(&write.operations, &space, &collection)?;
        let key = Key::new(write.key).map_err(|error| no_name(&error).pointer(at("/key")))?;
        if !write.operations.iter().all(|operation| matches!(operation, Operation::Delete)) {
            reachable(&collection, &key).map_err(|problem| problem.pointer(at("/key")))?;
        }
        let condition = condition_of(write.if_match.as_deref(), write.if_none_match.as_deref());
        let condition = condition.map_err(|problem| problem.within(&at("")))?;
        writes.push(TransactionWrite { collection, key, operations: write.operations, condition });
    }
    let terms = terms(&headers, &caller)?;
    let within = within(&terms.wait);
    let sent = writes
        .iter()
        .map(|write| (format!("{space}/{}/{}", write.collection, write.key), write.operations.len()));
    let sent = Sent::Writes(sent.collect());
    let request = replica::Request::Transaction { space, writes, terms };
    let written = api.write(&caller, request, (Some(room), within)).await;
    written.map_err(|problem| problem.placed(&sent))
}
