//! What services of a site do through the client library, connected and embedded.

mod conflicts;
mod connected;
mod documents;
mod embedded;
mod examples;
mod model;
mod slow;
mod storm;
mod watches;

use isle_client::{Client, Collection, Connection, JsonSchema, schemars};
use serde::{Deserialize, Serialize};
use std::fs;
use tests::process::{DEADLINE, Fleet, Process, site_config};

/// An item as one service knows it: not with all fields that it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Item {
    #[serde(default)]
    product: String,
    #[serde(default)]
    on_hand: i64,
    #[serde(default)]
    sellable: u64,
    #[serde(default)]
    shelf: Option<String>,
}

/// A client of a running replica, which waits for a replica that is being started again.
fn client_of(site: &Process) -> Client {
    let connection = Connection::unix(site.data.join("http.sock"));
    Client::connect(connection.author("till-3").patience(DEADLINE)).unwrap()
}

/// The inventory of `store-1`.
fn inventory(client: &Client) -> Collection<Item> {
    client.space("store-1").collection("inventory")
}

/// A site that is on its own, with the schema of inventories.
fn site(fleet: &Fleet) -> Process {
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:1"));
    with_schema(&data);
    Process::start(data)
}

fn with_schema(data: &std::path::Path) {
    let schemas = data.join("schemas");
    fs::create_dir(&schemas).unwrap();
    let schema = tests::repository_root().join("schemas/collections/inventory.json");
    fs::copy(schema, schemas.join("inventory.json")).unwrap();
}
