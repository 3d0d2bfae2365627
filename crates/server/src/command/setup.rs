//! `isle completions` and `isle man`: made from the command line's own tables, so that they say what it says.

use super::CommandError;
use super::answer::stdout;
use crate::arguments::{Arguments, CompletionsArguments, ManArguments};
use clap::CommandFactory as _;
use std::fs;
use std::io::Write as _;

pub(super) fn completions(arguments: &CompletionsArguments) -> Result<(), CommandError> {
    // It panics on a pipe that nobody reads, and a buffer takes everything.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "isle", &mut script);
    stdout().write_all(&script)?;
    Ok(())
}

pub(super) fn man(arguments: &ManArguments) -> Result<(), CommandError> {
    fs::create_dir_all(&arguments.directory)?;
    clap_mangen::generate_to(Arguments::command(), &arguments.directory)?;
    Ok(())
}
