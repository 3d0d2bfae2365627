//! A hub of many sites.

use serde_json::json;
use std::fmt::Write as _;
use tests::process::{Fleet, Process, site_config};

const SITES: usize = 20;

fn hub_config() -> String {
    let mut config =
        "name = \"hub\"\nhub = true\nlisten = \"127.0.0.1:0\"\n[spaces]\ncatalog = \"write\"\n".to_owned();
    let mut peers = String::new();
    for site in 1..=SITES {
        writeln!(config, "store-{site} = \"write\"").unwrap();
        write!(
            peers,
            "[peers.store-{site}.spaces]\ncatalog = {{ read = true }}\nstore-{site} = {{ read = true, write = true }}\n"
        )
        .unwrap();
    }
    config + &peers
}

#[tokio::test]
async fn twenty_sites_and_their_hub_converge_after_the_hub_was_away() {
    let fleet = Fleet::new();
    let hub = fleet.start("hub", &hub_config());
    let address = hub.status().await.address;
    let sites: Vec<Process> = (1..=SITES)
        .map(|site| {
            let name = format!("store-{site}");
            fleet.start(&name, &site_config(&name, &address))
        })
        .collect();
    hub.put("catalog/product/milk", json!({ "price": 1.19 })).await;
    for site in &sites {
        site.has("catalog/product/milk", json!({ "price": 1.19 })).await;
    }
    let text = std::fs::read_to_string(hub.data.join("isle.toml")).unwrap();
    std::fs::write(hub.data.join("isle.toml"), text.replace("127.0.0.1:0", &address)).unwrap();
    let data = hub.data.clone();
    drop(hub);
    let stock = |site: usize| format!("store-{site}/inventory/milk");
    for (number, site) in sites.iter().enumerate() {
        for _ in 0..5 {
            site.add(&stock(number + 1), -1, None).await;
        }
    }
    let hub = Process::start(data);
    hub.put("catalog/product/milk", json!({ "price": 1.29 })).await;
    for (number, site) in sites.iter().enumerate() {
        site.has("catalog/product/milk", json!({ "price": 1.29 })).await;
        hub.has_on_hand(&stock(number + 1), -5).await;
    }
}
