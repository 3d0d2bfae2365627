//! What replicas say to each other. Field numbers never change their meaning; new ones are added at the end.

use crate::PackedDelta;
use crate::fill::{
    FillAck, FillAhead, FillDocuments, FillFinished, FillListing, FillMore, FillOffer, FillSymbols, FillWant,
};
use crate::limit::{Chains, HubEntries, Incomplete, Spaces, StoppedStreams, VectorEntries, at_most, over};
use minicbor::{Decode, Decoder, Encode};

/// The protocol of this version. Of two replicas both speak the lower one: a fleet is upgraded over months, and a newer
/// replica keeps to what an older peer knows.
pub const PROTOCOL_VERSION: u16 = 2;
/// The oldest protocol that this version still speaks. A peer with an older one is told so and left.
pub const PROTOCOL_OLDEST: u16 = 2;

/// Most spaces of a frame.
pub const TABLE_MAX: usize = 4_096;
/// Most chains of a frame about a fork.
pub const FORK_CHAINS_MAX: usize = 64;
/// Most streams of an acknowledgement that stopped.
pub const STOPPED_MAX: usize = 1_024;
/// Most entries of all version vectors of a frame together.
pub const VECTOR_ENTRIES_MAX: usize = 16_384;

/// Most entries of [`Ack::hub`].
pub const HUB_ENTRIES_MAX: usize = 256;

/// Reads version vectors: at most [`TABLE_MAX`], with at most [`VECTOR_ENTRIES_MAX`] entries together.
fn read_vectors<Context>(
    decoder: &mut Decoder<'_>,
    context: &mut Context,
) -> Result<Vec<SpaceVector>, minicbor::decode::Error> {
    let mut list = Vec::new();
    let mut entries = 0;
    for vector in decoder.array_iter_with::<_, SpaceVector>(context)? {
        let vector = vector?;
        entries += vector.entries.len();
        if list.len() == TABLE_MAX {
            return Err(over::<Spaces>());
        }
        if entries > VECTOR_ENTRIES_MAX {
            return Err(over::<VectorEntries>());
        }
        list.push(vector);
    }
    Ok(list)
}

/// Reads what the hub has: at most [`HUB_ENTRIES_MAX`] spaces and entries.
fn read_hub<Context>(
    decoder: &mut Decoder<'_>,
    context: &mut Context,
) -> Result<Option<Vec<HubSpace>>, minicbor::decode::Error> {
    let spaces: Vec<HubSpace> = at_most::<_, _, HubEntries>(decoder, context)?;
    if spaces.iter().map(|space| space.entries.len()).sum::<usize>() > HUB_ENTRIES_MAX {
        return Err(over::<HubEntries>());
    }
    Ok(Some(spaces))
}

/// A sender that does not know the field says nothing of the hub.
#[expect(clippy::option_option, reason = "the derived decoder asks for this type")]
fn no_hub() -> Option<Option<Vec<HubSpace>>> {
    Some(None)
}

fn read_takes<Context>(
    decoder: &mut Decoder<'_>,
    _context: &mut Context,
) -> Result<bool, minicbor::decode::Error> {
    decoder.bool()
}

#[expect(clippy::unnecessary_wraps, reason = "the derived decoder asks for this type")]
fn none_when_absent<T>() -> Option<Vec<T>> {
    Some(Vec::new())
}

/// A sender that does not know the field takes changes of all spaces that it shares.
#[expect(clippy::unnecessary_wraps, reason = "the derived decoder asks for this type")]
fn takes_when_absent() -> Option<bool> {
    Some(true)
}

fn read_incomplete<Context>(
    decoder: &mut Decoder<'_>,
    context: &mut Context,
) -> Result<Vec<String>, minicbor::decode::Error> {
    at_most::<_, _, Incomplete>(decoder, context)
}

/// One message on the stream between two replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// First on a connection, from both sides at once.
    Hello(Hello),
    /// Journal rows, as the connection's [`crate::DeltaEncoder`] packed them.
    Delta(PackedDelta),
    /// What is durable at the receiver of deltas.
    Ack(Ack),
    /// The receiver of deltas asks for them again.
    Rewind(Rewind),
    /// The documents of a space are offered.
    FillOffer(FillOffer),
    /// More is asked for that tells which documents differ.
    FillMore(FillMore),
    /// Symbols of the documents.
    FillSymbols(FillSymbols),
    /// A listing of the documents.
    FillListing(FillListing),
    /// Documents are asked for.
    FillWant(FillWant),
    /// Documents.
    FillDocuments(FillDocuments),
    /// Documents are durable.
    FillAck(FillAck),
    /// Nothing more of a fill is needed.
    FillFinished(FillFinished),
    /// Documents have changes that no version vector tells of.
    FillAhead(FillAhead),
    /// The receiver of a hello does not know what the hello builds on: the sender is to connect again and say all.
    Ask,
    /// A stream has two histories: where they part is looked for.
    Fork(Fork),
    /// Of a kind that a newer version knows; passed over.
    Unknown(u8),
}

/// Who I am, what I have, and where I stand in your journal. Sending it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    #[n(0)]
    pub protocol: u16,
    /// Names the sender's journal; another number is another journal.
    #[n(1)]
    pub epoch: u64,
    /// How far the sender has the receiver's journal durably; `None` when it does not know it.
    #[n(2)]
    pub cursor: Option<Cursor>,
    /// With `since` 0: every space that the sender shares on this link, with all that it has of each. Else the spaces
    /// of which it got more since, with the entries that changed.
    #[cbor(n(3), decode_with = "read_vectors")]
    pub spaces: Vec<SpaceVector>,
    /// A position of the sender's journal as of which the receiver knows what the sender has: it acknowledged it
    /// ([`Heard`]). 0 when it knows nothing.
    #[cbor(n(4), default)]
    pub since: u64,
    /// The position of the sender's journal as of which it says what it has.
    #[cbor(n(5), default)]
    pub head: u64,
    /// Digest of which spaces the sender shares and takes changes of; the receiver knows the list when it knows
    /// `since`.
    #[cbor(n(6), with = "minicbor::bytes", default)]
    pub subscription: [u8; 8],
    /// Every space that the sender shares and has only some documents of, besides what its vectors say; whatever
    /// `since` is. None when absent.
    #[cbor(n(7), decode_with = "read_incomplete", nil = "none_when_absent")]
    pub incomplete: Vec<String>,
}

/// A position in a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Cursor {
    /// Which journal.
    #[n(0)]
    pub epoch: u64,
    /// Position (LSN); everything up to it is had.
    #[n(1)]
    pub lsn: u64,
}

/// A version vector: what a replica has of a space.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SpaceVector {
    /// The space's name.
    #[n(0)]
    pub space: String,
    /// One for each origin that ever wrote in the space.
    #[cbor(n(1), decode_with = "at_most::<_, _, VectorEntries>")]
    pub entries: Vec<VectorEntry>,
    /// Whether the sender of the vector takes changes of the space from its receiver; true when the field is absent.
    #[cbor(n(2), decode_with = "read_takes", nil = "takes_when_absent")]
    pub takes: bool,
}

/// How far a replica has an origin's changes in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VectorEntry {
    /// Who wrote them.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub origin: [u8; 16],
    /// The last sequence; all before it are had.
    #[n(1)]
    pub sequence: u64,
    /// Digest over the hashes of all of them, so that two histories of one origin are told apart.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub chain: [u8; 8],
}

/// What an origin is made of: the receiver computes the origin itself, so nobody can claim another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct OriginKey {
    /// The Ed25519 key of the replica.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub public_key: [u8; 32],
    /// The number drawn when its store was made.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub incarnation: [u8; 16],
}

/// What is durable at the receiver of deltas. Cumulative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ack {
    /// A [`Delta::to`] of the connection: everything up to it is durable, but for the rows of streams that
    /// stopped. Absent when there is nothing to say of deltas.
    #[n(0)]
    pub durable: Option<u64>,
    /// What is durable at the hub, of streams of which it has more than the sender said before on this connection: at
    /// most [`HUB_ENTRIES_MAX`] entries together. Absent when there is nothing new.
    #[cbor(n(1), decode_with = "read_hub", nil = "no_hub")]
    pub hub: Option<Vec<HubSpace>>,
    /// What the receiver of a hello has kept of it durably.
    #[n(2)]
    pub heard: Option<Heard>,
    /// Streams of which the receiver takes no more on this connection until a rewind.
    #[cbor(n(3), decode_with = "at_most::<_, _, StoppedStreams>", nil = "none_when_absent")]
    pub stopped: Vec<Stopped>,
}

/// What the hub has of a space.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HubSpace {
    /// The space's name.
    #[n(0)]
    pub space: String,
    /// Some of its streams.
    #[cbor(n(1), decode_with = "at_most::<_, _, HubEntries>")]
    pub entries: Vec<HubEntry>,
}

/// How far the hub has an origin's changes in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HubEntry {
    /// Who wrote them.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub origin: [u8; 16],
    /// The last sequence; all before it are had.
    #[n(1)]
    pub sequence: u64,
}

/// A hello that its receiver has kept: the sender need not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Heard {
    /// [`Hello::head`].
    #[n(0)]
    pub lsn: u64,
    /// [`Hello::subscription`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub subscription: [u8; 8],
}

/// A stream of which a change was refused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stopped {
    /// The space's name.
    #[n(0)]
    pub space: String,
    /// Who wrote the changes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub origin: [u8; 16],
    /// The last sequence that the receiver has.
    #[n(2)]
    pub sequence: u64,
    /// Why, by a number of the protocol.
    #[n(3)]
    pub cause: Option<u8>,
}

/// Rows did not follow what the receiver has: it says what that is and passes over deltas until the sender has gone
/// back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rewind {
    /// The generation that the next deltas carry.
    #[n(0)]
    pub generation: u32,
    /// What the receiver has.
    #[cbor(n(1), decode_with = "read_vectors")]
    pub spaces: Vec<SpaceVector>,
}

/// Where in a stream two histories part, as far as it is known, and the sender's history there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Fork {
    /// The space's name.
    #[n(0)]
    pub space: String,
    /// Whose changes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub origin: [u8; 16],
    /// Up to this sequence the histories are one.
    #[n(2)]
    pub agreed: u64,
    /// At this sequence they are two.
    #[n(3)]
    pub differs: u64,
    /// The sender's history between, in order of the sequences.
    #[cbor(n(4), decode_with = "at_most::<_, _, Chains>")]
    pub chains: Vec<ForkChain>,
    /// Whether the histories are not known to be two: then `differs` is one more than the last sequence that both have.
    #[cbor(n(5), skip_if = "is_false")]
    pub asks: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// An origin's history up to a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ForkChain {
    /// The sequence.
    #[n(0)]
    pub sequence: u64,
    /// Digest over the hashes of the changes up to it, as in [`VectorEntry::chain`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub chain: [u8; 8],
    /// The change with this sequence, where the sender still knows it and the receiver may read the space.
    #[n(2)]
    pub change: Option<ForkChange>,
}

/// A change, as it is found where its stamp was trimmed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ForkChange {
    /// The document's collection.
    #[n(0)]
    pub collection: String,
    /// The document's key.
    #[n(1)]
    pub key: String,
    /// The change's hash.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub hash: [u8; 32],
}
