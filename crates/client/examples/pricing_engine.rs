//! Decides prices on site: those of the catalog, which the hub writes, and what the shop has set instead.
//!
//! `cargo run -p client --example pricing_engine`, or with `ISLE_DATA=/tmp/isle-demo-…/store-367` at a shop of
//! `isle demo --serve`, where it goes on until Ctrl-C.

#![expect(clippy::print_stdout, reason = "it is what an example does")]

mod shop;

use futures_util::StreamExt as _;
use isle_client::{Event, Watch, Watched};
use serde::de::DeserializeOwned;
use shop::{Item, Product};
use std::collections::BTreeMap;
use std::error::Error;

/// Prices as they are in force, by product.
#[derive(Default)]
struct Prices {
    catalog: BTreeMap<String, f64>,
    overrides: BTreeMap<String, f64>,
}

impl Prices {
    fn of(&self, key: &str) -> Option<f64> {
        self.overrides.get(key).or_else(|| self.catalog.get(key)).copied()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shop = shop::open("pricing-engine").await?;
    let products = shop.client.space("catalog").collection::<Product>("product").checked().await?;
    let inventory = shop.client.space(&shop.space).collection::<Item>("inventory").checked().await?;
    let (mut products, mut inventory) = (products.watch().begin().await?, inventory.watch().begin().await?);

    let mut prices = Prices::default();
    // The state first: a price is told only when it changes afterwards.
    until_synced(&mut products, |product| {
        set(&mut prices.catalog, &product.key, product.value.as_ref().map(|of| of.price))
    })
    .await?;
    until_synced(&mut inventory, |item| {
        set(&mut prices.overrides, &item.key, item.value.as_ref().and_then(|of| of.price_override))
    })
    .await?;
    println!("{} prices, {} of them the shop's own", prices.catalog.len(), prices.overrides.len());
    if shop.is_temporary {
        tokio::spawn(reprice(shop.client.clone()));
    }

    let mut told = 0;
    while !(shop.is_temporary && told == 3) {
        let (key, before) = tokio::select! {
            Some(event) = products.next() => {
                let Event::Changed { changes, .. } = event? else { continue };
                let Some(product) = changes.into_iter().next().map(|change| change.document) else { continue };
                let before = prices.of(&product.key);
                set(&mut prices.catalog, &product.key, product.value.map(|of| of.price));
                (product.key, before)
            }
            Some(event) = inventory.next() => {
                let Event::Changed { changes, .. } = event? else { continue };
                let Some(item) = changes.into_iter().next().map(|change| change.document) else { continue };
                let before = prices.of(&item.key);
                set(&mut prices.overrides, &item.key, item.value.and_then(|of| of.price_override));
                (item.key, before)
            }
            else => break,
        };
        let now = prices.of(&key);
        if now != before {
            println!("{key}: {} now, {} before", shown(now), shown(before));
            told += 1;
        }
    }
    drop(shop);
    Ok(())
}

fn set(prices: &mut BTreeMap<String, f64>, key: &str, price: Option<f64>) {
    match price {
        Some(price) => drop(prices.insert(key.to_owned(), price)),
        None => drop(prices.remove(key)),
    }
}

fn shown(price: Option<f64>) -> String {
    price.map_or_else(|| "none".to_owned(), |price| format!("{price:.2}"))
}

/// Takes the initial state of a feed.
async fn until_synced<T: DeserializeOwned>(
    feed: &mut Watch<T>,
    mut take: impl FnMut(Watched<T>),
) -> Result<(), Box<dyn Error>> {
    while let Some(event) = feed.next().await {
        match event? {
            Event::Document { document, .. } => take(document),
            Event::Synced { .. } => return Ok(()),
            Event::Changed { .. } | Event::Reset { .. } | _ => {}
        }
    }
    Ok(())
}

/// What the hub, the shop's manager and the hub again would do.
async fn reprice(client: isle_client::Client) -> Result<(), isle_client::CallError> {
    let milk = client.space("catalog").collection::<Product>("product").document("milk");
    let shelf = client.space("store-1").collection::<Item>("inventory").document("milk");
    milk.update(|product| product.price = 1.19).await?;
    shelf.update(|item| item.price_override = Some(0.99)).await?;
    // The shop's own price holds: this is not told.
    milk.update(|product| product.price = 1.29).await?;
    shelf.update(|item| item.price_override = None).await?;
    Ok(())
}
