//! Who is refused where an organisation's own authority certifies replicas, without a restart.

use crate::command::{fails, words};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};
use tests::process::{DEADLINE, Fleet, Process};
use tests::program::run_well;
use tests::{eventually_async, program};
use transport::Identity;

const MILK: &str = "store-1/inventory/milk";

async fn is_connected(hub: &Process, site: &str) -> bool {
    hub.status().await.peers.iter().any(|peer| peer.peer == site && peer.connected)
}

#[tokio::test]
async fn a_replica_that_is_denied_is_cut_off_within_a_second_until_its_line_is_deleted() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let (site, other) = (fleet.site("store-1", &address), fleet.site("store-2", &address));
    site.add(MILK, 3, None).await;
    hub.has_on_hand(MILK, 3).await;
    let said = run_well(words("hub revoke", &hub.data, &["store-1"]));
    let started = Instant::now();
    assert!(said.contains("store-1 is denied") && said.contains("denied.txt"), "{said}");
    eventually_async(DEADLINE, "the connection has ended", async || !is_connected(&hub, "store-1").await)
        .await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    site.logs(&["revoked at the hub"]);
    hub.logs(&["a revoked key is refused"]);
    site.add(MILK, 1, None).await;
    let said = run_well(words("hub revoke", &hub.data, &["store-1"]));
    assert!(said.contains("was denied before"), "{said}");
    fails(&words("hub revoke", &hub.data, &["store-9"]), 1, &["no peer 'store-9'", "[peers]", "its key"]);

    // A key goes as well, and a bad line that is written by hand changes nothing.
    eventually_async(DEADLINE, "the other is connected", async || is_connected(&hub, "store-2").await).await;
    let key = Identity::load(&other.data.join("identity")).unwrap().public_key();
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    run_well(words("hub revoke", &hub.data, &[&key]));
    eventually_async(DEADLINE, "the other is cut off", async || !is_connected(&hub, "store-2").await).await;
    let list = hub.data.join("denied.txt");
    fs::write(&list, "no name at all\n").unwrap();
    hub.logs(&["ERROR", "denied.txt, line 1", "'no name at all'", "the last one holds"]);
    assert_eq!(hub.get(MILK).await, Some(json!({ "on_hand": 3 })));
    fs::write(&list, format!("store-1\n{key} # the other\n")).unwrap();
    fs::write(&list, format!("{key} # the other\n")).unwrap();
    hub.has_on_hand(MILK, 4).await;
    assert!(!is_connected(&hub, "store-2").await);
}

#[test]
fn a_server_does_not_start_with_a_list_that_cannot_be_read() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let data = hub.data.clone();
    drop(hub);
    // Without a server the command writes the same list.
    run_well(words("hub revoke", &data, &["store-1"]));
    fs::write(data.join("denied.txt"), "store-1\n\nStore 2\n").unwrap();
    let refused = program::run(["serve", "--data", data.to_str().unwrap()]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("denied.txt, line 3: 'Store 2'") && error.contains("delete it"), "{error}");
    fails(&words("hub revoke", &data, &["store-2"]), 1, &["denied.txt, line 3", "correct the line"]);
}
