//! Tells of items that run low: once when they do, and again when they have run low anew.
//!
//! `cargo run -p client --example low_stock`, or with `ISLE_DATA=/tmp/isle-demo-…/store-367` at a shop of
//! `isle demo --serve`, where it goes on until Ctrl-C and, begun again, behind what it has seen: it keeps its cursor in
//! the file `low-stock.cursor`.

#![expect(clippy::print_stdout, reason = "it is what an example does")]

mod shop;

use futures_util::StreamExt as _;
use isle_client::{Event, Filter};
use shop::Item;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

/// So few, or fewer, are too few.
const LOW: i64 = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shop = shop::open("low-stock").await?;
    let inventory = shop.client.space(&shop.space).collection::<Item>("inventory").checked().await?;

    // What is low already was told by whoever ran before.
    let low = inventory.find().filter(Filter::at_most("/on_hand", &LOW)).all().await?;
    let mut low: BTreeSet<String> = low.into_iter().map(|found| found.key).collect();
    println!("{} items are low", low.len());

    let mut feed = inventory.watch();
    if let Some(cursor) = kept_cursor(shop.is_temporary) {
        feed = feed.after(cursor);
    }
    let mut feed = feed.begin().await?;
    if shop.is_temporary {
        let bread = inventory.document("bread");
        tokio::spawn(async move { bread.change().increment("/on_hand", -2).spend("/sellable", 2).await });
    }
    while let Some(event) = feed.next().await {
        let event = event?;
        let cursor = event.cursor().to_owned();
        let documents: Vec<_> = match event {
            Event::Document { document, .. } => vec![document],
            Event::Changed { changes, .. } => changes.into_iter().map(|change| change.document).collect(),
            Event::Synced { .. } | Event::Reset { .. } | _ => Vec::new(),
        };
        for document in documents {
            match document.value {
                Some(item) if item.on_hand <= LOW => {
                    if low.insert(document.key.clone()) {
                        println!("{} runs low: {} left", document.key, item.on_hand);
                        if shop.is_temporary {
                            return Ok(());
                        }
                    }
                }
                _ => drop(low.remove(&document.key)),
            }
        }
        if !shop.is_temporary {
            fs::write("low-stock.cursor", cursor)?;
        }
    }
    Ok(())
}

fn kept_cursor(is_temporary: bool) -> Option<String> {
    (!is_temporary).then(|| fs::read_to_string("low-stock.cursor").ok()).flatten()
}
