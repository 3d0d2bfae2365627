//! A site on a machine of 256 MiB.

use serde_json::json;
use server::local::{LocalClient, REQUESTS_IN_FLIGHT_MAX, Request};
use tests::eventually_async;
use tests::memory_limit::MemoryLimit;
use tests::process::{DEADLINE, Fleet, Process, put, site_config};

const LIMIT_BYTES: u64 = 256 << 20;
const DOCUMENTS: usize = 100_000;
const CHANGES: usize = 1_000;

fn address(number: usize) -> String {
    format!("store-1/item/{number}")
}

/// Sends all, as many at a time as may be under way.
async fn send_all(client: &mut LocalClient, requests: impl Iterator<Item = Request>) {
    let mut unanswered = 0;
    for request in requests {
        if unanswered == REQUESTS_IN_FLIGHT_MAX {
            client.receive().await.unwrap().1.unwrap();
            unanswered -= 1;
        }
        client.send(&request).await.unwrap();
        unanswered += 1;
    }
    for _ in 0..unanswered {
        client.receive().await.unwrap().1.unwrap();
    }
}

async fn everything_is_at_the_hub(site: &Process) {
    eventually_async(5 * DEADLINE, "the hub has everything", async || {
        site.status().await.peers.iter().all(|peer| peer.connected && peer.backlog_rows == 0)
    })
    .await;
}

#[tokio::test]
async fn a_site_lives_within_256_mib() {
    let Some(limit) = MemoryLimit::new("memory", LIMIT_BYTES) else { return };
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let data = fleet.prepare("store-1", &site_config("store-1", &hub.status().await.address));
    let mut site = Process::start_within(data.clone(), &limit);
    let mut client = site.client().await;
    // Without a schema: to check one takes a development build a millisecond.
    let item =
        |number: usize, price: u64| put(&address(number), json!({"name": number, "price": price}), None);
    send_all(&mut client, (0..DOCUMENTS).map(|number| item(number, 1))).await;
    let changed = |change: usize| change * 7_919 % DOCUMENTS;
    send_all(&mut client, (0..CHANGES).map(|change| item(changed(change), 2))).await;
    everything_is_at_the_hub(&site).await;
    assert!(limit.most_bytes() <= LIMIT_BYTES);

    // What it takes to be opened again fits as well.
    drop(client);
    site.signal("TERM");
    assert!(site.ended().success());
    drop(site);
    let site = Process::start_within(data, &limit);
    assert_eq!(site.status().await.documents, DOCUMENTS as u64);
    let one = address(changed(1));
    assert_eq!(site.get(&one).await.unwrap()["price"], json!(2));
    site.put(&one, json!({"name": changed(1), "price": 3})).await;
    everything_is_at_the_hub(&site).await;
    assert_eq!(hub.get(&one).await.unwrap()["price"], json!(3));
}
