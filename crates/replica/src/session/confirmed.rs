use crate::journal::DAMAGED;
use crate::keys::{self, SpaceNumber};
use crate::rows::Rows;
use crate::store::{Store, StoreError};
use document::Origin;
use std::collections::{BTreeMap, BTreeSet};

/// What a peer has, per space and origin, as it said and acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Confirmed {
    sequences: BTreeMap<(SpaceNumber, Origin), u64>,
    /// Those whose rows in the store are behind.
    changed: BTreeSet<(SpaceNumber, Origin)>,
}

impl Confirmed {
    pub(crate) fn load<S: Store>(rows: &Rows<S>, peer: &str) -> Result<Self, StoreError> {
        let entry = |(key, value): (Vec<u8>, Vec<u8>)| {
            let sequence = value.try_into().map(u64::from_be_bytes).map_err(|_| DAMAGED)?;
            Ok((keys::read_confirmed(&key).ok_or(DAMAGED)?, sequence))
        };
        let sequences = rows.scan(keys::confirmed_of(peer)).map(|row| entry(row?));
        Ok(Self { sequences: sequences.collect::<Result<_, StoreError>>()?, changed: BTreeSet::new() })
    }

    /// Puts what changed into the next batch.
    pub(crate) fn save<S: Store>(&mut self, rows: &mut Rows<S>, peer: &str) {
        for (space, origin) in std::mem::take(&mut self.changed) {
            let place = keys::confirmed(peer, space, origin);
            match self.sequences.get(&(space, origin)) {
                Some(sequence) => rows.put_lazily(place, sequence.to_be_bytes().to_vec()),
                None => rows.remove(place),
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sequences.len()
    }

    /// All of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SpaceNumber, Origin, u64)> + '_ {
        self.sequences.iter().map(|((space, origin), sequence)| (*space, *origin, *sequence))
    }

    pub(crate) fn get(&self, space: SpaceNumber, origin: Origin) -> u64 {
        self.sequences.get(&(space, origin)).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, space: SpaceNumber, origin: Origin, sequence: u64) {
        if self.sequences.insert((space, origin), sequence) != Some(sequence) {
            self.changed.insert((space, origin));
        }
    }

    /// Whether the peer has any change of a space.
    pub(crate) fn has_any(&self, space: SpaceNumber) -> bool {
        self.sequences
            .range((space, Origin([0; 16]))..)
            .next()
            .is_some_and(|((of, _), last)| *of == space && *last > 0)
    }

    pub(crate) fn raise(&mut self, space: SpaceNumber, origin: Origin, sequence: u64) {
        if sequence > self.get(space, origin) {
            self.set(space, origin, sequence);
        }
    }

    /// The peer said all that it has of a space: that replaces what was believed.
    pub(crate) fn replace(&mut self, space: SpaceNumber, entries: &[wire::VectorEntry]) {
        let said: BTreeSet<Origin> = entries.iter().map(|entry| Origin(entry.origin)).collect();
        let known = self.sequences.range((space, Origin([0; 16]))..=(space, Origin([255; 16])));
        let gone: Vec<_> =
            known.map(|(place, _)| *place).filter(|(_, origin)| !said.contains(origin)).collect();
        for place in gone {
            self.sequences.remove(&place);
            self.changed.insert(place);
        }
        self.merge(space, entries);
    }

    /// The peer said what changed of what it has of a space.
    pub(crate) fn merge(&mut self, space: SpaceNumber, entries: &[wire::VectorEntry]) {
        for entry in entries {
            self.set(space, Origin(entry.origin), entry.sequence);
        }
    }
}
