//! What documents were: earlier moments, changes, conflicts. These open the document.

use super::Replica;
use super::values::CHANGES_PER_REQUEST_MAX;
use crate::request::{At, Behind, Reading, RequestError, Response, told_of_damage};
use crate::store::{Room, Store, StoreError};
use document::{Address, Document, HistoryEntry, HistoryQuery};

/// Most changes told for one request, while all others wait: with 10,000 changes about 10 ms, half of which is the walk
/// over the history that each page takes.
const HISTORY_PER_REQUEST_MAX: usize = 250;

/// Bytes of what changes did in one answer, about.
const HISTORY_BYTES: usize = 512 * 1024;

/// An answer, or the store's failure.
type Answer<T> = Result<Result<T, RequestError>, StoreError>;

/// The first of them, as many as have about [`HISTORY_BYTES`] together, and whether there may be more; all of them are
/// `most` at most.
fn within_bytes(entries: Vec<HistoryEntry>, most: usize) -> Response {
    let (mut bytes, told) = (0, entries.len());
    let fits = |entry: &HistoryEntry| {
        let before = bytes;
        bytes += entry.patch.to_string().len();
        before < HISTORY_BYTES
    };
    let entries: Vec<_> = entries.into_iter().take_while(fits).collect();
    let more = entries.len() < told || told >= most;
    Response::History { entries, more }
}

impl<S: Store> Replica<S> {
    pub(super) fn get_at(&mut self, address: &Address, at: &At) -> Answer<Reading> {
        let read = self.with_document(address, |document| {
            let mut heads = match at {
                At::Heads(heads) => heads.clone(),
                At::Wall(wall_ms) => document.heads_at(*wall_ms),
            };
            heads.sort_unstable();
            heads.dedup();
            document.json_at(&heads).map(|value| (value, heads))
        })?;
        Ok(match read {
            Ok((read, behind)) => read.map_err(RequestError::from).map(|(value, heads)| Reading {
                violations: self.violations(address, value.as_ref()),
                heads,
                value: value.map(|value| self.indexing(&address.collection).shown(value)),
                behind,
                is_filling: self.is_filling(&address.space),
            }),
            Err(error) => Err(error),
        })
    }

    pub(super) fn history(&mut self, address: &Address, query: HistoryQuery) -> Answer<Response> {
        let query = HistoryQuery { limit: query.limit.min(HISTORY_PER_REQUEST_MAX), ..query };
        let told = self.with_document(address, |document| document.history(query))?;
        let told = told.and_then(|(told, _)| told.map_err(RequestError::from));
        Ok(told.map(|entries| within_bytes(entries, query.limit)))
    }

    pub(super) fn conflicts(&mut self, address: &Address) -> Answer<Response> {
        let read = |document: &Document| (document.conflicts(), document.heads());
        let told = self.with_document(address, read)?;
        Ok(told.map(|((mut conflicts, heads), _)| {
            let schema = self.schema(address);
            conflicts.iter_mut().for_each(|conflict| conflict.hold_against(schema));
            Response::Conflicts { conflicts, heads }
        }))
    }

    /// Reads the document itself, brought up to date as for any read.
    fn with_document<T>(
        &mut self,
        address: &Address,
        read: impl FnOnce(&Document) -> T,
    ) -> Answer<(T, Option<Behind>)> {
        let told = self.open_and_read(address, read);
        told_of_damage(address, told)
    }

    fn open_and_read<T>(
        &mut self,
        address: &Address,
        read: impl FnOnce(&Document) -> T,
    ) -> Answer<(T, Option<Behind>)> {
        if !self.settings.spaces.contains_key(&address.space) {
            return Ok(Err(RequestError::UnknownSpace(address.space.clone())));
        }
        let Some(mut place) = self.journal.document(address)? else {
            return Ok(Ok((read(&Document::new()), None)));
        };
        self.refresh(address, &mut place, CHANGES_PER_REQUEST_MAX)?;
        let behind = self.behind(&place)?;
        let (open, applied) = self.documents.whole(&self.journal, &place)?;
        let told = applied.map(|()| read(&open.document));
        self.documents.keep(place.number(), open);
        Ok(match told {
            Ok(told) => Ok((told, behind)),
            Err(unapplied) => {
                if place.row.blocked.is_none() && self.room != Room::ReadOnly {
                    self.block(address, &mut place, (unapplied.reason, unapplied.at));
                }
                Err(RequestError::blocked(address, unapplied.reason))
            }
        })
    }
}
