//! Frames between two replicas, and their encoding.
//!
//! Pure: bytes in, frames out. Nothing here knows who carries them.
//!
//! Invariants:
//! - [`decode`] takes memory in proportion to the frame's limit, whatever its bytes claim, and never panics.
//! - A fleet runs mixed versions for months: fields are numbered, a field that this version does not know is skipped,
//!   and a frame of an unknown kind is [`Frame::Unknown`], which a replica passes over.
//!
//! ```
//! use wire::{Ack, Frame};
//! let bytes = wire::encode(&Frame::Ack(Ack { durable: 7 }))?;
//! assert_eq!(wire::decode(&bytes)?, Frame::Ack(Ack { durable: 7 }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod delta;
pub use delta::{
    Delta, DeltaDecoder, DeltaEncoder, DocumentName, DocumentPlace, HASHES_KNOWN_MAX, NAME_BYTES_MAX,
    PackedDelta, ROWS_MAX, Row, SLOTS, Unpacked, change_hash,
};
mod envelope;
pub use envelope::{DecodeError, EncodeError, FRAME_BYTES_MAX, decode, encode};
mod frame;
pub use frame::{
    Ack, Cursor, Frame, Hello, OriginKey, PROTOCOL_VERSION, Rewind, SpaceVector, TABLE_MAX,
    VECTOR_ENTRIES_MAX, VectorEntry,
};
