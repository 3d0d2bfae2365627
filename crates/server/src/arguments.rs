//! The command line.

mod blocked;
mod config;
mod documents;
mod hub;
mod machine;
mod rights;
mod schema;
mod token;
mod transfer;
mod watch;

pub(crate) use blocked::{BlockedCommand, BlockedDocumentArguments, BlockedListArguments};
#[cfg(test)]
pub(crate) use config::AFTER_HELP as CONFIG_AFTER_HELP;
pub(crate) use config::{ConfigCommand, ServeArguments};
pub(crate) use documents::{
    DeleteArguments, Document, DocumentCommand, GetArguments, HistoryArguments, IncrementArguments,
    ListArguments, Place, PutArguments, QueryArguments, ShowArguments, Terms,
};
pub(crate) use machine::{CompletionsArguments, DoctorArguments, ManArguments};

pub(crate) use hub::{
    AdmitArguments, HubCommand, InitArguments, InviteArguments, JoinArguments, RevokeArguments,
    SitesArguments,
};
pub(crate) use rights::{RightsCommand, RightsListArguments, RightsSetArguments, RightsShowArguments};
pub(crate) use schema::{
    SchemaAddArguments, SchemaCheckArguments, SchemaCommand, SchemaFile, SchemaListArguments,
};
pub(crate) use token::{TokenCommand, TokenCreateArguments, TokenListArguments, TokenRevokeArguments};
pub(crate) use transfer::{ExportArguments, Format, ImportArguments};
pub(crate) use watch::{WaitFor, WatchArguments};

use crate::demo;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Offline-first replicated data for edge sites.
#[derive(Clone, Debug, Parser)]
#[command(name = "isle", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Whether it goes on until it is stopped, and is read about in its log.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }
}

const AFTER_HELP: &str = "\
A hub and a site: `isle hub --help`. A first replica, alone:
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
  4  no server is running in the data directory, and the command needs one, or it ended, or does not answer; or another process
     has it: try again
  5  the write is stored here and not yet at the hub: --wait hub took longer than --within
  6  part of it was done: an import wrote documents, and skipped or never reached others; a revocation holds, and is not on the
     disk yet
  7  the document is not as --if-heads, --if-absent, --if-exists or a test of a JSON Patch says; nothing was written:
     read it again
  8  what was asked is done, and standard output does not take the answer; a reader that ended early, as head does, is no error

With --json a command prints one JSON object, or one a line where there are several; `doc list`, `query`, `watch` and `export` print
such lines without it. Errors are words on standard error: programs go by the exit code.

Where no server runs, commands work on the data directory itself: status, doc, query, export, import, blocked, rights,
schema, hub, backup. What they write goes to peers when the server runs again. `isle watch` and --wait hub need a server.";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the replica of a data directory until SIGTERM or SIGINT.
    #[command(after_help = "\
Example:
  isle serve --data /var/lib/isle

The directory holds isle.toml (what the replica carries and shares) and identity/, made by `isle hub init`, `isle join` or
`isle identity issue`.
What can be set: `isle config --help`. Under systemd: Type=notify, and WatchdogSec= to have it started again when its event
loop no longer moves. While it opens a store with much to recover it asks for more time than TimeoutStartSec=:
  [Unit]
  StartLimitIntervalSec=0                        # nobody is there to start it again
  [Service]
  Type=notify
  ExecStart=/usr/local/bin/isle serve --data /var/lib/isle
  User=isle
  Restart=on-failure
  RestartSec=5
  WatchdogSec=60
  AmbientCapabilities=CAP_NET_BIND_SERVICE       # for a hub that listens on UDP 443

One line on standard output says when it is ready. Logs go to standard error;
ISLE_LOG=debug shows more.")]
    Serve(ServeArguments),
    /// Check and show the configuration.
    #[command(subcommand, after_help = config::AFTER_HELP)]
    Config(ConfigCommand),
    /// Show how a replica and its peers are.
    #[command(after_help = "\
Example:
  isle status --data /var/lib/isle
  isle status --data /var/lib/isle --json

Below the table stands why a peer is not connected. BACKLOG is the changes that a peer has not confirmed, LAG the age of the oldest of them.")]
    Status(StatusArguments),
    /// Look at everything that a replica depends on, and say what is wrong and what to do.
    #[command(after_help = machine::DOCTOR_AFTER_HELP)]
    Doctor(DoctorArguments),
    /// Read and write documents.
    #[command(subcommand)]
    Doc(DocumentCommand),
    /// Print the documents of a collection that fit conditions, one JSON line each.
    Query(QueryArguments),
    /// Write a collection into a file, or standard output, as CSV or JSON lines.
    Export(ExportArguments),
    /// Put the documents of a CSV or JSON lines file into a collection.
    Import(ImportArguments),
    /// See and free documents with a change that this version cannot apply.
    #[command(subcommand, after_help = blocked::AFTER_HELP)]
    Blocked(BlockedCommand),
    /// Print the documents of a space and then every change of them, one JSON line an event.
    #[command(after_help = "\
Example:
  isle watch --data site store-367/inventory
  isle watch --data site store-367 --once
  isle watch --data site store-367/inventory/10 --from CURSOR

Every line has a cursor: with it as --from a later watch goes on after that line, also after a restart.")]
    Watch(WatchArguments),
    /// Copy a replica's store, also while it runs.
    #[command(after_help = "\
Example:
  isle backup --data /var/lib/isle /mnt/backup/2026-11-24

Writes into a directory that is not there or empty. A backup without its manifest.json was cut off and is of no use.
It holds no keys: back up identity/ apart.")]
    Backup(BackupArguments),
    /// Fill the data directory of a replica, which has no store, from a backup.
    #[command(after_help = "\
Example:
  isle identity issue store-367 --authority fleet --data site
  isle restore --data site /mnt/backup/2026-11-24

The replica goes on under a new origin; what it wrote after the backup comes back from its peers.")]
    Restore(BackupArguments),
    /// Read a stopped replica's whole store and check it.
    #[command(after_help = "Example:\n  isle verify --data /var/lib/isle")]
    Verify(StoreArguments),
    /// Set a damaged store aside, so that the replica starts with an empty one and is filled by its peers.
    #[command(after_help = "\
Example:
  isle repair --data /var/lib/isle

The damaged rows are renamed, not deleted. What no peer has is only there: keep it.")]
    Repair(StoreArguments),
    /// Make a hub, invite sites to it, list and revoke them.
    #[command(subcommand, after_help = hub::AFTER_HELP)]
    Hub(HubCommand),
    /// See and change what sites may do.
    #[command(subcommand, after_help = rights::AFTER_HELP)]
    Rights(RightsCommand),
    /// See, check and give schemas of collections.
    #[command(subcommand, after_help = schema::AFTER_HELP)]
    Schema(SchemaCommand),
    /// Make, list and revoke tokens: who of the services may do what.
    #[command(subcommand, after_help = token::AFTER_HELP)]
    Token(TokenCommand),
    /// Join the hub that invited this site.
    #[command(after_help = hub::JOIN_AFTER_HELP)]
    Join(JoinArguments),
    /// Make a fleet's authority, and identities of replicas, by hand: without a hub that enrols.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Print completions for a shell.
    #[command(after_help = machine::COMPLETIONS_AFTER_HELP)]
    Completions(CompletionsArguments),
    /// Write manual pages into a directory.
    #[command(after_help = machine::MAN_AFTER_HELP)]
    Man(ManArguments),
    /// Show it all on real sales: a hub and eight shops, cut links, killed processes, and a check of every document.
    Demo(demo::Arguments),
}

/// Which replica.
#[derive(Clone, Debug, Args)]
pub(crate) struct Data {
    /// The replica's data directory.
    #[arg(long, value_name = "DIR", env = "ISLE_DATA", hide_env_values = true)]
    pub(crate) data: PathBuf,
}

/// Of a command whose answer is JSON lines whoever asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct JsonLines {
    /// Print JSON lines, as it does without.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BackupArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// The backup's directory.
    pub(crate) directory: PathBuf,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
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
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
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
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
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
