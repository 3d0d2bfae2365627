use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{DataError, FieldFault};
use super::table::{ID_BYTES_MAX, Row, Source, each_row, shortened};
use super::{Basket, Cents, Line, Product, Shop, Week};

/// Most shops of a replay: each is a process.
pub(super) const SHOPS_MAX: usize = 32;
/// Shops of a replay when nothing is said.
const SHOPS_DEFAULT: usize = 8;
/// Most units on one line; with the most rows, sums stay far below 64 bits.
const QUANTITY_MAX: u32 = 1_000_000;
/// Highest value of one line.
pub(super) const VALUE_CENTS_MAX: u64 = 100_000_000;

const COLUMNS: [&str; 6] = ["time", "store", "basket", "product", "quantity", "sales_value"];
const TIME: usize = 0;
const STORE: usize = 1;
const BASKET: usize = 2;
const PRODUCT: usize = 3;
const QUANTITY: usize = 4;
const VALUE: usize = 5;

/// A row, read.
struct Sale {
    time: OffsetDateTime,
    store: String,
    basket: String,
    line: Line,
    value: Cents,
}

/// Reads sales, keeps the busiest `shops` shops and the products that they sell, and gives those their prices.
pub(super) fn parse(
    source: Source<'_>,
    mut known: BTreeMap<Arc<str>, Product>,
    shops: Option<usize>,
) -> Result<Week, DataError> {
    let mut sales: Vec<Sale> = Vec::new();
    each_row(source, &COLUMNS, |row| {
        let sale = sale(row, &mut known)?;
        if sales.last().is_some_and(|last| sale.time < last.time) {
            return Err(row.fault(TIME, FieldFault::OutOfOrder));
        }
        sales.push(sale);
        Ok(())
    })?;
    let busiest = busiest(&sales, source, shops)?;
    sales.retain(|sale| busiest.contains(&sale.store));
    Ok(week(sales, known, busiest))
}

/// A product that is sold and not listed is known by its number: a till sells it.
fn sale(row: &Row<'_>, known: &mut BTreeMap<Arc<str>, Product>) -> Result<Sale, DataError> {
    let field = |column| shortened(row.field(column));
    let time = OffsetDateTime::parse(row.field(TIME), &Rfc3339)
        .map_err(|_| row.fault(TIME, FieldFault::Time { found: field(TIME) }))?;
    let store = row.field(STORE);
    if !is_store(store) {
        return Err(row.fault(STORE, FieldFault::Store { found: field(STORE) }));
    }
    let basket = row.id(BASKET)?.to_owned();
    let id = row.id(PRODUCT)?;
    let product = match known.get_key_value(id) {
        Some((product, _)) => Arc::clone(product),
        None => {
            let product: Arc<str> = id.into();
            known.insert(Arc::clone(&product), Product::unlisted(id));
            product
        }
    };
    let quantity = row.field(QUANTITY).parse().ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
    let quantity =
        quantity.ok_or_else(|| row.fault(QUANTITY, FieldFault::Quantity { found: field(QUANTITY) }))?;
    let value = Cents::parse(row.field(VALUE)).filter(|value| value.0 <= VALUE_CENTS_MAX);
    let value = value.ok_or_else(|| row.fault(VALUE, FieldFault::Value { found: field(VALUE) }))?;
    let line = Line { product, quantity };
    Ok(Sale { time, store: store.to_owned(), basket, line, value })
}

/// Whether `store-…` names a replica and a space.
fn is_store(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) && !text.ends_with('-')
}

/// The shops with the most units sold, those first.
fn busiest(sales: &[Sale], source: Source<'_>, asked: Option<usize>) -> Result<Vec<String>, DataError> {
    let mut units: BTreeMap<&str, u64> = BTreeMap::new();
    for sale in sales {
        *units.entry(&sale.store).or_default() += u64::from(sale.line.quantity);
    }
    let found = units.len();
    match asked {
        Some(asked) if asked > SHOPS_MAX => return Err(DataError::TooManyShops { asked }),
        Some(asked) if asked > found => {
            return Err(DataError::TooFewShops { file: source.name.to_owned(), found, asked });
        }
        _ => {}
    }
    let mut shops: Vec<_> = units.into_iter().collect();
    shops.sort_by_key(|(store, units)| (std::cmp::Reverse(*units), *store));
    shops.truncate(asked.unwrap_or(SHOPS_DEFAULT));
    Ok(shops.into_iter().map(|(store, _)| store.to_owned()).collect())
}

/// Sorts the sales into shops and baskets. A basket is at the time of its first row.
fn week(sales: Vec<Sale>, mut known: BTreeMap<Arc<str>, Product>, busiest: Vec<String>) -> Week {
    let start = sales.first().map_or(OffsetDateTime::UNIX_EPOCH, |sale| sale.time);
    let since_start = |time: OffsetDateTime| Duration::try_from(time - start).unwrap_or(Duration::ZERO);
    let span = sales.last().map_or(Duration::ZERO, |sale| since_start(sale.time));
    let mut products: BTreeMap<Arc<str>, Product> = BTreeMap::new();
    let mut shops: BTreeMap<String, Tills> = BTreeMap::new();
    for sale in sales {
        if let Some((id, mut product)) = known.remove_entry(&sale.line.product) {
            product.price = sale.value.per_unit(sale.line.quantity);
            products.insert(id, product);
        }
        let at = since_start(sale.time);
        shops.entry(sale.store).or_default().ring_up(sale.basket, at, sale.line);
    }
    let shop = |id: String| {
        let tills = shops.remove(&id).unwrap_or_default();
        Shop { id, baskets: tills.baskets, sold: tills.sold }
    };
    Week { start, span, shops: busiest.into_iter().map(shop).collect(), products }
}

/// A shop's purchases so far.
#[derive(Default)]
struct Tills {
    baskets: Vec<Basket>,
    /// Where each basket is.
    places: BTreeMap<String, usize>,
    sold: BTreeMap<Arc<str>, u64>,
}

impl Tills {
    fn ring_up(&mut self, basket: String, at: Duration, line: Line) {
        *self.sold.entry(Arc::clone(&line.product)).or_default() += u64::from(line.quantity);
        match self.places.entry(basket) {
            Entry::Vacant(place) => {
                let basket = Basket { id: place.key().clone(), at, lines: vec![line] };
                place.insert(self.baskets.len());
                self.baskets.push(basket);
            }
            Entry::Occupied(place) => {
                if let Some(basket) = self.baskets.get_mut(*place.get()) {
                    basket.lines.push(line);
                }
            }
        }
    }
}
