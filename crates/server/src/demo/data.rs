//! A week of sales: read once from CSV into what the replay needs.

mod cents;
mod error;
mod products;
mod sales;
mod table;

pub(super) use cents::Cents;
pub(super) use error::DataError;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use table::Source;

/// Units that a shop has on top of what it is going to sell, so that no shelf is empty at the end.
const STOCK_SPARE_UNITS: u64 = 10;

const SALES: Source<'static> = Source { name: "week-sales.csv", text: include_bytes!("data/week-sales.csv") };
const PRODUCTS: Source<'static> =
    Source { name: "week-products.csv", text: include_bytes!("data/week-products.csv") };

/// What is replayed: sales of some shops over some time, and the products in them.
#[derive(Clone, Debug)]
pub(super) struct Week {
    /// When the first sale was.
    pub(super) start: OffsetDateTime,
    /// From the first sale until the last.
    pub(super) span: Duration,
    /// The shops, the busiest first.
    pub(super) shops: Vec<Shop>,
    /// Every product that one of the shops sells, by its id.
    pub(super) products: BTreeMap<Arc<str>, Product>,
}

/// A product and what one unit of it costs at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) department: String,
    pub(super) brand: String,
    pub(super) category: String,
    pub(super) name: String,
    pub(super) size: String,
    pub(super) price: Cents,
}

/// A shop and all that it sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shop {
    /// As in the file: `367`.
    pub(super) id: String,
    /// In order of time.
    pub(super) baskets: Vec<Basket>,
    /// Units sold, by product.
    pub(super) sold: BTreeMap<Arc<str>, u64>,
}

/// One purchase: its lines are paid, and become durable, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basket {
    pub(super) id: String,
    /// Since the start of the week.
    pub(super) at: Duration,
    pub(super) lines: Vec<Line>,
}

/// So many of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: Arc<str>,
    pub(super) quantity: u32,
}

impl Product {
    /// One that nobody listed.
    fn unlisted(id: &str) -> Self {
        let [department, brand, category, size] = [const { String::new() }; 4];
        Self { department, brand, category, name: format!("product {id}"), size, price: Cents(0) }
    }
}

impl Week {
    /// The week that comes with the program.
    ///
    /// # Errors
    /// [`DataError::TooFewShops`] when it has fewer shops.
    pub(super) fn built_in(shops: Option<usize>) -> Result<Self, DataError> {
        Self::parse(SALES, PRODUCTS, shops)
    }

    /// Reads a week from two files of the shape of the built-in ones.
    ///
    /// # Errors
    /// [`DataError`] names the file, and the line and column where there is one.
    pub(super) fn read(sales: &Path, products: &Path, shops: Option<usize>) -> Result<Self, DataError> {
        let (sales, products) = (table::read(sales)?, table::read(products)?);
        Self::parse(sales.source(), products.source(), shops)
    }

    fn parse(sales: Source<'_>, products: Source<'_>, shops: Option<usize>) -> Result<Self, DataError> {
        let known = products::parse(products)?;
        sales::parse(sales, known, shops)
    }

    /// Units that all shops sell.
    pub(super) fn units(&self) -> u64 {
        self.shops.iter().map(Shop::units).sum()
    }
}

impl Shop {
    /// The name of its replica and of its space.
    pub(super) fn site(&self) -> String {
        format!("store-{}", self.id)
    }

    /// Units that it sells in all.
    pub(super) fn units(&self) -> u64 {
        self.sold.values().sum()
    }

    /// What it has of each product before its first sale.
    pub(super) fn opening_stock(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.sold.iter().map(|(product, units)| (product, units + STOCK_SPARE_UNITS))
    }
}

impl Basket {
    /// Units in it.
    pub(super) fn units(&self) -> u64 {
        self.lines.iter().map(|line| u64::from(line.quantity)).sum()
    }
}

#[cfg(test)]
mod tests;
