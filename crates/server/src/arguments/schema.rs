//! `isle schema`.

use super::Data;
use clap::{Args, Subcommand};
use document::Collection;
use std::path::PathBuf;

pub(super) const AFTER_HELP: &str = "\
A collection's schema is a JSON Schema (2020-12) with x-crdt on each field that says how it merges. There are those of the
program; over them those of the data directory, schemas/COLLECTION.json, read when the server starts; over both those of the
space `system`, which `isle schema add` writes at the hub and every replica takes as soon as it hears of them.

A version replaces the one before it where every document stays valid: fields are added, rules are loosened. A version never
changes and is never taken back.";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// List the schemas in force.
    #[command(after_help = "\
Example:
  isle schema list --data site
  isle schema list --data site --json

FROM: program; data directory; system (the hub gave it to all).")]
    List(SchemaListArguments),
    /// Check a schema, and whether it may follow the present version. Nothing is changed.
    #[command(after_help = "\
Example:
  isle schema check inventory.json                 # against the program's own
  isle schema check inventory.json --data site     # against what is in force there

Prints what differs from the present version: + added, - removed, ~ changed, each by JSON Pointer. A fault, or a rule that might
break documents, is told with its JSON Pointer, and the exit code is 1.")]
    Check(SchemaCheckArguments),
    /// Give every replica a schema, or the next version of one. At the hub.
    #[command(after_help = "\
Example:
  isle schema add inventory.json --data hub

Sites that are cut off take it when they meet the hub. It cannot be taken back.")]
    Add(SchemaAddArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SchemaListArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A schema in a file.
#[derive(Clone, Debug, Args)]
pub(crate) struct SchemaFile {
    /// The file; it is named after its collection, as in inventory.json.
    pub(crate) file: PathBuf,
    /// The collection, where the file has another name.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<Collection>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SchemaCheckArguments {
    #[command(flatten)]
    pub(crate) schema: SchemaFile,
    /// Compare with what is in force in this data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SchemaAddArguments {
    #[command(flatten)]
    pub(crate) schema: SchemaFile,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}
