//! The routes, and their description, which is made from them.

use super::asking::Api;
use super::problem::{Kind, Problem, ProblemDocument};
use super::{documents, history, page, queries, replica_status, transactions, watch};
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(title = "Isle", description = "The documents of a site: read, written, queried and watched at its own replica."),
    components(schemas(ProblemDocument)),
    modifiers(&Callers),
    security(("token" = []), ("certificate" = []), ()),
    tags(
        (name = "documents", description = "One document, or several together"),
        (name = "queries", description = "Documents of a collection"),
        (name = "feeds", description = "Changes as they happen"),
        (name = "replica", description = "The replica itself"),
    )
)]
struct Head;

/// Who may call.
struct Callers;

impl Modify for Callers {
    fn modify(&self, description: &mut Description) {
        let components = description.components.get_or_insert_default();
        let token = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(
            "Over TCP: a token that `isle token create` made, which says what it may read and write. The socket of the data \
             directory needs none, nor does this machine where `loopback_without_token` is set",
        ));
        components.add_security_scheme("token", SecurityScheme::Http(token.build()));
        let certificate = SecurityScheme::MutualTls {
            description: Some(
                "Where TLS is spoken: a certificate of the replica's authority, to whose name `isle token create` gave rights"
                    .to_owned(),
            ),
            deprecated: None,
            extensions: None,
        };
        components.add_security_scheme("certificate", certificate);
    }
}

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
