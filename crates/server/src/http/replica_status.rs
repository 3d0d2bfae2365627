//! How the replica is.

use super::asking::{Api, Place};
use super::calling::Caller;
use super::problem::{Problem, Problems};
use super::written::unexpected;
use crate::local::{Request, Response, SchemaInForce, Status};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// Show the replica: its spaces, its peers and what they lack, the room on its disk.
#[utoipa::path(get, path = "/v1/status", tag = "replica",
    responses((status = 200, description = "How it is", body = Status), Problems))]
pub(super) async fn status(
    State(api): State<Api>,
    _place: Place,
    _caller: Caller,
) -> Result<Json<Status>, Problem> {
    let Response::Status(status) = api.read(Request::Status).await? else { return Err(unexpected()) };
    Ok(Json(*status))
}

/// The schemas that documents are checked against.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Schemas {
    /// By collection.
    schemas: Vec<SchemaInForce>,
}

/// List the schemas in force.
#[utoipa::path(get, path = "/v1/schemas", tag = "replica",
    responses((status = 200, description = "The schemas, by collection", body = Schemas), Problems))]
pub(super) async fn schemas(
    State(api): State<Api>,
    _place: Place,
    _caller: Caller,
) -> Result<Json<Schemas>, Problem> {
    let Response::Schemas(schemas) = api.read(Request::Schemas).await? else { return Err(unexpected()) };
    Ok(Json(Schemas { schemas }))
}
