//! `sync_interval_ms`: answers come before the sync, and nothing that a power cut could take leaves the machine.

use serde_json::json;
use tests::process::{Fleet, site_config};

const ADDRESS: &str = "store-1/note/1";

#[tokio::test]
async fn an_answer_before_the_sync_survives_a_kill_and_is_sent_after_the_sync() {
    const HOUR_MS: u32 = 3_600_000;
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let config = site_config("store-1", &hub.status().await.address);
    let mut site = fleet.start("store-1", &format!("sync_interval_ms = {HOUR_MS}\n{config}"));
    site.logs(&[
        "WARN",
        "writes are answered before they are synced",
        "a power cut loses",
        "interval_ms=3600000",
    ]);
    site.logs(&["connected", "peer=hub"]);
    site.put(ADDRESS, json!({"n": 1})).await;
    site.kill();
    assert_eq!(hub.get(ADDRESS).await, None, "it was not synced");

    std::fs::write(site.data.join("isle.toml"), format!("sync_interval_ms = 50\n{config}")).unwrap();
    let site = site.restart();
    assert_eq!(site.get(ADDRESS).await, Some(json!({"n": 1})), "the system had it");
    hub.has(ADDRESS, json!({"n": 1})).await;
    site.put(ADDRESS, json!({"n": 2})).await;
    hub.has(ADDRESS, json!({"n": 2})).await;
    assert!(!hub.log().contains("answered before"), "the hub syncs each");
}
