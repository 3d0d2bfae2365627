//! Writes that carry a key count once, however often they are sent. Key and answer are in the write's own batch.
//!
//! Keys are in one order, and the oldest go. Where that is for want of room, and not of age, those of who holds few become the
//! newest again instead: whoever makes very many keys pushes out its own.

use crate::journal::Journal;
use crate::keys;
use crate::record::{self, HolderRow, IdempotencyRow};
use crate::request::{AskedWrite, IdempotencyKey, Stamp, Written};
use crate::store::{Store, StoreError};
use document::{ChangeHash, Origin};

/// The newest idempotency keys, kept whatever the clock says: one that jumps ahead makes no retry count twice.
pub const IDEMPOTENCY_KEYS_MIN: u32 = 65_536;

const KEYS_MIN: u64 = IDEMPOTENCY_KEYS_MIN as u64;
/// How long a key between the two is kept, in milliseconds of wall time: a day.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// Keys that one new key removes at most: more than one, so that those past their day become fewer, and soon where fewer are to
/// be kept than there are.
const REMOVED_PER_KEY: usize = 16;

/// Most heads that are kept of an answer: a document that was written here has one.
const HEADS_MAX: usize = 8;

/// Who holds no more than one part of so many of the most that are kept loses none to others who hold more.
const HOLDERS: u64 = 16;

/// Whether the oldest of so many keys goes. A clock that went back keeps them for longer, up to the most that are kept.
fn is_over(keys: u64, age_ms: i64, keys_max: u64) -> bool {
    keys > keys_max.max(KEYS_MIN) || (keys > KEYS_MIN && age_ms >= KEPT_MS)
}

/// Keys that went before a day was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GoneEarly {
    pub(crate) count: u64,
    /// The age of the last of them, in milliseconds of wall time.
    pub(crate) youngest_ms: i64,
}

/// What became of an earlier write with the same key.
pub(crate) struct Earlier {
    /// See [`digest`].
    pub(crate) digest: [u8; 16],
    pub(crate) answer: Written,
}

/// Tells writes that are sent again from others under the same key.
pub(crate) fn digest(writes: &[AskedWrite<'_>]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    for AskedWrite { address, operations, condition } in writes {
        part(address.to_string().as_bytes());
        // Where there is none nothing is added: digests that earlier versions kept hold. No operation reads so.
        if let Some(condition) = condition {
            part(b"condition");
            part(&condition.to_bytes());
        }
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
        let (heads, _) = row.heads.as_deref().unwrap_or_default().as_chunks::<32>();
        let heads = heads.iter().map(|head| ChangeHash(*head)).collect();
        Earlier { digest: row.digest, answer: Written { stamp: (row.sequence > 0).then_some(stamp), heads } }
    }))
}

pub(crate) fn keep<S: Store>(
    journal: &mut Journal<S>,
    key: &IdempotencyKey,
    (digest, answer): ([u8; 16], &Written),
    (wall_ms, keys_max): (i64, u64),
) -> Result<GoneEarly, StoreError> {
    let (stamp, heads) = (answer.stamp, &answer.heads);
    let is_kept = (1..=HEADS_MAX).contains(&heads.len());
    let row = IdempotencyRow {
        digest,
        sequence: stamp.map_or(0, |stamp| stamp.sequence),
        origin: stamp.map_or([0; 16], |stamp| stamp.origin.0),
        kept_ms: Some(wall_ms),
        holder: Some(key.holder()),
        heads: is_kept.then(|| heads.iter().flat_map(|ChangeHash(head)| *head).collect()),
    };
    journal.rows.put(keys::idempotency(key.as_bytes()), record::encode(&row));
    let mut newest = append(journal, key.as_bytes().to_vec());
    let share = keys_max.max(KEYS_MIN) / HOLDERS;
    let has_more = count(journal, Some(key.holder()), 1)? > share;
    // What is passed over is over the most that are kept for a while, which has an end too: then the oldest go, whoever's they
    // are. Who holds little itself, as all may, spends no time on the others' keys, and takes none of the room of who holds much.
    let (mut moves, shares) = if has_more { (REMOVED_PER_KEY, 2) } else { (1, 1) };
    let passing_max = keys_max.max(KEYS_MIN) + shares * share;
    let (mut oldest, mut gone) = (oldest(journal, newest), GoneEarly::default());
    for _ in 0..REMOVED_PER_KEY {
        let order = keys::idempotency_order(oldest);
        let Some(key) = journal.rows.get(&order)? else { break };
        let place = keys::idempotency(&key);
        let row: Option<IdempotencyRow> = journal.rows.record(&place)?;
        let (kept_ms, holder) = row.map_or((None, None), |row| (row.kept_ms, row.holder));
        let age_ms = wall_ms.saturating_sub(kept_ms.unwrap_or(i64::MIN));
        let keys = newest + 1 - oldest;
        if !is_over(keys, age_ms, keys_max) {
            break;
        }
        let is_passed = age_ms < KEPT_MS && keys <= passing_max && holds_at_most(journal, holder, share)?;
        if is_passed && moves == 0 {
            break;
        }
        journal.rows.remove(order);
        oldest += 1;
        if is_passed {
            moves -= 1;
            newest = append(journal, key);
        } else {
            journal.rows.remove(place);
            count(journal, holder, -1)?;
            if age_ms < KEPT_MS {
                gone = GoneEarly { count: gone.count + 1, youngest_ms: age_ms };
            }
        }
    }
    journal.set_oldest_idempotency_key(oldest);
    Ok(gone)
}

/// The number of the oldest key. A store of a version that counted only has no more than the newest of them.
fn oldest<S: Store>(journal: &Journal<S>, newest: u64) -> u64 {
    journal.oldest_idempotency_key().unwrap_or(newest.saturating_sub(KEYS_MIN).max(1))
}

/// How many keys are kept, and how old the one is that goes next.
pub(crate) fn kept<S: Store>(journal: &Journal<S>, wall_ms: i64) -> Result<(u64, Option<u64>), StoreError> {
    let newest = journal.idempotency_keys();
    let oldest = oldest(journal, newest);
    let Some(key) = journal.rows.get(&keys::idempotency_order(oldest))? else { return Ok((0, None)) };
    let row: Option<IdempotencyRow> = journal.rows.record(&keys::idempotency(&key))?;
    let kept_ms = row.and_then(|row| row.kept_ms);
    let age_ms = kept_ms.map(|kept_ms| u64::try_from(wall_ms.saturating_sub(kept_ms)).unwrap_or_default());
    Ok(((newest + 1).saturating_sub(oldest), age_ms))
}

/// Makes a key the newest; its number.
fn append<S: Store>(journal: &mut Journal<S>, key: Vec<u8>) -> u64 {
    let number = journal.next_idempotency_key();
    journal.rows.put(keys::idempotency_order(number), key);
    number
}

/// Whether a holder has so few keys; of one that an earlier version kept nobody is known.
fn holds_at_most<S: Store>(
    journal: &Journal<S>,
    holder: Option<u64>,
    share: u64,
) -> Result<bool, StoreError> {
    let Some(holder) = holder else { return Ok(false) };
    let row: Option<HolderRow> = journal.rows.record(&keys::idempotency_holder(holder))?;
    Ok(row.unwrap_or_default().keys <= share)
}

/// Counts a holder's keys; how many there are then.
fn count<S: Store>(journal: &mut Journal<S>, holder: Option<u64>, by: i64) -> Result<u64, StoreError> {
    let Some(holder) = holder else { return Ok(0) };
    let place = keys::idempotency_holder(holder);
    let row: Option<HolderRow> = journal.rows.record(&place)?;
    let keys = row.unwrap_or_default().keys.saturating_add_signed(by);
    match keys {
        0 => journal.rows.remove(place),
        keys => journal.rows.put(place, record::encode(&HolderRow { keys })),
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Condition;
    use document::{Address, Operation};

    /// The first is what versions without conditions kept: a retry that an upgrade interrupts must find it.
    #[test]
    fn a_digest_tells_conditions_apart_and_stays_as_it_is_without_one() {
        let address: Address = "store-1/inventory/1".parse().unwrap();
        let operations = [Operation::increment("/on_hand", -1).unwrap()];
        let of = |condition| digest(&[AskedWrite { address: &address, operations: &operations, condition }]);
        let plain = of(None);
        assert_eq!(u128::from_be_bytes(plain), 85_846_032_386_368_117_283_732_619_140_287_941_259);
        let (exists, absent) = (of(Some(&Condition::Exists)), of(Some(&Condition::Absent)));
        assert!(plain != exists && plain != absent && exists != absent);
    }

    #[test]
    fn a_key_goes_after_a_day_but_never_among_the_newest() {
        let most = 4 * KEYS_MIN;
        assert!(!is_over(KEYS_MIN, i64::MAX, most), "a clock far ahead");
        assert!(is_over(KEYS_MIN + 1, KEPT_MS, most) && !is_over(KEYS_MIN + 1, KEPT_MS - 1, most));
        assert!(
            !is_over(most, i64::MIN, most) && is_over(most + 1, i64::MIN, most),
            "a clock that went back"
        );
        assert!(!is_over(KEYS_MIN, 0, 1) && is_over(KEYS_MIN + 1, 0, 1), "fewer are not set");
    }
}
