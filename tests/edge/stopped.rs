use serde_json::json;
use tests::process::{Fleet, spawn};

#[tokio::test]
async fn a_signal_ends_it_in_order_and_nothing_is_lost() {
    let fleet = Fleet::new();
    let mut hub = fleet.hub();
    let site = fleet.site("store-1", &hub.status().await.address);
    hub.put("catalog/product/milk", json!({"price": 1.19})).await;
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    for signal in ["TERM", "INT"] {
        hub.signal(signal);
        let status = hub.ended();
        assert_eq!(status.code(), Some(0), "SIG{signal}: {}", hub.log());
        assert!(!hub.data.join("isle.sock").exists());
        hub = hub.restart();
        assert_eq!(hub.get("catalog/product/milk").await, Some(json!({"price": 1.19})));
    }
    site.logs(&["disconnected", "peer=hub"]);
    site.put("store-1/inventory/milk", json!({"shelf": "A3"})).await;
}

#[test]
fn a_replica_that_has_done_nothing_yet_ends_at_once() {
    let fleet = Fleet::new();
    let mut site = fleet.start("store-1", "name = \"store-1\"\n[spaces]\nstore-1 = \"write\"\n");
    site.signal("TERM");
    assert!(site.ended().success());
    assert!(!site.log().contains("stopping before everything is durable"), "{}", site.log());
}

#[tokio::test]
async fn a_second_server_in_the_same_directory_is_refused() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let (output, log) = (hub.output(), hub.log());
    let mut second = spawn(&hub.data);
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert!(hub.log().contains("another server is running in"), "{}", hub.log());
    // The first one goes on.
    assert!(output.contains("hub is ready: listens on 127.0.0.1:") && log.contains("store opened"));
    assert_eq!(hub.get("catalog/product/milk").await, None);
}
