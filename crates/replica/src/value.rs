//! Stored values: a document's JSON as it was at its last change taken up, so that reads open no document.

use crate::record;
use crate::store::{Keyspace, StoreError};
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
}

impl<'a> ValueRow<'a> {
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
        let live = ValueRow { lsn: 7, heads: &[1; 64], state: ValueState::Live, json: br#"{"a":1}"# };
        let deleted = ValueRow { lsn: u64::MAX, heads: &[2; 32], state: ValueState::Deleted, json: b"" };
        for (row, document) in [(live, Some(json!({"a": 1}))), (deleted, None)] {
            let bytes = record::encode(&row);
            assert_eq!(ValueRow::read(&bytes), Ok(row));
            assert_eq!(ValueRow::read(&bytes).unwrap().document(), Ok(document));
        }
    }

    #[test]
    fn the_bytes_of_a_row_stay_as_they_are() {
        let row = ValueRow { lsn: 7, heads: &[9, 8], state: ValueState::Live, json: b"{}" };
        assert_eq!(record::encode(&row), [0x84, 7, 0x42, 9, 8, 0, 0x42, b'{', b'}']);
    }

    #[test]
    fn a_damaged_row_is_an_error() {
        let row = ValueRow { lsn: 7, heads: &[], state: ValueState::Live, json: b"{" };
        assert!(row.document().is_err());
        let bytes = record::encode(&row);
        assert!(ValueRow::read(&bytes[..bytes.len() - 1]).is_err());
        assert!(ValueRow::read(&[0x84, 7, 0x40, 9, 0x40]).is_err(), "an unknown state");
    }
}
