//! Durable rows that were lately read or written, so that what asks for them next need not ask the store.
//!
//! There are two generations. What is used is put into the younger one; when that is full it becomes the older, and what was
//! the older is let go of: at most twice [`GENERATION_BYTES_MAX`], and no order to keep.

#[expect(
    clippy::disallowed_types,
    reason = "it is never iterated, and takes a third of an ordered map's time"
)]
type Map = std::collections::HashMap<Vec<u8>, Vec<u8>>;

/// Bytes of keys and values of a generation.
const GENERATION_BYTES_MAX: usize = 128 * 1024;
/// Longer values are left to the store, so that a few do not take the room of many.
const VALUE_BYTES_MAX: usize = 512;

/// Rows of one keyspace, by key.
#[derive(Default)]
pub(super) struct Warm {
    young: Map,
    young_bytes: usize,
    old: Map,
}

impl Warm {
    /// The value of a row that is kept.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.keep(key, value.clone());
        Some(value)
    }

    /// Keeps a row that is not kept yet.
    pub(super) fn keep(&mut self, key: Vec<u8>, value: Vec<u8>) {
        if value.len() > VALUE_BYTES_MAX {
            return;
        }
        let bytes = key.len() + value.len();
        if self.young_bytes + bytes > GENERATION_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, value);
    }

    /// The row was written: if it is kept, it is kept as it is now.
    pub(super) fn written(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let is_old = self.old.remove(&key).is_some();
        let young = self.young.remove(&key);
        self.young_bytes -= young.as_ref().map_or(0, |value| key.len() + value.len());
        if let Some(value) = value
            && (is_old || young.is_some())
        {
            self.keep(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32) -> (Vec<u8>, Vec<u8>) {
        (number.to_be_bytes().to_vec(), vec![7; 100])
    }

    #[test]
    fn what_is_used_stays_and_the_rest_makes_room() {
        let mut warm = Warm::default();
        for number in 0..10_000 {
            let (key, value) = row(number);
            warm.keep(key, value);
            assert_eq!(warm.get(&row(0).0), Some(row(0).1), "used all the time");
            let kept = warm.young.iter().chain(&warm.old);
            let bytes: usize = kept.map(|(key, value)| key.len() + value.len()).sum();
            assert!(bytes <= 2 * GENERATION_BYTES_MAX);
        }
        assert_eq!(warm.get(&row(1).0), None);
        let young = warm.young.iter().map(|(key, value)| key.len() + value.len());
        assert_eq!(warm.young_bytes, young.sum::<usize>());
    }

    #[test]
    fn a_row_is_kept_as_it_was_last_written_and_only_if_it_was_read() {
        let mut warm = Warm::default();
        let (key, value) = row(1);
        warm.written(key.clone(), Some(value.clone()));
        assert_eq!(warm.get(&key), None);
        warm.keep(key.clone(), value);
        warm.written(key.clone(), Some(b"2".to_vec()));
        assert_eq!(warm.get(&key), Some(b"2".to_vec()));
        warm.old = std::mem::take(&mut warm.young);
        warm.young_bytes = 0;
        warm.written(key.clone(), Some(b"3".to_vec()));
        assert_eq!((warm.get(&key), warm.young_bytes), (Some(b"3".to_vec()), 5));
        warm.written(key.clone(), Some(vec![0; VALUE_BYTES_MAX + 1]));
        assert_eq!((warm.get(&key), warm.young_bytes), (None, 0));
        warm.keep(key.clone(), b"4".to_vec());
        warm.written(key.clone(), None);
        assert_eq!((warm.get(&key), warm.young_bytes), (None, 0));
    }
}
