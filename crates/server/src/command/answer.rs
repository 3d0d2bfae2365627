//! What a command says on standard output: to a person in words, to a program in one line of JSON.

use super::CommandError;
use serde::Serialize;
use std::io::{self, StdoutLock, Write};

/// Standard output. What it does not take is told from all else that fails: what was asked may be done.
#[derive(Debug)]
pub(super) struct Stdout(StdoutLock<'static>);

/// Standard output as a command writes it.
pub(super) fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

/// Marks an error as one of standard output.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotTaken(io::Error);

fn not_taken(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), NotTaken(error))
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(not_taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(not_taken)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<NotTaken>() {
            Ok(NotTaken(source)) => Self::Output { source },
            Err(error) => Self::Io(error),
        }
    }
}

/// A remark beside the answer, on standard error. Where nobody takes it the command goes on.
pub(super) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// One of the two.
pub(super) fn answer(is_json: bool, json: &impl Serialize, text: &str) -> Result<(), CommandError> {
    let mut stdout = stdout();
    Ok(match is_json {
        true => writeln!(stdout, "{}", serde_json::to_string(json)?),
        false => writeln!(stdout, "{}", text.trim_end_matches('\n')),
    }?)
}

/// A line of JSON for each.
pub(super) fn lines<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<(), CommandError> {
    let mut stdout = stdout();
    for value in values {
        writeln!(stdout, "{}", serde_json::to_string(&value)?)?;
    }
    Ok(())
}
