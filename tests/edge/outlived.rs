//! A connection stands as long as the certificates that it was made with.

use serde_json::json;
use std::time::Duration;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, site_config};

const MILK: &str = "store-1/inventory/milk";

/// Why the hub says that `store-1` is not connected.
async fn trouble(hub: &Process) -> Option<String> {
    let peers = hub.status().await.peers;
    peers.into_iter().find(|peer| peer.peer == "store-1").and_then(|peer| peer.trouble)
}

#[tokio::test]
async fn an_open_connection_ends_with_the_certificate_that_was_shown() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let data = fleet.prepare("store-1", &site_config("store-1", &hub.status().await.address));
    fleet.certify("store-1", Duration::from_secs(8));
    let site = Process::start(data);
    site.add(MILK, 3, None).await;
    hub.has_on_hand(MILK, 3).await;
    eventually_async(DEADLINE, "the hub says why the site is gone", async || {
        trouble(&hub)
            .await
            .is_some_and(|trouble| trouble.contains("the certificate that the peer showed has ended"))
    })
    .await;
    hub.logs(&["disconnected", "peer=store-1", "has ended"]);
    site.logs(&["our certificate is not accepted by the peer", "not valid at this time"]);
    site.add(MILK, 1, None).await;
    assert_eq!(hub.get(MILK).await, Some(json!({ "on_hand": 3 })));
    // With one that is valid it comes back.
    fleet.certify("store-1", Duration::from_hours(1));
    let _site = site.restart();
    hub.has_on_hand(MILK, 4).await;
    assert_eq!(trouble(&hub).await, None);
}
