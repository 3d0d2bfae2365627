//! Values of stored rows: CBOR arrays with numbered fields; new fields are added at the end.

use crate::store::{Keyspace, StoreError};
use minicbor::{Decode, Encode};

/// Numbers that grow with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Counters {
    /// Names the journal.
    #[n(0)]
    pub(crate) epoch: u64,
    /// Last position of the journal.
    #[n(1)]
    pub(crate) head: u64,
    /// Documents so far; the next document's number.
    #[n(2)]
    pub(crate) documents: u32,
    /// Idempotency keys so far.
    #[n(3)]
    pub(crate) idempotency_keys: u64,
}

/// A document, by address.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DocumentRow {
    #[n(0)]
    pub(crate) number: u32,
    /// Last position of the journal with a change of it.
    #[n(1)]
    pub(crate) last: u64,
    /// Its heads, 32 bytes each.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) heads: Vec<u8>,
    /// How many changes it has.
    #[n(3)]
    pub(crate) changes: u64,
}

/// Where a document is, by number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DocumentNameRow {
    #[n(0)]
    pub(crate) space: u32,
    #[n(1)]
    pub(crate) collection: String,
    #[n(2)]
    pub(crate) key: String,
}

/// A position of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct JournalRow {
    #[n(0)]
    pub(crate) document: u32,
    #[n(1)]
    pub(crate) space: u32,
    #[n(2)]
    pub(crate) origin: u32,
    #[n(3)]
    pub(crate) sequence: u64,
    /// When this replica took the change, in milliseconds of its wall clock. Only shown, as lag.
    #[n(4)]
    pub(crate) accepted_ms: i64,
}

/// An entry of a version vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct VectorRow {
    #[n(0)]
    pub(crate) sequence: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) chain: [u8; 32],
}

/// What is known of a peer between connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PeerRow {
    /// How far its journal is here durably.
    #[n(0)]
    pub(crate) cursor: Option<wire::Cursor>,
    /// What it has of this replica's spaces, as last heard.
    #[n(1)]
    pub(crate) confirmed: Vec<ConfirmedRow>,
}

/// See [`PeerRow::confirmed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ConfirmedRow {
    #[n(0)]
    pub(crate) space: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) origin: [u8; 16],
    #[n(2)]
    pub(crate) sequence: u64,
}

/// A write that carried an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct IdempotencyRow {
    /// Digest of what was asked.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) digest: [u8; 16],
    /// The stamp's sequence; 0 when the document was so already.
    #[n(1)]
    pub(crate) sequence: u64,
    /// The origin of the stamp: it may be of an earlier incarnation.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) origin: [u8; 16],
}

#[expect(
    clippy::expect_used,
    reason = "writing to memory cannot fail, and no derived encoder has an error of its own"
)]
pub(crate) fn encode<T: Encode<()>>(record: &T) -> Vec<u8> {
    minicbor::to_vec(record).expect("encoding into memory")
}

pub(crate) fn decode<'a, T: Decode<'a, ()>>(keyspace: Keyspace, bytes: &'a [u8]) -> Result<T, StoreError> {
    minicbor::decode(bytes).map_err(|_| StoreError::Damaged { what: "a row that cannot be read", keyspace })
}
