//! The command line.

use crate::demo;
use clap::{Args, Parser, Subcommand};
use document::{Address, Collection, Key, Space};
use std::path::PathBuf;

/// Offline-first replicated data for edge sites.
#[derive(Clone, Debug, Parser)]
#[command(name = "isle", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
A first replica, alone:
  isle identity authority fleet
  isle identity issue store-367 --authority fleet --data site
  printf 'name = \"store-367\"\\n[spaces]\\nstore-367 = \"write\"\\n' > site/isle.toml
  isle serve --data site &
  isle doc put --data site store-367/inventory/1029743 '{\"on_hand\": 12}'
  isle doc increment --data site store-367/inventory/1029743 /on_hand -3
  isle doc get --data site store-367/inventory/1029743

Exit codes:
  0  done
  1  refused or failed; nothing was written
  2  the command line is wrong
  3  the outcome is unknown: a write may be there or not; send it again with the same --idempotency-key
  4  no server is running in the data directory";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the replica of a data directory until SIGTERM or SIGINT.
    #[command(after_help = "\
Example:
  isle serve --data /var/lib/isle

The directory holds isle.toml (what the replica carries and shares) and identity/ (made by `isle identity issue`).
One line on standard output says when it is ready. Logs go to standard error; ISLE_LOG=debug shows more.")]
    Serve(Data),
    /// Show how a running replica and its peers are.
    #[command(after_help = "\
Example:
  isle status --data /var/lib/isle
  isle status --data /var/lib/isle --json

BACKLOG is the changes that a peer has not confirmed, LAG the age of the oldest of them.")]
    Status(StatusArguments),
    /// Read and write documents of a running replica.
    #[command(subcommand)]
    Doc(DocumentCommand),
    /// Make a fleet's authority, and identities of replicas.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Show it all on real sales: a hub and eight shops, cut links, killed processes, and a check of every document.
    Demo(demo::Arguments),
}

/// Which replica.
#[derive(Clone, Debug, Args)]
pub(crate) struct Data {
    /// The replica's data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DocumentCommand {
    /// Print a document.
    #[command(after_help = "Example:\n  isle doc get --data site store-367/inventory/1029743")]
    Get(Document),
    /// Make a document this JSON object.
    #[command(after_help = "\
Example:
  isle doc put --data site store-367/inventory/1029743 '{\"on_hand\": 12, \"shelf\": \"A3\"}'
  isle doc put --data site store-367/inventory/1029743 - < item.json

Fields that are equal already are not written. A counter gets the difference from its present value.")]
    Put(PutArguments),
    /// Add to a counter of a document.
    #[command(after_help = "\
Example:
  isle doc increment --data site store-367/inventory/1029743 /on_hand -3

Increments of all sites add up, also of those that are cut off. The field is a JSON Pointer.")]
    Increment(IncrementArguments),
    /// Print the documents of a collection, one JSON line each, in the order of their keys.
    #[command(after_help = "\
Example:
  isle doc list --data site store-367/inventory
  isle doc list --data site store-367/inventory --after 1029743 --limit 100")]
    List(ListArguments),
}

/// Which document of which replica.
#[derive(Clone, Debug, Args)]
pub(crate) struct Document {
    #[command(flatten)]
    pub(crate) data: Data,
    /// space/collection/key; in the key, '%' is written %25 and '/' is written %2F.
    pub(crate) address: Address,
}

/// How a write can be repeated.
#[derive(Clone, Debug, Args)]
pub(crate) struct Repeatable {
    /// A name for this write, 1 to 64 bytes: sent again under the same name it counts once.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PutArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    /// The object, or '-' to read it from standard input.
    pub(crate) json: String,
    #[command(flatten)]
    pub(crate) repeatable: Repeatable,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct IncrementArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    /// The counter, as a JSON Pointer.
    pub(crate) field: String,
    /// What to add.
    #[arg(allow_negative_numbers = true)]
    pub(crate) by: i64,
    #[command(flatten)]
    pub(crate) repeatable: Repeatable,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// space/collection.
    #[arg(value_parser = parse_place, value_name = "SPACE/COLLECTION")]
    pub(crate) place: Place,
    /// Only keys after this one.
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<Key>,
    /// At most so many; without it, all.
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
}

/// A collection in a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) space: Space,
    pub(crate) collection: Collection,
}

fn parse_place(text: &str) -> Result<Place, PlaceError> {
    let (space, collection) = text.split_once('/').ok_or(PlaceError::Shape)?;
    Ok(Place { space: space.parse()?, collection: collection.parse()? })
}

/// Why a text names no collection.
#[derive(Debug, thiserror::Error)]
enum PlaceError {
    /// No slash.
    #[error("write space/collection, as in store-367/inventory")]
    Shape,
    /// One of the two is no name.
    #[error(transparent)]
    Part(#[from] document::AddressError),
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Make a fleet's authority: whoever has its key decides which replicas belong to the fleet.
    #[command(after_help = "\
Example:
  isle identity authority fleet

Keep the directory off line: no running replica needs it.")]
    Authority {
        /// Where its key and certificate go; made if it is not there.
        directory: PathBuf,
        /// The authority's name.
        #[arg(long, default_value = "fleet")]
        name: String,
    },
    /// Issue a replica its key and certificate, valid for a year.
    #[command(after_help = "\
Example:
  isle identity issue store-367 --authority fleet --data site

Writes site/identity/{key,certificate,authority}.pem and overwrites nothing.")]
    Issue {
        /// The replica's name: small letters, digits and '-'.
        name: String,
        /// The authority's directory.
        #[arg(long, value_name = "DIR")]
        authority: PathBuf,
        #[command(flatten)]
        data: Data,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_decrement_needs_no_escape_and_may_have_one() {
        let words = ["isle", "doc", "increment", "--data", "d", "s/c/k", "/on_hand"];
        for tail in [&["-3"][..], &["--", "-3"]] {
            let parsed = Arguments::try_parse_from(words.iter().chain(tail)).unwrap();
            let Command::Doc(DocumentCommand::Increment(increment)) = parsed.command else {
                panic!("{tail:?}")
            };
            assert_eq!((increment.by, increment.field.as_str()), (-3, "/on_hand"));
        }
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_rule() {
        let refused =
            Arguments::try_parse_from(["isle", "doc", "get", "--data", "d", "store-367"]).unwrap_err();
        assert!(refused.to_string().contains("space/collection/key"), "{refused}");
        let refused = Arguments::try_parse_from(["isle", "doc", "list", "--data", "d", "s/C"]).unwrap_err();
        assert!(refused.to_string().contains("small letters"), "{refused}");
    }
}
