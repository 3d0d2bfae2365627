//! Reading documents from hub and shops at the end, and comparing them with what the files and the plan say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use document::{Collection, Key, Space};
use serde_json::Value;
use tokio::task::JoinSet;

use super::check::{Comparison, units_sold};
use super::data::{Shop, Week};
use super::documents::{Contents, final_catalog, final_inventory, units};
use super::error::DemoError;
use super::fleet::{Fleet, HUB};
use super::plan::Plan;
use super::report::{Reading, ShopReading};
use super::till::Till;
use crate::local::{Request, Response};

/// Documents of one question.
const PAGE_DOCUMENTS: usize = 500;

type Documents = BTreeMap<String, Value>;

/// Compares all documents of all replicas.
///
/// # Errors
/// [`DemoError`] when a replica does not answer.
pub(super) async fn read(
    fleet: &Fleet,
    week: &Week,
    plan: &Plan,
    not_converged: Vec<String>,
) -> Result<Reading, DemoError> {
    let catalog = final_catalog(week, plan)?;
    let inventories: Vec<Contents> = week.shops.iter().map(final_inventory).collect::<Result<_, _>>()?;
    let mut found = found(fleet, &catalog, &inventories).await?;
    let mut take =
        |replica: &str, contents: &Contents| found.remove(&place(replica, contents)).unwrap_or_default();

    let mut reading = Reading { not_converged, ..Reading::default() };
    for contents in &catalog {
        reading.catalog.compare(HUB, contents, &take(HUB, contents));
    }
    for ((shop, inventory), site) in week.shops.iter().zip(&inventories).zip(&fleet.shops) {
        let name = shop.site();
        for contents in &catalog {
            reading.catalog.compare(&name, contents, &take(&name, contents));
        }
        let units_hub = compared(&mut reading.stock, HUB, shop, inventory, &take(HUB, inventory));
        let units_shop = compared(&mut reading.stock, &name, shop, inventory, &take(&name, inventory));
        reading.shops.push(ShopReading { units_hub, units_shop, traffic: site.proxy.traffic() });
    }
    Ok(reading)
}

/// Compares a shop's stock at a replica; the units that were sold by it.
fn compared(
    comparison: &mut Comparison,
    replica: &str,
    shop: &Shop,
    expected: &Contents,
    found: &Documents,
) -> i64 {
    comparison.compare(replica, expected, found);
    units_sold(shop.opening_stock().map(|(product, opening)| (&**product, units(opening))), found)
}

/// A collection at a replica.
type Place = (String, String, String);

fn place(replica: &str, contents: &Contents) -> Place {
    (replica.to_owned(), contents.space.to_string(), contents.collection.to_string())
}

/// All that the replicas have: each is read on its own, at the same time as the others.
async fn found(
    fleet: &Fleet,
    catalog: &[Contents],
    inventories: &[Contents],
) -> Result<BTreeMap<Place, Documents>, DemoError> {
    let mut readers = JoinSet::new();
    let all: Vec<Contents> = catalog.iter().chain(inventories).map(Contents::without_documents).collect();
    readers.spawn(collections(HUB.to_owned(), fleet.hub.data().to_owned(), all));
    for (site, inventory) in fleet.shops.iter().zip(inventories) {
        let own = catalog.iter().chain([inventory]).map(Contents::without_documents).collect();
        readers.spawn(collections(site.process.name().to_owned(), site.process.data().to_owned(), own));
    }
    let mut found = BTreeMap::new();
    while let Some(read) = readers.join_next().await {
        found.extend(read??);
    }
    Ok(found)
}

async fn collections(
    replica: String,
    data: PathBuf,
    wanted: Vec<Contents>,
) -> Result<Vec<(Place, Documents)>, DemoError> {
    let mut till = Till::open(&replica, &data).await?;
    let mut read = Vec::new();
    for contents in wanted {
        let documents = collection(&mut till, &contents.space, &contents.collection).await?;
        read.push((place(&replica, &contents), documents));
    }
    Ok(read)
}

async fn collection(till: &mut Till, space: &Space, collection: &Collection) -> Result<Documents, DemoError> {
    let mut documents = BTreeMap::new();
    let mut after: Option<Key> = None;
    loop {
        let request = Request::List {
            space: space.clone(),
            collection: collection.clone(),
            after: after.clone(),
            limit: PAGE_DOCUMENTS,
        };
        let Response::Listed(page) = till.ask(&request).await? else { return Err(till.unexpected()) };
        documents.extend(page.documents.into_iter().map(|document| (document.key, document.value)));
        let next = page.next.map(|key| key.parse::<Key>()).transpose()?;
        // A page that goes no further would come again for ever.
        if next <= after {
            return Ok(documents);
        }
        after = next;
    }
}
