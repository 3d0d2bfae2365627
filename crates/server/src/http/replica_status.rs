//! How the replica is, and what it checks documents against.

use super::asking::{Api, Place};
use super::calling::Caller;
use super::extract::{Named, NoParameters, name};
use super::problem::{Kind, Problem};
use super::problems::{NamedProblems, ReplicaProblems};
use super::texts::NameText;
use super::written::unexpected;
use crate::local::{Request, Response, SchemaInForce, Status};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response as HttpResponse};
use document::Collection;
use replica::IdempotencyStatus;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::{Ref, RefOr, Schema};

/// What is counted over all spaces, and of a peer: only of who may read them all is it asked.
const OVER_ALL: [&str; 7] =
    ["head", "trimmed", "values_broken", "documents", "documents_open", "memory_bytes", KEYS];
const OVER_ALL_OF_PEER: [&str; 2] = ["backlog_rows", "lag_ms"];

/// What is of replicas that are refused, which the owner alone is told.
const OF_REFUSED: [&str; 2] = ["refused", "refused_count"];

/// Show the replica: its spaces, its peers and what they lack, the room on its disk.
///
/// A token is shown the spaces that it may read whole, the peers, and nothing of replicas that are refused. Unless it may read
/// all spaces so, what is counted over them is left out: the replica's totals, and a peer's backlog and lag. They would tell of
/// writes to what it may not read.
#[utoipa::path(get, path = "/v1/status", tag = "replica",
    responses((status = 200, description = "How it is", body = Status), ReplicaProblems))]
pub(super) async fn status(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    _none: NoParameters,
) -> Result<Json<Value>, Problem> {
    let (mut status, kept) = api.status().await?;
    let reads_all = caller.owns() || show_to(&caller, &mut status);
    let mut shown = serde_json::to_value(status).map_err(|_| unexpected())?;
    if !caller.owns() {
        leave_out(&mut shown, &OF_REFUSED);
    }
    if let Some(members) = shown.as_object_mut() {
        members.insert(KEYS.to_owned(), json!(KeptKeys::from(kept)));
    }
    if !reads_all {
        leave_out(&mut shown, &OVER_ALL);
        for peer in shown.get_mut("peers").and_then(Value::as_array_mut).into_iter().flatten() {
            leave_out(peer, &OVER_ALL_OF_PEER);
        }
    }
    Ok(Json(shown))
}

fn leave_out(shown: &mut Value, names: &[&str]) {
    if let Some(members) = shown.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
}

/// Takes away what a caller may not know by itself; whether it may read all spaces.
fn show_to(caller: &Caller, status: &mut Status) -> bool {
    let reads = |space: &str| name(space).is_ok_and(|space| caller.reads(&space, None).is_ok());
    let spaces = status.spaces.len();
    status.spaces.retain(|at| reads(&at.space));
    for peer in &mut status.peers {
        peer.stopped.retain(|at| reads(&at.space));
        peer.stopped_count = peer.stopped.len() as u64;
    }
    status.spaces.len() == spaces
}

const KEYS: &str = "idempotency";

/// What is kept of idempotency keys.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeptKeys {
    /// How many there are.
    keys: u64,
    /// The age of the one that goes next, in milliseconds; none where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_ms: Option<u64>,
    /// Those that went before a day was over, for want of room, since the store was opened.
    gone_early: u64,
}

impl From<IdempotencyStatus> for KeptKeys {
    fn from(IdempotencyStatus { keys, oldest_ms, gone_early }: IdempotencyStatus) -> Self {
        Self { keys, oldest_ms, gone_early }
    }
}

/// The description of a status, from which it is known what may be left out.
pub(super) fn may_leave_out(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let left_out =
        [("Status", [&OVER_ALL[..], &OF_REFUSED].concat()), ("PeerStatus", OVER_ALL_OF_PEER.to_vec())];
    if let Some(RefOr::T(Schema::Object(status))) = schemas.get_mut("Status") {
        status.properties.insert(KEYS.to_owned(), Ref::from_schema_name("KeptKeys").into());
    }
    for (name, left_out) in left_out {
        if let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(name) {
            object.required.retain(|name| !left_out.contains(&name.as_str()));
        }
    }
}

/// The schemas that documents are checked against.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Schemas {
    /// By collection.
    schemas: Vec<SchemaInForce>,
}

/// List the schemas in force: to a token, of collections to which it gives rights.
#[utoipa::path(get, path = "/v1/schemas", tag = "replica",
    responses((status = 200, description = "The schemas, by collection", body = Schemas), ReplicaProblems))]
pub(super) async fn schemas(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    _none: NoParameters,
) -> Result<Json<Schemas>, Problem> {
    let Response::Schemas(mut schemas) = api.read(Request::Schemas).await? else { return Err(unexpected()) };
    schemas.retain(|listed| {
        name(&listed.collection).is_ok_and(|collection| caller.sees_collection(&collection))
    });
    Ok(Json(Schemas { schemas }))
}

/// Show the schema in force of a collection.
///
/// JSON Schema 2020-12, with `x-crdt` for how fields merge.
#[utoipa::path(get, path = "/v1/schemas/{collection}", tag = "replica",
    params(("collection" = inline(NameText), Path)),
    responses((status = 200, description = "The schema", content_type = "application/schema+json",
        body = serde_json::Value), NamedProblems))]
pub(super) async fn schema(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    Named(collection): Named<Collection>,
    _none: NoParameters,
) -> Result<HttpResponse, Problem> {
    if !caller.sees_collection(&collection) {
        return Err(Problem::new(
            Kind::FORBIDDEN,
            format!("the token gives no right to a collection {collection}"),
            "`isle token create` makes one with other rights",
        ));
    }
    let replica::Response::Schemas(schemas) = api.ask_core(replica::Request::Schemas).await? else {
        return Err(unexpected());
    };
    let found = schemas.into_iter().find(|listed| listed.collection == collection);
    let found = found.ok_or_else(|| {
        Problem::new(
            Kind::NOT_FOUND,
            format!("the collection {collection} has no schema: it takes any object"),
            "/v1/schemas lists those that there are",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], found.schema.text().to_owned()).into_response())
}
