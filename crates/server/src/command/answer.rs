//! What a command says on standard output: to a person in words, to a program in one line of JSON.

use super::CommandError;
use serde::Serialize;
use std::io::{self, Write as _};

/// One of the two.
pub(super) fn answer(is_json: bool, json: &impl Serialize, text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    Ok(match is_json {
        true => writeln!(stdout, "{}", serde_json::to_string(json)?),
        false => writeln!(stdout, "{}", text.trim_end_matches('\n')),
    }?)
}

/// A line of JSON for each.
pub(super) fn lines<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    for value in values {
        writeln!(stdout, "{}", serde_json::to_string(&value)?)?;
    }
    Ok(())
}
