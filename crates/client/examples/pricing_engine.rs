//! Decides prices on site: those of the catalog, which the hub writes, and what the shop has set instead.
//!
//! `cargo run -p client --example pricing_engine`, or with `ISLE_DATA=/tmp/isle-demo-…/store-367` at a shop of
//! `isle demo --serve`, where it goes on until Ctrl-C.

#![expect(clippy::print_stdout, reason = "it is what an example does")]

mod shop;

use futures_util::StreamExt as _;
use isle_client::{CallError, Collection, Event, Watched};
use serde::de::DeserializeOwned;
use shop::{Item, Product};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::process::ExitCode;

/// What one feed has shown: prices, by product.
#[derive(Default)]
struct Shown {
    prices: BTreeMap<String, f64>,
    /// Whether that is all there is. It is not at first, nor when the state is shown anew after a long absence.
    is_whole: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    shop::ended(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let shop = shop::open("pricing-engine").await?;
    let products = shop.client.space("catalog").collection::<Product>("product").checked().await?;
    let inventory = shop.client.space(&shop.space).collection::<Item>("inventory").checked().await?;
    let (mut catalog, mut overrides) = (Shown::default(), Shown::default());
    let (mut of_catalog, mut of_shop) = (products.watch().begin().await?, inventory.watch().begin().await?);

    // The prices in force that were told last.
    let mut told: Option<BTreeMap<String, f64>> = None;
    let mut changes = 0;
    while !(shop.is_temporary && changes == 3) {
        tokio::select! {
            Some(event) = of_catalog.next() => {
                catalog.take(&products, event?, |product| Some(product.price)).await?;
            }
            Some(event) = of_shop.next() => {
                overrides.take(&inventory, event?, |item| item.price_override).await?;
            }
            else => break,
        }
        if !(catalog.is_whole && overrides.is_whole) {
            continue;
        }
        // What the shop has set counts.
        let mut now = catalog.prices.clone();
        now.extend(overrides.prices.clone());
        if let Some(before) = &told {
            let keys: BTreeSet<&String> = now.keys().chain(before.keys()).collect();
            for key in keys.into_iter().filter(|key| now.get(*key) != before.get(*key)) {
                println!("{key}: {} now, {} before", shown(now.get(key)), shown(before.get(key)));
                changes += 1;
            }
        } else {
            println!("{} prices, {} of them the shop's own", now.len(), overrides.prices.len());
            if shop.is_temporary {
                tokio::spawn(reprice(shop.client.clone()));
            }
        }
        told = Some(now);
    }
    drop(shop);
    Ok(())
}

impl Shown {
    /// Takes an event, a transaction as a whole.
    async fn take<T: DeserializeOwned>(
        &mut self,
        collection: &Collection<T>,
        event: Event<T>,
        price: fn(T) -> Option<f64>,
    ) -> Result<(), CallError> {
        match event {
            Event::Reset { .. } => *self = Self::default(),
            Event::Synced { .. } => self.is_whole = true,
            Event::Document { document, .. } => self.set(collection, document, price).await?,
            Event::Changed { changes, .. } => {
                for change in changes {
                    self.set(collection, change.document, price).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn set<T: DeserializeOwned>(
        &mut self,
        collection: &Collection<T>,
        document: Watched<T>,
        price: fn(T) -> Option<f64>,
    ) -> Result<(), CallError> {
        let value = match document.is_omitted {
            true => collection.document(&document.key).get().await?.map(|read| read.value),
            false => document.value,
        };
        match value.and_then(price) {
            Some(price) => drop(self.prices.insert(document.key, price)),
            None => drop(self.prices.remove(&document.key)),
        }
        Ok(())
    }
}

fn shown(price: Option<&f64>) -> String {
    price.map_or_else(|| "none".to_owned(), |price| format!("{price:.2}"))
}

/// What the hub, the shop's manager and the hub again would do.
async fn reprice(client: isle_client::Client) -> Result<(), CallError> {
    let milk = client.space("catalog").collection::<Product>("product").document("milk");
    let shelf = client.space("store-1").collection::<Item>("inventory").document("milk");
    milk.update(|product| product.price = 1.19).await?;
    shelf.update(|item| item.price_override = Some(0.99)).await?;
    // The shop's own price holds: this is not told.
    milk.update(|product| product.price = 1.29).await?;
    shelf.update(|item| item.price_override = None).await?;
    Ok(())
}
