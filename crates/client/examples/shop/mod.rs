//! Where an example finds a shop.
#![allow(dead_code, reason = "each example reads what it needs")]

use isle_client::{Client, Connection, Embedding, JsonSchema, schemars};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tempfile::TempDir;

/// A shop's replica, and what its spaces are called.
pub(crate) struct Shop {
    pub(crate) client: Client,
    /// The space that the shop writes.
    pub(crate) space: String,
    /// Whether it was made for this example alone.
    pub(crate) is_temporary: bool,
    _directory: Option<TempDir>,
}

/// What the shop has of a product, as far as these examples know it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Item {
    #[serde(default)]
    pub(crate) product: String,
    /// Units that were counted: the fact.
    #[serde(default)]
    pub(crate) on_hand: i64,
    /// Units that may still be promised; `None` where nobody counts them.
    #[serde(default)]
    pub(crate) sellable: Option<u64>,
    #[serde(default)]
    pub(crate) price_override: Option<f64>,
}

/// A product of the catalog.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Product {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) price: f64,
}

/// The shop of the data directory in `ISLE_DATA`, as `isle demo --serve` prints it; nothing said, a temporary one in this
/// process, with a shelf of milk and one of bread.
pub(crate) async fn open(author: &str) -> Result<Shop, Box<dyn Error>> {
    if let Some(data) = std::env::var_os("ISLE_DATA").map(PathBuf::from) {
        let connection =
            Connection::unix(data.join("http.sock")).author(author).patience(Duration::from_secs(10));
        let space = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Shop {
            client: Client::connect(connection)?,
            space,
            is_temporary: false,
            _directory: None,
        });
    }
    let directory = tempfile::tempdir()?;
    make_replica(directory.path())?;
    let memory = NonZeroU32::new(32).ok_or("no memory")?;
    let client = Client::embed(Embedding::at(directory.path()).in_memory(memory).author(author)).await?;
    stock(&client).await?;
    Ok(Shop { client, space: "store-1".to_owned(), is_temporary: true, _directory: Some(directory) })
}

/// What a service ends with: an error in words, with what caused it.
pub(crate) fn ended(result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    eprintln!("error: {told}");
    ExitCode::FAILURE
}

/// What `isle join` does, without a hub.
fn make_replica(data: &Path) -> Result<(), Box<dyn Error>> {
    transport::Authority::create("example")?.issue("store-1", &data.join("identity"))?;
    // Its own hub: there is nobody else.
    let config = "name = \"store-1\"\nhub = true\n[spaces]\ncatalog = \"write\"\nstore-1 = \"write\"\n";
    Ok(std::fs::write(data.join("isle.toml"), config)?)
}

async fn stock(client: &Client) -> Result<(), Box<dyn Error>> {
    let products = client.space("catalog").collection::<Product>("product");
    let inventory = client.space("store-1").collection::<Item>("inventory");
    for (key, price, units) in [("milk", 1.09, 12), ("bread", 2.49, 5)] {
        products.document(key).create(&Product { name: key.to_owned(), price }).await?;
        let item = Item { product: key.to_owned(), on_hand: units, ..Item::default() };
        let item = inventory.document(key).create(&item);
        item.grant("/sellable", units.unsigned_abs()).await?;
    }
    Ok(())
}
