//! The digest that chains the journal's rows: a row that was changed, lost or swapped by the disk is seen.

use crate::keys;
use crate::record::{self, Counters, JournalRow, TrimmedRow};
use crate::store::{Keyspace, ReadRows, Row, StoreError};
use std::ops::Range;

/// The first 16 bytes of blake3(chain before ‖ position ‖ document ‖ space ‖ origin ‖ sequence ‖ follow ‖ hash).
pub(super) fn next(before: &[u8; 16], lsn: u64, row: &JournalRow) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before);
    hasher.update(&lsn.to_be_bytes());
    hasher.update(&row.document.to_be_bytes());
    hasher.update(&row.space.to_be_bytes());
    hasher.update(&row.origin.to_be_bytes());
    hasher.update(&row.sequence.to_be_bytes());
    hasher.update(&row.follow.to_be_bytes());
    hasher.update(&row.hash);
    let mut chain = [0; 16];
    hasher.finalize_xof().fill(&mut chain);
    chain
}

/// The start of a digest: enough to tell one journal from another.
pub(crate) fn start([a, b, c, d, e, f, g, h, ..]: [u8; 16]) -> u64 {
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Checks the chain over the whole journal of a store that is read as a whole, a backup's or one that does not run.
/// Returns how many rows it has.
///
/// # Errors
/// [`StoreError::BrokenJournal`] names the first row that does not follow the one before it.
pub fn verify_journal(rows: &impl ReadRows) -> Result<u64, StoreError> {
    let (keyspace, key) = keys::counters();
    let Some(counters) = rows.get(keyspace, &key)? else { return Ok(0) };
    let head = record::decode::<Counters>(keyspace, &counters)?.head;
    let (keyspace, key) = keys::trimmed();
    let trimmed = rows.get(keyspace, &key)?.map(|row| record::decode(keyspace, &row)).transpose()?;
    let span = Span::new(&trimmed.unwrap_or_default(), 0, head);
    let (keyspace, range) = span.range();
    verify(rows.scan(keyspace, range), &span)?;
    Ok(head)
}

/// Rows that are checked.
pub(super) struct Span {
    /// Those after this position, and not before the first that is there.
    after: u64,
    /// Up to and including this one.
    last: u64,
    /// The digest of the row at `after`, when that row was trimmed.
    before: Option<[u8; 16]>,
}

impl Span {
    pub(super) fn new(trimmed: &TrimmedRow, after: u64, last: u64) -> Self {
        let after = after.max(trimmed.lsn);
        Self { after, last, before: (after == trimmed.lsn).then_some(trimmed.chain) }
    }

    /// The rows that [`verify`] needs.
    pub(super) fn range(&self) -> (Keyspace, Range<Vec<u8>>) {
        // The row before the first gives the digest that it continues.
        let first = if self.before.is_some() { self.after } else { self.after.saturating_sub(1) };
        keys::journal_after(first, self.last)
    }
}

/// Checks rows, and returns the digest of the last. `rows` are those of [`Span::range`].
pub(super) fn verify(
    rows: impl Iterator<Item = Result<Row, StoreError>>,
    span: &Span,
) -> Result<[u8; 16], StoreError> {
    let mut chain = span.before.unwrap_or_default();
    let mut expected = if span.before.is_some() { span.after + 1 } else { span.after };
    for row in rows {
        let (key, value) = row?;
        let broken = StoreError::BrokenJournal { lsn: expected };
        if keys::read_journal(&key) != Some(expected) {
            return Err(broken);
        }
        let row: JournalRow = record::decode(Keyspace::Journal, &value).map_err(|_| broken.clone())?;
        if expected > span.after && next(&chain, expected, &row) != row.chain {
            return Err(broken);
        }
        chain = row.chain;
        expected += 1;
    }
    if expected <= span.last { Err(StoreError::BrokenJournal { lsn: expected }) } else { Ok(chain) }
}
