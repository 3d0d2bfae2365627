use crate::keys::SpaceNumber;
use crate::record::ConfirmedRow;
use document::Origin;
use std::collections::BTreeMap;

/// What a peer has, per space and origin, as it said and acknowledged. A change that it refused counts until its
/// next hello says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Confirmed(BTreeMap<(SpaceNumber, Origin), u64>);

impl Confirmed {
    pub(crate) fn from_rows(rows: &[ConfirmedRow]) -> Self {
        let entry = |row: &ConfirmedRow| ((SpaceNumber(row.space), Origin(row.origin)), row.sequence);
        Self(rows.iter().map(entry).collect())
    }

    pub(crate) fn to_rows(&self) -> Vec<ConfirmedRow> {
        let row = |(&(space, origin), &sequence): (&(SpaceNumber, Origin), &u64)| ConfirmedRow {
            space: space.0,
            origin: origin.0,
            sequence,
        };
        self.0.iter().map(row).collect()
    }

    pub(crate) fn get(&self, space: SpaceNumber, origin: Origin) -> u64 {
        self.0.get(&(space, origin)).copied().unwrap_or(0)
    }

    /// Whether the peer has any change of a space.
    pub(crate) fn has_any(&self, space: SpaceNumber) -> bool {
        self.0
            .range((space, Origin([0; 16]))..)
            .next()
            .is_some_and(|((of, _), last)| *of == space && *last > 0)
    }

    pub(crate) fn raise(&mut self, space: SpaceNumber, origin: Origin, sequence: u64) {
        let known = self.0.entry((space, origin)).or_default();
        *known = sequence.max(*known);
    }

    /// The peer said what it has of a space: that replaces what was believed.
    pub(crate) fn replace(&mut self, space: SpaceNumber, entries: &[wire::VectorEntry]) {
        self.0.retain(|(of, _), _| *of != space);
        self.0.extend(entries.iter().map(|entry| ((space, Origin(entry.origin)), entry.sequence)));
    }
}
