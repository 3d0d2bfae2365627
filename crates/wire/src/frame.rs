//! What replicas say to each other. Field numbers never change their meaning; new ones are added at the end.

use crate::PackedDelta;
use minicbor::{Decode, Decoder, Encode};

/// The protocol of this version. A peer with another one is told so and left.
pub const PROTOCOL_VERSION: u16 = 2;

/// Most spaces of a frame.
pub const TABLE_MAX: usize = 4_096;
/// Most entries of all version vectors of a frame together.
pub const VECTOR_ENTRIES_MAX: usize = 16_384;

/// Reads a list of at most `N`: what a frame claims beyond that is refused before it takes memory.
fn at_most<'b, Context, T, const N: usize>(
    decoder: &mut Decoder<'b>,
    context: &mut Context,
) -> Result<Vec<T>, minicbor::decode::Error>
where
    T: Decode<'b, Context>,
{
    let mut list = Vec::new();
    for entry in decoder.array_iter_with(context)? {
        if list.len() == N {
            return Err(minicbor::decode::Error::message("a list is too long"));
        }
        list.push(entry?);
    }
    Ok(list)
}

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
        if list.len() == TABLE_MAX || entries > VECTOR_ENTRIES_MAX {
            return Err(minicbor::decode::Error::message("a list is too long"));
        }
        list.push(vector);
    }
    Ok(list)
}

fn read_takes<Context>(
    decoder: &mut Decoder<'_>,
    _context: &mut Context,
) -> Result<bool, minicbor::decode::Error> {
    decoder.bool()
}

/// A sender that does not know the field takes changes of all spaces that it shares.
#[expect(clippy::unnecessary_wraps, reason = "the derived decoder asks for this type")]
fn takes_when_absent() -> Option<bool> {
    Some(true)
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
    /// The spaces that the sender shares on this link, with what it has of each.
    #[cbor(n(3), decode_with = "read_vectors")]
    pub spaces: Vec<SpaceVector>,
}

/// A position in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
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
    #[cbor(n(1), decode_with = "at_most::<_, _, VECTOR_ENTRIES_MAX>")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ack {
    /// A [`Delta::to`] of the connection: everything up to it is durable.
    #[n(0)]
    pub durable: u64,
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
