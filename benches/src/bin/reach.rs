//! Prints the reach table: see `benches/reach --help`.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use benches::reach::{file_path, read, table};

const HELP: &str = "\
Prints what was measured beside what is to be reached: the newest row of each name.

Usage: benches/reach [--help]

The rows are in target/reach.jsonl, one JSON object a line:
  {name, unit, value, reference, ratio, goal, met}
`cargo bench -p benches` appends to it.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => read(&file_path()).map(|entries| table(&entries)),
        ["--help" | "-h"] => Ok(HELP.into()),
        _ => return fail("the reach table takes no arguments; see --help", None),
    };
    match text {
        Ok(text) => print(&text),
        Err(error) => fail(&error.to_string(), error.source()),
    }
}

/// A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail("cannot print", Some(&error)),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(what: &str, source: Option<&dyn Error>) -> ExitCode {
    let cause = source.map(|source| format!(": {source}")).unwrap_or_default();
    // There is nobody left to tell when the error stream is closed too.
    let _ = writeln!(io::stderr().lock(), "reach: {what}{cause}");
    ExitCode::FAILURE
}
