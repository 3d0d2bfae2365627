//! `isle export` and `isle import`: a collection as CSV or JSON lines, read and written as a stream.

mod cells;
mod error;
mod export;
mod import;
mod rows;

pub use error::{CellFault, RowError, TransferError};
pub(super) use export::run as export;
pub(super) use import::run as import;

use crate::arguments::{Format, Place};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Longest row or line, in bytes: as a transaction's changes.
const ROW_BYTES_MAX: usize = replica::TRANSACTION_BYTES_MAX;

/// Most columns of a CSV file.
const COLUMNS_MAX: usize = 4_096;

/// The column of keys where no other is named.
const KEY: &str = "key";

/// The format that a file's name says.
fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

/// Shown only on a terminal, on standard error. With a length it is a bar of bytes.
fn progress(place: &Place, bytes: Option<u64>) -> ProgressBar {
    let template = match bytes {
        Some(_) => "{spinner} {prefix} {bar:30} {bytes}/{total_bytes} {msg} {eta}",
        None => "{spinner} {prefix} {msg} {elapsed}",
    };
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(format!("{}/{}", place.space, place.collection));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A schema's JSON; where there is none, nothing is known of any field.
fn schema_json(schema: Option<&document::Schema>) -> Value {
    schema.and_then(|schema| serde_json::from_str(schema.text()).ok()).unwrap_or_default()
}
