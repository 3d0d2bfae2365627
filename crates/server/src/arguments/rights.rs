//! `isle rights`.

use super::Data;
use clap::{Args, Subcommand};

pub(super) const AFTER_HELP: &str = "\
What each site may do in which space is a document of the space `system`, system/access/KEY, which only the hub writes: it is
at every site, has a history (`isle doc history`), and sites go by it off line. `isle hub invite` gives the first rights,
`isle rights set` others, `isle hub revoke` ends them all.

Rights: read; write; relay (it may pass on what others wrote); snapshot (it may give whole documents). Each includes read,
and several are joined by +.";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RightsCommand {
    /// List what sites may do, at the hub or, as far as it is known there, at a site.
    #[command(after_help = "\
Example:
  isle rights list --data hub
  isle rights list --data site --json

STATE: in force; revoked; at the hub also invited, expired (they hold from when the site joins), and not written yet (the book
says it, the document does not: the hub writes it by itself).")]
    List(RightsListArguments),
    /// Show what one site may do, and since when.
    #[command(after_help = "Example:\n  isle rights show store-367 --data hub")]
    Show(RightsShowArguments),
    /// Say what a site may do, in place of all that it might before.
    #[command(after_help = "\
Example:
  isle rights set store-367 --data hub --spaces store-367=write,catalog=read
  isle rights set store-367 --data hub --spaces system=read      # what every site has, and nothing else

It counts at once, also for open connections. Where a site loses read, it is sent nothing more and keeps what it has. Where it
loses write, what the hub has of it stays; what it writes from there on is refused at the site, and what it wrote before it
heard of it is taken from nobody, and kept: it arrives if the right is given back.

A space that is new to a site is to be in its isle.toml too, under [spaces] and [peers.HUB.spaces]; `isle serve` reads it at
its start.")]
    Set(RightsSetArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RightsListArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RightsShowArguments {
    /// The site's name.
    pub(crate) site: String,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RightsSetArguments {
    /// The site's name.
    pub(crate) site: String,
    #[command(flatten)]
    pub(crate) data: Data,
    /// What it may do, by space; nothing in any other.
    #[arg(long, value_name = "SPACE=RIGHTS,…")]
    pub(crate) spaces: String,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}
