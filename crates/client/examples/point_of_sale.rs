//! A till: prices a basket, and sells it as a whole or not at all.
//!
//! `cargo run -p client --example point_of_sale`, or with `ISLE_DATA=/tmp/isle-demo-…/store-367` at a shop of
//! `isle demo --serve`.

#![expect(clippy::print_stdout, reason = "it is what an example does")]

mod shop;

use isle_client::{CallError, Client, Collection, Transaction, Written};
use serde_json::{Value, json};
use shop::{Item, Product, Shop};
use std::error::Error;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[tokio::main]
async fn main() -> ExitCode {
    shop::ended(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let shop = shop::open("till-3").await?;
    let inventory = shop.client.space(&shop.space).collection::<Item>("inventory");
    let found = inventory.find().limit(2).page().await?;
    let wanted: Vec<_> = found.documents.into_iter().map(|found| (found.key, 2)).collect();
    let before = on_hand(&inventory, &wanted).await?;

    let closed_ms = now_ms()?;
    let receipt = format!("receipt-{closed_ms}");
    let sale = ring_up(&shop, (&receipt, closed_ms), &wanted).await?;
    match sell(&sale).await? {
        Outcome::Sold(written) => println!("{receipt}: sold, {:?}", written.ack),
        Outcome::SoldOut(why) => println!("{receipt}: not sold, {why}"),
    }
    if let (true, Some((key, _))) = (shop.is_temporary, wanted.first()) {
        inventory.document(key).update(|item| item.price_override = Some(0.99)).await?;
    }
    // The answer was lost, says the till, and sends the same sale again: it counts once. Rung up anew, at prices of now, it
    // would be another one, and refused under its key.
    sell(&sale).await?;
    println!("on hand: {before:?}, then {:?}", on_hand(&inventory, &wanted).await?);

    let too_many: Vec<_> = wanted.into_iter().map(|(key, _)| (key, 1_000_000)).collect();
    let hoard = ring_up(&shop, ("receipt-of-a-hoarder", closed_ms), &too_many).await?;
    if let Outcome::SoldOut(why) = sell(&hoard).await? {
        println!("not sold: {why}");
    }
    Ok(())
}

/// A basket with its prices, to be sent until it is answered.
struct Sale {
    transaction: Transaction,
    lacking: Option<String>,
}

enum Outcome {
    Sold(Written),
    SoldOut(String),
}

/// One transaction: the basket, and what it takes of each item. `receipt` is the key under which it counts once.
async fn ring_up(
    shop: &Shop,
    (receipt, closed_ms): (&str, u64),
    wanted: &[(String, u32)],
) -> Result<Sale, Box<dyn Error>> {
    let store = shop.client.space(&shop.space);
    let inventory = store.collection::<Item>("inventory");
    let mut sale = Sale { transaction: store.transaction().key(receipt), lacking: None };
    let (mut lines, mut units, mut sum) = (Vec::new(), 0_u32, 0.0);
    for (key, quantity) in wanted {
        let document = inventory.document(key.as_str());
        let item = document.get().await?.ok_or("no such item")?.value;
        let price = price(&shop.client, key, &item).await?;
        lines.push(json!({"product": key, "quantity": quantity, "price": price}));
        (units, sum) = (units + quantity, sum + price * f64::from(*quantity));
        let mut change = document.change().increment("/on_hand", -i64::from(*quantity));
        // Where promises are counted the till spends of those that this replica holds, also when it is cut off.
        if item.sellable.is_some() {
            change = change.spend("/sellable", u64::from(*quantity));
        } else if item.on_hand < i64::from(*quantity) {
            sale.lacking = Some(format!("{} of {key} are on hand", item.on_hand));
        }
        sale.transaction = sale.transaction.with(change);
    }
    let basket = json!({"till": "till-3", "state": "paid", "lines": lines, "closed_ms": closed_ms,
        "totals": {"units": units, "sum": (sum * 100.0).round() / 100.0}});
    let document = store.collection::<Value>("basket").document(receipt);
    sale.transaction = sale.transaction.with(document.change().put(&basket));
    Ok(sale)
}

/// Sends a sale. Where the outcome is unknown, send the same one again.
async fn sell(sale: &Sale) -> Result<Outcome, CallError> {
    if let Some(why) = &sale.lacking {
        return Ok(Outcome::SoldOut(why.clone()));
    }
    match sale.transaction.clone().await {
        Ok(written) => Ok(Outcome::Sold(written)),
        Err(error) if error.is_not_enough() => Ok(Outcome::SoldOut(error.to_string())),
        Err(error) => Err(error),
    }
}

async fn on_hand(inventory: &Collection<Item>, of: &[(String, u32)]) -> Result<Vec<i64>, CallError> {
    let mut counts = Vec::new();
    for (key, _) in of {
        counts.push(inventory.document(key.as_str()).get().await?.map_or(0, |read| read.value.on_hand));
    }
    Ok(counts)
}

/// The shop's own price, or that of the catalog.
async fn price(client: &Client, key: &str, item: &Item) -> Result<f64, Box<dyn Error>> {
    if let Some(price) = item.price_override {
        return Ok(price);
    }
    let product = client.space("catalog").collection::<Product>("product").document(key).get().await?;
    Ok(product.ok_or("no such product")?.value.price)
}

fn now_ms() -> Result<u64, Box<dyn Error>> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
