//! What both sides of a connection know from the rows before, and expect of the next.

use super::slots::Slots;
use crate::OriginKey;
use std::sync::Arc;

/// Numbers of a table: streams and documents that a connection knows in one direction. A number fits into a byte, and
/// the tables of 500 peers into the memory of a hub.
pub const SLOTS: usize = 255;
/// Changes of a document that the next ones may name by a number.
pub const HASHES_KNOWN_MAX: usize = 4;
/// Longest name of a space or a collection, and longest key, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Streams whose next number in a document is known.
const SEQUENCES_MAX: usize = 4;

/// The changes of an origin in a space.
pub(super) struct Stream {
    pub(super) space: Arc<str>,
    pub(super) key: OriginKey,
    pub(super) origin: [u8; 16],
    /// The sequence that the next row has.
    pub(super) next: u64,
}

impl Stream {
    pub(super) fn new(space: Arc<str>, key: OriginKey) -> Self {
        Self { space, key, origin: origin_of(&key), next: 1 }
    }

    pub(super) fn digest(space: &str, key: &OriginKey) -> u64 {
        digest(&[space.as_bytes(), &key.public_key, &key.incarnation])
    }
}

/// A document, and what its next change is expected to say.
pub(super) struct Document {
    pub(super) space: Arc<str>,
    pub(super) collection: Box<str>,
    pub(super) key: Box<str>,
    known: Vec<Known>,
    first_operation: u64,
    /// By stream, the sequence of its last change here.
    sequences: Vec<(u8, u64)>,
}

struct Known {
    hash: [u8; 32],
    is_head: bool,
}

impl Document {
    pub(super) fn new(space: Arc<str>, collection: &str, key: &str) -> Self {
        let (known, sequences) = (Vec::new(), Vec::new());
        Self { space, collection: collection.into(), key: key.into(), known, first_operation: 0, sequences }
    }

    pub(super) fn digest(space: &str, collection: &str, key: &str) -> u64 {
        digest(&[space.as_bytes(), collection.as_bytes(), key.as_bytes()])
    }

    pub(super) fn is(&self, space: &str, collection: &str, key: &str) -> bool {
        *self.key == *key && *self.collection == *collection && *self.space == *space
    }

    /// What the next change depends on, unless it says otherwise: the heads as far as rows told them, sorted (W-25).
    pub(super) fn heads(&self) -> Vec<[u8; 32]> {
        let heads = self.known.iter().filter(|known| known.is_head);
        let mut heads: Vec<_> = heads.map(|known| known.hash).collect();
        heads.sort_unstable();
        heads
    }

    pub(super) fn known(&self, index: usize) -> Option<[u8; 32]> {
        self.known.get(index).map(|known| known.hash)
    }

    pub(super) fn index_of(&self, hash: &[u8; 32]) -> Option<usize> {
        self.known.iter().position(|known| known.hash == *hash)
    }

    /// Document sequence and first operation of the next change of a stream (W-24).
    pub(super) fn expected(&self, stream: u8) -> (u64, u64) {
        let last = self.sequences.iter().find(|(of, _)| *of == stream).map_or(0, |(_, sequence)| *sequence);
        (last.wrapping_add(1), self.first_operation.wrapping_add(1))
    }

    /// Takes the numbers of a change.
    pub(super) fn count(&mut self, stream: u8, (sequence, first_operation): (u64, u64)) {
        self.first_operation = first_operation;
        self.sequences.retain(|(of, _)| *of != stream);
        if self.sequences.len() == SEQUENCES_MAX {
            self.sequences.remove(0);
        }
        self.sequences.push((stream, sequence));
    }

    /// Takes a change whose dependencies are `None` when the row does not show them: then it stands for all (W-26).
    pub(super) fn take(&mut self, hash: [u8; 32], dependencies: Option<&[[u8; 32]]>) {
        match dependencies {
            Some(dependencies) => dependencies.iter().for_each(|hash| self.know(*hash, false)),
            None => self.known.iter_mut().for_each(|known| known.is_head = false),
        }
        self.know(hash, true);
        while self.known.len() > HASHES_KNOWN_MAX {
            let first = self.known.iter().position(|known| !known.is_head);
            self.known.remove(first.unwrap_or(0));
        }
    }

    fn know(&mut self, hash: [u8; 32], is_head: bool) {
        match self.known.iter_mut().find(|known| known.hash == hash) {
            Some(known) => known.is_head = is_head,
            None => self.known.push(Known { hash, is_head }),
        }
    }
}

/// The state of one direction of a connection, before its next row.
#[derive(Default)]
pub(super) struct State {
    pub(super) streams: Slots<Stream>,
    pub(super) documents: Slots<Document>,
    /// Where the last delta ended.
    pub(super) position: u64,
    /// Rows so far.
    pub(super) rows: u64,
    /// The stream of the last row.
    pub(super) stream: u8,
    /// Wall time of the last row that shows it.
    pub(super) time: i64,
}

/// The first 16 bytes of blake3(public key ‖ incarnation).
fn origin_of(key: &OriginKey) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&key.public_key);
    hasher.update(&key.incarnation);
    let mut origin = [0; 16];
    hasher.finalize_xof().fill(&mut origin);
    origin
}

/// FNV-1a; only finds an entry quickly, and is seen by no peer.
fn digest(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().copied().chain([0xff]));
    bytes
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
