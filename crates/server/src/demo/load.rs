//! Before the first sale: products, prices and opening stock are written at the hub.

use document::{AddressError, Operation};

use super::data::{Shop, Week};
use super::documents::{
    inventory, inventory_address, price_list, price_list_address, product, product_address, units,
};
use super::error::DemoError;
use super::plan::PriceRound;
use super::till::Till;
use crate::local::Request;

/// Writes the catalog and all opening stock at the hub.
///
/// # Errors
/// [`DemoError`] of the first write that fails.
pub(super) async fn load(hub: &mut Till, week: &Week) -> Result<(), DemoError> {
    let products: Vec<Request> = week
        .products
        .iter()
        .map(|(id, values)| Ok(put(product_address(id)?, product(values, values.price))))
        .collect::<Result<_, AddressError>>()?;
    hub.write(products.into_iter()).await?;
    hub.write(std::iter::once(put(price_list_address()?, price_list(0)))).await?;
    for shop in &week.shops {
        hub.write(opening_stock(shop)?.into_iter()).await?;
    }
    Ok(())
}

fn opening_stock(shop: &Shop) -> Result<Vec<Request>, AddressError> {
    let stock = shop.opening_stock();
    stock.map(|(id, opening)| Ok(put(inventory_address(shop, id)?, inventory(id, units(opening))))).collect()
}

/// Writes a round of new prices at the hub, and only when they are durable the price list that names the round.
///
/// # Errors
/// [`DemoError`] of the first write that fails.
pub(super) async fn change_prices(hub: &mut Till, week: &Week, round: &PriceRound) -> Result<(), DemoError> {
    let mut changes = Vec::new();
    for (id, price) in &round.prices {
        if let Some(values) = week.products.get(id) {
            changes.push(put(product_address(id)?, product(values, *price)));
        }
    }
    hub.write(changes.into_iter()).await?;
    hub.write(std::iter::once(put(price_list_address()?, price_list(round.number)))).await
}

fn put(address: document::Address, value: serde_json::Value) -> Request {
    Request::write(address, vec![Operation::Put(value)])
}
