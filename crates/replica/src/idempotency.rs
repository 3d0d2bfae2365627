//! Writes that carry a key count once, however often they are sent. Key and answer are in the write's own batch.

use crate::journal::Journal;
use crate::keys;
use crate::record::{self, IdempotencyRow};
use crate::request::{IdempotencyKey, Stamp};
use crate::store::{Store, StoreError};
use document::{Address, Operation, Origin};

/// Keys kept, oldest out. At a sale a second it is most of a day.
const KEYS_MAX: u64 = 65_536;

/// What became of an earlier write with the same key.
pub(crate) struct Earlier {
    /// See [`digest`].
    pub(crate) digest: [u8; 16],
    pub(crate) stamp: Option<Stamp>,
}

/// Tells writes that are sent again from others under the same key.
pub(crate) fn digest(writes: &[(&Address, &[Operation])]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    for (address, operations) in writes {
        part(address.to_string().as_bytes());
        for operation in *operations {
            // Values and names become JSON without fail.
            part(&serde_json::to_vec(operation).unwrap_or_default());
        }
        part(b"end");
    }
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

pub(crate) fn find<S: Store>(
    journal: &Journal<S>,
    key: &IdempotencyKey,
) -> Result<Option<Earlier>, StoreError> {
    let row: Option<IdempotencyRow> = journal.rows.record(&keys::idempotency(key.as_bytes()))?;
    Ok(row.map(|row| {
        let stamp = Stamp { origin: Origin(row.origin), sequence: row.sequence };
        Earlier { digest: row.digest, stamp: (row.sequence > 0).then_some(stamp) }
    }))
}

pub(crate) fn keep<S: Store>(
    journal: &mut Journal<S>,
    key: &IdempotencyKey,
    digest: [u8; 16],
    stamp: Option<Stamp>,
) -> Result<(), StoreError> {
    let row = IdempotencyRow {
        digest,
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
