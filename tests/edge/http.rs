//! What services of a site do over HTTP.

pub(crate) mod callers;
mod certificates;
mod contract;
mod documents;
mod feeds;
mod hanging;
mod keys;
mod languages;
mod limits;
mod moments;
mod pages;
mod patches;
mod patterns;
mod places;
mod queries;
mod readme;
mod refusals;
mod retried;
mod shares;
mod unread;
mod web_sockets;

use tests::http::HttpClient;
use tests::process::{Fleet, Process};

/// A site that is on its own, and a service of it.
pub(crate) async fn site_with_a_service() -> (Fleet, Process, HttpClient) {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:1");
    let client = HttpClient::of(&site).await;
    (fleet, site, client)
}

/// The path of a document of `store-1`.
pub(crate) fn item(key: &str) -> String {
    format!("/v1/spaces/store-1/inventory/{key}")
}

/// The header of a body's type.
pub(crate) const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");
pub(crate) const OPERATIONS: (&str, &str) = ("content-type", "application/vnd.isle.operations+json");
