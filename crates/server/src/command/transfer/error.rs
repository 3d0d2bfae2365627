//! What is wrong with a file, and where.

use crate::local::Refusal;
use document::{AddressError, Violation};
use std::io;
use std::path::PathBuf;

/// Why documents were not exported or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The file system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Nothing says what the file is.
    #[error("nothing says what {} is: give --format csv or --format jsonl", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// There is no column of keys.
    #[error("the header has no column '{name}': name the one that has the documents' keys with --key")]
    NoKeyColumn {
        /// The one that was looked for.
        name: String,
    },
    /// A column that is none.
    #[error("the header has in column {column} no field: {source}")]
    Column {
        /// From 1.
        column: usize,
        /// What is wrong with it.
        source: document::PointerError,
    },
    /// Two columns are one field.
    #[error("the header has '{name}' twice")]
    ColumnTwice {
        /// Its name.
        name: String,
    },
    /// More columns than are taken.
    #[error("there are more than {} columns: use --format jsonl", super::COLUMNS_MAX)]
    TooManyColumns,
    /// A field came up after the header was written.
    #[error("documents were given new fields while they were exported: run it again, or use --format jsonl")]
    Changed,
    /// A line was refused, and nothing was written.
    #[error("{row}")]
    Refused {
        /// What is wrong with it.
        #[source]
        row: RowError,
    },
    /// A line was refused after others had been written.
    #[error("{row}; {imported} documents before it are imported")]
    Stopped {
        /// What is wrong with it.
        #[source]
        row: RowError,
        /// How many.
        imported: u64,
    },
    /// Lines were skipped.
    #[error("{skipped} lines were skipped; {imported} documents are imported")]
    Skipped {
        /// How many.
        skipped: u64,
        /// How many.
        imported: u64,
    },
    /// A check found faults.
    #[error("{faults} lines would be refused; nothing was written")]
    Faults {
        /// How many.
        faults: u64,
    },
    /// The replica stopped answering, or refused everything.
    #[error("{imported} documents are imported, and then: {source}")]
    Broken {
        /// How many.
        imported: u64,
        /// Why.
        source: crate::local::CallError,
    },
}

impl TransferError {
    /// Whether something was written, and something was not.
    pub(crate) fn is_part(&self) -> bool {
        let is_some =
            matches!(self, Self::Skipped { imported, .. } | Self::Broken { imported, .. } if *imported > 0);
        is_some || matches!(self, Self::Stopped { .. })
    }

    pub(crate) fn hint(&self) -> Option<&'static str> {
        if matches!(self, Self::Refused { .. }) {
            return Some("mend the line and import again; --continue skips such lines");
        }
        if matches!(self, Self::Stopped { .. }) {
            return Some(
                "mend the line, and import it and those after it as a file of their own: lines beside a mended one that are \
                 imported again set counters back to the file's numbers",
            );
        }
        if matches!(self, Self::Skipped { .. }) {
            return Some(
                "mend the lines, and import them as a file of their own: lines beside a mended one that are imported again \
                 set counters back to the file's numbers",
            );
        }
        let is_broken = matches!(self, Self::Broken { .. });
        is_broken.then_some("run the same import again: what is imported counts once")
    }
}

/// Why a line of a file is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A cell.
    #[error("line {line}, column {column} ({name}): '{cell}' {fault}")]
    Cell {
        /// From 1.
        line: u64,
        /// From 1.
        column: usize,
        /// The column's.
        name: String,
        /// What is in it, shortened.
        cell: String,
        /// What is wrong with it.
        fault: CellFault,
    },
    /// Two of its cells are one field, or one is inside of the other.
    #[error(
        "line {line}, column {column} ({name}): another cell is the same field, or stands above it or inside of it"
    )]
    Clash {
        /// From 1.
        line: u64,
        /// From 1.
        column: usize,
        /// The column's name.
        name: String,
    },
    /// It has no key.
    #[error("line {line}: it has no '{name}', which is to be its key: a text or a whole number")]
    NoKey {
        /// From 1.
        line: u64,
        /// Where the key would be.
        name: String,
    },
    /// The key cannot be one.
    #[error("line {line}: {source}")]
    Key {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        source: AddressError,
    },
    /// It is no JSON.
    #[error("line {line}, column {column}: it is not JSON: {fault}")]
    Json {
        /// From 1.
        line: u64,
        /// From 1.
        column: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// It is JSON of another form.
    #[error(
        "line {line}: it is no {{\"key\": …, \"value\": {{…}}}}; with --key lines are the documents themselves"
    )]
    Form {
        /// From 1.
        line: u64,
    },
    /// Another number of cells than the header.
    #[error("line {line}: it has {found} cells, the header has {expected}")]
    Cells {
        /// From 1.
        line: u64,
        /// How many.
        found: u64,
        /// How many.
        expected: u64,
    },
    /// It is no UTF-8.
    #[error("line {line}: it is not UTF-8")]
    Utf8 {
        /// From 1.
        line: u64,
    },
    /// It is too long; what follows is not read.
    #[error(
        "line {line}: it has more than {} bytes, or a quotation mark is never closed",
        super::ROW_BYTES_MAX
    )]
    TooLong {
        /// From 1.
        line: u64,
    },
    /// It breaks the schema.
    #[error("line {line}: {violation}")]
    Schema {
        /// From 1.
        line: u64,
        /// The first rule.
        violation: Violation,
    },
    /// The replica refused it.
    #[error("line {line}: {refusal}")]
    Refused {
        /// From 1.
        line: u64,
        /// Why.
        refusal: Refusal,
    },
}

impl RowError {
    /// Whether what follows can be read.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::TooLong { .. })
    }
}

/// What is wrong with a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CellFault {
    /// The schema says integer.
    #[error("is no whole number")]
    Whole,
    /// The schema says number.
    #[error("is no number")]
    Number,
    /// The schema says boolean.
    #[error("is neither true nor false")]
    Truth,
    /// The schema says array.
    #[error("is no JSON array")]
    Array,
    /// The schema says object.
    #[error("is no JSON object")]
    Object,
}
