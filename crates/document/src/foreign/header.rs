//! What stands before the columns of a change.

use super::leb::Reader;
use super::{ChangeRefusal, DEPENDENCIES_MAX, MESSAGE_BYTES_MAX, OPERATION_COUNTER_MAX, OTHER_AUTHORS_MAX};
use super::{WALL_MS_MAX, WALL_MS_MIN};
use crate::{ChangeHash, Origin};
use std::collections::BTreeSet;

/// The head of a change.
pub(crate) struct Header {
    /// What it directly depends on, the creations of sequences included.
    pub(crate) dependencies: Vec<ChangeHash>,
    pub(crate) document_sequence: u64,
    pub(crate) first_operation: u64,
    pub(crate) wall_ms: i64,
    /// Empty when there is none.
    pub(crate) message: String,
    author: Origin,
    /// Its author, then the authors of other operations that it names, in order.
    pub(crate) authors: Vec<Origin>,
}

impl Header {
    /// Who wrote the change.
    pub(crate) fn author(&self) -> Origin {
        self.author
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ChangeRefusal> {
        let dependencies = read_dependencies(reader)?;
        let author = read_origin(reader)?;
        let mut authors = vec![author];
        let document_sequence = reader.unsigned()?;
        let first_operation = reader.unsigned()?;
        let numbered = 1..=OPERATION_COUNTER_MAX;
        if !numbered.contains(&document_sequence) || !numbered.contains(&first_operation) {
            return Err(ChangeRefusal::Numbering);
        }
        let wall_ms = reader.signed()?;
        if !(WALL_MS_MIN..=WALL_MS_MAX).contains(&wall_ms) {
            return Err(ChangeRefusal::Time);
        }
        let message_bytes = reader.count(MESSAGE_BYTES_MAX, "message bytes")?;
        let message =
            std::str::from_utf8(reader.take(message_bytes)?).map_err(|_| ChangeRefusal::Malformed)?;
        for _ in 0..reader.count(OTHER_AUTHORS_MAX, "other authors")? {
            authors.push(read_origin(reader)?);
        }
        let others = authors.get(1..).unwrap_or_default();
        if !others.is_sorted_by(|a, b| a < b) || others.binary_search(&author).is_ok() {
            return Err(ChangeRefusal::Actor);
        }
        let message = message.to_owned();
        Ok(Self { dependencies, document_sequence, first_operation, wall_ms, message, author, authors })
    }
}

pub(super) fn read_dependencies(reader: &mut Reader<'_>) -> Result<Vec<ChangeHash>, ChangeRefusal> {
    let count = reader.count(DEPENDENCIES_MAX, "dependencies")?;
    let mut dependencies = Vec::new();
    for _ in 0..count {
        dependencies.push(ChangeHash(reader.array()?));
    }
    // In order, but for the author's own last change, which Automerge adds at the end.
    let is_sorted = dependencies.is_sorted_by(|a, b| a < b);
    if !is_sorted && dependencies.iter().collect::<BTreeSet<_>>().len() != dependencies.len() {
        return Err(ChangeRefusal::Malformed);
    }
    Ok(dependencies)
}

pub(super) fn read_origin(reader: &mut Reader<'_>) -> Result<Origin, ChangeRefusal> {
    if reader.unsigned()? != 16 {
        return Err(ChangeRefusal::Actor);
    }
    Ok(Origin(reader.array()?))
}
