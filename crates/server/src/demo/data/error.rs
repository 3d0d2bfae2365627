use std::io;

use super::sales::{SHOPS_MAX, VALUE_CENTS_MAX};
use super::table::{FILE_BYTES_MAX, ID_BYTES_MAX, ROWS_MAX, TEXT_BYTES_MAX};

/// Why sales cannot be replayed. Nothing was started or written.
#[derive(Debug, thiserror::Error)]
pub(in crate::demo) enum DataError {
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: io::Error },
    #[error("{file} has more than {FILE_BYTES_MAX} bytes: replay a part of it")]
    FileTooLong { file: String },
    #[error("{file}, line 1: the columns are '{found}', they have to be '{expected}'")]
    Header { file: String, found: String, expected: String },
    #[error("{file}, line {line}: {source}")]
    Row { file: String, line: u64, source: csv::Error },
    #[error("{file}, line {line}, column {column}: {fault}")]
    Field { file: String, line: u64, column: &'static str, fault: FieldFault },
    #[error("{file}, line {line}: more than {ROWS_MAX} rows: replay a part of it")]
    TooManyRows { file: String, line: u64 },
    #[error("{file} has no rows")]
    NoRows { file: String },
    #[error("{file} has sales of {found} shops, {asked} were asked for: ask for fewer with --shops")]
    TooFewShops { file: String, found: usize, asked: usize },
    #[error("{asked} shops were asked for, {SHOPS_MAX} are allowed: each is a process of its own")]
    TooManyShops { asked: usize },
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::demo) enum FieldFault {
    #[error("'{found}' is no id: 1 to {ID_BYTES_MAX} letters, digits, '-', '_' and '.'")]
    Id { found: String },
    #[error("'{found}' is no store: 1 to {ID_BYTES_MAX} small letters, digits and '-', no '-' at the end")]
    Store { found: String },
    #[error("the text has {0} bytes, {TEXT_BYTES_MAX} are allowed")]
    TooLong(usize),
    #[error("'{found}' is no time: write it as 2017-07-17T05:30:04Z")]
    Time { found: String },
    #[error("earlier than the row before: rows have to be in order of time")]
    OutOfOrder,
    #[error("'{found}' is no quantity: a whole number from 1 to 1000000")]
    Quantity { found: String },
    #[error("'{found}' is no sales value: 0 to {max}, with at most two decimals", max = VALUE_CENTS_MAX / 100)]
    Value { found: String },
    #[error("product {product} was on an earlier line already")]
    DuplicateProduct { product: String },
}
