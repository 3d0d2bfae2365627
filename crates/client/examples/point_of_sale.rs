//! A till: prices a basket, and sells it as a whole or not at all.
//!
//! `cargo run -p client --example point_of_sale`, or with `ISLE_DATA=/tmp/isle-demo-…/store-367` at a shop of
//! `isle demo --serve`.

#![expect(clippy::print_stdout, reason = "it is what an example does")]

mod shop;

use isle_client::{Client, Written};
use serde_json::{Value, json};
use shop::{Item, Product};
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shop = shop::open("till-3").await?;
    let found = shop.client.space(&shop.space).collection::<Item>("inventory").find().limit(2).page().await?;
    let wanted: Vec<_> = found.documents.into_iter().map(|found| (found.key, 2)).collect();

    let closed_ms = now_ms()?;
    let receipt = format!("receipt-{closed_ms}");
    match sell(&shop.client, &shop.space, (&receipt, closed_ms), &wanted).await? {
        Sale::Sold(written) => println!("{receipt}: sold, {:?}", written.ack),
        Sale::SoldOut(why) => println!("{receipt}: not sold, {why}"),
    }
    // The answer was lost, says the till, and sends it again: it counts once.
    sell(&shop.client, &shop.space, (&receipt, closed_ms), &wanted).await?;

    let too_many: Vec<_> = wanted.into_iter().map(|(key, _)| (key, 1_000_000)).collect();
    if let Sale::SoldOut(why) =
        sell(&shop.client, &shop.space, ("receipt-of-a-hoarder", closed_ms), &too_many).await?
    {
        println!("not sold: {why}");
    }
    Ok(())
}

enum Sale {
    Sold(Written),
    SoldOut(String),
}

/// One transaction: the basket, and what it takes of each item. `receipt` is the key under which it counts once.
async fn sell(
    client: &Client,
    space: &str,
    (receipt, closed_ms): (&str, u64),
    wanted: &[(String, u32)],
) -> Result<Sale, Box<dyn Error>> {
    let store = client.space(space);
    let inventory = store.collection::<Item>("inventory");
    let mut sale = store.transaction().key(receipt);
    let (mut lines, mut units, mut sum) = (Vec::new(), 0_u32, 0.0);
    for (key, quantity) in wanted {
        let document = inventory.document(key.as_str());
        let item = document.get().await?.ok_or("no such item")?.value;
        let price = price(client, key, &item).await?;
        lines.push(json!({"product": key, "quantity": quantity, "price": price}));
        (units, sum) = (units + quantity, sum + price * f64::from(*quantity));
        let mut change = document.change().increment("/on_hand", -i64::from(*quantity));
        // Where promises are counted the till spends of those that this replica holds, also when it is cut off.
        if item.sellable.is_some() {
            change = change.spend("/sellable", u64::from(*quantity));
        } else if item.on_hand < i64::from(*quantity) {
            return Ok(Sale::SoldOut(format!("{} of {key} are on hand", item.on_hand)));
        }
        sale = sale.with(change);
    }
    let basket = json!({"till": "till-3", "state": "paid", "lines": lines, "closed_ms": closed_ms,
        "totals": {"units": units, "sum": (sum * 100.0).round() / 100.0}});
    let document = store.collection::<Value>("basket").document(receipt);
    match sale.with(document.change().put(&basket)).await {
        Ok(written) => Ok(Sale::Sold(written)),
        Err(error) if error.is_not_enough() => Ok(Sale::SoldOut(error.to_string())),
        Err(error) => Err(error.into()),
    }
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
