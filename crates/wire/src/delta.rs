//! Journal rows on their way, in the slim form: what follows from the rows before is left out.
//!
//! Both sides of a connection keep the same [`state`], and change it with each row in the same way. Deltas are the only
//! frames with a state: they are sent in one order. The protocol is `schemas/wire/protocol.md`; `W-n` names its rules.

mod change;
mod decoder;
mod deflaters;
mod encoder;
mod inflate;
mod known;
mod number;
mod row;
mod slots;
mod state;
mod window;

pub use change::hash as change_hash;
pub use decoder::{DeltaDecoder, DocumentPlace, Unpacked};
pub use deflaters::Deflaters;
pub use encoder::DeltaEncoder;
pub use known::HASHES_KNOWN_MAX;
pub use state::{NAME_BYTES_MAX, SLOTS};

use crate::{DecodeError, OriginKey};
use std::num::NonZeroU16;

/// Most rows of a delta.
pub const ROWS_MAX: usize = 4_096;

/// Journal rows, in the sender's journal order. Spaces, origins and documents are in the order of their first use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Counts the receiver's rewinds on this connection; rows of an earlier one are passed over.
    pub generation: u32,
    /// Position before the first row.
    pub from: u64,
    /// Position up to which the receiver has everything meant for it, once it has these rows.
    pub to: u64,
    /// Names of the spaces of the documents.
    pub spaces: Vec<String>,
    /// Who wrote the changes.
    pub origins: Vec<OriginKey>,
    /// The documents.
    pub documents: Vec<DocumentName>,
    /// The changes.
    pub rows: Vec<Row>,
}

/// A document, by place in the delta's spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentName {
    /// Index of the space.
    pub space: u32,
    /// The collection's name.
    pub collection: String,
    /// The document's key.
    pub key: String,
}

/// One change on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index into the delta's documents.
    pub document: u32,
    /// Index into the delta's origins.
    pub origin: u32,
    /// The change's number among the origin's changes in the space.
    pub sequence: u64,
    /// The change without what follows from it: magic, checksum, kind and length.
    pub body: Vec<u8>,
    /// How many changes of the same transaction follow: the next rows of this delta. Absent in the last one, and in a
    /// change that is alone.
    pub follow: Option<NonZeroU16>,
}

/// A delta as it is carried. Only the [`DeltaDecoder`] that has read all before it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedDelta {
    /// [`Delta::generation`]; readable without the state, so that deltas of an earlier one are passed over.
    pub generation: u32,
    /// The state begins anew with this delta.
    pub restarts: bool,
    pub(crate) check: [u8; CHECK_BYTES],
    pub(crate) deflated: Vec<u8>,
}

/// Bytes of a digest of what a delta says, rebuilt changes included.
pub(crate) const CHECK_BYTES: usize = 8;

impl PackedDelta {
    /// The body of its frame: the generation, the digest, and the rows.
    pub(crate) fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.deflated.len() + 16);
        number::push_unsigned(&mut body, self.generation.into());
        body.extend_from_slice(&self.check);
        body.extend_from_slice(&self.deflated);
        body
    }

    pub(crate) fn from_body(restarts: bool, body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = number::Reader::new(body);
        let generation = reader.unsigned().and_then(|generation| u32::try_from(generation).ok());
        let generation = generation.ok_or(DecodeError::Body)?;
        let check = reader.array().ok_or(DecodeError::Body)?;
        Ok(Self { generation, restarts, check, deflated: reader.rest().to_vec() })
    }
}

/// The digest of a delta: of its plain rows, then of each change.
fn check_of(generation: u32, plain: &[u8], rows: &[Row]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    for part in std::iter::once(plain).chain(rows.iter().map(|row| row.body.as_slice())) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut check = [0; CHECK_BYTES];
    hasher.finalize_xof().fill(&mut check);
    check
}

#[cfg(test)]
mod tests;
