use crate::network::RowName;
use document::{Origin, Space};
use std::collections::BTreeMap;

/// How far each stream of changes is, by space and origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(BTreeMap<Space, BTreeMap<Origin, u64>>);

impl Streams {
    /// The last sequence of the stream that a row is of; 0 when there is none.
    pub(super) fn last(&self, row: &RowName) -> u64 {
        self.0.get(&row.space).and_then(|origins| origins.get(&row.origin)).copied().unwrap_or(0)
    }

    /// The stream is at least at this row.
    pub(super) fn raise(&mut self, row: &RowName) {
        let known = match self.0.get_mut(&row.space) {
            Some(origins) => origins.entry(row.origin).or_default(),
            None => self.0.entry(row.space.clone()).or_default().entry(row.origin).or_default(),
        };
        *known = row.sequence.max(*known);
    }

    /// Is at least as far as another in every stream.
    pub(super) fn raise_all(&mut self, other: &Self) {
        self.raise_those(other, |_, _| true);
    }

    /// The same, for some of the streams.
    pub(super) fn raise_those(&mut self, other: &Self, is_raised: impl Fn(&Space, &Origin) -> bool) {
        for (space, origins) in &other.0 {
            let known = self.0.entry(space.clone()).or_default();
            for (origin, sequence) in origins.iter().filter(|(origin, _)| is_raised(space, origin)) {
                let known = known.entry(*origin).or_default();
                *known = (*sequence).max(*known);
            }
        }
    }

    /// By space and origin.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Space, &BTreeMap<Origin, u64>)> {
        self.0.iter()
    }
}

impl<'a> FromIterator<&'a RowName> for Streams {
    fn from_iter<T: IntoIterator<Item = &'a RowName>>(rows: T) -> Self {
        let mut streams = Self::default();
        rows.into_iter().for_each(|row| streams.raise(row));
        streams
    }
}
