//! `isle doctor`, and what a machine is set up with: completions and manual pages.

use super::ServeArguments;
use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

pub(super) const DOCTOR_AFTER_HELP: &str = "\
Examples:
  isle doctor --data /var/lib/isle
  isle doctor --data /var/lib/isle --json

Looks at the data directory, the configuration, keys and certificate, schemas, denied.txt and tokens.json, the clock, the disk and how long a sync takes, limits of
memory and open files, and the way to each peer that is dialled: its name, UDP, certificates on both sides. It works with and
without a running server and changes nothing. Exit code 1 when something fails; a warning is none.";

pub(super) const COMPLETIONS_AFTER_HELP: &str = "\
Examples:
  isle completions bash > /usr/share/bash-completion/completions/isle
  isle completions fish > ~/.config/fish/completions/isle.fish";

pub(super) const MAN_AFTER_HELP: &str = "\
Example:
  isle man /usr/local/share/man/man1

One page for each command: isle.1, isle-serve.1, isle-doc-put.1, …";

#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Which shell.
    pub(crate) shell: Shell,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ManArguments {
    /// Where the pages go; made if it is not there.
    pub(crate) directory: PathBuf,
}
