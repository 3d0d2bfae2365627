use serde_json::json;
use tests::process::{Fleet, site_config};

#[tokio::test]
async fn a_site_of_another_authority_is_refused_and_says_so() {
    let fleet = Fleet::new();
    let elsewhere = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let stranger = elsewhere.site("store-1", &address);
    let good = fleet.site("store-2", &address);
    stranger.logs(&["WARN", "not connected", "peer=hub", "not signed by the fleet's authority"]);
    hub.logs(&["WARN", "a peer that dialled was refused"]);

    stranger.add("store-1/inventory/milk", 1, None).await;
    good.add("store-2/inventory/milk", 1, None).await;
    hub.has_on_hand("store-2/inventory/milk", 1).await;
    hub.put("catalog/product/milk", json!({"price": 1.19})).await;
    good.has("catalog/product/milk", json!({"price": 1.19})).await;
    assert_eq!(hub.get("store-1/inventory/milk").await, None);
    assert_eq!(stranger.get("catalog/product/milk").await, None);
    // Refused by others it still serves its own site.
    assert_eq!(stranger.get("store-1/inventory/milk").await, Some(json!({"on_hand": 1})));
}

#[tokio::test]
async fn a_replica_of_the_fleet_that_the_hub_does_not_know_is_refused_and_told_why() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let unknown = fleet.site("store-9", &hub.status().await.address);
    unknown.logs(&["disconnected", "'store-9' is not among this replica's peers"]);
    hub.logs(&["WARN", "peer=store-9", "not among this replica's peers"]);
    assert!(hub.status().await.peers.iter().all(|peer| !peer.connected));
}

#[test]
fn a_name_that_is_not_the_certificates_is_refused() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-2", "127.0.0.1:7400"));
    let output = tests::program::run([std::ffi::OsStr::new("serve"), "--data".as_ref(), data.as_os_str()]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("name = \"store-2\"") && errors.contains("is for \"store-1\""), "{errors}");
}

/// Of the fleet, and yet another one than who is dialled.
#[tokio::test]
async fn a_site_that_answers_in_place_of_the_hub_is_not_taken_for_it() {
    let fleet = Fleet::new();
    let listening =
        site_config("store-2", "127.0.0.1:9").replace("[spaces]", "listen = \"127.0.0.1:0\"\n[spaces]");
    let other = fleet.start("store-2", &listening);
    let site = fleet.site("store-1", &other.status().await.address);
    site.logs(&["WARN", "not connected", "peer=hub", "is \"store-2\", not \"hub\""]);
    site.add("store-1/inventory/milk", 1, None).await;
    assert!(site.status().await.peers.iter().all(|peer| !peer.connected));
}
