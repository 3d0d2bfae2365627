//! The routes, and their description, which is made of the handlers when somebody asks for it: it takes a megabyte and more, and
//! a site is mostly asked for documents.

use super::asking::Api;
use super::operations::TypedOperation;
use super::problem::{Kind, Problem, ProblemDocument};
use super::replica_status::KeptKeys;
use super::texts::never_null;
use super::{documents, history, page, queries, replica_status, transactions, watch};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::Html;
use axum::routing::{MethodRouter, get};
use std::sync::LazyLock;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "Isle", description = "The documents of a site: read, written, queried and watched at its own replica. What is no \
        request of HTTP/1.1 is answered 400, and one whose line and headers have more than 16 KiB, or which has more than 100 \
        headers, 431, both before it is looked at: without a problem document, and the connection ends."),
    components(schemas(ProblemDocument, KeptKeys)),
    modifiers(&Callers),
    paths(
        documents::read, documents::put, documents::patch, documents::delete, history::history, history::conflicts,
        history::settle, transactions::transact, queries::find, watch::watch, replica_status::status,
        replica_status::schemas, replica_status::schema,
    ),
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

macro_rules! routes {
    ($($path:literal: $($method:ident $handler:path),+;)+) => {
        /// Methods and paths, to be held against the description.
        #[cfg(test)]
        const ROUTES: &[(&str, &str)] = &[$($((stringify!($method), $path)),+),+];

        fn routes() -> Router<Api> {
            Router::new()$(.route($path, MethodRouter::new()$(.$method($handler))+))+
        }
    };
}

routes! {
    "/v1/spaces/{space}/{collection}/{key}":
        get documents::read, put documents::put, patch documents::patch, delete documents::delete;
    "/v1/spaces/{space}/{collection}/{key}/history": get history::history;
    "/v1/spaces/{space}/{collection}/{key}/conflicts": get history::conflicts, post history::settle;
    "/v1/spaces/{space}/transactions": post transactions::transact;
    "/v1/spaces/{space}/{collection}": get queries::find;
    "/v1/watch": get watch::watch;
    "/v1/status": get replica_status::status;
    "/v1/schemas": get replica_status::schemas;
    "/v1/schemas/{collection}": get replica_status::schema;
}

/// The description as it is served.
struct Texts {
    json: Bytes,
    page: Bytes,
}

static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    let description = described();
    Texts { json: Bytes::from(watch::json(&description)), page: Bytes::from(page::of(&description)) }
});

/// The API.
pub(super) fn router(api: Api) -> Router {
    let as_json = [(header::CONTENT_TYPE, "application/json")];
    routes()
        .route("/openapi.json", get(async move || (as_json, TEXTS.json.clone())))
        .route("/docs", get(async || Html(TEXTS.page.clone())))
        .fallback(nothing)
        .method_not_allowed_fallback(no_method)
        .with_state(api)
}

fn described() -> Description {
    let mut description = Head::openapi();
    if let Some(components) = &mut description.components {
        if let Some(operation) = components.schemas.get_mut("TypedOperation") {
            TypedOperation::close(operation);
        }
        replica_status::may_leave_out(&mut components.schemas);
    }
    for path in description.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.patch, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            operation.parameters.iter_mut().flatten().for_each(never_null);
        }
    }
    description
}

async fn nothing(State(_): State<Api>) -> Problem {
    Problem::new(Kind::NOT_FOUND, "there is no such resource", "/docs says what there is")
}

async fn no_method() -> Problem {
    Problem::new(Kind::METHOD, "the resource has no such method", "/docs says what there is")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    /// Each operation of the description: its method, its path, and what is said of it.
    fn operations(description: &Value) -> Vec<(String, String, Value)> {
        let mut operations = Vec::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                operations.push((method.clone(), path.clone(), operation.clone()));
            }
        }
        operations
    }

    fn description() -> Value {
        serde_json::to_value(described()).unwrap()
    }

    #[test]
    fn what_is_served_is_described_and_nothing_else() {
        let described: BTreeSet<_> =
            operations(&description()).into_iter().map(|(method, path, _)| (method, path)).collect();
        let served = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned()));
        assert_eq!(described, served.collect());
    }

    #[test]
    fn only_what_has_a_body_can_be_refused_for_it() {
        for (method, path, operation) in operations(&description()) {
            let responses = operation["responses"].as_object().unwrap();
            let has_body = operation.get("requestBody").is_some();
            for status in ["408", "413", "415"] {
                assert_eq!(responses.contains_key(status), has_body, "{method} {path}: {status}");
            }
            let writes = method != "get";
            assert_eq!(responses.contains_key("507"), writes, "{method} {path}");
            let is_document = path.ends_with("/{key}");
            assert_eq!(responses.contains_key("412"), writes || is_document, "{method} {path}");
        }
    }

    #[test]
    fn a_document_that_is_read_is_missing_or_another_with_a_tag() {
        for (method, path, operation) in operations(&description()) {
            for status in ["404", "412"] {
                let has_tag = operation.pointer(&format!("/responses/{status}/headers/ETag")).is_some();
                assert_eq!(has_tag, method == "get" && path.ends_with("/{key}"), "{method} {path} {status}");
            }
        }
    }

    /// The kinds of problems that are described, of reads those that not all of them can have.
    #[test]
    fn no_answer_is_described_that_cannot_come() {
        let of_all = ["malformed", "unauthorized", "forbidden", "method-not-allowed", "other"];
        let of_all = [&of_all[..], &["busy", "unavailable", "outcome-unknown"]].concat();
        for (path, expected) in [
            (
                "/v1/spaces/{space}/{collection}/{key}",
                "blocked condition-failed damaged invalid not-found unknown-space",
            ),
            ("/v1/spaces/{space}/{collection}/{key}/history", "blocked damaged invalid unknown-space"),
            ("/v1/spaces/{space}/{collection}/{key}/conflicts", "blocked damaged unknown-space"),
            ("/v1/spaces/{space}/{collection}", "damaged invalid unknown-space"),
            ("/v1/watch", "invalid unknown-space"),
            ("/v1/status", ""),
            ("/v1/schemas", ""),
            ("/v1/schemas/{collection}", "not-found"),
        ] {
            let description = description();
            let answers = description["paths"][path]["get"]["responses"].as_object().unwrap();
            let texts: Vec<_> =
                answers.values().map(|answer| answer["description"].as_str().unwrap()).collect();
            let is_said = |kind: &&Kind| texts.iter().any(|text| text.contains(&format!("`{}`:", kind.name)));
            let mut said: Vec<_> = Kind::ALL.iter().filter(is_said).map(|kind| kind.name).collect();
            said.retain(|name| !of_all.contains(name));
            said.sort_unstable();
            assert_eq!(said.join(" "), expected, "{path}");
        }
    }

    #[test]
    fn a_parameter_is_never_null() {
        let mut seen = 0;
        for (method, path, operation) in operations(&description()) {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let schema = &parameter["schema"];
                assert!(schema["type"].is_string(), "{method} {path}: {parameter}");
                seen += 1;
            }
        }
        assert!(seen > 60, "{seen}");
    }

    #[test]
    fn the_page_shows_what_bodies_and_answers_are() {
        let page = page::of(&described());
        let description = description();
        for shape in ["TypedOperation", "PatchStep"] {
            for kind in description["components"]["schemas"][shape]["oneOf"].as_array().unwrap() {
                let operation = kind["properties"]["op"]["enum"][0].as_str().unwrap();
                assert!(
                    page.contains(&format!("<code>op</code>: <code>\"{operation}\"</code>")),
                    "{operation}"
                );
            }
        }
        assert!(
            page.contains("<code>by</code>*: integer") && page.contains("<code>stamp</code>"),
            "members are there"
        );
        for (method, path, operation) in operations(&description) {
            let bodies = operation["requestBody"]["content"].as_object();
            for (kind, body) in bodies.into_iter().flatten() {
                assert!(body["example"].is_object() || body["example"].is_array(), "{method} {path} {kind}");
                assert!(page.contains(&body["example"].to_string()), "{method} {path} {kind}");
            }
        }
        for shape in description["components"]["schemas"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("id=\"shape-{shape}\"")), "{shape}");
        }
    }

    #[test]
    fn what_is_read_strictly_is_described_so() {
        let description = description();
        let closed = |schema: &Value| schema["additionalProperties"] == json!(false);
        for name in ["Transaction", "DocumentWrite", "Settled"] {
            assert!(closed(&description["components"]["schemas"][name]), "{name}");
        }
        let kinds = description.pointer("/components/schemas/TypedOperation/oneOf").unwrap();
        assert!(kinds.as_array().unwrap().iter().all(closed), "{kinds:#}");
    }
}
