//! A disk that hangs for a while: services are told in time that an outcome is not known, or that there is too much at once.

use super::{OPERATIONS, item};
use serde_json::json;
use tests::eventually_async;
use tests::faults;
use tests::http::{Answer, HttpClient};
use tests::process::{DEADLINE, Fleet, Process, site_config};

async fn sell(site: &Process, key: &'static str) -> Answer {
    let sale = r#"[{"op": "increment", "field": "/on_hand", "by": -1}]"#;
    let headers = [OPERATIONS, ("idempotency-key", key)];
    HttpClient::of(site).await.call("PATCH", &item("milk"), &headers, sale).await
}

#[tokio::test]
async fn a_sale_that_a_disk_holds_up_is_unknown_and_counts_once() {
    let fleet = Fleet::new();
    let limits = "[http]\nrequests_max = 1\ntime_max = \"1s\"\n";
    let data = fleet.prepare("store-1", &(site_config("store-1", "127.0.0.1:1") + limits));
    let hung = fleet.directory.path().join("hung");
    let Some(variables) = faults::hanging(fleet.directory.path(), &data.join("store"), &hung) else { return };
    let site = Process::start_with(data, &variables);
    assert_eq!(sell(&site, "first").await.status.as_u16(), 200);
    std::fs::write(&hung, "").unwrap();
    // One waits for the disk and has the one place, whichever it is; the other is told at once.
    let (one, other) = tokio::join!(sell(&site, "one"), sell(&site, "other"));
    let (unknown, busy) = if one.status.as_u16() == 503 { (other, one) } else { (one, other) };
    assert_eq!((busy.problem().as_str(), &busy.json()["limit"]), ("busy", &json!(1)), "{busy:?}");
    assert_eq!(busy.header("retry-after"), "1");
    assert_eq!(
        (unknown.status.as_u16(), unknown.problem().as_str()),
        (504, "outcome-unknown"),
        "{unknown:?}"
    );
    assert!(unknown.json()["hint"].as_str().unwrap().contains("Idempotency-Key"), "{unknown:?}");
    // A feed that cannot begin says so in time, and leaves its place.
    let feed = HttpClient::of(&site).await.get("/v1/watch?space=store-1").await;
    assert_eq!((feed.status.as_u16(), feed.problem().as_str()), (503, "unavailable"), "{feed:?}");
    // Who only reads reads what there was.
    let read = HttpClient::of(&site).await.get(&item("milk")).await;
    assert_eq!((read.status.as_u16(), read.json()), (200, json!({"on_hand": -1})));
    std::fs::remove_file(&hung).unwrap();
    for key in ["one", "other", "one", "other"] {
        eventually_async(DEADLINE, "it is answered", async || sell(&site, key).await.status.is_success())
            .await;
    }
    site.has_on_hand("store-1/inventory/milk", -3).await;
}
