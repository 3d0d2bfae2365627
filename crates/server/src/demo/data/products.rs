use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{DataError, FieldFault};
use super::table::{Source, each_row};
use super::{Cents, Product};

const COLUMNS: [&str; 6] = ["product", "department", "brand", "category", "type", "size"];

/// Reads products by id; their price comes with their first sale.
pub(super) fn parse(source: Source<'_>) -> Result<BTreeMap<Arc<str>, Product>, DataError> {
    let mut products = BTreeMap::new();
    each_row(source, &COLUMNS, |row| {
        let id: Arc<str> = row.id(0)?.into();
        let product = Product {
            department: row.text(1)?,
            brand: row.text(2)?,
            category: row.text(3)?,
            name: row.text(4)?,
            size: row.text(5)?,
            price: Cents(0),
        };
        match products.insert(Arc::clone(&id), product) {
            None => Ok(()),
            Some(_) => Err(row.fault(0, FieldFault::DuplicateProduct { product: id.to_string() })),
        }
    })?;
    Ok(products)
}
