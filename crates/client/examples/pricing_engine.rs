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
#[derive(Clone, Default)]
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
        let before = prices.clone();
        let keys: Vec<String> = tokio::select! {
            Some(event) = products.next() => {
                take(event?, &mut prices.catalog, |product| Some(product.price))
            }
            Some(event) = inventory.next() => {
                take(event?, &mut prices.overrides, |item| item.price_override)
            }
            else => break,
        };
        for key in keys.iter().filter(|key| prices.of(key) != before.of(key)) {
            println!("{key}: {} now, {} before", shown(prices.of(key)), shown(before.of(key)));
            told += 1;
        }
    }
    drop(shop);
    Ok(())
}

/// Takes an event, a transaction as a whole; returns the products that it is about.
fn take<T>(event: Event<T>, prices: &mut BTreeMap<String, f64>, price: fn(T) -> Option<f64>) -> Vec<String> {
    let documents: Vec<_> = match event {
        Event::Changed { changes, .. } => changes.into_iter().map(|change| change.document).collect(),
        Event::Document { document, .. } => vec![document],
        // After a long absence: what is there is shown anew.
        Event::Reset { .. } => {
            prices.clear();
            Vec::new()
        }
        Event::Synced { .. } | _ => Vec::new(),
    };
    let taken = documents.into_iter().map(|document| {
        set(prices, &document.key, document.value.and_then(price));
        document.key
    });
    taken.collect()
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
