//! Lines that are slow, lose, reorder, work one way, or change addresses.

use serde_json::json;
use tests::bad_wire::{BadWire, Way};
use tests::eventually_async;
use tests::namespaces::{HUB, Namespaces};
use tests::process::{DEADLINE, Fleet, Process, hub_config, site_config};

const ADDRESS: &str = "store-1/inventory/milk";

async fn is_connected(replica: &Process) -> bool {
    replica.status().await.peers.iter().any(|peer| peer.connected)
}

async fn connected(replica: &Process, expected: bool) {
    let what = format!("connected is {expected}");
    eventually_async(DEADLINE, &what, async || is_connected(replica).await == expected).await;
}

/// Each way 300 to 500 ms, so datagrams overtake each other, and a tenth of them lost.
#[tokio::test]
async fn a_bad_line_loses_nothing_and_doubles_nothing() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let wire = BadWire::start(&hub.status().await.address).await;
    wire.set(300, 200, 10);
    let site = fleet.site("store-1", &wire.address());
    for number in 1..=100 {
        site.add(ADDRESS, -1, None).await;
        hub.put(&format!("catalog/product/{}", number % 10), json!({ "price": number })).await;
    }
    hub.has_on_hand(ADDRESS, -100).await;
    for number in 91..=100 {
        site.has(&format!("catalog/product/{}", number % 10), json!({ "price": number })).await;
    }
}

/// What the hub sends is lost, what the site sends arrives: neither may go on as if it were heard.
#[tokio::test]
async fn a_line_that_works_one_way_is_given_up_and_taken_up_again() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let wire = BadWire::start(&hub.status().await.address).await;
    let site = fleet.site("store-1", &wire.address());
    for (way, price) in [(Way::ToSite, 1.19), (Way::ToHub, 1.29)] {
        site.add(ADDRESS, -1, None).await;
        let before = site.get(ADDRESS).await.unwrap();
        hub.has(ADDRESS, before).await;
        wire.cut(way, true);
        for _ in 0..10 {
            site.add(ADDRESS, -1, None).await;
        }
        hub.put("catalog/product/milk", json!({ "price": price })).await;
        connected(&hub, false).await;
        connected(&site, false).await;
        wire.cut(way, false);
        let after = site.get(ADDRESS).await.unwrap();
        hub.has(ADDRESS, after).await;
        site.has("catalog/product/milk", json!({ "price": price })).await;
    }
}

#[tokio::test]
async fn a_site_whose_address_changes_keeps_its_connection() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let wire = BadWire::start(&hub.status().await.address).await;
    let site = fleet.site("store-1", &wire.address());
    for moved in 1..=5 {
        site.add(ADDRESS, -1, None).await;
        hub.has_on_hand(ADDRESS, -moved).await;
        hub.put("catalog/product/milk", json!({ "price": moved })).await;
        site.has("catalog/product/milk", json!({ "price": moved })).await;
        wire.move_site();
    }
    assert_eq!(hub.log().matches("session started").count(), 1, "it connected again");
}

/// Machines of their own, with a megabit a second between them.
#[tokio::test]
async fn a_site_on_a_narrow_line_that_goes_down_and_moves_keeps_up() {
    let Some(machines) = Namespaces::new("a narrow line between two machines") else { return };
    let (fleet, address) = (Fleet::new(), format!("{HUB}:7400"));
    let hub = fleet.prepare("hub", &hub_config().replace("127.0.0.1:0", &address));
    let hub = Process::start_in(hub, &machines.hub);
    for number in 0..200 {
        let text = format!("{number} ").repeat(500);
        hub.put(&format!("catalog/note/{number}"), json!({ "text": text })).await;
    }
    let site = fleet.prepare("store-1", &site_config("store-1", &address));
    let site = Process::start_in(site, &machines.site);
    site.has("catalog/note/199", json!({ "text": "199 ".repeat(500) })).await;

    machines.set_line(false);
    for _ in 0..20 {
        site.add(ADDRESS, -1, None).await;
    }
    hub.put("catalog/product/milk", json!({ "price": 1.19 })).await;
    connected(&hub, false).await;
    connected(&site, false).await;
    machines.set_line(true);
    hub.has_on_hand(ADDRESS, -20).await;
    site.has("catalog/product/milk", json!({ "price": 1.19 })).await;

    machines.cut_to_site();
    site.add(ADDRESS, -1, None).await;
    connected(&site, false).await;
    connected(&hub, false).await;
    machines.mend_to_site();
    hub.has_on_hand(ADDRESS, -21).await;

    machines.move_site();
    site.add(ADDRESS, -1, None).await;
    hub.has_on_hand(ADDRESS, -22).await;
    hub.put("catalog/product/milk", json!({ "price": 1.29 })).await;
    site.has("catalog/product/milk", json!({ "price": 1.29 })).await;

    if machines.lose(10, "a narrow line between two machines that loses datagrams") {
        for number in 0..50 {
            site.add(ADDRESS, -1, None).await;
            let text = format!("{number}, lost and sent again ").repeat(100);
            hub.put(&format!("catalog/note/{number}"), json!({ "text": text })).await;
        }
        hub.has_on_hand(ADDRESS, -72).await;
        let text = "49, lost and sent again ".repeat(100);
        site.has("catalog/note/49", json!({ "text": text })).await;
    }
}
