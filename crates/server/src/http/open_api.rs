//! The routes, and their description, which is made from them.

use super::asking::Api;
use super::problem::{Kind, Problem, ProblemDocument};
use super::{documents, history, page, queries, replica_status, transactions, watch};
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(title = "Isle", description = "The documents of a site: read, written, queried and watched at its own replica."),
    components(schemas(ProblemDocument)),
    tags(
        (name = "documents", description = "One document, or several together"),
        (name = "queries", description = "Documents of a collection"),
        (name = "feeds", description = "Changes as they happen"),
        (name = "replica", description = "The replica itself"),
    )
)]
struct Head;

/// The API. Its description is made once and served as it is.
pub(super) fn router(api: Api) -> Router {
    let (router, description) = described();
    let shown = Arc::new((page::of(&description), description));
    let json = Arc::clone(&shown);
    router
        .route("/openapi.json", get(async move || Json(json.1.clone())))
        .route("/docs", get(async move || Html(shown.0.clone())))
        .fallback(nothing)
        .method_not_allowed_fallback(no_method)
        .with_state(api)
}

fn described() -> (Router<Api>, Description) {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(documents::read, documents::put, documents::patch, documents::delete))
        .routes(routes!(history::history))
        .routes(routes!(history::conflicts, history::settle))
        .routes(routes!(transactions::transact))
        .routes(routes!(queries::find))
        .routes(routes!(watch::watch))
        .routes(routes!(replica_status::status))
        .routes(routes!(replica_status::schemas))
        .routes(routes!(replica_status::schema))
        .split_for_parts()
}

async fn nothing(State(_): State<Api>) -> Problem {
    Problem::new(Kind::NOT_FOUND, "there is no such resource").hint("/docs says what there is")
}

async fn no_method() -> Problem {
    Problem::new(Kind::METHOD, "the resource has no such method").hint("/docs says what there is")
}
