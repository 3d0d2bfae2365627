//! `isle doc` and `isle query`.

use super::{Data, JsonLines, WaitFor};
use crate::duration::parse_duration;
use crate::local::Condition;
use clap::{Args, Subcommand};
use document::{Address, AddressError, Collection, Key, Space};
use std::time::Duration;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DocumentCommand {
    /// Print a document, as it is or as it was.
    #[command(after_help = "\
Example:
  isle doc get --data site store-367/inventory/1029743
  isle doc get --data site store-367/inventory/1029743 --at 2026-11-24T08:00:00Z
  isle doc get --data site store-367/inventory/1029743 --heads 5f0c…,91ab…

--at goes by the clocks of the writers, which may be wrong; `isle doc history` lists changes and their heads.")]
    Get(GetArguments),
    /// Make a document this JSON object.
    #[command(after_help = "\
Example:
  isle doc put --data site store-367/inventory/1029743 '{\"on_hand\": 12, \"shelf\": \"A3\"}'
  isle doc put --data site store-367/inventory/1029743 - < item.json
  isle doc put --data site store-367/inventory/1029743 '{\"on_hand\": 12}' --if-absent

Fields that are equal already are not written. A counter gets the difference from its present value.")]
    Put(PutArguments),
    /// Change parts of a document: a JSON Merge Patch (an object) or a JSON Patch (an array).
    #[command(after_help = "\
Example:
  isle doc patch --data site store-367/inventory/1029743 '{\"shelf\": \"B1\", \"price_override\": null}'
  isle doc patch --data site store-367/inventory/1029743 \\
    '[{\"op\": \"test\", \"path\": \"/shelf\", \"value\": \"B1\"}, {\"op\": \"replace\", \"path\": \"/shelf\", \"value\": \"C2\"}]'

RFC 7396 and RFC 6902. Where a \"test\" fails nothing is written.")]
    Patch(PutArguments),
    /// Delete a document.
    #[command(after_help = "\
Example:
  isle doc delete --data site store-367/inventory/1029743

What was written elsewhere meanwhile stays visible as a conflict; a put brings the document back.")]
    Delete(DeleteArguments),
    /// Add to a counter of a document.
    #[command(after_help = "\
Example:
  isle doc increment --data site store-367/inventory/1029743 /on_hand -3

Increments of all sites add up, also of those that are cut off. The field is a JSON Pointer.")]
    Increment(IncrementArguments),
    /// Carry out typed operations on a document, all in one change or none.
    #[command(after_help = "\
Example:
  isle doc change --data site store-367/inventory/1029743 \\
    '[{\"op\": \"spend\", \"field\": \"/sellable\", \"by\": 2}, {\"op\": \"increment\", \"field\": \"/on_hand\", \"by\": -2}]'

Operations: put, merge_patch, patch, delete; increment (counter); spend, grant, transfer (bounded counter);
add, remove (set); insert, splice (list, text); clear (any field).")]
    Change(PutArguments),
    /// Print the documents of a collection, one JSON line each, in the order of their keys; one that breaks its schema,
    /// as a merge may, with the rules as "violations".
    #[command(after_help = "\
Example:
  isle doc list --data site store-367/inventory
  isle doc list --data site store-367/inventory --after 1029743 --limit 100")]
    List(ListArguments),
    /// Print a document's changes, the newest first: who, when, what.
    #[command(after_help = "\
Example:
  isle doc history --data site store-367/inventory/1029743 --limit 10
  isle doc history --data site store-367/inventory/1029743 --json")]
    History(HistoryArguments),
    /// Print the fields of a document that sites wrote at the same time, with every value and its writer.
    #[command(after_help = "Example:\n  isle doc conflicts --data site store-367/inventory/1029743")]
    Conflicts(ShowArguments),
}

/// Which document of which replica.
#[derive(Clone, Debug, Args)]
pub(crate) struct Document {
    #[command(flatten)]
    pub(crate) data: Data,
    /// space/collection/key; in the key, '%' is written %25 and '/' is written %2F.
    pub(crate) address: Address,
}

/// What goes with a write.
#[derive(Clone, Debug, Args)]
pub(crate) struct Terms {
    /// A name for this write, 1 to 64 bytes: sent again under the same name it counts once.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Who writes: a service or a user; kept with the change.
    #[arg(long, value_name = "WHO")]
    pub(crate) author: Option<String>,
    /// Why; kept with the change.
    #[arg(long, value_name = "WHY")]
    pub(crate) message: Option<String>,
    /// How safe it is to be before the command ends.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = WaitFor::Local)]
    pub(crate) wait: WaitFor,
    /// How long to wait for the hub, as in 500ms or 5s; then the write stands here and gets there later, and the exit code
    /// is 5. A write that changes nothing waits for nothing.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    pub(crate) within: Duration,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// Print JSON, for programs.
    #[arg(long = "json")]
    pub(crate) as_json: bool,
}

/// What must hold of the document. Otherwise nothing is written, and the exit code is 7.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct Conditions {
    /// Only if these are the document's heads, separated by commas, as `isle doc get --json` showed them: nobody wrote
    /// since, as far as this replica knows. Otherwise nothing is written, and the exit code is 7.
    #[arg(long, value_name = "HASHES", value_delimiter = ',')]
    if_heads: Option<Vec<String>>,
    /// Only if there is no such document here, or it is deleted; otherwise as for --if-heads.
    #[arg(long)]
    if_absent: bool,
    /// Only if there is such a document here; otherwise as for --if-heads.
    #[arg(long)]
    if_exists: bool,
}

impl Conditions {
    /// The one that was given.
    pub(crate) fn given(&self) -> Option<Condition> {
        let heads = self.if_heads.clone().map(|heads| Condition::HeadsAmong(vec![heads]));
        heads.or(self.if_absent.then_some(Condition::Absent)).or(self.if_exists.then_some(Condition::Exists))
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GetArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    /// As it was at this time, as in 2026-11-24T08:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "heads")]
    pub(crate) at: Option<String>,
    /// As it was with these heads, separated by commas.
    #[arg(long, value_name = "HASHES", value_delimiter = ',')]
    pub(crate) heads: Option<Vec<String>>,
    /// Print the document with what is to be known of it, as JSON: its heads, rules that it breaks, why it is blocked.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PutArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    /// The JSON, or '-' to read it from standard input.
    pub(crate) json: String,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    #[command(flatten)]
    pub(crate) terms: Terms,
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
    pub(crate) terms: Terms,
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
    #[command(flatten)]
    pub(crate) lines: JsonLines,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HistoryArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    /// At most so many of the newest.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  isle query --data site catalog/product --where '/department=GROCERY' --where '/price<500' --order /price
  isle query --data site store-367/inventory --where '/on_hand<=0' --fields /product,/on_hand
  isle query --data site catalog/product --prefix 10 --explain

Operators: =, !=, <, <=, >, >=, ^= (starts with), ~= (set or array contains); a field alone: it is there. The value is
JSON, or else text. Fields with \"x-index\" in the collection's schema are found by index.")]
pub(crate) struct QueryArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) lines: JsonLines,
    /// space/collection.
    #[arg(value_parser = parse_place, value_name = "SPACE/COLLECTION")]
    pub(crate) place: Place,
    /// A condition; all of them hold.
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) conditions: Vec<String>,
    /// Only keys that start so.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Only these fields, separated by commas.
    #[arg(long, value_name = "POINTERS", value_delimiter = ',')]
    pub(crate) fields: Option<Vec<String>>,
    /// Order by this field; without it, by key.
    #[arg(long, value_name = "POINTER")]
    pub(crate) order: Option<String>,
    /// The largest first.
    #[arg(long)]
    pub(crate) descending: bool,
    /// At most so many; without it, all.
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
    /// Say on standard error how it was found.
    #[arg(long)]
    pub(crate) explain: bool,
}

/// A collection in a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) space: Space,
    pub(crate) collection: Collection,
}

pub(super) fn parse_place(text: &str) -> Result<Place, PlaceError> {
    let (space, collection) = text.split_once('/').ok_or(PlaceError::Shape)?;
    Ok(Place { space: space.parse()?, collection: collection.parse()? })
}

/// Why a text names no collection.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    /// No slash.
    #[error("write space/collection, as in store-367/inventory")]
    Shape,
    /// One of the two is no name.
    #[error(transparent)]
    Part(#[from] AddressError),
}
