use super::{Item, inventory};
use crate::command::{fails, words};
use isle_client::{Client, EmbedError, Embedding};
use std::net::UdpSocket;
use std::num::NonZeroU32;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::program::run_well;

const MIB: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// A port that is free, and stays the same when the site is started later.
fn free_address() -> String {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The configuration of a till of the site at `address`.
fn till_config(address: &str) -> String {
    format!(
        "name = \"till-3\"\n[spaces]\nstore-1 = \"write\"\n[peers.store-1]\naddress = \"{address}\"\nrelay = true\n\
         [peers.store-1.spaces]\nstore-1 = {{ read = true, write = true }}\n"
    )
}

/// The configuration of a site that lets the till in at `address`.
fn listening_config(address: &str) -> String {
    let till = "[peers.till-3]\n[peers.till-3.spaces]\nstore-1 = { read = true, write = true }\n";
    format!("listen = \"{address}\"\n{}{till}", site_config("store-1", "127.0.0.1:1"))
}

async fn on_hand(client: &Client, count: i64) {
    let milk = inventory(client).document("milk");
    eventually_async(DEADLINE, &format!("{client:?} has {count}"), async || {
        milk.get().await.unwrap().is_some_and(|milk| milk.value.on_hand == count)
    })
    .await;
}

#[tokio::test]
async fn a_till_sells_while_its_site_is_down_and_it_counts_afterwards() {
    let fleet = Fleet::new();
    let address = free_address();
    let data = fleet.prepare("till-3", &till_config(&address));
    let site_data = fleet.prepare("store-1", &listening_config(&address));
    let till = Client::embed(Embedding::at(&data).author("till-3")).await.unwrap();
    let milk = inventory(&till).document("milk");
    milk.counter("/on_hand").add(-1).key("sale-1").await.unwrap();
    milk.counter("/on_hand").add(-1).key("sale-1").await.unwrap();
    // The process ends, and another one goes on: what was acknowledged is on its disk.
    drop((till, milk));
    let till = Client::embed(Embedding::at(&data)).await.unwrap();
    let milk = inventory(&till).document("milk");
    milk.counter("/on_hand").add(-1).await.unwrap();
    assert_eq!(milk.get().await.unwrap().unwrap().value.on_hand, -2);
    let site = Process::start(site_data);
    site.has_on_hand("store-1/inventory/milk", -2).await;
    site.add("store-1/inventory/milk", 10, None).await;
    on_hand(&till, 8).await;
    let history = milk.history(None, 9).await.unwrap();
    assert!(history.changes.iter().any(|change| change.author.as_deref() == Some("till-3")));
    let status = till.status().await.unwrap();
    assert_eq!(status["name"], "till-3");
}

#[tokio::test]
async fn what_is_in_memory_comes_from_its_peer_and_goes_to_it() {
    let fleet = Fleet::new();
    let address = free_address();
    let data = fleet.prepare("till-3", &till_config(&address));
    let site = fleet.start("store-1", &listening_config(&address));
    site.add("store-1/inventory/milk", 5, None).await;
    let mut count = 5;
    for _ in 0..2 {
        let till = Client::embed(Embedding::at(&data).in_memory(MIB)).await.unwrap();
        on_hand(&till, count).await;
        inventory(&till).document("milk").counter("/on_hand").add(1).await.unwrap();
        count += 1;
        // It ends only when its peer has it: nothing else would keep it.
        site.has_on_hand("store-1/inventory/milk", count).await;
    }
    assert!(!data.join("store").exists(), "nothing is on the disk");
}

#[tokio::test]
async fn starts_in_memory_that_write_are_counted_and_the_last_ones_are_refused_with_what_to_do() {
    let fleet = Fleet::new();
    let data = fleet.prepare("till-3", &till_config("127.0.0.1:1"));
    let counted = data.join("identity/memory-starts.json");
    let wrote = |key: &str, wrote: u64| format!("{{\"public_key\":\"{key}\",\"wrote\":{wrote}}}");
    let open = async || Client::embed(Embedding::at(&data).in_memory(MIB)).await;
    for writes in [false, true, true] {
        let till = open().await.unwrap();
        let milk = inventory(&till).document("milk");
        assert!(milk.get().await.unwrap().is_none());
        for _ in 0..if writes { 2 } else { 0 } {
            milk.counter("/on_hand").add(1).await.unwrap();
        }
    }
    let text = std::fs::read_to_string(&counted).unwrap();
    let key = text.split('"').nth(3).unwrap().to_owned();
    assert_eq!(text, wrote(&key, 2));
    std::fs::write(&counted, wrote(&key, 28)).unwrap();
    let till = open().await.unwrap();
    let warned = till.status().await.unwrap()["starts_warning"].to_string();
    assert!(warned.contains("28 of 56") && warned.contains("isle hub revoke"), "{warned}");
    let shown = run_well(words("status", &data, &[]));
    assert!(shown.contains("WARNING") && shown.contains("28 of 56"), "{shown}");
    drop(till);
    std::fs::write(&counted, wrote(&key, 56)).unwrap();
    let refused = open().await.unwrap_err();
    assert!(matches!(refused, EmbedError::Start(_)), "{refused}");
    assert!(refused.to_string().contains("keep its rows on the disk"), "{refused}");
    // The way out that it names.
    let till = Client::embed(Embedding::at(&data)).await.unwrap();
    inventory(&till).document("milk").counter("/on_hand").add(1).await.unwrap();
}

#[tokio::test]
async fn a_replica_that_cannot_start_says_why() {
    let fleet = Fleet::new();
    let nowhere = Client::embed(Embedding::at(fleet.path("nowhere"))).await.unwrap_err();
    assert!(matches!(nowhere, EmbedError::Start(_)) && nowhere.to_string().contains("nowhere"), "{nowhere}");
    let site = fleet.site("store-1", "127.0.0.1:1");
    let taken = Client::embed(Embedding::at(&site.data)).await.unwrap_err();
    assert!(taken.to_string().contains("another server is running"), "{taken}");
}

#[tokio::test]
async fn commands_work_on_an_embedded_replica() {
    let fleet = Fleet::new();
    let data = fleet.prepare("till-3", &till_config("127.0.0.1:1"));
    let till = Client::embed(Embedding::at(&data).in_memory(MIB)).await.unwrap();
    inventory(&till).document("milk").create(&Item { on_hand: 4, ..Item::default() }).await.unwrap();
    let shown = run_well(words("doc get store-1/inventory/milk", &data, &["--json"]));
    assert!(shown.contains("\"on_hand\""), "{shown}");
    let copy = data.join("copy");
    fails(&words("backup", &data, &[copy.to_str().unwrap()]), 1, &["rows in memory"]);
}
