//! Pages of other origins (the Fetch standard, CORS): which may read answers. It is the browser that keeps others from it;
//! who calls and what it may do is said by a token, for every page.

use crate::config::PageOrigins;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use std::time::Duration;
use tower_http::cors::CorsLayer;

/// How long a browser need not ask again whether it may ask.
const PREFLIGHT_LASTS: Duration = Duration::from_mins(10);

/// What pages may send beside what they always may.
const ASKED: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("isle-message"),
    HeaderName::from_static("last-event-id"),
];

/// What they may read beside what they always may.
const SHOWN: [HeaderName; 4] = [
    header::ETAG,
    header::RETRY_AFTER,
    HeaderName::from_static("isle-behind"),
    HeaderName::from_static("isle-violations"),
];

/// Lets pages of these origins read the answers of routes. Without any, browsers let no other's page.
pub(super) fn layered(router: Router, origins: &PageOrigins) -> Router {
    if origins.is_empty() {
        return router;
    }
    // An origin is printable ASCII.
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok());
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::POST, Method::DELETE];
    router.layer(
        CorsLayer::new()
            .allow_origin(origins.collect::<Vec<_>>())
            .allow_methods(methods)
            .allow_headers(ASKED)
            .expose_headers(SHOWN)
            .max_age(PREFLIGHT_LASTS),
    )
}
