use super::{Item, inventory};
use crate::command::{fails, words};
use isle_client::{Client, EmbedError, Embedding};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::num::NonZeroU32;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::program::run_well;
use tokio::runtime::Runtime;

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

/// What one side does to one document, whatever the other does meanwhile.
#[derive(Clone, Debug)]
enum Move {
    Count(i64),
    Shelve(u8),
}

fn moves() -> impl Strategy<Value = Vec<(bool, u8, Move)>> {
    let deed = prop_oneof![2 => (1_i64..9).prop_map(Move::Count), 1 => (-9_i64..0).prop_map(Move::Count), 1 => any::<u8>().prop_map(Move::Shelve)];
    prop::collection::vec((any::<bool>(), 0_u8..4, deed), 1..40)
}

/// All documents of a case, as a query finds them.
async fn found(client: &Client, case: &str) -> BTreeMap<String, Item> {
    let found = inventory(client).find().prefix(case).all().await.unwrap();
    found.into_iter().map(|found| (found.key, found.value)).collect()
}

/// A till and its site write the same documents by turns, and neither waits for the other: afterwards both find the same, and
/// counters count what was counted.
#[test]
fn a_till_and_its_site_come_to_the_same() {
    let fleet = Fleet::new();
    let address = free_address();
    let till = fleet.prepare("till-3", &till_config(&address));
    let site = fleet.prepare("store-1", &listening_config(&address));
    [&till, &site].into_iter().for_each(|data| super::with_schema(data));
    let site = Process::start(site);
    let runtime = Runtime::new().unwrap();
    let till = runtime.block_on(Client::embed(Embedding::at(&till).in_memory(MIB))).unwrap();
    let sides = [till, super::client_of(&site)];
    let number = Cell::new(0);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let ran = TestRunner::new(config).run(&moves(), |moves| {
        number.set(number.get() + 1);
        let case = format!("case {}/", number.get());
        let mut counted = BTreeMap::<String, i64>::new();
        runtime.block_on(async {
            for (side, key, deed) in &moves {
                let key = format!("{case}{key}");
                let document = inventory(&sides[usize::from(*side)]).document(&key);
                let count = counted.entry(key).or_default();
                match deed {
                    Move::Count(by) => {
                        *count += by;
                        document.counter("/on_hand").add(*by).await.unwrap();
                    }
                    Move::Shelve(shelf) => {
                        let shelf = serde_json::json!({"shelf": format!("A-{shelf}")});
                        document.change().merge(&shelf).await.unwrap();
                    }
                }
            }
            eventually_async(DEADLINE, &format!("both find the same after {moves:?}"), async || {
                let [of_till, of_site] = [found(&sides[0], &case).await, found(&sides[1], &case).await];
                let counts = of_till.iter().map(|(key, item)| (key.clone(), item.on_hand));
                of_till == of_site && counts.eq(counted.clone())
            })
            .await;
        });
        Ok(())
    });
    ran.unwrap();
}
