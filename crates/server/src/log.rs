//! Logs: one line each on standard error, for people.

use crate::arguments::Arguments;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// The variable that says what is logged: `ISLE_LOG=debug`, `ISLE_LOG=warn,transport=trace`.
const FILTER_VARIABLE: &str = "ISLE_LOG";

/// What is logged if the variable is not there. Automerge opens a span of level INFO for each column of each change
/// that it reads, which nobody reads: measured, 2,900 writes/s to documents that had to be opened first, 4,000 without.
const FILTER_DEFAULT: &str = "info,automerge=warn";

/// The same for a command that ends: who runs it reads its answer.
const FILTER_OF_COMMANDS: &str = "warn";

/// Starts logging to standard error, from level INFO on for a server and WARN for any other command, or as `ISLE_LOG` says. A
/// part of the filter that cannot be read is left out, with a line that says so. A second call changes nothing.
pub fn start_logging(arguments: &Arguments) {
    let wanted = std::env::var(FILTER_VARIABLE).ok();
    let default = if arguments.is_server() { FILTER_DEFAULT } else { FILTER_OF_COMMANDS };
    let filter = wanted.map_or_else(|| EnvFilter::new(default), EnvFilter::new);
    // An error means that logging has started.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
}
