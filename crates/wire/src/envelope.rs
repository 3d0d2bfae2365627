//! A frame's bytes: kind, flags, body. The body is CBOR (RFC 8949) with numbered fields, deflated (RFC 1951) when
//! that makes it smaller; a delta's is what [`crate::DeltaEncoder`] packed.

use crate::PackedDelta;
use crate::frame::{Frame, SpaceVector};
use crate::limit::{
    Chains, Changes, Documents, FilledEntries, HubEntries, Incomplete, Limit, Origins, OverLimit, Spaces,
    StoppedStreams, SymbolBytes, VectorEntries, WantedDocuments,
};
use core::error::Error as _;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Longest frame, inflated, in bytes.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Shorter bodies are not worth deflating.
const DEFLATE_BYTES_MIN: usize = 128;
/// Measured on changes: higher levels gain 5 % for three times the processor time.
const DEFLATE_LEVEL: u32 = 3;

// 5 to 9 are reserved for the session, 10 to 19 for filling a space, 20 to 29 for later.
const KIND_HELLO: u8 = 1;
const KIND_DELTA: u8 = 2;
const KIND_ACK: u8 = 3;
const KIND_REWIND: u8 = 4;
const KIND_FILL_OFFER: u8 = 10;
const KIND_FILL_MORE: u8 = 11;
const KIND_FILL_SYMBOLS: u8 = 12;
const KIND_FILL_LISTING: u8 = 13;
const KIND_FILL_WANT: u8 = 14;
const KIND_FILL_DOCUMENTS: u8 = 15;
const KIND_FILL_ACK: u8 = 16;
const KIND_FILL_FINISHED: u8 = 17;
const KIND_FILL_AHEAD: u8 = 18;
const KIND_ASK: u8 = 5;
const KIND_FORK: u8 = 6;
const FLAG_DEFLATED: u8 = 1;
/// Of a delta, which is always deflated: it begins the connection's state anew.
const FLAG_RESTARTS: u8 = 2;

/// Why a frame cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("the frame has {0} bytes, {FRAME_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// A list is longer than its limit: every peer would refuse the frame.
    #[error("the frame has {count} {list}, {limit} are allowed")]
    TooMany {
        /// What the list holds.
        list: &'static str,
        /// How many it holds.
        count: usize,
        /// How many a peer takes.
        limit: usize,
    },
    /// [`Frame::Unknown`] is only ever received.
    #[error("a frame of an unknown kind cannot be sent")]
    Unknown,
    /// A name is longer than [`crate::NAME_BYTES_MAX`].
    #[error("a name in the delta has {0} bytes, {max} are allowed", max = crate::NAME_BYTES_MAX)]
    NameTooLong(usize),
    /// An index in a delta names nothing in it.
    #[error("a row of the delta names a document, space or origin that the delta does not have")]
    Reference,
    /// The deflate library broke its promise.
    #[error("the delta cannot be deflated")]
    Deflate,
}

/// Which rule a peer's frame breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Shorter than kind and flags.
    #[error("the frame is cut short")]
    CutShort,
    /// Longer than [`FRAME_BYTES_MAX`], or it inflates to more.
    #[error("the frame is longer than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    /// The deflate stream is damaged.
    #[error("the frame cannot be inflated")]
    Inflate,
    /// Flags that this version does not know.
    #[error("the frame has unknown flags")]
    Flags,
    /// The body does not have the fields of its kind.
    #[error("the body of the frame is malformed")]
    Body,
    /// A list, or bytes, in the body are longer than their limit.
    #[error("the frame has more than {limit} {list}")]
    TooMany {
        /// What the list holds.
        list: &'static str,
        /// How many are taken.
        limit: usize,
    },
    /// A delta that builds on others, and those were not read.
    #[error("a delta builds on others that were not sent")]
    Restart,
    /// A row of a delta ends early, or a number in it is out of range.
    #[error("a row of a delta is malformed")]
    Row,
    /// A row of a delta names an entry of a table that is not there.
    #[error("a row of a delta names what was never told")]
    Table,
    /// The digest of a delta is not that of its changes.
    #[error("the changes of a delta are not those of its digest")]
    Check,
}

/// The bytes of a frame.
///
/// # Errors
/// [`EncodeError`] when the frame or one of its lists is too long, or it is of an unknown kind.
pub fn encode(frame: &Frame) -> Result<Vec<u8>, EncodeError> {
    check_lists(frame)?;
    let (kind, body) = match frame {
        Frame::Hello(hello) => (KIND_HELLO, to_vec(hello)),
        Frame::Delta(packed) => (KIND_DELTA, packed.to_body()),
        Frame::Ack(ack) => (KIND_ACK, to_vec(ack)),
        Frame::Rewind(rewind) => (KIND_REWIND, to_vec(rewind)),
        Frame::FillOffer(body) => (KIND_FILL_OFFER, to_vec(body)),
        Frame::FillMore(body) => (KIND_FILL_MORE, to_vec(body)),
        Frame::FillSymbols(body) => (KIND_FILL_SYMBOLS, to_vec(body)),
        Frame::FillListing(body) => (KIND_FILL_LISTING, to_vec(body)),
        Frame::FillWant(body) => (KIND_FILL_WANT, to_vec(body)),
        Frame::FillDocuments(body) => (KIND_FILL_DOCUMENTS, to_vec(body)),
        Frame::FillAck(body) => (KIND_FILL_ACK, to_vec(body)),
        Frame::FillFinished(body) => (KIND_FILL_FINISHED, to_vec(body)),
        Frame::FillAhead(body) => (KIND_FILL_AHEAD, to_vec(body)),
        Frame::Ask => (KIND_ASK, Vec::new()),
        Frame::Fork(fork) => (KIND_FORK, to_vec(fork)),
        Frame::Unknown(_) => return Err(EncodeError::Unknown),
    };
    if body.len() > FRAME_BYTES_MAX {
        return Err(EncodeError::TooLong(body.len()));
    }
    let deflated = if kind == KIND_DELTA { None } else { deflate(&body) };
    let (flags, body) = match (&deflated, frame) {
        (Some(deflated), _) => (FLAG_DEFLATED, deflated),
        (None, Frame::Delta(packed)) if packed.restarts => (FLAG_RESTARTS, &body),
        (None, _) => (0, &body),
    };
    let mut bytes = Vec::with_capacity(body.len() + 2);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// What a list holds, how many, and how many it may.
fn of<L: Limit>(count: usize) -> (&'static str, usize, usize) {
    (L::LIST, count, L::MAX)
}

/// The limits that [`decode`] holds a peer's lists to.
fn check_lists(frame: &Frame) -> Result<(), EncodeError> {
    let vectors = |vectors: &[SpaceVector]| {
        let entries = vectors.iter().map(|vector| vector.entries.len()).sum();
        vec![of::<Spaces>(vectors.len()), of::<VectorEntries>(entries)]
    };
    let lists = match frame {
        Frame::Hello(hello) => {
            [vectors(&hello.spaces), vec![of::<Incomplete>(hello.incomplete.len())]].concat()
        }
        Frame::Rewind(rewind) => vectors(&rewind.spaces),
        Frame::FillOffer(offer) => {
            vec![of::<Origins>(offer.origins.len()), of::<SymbolBytes>(offer.symbols.len())]
        }
        Frame::FillSymbols(symbols) => vec![of::<SymbolBytes>(symbols.symbols.len())],
        Frame::FillWant(want) => vec![of::<WantedDocuments>(want.documents.len())],
        Frame::FillDocuments(fill) => vec![
            of::<Origins>(fill.origins.len()),
            of::<Documents>(fill.documents.len()),
            of::<Changes>(fill.documents.iter().map(|document| document.changes.len()).max().unwrap_or(0)),
            of::<VectorEntries>(fill.vector.len()),
            of::<FilledEntries>(fill.filled.len()),
        ],
        Frame::FillFinished(finished) => vec![of::<VectorEntries>(finished.entries.len())],
        Frame::Ack(ack) => {
            let entries = ack.hub.iter().flatten().map(|space| space.entries.len()).sum();
            vec![of::<HubEntries>(entries), of::<StoppedStreams>(ack.stopped.len())]
        }
        Frame::Fork(fork) => vec![of::<Chains>(fork.chains.len())],
        Frame::Delta(_)
        | Frame::Ask
        | Frame::FillMore(_)
        | Frame::FillListing(_)
        | Frame::FillAck(_)
        | Frame::FillAhead(_)
        | Frame::Unknown(_) => Vec::new(),
    };
    match lists.into_iter().find(|(_, count, limit)| count > limit) {
        Some((list, count, limit)) => Err(EncodeError::TooMany { list, count, limit }),
        None => Ok(()),
    }
}

/// Reads a frame.
///
/// # Errors
/// [`DecodeError`] names the rule that the bytes break.
pub fn decode(bytes: &[u8]) -> Result<Frame, DecodeError> {
    let (&[kind, flags], body) = bytes.split_first_chunk().ok_or(DecodeError::CutShort)?;
    match kind {
        _ if body.len() > FRAME_BYTES_MAX => Err(DecodeError::TooLong),
        KIND_HELLO => read(flags, body).map(Frame::Hello),
        KIND_DELTA => match flags {
            0 | FLAG_RESTARTS => PackedDelta::from_body(flags != 0, body).map(Frame::Delta),
            _ => Err(DecodeError::Flags),
        },
        KIND_ACK => read(flags, body).map(Frame::Ack),
        KIND_REWIND => read(flags, body).map(Frame::Rewind),
        KIND_FILL_OFFER => read(flags, body).map(Frame::FillOffer),
        KIND_FILL_MORE => read(flags, body).map(Frame::FillMore),
        KIND_FILL_SYMBOLS => read(flags, body).map(Frame::FillSymbols),
        KIND_FILL_LISTING => read(flags, body).map(Frame::FillListing),
        KIND_FILL_WANT => read(flags, body).map(Frame::FillWant),
        KIND_FILL_DOCUMENTS => read(flags, body).map(Frame::FillDocuments),
        KIND_FILL_ACK => read(flags, body).map(Frame::FillAck),
        KIND_FILL_FINISHED => read(flags, body).map(Frame::FillFinished),
        KIND_FILL_AHEAD => read(flags, body).map(Frame::FillAhead),
        // A body is a newer version's business, as an unknown field is.
        KIND_ASK if flags == 0 => Ok(Frame::Ask),
        KIND_ASK => Err(DecodeError::Flags),
        KIND_FORK => read(flags, body).map(Frame::Fork),
        // Its flags and body are a newer version's business.
        unknown => Ok(Frame::Unknown(unknown)),
    }
}

fn read<T: for<'a> minicbor::Decode<'a, ()>>(flags: u8, body: &[u8]) -> Result<T, DecodeError> {
    match flags {
        0 => from_slice(body),
        FLAG_DEFLATED => from_slice(&inflate(body)?),
        _ => Err(DecodeError::Flags),
    }
}

#[expect(
    clippy::expect_used,
    reason = "writing to memory cannot fail, and no derived encoder has an error of its own"
)]
fn to_vec<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("encoding into memory")
}

fn from_slice<'a, T: minicbor::Decode<'a, ()>>(body: &'a [u8]) -> Result<T, DecodeError> {
    let mut decoder = minicbor::Decoder::new(body);
    let value = decoder.decode().map_err(|error| refused(&error))?;
    if decoder.position() == body.len() { Ok(value) } else { Err(DecodeError::Body) }
}

fn refused(error: &minicbor::decode::Error) -> DecodeError {
    let over = error.source().and_then(|source| source.downcast_ref::<OverLimit>());
    over.map_or(DecodeError::Body, |OverLimit { list, limit }| DecodeError::TooMany { list, limit: *limit })
}

/// The body deflated, when that is shorter.
fn deflate(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < DEFLATE_BYTES_MIN {
        return None;
    }
    let mut deflated = Vec::with_capacity(body.len());
    let mut compress = Compress::new(Compression::new(DEFLATE_LEVEL), false);
    // The output never grows: a stream that does not fit into the body's length is not worth sending.
    match compress.compress_vec(body, &mut deflated, FlushCompress::Finish) {
        Ok(Status::StreamEnd) if deflated.len() < body.len() => Some(deflated),
        Ok(_) | Err(_) => None,
    }
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut inflated = Vec::with_capacity(body.len().saturating_mul(4).min(FRAME_BYTES_MAX));
    let mut decompress = Decompress::new(false);
    loop {
        let read = usize::try_from(decompress.total_in()).map_err(|_| DecodeError::Inflate)?;
        let rest = body.get(read..).ok_or(DecodeError::Inflate)?;
        let before = inflated.len();
        match decompress.decompress_vec(rest, &mut inflated, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => {
                let whole = decompress.total_in() == body.len() as u64;
                return if whole { Ok(inflated) } else { Err(DecodeError::Inflate) };
            }
            Ok(Status::Ok | Status::BufError) if inflated.len() == inflated.capacity() => {
                if inflated.len() >= FRAME_BYTES_MAX {
                    return Err(DecodeError::TooLong);
                }
                let more = inflated.len().max(1_024).min(FRAME_BYTES_MAX - inflated.len());
                inflated.reserve_exact(more);
            }
            Ok(_) if inflated.len() > before => {}
            Ok(_) | Err(_) => return Err(DecodeError::Inflate),
        }
    }
}

#[cfg(test)]
mod tests;
