use document::Operation;
use server::local::{DocumentWrite, REQUESTS_IN_FLIGHT_MAX, Request, Response};
use std::collections::BTreeMap;
use std::ops::Range;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, increment};

const ADDRESS: &str = "store-1/inventory/milk";

#[tokio::test]
async fn acknowledged_writes_survive_a_kill_and_reach_the_hub() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut site = fleet.site("store-1", &hub.status().await.address);
    let mut client = site.client().await;
    // Many on their way when it is killed: each acknowledged one counts, each other one may.
    for _ in 0..REQUESTS_IN_FLIGHT_MAX {
        client.send(&increment(ADDRESS, 1, None)).await.unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < 100 {
        let (_, result) = client.receive().await.unwrap();
        assert!(matches!(result, Ok(Response::Written(Some(_)))), "{result:?}");
        acknowledged += 1;
    }
    site.kill();
    // Answers that were on their way in the socket are acknowledgements too.
    let ended = loop {
        match client.receive().await {
            Ok((_, result)) => acknowledged += i64::from(result.is_ok()),
            Err(error) => break error,
        }
    };
    let unanswered = i64::try_from(REQUESTS_IN_FLIGHT_MAX).unwrap() - acknowledged;
    assert!(unanswered == 0 || ended.is_outcome_unknown(), "{ended}");

    let site = site.restart();
    let kept = site.get(ADDRESS).await.unwrap()["on_hand"].as_i64().unwrap();
    assert!(
        (acknowledged..=acknowledged + unanswered).contains(&kept),
        "{kept} of {acknowledged} acknowledged"
    );
    hub.has_on_hand(ADDRESS, kept).await;
    site.add(ADDRESS, 1, None).await;
    hub.has_on_hand(ADDRESS, kept + 1).await;
}

#[tokio::test]
async fn a_site_that_lost_its_store_gets_everything_back_under_a_new_origin() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut site = fleet.site("store-1", &hub.status().await.address);
    site.add(ADDRESS, 5, None).await;
    hub.has_on_hand(ADDRESS, 5).await;
    let origin = site.status().await.origin;
    site.kill();
    std::fs::remove_dir_all(site.data.join("store")).unwrap();

    let site = site.restart();
    assert_ne!(site.status().await.origin, origin, "an origin is never used twice");
    site.has_on_hand(ADDRESS, 5).await;
    site.add(ADDRESS, 2, None).await;
    hub.has_on_hand(ADDRESS, 7).await;
    eventually_async(DEADLINE, "the hub owes the site nothing", async || {
        hub.status().await.peers.iter().all(|peer| peer.backlog_rows == 0 || peer.peer != "store-1")
    })
    .await;
}

/// How often each side is killed.
const KILLS: usize = 50;
/// Sales that are sent at once before a kill.
const SALES: usize = 32;

/// Sends sales, kills `killed` once the first is answered, and gives those that had no answer. The last sale is sent while
/// `killed` is stopped, so that every kill meets one that is under way.
async fn sell(site: &Process, numbers: Range<usize>, killed: &Process) -> Vec<usize> {
    let mut client = site.client().await;
    let mut unanswered = BTreeMap::new();
    let last = numbers.end - 1;
    for number in numbers {
        if number == last {
            let (id, result) = client.receive().await.unwrap();
            assert!(result.is_ok(), "{id} {result:?}");
            unanswered.remove(&id);
            killed.signal("STOP");
        }
        let id = client.send(&increment(ADDRESS, -1, Some(&format!("sale-{number}")))).await.unwrap();
        unanswered.insert(id, number);
    }
    killed.signal("KILL");
    while !unanswered.is_empty() {
        let Ok((id, result)) = client.receive().await else { break };
        assert!(result.is_ok(), "{id} {result:?}");
        unanswered.remove(&id);
    }
    unanswered.into_values().collect()
}

/// Each is killed while sales are under way: those that had no answer are sent again, and each counts once.
#[tokio::test]
async fn fifty_kills_under_load_lose_nothing_and_double_nothing() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let config = std::fs::read_to_string(hub.data.join("isle.toml")).unwrap();
    std::fs::write(hub.data.join("isle.toml"), config.replace("127.0.0.1:0", &address)).unwrap();
    let (mut hub, mut site) = (hub.restart(), fleet.site("store-1", &address));
    let mut sold = 0;
    for _ in 0..KILLS {
        let unknown = sell(&site, sold..sold + SALES, &site).await;
        assert!(!unknown.is_empty(), "the last sale has no answer");
        site = site.restart();
        for number in unknown {
            site.add(ADDRESS, -1, Some(&format!("sale-{number}"))).await;
        }
        let unknown = sell(&site, sold + SALES..sold + 2 * SALES, &hub).await;
        assert!(unknown.is_empty(), "the hub is nothing to a sale");
        hub = hub.restart();
        sold += 2 * SALES;
    }
    let expected = -i64::try_from(sold).unwrap();
    site.has_on_hand(ADDRESS, expected).await;
    hub.has_on_hand(ADDRESS, expected).await;
}

/// What is moved together from one shelf to others.
const SHELVES: [&str; 4] = ["aisle", "back", "cellar", "door"];
/// How often a server is killed with transactions under way.
const TORN_KILLS: usize = 12;

/// A transaction that adds one on each shelf.
fn move_one() -> Request {
    let writes = SHELVES.map(|shelf| DocumentWrite {
        collection: "inventory".parse().unwrap(),
        key: shelf.parse().unwrap(),
        operations: vec![Operation::increment("/on_hand", 1).unwrap()],
        condition: None,
    });
    Request::Transaction {
        space: "store-1".parse().unwrap(),
        writes: writes.into(),
        idempotency_key: None,
        author: None,
        message: None,
        hub_within_ms: None,
        can_wait: false,
    }
}

#[tokio::test]
async fn a_kill_leaves_all_documents_of_a_transaction_or_none() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut site = fleet.site("store-1", &hub.status().await.address);
    let (mut least, mut most) = (0, 0);
    for kill in 0..TORN_KILLS {
        let mut client = site.client().await;
        for _ in 0..REQUESTS_IN_FLIGHT_MAX {
            client.send(&move_one()).await.unwrap();
            most += 1;
        }
        // Each time with others under way.
        for _ in 0..=kill * REQUESTS_IN_FLIGHT_MAX / (2 * TORN_KILLS) {
            let (_, result) = client.receive().await.unwrap();
            assert!(result.is_ok(), "{result:?}");
            least += 1;
        }
        site.kill();
        while let Ok((_, result)) = client.receive().await {
            least += i64::from(result.is_ok());
        }
        site = site.restart();
        let mut kept = Vec::new();
        for shelf in SHELVES {
            kept.push(
                site.get(&format!("store-1/inventory/{shelf}")).await.unwrap()["on_hand"].as_i64().unwrap(),
            );
        }
        assert!(kept.iter().all(|on_hand| *on_hand == kept[0]), "a transaction is torn: {kept:?}");
        assert!((least..=most).contains(&kept[0]), "{kept:?} of {least} acknowledged and {most} sent");
        (least, most) = (kept[0], kept[0]);
    }
    for shelf in SHELVES {
        hub.has_on_hand(&format!("store-1/inventory/{shelf}"), least).await;
    }
}
