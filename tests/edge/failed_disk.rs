//! The disk of a server fails while it writes: nobody knows what became of the write, and that is what is told. What
//! was durable before is told as that.

use crate::observing::{get, observed_at, observed_config};
use replica::Query;
use serde_json::json;
use server::local::{CallError, RefusalKind, Request, Response};
use tests::eventually_async;
use tests::faults::{self, Fault};
use tests::http::HttpClient;
use tests::process::{DEADLINE, Fleet, Process, increment, put};

/// A sync after those that opening a store takes that is there already.
const SYNC: u64 = 40;

#[tokio::test]
async fn a_write_that_a_disk_error_met_has_an_unknown_outcome() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &observed_config("store-1", "127.0.0.1:9"));
    let store = data.join("store");
    let fault = Fault { call: "sync", when: SYNC, times: None };
    let Some(variables) = faults::variables(fleet.directory.path(), fault, &store) else { return };
    drop(Process::start(data.clone()));
    let site = Process::start_with(data, &variables);
    let mut client = site.client().await;
    let mut waiting = put("store-1/note/0", json!({ "number": 0 }), None);
    let Request::Write { hub_within_ms, .. } = &mut waiting else { panic!("no write") };
    *hub_within_ms = Some(60_000);
    let waiting = client.send(&waiting).await.unwrap();
    let mut refused = None;
    for number in 0..2 * SYNC {
        let written = client.call(&put("store-1/note/1", json!({ "number": number }), None)).await;
        match written {
            Ok(Response::Written(Some(_))) => {}
            other => {
                refused = Some(other.unwrap_err());
                break;
            }
        }
    }
    let Some(CallError::Refused(refusal)) = refused else { panic!("the disk fails: {refused:?}") };
    assert_eq!(refusal.kind, RefusalKind::UnknownOutcome);
    let (id, result) = client.receive().await.unwrap();
    assert!(matches!(result, Ok(Response::Reached { stamp: Some(_), hub: false, .. })), "{result:?}");
    assert_eq!(id, waiting, "what only waits for the hub is here");

    // The disk stays broken: who writes is told so, and who reads reads what there is.
    eventually_async(DEADLINE, "a write is refused with the reason", async || {
        let written = client.call(&put("store-1/note/2", json!({}), None)).await;
        matches!(&written, Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Unavailable
            && refusal.message.contains("the disk takes no writes"))
    })
    .await;
    let (space, collection) = ("store-1".parse().unwrap(), "note".parse().unwrap());
    let query = Request::Query { space, collection, query: Query::default() };
    for _ in 0..3 {
        let read = client.call(&Request::Get { address: "store-1/note/1".parse().unwrap(), at: None }).await;
        let Ok(Response::Document(reading)) = read else { panic!("not read: {read:?}") };
        assert!(reading.value.is_some());
        let Ok(Response::Found(found)) = client.call(&query).await else { panic!("no page") };
        assert_eq!(found.documents.len(), 2);
    }
    let mut service = HttpClient::of(&site).await;
    assert!(service.get("/v1/spaces/store-1/note/1").await.status.is_success());
    // Monitoring too. To kill the process would mend nothing.
    let address = observed_at(&site);
    let (status, reason) = get(&address, "/ready");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(reason.contains("the store is not open:"), "{reason}");
    assert_eq!(get(&address, "/health").0, "HTTP/1.1 200 OK");
    assert!(get(&address, "/metrics").1.contains("isle_store_open 0"));
}

/// A kernel tells of a failed sync once, and the next one finds nothing to write: the store is opened again before anything
/// is acknowledged, and the server goes on by itself.
#[tokio::test]
async fn a_disk_error_that_passes_costs_no_acknowledged_write() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &observed_config("store-1", "127.0.0.1:9"));
    let store = data.join("store");
    let fault = Fault { call: "sync", when: SYNC, times: Some(1) };
    let Some(variables) = faults::variables(fleet.directory.path(), fault, &store) else { return };
    drop(Process::start(data.clone()));
    let site = Process::start_with(data, &variables);
    let mut client = site.client().await;
    let (mut acknowledged, mut unknown) = (0, 0);
    eventually_async(DEADLINE, "the disk failed, and there were as many writes again", async || {
        match client.call(&increment("store-1/inventory/milk", 1, None)).await {
            Ok(_) => acknowledged += 1,
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::UnknownOutcome => unknown += 1,
            Err(CallError::Refused(refusal)) => {
                assert_eq!(refusal.kind, RefusalKind::Unavailable, "{refusal:?}")
            }
            Err(error) => panic!("{error}"),
        }
        unknown > 0 && acknowledged > 2 * SYNC
    })
    .await;
    let kept = site.get("store-1/inventory/milk").await.unwrap()["on_hand"].as_u64().unwrap();
    assert!((acknowledged..=acknowledged + unknown).contains(&kept), "{acknowledged}, {unknown}: {kept}");
    let site = site.restart();
    site.has_on_hand("store-1/inventory/milk", kept.try_into().unwrap()).await;
}
