//! Watches: started, granted room, and worked off a little with each turn.

mod following;
mod listing;
mod shown;

use super::Replica;
use crate::effect::{Effect, RequestId};
use crate::journal::{DAMAGED, Journal};
use crate::keys::{self, DocumentNumber, SpaceNumber};
use crate::record::{self, JournalRow};
use crate::request::RequestError;
use crate::store::{Keyspace, Store, StoreError};
use crate::watch::{
    Listing, Position, Stage, UNTAKEN_BYTES_MAX, Untaken, WATCHES_MAX, Watch, WatchCursor, WatchError,
    WatchEvent, WatchScope, WatchedChange,
};
use document::Address;
use std::collections::BTreeMap;

/// Journal rows looked through in one turn for those that idle watches are to show.
const LOOKED_ROWS_MAX: usize = 4_096;
/// Watches that work in one turn; the others follow in the next, so that none waits for ever.
const WORKING_MAX: usize = 64;
/// Events of one watch in one turn.
const EVENTS_MAX: usize = 64;
/// Bytes of documents of one watch in one turn, about.
const EVENT_BYTES: usize = UNTAKEN_BYTES_MAX;
/// Documents brought up to date for watches in one turn, and changes applied for that.
const REFRESHED_MAX: usize = 32;
/// See [`REFRESHED_MAX`].
const CHANGES_MAX: usize = 1_024;

/// A position of the journal, and its digest there.
#[derive(Clone, Copy, Default)]
struct Place {
    lsn: u64,
    chain: Option<u64>,
}

/// What a turn still spends on values that are behind.
struct Refreshing {
    documents: usize,
    changes: usize,
}

/// What the watches of one turn look at. Those that a write woke stand at the same place, and are shown the same.
struct Looking {
    refreshing: Refreshing,
    /// Rows of the journal after a position, as they were read for the last watch of a space.
    rows: Option<((SpaceNumber, u64), Vec<Row>)>,
    /// Changes that were shown and the lengths of their documents, by position.
    shown: BTreeMap<u64, (WatchedChange, usize)>,
    shown_bytes: usize,
}

/// A row of the journal that a watch looks at.
#[derive(Clone)]
struct Row {
    lsn: u64,
    row: JournalRow,
    /// Its document, where it is in the watch's space.
    address: Option<Address>,
}

/// What a watch came to in a turn.
#[derive(Default)]
struct Step {
    events: Vec<WatchEvent>,
    bytes: usize,
    /// It goes on when a value is durable that is being brought up to date.
    is_stalled: bool,
}

impl Step {
    /// How many more events it may show.
    fn room(&self, watch: &Watch) -> usize {
        let credit = usize::try_from(watch.credit).unwrap_or(usize::MAX);
        if self.bytes >= EVENT_BYTES { 0 } else { credit.min(EVENTS_MAX).saturating_sub(self.events.len()) }
    }
}

impl<S: Store> Replica<S> {
    /// Starts a watch: its events are its answer.
    pub(super) fn start_watch(
        &mut self,
        id: RequestId,
        scope: WatchScope,
        from: Option<&WatchCursor>,
        credit: u32,
    ) -> Result<Result<(), RequestError>, StoreError> {
        let unknown = || RequestError::UnknownSpace(scope.space().clone());
        if !self.settings.spaces.contains_key(scope.space()) {
            return Ok(Err(unknown()));
        }
        let Some(space) = self.journal.names.space_number(scope.space()) else { return Ok(Err(unknown())) };
        let position = scope.check().and_then(|()| from.map(|cursor| cursor.read(&scope)).transpose());
        let position = match position {
            Ok(_) if self.watches.len() >= WATCHES_MAX => return Ok(Err(WatchError::TooMany.into())),
            Ok(position) => position,
            Err(error) => return Ok(Err(error.into())),
        };
        let stage = match position {
            None => self.list_anew(false),
            Some(position) => self.go_on(position)?.unwrap_or_else(|| self.list_anew(true)),
        };
        let untaken = Untaken::default();
        self.watches.put(id, Watch { scope, space, credit, untaken, stage }, false);
        Ok(Ok(()))
    }

    pub(super) fn list_anew(&self, is_reset: bool) -> Stage {
        Stage::Listing { head: self.journal.durable_head(), after: None, is_reset }
    }

    /// Where a watch goes on; `None` where the journal is another, or no longer goes back so far.
    fn go_on(&self, position: Position) -> Result<Option<Stage>, StoreError> {
        let Position { epoch, lsn, listing, chain } = position;
        let head = self.journal.durable_head();
        let serves = epoch == self.journal.epoch()
            && lsn <= head
            && self.journal.chain_at(lsn)?.is_some_and(|at| chain == Some(at));
        Ok(match listing {
            _ if !serves => None,
            #[cfg(isle_planted)]
            None if crate::planted::is(crate::planted::Bug::WatchChangeSkipped) => {
                Some(Stage::Following((lsn + 1).min(head)))
            }
            None => Some(Stage::Following(lsn)),
            Some(listing) => {
                listing.after().map(|after| Stage::Listing { head: lsn, after, is_reset: false })
            }
        })
    }

    /// Shows readers what is durable; returns whether there is more to show.
    pub(super) fn pump_watches(&mut self) -> Result<bool, StoreError> {
        let more = self.wake_watches()?;
        let refreshing = Refreshing { documents: REFRESHED_MAX, changes: CHANGES_MAX };
        let mut looking = Looking { refreshing, rows: None, shown: BTreeMap::new(), shown_bytes: 0 };
        for _ in 0..WORKING_MAX {
            let Some((id, mut watch)) = self.watches.next_ready() else { break };
            let step = match &watch.stage {
                Stage::Listing { .. } => self.list_some(&mut watch, &mut looking.refreshing)?,
                Stage::Following(position) => {
                    let position = *position;
                    self.follow(&mut watch, position, &mut looking)?
                }
                Stage::Idle => Step::default(),
            };
            watch.show(step.events.len(), step.bytes);
            self.watches.put(id, watch, step.is_stalled);
            if !step.events.is_empty() {
                self.turns.release(Effect::Watch { id, events: step.events });
            }
        }
        Ok(more || self.watches.has_ready())
    }

    /// Wakes idle watches that have something to show; returns whether there are more rows to look through.
    fn wake_watches(&mut self) -> Result<bool, StoreError> {
        let head = self.journal.durable_head();
        if !self.watches.has_idle() {
            self.watches.looked = head;
        }
        if self.watches.looked >= head {
            return Ok(false);
        }
        let (journal, watches) = (&self.journal, &mut self.watches);
        let (mut seen, mut is_within) = (0, false);
        for row in durable_rows(journal, watches.looked, head) {
            // Not in the middle of a transaction: what is looked through is what watches show.
            if seen >= LOOKED_ROWS_MAX && !is_within {
                return Ok(true);
            }
            let (lsn, row) = row?;
            seen += 1;
            is_within = row.follow > 0;
            wake(journal, watches, lsn, &row)?;
            watches.looked = lsn;
        }
        watches.looked = head;
        Ok(false)
    }

    /// A position of the journal, as a cursor keeps it.
    fn place(&self, lsn: u64) -> Result<Place, StoreError> {
        Ok(Place { lsn, chain: self.journal.chain_at(lsn)? })
    }

    fn cursor(&self, watch: &Watch, Place { lsn, chain }: Place, listing: Option<Listing>) -> WatchCursor {
        WatchCursor::new(&watch.scope, &Position { epoch: self.journal.epoch(), lsn, listing, chain })
    }
}

fn wake<S: Store>(
    journal: &Journal<S>,
    watches: &mut crate::watch::Watches,
    lsn: u64,
    row: &JournalRow,
) -> Result<(), StoreError> {
    let space = SpaceNumber(row.space);
    if let Some(cares) = watches.cares(space) {
        let address = cares.then(|| journal.address(DocumentNumber(row.document))).transpose()?;
        watches.wake(space, address.as_ref(), lsn);
    }
    Ok(())
}

/// Durable rows of the journal after `after`, up to and including `last`, with their positions.
fn durable_rows<S: Store>(
    journal: &Journal<S>,
    after: u64,
    last: u64,
) -> impl Iterator<Item = Result<(u64, JournalRow), StoreError>> + '_ {
    let (keyspace, range) = keys::journal_after(after, last);
    journal.rows.durable().scan(keyspace, range).map(|row| {
        let (key, value) = row?;
        let lsn = keys::read_journal(&key).ok_or(DAMAGED)?;
        Ok((lsn, record::decode(Keyspace::Journal, &value)?))
    })
}
