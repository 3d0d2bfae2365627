//! What both sides of a connection know from the rows before, and expect of the next.

use super::known::Known;
use super::slots::Slots;
use crate::OriginKey;
use std::sync::Arc;

/// Numbers of a table: streams and documents that a connection knows in one direction. A number fits into a byte, and
/// the tables of 500 peers into the memory of a hub.
pub const SLOTS: usize = 255;
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

/// A document, and what its next change is expected to say. A hub keeps 510 for each of 500 peers, so each byte counts;
/// `BYTES` are kept of the hash of a change.
pub(super) struct Document<const BYTES: usize> {
    pub(super) space: Arc<str>,
    /// Collection and key, one after the other.
    names: Box<str>,
    collection_bytes: u16,
    pub(super) known: Known<BYTES>,
    first_operation: u64,
    /// Streams whose next number here is known, the last that named it last; 0 for none.
    streams: [u8; SEQUENCES_MAX],
    /// The sequence of the last change here, of each of them.
    sequences: [u64; SEQUENCES_MAX],
}

const _: () = assert!(size_of::<Document<16>>() <= 144 && size_of::<Document<32>>() <= 208);

impl<const BYTES: usize> Document<BYTES> {
    pub(super) fn new(space: Arc<str>, collection: &str, key: &str) -> Self {
        Self {
            space,
            names: [collection, key].concat().into(),
            // Names that are longer are refused before.
            collection_bytes: u16::try_from(collection.len()).unwrap_or(0),
            known: Known::default(),
            first_operation: 0,
            streams: [0; SEQUENCES_MAX],
            sequences: [0; SEQUENCES_MAX],
        }
    }

    pub(super) fn digest(space: &str, collection: &str, key: &str) -> u64 {
        digest(&[space.as_bytes(), collection.as_bytes(), key.as_bytes()])
    }

    /// Its collection and key.
    pub(super) fn names(&self) -> (&str, &str) {
        self.names.split_at_checked(usize::from(self.collection_bytes)).unwrap_or_default()
    }

    pub(super) fn is(&self, space: &str, collection: &str, key: &str) -> bool {
        self.names() == (collection, key) && *self.space == *space
    }

    /// Document sequence and first operation of the next change of a stream (W-24).
    pub(super) fn expected(&self, stream: u8) -> (u64, u64) {
        let mut last = self.streams.iter().zip(&self.sequences).filter(|(of, _)| **of == stream);
        let last = last.next().map_or(0, |(_, sequence)| *sequence);
        (last.wrapping_add(1), self.first_operation.wrapping_add(1))
    }

    /// Takes the numbers of a change.
    pub(super) fn count(&mut self, stream: u8, (sequence, first_operation): (u64, u64)) {
        self.first_operation = first_operation;
        let place = self.streams.iter().position(|of| *of == stream).unwrap_or(0);
        self.streams.get_mut(place..).unwrap_or_default().rotate_left(1);
        self.sequences.get_mut(place..).unwrap_or_default().rotate_left(1);
        let [.., last_stream] = &mut self.streams;
        let [.., last_sequence] = &mut self.sequences;
        (*last_stream, *last_sequence) = (stream, sequence);
    }
}

/// The state of one direction of a connection, before its next row.
#[derive(Default)]
pub(super) struct State<const BYTES: usize> {
    pub(super) streams: Slots<Stream>,
    pub(super) documents: Slots<Document<BYTES>>,
    /// Where the last delta ended.
    pub(super) position: u64,
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
