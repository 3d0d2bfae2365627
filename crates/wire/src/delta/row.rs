//! The first byte of a slim row, and how dependencies are named.

/// The row is of another stream than the one before: its number follows.
pub(super) const STREAM: u8 = 1;
/// The sequence is not the stream's next.
pub(super) const SEQUENCE: u8 = 1 << 1;
/// How many rows of the transaction follow is not one less than in the row before.
pub(super) const FOLLOW: u8 = 1 << 2;
/// The body follows as it is.
pub(super) const VERBATIM: u8 = 1 << 3;
/// Document sequence and first operation are not the expected ones.
pub(super) const NUMBERS: u8 = 1 << 4;
/// The dependencies are not the document's heads.
pub(super) const DEPENDENCIES: u8 = 1 << 5;
/// There is a message.
pub(super) const MESSAGE: u8 = 1 << 6;
/// The change names other authors.
pub(super) const OTHERS: u8 = 1 << 7;

/// A dependency: its 32 bytes follow.
pub(super) const BY_HASH: u64 = 0;
/// A dependency: its first 8 bytes follow, and the receiver has the change.
pub(super) const BY_PREFIX: u64 = 1;
/// A dependency: it is the change of an earlier row of the delta; how many rows before follows.
pub(super) const BY_ROW: u64 = 2;
/// A dependency: from here on numbers count through the known changes of the document.
pub(super) const BY_NUMBER: u64 = 3;

/// How many rows of a transaction follow, unless the row says otherwise (W-23).
pub(super) fn expected_follow(before: u16) -> u16 {
    before.saturating_sub(1)
}
