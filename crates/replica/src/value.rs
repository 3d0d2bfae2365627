//! Stored values: a document's JSON as it was at its last change taken up, so that reads open no document.

pub(crate) mod reading;

use crate::record;
use crate::store::{Keyspace, StoreError};
use document::ChangeHash;
use minicbor::{Decode, Encode};
use serde_json::Value;

/// Whether a document is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum ValueState {
    #[n(0)]
    Live,
    /// By a tombstone: it has no JSON, and queries pass over it.
    #[n(1)]
    Deleted,
}

/// The row of `keys::value`. It borrows from the row's bytes: a read copies no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ValueRow<'a> {
    /// Position of the journal with the last change that is in it; fresh while it is the document row's last.
    #[n(0)]
    pub(crate) lsn: u64,
    /// The document's heads there, 32 bytes each.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub(crate) heads: &'a [u8],
    #[n(2)]
    pub(crate) state: ValueState,
    /// JSON text as it is stored, without the schema's defaults; empty when the document is deleted.
    #[cbor(b(3), with = "minicbor::bytes")]
    pub(crate) json: &'a [u8],
    /// Whether it broke its schema when it was written; left out when not, and of rows that an earlier version wrote.
    #[n(4)]
    broken: Option<bool>,
    /// The schema whose rules it keeps, and of which it lacks no default, by the first bytes of a digest; left out of others,
    /// and of rows that an earlier version wrote. See [`crate::index::Indexing::whole_mark`].
    #[n(5)]
    pub(crate) whole: Option<u64>,
}

impl<'a> ValueRow<'a> {
    /// The value of a document at a position and its heads there.
    pub(crate) fn new((lsn, heads): (u64, &'a [u8]), state: ValueState, json: &'a [u8]) -> Self {
        Self { lsn, heads, state, json, broken: None, whole: None }
    }

    /// With the marks of a document that breaks its schema, or that is shown as it is stored.
    pub(crate) fn marked(self, breaks_schema: bool, whole: Option<u64>) -> Self {
        Self { broken: breaks_schema.then_some(true), whole, ..self }
    }

    /// Whether it broke its schema when it was written: which rules is asked of the present one.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken == Some(true)
    }

    /// The document's heads, in byte order.
    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        let (heads, _) = self.heads.as_chunks::<32>();
        heads.iter().copied().map(ChangeHash).collect()
    }

    /// Reads a row of the store.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, StoreError> {
        record::decode(Keyspace::Documents, bytes)
    }

    /// The document without the schema's defaults; `None` when it is deleted.
    pub(crate) fn document(&self) -> Result<Option<Value>, StoreError> {
        match self.state {
            ValueState::Deleted => Ok(None),
            ValueState::Live => serde_json::from_slice(self.json).map(Some).map_err(|_| {
                StoreError::Damaged { what: "a value that is not JSON", keyspace: Keyspace::Documents }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let live = ValueRow::new((7, &[1; 64]), ValueState::Live, br#"{"a":1}"#);
        let deleted = ValueRow::new((u64::MAX, &[2; 32]), ValueState::Deleted, b"");
        let shown = Some(json!({"a": 1}));
        let marked = [live, live.marked(true, None), live.marked(false, Some(7))];
        let rows = marked.map(|row| (row, shown.clone())).into_iter().chain([(deleted, None)]);
        for (row, document) in rows {
            let bytes = record::encode(&row);
            assert_eq!(ValueRow::read(&bytes), Ok(row));
            assert_eq!(ValueRow::read(&bytes).unwrap().document(), Ok(document));
        }
    }

    #[test]
    fn the_bytes_of_a_row_stay_as_they_are() {
        let row = ValueRow::new((7, &[9, 8]), ValueState::Live, b"{}");
        let bytes = [0x84, 7, 0x42, 9, 8, 0, 0x42, b'{', b'}'];
        assert_eq!(record::encode(&row.marked(false, None)), bytes, "only a marked document's is longer");
        assert_eq!(ValueRow::read(&bytes).map(|row| row.is_broken()), Ok(false));
        let bytes = [0x85, 7, 0x42, 9, 8, 0, 0x42, b'{', b'}', 0xf5];
        assert_eq!(record::encode(&row.marked(true, None)), bytes);
        assert_eq!(ValueRow::read(&bytes).map(|row| row.is_broken()), Ok(true));
        let bytes = [0x86, 7, 0x42, 9, 8, 0, 0x42, b'{', b'}', 0xf6, 0x18, 99];
        assert_eq!(record::encode(&row.marked(false, Some(99))), bytes);
        assert_eq!(ValueRow::read(&bytes).map(|row| (row.is_broken(), row.whole)), Ok((false, Some(99))));
    }

    #[test]
    fn a_damaged_row_is_an_error() {
        let row = ValueRow::new((7, &[]), ValueState::Live, b"{");
        assert!(row.document().is_err());
        let bytes = record::encode(&row);
        assert!(ValueRow::read(&bytes[..bytes.len() - 1]).is_err());
        assert!(ValueRow::read(&[0x84, 7, 0x40, 9, 0x40]).is_err(), "an unknown state");
    }
}
