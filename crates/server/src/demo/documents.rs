//! The demo's documents: where they are and what stands in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use document::{Address, AddressError, Collection, Key, Space};
use serde_json::{Value, json};

use super::data::{Cents, Product, Shop, Week};
use super::plan::Plan;

/// The space of products and prices: the hub writes it, every shop reads it.
pub(super) const CATALOG: &str = "catalog";
const PRODUCT: &str = "product";
const INVENTORY: &str = "inventory";
const PRICE_LIST: &str = "price-list";
const CURRENT: &str = "current";
/// The counter that a sale takes from.
pub(super) const ON_HAND: &str = "on_hand";

/// `catalog/product/…`.
pub(super) fn product_address(id: &str) -> Result<Address, AddressError> {
    address(CATALOG, PRODUCT, id)
}

/// `catalog/price-list/current`, which names the last round of price changes. It is written after the prices of
/// its round, and a space is causally closed: a shop that has it has all of them.
pub(super) fn price_list_address() -> Result<Address, AddressError> {
    address(CATALOG, PRICE_LIST, CURRENT)
}

/// `store-…/inventory/…`.
pub(super) fn inventory_address(shop: &Shop, product: &str) -> Result<Address, AddressError> {
    address(&shop.site(), INVENTORY, product)
}

fn address(space: &str, collection: &str, key: &str) -> Result<Address, AddressError> {
    Ok(Address { space: Space::new(space)?, collection: Collection::new(collection)?, key: Key::new(key)? })
}

/// A product of the catalog.
pub(super) fn product(product: &Product, price: Cents) -> Value {
    json!({
        "name": product.name,
        "department": product.department,
        "brand": product.brand,
        "category": product.category,
        "size": product.size,
        "price": price.to_json(),
    })
}

/// What a shop has of a product.
pub(super) fn inventory(product: &str, on_hand: i64) -> Value {
    json!({ "product": product, ON_HAND: on_hand })
}

/// The last round of price changes.
pub(super) fn price_list(round: u64) -> Value {
    json!({ "round": round })
}

/// The documents of one collection, by key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) space: Space,
    pub(super) collection: Collection,
    pub(super) documents: BTreeMap<String, Value>,
}

impl Contents {
    /// Names the collection only.
    pub(super) fn without_documents(&self) -> Self {
        Self { space: self.space.clone(), collection: self.collection.clone(), documents: BTreeMap::new() }
    }
}

/// What the catalog holds at the end: products with the prices of the plan's last rounds, and the last round.
pub(super) fn final_catalog(week: &Week, plan: &Plan) -> Result<[Contents; 2], AddressError> {
    let mut prices: BTreeMap<&Arc<str>, Cents> = BTreeMap::new();
    for round in &plan.price_rounds {
        prices.extend(round.prices.iter().map(|(id, price)| (id, *price)));
    }
    let products = week.products.iter().map(|(id, values)| {
        let price = prices.get(id).copied().unwrap_or(values.price);
        (id.to_string(), product(values, price))
    });
    let round = plan.price_rounds.last().map_or(0, |round| round.number);
    let list = [(CURRENT.to_owned(), price_list(round))].into();
    Ok([contents(CATALOG, PRODUCT, products.collect())?, contents(CATALOG, PRICE_LIST, list)?])
}

/// What a shop's inventory holds at the end: opening stock less sales.
pub(super) fn final_inventory(shop: &Shop) -> Result<Contents, AddressError> {
    let documents = shop.opening_stock().map(|(id, opening)| {
        let sold = shop.sold.get(id).copied().unwrap_or_default();
        (id.to_string(), inventory(id, units(opening) - units(sold)))
    });
    contents(&shop.site(), INVENTORY, documents.collect())
}

/// Units as a counter has them. Sums of a file stay far below 63 bits.
pub(super) fn units(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

fn contents(
    space: &str,
    collection: &str,
    documents: BTreeMap<String, Value>,
) -> Result<Contents, AddressError> {
    Ok(Contents { space: Space::new(space)?, collection: Collection::new(collection)?, documents })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_of_the_built_in_week_has_an_address() {
        let week = Week::built_in(None).unwrap();
        for id in week.products.keys() {
            assert_eq!(product_address(id).unwrap().to_string(), format!("catalog/product/{id}"));
        }
        for shop in &week.shops {
            let address = inventory_address(shop, "1029743").unwrap().to_string();
            assert_eq!(address, format!("store-{}/inventory/1029743", shop.id));
        }
        assert_eq!(price_list_address().unwrap().to_string(), "catalog/price-list/current");
    }

    #[test]
    fn the_last_price_of_the_plan_is_the_one_expected() {
        let week = Week::built_in(None).unwrap();
        let mut plan = Plan::draw(&week, 1);
        let id = plan.price_rounds[2].prices[0].0.clone();
        plan.price_rounds[6].prices.push((id.clone(), Cents(12_345)));
        plan.price_rounds[7].prices.retain(|(other, _)| *other != id);
        let [products, list] = final_catalog(&week, &plan).unwrap();
        assert_eq!(products.documents.len(), 2_748);
        assert_eq!(products.documents[&*id]["price"], json!(123.45));
        assert_eq!(list.documents["current"], json!({ "round": 8 }));
    }

    #[test]
    fn ten_of_each_product_are_left() {
        let week = Week::built_in(None).unwrap();
        for shop in &week.shops {
            let left = final_inventory(shop).unwrap();
            assert_eq!(left.documents.len(), shop.sold.len());
            assert!(left.documents.values().all(|value| value[ON_HAND] == 10));
        }
    }
}
