//! Receives deliveries: what came is on hand and may be promised, under the number of the delivery note.
//!
//! `cargo run -p client --example warehouse`, or with `ISLE_DATA=/tmp/isle-demo-…/store-367` at a shop of
//! `isle demo --serve`.

#![expect(clippy::print_stdout, reason = "it is what an example does")]

mod shop;

use isle_client::{Ack, Acked, Client, Written};
use shop::Item;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

#[tokio::main]
async fn main() -> ExitCode {
    shop::ended(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let shop = shop::open("warehouse").await?;
    let inventory = shop.client.space(&shop.space).collection::<Item>("inventory");
    let first =
        inventory.find().limit(1).page().await?.documents.into_iter().next().ok_or("an empty shop")?;
    let lines = [(first.key.as_str(), 24), ("oat-drink", 6)];

    let note = "delivery-note-4711";
    let written = receive(&shop.client, &shop.space, note, &lines).await?;
    // The scanner lost its radio, and sends the note again: it counts once.
    let again = receive(&shop.client, &shop.space, note, &lines).await?;
    if written.stamp != again.stamp {
        return Err("the delivery counted twice".into());
    }
    for (key, _) in lines {
        let item = inventory.document(key).get().await?.ok_or("it was not received")?.value;
        println!("{key}: {} on hand, {} to promise", item.on_hand, item.sellable.unwrap_or_default());
    }
    match written.ack {
        Acked::Hub => println!("{note} is at the hub"),
        Acked::Local | _ => println!("{note} is here; the hub gets it when it is reached"),
    }
    Ok(())
}

/// All lines of a note in one transaction. An item that is not there yet comes to be with its first delivery.
async fn receive(
    client: &Client,
    space: &str,
    note: &str,
    lines: &[(&str, u64)],
) -> Result<Written, Box<dyn Error>> {
    let store = client.space(space);
    let inventory = store.collection::<Item>("inventory");
    let mut delivery =
        store.transaction().key(note).message(note).ack(Ack::Hub { within: Duration::from_millis(500) });
    for (key, units) in lines {
        let change = inventory.document(*key).change();
        let change = change.merge(&serde_json::json!({"product": key})).grant("/sellable", *units);
        delivery = delivery.with(change.increment("/on_hand", i64::try_from(*units)?));
    }
    Ok(delivery.await?)
}
