//! Stored values one after the other, also past those that cannot be read.

use crate::keys::{self, SpaceNumber};
use crate::store::{Keyspace, ReadRows, Row, StoreError, undamaged};
use document::{Collection, Key};
use std::ops::Range;

const DAMAGED_KEY: StoreError =
    StoreError::Damaged { what: "a value whose key cannot be read", keyspace: Keyspace::Documents };

/// Whose a stored value is, and its row; `None` where the disk does not give it.
pub(crate) type Stored = (Key, Option<Vec<u8>>);

type Rows<'a> = Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a>;

/// The values of a collection with keys in a range, as bytes of a key. Where a part of them cannot be scanned, the rest is
/// read one by one, by the rows of the documents: so a damaged block costs the values in it and no other.
pub(crate) fn scan<'a>(
    rows: &'a impl ReadRows,
    (space, collection): (SpaceNumber, &'a Collection),
    mut left: Range<Vec<u8>>,
    descending: bool,
) -> impl Iterator<Item = Result<Stored, StoreError>> + 'a {
    let (_, range) = keys::values(space, collection, &left.start, &left.end);
    let mut scanned = scan_rows(rows, range, descending);
    let mut by_document: Option<Rows<'a>> = None;
    std::iter::from_fn(move || {
        if by_document.is_none() {
            match scanned.next()? {
                Ok((place, row)) => return Some(stored(&place, row, &mut left, descending)),
                Err(StoreError::Damaged { .. }) => {
                    let (_, range) = keys::documents_between(space, collection, &left.start, &left.end);
                    by_document = Some(scan_rows(rows, range, descending));
                }
                Err(error) => return Some(Err(error)),
            }
        }
        by_document.as_mut()?.find_map(|document| one(rows, space, document).transpose())
    })
}

/// A row that was scanned; `left` is from here on what comes after it.
fn stored(
    place: &[u8],
    row: Vec<u8>,
    left: &mut Range<Vec<u8>>,
    descending: bool,
) -> Result<Stored, StoreError> {
    let (_, key) = keys::read_value(place).ok_or(DAMAGED_KEY)?;
    if descending {
        left.end = key.as_str().into();
    } else {
        left.start = [key.as_str().as_bytes(), &[0]].concat();
    }
    Ok((key, Some(row)))
}

/// The value of the document with this row; `None` when it has none.
fn one(
    rows: &impl ReadRows,
    space: SpaceNumber,
    document: Result<Row, StoreError>,
) -> Result<Option<Stored>, StoreError> {
    let (place, _) = document?;
    let (collection, key) = keys::read_document(&place).ok_or(DAMAGED_KEY)?;
    let (keyspace, place) = keys::value(space, &collection, &key);
    Ok(match undamaged(rows.get(keyspace, &place))? {
        Some(None) => None,
        Some(Some(row)) => Some((key, Some(row))),
        None => Some((key, None)),
    })
}

/// Rows of a range in either direction. A range that ends before it starts has none.
pub(crate) fn scan_rows<'a>(rows: &'a impl ReadRows, range: Range<Vec<u8>>, descending: bool) -> Rows<'a> {
    match (range.start < range.end, descending) {
        (false, _) => Box::new(std::iter::empty()),
        (true, false) => Box::new(rows.scan(Keyspace::Documents, range)),
        (true, true) => Box::new(rows.scan_back(Keyspace::Documents, range)),
    }
}
