//! How the replica is, and what it checks documents against.

use super::asking::{Api, Place};
use super::calling::Caller;
use super::extract::{Named, NoParameters, name};
use super::problem::{Kind, Problem, ReadProblems};
use super::texts::NameText;
use super::written::unexpected;
use crate::local::{Request, Response, SchemaInForce, Status};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response as HttpResponse};
use document::Collection;
use serde::Serialize;
use utoipa::ToSchema;

/// Show the replica: its spaces, its peers and what they lack, the room on its disk.
///
/// A token is shown the spaces that it may read whole, the peers, and nothing of replicas that are refused. Unless it may read
/// all spaces so, what is counted over them is 0: the replica's totals, and a peer's backlog and lag. They would tell of writes
/// to what it may not read.
#[utoipa::path(get, path = "/v1/status", tag = "replica",
    responses((status = 200, description = "How it is", body = Status), ReadProblems))]
pub(super) async fn status(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    _none: NoParameters,
) -> Result<Json<Status>, Problem> {
    let Response::Status(mut status) = api.read(Request::Status).await? else { return Err(unexpected()) };
    if !caller.owns() {
        show_to(&caller, &mut status);
    }
    Ok(Json(*status))
}

fn show_to(caller: &Caller, status: &mut Status) {
    let reads = |space: &str| name(space).is_ok_and(|space| caller.reads(&space, None).is_ok());
    let spaces = status.spaces.len();
    status.spaces.retain(|at| reads(&at.space));
    let reads_all = status.spaces.len() == spaces;
    for peer in &mut status.peers {
        peer.stopped.retain(|at| reads(&at.space));
        peer.stopped_count = peer.stopped.len() as u64;
        if !reads_all {
            (peer.backlog_rows, peer.lag_ms) = (0, 0);
        }
    }
    (status.refused, status.refused_count) = (Vec::new(), 0);
    if !reads_all {
        (status.head, status.trimmed, status.values_broken) = (0, 0, 0);
        (status.documents, status.documents_open, status.memory_bytes) = (0, 0, None);
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
    responses((status = 200, description = "The schemas, by collection", body = Schemas), ReadProblems))]
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
        body = serde_json::Value), ReadProblems))]
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
