use serde_json::json;
use tests::process::Fleet;

#[tokio::test]
async fn a_hub_and_a_site_converge_both_ways() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let site = fleet.site("store-1", &hub.status().await.address);

    hub.put("catalog/product/milk", json!({"name": "milk", "price": 1.19})).await;
    site.has("catalog/product/milk", json!({"name": "milk", "price": 1.19})).await;
    hub.add("store-1/inventory/milk", 20, None).await;
    site.has_on_hand("store-1/inventory/milk", 20).await;
    site.add("store-1/inventory/milk", -3, None).await;
    hub.has_on_hand("store-1/inventory/milk", 17).await;
}

#[tokio::test]
async fn sites_meet_through_the_hub_only_where_they_may() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let (first, second) = (fleet.site("store-1", &address), fleet.site("store-2", &address));
    first.add("store-1/inventory/milk", 1, None).await;
    second.add("store-2/inventory/milk", 2, None).await;
    hub.has_on_hand("store-1/inventory/milk", 1).await;
    hub.has_on_hand("store-2/inventory/milk", 2).await;

    // The catalog comes after the sales on the same journal: what the site was to get it has by then.
    hub.put("catalog/product/milk", json!({"price": 1.25})).await;
    for site in [&first, &second] {
        site.has("catalog/product/milk", json!({"price": 1.25})).await;
    }
    let changes: Vec<_> =
        first.status().await.spaces.into_iter().map(|space| (space.space, space.changes)).collect();
    assert_eq!(changes, [("catalog".to_owned(), 1), ("store-1".to_owned(), 1)]);
}

#[tokio::test]
async fn what_was_written_while_cut_off_arrives_later() {
    let fleet = Fleet::new();
    let mut hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    hub.put("catalog/product/milk", json!({"price": 1.19})).await;
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    hub.kill();

    for _ in 0..10 {
        site.add("store-1/inventory/milk", -1, None).await;
    }
    let config = std::fs::read_to_string(hub.data.join("isle.toml")).unwrap();
    std::fs::write(hub.data.join("isle.toml"), config.replace("127.0.0.1:0", &address)).unwrap();
    let hub = hub.restart();
    hub.has_on_hand("store-1/inventory/milk", -10).await;
    hub.put("catalog/product/milk", json!({"price": 1.29})).await;
    site.has("catalog/product/milk", json!({"price": 1.29})).await;
}

#[tokio::test]
async fn replicas_that_dial_each_other_keep_one_connection() {
    let fleet = Fleet::new();
    let names = ["east", "west"];
    let addresses = free_addresses();
    let config = |own: usize, other: usize| {
        format!(
            "name = \"{}\"\nlisten = \"{}\"\n[spaces]\nplan = \"write\"\n[peers.{}]\naddress = \"{}\"\n\
             [peers.{}.spaces]\nplan = {{ read = true, write = true }}\n",
            names[own], addresses[own], names[other], addresses[other], names[other]
        )
    };
    let (east, west) = (fleet.start("east", &config(0, 1)), fleet.start("west", &config(1, 0)));
    for round in 1..=20 {
        east.put("plan/note/east", json!({ "round": round })).await;
        west.has("plan/note/east", json!({ "round": round })).await;
        west.put("plan/note/west", json!({ "round": round })).await;
        east.has("plan/note/west", json!({ "round": round })).await;
    }
    // Two cross at the start now and then, and are both given up; without an end that would be one every 0.2 s.
    let sessions = east.log().matches("session started").count();
    assert!((1..=4).contains(&sessions), "{sessions} sessions");
}

/// Addresses that nobody had a moment ago.
fn free_addresses() -> [String; 2] {
    let sockets = [0; 2].map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().to_string())
}
