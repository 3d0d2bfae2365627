//! What a machine is set up with: completions and manual pages.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

pub(super) const COMPLETIONS_AFTER_HELP: &str = "\
Examples:
  isle completions bash > /usr/share/bash-completion/completions/isle
  isle completions fish > ~/.config/fish/completions/isle.fish";

pub(super) const MAN_AFTER_HELP: &str = "\
Example:
  isle man /usr/local/share/man/man1

One page for each command: isle.1, isle-serve.1, isle-doc-put.1, …";

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
