//! The bounded parse of a change that somebody else made, before Automerge sees it.
//!
//! Automerge 0.12 expands run lengths and deflate streams without a bound: 69 bytes took 13 s and 3.9 GB. This parse
//! costs time and memory linear in the bytes given, and is a pure function of them: every replica of a version
//! refuses the same changes. Format: Automerge binary document format, "change chunks" and "column encodings".

mod columns;
mod leb;

use crate::{ChangeHash, Origin};
use leb::Reader;
use sha2::{Digest as _, Sha256};

/// Longest body of a change, in bytes.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
/// Most operations of a change, and most values of any of its columns.
const OPERATIONS_MAX: u64 = 10_000;
/// Most changes that one change may directly depend on.
pub const DEPENDENCIES_MAX: u64 = 1_024;
const OTHER_ACTORS_MAX: u64 = 1_024;
const MESSAGE_BYTES_MAX: u64 = 1_024;
/// Operation counters are 32 bits wide inside Automerge; half of that leaves room for what follows.
const OPERATION_COUNTER_MAX: u64 = 1 << 31;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const KIND_CHANGE: u8 = 1;

/// Why the bytes of a change are refused. Every replica of this version refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeRefusal {
    /// It ends early, or a number is not written in its shortest form.
    #[error("the change is cut short or its numbers are malformed")]
    Malformed,
    /// Not an uncompressed change: a bundle, a document, a deflated change.
    #[error("the bytes are not one uncompressed change")]
    Kind,
    /// Longer than [`CHANGE_BYTES_MAX`].
    #[error("the change has {0} bytes, {CHANGE_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// More of something than its limit.
    #[error("the change has more {0} than allowed")]
    TooMany(&'static str),
    /// The actor is not an origin of 16 bytes.
    #[error("the author of the change is no origin")]
    Actor,
    /// A column that this version does not know, twice the same, or out of order.
    #[error("the change has columns that this version does not know")]
    Columns,
    /// An entry whose name is longer or deeper than any document's.
    #[error("the change names an entry that no document can have")]
    Name,
    /// An entry of a counter that belongs to another origin.
    #[error("the change writes another replica's share of a counter")]
    Tally,
    /// The first operation is numbered 0 or out of range, or the sequence is 0.
    #[error("the change is numbered out of range")]
    Numbering,
}

/// A change from elsewhere whose structure holds: header read, sizes and counts within their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignChange {
    /// Its identity, recomputed.
    pub hash: ChangeHash,
    /// Who wrote it.
    pub origin: Origin,
    /// The changes of the same document that it directly depends on.
    pub dependencies: Vec<ChangeHash>,
    /// Its number among the origin's changes of this document, from 1.
    pub document_sequence: u64,
    /// When it was written by its author's clock, in milliseconds since 1970. Shown to people, decides nothing.
    pub wall_ms: i64,
    /// The whole chunk, as Automerge reads it.
    pub chunk: Vec<u8>,
}

impl ForeignChange {
    /// Checks the body of a change: the chunk without magic, checksum, kind and length, which follow from it.
    ///
    /// # Errors
    /// [`ChangeRefusal`] says which rule it breaks.
    pub fn parse(body: &[u8]) -> Result<Self, ChangeRefusal> {
        if body.len() > CHANGE_BYTES_MAX {
            return Err(ChangeRefusal::TooLong(body.len()));
        }
        let mut reader = Reader::new(body);
        let dependencies = read_dependencies(&mut reader)?;
        let origin = read_origin(&mut reader)?;
        let document_sequence = reader.unsigned()?;
        let first_operation = reader.unsigned()?;
        let numbered = 1..=OPERATION_COUNTER_MAX;
        if !numbered.contains(&document_sequence) || !numbered.contains(&first_operation) {
            return Err(ChangeRefusal::Numbering);
        }
        let wall_ms = reader.signed()?;
        let message_bytes = reader.count(MESSAGE_BYTES_MAX, "message bytes")?;
        std::str::from_utf8(reader.take(message_bytes)?).map_err(|_| ChangeRefusal::Malformed)?;
        for _ in 0..reader.count(OTHER_ACTORS_MAX, "other authors")? {
            read_origin(&mut reader)?;
        }
        columns::check(&mut reader, body.len(), origin)?;
        let (hash, chunk) = seal(body);
        Ok(Self { hash, origin, dependencies, document_sequence, wall_ms, chunk })
    }

    /// The body inside a whole chunk, as it is stored and sent.
    ///
    /// # Errors
    /// [`ChangeRefusal`] when the chunk is not one uncompressed change.
    pub fn body(chunk: &[u8]) -> Result<&[u8], ChangeRefusal> {
        let mut reader = Reader::new(chunk);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(ChangeRefusal::Kind);
        }
        reader.take(4)?;
        if reader.take(1)? != [KIND_CHANGE] {
            return Err(ChangeRefusal::Kind);
        }
        let length = reader.count(CHANGE_BYTES_MAX as u64, "bytes")?;
        let body = reader.take(length)?;
        if reader.is_empty() { Ok(body) } else { Err(ChangeRefusal::Malformed) }
    }
}

fn read_dependencies(reader: &mut Reader<'_>) -> Result<Vec<ChangeHash>, ChangeRefusal> {
    let count = reader.count(DEPENDENCIES_MAX, "dependencies")?;
    let mut dependencies = Vec::new();
    for _ in 0..count {
        dependencies.push(ChangeHash(reader.array()?));
    }
    Ok(dependencies)
}

fn read_origin(reader: &mut Reader<'_>) -> Result<Origin, ChangeRefusal> {
    if reader.unsigned()? != 16 {
        return Err(ChangeRefusal::Actor);
    }
    Ok(Origin(reader.array()?))
}

/// The hash of a change and its whole chunk.
fn seal(body: &[u8]) -> (ChangeHash, Vec<u8>) {
    let mut tail = vec![KIND_CHANGE];
    leb::push_unsigned(&mut tail, body.len() as u64);
    tail.extend_from_slice(body);
    let hash: [u8; 32] = Sha256::digest(&tail).into();
    let (checksum, _) = hash.split_at(4);
    let chunk = [&MAGIC[..], checksum, &tail].concat();
    (ChangeHash(hash), chunk)
}

#[cfg(test)]
mod tests;
