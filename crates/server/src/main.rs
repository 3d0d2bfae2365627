//! The `isle` program.

use clap::Parser as _;
use server::Arguments;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match server::run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let mut stderr = io::stderr().lock();
            // When nobody reads the explanation, the exit code still says it.
            let mut told = error.to_string();
            let _ = writeln!(stderr, "error: {told}");
            let mut cause = error.source();
            while let Some(error) = cause {
                let text = error.to_string();
                // Some messages name their cause already.
                if !told.contains(&text) {
                    let _ = writeln!(stderr, "  because: {text}");
                    told.push_str(&text);
                }
                cause = error.source();
            }
            if let Some(hint) = error.hint() {
                let _ = writeln!(stderr, "  hint: {hint}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
