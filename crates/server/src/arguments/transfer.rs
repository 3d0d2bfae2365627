//! `isle export` and `isle import`.

use super::Data;
use super::documents::{Place, parse_place};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How documents stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A header and a row for each document.
    Csv,
    /// A line {"key": …, "value": …} for each document, as `isle doc list` prints them.
    Jsonl,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  isle export catalog/product --data hub --output products.csv
  isle export store-367/inventory --data site | gzip > inventory.jsonl.gz

Documents are read a page at a time, each as it is then: where a server runs and others write, that is not one moment of them all.
A --output file is there as a whole or not at all, in place of one of that name.

CSV: the column `key`, then a column for each field below which nothing is, named by its path: price, attributes/color. An empty cell is
a field that is not there. Texts stand as they are where the schema says that the field is a text; everything else, and a text
that is empty or begins with a quotation mark, is JSON. `isle import` reads it back as it was.")]
pub(crate) struct ExportArguments {
    /// space/collection.
    #[arg(value_parser = parse_place, value_name = "SPACE/COLLECTION")]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) data: Data,
    /// By default as the file's name says, or else jsonl.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// The file; without it, standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print what was exported as JSON, for programs. Needs --output.
    #[arg(long, requires = "output")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  isle import catalog/product products.csv --data hub --dry-run
  isle import catalog/product products.csv --data hub
  isle import store-367/inventory counted.csv --data site --key product --merge --author stock-take

Each row or line is put as a document, in place of one that is there: fields that it does not have are removed. With --merge they
stay. A counter is counted to the number in the file, as a put does: increments that are made elsewhere at the same time count on
top. To leave counters alone, leave out their columns and use --merge.

A file is checked whole before anything is written, unless lines may be skipped (--continue); a pipe is not. Up to 100
documents are written at once, all or none of them. An import that was cut off is run again: what was written counts once, so that
no counter is set back to the file's number a second time. That holds for the same file under the same --as, for a day at least.
To import the same file anew, as another count, give another --as. Lines that were skipped, or refused after others were written, are
mended and imported as a file of their own: in the whole file the up to 100 lines around each would be put again.

CSV needs a header; `isle export --help` says how fields stand in cells. JSON lines are {\"key\": …, \"value\": …}, or with --key
the documents themselves. A row or line may have 512 KiB.

Exit codes: 1, nothing was written; 6, documents are written and lines were refused or not reached: mend them and run it again.")]
pub(crate) struct ImportArguments {
    /// space/collection.
    #[arg(value_parser = parse_place, value_name = "SPACE/COLLECTION")]
    pub(crate) place: Place,
    /// The file; - reads standard input.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    /// By default as the file's name says.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// The column, or field, that has the documents' keys, and stays a field of them. Without it: the column `key`.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,
    /// Keep fields of present documents that a row does not have.
    #[arg(long)]
    pub(crate) merge: bool,
    /// Check every line, also against the schema, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Skip lines that are refused, and say which.
    #[arg(long = "continue")]
    pub(crate) continues: bool,
    /// A name for this import, of 64 bytes at most.
    #[arg(long = "as", value_name = "NAME", default_value = "")]
    pub(crate) name: String,
    /// Who writes: a service or a user; kept with each change.
    #[arg(long, value_name = "WHO")]
    pub(crate) author: Option<String>,
    /// Print what came of it as JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}
