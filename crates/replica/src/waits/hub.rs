//! What the hub has, as far as it is known here, and how it is told onward.
//!
//! Known from what the hub itself says, and from what relays say that it said: never from an acknowledgement of
//! deltas, which says nothing of who else has them. In memory only: each connection tells it anew.

use crate::effect::LinkId;
use crate::journal::Journal;
use crate::keys::SpaceNumber;
use crate::store::{Store, StoreError};
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::{HUB_ENTRIES_MAX, HubEntry, HubSpace};

/// A stream of changes.
type Stream = (SpaceNumber, Origin);
/// That the hub has a stream up to a sequence.
pub(crate) type Fact = (SpaceNumber, Origin, u64);

/// Up to where the hub has each stream. As many entries as this replica's version vectors at most.
#[derive(Default)]
pub(crate) struct HubVector {
    entries: BTreeMap<Stream, Entry>,
    /// Streams by when they were last raised.
    by_time: BTreeMap<u64, Stream>,
    /// How often anything was raised.
    time: u64,
}

struct Entry {
    sequence: u64,
    time: u64,
    /// Who said it.
    from: LinkId,
}

impl HubVector {
    pub(crate) fn get(&self, space: SpaceNumber, origin: Origin) -> u64 {
        self.entries.get(&(space, origin)).map_or(0, |entry| entry.sequence)
    }

    /// Takes a fact; false when it is known.
    pub(crate) fn raise(&mut self, (space, origin, sequence): Fact, from: LinkId) -> bool {
        if sequence <= self.get(space, origin) {
            return false;
        }
        self.time += 1;
        let entry = Entry { sequence, time: self.time, from };
        if let Some(before) = self.entries.insert((space, origin), entry) {
            self.by_time.remove(&before.time);
        }
        self.by_time.insert(self.time, (space, origin));
        true
    }
}

/// What the peer of a connection was told of the hub's changes.
#[derive(Default)]
pub(crate) struct Told {
    /// A relay: everything that was raised up to here.
    time: u64,
    /// The hub: streams that came from the peer since.
    streams: BTreeSet<Stream>,
}

impl Told {
    /// The peer sent changes of a stream to this replica, which is the hub.
    pub(crate) fn came(&mut self, space: SpaceNumber, origin: Origin) {
        self.streams.insert((space, origin));
    }

    /// What this replica, the hub, has of the streams that came from the peer; at most [`HUB_ENTRIES_MAX`]. The frame
    /// that says so leaves when it is durable.
    pub(crate) fn own<S: Store>(&mut self, journal: &Journal<S>) -> Vec<Fact> {
        let mut facts = Vec::new();
        while facts.len() < HUB_ENTRIES_MAX
            && let Some((space, origin)) = self.streams.pop_first()
        {
            let number = journal.names.origin_number(origin);
            facts.extend(number.map(|number| (space, origin, journal.vectors.get(space, number).sequence)));
        }
        facts
    }

    /// What a relay knows and the peer was not told, of spaces that it may write; at most [`HUB_ENTRIES_MAX`].
    pub(crate) fn next(
        &mut self,
        hub: &HubVector,
        link: LinkId,
        is_writable: impl Fn(SpaceNumber) -> bool,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (time, stream) in hub.by_time.range(self.time.saturating_add(1)..) {
            if facts.len() >= HUB_ENTRIES_MAX {
                break;
            }
            self.time = *time;
            let (space, origin) = *stream;
            let told = hub.entries.get(stream).filter(|entry| entry.from != link && is_writable(space));
            facts.extend(told.map(|entry| (space, origin, entry.sequence)));
        }
        facts
    }
}

/// Facts as they are sent.
pub(crate) fn hub_vectors<S: Store>(
    journal: &Journal<S>,
    facts: Vec<Fact>,
) -> Result<Option<Vec<HubSpace>>, StoreError> {
    let mut by_space: BTreeMap<SpaceNumber, Vec<HubEntry>> = BTreeMap::new();
    for (space, origin, sequence) in facts {
        by_space.entry(space).or_default().push(HubEntry { origin: origin.0, sequence });
    }
    let vector =
        |(space, entries)| Ok(HubSpace { space: journal.names.space(space)?.as_str().to_owned(), entries });
    let vectors: Vec<_> = by_space.into_iter().map(vector).collect::<Result<_, StoreError>>()?;
    Ok((!vectors.is_empty()).then_some(vectors))
}

/// Facts as they came, of streams that are here: others could be made up without end.
pub(crate) fn read_hub_vectors<'a, S: Store>(
    journal: &Journal<S>,
    vectors: impl Iterator<Item = (&'a str, Vec<(Origin, u64)>)>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (space, entries) in vectors {
        let Some(space) = Space::new(space).ok().and_then(|space| journal.names.space_number(&space)) else {
            continue;
        };
        let known = entries.into_iter().filter(|(origin, _)| journal.names.origin_number(*origin).is_some());
        facts.extend(known.map(|(origin, sequence)| (space, origin, sequence)));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: SpaceNumber = SpaceNumber(1);

    fn fact(origin: u8, sequence: u64) -> Fact {
        (SPACE, Origin([origin; 16]), sequence)
    }

    #[test]
    fn a_peer_is_told_what_is_new_once_and_not_what_it_said() {
        let (mut hub, mut told) = (HubVector::default(), Told::default());
        let (up, down) = (LinkId(1), LinkId(2));
        assert!(hub.raise(fact(1, 5), up) && hub.raise(fact(2, 7), up) && !hub.raise(fact(1, 5), up));
        assert_eq!(told.next(&hub, down, |_| true), [fact(1, 5), fact(2, 7)]);
        assert!(hub.raise(fact(1, 6), up) && hub.raise(fact(3, 1), down) && !hub.raise(fact(1, 4), up));
        assert_eq!(told.next(&hub, down, |_| true), [fact(1, 6)]);
        assert!(told.next(&hub, down, |_| true).is_empty());
        assert!(Told::default().next(&hub, down, |_| false).is_empty());
        assert_eq!(Told::default().next(&hub, up, |_| true), [fact(3, 1)]);
        assert_eq!(hub.by_time.len(), 3);
    }

    #[test]
    fn much_is_told_in_parts() {
        let mut hub = HubVector::default();
        let fact = |n: usize| (SPACE, Origin((n as u128).to_be_bytes()), 1);
        assert!((0..HUB_ENTRIES_MAX + 3).all(|n| hub.raise(fact(n), LinkId(1))));
        let mut told = Told::default();
        let parts: Vec<usize> = (0..3).map(|_| told.next(&hub, LinkId(2), |_| true).len()).collect();
        assert_eq!(parts, [HUB_ENTRIES_MAX, 3, 0]);
    }
}
