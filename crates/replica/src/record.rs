//! Values of stored rows: CBOR arrays with numbered fields; new fields are added at the end.

use crate::request::BlockReason;
use crate::store::{Keyspace, StoreError};
use minicbor::{Decode, Encode};

/// Raised with each release that can apply changes which an earlier one could not: what the earlier one blocked is
/// then tried again.
pub(crate) const APPLIER_VERSION: u32 = 1;

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
    /// For which incarnation of the store the epoch was drawn.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(crate) incarnation: [u8; 16],
    /// The number of the oldest idempotency key that is kept; `None` before one was kept.
    #[n(5)]
    pub(crate) idempotency_oldest: Option<u64>,
}

/// A document, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
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
    /// Bytes of its changes.
    #[n(4)]
    pub(crate) bytes: u64,
    /// Position of the last change in its value row; 0 while it has none. Changes up to here were applied before.
    #[n(5)]
    pub(crate) value: u64,
    /// Position of the last change in its snapshot; 0 while it has none.
    #[n(6)]
    pub(crate) snapshot: u64,
    /// How many changes there were when a snapshot was last made.
    #[n(7)]
    pub(crate) snapshot_changes: u64,
    /// Bytes of the changes that there were then.
    #[n(8)]
    pub(crate) snapshot_bytes: u64,
    /// Whether it is on the materialiser's list.
    #[n(9)]
    pub(crate) waits: bool,
    /// How often the process ended while changes of it were applied for the first time, since one was last taken up.
    #[n(10)]
    pub(crate) strikes: u8,
    /// Why it is blocked.
    #[n(11)]
    pub(crate) blocked: Option<BlockedRow>,
    /// How many of its changes an operator dropped; none while it is none.
    #[n(12)]
    pub(crate) dropped: Option<u32>,
    /// What the process ended with; none once that was applied after all.
    #[n(13)]
    pub(crate) struck: Option<StruckRow>,
}

/// See [`DocumentRow::struck`]. Changes are tried one at a time while a document has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StruckRow {
    /// Position of the last change that was being tried.
    #[n(0)]
    pub(crate) until: u64,
    /// The change that was tried alone when the process last ended.
    #[n(1)]
    pub(crate) alone: Option<u64>,
}

/// See [`DocumentRow::blocked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct BlockedRow {
    #[n(0)]
    pub(crate) reason: BlockReason,
    /// Which [`APPLIER_VERSION`] blocked it.
    #[n(1)]
    pub(crate) version: u32,
    /// Position of the change to blame, where it is known.
    #[n(2)]
    pub(crate) at: Option<u64>,
}

/// A document with its history up to a position, in place of the changes that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SnapshotRow {
    /// Position of the last change in it.
    #[n(0)]
    pub(crate) lsn: u64,
    /// How many changes it has.
    #[n(1)]
    pub(crate) changes: u64,
    /// blake3 of the bytes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) sum: [u8; 32],
    /// What `Document::save` gave.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) bytes: Vec<u8>,
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
    /// The change's stamp; 0 for what came by a fill: a change that has no stamp in this journal, or a whole document.
    #[n(3)]
    pub(crate) sequence: u64,
    /// When this replica took the change, in milliseconds of its wall clock. Only shown, as lag.
    #[n(4)]
    pub(crate) accepted_ms: i64,
    /// The change.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(crate) hash: [u8; 32],
    /// Digest over this row and, through the one before it, all earlier ones.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub(crate) chain: [u8; 16],
    /// How many changes of the same transaction follow.
    #[n(7)]
    pub(crate) follow: u16,
}

/// An entry of a version vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct VectorRow {
    #[n(0)]
    pub(crate) sequence: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) chain: [u8; 32],
    /// Position of the last of them in the journal.
    #[n(2)]
    pub(crate) lsn: u64,
    /// The first sequence that is in the journal; 1 when absent.
    #[n(3)]
    pub(crate) first: Option<u64>,
    /// The last change whose row was trimmed, or that came by a fill.
    #[n(4)]
    pub(crate) gone: Option<GoneRow>,
    /// Whether changes of it were written on this store, and no peer has confirmed since that it has them; absent: no.
    #[n(5)]
    pub(crate) is_unconfirmed: Option<bool>,
}

/// See [`VectorRow::gone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct GoneRow {
    #[n(0)]
    pub(crate) sequence: u64,
    /// The digest up to it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) chain: [u8; 32],
    /// Which it is, unless it came by a fill.
    #[n(2)]
    pub(crate) change: Option<ChangeRow>,
}

/// A change, by document and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ChangeRow {
    /// The document's number.
    #[n(0)]
    pub(crate) document: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) hash: [u8; 32],
}

/// How far the journal was trimmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct TrimmedRow {
    /// Rows up to this position are gone.
    #[n(0)]
    pub(crate) lsn: u64,
    /// The digest of the row there.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) chain: [u8; 16],
}

/// A space that is being filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct IncompleteRow {
    /// What its documents may have of streams that the vector did not tell of when they came, by whichever fill, in
    /// order of the origins. It is complete when the vector has reached that.
    #[n(0)]
    pub(crate) until: Vec<UntilRow>,
    /// Whether documents are missing.
    #[n(1)]
    pub(crate) lacks_documents: bool,
}

/// See [`IncompleteRow::until`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct UntilRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) origin: [u8; 16],
    #[n(1)]
    pub(crate) sequence: u64,
}

/// What is known of a peer between connections. What it has is in rows of their own ([`crate::session::Confirmed`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PeerRow {
    /// How far its journal is here durably.
    #[n(0)]
    pub(crate) cursor: Option<wire::Cursor>,
    /// The position of its journal as of which it last said what it has.
    #[n(2)]
    pub(crate) heard: Option<wire::Cursor>,
    /// The spaces that it shares, as it last said.
    #[n(3)]
    pub(crate) shares: Option<SharesRow>,
}

/// See [`PeerRow::shares`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SharesRow {
    /// Its digest of them.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) digest: [u8; 8],
    /// Names, and whether it takes changes of each.
    #[n(1)]
    pub(crate) spaces: Vec<(String, bool)>,
}

impl SharesRow {
    /// Whether changes of a space are taken; `None` when it is not shared.
    pub(crate) fn takes(&self, space: &document::Space) -> Option<bool> {
        self.spaces.iter().find(|(name, _)| name == space.as_str()).map(|(_, takes)| *takes)
    }
}

/// A write that carried an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
    /// When it was kept, in milliseconds of wall time.
    #[n(3)]
    pub(crate) kept_ms: Option<i64>,
    /// Among whose keys it is counted; `None` of an earlier version, which counted for nobody.
    #[n(4)]
    pub(crate) holder: Option<u64>,
    /// The document's heads after it; `None` of several documents, of very many heads, or of an earlier version.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(crate) heads: Option<Vec<u8>>,
}

/// How many idempotency keys are somebody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct HolderRow {
    #[n(0)]
    pub(crate) keys: u64,
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
