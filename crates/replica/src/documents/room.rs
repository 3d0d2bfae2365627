//! The room for open documents: which of them stay in memory.
//!
//! Whole documents are put aside as tips (module `front`) first, and as long as they take more than half of the room; then tips
//! give way. So long documents do not drive out the tips of many, nor the other way round; only to one that takes nearly
//! all of the room everything else gives way.

use super::{Front, Open};
use crate::keys::DocumentNumber;
use std::collections::BTreeMap;

/// One that is open.
struct Kept {
    front: Front,
    /// When it was last used; the key in its shelf.
    used: u64,
    bytes: u64,
}

/// Whole documents, or tips, by when they were last used.
#[derive(Default)]
struct Shelf {
    by_use: BTreeMap<u64, DocumentNumber>,
    bytes: u64,
}

/// All that are open, within about so many bytes.
pub(super) struct OpenRoom {
    open: BTreeMap<DocumentNumber, Kept>,
    whole: Shelf,
    tips: Shelf,
    uses: u64,
    bytes_max: u64,
}

impl OpenRoom {
    pub(super) fn new(bytes_max: u64) -> Self {
        let open = BTreeMap::new();
        Self { open, whole: Shelf::default(), tips: Shelf::default(), uses: 0, bytes_max }
    }

    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.whole.bytes + self.tips.bytes
    }

    pub(super) fn get(&self, number: DocumentNumber) -> Option<&Front> {
        self.open.get(&number).map(|kept| &kept.front)
    }

    pub(super) fn get_mut(&mut self, number: DocumentNumber) -> Option<&mut Front> {
        self.open.get_mut(&number).map(|kept| &mut kept.front)
    }

    pub(super) fn take(&mut self, number: DocumentNumber) -> Option<Front> {
        let Kept { front, used, bytes } = self.open.remove(&number)?;
        let shelf = self.shelf(front.is_whole());
        shelf.by_use.remove(&used);
        shelf.bytes -= bytes;
        Some(front)
    }

    /// Takes one in, as the last that was used. Others make room for it; it stays, however large: it would be loaded again at once.
    pub(super) fn put(&mut self, number: DocumentNumber, front: Front) {
        self.uses += 1;
        self.put_used(number, front, self.uses);
        while self.bytes() > self.bytes_max && self.open.len() > 1 {
            let wholes_first = self.whole.bytes > self.bytes_max / 2;
            let drawn = match wholes_first {
                true => self.to_let_go(&self.whole).or_else(|| self.to_let_go(&self.tips)),
                false => self.to_let_go(&self.tips).or_else(|| self.to_let_go(&self.whole)),
            };
            let Some((used, number)) = drawn else { return };
            if let Some(Front::Whole(open)) = self.take(number)
                && let tip @ Front::Tip(_) = Open::without_history(open)
            {
                self.put_used(number, tip, used);
            }
        }
    }

    fn put_used(&mut self, number: DocumentNumber, front: Front, used: u64) {
        let bytes = front.memory_bytes();
        let shelf = self.shelf(front.is_whole());
        shelf.by_use.insert(used, number);
        shelf.bytes += bytes;
        self.open.insert(number, Kept { front, used, bytes });
    }

    fn shelf(&mut self, is_whole: bool) -> &mut Shelf {
        if is_whole { &mut self.whole } else { &mut self.tips }
    }

    /// One that gives way, and not the last used of all: what stands at a point of time drawn between the first and the last use,
    /// or was used next after it. So one of many that were not used for long goes nearly always, as with the oldest first;
    /// and of a few more than fit that are used in turn most stay, where with the oldest first none would be here when it
    /// is needed.
    fn to_let_go(&self, shelf: &Shelf) -> Option<(u64, DocumentNumber)> {
        let (first, _) = shelf.by_use.first_key_value().filter(|(first, _)| **first < self.uses)?;
        let mixed = (self.uses ^ (self.uses >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let drawn = first + (mixed ^ (mixed >> 29)) % (self.uses - first);
        let drawn = shelf.by_use.range(drawn..self.uses).next();
        drawn.or_else(|| shelf.by_use.first_key_value()).map(|(used, number)| (*used, *number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use document::{Operation, Origin, Schema, Signature, Tip};
    use serde_json::json;

    /// Uses a tip, and says whether it was open.
    fn uses(room: &mut OpenRoom, number: u32) -> bool {
        let open = room.take(DocumentNumber(number));
        let was_open = open.is_some();
        room.put(DocumentNumber(number), open.unwrap_or_else(Front::new));
        was_open
    }

    fn room_for(tips: u64) -> OpenRoom {
        OpenRoom::new(tips * Tip::new().memory_bytes())
    }

    /// A document with a list, which has no tip, or one without.
    fn whole(has_list: bool) -> Front {
        let schema = r#"{"x-version": 1, "type": "object", "properties": {"lines": {"type": "array", "x-crdt": "list"}}}"#;
        let value = if has_list { json!({"lines": [1]}) } else { json!({"name": "milk"}) };
        let (schema, signature) = (Schema::parse(schema).unwrap(), Signature::of(Origin([7; 16]), 0));
        let mut open = Open::new();
        open.document.write(&signature, Some(&schema), &[Operation::Put(value)]).unwrap();
        Front::Whole(open)
    }

    fn wholes(room: &OpenRoom, numbers: impl IntoIterator<Item = u32>) -> usize {
        numbers
            .into_iter()
            .filter(|number| room.get(DocumentNumber(*number)).is_some_and(Front::is_whole))
            .count()
    }

    #[test]
    fn of_a_few_more_than_fit_most_stay_when_they_are_used_in_turn() {
        let mut room = room_for(90);
        let found = (0..10_000).filter(|turn| uses(&mut room, turn % 100)).count();
        assert!(found > 6_000, "{found} of 10,000");
        assert_eq!(room.count(), 90);
    }

    #[test]
    fn what_is_used_again_and_again_stays_when_others_pass_by() {
        let mut room = room_for(90);
        let mut found = 0;
        for turn in 0..10_000 {
            found += usize::from(uses(&mut room, turn % 10));
            uses(&mut room, 1_000 + turn);
        }
        assert!(found > 9_500, "{found} of 10,000");
    }

    #[test]
    fn two_that_do_not_fit_together_are_not_kept_together() {
        let one = whole(true).memory_bytes();
        let mut room = OpenRoom::new(one + one / 2);
        for number in 0..100 {
            room.put(DocumentNumber(number), whole(true));
            assert_eq!((room.count(), room.bytes()), (1, one));
        }
    }

    #[test]
    fn a_whole_document_gives_way_to_its_tip() {
        let mut room = OpenRoom::new(4 * whole(false).memory_bytes());
        (0..20).for_each(|number| room.put(DocumentNumber(number), whole(false)));
        assert_eq!(room.count(), 20);
        assert!((1..=3).contains(&wholes(&room, 0..20)), "{}", wholes(&room, 0..20));
        assert_eq!(wholes(&room, [19]), 1, "the last stays whole");
        (0..20).for_each(|number| drop(room.take(DocumentNumber(number))));
        assert_eq!((room.count(), room.bytes()), (0, 0));
    }

    #[test]
    fn documents_without_a_tip_and_tips_leave_room_to_each_other() {
        let mut room = OpenRoom::new(8 * whole(true).memory_bytes());
        (0..4).for_each(|number| room.put(DocumentNumber(number), whole(true)));
        (100..2_000).for_each(|number| {
            uses(&mut room, number);
        });
        assert_eq!(wholes(&room, 0..4), 4);
        let tips = room.count() - 4;
        (4..100).for_each(|number| room.put(DocumentNumber(number), whole(true)));
        assert_eq!(wholes(&room, 0..100), 4);
        assert!(room.count() - 4 > tips * 3 / 4, "{} of {tips}", room.count() - 4);
    }
}
