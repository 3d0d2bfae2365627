//! Writes that carry a key count once, however often they are sent. Key and answer are in the write's own batch.

use crate::journal::Journal;
use crate::keys::{self, DocumentNumber};
use crate::record::{self, IdempotencyRow};
use crate::request::{IdempotencyKey, Stamp};
use crate::store::{Store, StoreError};
use document::Origin;

/// Keys kept, oldest out. At a sale a second it is most of a day.
const KEYS_MAX: u64 = 65_536;

/// What became of an earlier write with the same key.
pub(crate) struct Earlier {
    pub(crate) document: DocumentNumber,
    pub(crate) stamp: Option<Stamp>,
}

pub(crate) fn find<S: Store>(
    journal: &Journal<S>,
    key: &IdempotencyKey,
) -> Result<Option<Earlier>, StoreError> {
    let row: Option<IdempotencyRow> = journal.rows.record(&keys::idempotency(key.as_bytes()))?;
    Ok(row.map(|row| {
        let stamp = Stamp { origin: Origin(row.origin), sequence: row.sequence };
        Earlier { document: DocumentNumber(row.document), stamp: (row.sequence > 0).then_some(stamp) }
    }))
}

pub(crate) fn keep<S: Store>(
    journal: &mut Journal<S>,
    key: &IdempotencyKey,
    document: DocumentNumber,
    stamp: Option<Stamp>,
) -> Result<(), StoreError> {
    let row = IdempotencyRow {
        document: document.0,
        sequence: stamp.map_or(0, |stamp| stamp.sequence),
        origin: stamp.map_or([0; 16], |stamp| stamp.origin.0),
    };
    let number = journal.next_idempotency_key();
    journal.rows.put(keys::idempotency(key.as_bytes()), record::encode(&row));
    journal.rows.put(keys::idempotency_order(number), key.as_bytes().to_vec());
    if let Some(oldest) = number.checked_sub(KEYS_MAX) {
        let order = keys::idempotency_order(oldest);
        if let Some(key) = journal.rows.get(&order)? {
            journal.rows.remove(keys::idempotency(&key));
            journal.rows.remove(order);
        }
    }
    Ok(())
}
