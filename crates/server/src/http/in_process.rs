//! The API for who has the replica in its own process: the same routes, without a connection.

use super::asking::Api;
use super::calling::Via;
use super::open_api::router;
use axum::Router;
use axum::body::Body;
use hyper::body::Bytes;
use hyper::service::Service as _;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use std::fmt;

/// The way to the API.
#[derive(Clone)]
pub(crate) struct Calls(Router);

impl Calls {
    pub(crate) fn new(api: Api) -> Self {
        Self(router(api))
    }

    /// Answers as the data directory's owner is answered over its socket.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(Via::Unix);
        let request = Request::from_parts(parts, Body::from(body));
        let service = TowerToHyperService::new(self.0.clone());
        service.call(request).await.unwrap_or_else(|never| match never {})
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}
