//! The documents that wait for the materialiser. The list is in the store; while it is short it is in memory too, as each
//! change puts its document on it and takes it off: in the store whoever looks for the first entry passes all that were
//! removed not long ago.

use super::Journal;
use crate::keys;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use std::ops::Bound;

/// A longer list is read from the store alone.
pub(crate) const LISTED_MAX: usize = 1_024;

/// All keys of the list, where they are known.
#[derive(Default)]
pub(crate) struct Waiting(Option<BTreeSet<Vec<u8>>>);

impl<S: Store> Journal<S> {
    /// Puts a document on the list.
    pub(super) fn list_waiting(&mut self, place: keys::Place) {
        if let Some(listed) = &mut self.waiting.0 {
            listed.insert(place.1.clone());
            self.waiting.0.take_if(|listed| listed.len() > LISTED_MAX);
        }
        self.rows.put(place, Vec::new());
        self.is_work_listed = true;
    }

    /// Takes a document off the list.
    pub(super) fn unlist_waiting(&mut self, place: keys::Place) {
        if let Some(listed) = &mut self.waiting.0 {
            listed.remove(&place.1);
        }
        self.rows.remove(place);
    }

    /// At most `most` entries of the list after one of them, or from its first.
    pub(crate) fn waiting_after(
        &mut self,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let stored = || -> Result<Vec<_>, _> {
            let rows = self.rows.scan(keys::listed_after(keys::KIND_WAITING, after)).take(most);
            rows.map(|row| row.map(|(key, _)| key)).collect()
        };
        if let Some(listed) = &self.waiting.0 {
            let after = after.map_or(Bound::Unbounded, Bound::Excluded);
            let found = listed.range::<[u8], _>((after, Bound::Unbounded)).take(most).cloned().collect();
            debug_assert!(!stored().is_ok_and(|stored| stored != found));
            return Ok(found);
        }
        let found = stored()?;
        if after.is_none() && found.len() < most {
            self.waiting.0 = Some(found.iter().cloned().collect());
        }
        Ok(found)
    }
}
