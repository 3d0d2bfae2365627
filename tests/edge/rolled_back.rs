//! A site whose whole data directory is put back from a copy: what it wrote in both lives counts once.

use crate::recovery::copy;
use serde_json::json;
use std::fs;
use tests::process::{Fleet, Process, site_config};

const MILK: &str = "store-1/inventory/milk";
const BREAD: &str = "store-1/inventory/bread";

/// What the site sells after the copy was made, and what the copy sells before it meets the hub. No two choices of sales
/// have the same sum.
struct Lives {
    first: &'static [i64],
    second: &'static [i64],
}

async fn sell(site: &Process, sales: &[i64]) {
    for sold in sales {
        site.add(MILK, -sold, None).await;
    }
}

async fn every_sale_counts_once(lives: Lives) {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let mut site = fleet.site("store-1", &address);
    site.add(MILK, 1_000, None).await;
    hub.has_on_hand(MILK, 1_000).await;
    let origin = site.status().await.origin;
    site.kill();
    let old = fleet.path("old");
    copy(&site.data, &old);

    let mut site = site.restart();
    sell(&site, lives.first).await;
    let after_first = 1_000 - lives.first.iter().sum::<i64>();
    hub.has_on_hand(MILK, after_first).await;
    site.kill();
    fs::remove_dir_all(&site.data).unwrap();
    copy(&old, &site.data);
    let config = site.data.join("isle.toml");
    fs::write(&config, "name = \"store-1\"\n[spaces]\ncatalog = \"read\"\nstore-1 = \"write\"\n").unwrap();

    // Cut off it cannot know that it is a copy.
    let mut site = site.restart();
    assert_eq!(site.status().await.origin, origin);
    site.has_on_hand(MILK, 1_000).await;
    sell(&site, lives.second).await;
    site.put(BREAD, json!({"shelf": "A3"})).await;
    site.kill();
    fs::write(&config, site_config("store-1", &address)).unwrap();
    let site = site.restart();
    site.logs(&["ERROR", "old copy", "new origin"]);
    site.logs(&["the store is open again"]);
    let left = after_first - lives.second.iter().sum::<i64>();
    site.has_on_hand(MILK, left).await;
    hub.has_on_hand(MILK, left).await;
    for replica in [&site, &hub] {
        replica.has(BREAD, json!({"shelf": "A3"})).await;
    }
    assert_ne!(site.status().await.origin, origin, "an origin is never used twice");

    // It lives on, and a restart changes nothing.
    site.add(MILK, 1, None).await;
    hub.has_on_hand(MILK, left + 1).await;
    let (origin, site) = (site.status().await.origin, site.restart());
    assert_eq!(site.status().await.origin, origin);
    site.has_on_hand(MILK, left + 1).await;
}

#[tokio::test]
async fn a_copy_that_sold_less_than_the_hub_knows() {
    every_sale_counts_once(Lives { first: &[1, 2, 4], second: &[8] }).await;
}

#[tokio::test]
async fn a_copy_that_sold_more_than_the_hub_knows() {
    every_sale_counts_once(Lives { first: &[1], second: &[2, 4, 8, 16] }).await;
}
