//! Tells of items that run low: once when they do, and again when they have run low anew.
//!
//! `cargo run -p client --example low_stock`, or with `ISLE_DATA=/tmp/isle-demo-…/store-367` at a shop of
//! `isle demo --serve`, where it goes on until Ctrl-C and, begun again, behind what it has seen: it keeps its cursor, and
//! what was low by then, in the file `low-stock.json`.

#![expect(clippy::print_stdout, reason = "it is what an example does")]

mod shop;

use futures_util::StreamExt as _;
use isle_client::{CallError, Collection, Event, Watched};
use serde::{Deserialize, Serialize};
use shop::Item;
use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;
use std::{fs, mem};

/// So few, or fewer, are too few.
const LOW: i64 = 3;

const KEPT: &str = "low-stock.json";

/// What was seen. The cursor and what was low are of the same moment.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    cursor: Option<String>,
    low: BTreeSet<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    shop::ended(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let shop = shop::open("low-stock").await?;
    let inventory = shop.client.space(&shop.space).collection::<Item>("inventory").checked().await?;
    let mut seen = if shop.is_temporary { Seen::default() } else { kept()? };
    let mut feed = inventory.watch();
    if let Some(cursor) = &seen.cursor {
        feed = feed.after(cursor);
    }
    let mut feed = feed.begin().await?;
    // While the state is shown anew: what was low before, and has not been shown again.
    let mut unseen = BTreeSet::new();
    while let Some(event) = feed.next().await {
        let event = event?;
        seen.cursor = Some(event.cursor().to_owned());
        match event {
            Event::Reset { .. } => {
                unseen.clone_from(&seen.low);
                continue;
            }
            Event::Document { document, .. } => {
                unseen.remove(&document.key);
                take(&inventory, document, &mut seen.low).await?;
                // Kept with the rest of the state, or not at all.
                continue;
            }
            Event::Synced { .. } => {
                let gone = mem::take(&mut unseen);
                seen.low.retain(|key| !gone.contains(key));
                println!("{} items are low", seen.low.len());
                if shop.is_temporary {
                    let bread = inventory.document("bread");
                    tokio::spawn(async move {
                        bread.change().increment("/on_hand", -2).spend("/sellable", 2).await
                    });
                }
            }
            Event::Changed { changes, .. } => {
                for change in changes {
                    take(&inventory, change.document, &mut seen.low).await?;
                }
            }
            _ => continue,
        }
        match shop.is_temporary {
            true if !seen.low.is_empty() => break,
            true => {}
            false => fs::write(KEPT, serde_json::to_string(&seen)?)?,
        }
    }
    Ok(())
}

/// Tells when an item has run low.
async fn take(
    inventory: &Collection<Item>,
    document: Watched<Item>,
    low: &mut BTreeSet<String>,
) -> Result<(), CallError> {
    let item = match document.is_omitted {
        true => inventory.document(&document.key).get().await?.map(|read| read.value),
        false => document.value,
    };
    match item {
        Some(item) if item.on_hand <= LOW => {
            if low.insert(document.key.clone()) {
                println!("{} runs low: {} left", document.key, item.on_hand);
            }
        }
        Some(_) | None => drop(low.remove(&document.key)),
    }
    Ok(())
}

fn kept() -> Result<Seen, Box<dyn Error>> {
    Ok(match fs::read_to_string(KEPT) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => Seen::default(),
    })
}
