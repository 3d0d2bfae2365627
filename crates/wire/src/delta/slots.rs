//! A table of fixed size, the same on both sides of a connection.

use super::state::SLOTS;

/// Entries by number, from 1. A new entry takes the next number, and when there is none, that of the entry that no row
/// has named for the longest time (W-22).
pub(super) struct Slots<T>(Vec<Slot<T>>);

struct Slot<T> {
    used: u64,
    /// Of the name, so that looking for it touches few entries.
    digest: u64,
    entry: T,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Slots<T> {
    /// The number of the entry with this digest for which `is_it` holds.
    pub(super) fn find(&self, digest: u64, is_it: impl Fn(&T) -> bool) -> Option<u8> {
        let index = self.0.iter().position(|slot| slot.digest == digest && is_it(&slot.entry))?;
        u8::try_from(index + 1).ok()
    }

    /// The number of the first entry for which `is_it` holds.
    pub(super) fn find_any(&self, is_it: impl Fn(&T) -> bool) -> Option<u8> {
        let index = self.0.iter().position(|slot| is_it(&slot.entry))?;
        u8::try_from(index + 1).ok()
    }

    /// Puts a new entry in, and returns its number.
    pub(super) fn insert(&mut self, digest: u64, entry: T) -> u8 {
        let slot = Slot { used: 0, digest, entry };
        if self.0.len() < SLOTS {
            self.0.push(slot);
            return u8::try_from(self.0.len()).unwrap_or(u8::MAX);
        }
        let oldest = self.0.iter_mut().enumerate().min_by_key(|(_, slot)| slot.used);
        let Some((index, oldest)) = oldest else { return 0 };
        *oldest = slot;
        u8::try_from(index + 1).unwrap_or(u8::MAX)
    }

    pub(super) fn get(&self, number: u8) -> Option<&T> {
        Some(&self.0.get(usize::from(number).checked_sub(1)?)?.entry)
    }

    /// The entry, which the row of this number names.
    pub(super) fn touch(&mut self, number: u8, row: u64) -> Option<&mut T> {
        let slot = self.0.get_mut(usize::from(number).checked_sub(1)?)?;
        slot.used = row;
        Some(&mut slot.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_was_not_named_for_the_longest_time_makes_room() {
        // W-22.
        let mut slots = Slots::default();
        for n in 1..=SLOTS as u64 {
            let number = slots.insert(n, n);
            assert_eq!(u64::from(number), n);
            slots.touch(number, n);
        }
        slots.touch(1, 1_000);
        assert_eq!(slots.insert(7_000, 7_000), 2);
        assert_eq!(slots.find(7_000, |entry| *entry == 7_000), Some(2));
        assert_eq!(slots.find(2, |_| true), None);
        assert_eq!((slots.get(0), slots.get(2), slots.get(1)), (None, Some(&7_000), Some(&1)));
    }
}
