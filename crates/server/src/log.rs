//! Logs: one line each on standard error, for people or for programs.
//!
//! Lines that nobody takes are lost, and whoever logged them goes on.
//! Above level DEBUG no line has a document's content, a token or a key.

use crate::config::{LogFilter, LogFormat};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// The variables that say what is logged and how, for commands that read no configuration.
const FILTER_VARIABLE: &str = "ISLE_LOG";
const FORMAT_VARIABLE: &str = "ISLE_LOG_FORMAT";

/// What is logged if nobody says anything else. Automerge opens a span of level INFO for each column of each change
/// that it reads, which nobody reads: measured, 2,900 writes/s to documents that had to be opened first, 4,000 without.
pub(crate) const FILTER_DEFAULT: &str = "info,automerge=warn";

/// The same for a command that ends: who runs it reads its answer.
const FILTER_OF_COMMANDS: &str = "warn";

/// Starts logging to standard error. A second call changes nothing.
pub(crate) fn start(filter: Option<&LogFilter>, format: LogFormat) {
    begin(filter.map_or(FILTER_DEFAULT, LogFilter::as_str), format);
}

fn begin(filter: &str, format: LogFormat) {
    let filter = EnvFilter::new(filter);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A line that cannot be written, as on a full disk or to a reader that ended, is lost. To tell of it there would be
    // standard error alone, and who writes to it so panics: a dialer, for a line of its log.
    let lines = lines.log_internal_errors(false);
    // An error means that logging has started.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.with_ansi(false).json().flatten_event(true).try_init(),
    };
}

/// Starts logging as the environment says, for a command that ends. What cannot be read there counts as not said.
pub(crate) fn start_as_environment_says() {
    let said = |variable| std::env::var(variable).ok();
    let filter: Option<LogFilter> = said(FILTER_VARIABLE).and_then(|text| text.parse().ok());
    let format = said(FORMAT_VARIABLE).and_then(|text| text.parse().ok()).unwrap_or_default();
    begin(filter.as_ref().map_or(FILTER_OF_COMMANDS, LogFilter::as_str), format);
}
