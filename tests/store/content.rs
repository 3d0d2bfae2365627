//! What the tests write: batch N is known from N alone, so that a reader can tell whether rows are right.

use replica::{Batch, Keyspace, ReadRows as _, Write};
use store::FjallStore;

/// Batches whose row in `Documents` has not been removed yet.
const DOCUMENTS_KEPT: u64 = 3;

/// A bijection that looks random (splitmix64).
pub(crate) fn scrambled(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The value of batch `number`: mostly some hundred bytes, now and then more than a journal's write buffer.
fn payload(number: u64) -> Vec<u8> {
    let bytes = if number.is_multiple_of(50) { 40_000 } else { 100 + scrambled(number) % 1_000 };
    (0..bytes.div_ceil(8)).flat_map(|place| scrambled(number << 16 | place).to_be_bytes()).collect()
}

fn checksum(payload: &[u8]) -> Vec<u8> {
    let sum = payload.iter().fold(0, |sum, byte| scrambled(sum ^ u64::from(*byte)));
    sum.to_be_bytes().to_vec()
}

/// Batch `number`: a payload, its checksum in another keyspace, a row that every batch replaces, a row that a later
/// batch removes.
pub(crate) fn batch(number: u64) -> Batch {
    let payload = payload(number);
    let key = || number.to_be_bytes().to_vec();
    let mut writes = vec![
        Write { keyspace: Keyspace::Changes, key: key(), value: Some(checksum(&payload)) },
        Write { keyspace: Keyspace::Journal, key: key(), value: Some(payload) },
        Write { keyspace: Keyspace::Meta, key: b"last".to_vec(), value: Some(key()) },
        Write { keyspace: Keyspace::Documents, key: key(), value: Some(Vec::new()) },
    ];
    if let Some(past) = number.checked_sub(DOCUMENTS_KEPT) {
        writes.push(Write { keyspace: Keyspace::Documents, key: past.to_be_bytes().to_vec(), value: None });
    }
    Batch { writes }
}

/// The number of the last batch in the store; 0 in an empty one.
pub(crate) fn last(store: &FjallStore) -> u64 {
    let last = store.get(Keyspace::Meta, b"last").unwrap();
    last.map_or(0, |last| u64::from_be_bytes(last.try_into().unwrap()))
}

/// Checks that the store holds batches 1 to N, each whole and right, and nothing else. Returns N.
#[track_caller]
pub(crate) fn check(store: &FjallStore, context: &str) -> u64 {
    let rows = |keyspace| store.scan(keyspace, Vec::new()..vec![u8::MAX; 9]).map(Result::unwrap);
    let last = last(store);
    let mut changes = rows(Keyspace::Changes);
    let mut journal = rows(Keyspace::Journal);
    for number in 1..=last {
        let expected = payload(number);
        let key = number.to_be_bytes().to_vec();
        let change = changes.next();
        assert_eq!(
            change,
            Some((key.clone(), checksum(&expected))),
            "{context}: checksum {number} of {last}"
        );
        let row = journal.next();
        assert!(row == Some((key, expected)), "{context}: payload {number} of {last} is missing or wrong");
    }
    assert_eq!(
        (changes.next(), journal.next()),
        (None, None),
        "{context}: rows after the last batch, {last}"
    );
    let documents: Vec<_> = rows(Keyspace::Documents).map(|(key, _)| key).collect();
    let kept = last.saturating_sub(DOCUMENTS_KEPT) + 1..=last;
    let kept: Vec<_> = kept.map(|number| number.to_be_bytes().to_vec()).collect();
    assert_eq!(documents, kept, "{context}: rows not removed, or removed too early");
    last
}
