//! Queries and the rows of indexes. A document's index rows change in the batch of its value; an index that is new, or
//! of another version of the schema, is built in the background when a query first asks for it.

use super::Replica;
use super::values::{CHANGES_PER_REQUEST_MAX, Freshness};
use crate::index::{self, Indexing};
use crate::journal::{DAMAGED, DocumentPlace, NewValue};
use crate::keys::{self, SpaceNumber};
use crate::query::{self, Query, QueryContext};
use crate::request::{Queried, RequestError, told_of_damage};
use crate::store::{Keyspace, Store, StoreError, undamaged};
use crate::value::reading::{self, Stored};
use crate::value::{ValueRow, ValueState};
use document::{Address, Collection, Key, Space};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Index rows written or removed, or documents indexed, in one turn.
const ROWS_PER_TURN: usize = 128;
/// Bytes of values that are indexed in one turn, and of the rows written for them, about: documents may be long, and
/// requests wait meanwhile.
const BYTES_PER_TURN: usize = 256 * 1024;
/// Documents whose values are brought up to date for one query.
const REFRESHED_MAX: usize = 64;
/// Collections whose indexes wait to be built; a query that comes later asks again.
const BUILDS_MAX: usize = 16;

/// What is known of indexes.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    by_collection: BTreeMap<Collection, Indexing>,
    builds: VecDeque<Build>,
}

/// The indexes of a collection in the making.
#[derive(Debug)]
struct Build {
    space: SpaceNumber,
    collection: Collection,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Rows of an earlier version go first, with what was written meanwhile.
    Clearing,
    /// Values up to this key are indexed.
    Filling(Option<Key>),
}

impl<S: Store> Replica<S> {
    /// A page of a query. Values that are behind are brought up to date first, within a limit.
    pub(super) fn query(
        &mut self,
        space: &Space,
        collection: &Collection,
        query: &Query,
    ) -> Result<Result<Queried, RequestError>, StoreError> {
        if !self.settings.spaces.contains_key(space) {
            return Ok(Err(RequestError::UnknownSpace(space.clone())));
        }
        let queried = self.queried(space, collection, query);
        told_of_damage(format_args!("{space}/{collection}"), queried)
    }

    fn queried(
        &mut self,
        space: &Space,
        collection: &Collection,
        query: &Query,
    ) -> Result<Result<Queried, RequestError>, StoreError> {
        let number = self.journal.names.intern_space(&mut self.journal.rows, space)?;
        let is_behind = self.refresh_collection(number, collection)?;
        self.want_indexes(number, collection)?;
        let indexing = self.indexing(collection).clone();
        let context = QueryContext { space: number, collection, indexing: &indexing };
        let mut page = query::run(&self.journal.rows, &context, query)?;
        if let Ok(found) = &page
            && self.mend_values(number, collection, &found.damaged)?
        {
            page = query::run(&self.journal.rows, &context, query)?;
        }
        let is_filling = self.is_filling(space);
        Ok(page.map(|page| Queried { page, is_behind, is_filling }).map_err(RequestError::Query))
    }

    /// The collections of a space whose index rows are not those that the stored values give: rows that a document left
    /// behind are passed over by queries, and never go. Takes memory in proportion to the rows.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn verify_indexes(&self, space: &Space) -> Result<Vec<Collection>, StoreError> {
        let Some(number) = self.journal.names.space_number(space) else { return Ok(Vec::new()) };
        let mut wrong = Vec::new();
        for (collection, schema) in self.settings.schemas.iter() {
            let indexing = Indexing::new(Some(schema));
            if !index::is_complete(&self.journal.rows, &indexing, number, collection)? {
                continue;
            }
            let found = self.journal.rows.scan(keys::indexes_of(number, collection));
            let found = found.map(|row| Ok(row?.0)).collect::<Result<BTreeSet<_>, StoreError>>()?;
            let mut expected = BTreeSet::new();
            for row in self.journal.rows.scan(keys::values(number, collection, b"", keys::AFTER_KEYS)) {
                let (key, value) = row?;
                let (_, name) = keys::read_value(&key).ok_or(DAMAGED)?;
                let document = ValueRow::read(&value)?.document()?;
                let rows = index::rows(&indexing, number, collection, &name, document.as_ref());
                expected.extend(rows.into_iter().map(|(_, key)| key));
            }
            if found != expected {
                wrong.push(collection.clone());
            }
        }
        Ok(wrong)
    }

    /// Brings values of a collection up to date; returns whether some are behind still.
    fn refresh_collection(
        &mut self,
        space: SpaceNumber,
        collection: &Collection,
    ) -> Result<bool, StoreError> {
        let waiting = self.journal.rows.scan(keys::listed_of(keys::KIND_WAITING, space, collection));
        let waiting = waiting.take(REFRESHED_MAX + 1).map(|row| row.map(|(key, _)| key));
        let waiting: Vec<_> = waiting.collect::<Result<_, _>>()?;
        let mut is_behind = waiting.len() > REFRESHED_MAX;
        let mut changes = CHANGES_PER_REQUEST_MAX;
        for key in waiting.iter().take(REFRESHED_MAX) {
            if changes == 0 {
                is_behind = true;
                break;
            }
            let address = self.journal.listed_address(key)?;
            let mut place = self.journal.document(&address)?.ok_or(DAMAGED)?;
            let refreshed = self.refresh(&address, &mut place, changes)?;
            changes = changes.saturating_sub(refreshed.changes);
            is_behind |= refreshed.freshness != Freshness::Fresh;
        }
        let mut blocked = self.journal.rows.scan(keys::listed_of(keys::KIND_BLOCKED, space, collection));
        Ok(is_behind || blocked.next().transpose()?.is_some())
    }

    /// Makes some of these values again; returns whether any can be read then.
    fn mend_values(
        &mut self,
        space: SpaceNumber,
        collection: &Collection,
        damaged: &[Key],
    ) -> Result<bool, StoreError> {
        let (mut changes, mut is_mended) = (CHANGES_PER_REQUEST_MAX, false);
        for key in damaged {
            if changes == 0 {
                break;
            }
            let (taken, blocked) = self.mend_stored(space, collection, key)?;
            changes = changes.saturating_sub(taken);
            is_mended |= taken > 0 && !blocked;
        }
        Ok(is_mended)
    }

    /// Makes a value again; returns how many changes it took, and whether the document is blocked.
    fn mend_stored(
        &mut self,
        space: SpaceNumber,
        collection: &Collection,
        key: &Key,
    ) -> Result<(usize, bool), StoreError> {
        let address = self.journal.listed_address(&keys::value(space, collection, key).1)?;
        // Of the document's own row nothing is known either.
        let place = undamaged(self.journal.document(&address))?.flatten();
        let Some(mut place) = place else { return Ok((0, true)) };
        let taken = self.mend_value(&address, &mut place)?;
        Ok((taken, place.row.blocked.is_some()))
    }

    /// What the schema of a collection says of its indexes.
    pub(super) fn indexing(&mut self, collection: &Collection) -> &Indexing {
        let schema = self.settings.schemas.get(collection);
        self.indexes.by_collection.entry(collection.clone()).or_insert_with(|| Indexing::new(schema))
    }

    /// What a document is to show, and how its index rows change with it.
    pub(super) fn new_value(
        &mut self,
        address: &Address,
        place: &DocumentPlace,
        (json, breaks_schema): (Option<Value>, bool),
    ) -> Result<NewValue, StoreError> {
        let (removed, added) = if self.indexing(&address.collection).fields().is_empty() {
            (Vec::new(), Vec::new())
        } else {
            // Of one that cannot be read the index rows stay: queries pass over them.
            let old = undamaged(self.journal.value(address, place))?.flatten();
            let indexing = self.indexing(&address.collection);
            let rows = |value| index::rows(indexing, place.space, &address.collection, &address.key, value);
            index::difference(rows(old.as_ref()), rows(json.as_ref()))
        };
        let whole = match &json {
            Some(json) if !breaks_schema => self.indexing(&address.collection).whole_mark(json),
            Some(_) | None => None,
        };
        let state = if json.is_some() { ValueState::Live } else { ValueState::Deleted };
        let json = json.map(|json| json.to_string().into_bytes()).unwrap_or_default();
        Ok(NewValue { state, json, breaks_schema, whole, removed, added })
    }

    /// The schema of a collection is another: its indexes are made again when they are next asked for.
    pub(super) fn forget_schema(&mut self, collection: &Collection) -> Result<(), StoreError> {
        self.indexes.by_collection.remove(collection);
        self.indexes.builds.retain(|build| build.collection != *collection);
        self.forget_outdated_indexes()
    }

    /// Forgets which indexes are complete where the schema is another than they were made by: they are not kept up from
    /// here on, also if it comes back.
    pub(super) fn forget_outdated_indexes(&mut self) -> Result<(), StoreError> {
        let rows: Vec<_> = self.journal.rows.scan(keys::all_indexed()).collect::<Result<_, _>>()?;
        for (key, digest) in rows {
            let collection = keys::read_indexed(&key).ok_or(DAMAGED)?;
            if self.indexing(&collection).digest()[..] != digest {
                self.journal.rows.remove((Keyspace::Documents, key));
            }
        }
        Ok(())
    }

    /// Asks for the indexes of a collection, unless they are complete.
    pub(super) fn want_indexes(
        &mut self,
        space: SpaceNumber,
        collection: &Collection,
    ) -> Result<(), StoreError> {
        let indexing = self.indexing(collection).clone();
        let is_wanted = !indexing.fields().is_empty()
            && !index::is_complete(&self.journal.rows, &indexing, space, collection)?;
        let builds = &mut self.indexes.builds;
        let is_under_way = builds.iter().any(|build| build.space == space && build.collection == *collection);
        if is_wanted && !is_under_way && builds.len() < BUILDS_MAX {
            builds.push_back(Build { space, collection: collection.clone(), stage: Stage::Clearing });
        }
        Ok(())
    }

    /// Builds some rows of the first index that waits; returns whether there is more to do.
    pub(super) fn build_indexes(&mut self) -> Result<bool, StoreError> {
        let Some(mut build) = self.indexes.builds.pop_front() else { return Ok(false) };
        let done = match &build.stage {
            Stage::Clearing => {
                if self.clear_index(&build)? {
                    build.stage = Stage::Filling(None);
                }
                false
            }
            Stage::Filling(after) => {
                let last = self.fill_index(&build, after.as_ref())?;
                let done = last.is_none();
                build.stage = Stage::Filling(last);
                done
            }
        };
        if done {
            let complete = index::complete(self.indexing(&build.collection));
            self.journal.rows.put(keys::indexed(build.space, &build.collection), complete);
        } else {
            self.indexes.builds.push_front(build);
        }
        Ok(!self.indexes.builds.is_empty())
    }

    /// Removes some of the rows that there are; true when none is left.
    fn clear_index(&mut self, build: &Build) -> Result<bool, StoreError> {
        let range = keys::indexes_of(build.space, &build.collection);
        let rows = self.journal.rows.scan(range).take(ROWS_PER_TURN);
        let found: Vec<_> = rows.map(|row| row.map(|(key, _)| key)).collect::<Result<_, _>>()?;
        let is_last = found.len() < ROWS_PER_TURN;
        found.into_iter().for_each(|key| self.journal.rows.remove((Keyspace::Documents, key)));
        Ok(is_last)
    }

    /// Indexes some documents after a key; returns the last one's, `None` when there was none left. A value that cannot be
    /// read is made again, which writes its rows, or is passed over.
    fn fill_index(&mut self, build: &Build, after: Option<&Key>) -> Result<Option<Key>, StoreError> {
        let after = after.map_or(Vec::new(), |after| [after.as_str().as_bytes(), &[0]].concat());
        let (mut left, mut read) = (BYTES_PER_TURN, 0_usize);
        let fits = |stored: &Result<Stored, StoreError>| {
            let before = read;
            read += stored.as_ref().map_or(0, |(_, row)| row.as_ref().map_or(0, Vec::len));
            before < BYTES_PER_TURN
        };
        let values = (build.space, &build.collection);
        let stored = reading::scan(&self.journal.rows, values, after..keys::AFTER_KEYS.to_vec(), false);
        let stored: Vec<_> = stored.take(ROWS_PER_TURN).take_while(fits).collect::<Result<_, _>>()?;
        let indexing = self.indexing(&build.collection).clone();
        let mut last = None;
        for (key, row) in stored {
            if left == 0 {
                break;
            }
            let read = row.as_deref().map(|row| ValueRow::read(row)?.document());
            match read.map_or(Ok(None), undamaged)? {
                Some(document) => {
                    let rows =
                        index::rows(&indexing, build.space, &build.collection, &key, document.as_ref());
                    for (keyspace, row) in rows {
                        left = left.saturating_sub(row.len());
                        self.journal.rows.put((keyspace, row), Vec::new());
                    }
                }
                None => {
                    // One in a turn: its document is opened.
                    self.mend_stored(build.space, &build.collection, &key)?;
                    left = 0;
                }
            }
            last = Some(key);
        }
        Ok(last)
    }
}
