//! What the program prints: results to standard output, failures and faults of use to standard error.

use sim::{Failure, Report};
use std::fmt::Display;
use std::io::Write as _;

/// A result. That nobody reads it is no failure.
pub(super) fn result(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Something that went wrong.
pub(super) fn error(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A property that does not hold, with what led to it and how to see it again.
pub(super) fn failure(what: &str, failure: &Failure, report: &Report, replay: &str) {
    error(format_args!("\n{what} FAILED\n\nthe last that happened:"));
    for line in &report.last_lines {
        error(format_args!("  {line}"));
    }
    error(format_args!("\nproperty  {}", failure.property));
    error(format_args!("found     {}", failure.finding));
    error(format_args!("trace     {}", report.trace_hash));
    error(format_args!("again     {replay}"));
}
