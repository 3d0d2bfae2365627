//! `isle blocked`.

use super::{Data, Document};
use clap::{Args, Subcommand};

pub(super) const AFTER_HELP: &str = "\
A document is blocked when one of its changes cannot be applied, or ended the process twice, or what is stored of it is
damaged. It is read as before; its changes are stored and sent on. Where it is damaged: stop the replica, `isle verify`
says what else is, `isle repair` sets the store aside to be filled by peers. Else, in this order:
  1. upgrade this replica: what an earlier version blocked is tried again by itself
  2. isle blocked release: try again at once, as after a fault of the machine
  3. isle blocked drop: go on without the change to blame and all that depend on it, for good";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BlockedCommand {
    /// Print the blocked documents, why, and the change to blame.
    #[command(after_help = "\
Example:
  isle blocked list --data /var/lib/isle
  isle blocked list --data /var/lib/isle --json")]
    List(BlockedListArguments),
    /// Try again to apply a blocked document's changes.
    #[command(after_help = "\
Example:
  isle blocked release --data /var/lib/isle store-367/inventory/1029743

Nothing is lost by it. Where the change still cannot be applied, the document is blocked again.")]
    Release(BlockedDocumentArguments),
    /// Drop the change that blocks a document, so that the document lives again.
    #[command(after_help = "\
Example:
  isle blocked list --data /var/lib/isle
  isle blocked drop --data /var/lib/isle store-367/inventory/1029743

It cannot be undone. The change stays stored and is sent to other replicas, but here it and every change that depends on
it is passed over from now on. Replicas that dropped the same changes show the same: drop it at each that blocks the
document. Where another change blocks it too, it stays blocked: list and drop again.")]
    Drop(BlockedDocumentArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BlockedDocumentArguments {
    #[command(flatten)]
    pub(crate) document: Document,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BlockedListArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}
