//! The bounded parse of a change that somebody else made, before Automerge sees it.
//!
//! Automerge 0.12 expands run lengths and deflate streams without a bound: 69 bytes took 13 s and 3.9 GB. This parse
//! costs time and memory linear in the bytes given, and is a pure function of them: every replica of a version
//! refuses the same changes. Format: Automerge binary document format, "change chunks" and "column encodings".

mod columns;
mod header;
mod leb;
mod operations;
mod runs;
mod signed;
mod value;

pub(crate) use header::Header;
pub(crate) use operations::{Action, Operation, OperationId, Operations, Place};
pub use signed::ChangeSignature;

use crate::entry::{self, SequenceKind};
use crate::{ChangeHash, Origin, sequence};
pub(crate) use columns::Columns;
use leb::Reader;
pub(crate) use leb::push_unsigned;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Longest body of a change, in bytes.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
/// Most operations of a change, and most operations that those replace.
const OPERATIONS_MAX: u64 = 10_000;
/// Most changes that one change may directly depend on.
pub const DEPENDENCIES_MAX: u64 = 1_024;
const OTHER_AUTHORS_MAX: u64 = 1_024;
const MESSAGE_BYTES_MAX: u64 = 1_024;
/// Most operations of a change at marks of lists and texts: the creation of each that is marked is made to check it.
const MARKS_MAX: usize = 128;
/// Operation counters are 32 bits wide inside Automerge; half of that leaves room for what follows.
const OPERATION_COUNTER_MAX: u64 = 1 << 31;
/// Wall times of changes: 8,900 years around 1970. Automerge stores their differences in 64 bits.
const WALL_MS_MAX: i64 = 1 << 48;
const WALL_MS_MIN: i64 = -WALL_MS_MAX;

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
    /// An operation or the sequence is numbered 0 or out of range.
    #[error("the change is numbered out of range")]
    Numbering,
    /// Its wall time is thousands of years away.
    #[error("the change has a wall time that no clock shows: set the clock")]
    Time,
    /// An operation that no document of ours has, or none at all.
    #[error("the change does what no document allows")]
    Operation,
    /// An operation names an author that is not listed, or an operation that cannot be before it.
    #[error("the change names an operation that cannot be before it")]
    Reference,
    /// A value of a kind that JSON has not.
    #[error("the change has a value that no JSON has")]
    Value,
}

/// A change from elsewhere whose structure holds: header read, sizes and counts within their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignChange {
    /// Its identity, recomputed.
    pub hash: ChangeHash,
    /// Who wrote it.
    pub origin: Origin,
    /// The changes of the same document that it directly depends on; without the creations of lists and texts, which
    /// its marks imply.
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
        let (header, columns) = read(body)?;
        let mut operations = Operations::new(&header, &columns, body.len());
        let (mut marks, mut marking) = (BTreeSet::new(), 0_usize);
        while let Some(operation) = operations.next_operation()? {
            if let Some(mark) = marked(&operation) {
                marks.insert(mark);
                marking += 1;
            }
            if marking > MARKS_MAX {
                return Err(ChangeRefusal::TooMany("lists and texts"));
            }
        }
        let mut dependencies = header.dependencies.clone();
        // What depends on nothing depends on no creation.
        if !dependencies.is_empty() {
            let creations: BTreeSet<_> =
                marks.iter().map(|(kind, name)| sequence::creation(*kind, name).hash).collect();
            dependencies.retain(|hash| !creations.contains(hash));
        }
        let (hash, chunk) = seal(body);
        let Header { document_sequence, wall_ms, .. } = header;
        Ok(Self { hash, origin: header.author(), dependencies, document_sequence, wall_ms, chunk })
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

/// Header and columns of a change's body.
pub(crate) fn read(body: &[u8]) -> Result<(Header, Columns<'_>), ChangeRefusal> {
    if body.len() > CHANGE_BYTES_MAX {
        return Err(ChangeRefusal::TooLong(body.len()));
    }
    let mut reader = Reader::new(body);
    let header = Header::read(&mut reader)?;
    Ok((header, Columns::read(&mut reader)?))
}

/// The sequence whose mark is at the entry of an operation.
pub(crate) fn marked<'a>(operation: &Operation<'a>) -> Option<(SequenceKind, &'a str)> {
    let Place::Entry(name) = operation.place else { return None };
    let (field, reserved) = entry::split_reserved(name)?;
    match reserved {
        "[" => Some((SequenceKind::List, field)),
        "\"" => Some((SequenceKind::Text, field)),
        _ => None,
    }
}

/// The hash of a change and its whole chunk.
pub(crate) fn seal(body: &[u8]) -> (ChangeHash, Vec<u8>) {
    let mut tail = vec![KIND_CHANGE];
    push_unsigned(&mut tail, body.len() as u64);
    tail.extend_from_slice(body);
    let hash: [u8; 32] = Sha256::digest(&tail).into();
    let (checksum, _) = hash.split_at(4);
    let chunk = [&MAGIC[..], checksum, &tail].concat();
    (ChangeHash(hash), chunk)
}

#[cfg(test)]
mod tests;
