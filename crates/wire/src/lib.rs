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
//! let ack = Frame::Ack(Ack { durable: Some(7), ..Ack::default() });
//! assert_eq!(wire::decode(&wire::encode(&ack)?)?, ack);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod delta;
pub use delta::{
    Deflaters, Delta, DeltaDecoder, DeltaEncoder, DocumentName, DocumentPlace, HASHES_KNOWN_MAX,
    NAME_BYTES_MAX, PackedDelta, ROWS_MAX, Row, SLOTS, Unpacked, change_hash,
};
mod envelope;
pub use envelope::{DecodeError, EncodeError, FRAME_BYTES_MAX, decode, encode};
mod fill;
pub use fill::{
    Body, FILL_CHANGES_MAX, FILL_DOCUMENTS_MAX, FillAck, FillAhead, FillDocument, FillDocuments,
    FillFinished, FillListing, FillMore, FillName, FillOffer, FillOrigin, FillSymbols, FillWant,
    LISTED_BYTES, LISTED_MAX, Reach, SYMBOL_BYTES_MAX, WANTED_HEADS_MAX, Wanted,
};
mod frame;
pub use frame::{
    Ack, Cursor, FORK_CHAINS_MAX, Fork, ForkChain, ForkChange, Frame, HUB_ENTRIES_MAX, Heard, Hello,
    HubEntry, HubSpace, OriginKey, PROTOCOL_OLDEST, PROTOCOL_VERSION, Rewind, STOPPED_MAX, SpaceVector,
    Stopped, TABLE_MAX, VECTOR_ENTRIES_MAX, VectorEntry,
};
mod limit;
