//! A table of fixed size, the same on both sides of a connection.

use super::state::SLOTS;

/// Entries by number, from 1. A new entry takes the next number, and when there is none, that of the entry that no row
/// has named for the longest time (W-22).
pub(super) struct Slots<T> {
    entries: Vec<T>,
    /// A part of the digest of each entry's name: looking for one touches few entries, and one line of memory for 32.
    digests: Vec<u16>,
    order: Vec<Neighbours>,
    /// Indexes of the entries named last, and for the longest time not.
    newest: u8,
    oldest: u8,
}

/// The indexes of the entries that rows named next after and before an entry.
#[derive(Clone, Copy)]
struct Neighbours {
    newer: u8,
    older: u8,
}

/// No entry has this index.
const NONE: u8 = u8::MAX;
const _: () = assert!(SLOTS <= NONE as usize);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), digests: Vec::new(), order: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl<T> Slots<T> {
    /// The number of the entry with this digest for which `is_it` holds.
    pub(super) fn find(&self, digest: u64, is_it: impl Fn(&T) -> bool) -> Option<u8> {
        let digest = part(digest);
        let mut alike = self.digests.iter().zip(&self.entries);
        let index = alike.position(|(of, entry)| *of == digest && is_it(entry))?;
        u8::try_from(index + 1).ok()
    }

    /// The number of the first entry for which `is_it` holds.
    pub(super) fn find_any(&self, is_it: impl Fn(&T) -> bool) -> Option<u8> {
        u8::try_from(self.entries.iter().position(is_it)? + 1).ok()
    }

    /// Puts a new entry in, which the present row names, and returns its number.
    pub(super) fn insert(&mut self, digest: u64, entry: T) -> u8 {
        let digest = part(digest);
        if self.entries.len() < SLOTS {
            self.entries.push(entry);
            self.digests.push(digest);
            self.order.push(Neighbours { newer: NONE, older: NONE });
            let number = u8::try_from(self.entries.len()).unwrap_or(NONE);
            self.link(number - 1);
            return number;
        }
        let index = self.oldest;
        if let Some(place) = self.entries.get_mut(usize::from(index)) {
            *place = entry;
        }
        if let Some(place) = self.digests.get_mut(usize::from(index)) {
            *place = digest;
        }
        self.touch(index + 1);
        index + 1
    }

    pub(super) fn get(&self, number: u8) -> Option<&T> {
        self.entries.get(usize::from(number).checked_sub(1)?)
    }

    /// The entry, which the present row names.
    pub(super) fn touch(&mut self, number: u8) -> Option<&mut T> {
        let index = number.checked_sub(1)?;
        let Neighbours { newer, older } = *self.order.get(usize::from(index))?;
        if self.newest != index {
            match self.order.get_mut(usize::from(older)) {
                Some(neighbours) => neighbours.newer = newer,
                None => self.oldest = newer,
            }
            if let Some(neighbours) = self.order.get_mut(usize::from(newer)) {
                neighbours.older = older;
            }
            self.link(index);
        }
        self.entries.get_mut(usize::from(index))
    }

    /// Makes an entry that has no neighbours the newest.
    fn link(&mut self, index: u8) {
        match self.order.get_mut(usize::from(self.newest)) {
            Some(neighbours) => neighbours.newer = index,
            None => self.oldest = index,
        }
        if let Some(neighbours) = self.order.get_mut(usize::from(index)) {
            *neighbours = Neighbours { newer: NONE, older: self.newest };
        }
        self.newest = index;
    }
}

fn part(digest: u64) -> u16 {
    let [first, second, ..] = digest.to_be_bytes();
    u16::from_be_bytes([first, second])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_entry_that_was_not_named_for_the_longest_time_makes_room() {
        // W-22.
        let mut slots = Slots::default();
        for n in 1..=SLOTS as u64 {
            assert_eq!(u64::from(slots.insert(n << 48, n)), n);
        }
        slots.touch(1);
        assert_eq!(slots.insert(7_000 << 48, 7_000), 2);
        assert_eq!(slots.find(7_000 << 48, |entry| *entry == 7_000), Some(2));
        assert_eq!(slots.find(2 << 48, |_| true), None);
        assert_eq!((slots.get(0), slots.get(2), slots.get(1)), (None, Some(&7_000), Some(&1)));
        assert_eq!(slots.touch(0), None);
        assert_eq!(slots.touch(3), Some(&mut 3));
    }

    proptest! {
        #[test]
        fn entries_make_room_in_the_order_of_their_last_rows(rows in prop::collection::vec(0..400_u64, 1..2_000)) {
            // W-22, against a table that notes the row of each.
            let (mut slots, mut model) = (Slots::default(), Vec::<(u64, usize)>::new());
            for (row, name) in rows.into_iter().enumerate() {
                let found = slots.find(name << 48, |entry| *entry == name);
                prop_assert_eq!(found.map(usize::from), model.iter().position(|(of, _)| *of == name).map(|at| at + 1));
                let number = match found {
                    Some(number) => {
                        slots.touch(number);
                        number
                    }
                    None => slots.insert(name << 48, name),
                };
                let oldest = (0..model.len()).min_by_key(|at| model[*at].1);
                let at = match (found, oldest) {
                    (Some(number), _) => usize::from(number) - 1,
                    (None, Some(oldest)) if model.len() == SLOTS => oldest,
                    (None, _) => {
                        model.push((name, row));
                        model.len() - 1
                    }
                };
                model[at] = (name, row);
                prop_assert_eq!(usize::from(number), at + 1);
            }
        }
    }
}
