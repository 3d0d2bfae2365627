//! The disk of a server fails while it writes: nobody knows what became of the write, and that is what is told. What
//! was durable before is told as that.

use crate::observing::{get, observed_at, observed_config};
use serde_json::json;
use server::local::{CallError, RefusalKind, Request, Response};
use tests::eventually_async;
use tests::faults;
use tests::process::{DEADLINE, Fleet, Process, put};

/// A sync after those that opening a store takes that is there already.
const SYNC: u64 = 40;

#[tokio::test]
async fn a_write_that_a_disk_error_met_has_an_unknown_outcome() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &observed_config("store-1", "127.0.0.1:9"));
    let rows = data.join("store/rows");
    let Some(variables) = faults::variables(fleet.directory.path(), ("sync", SYNC), &rows) else { return };
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

    // The disk stays broken: whoever asks is told so, also who only reads.
    eventually_async(DEADLINE, "a request is refused with the reason", async || {
        let read = client.call(&Request::Get { address: "store-1/note/1".parse().unwrap(), at: None }).await;
        matches!(&read, Err(CallError::Refused(refusal))
            if refusal.kind == RefusalKind::Unavailable && refusal.message.contains("the store is not open:"))
    })
    .await;
    // Monitoring too. To kill the process would mend nothing.
    let address = observed_at(&site);
    let (status, reason) = get(&address, "/ready");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(reason.contains("the store is not open:"), "{reason}");
    assert_eq!(get(&address, "/health").0, "HTTP/1.1 200 OK");
    assert!(get(&address, "/metrics").1.contains("isle_store_open 0"));
}
