//! Frames of a fill: one replica gives another the documents of a space that its journal no more has changes for.
//!
//! They go on the bulk lane. Their order within it matters, their order to frames of the live lane does not.

use crate::frame::{OriginKey, VectorEntry};
use crate::limit::{
    Changes, Documents, FilledEntries, Origins, SymbolBytes, VectorEntries, WantedDocuments, at_most,
    bytes_at_most,
};
use minicbor::{Decode, Encode};

/// Most bytes of packed symbols in a frame.
pub const SYMBOL_BYTES_MAX: usize = 512 * 1024;
/// Most documents of a listing, and most that are asked for in a frame.
pub const LISTED_MAX: usize = 4_096;
/// Bytes of an entry of a listing: the digests of a document's name and of its heads.
pub const LISTED_BYTES: usize = 16;
/// Most heads by which a receiver says what it has of a document.
pub const WANTED_HEADS_MAX: usize = 16;
/// Most documents of a frame.
pub const FILL_DOCUMENTS_MAX: usize = 1_024;
/// Most changes of a document in a frame.
pub const FILL_CHANGES_MAX: usize = 4_096;

/// A document by name, within the space of the fill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct FillName {
    /// The collection's name.
    #[n(0)]
    pub collection: String,
    /// The document's key.
    #[n(1)]
    pub key: String,
}

/// How far the filler has an origin's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FillOrigin {
    /// Who wrote them.
    #[n(0)]
    pub key: OriginKey,
    /// The last sequence.
    #[n(1)]
    pub sequence: u64,
    /// The whole digest over the hashes of all of them: the receiver goes on from it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub chain: [u8; 32],
}

/// The filler's journal does not have what the receiver lacks of a space: it offers the space's documents.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillOffer {
    /// Counts the filler's offers on the connection.
    #[n(0)]
    pub fill: u64,
    /// Which space.
    #[n(1)]
    pub space: String,
    /// For the digests of this fill.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub key: [u8; 32],
    /// How many documents the symbols are of; 0 without any.
    #[n(3)]
    pub documents: u64,
    /// What the receiver has once it has the documents.
    #[cbor(n(4), decode_with = "at_most::<_, _, Origins>")]
    pub origins: Vec<FillOrigin>,
    /// The first symbols of the documents; none when the receiver said that it has nothing.
    #[cbor(n(5), encode_with = "minicbor::bytes::encode", decode_with = "bytes_at_most::<_, SymbolBytes>")]
    pub symbols: Vec<u8>,
    /// Whether the documents have changes that the filler has by a fill, and not by its vector.
    #[n(6)]
    pub is_ahead: bool,
    /// Whether the next offer goes on with the origins. It is of the same fill and space, and has no symbols.
    #[cbor(n(7), skip_if = "is_false")]
    pub more: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The receiver asks for more of what tells it which documents differ.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillMore {
    /// Which fill.
    #[n(0)]
    pub fill: u64,
    /// So many symbols in all. Absent when a listing is asked for.
    #[n(1)]
    pub symbols: Option<u32>,
    /// A listing of the documents after this one; from the first when absent.
    #[n(2)]
    pub after: Option<FillName>,
}

/// The next symbols.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillSymbols {
    /// Which fill.
    #[n(0)]
    pub fill: u64,
    /// The place of the first.
    #[n(1)]
    pub first: u32,
    /// Packed: two digests, a checksum (8 bytes each, big-endian) and a zigzag variable-length number each.
    #[cbor(n(2), encode_with = "minicbor::bytes::encode", decode_with = "bytes_at_most::<_, SymbolBytes>")]
    pub symbols: Vec<u8>,
}

/// Documents in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillListing {
    /// Which fill.
    #[n(0)]
    pub fill: u64,
    /// The last that is listed; absent when no more follow.
    #[n(1)]
    pub to: Option<FillName>,
    /// [`LISTED_BYTES`] each: digests of name and heads, big-endian.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub entries: Vec<u8>,
}

/// A document that the receiver wants.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Wanted {
    /// Digest of its name.
    #[n(0)]
    pub document: u64,
    /// The first 8 bytes of each head that the receiver has of it, at most [`WANTED_HEADS_MAX`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub heads: Vec<u8>,
}

/// What the receiver wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillWant {
    /// Which fill.
    #[n(0)]
    pub fill: u64,
    /// Every document: the receiver has none.
    #[n(1)]
    pub all: bool,
    /// Whether it takes whole documents in place of their changes.
    #[n(2)]
    pub snapshots: bool,
    /// The documents are after this one.
    #[n(3)]
    pub after: Option<FillName>,
    /// And up to this one.
    #[n(4)]
    pub to: Option<FillName>,
    /// The documents.
    #[cbor(n(5), decode_with = "at_most::<_, _, WantedDocuments>")]
    pub documents: Vec<Wanted>,
    /// Whether more follow in the next frame, before the first is sent.
    #[n(6)]
    pub more: bool,
}

/// Bytes: of a change as in [`crate::Row::body`], or of a whole document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Body(
    /// Its bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub Vec<u8>,
);

/// A document, or part of one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FillDocument {
    /// Which.
    #[n(0)]
    pub name: FillName,
    /// The document as it once was, as Automerge saved it. Comes first.
    #[n(1)]
    pub snapshot: Option<Body>,
    /// Changes that the receiver lacks, each after what it depends on.
    #[cbor(n(2), decode_with = "at_most::<_, _, Changes>")]
    pub changes: Vec<Body>,
    /// Its heads, 32 bytes each, in its last part; none before.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub heads: Vec<u8>,
}

/// Documents that the receiver wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillDocuments {
    /// Which fill.
    #[n(0)]
    pub fill: u64,
    /// Counts these frames of the fill, from 1.
    #[n(1)]
    pub number: u32,
    /// Origins of changes, those that no earlier frame of the fill named.
    #[cbor(n(2), decode_with = "at_most::<_, _, Origins>")]
    pub origins: Vec<OriginKey>,
    /// The documents.
    #[cbor(n(3), decode_with = "at_most::<_, _, Documents>")]
    pub documents: Vec<FillDocument>,
    /// Whether everything that was wanted has been sent.
    #[n(4)]
    pub is_done: bool,
    /// How far the filler has streams, where that is further than the offer and earlier frames of the fill say: the
    /// documents may have so much.
    #[cbor(n(5), decode_with = "at_most::<_, _, VectorEntries>")]
    pub vector: Vec<Reach>,
    /// The same of changes that the filler itself has by a fill, and not by its vector.
    #[cbor(n(6), decode_with = "at_most::<_, _, FilledEntries>")]
    pub filled: Vec<Reach>,
    /// Whether documents were left out, which the filler cannot read: the vector is not to be adopted.
    #[cbor(n(7), default)]
    pub is_short: bool,
}

/// How far documents may have the changes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reach {
    /// Who wrote them.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub origin: [u8; 16],
    /// The last sequence.
    #[n(1)]
    pub sequence: u64,
}

/// What is durable at the receiver. Cumulative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillAck {
    /// Which fill.
    #[n(0)]
    pub fill: u64,
    /// The last frame of documents.
    #[n(1)]
    pub number: u32,
}

/// Documents of a space have changes whose rows nobody sends, so that no version vector shows who lacks them. Its receiver
/// answers with another, to have the documents offered. Goes on the live lane, after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillAhead {
    /// Which space.
    #[n(1)]
    pub space: String,
    /// Whether the documents are to be offered: it is the answer to another.
    #[cbor(n(2), default)]
    pub asks: bool,
}

/// The receiver needs no more of the fill: it has it all, or has or wants none of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FillFinished {
    /// Which fill.
    #[n(0)]
    pub fill: u64,
    /// Whether the filler may go on with the space's changes.
    #[n(1)]
    pub taken: bool,
    /// What the receiver has of the space.
    #[cbor(n(2), decode_with = "at_most::<_, _, VectorEntries>")]
    pub entries: Vec<VectorEntry>,
}
