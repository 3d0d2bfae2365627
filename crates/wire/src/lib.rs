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

mod envelope;
pub use envelope::{DecodeError, EncodeError, FRAME_BYTES_MAX, decode, encode};
mod fill;
pub use fill::{
    Body, FILL_CHANGES_MAX, FILL_DOCUMENTS_MAX, FillAck, FillDocument, FillDocuments, FillDone, FillFinished,
    FillListing, FillMore, FillName, FillOffer, FillOrigin, FillSymbols, FillWant, LISTED_BYTES, LISTED_MAX,
    SYMBOL_BYTES_MAX, WANTED_HEADS_MAX, Wanted,
};
mod frame;
pub use frame::{
    Ack, Cursor, Delta, DocumentName, Frame, Hello, OriginKey, PROTOCOL_VERSION, ROWS_MAX, Rewind, Row,
    SpaceVector, TABLE_MAX, VECTOR_ENTRIES_MAX, VectorEntry,
};
