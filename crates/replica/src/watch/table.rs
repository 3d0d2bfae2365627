use super::idle::Idle;
use super::scope::WatchScope;
use crate::effect::RequestId;
use crate::keys::SpaceNumber;
use document::{Address, Collection, Key};
use std::collections::{BTreeMap, VecDeque};

/// A reader's feed.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) scope: WatchScope,
    pub(crate) space: SpaceNumber,
    /// Events that it may show.
    pub(crate) credit: u32,
    /// What its reader has not taken yet.
    pub(crate) untaken: Untaken,
    pub(crate) stage: Stage,
}

/// Bytes of documents, as they are stored, that a watch shows before its reader takes some of them, about. Of what was taken the
/// core knows how many events they are, and takes all for equally long: who gives room back for `n` at once does so after at
/// most the `n`th part of this, or the two may wait for each other.
pub const UNTAKEN_BYTES_MAX: usize = 64 * 1024;

/// Events that were shown and not taken yet, and credit that counts when some of them are: long ones are fewer.
#[derive(Debug, Default)]
pub(crate) struct Untaken {
    events: u32,
    bytes: u32,
    credit: u32,
}

impl Watch {
    /// It has shown events, of so many bytes of documents.
    pub(crate) fn show(&mut self, events: usize, bytes: usize) {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.credit = self.credit.saturating_sub(events);
        self.untaken.events = self.untaken.events.saturating_add(events);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.untaken.bytes = self.untaken.bytes.saturating_add(bytes);
        self.keep_back();
    }

    /// Its reader has taken so many.
    fn take(&mut self, credit: u32) {
        let Untaken { events, bytes, .. } = &mut self.untaken;
        let left = events.saturating_sub(credit);
        *bytes = bytes.checked_div(*events).unwrap_or(0) * left;
        *events = left;
        self.credit = self.credit.saturating_add(credit);
        self.keep_back();
    }

    fn keep_back(&mut self) {
        let all = self.credit.saturating_add(std::mem::take(&mut self.untaken.credit));
        let is_too_much = self.untaken.bytes as usize >= UNTAKEN_BYTES_MAX;
        (self.credit, self.untaken.credit) = if is_too_much { (0, all) } else { (all, 0) };
    }
}

/// Where a watch stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It shows the initial state; changes after `head` follow.
    Listing {
        head: u64,
        after: Option<(Collection, Key)>,
        /// Its reader is told to forget what it was shown.
        is_reset: bool,
    },
    /// It has shown the journal up to here.
    Following(u64),
    /// It has shown the journal as far as it was looked through.
    Idle,
}

/// All watches. Each is in one of four places: idle, ready to work, stalled until more is durable, or, without
/// credit, in none of them.
#[derive(Default)]
pub(crate) struct Watches {
    by_id: BTreeMap<RequestId, Watch>,
    idle: BTreeMap<SpaceNumber, Idle>,
    ready: VecDeque<RequestId>,
    stalled: Vec<RequestId>,
    /// The journal was looked through up to here for rows that idle watches are to show.
    pub(crate) looked: u64,
}

impl Watches {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Whether idle watches of the space care about the document of a row; `None` when there is none at all.
    pub(crate) fn cares(&self, space: SpaceNumber) -> Option<bool> {
        self.idle.get(&space).map(Idle::cares)
    }

    /// The next that has something to do, taken out.
    pub(crate) fn next_ready(&mut self) -> Option<(RequestId, Watch)> {
        while let Some(id) = self.ready.pop_front() {
            // It may have ended meanwhile.
            if let Some(watch) = self.by_id.remove(&id) {
                return Some((id, watch));
            }
        }
        None
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Puts one in, or back.
    pub(crate) fn put(&mut self, id: RequestId, watch: Watch, is_stalled: bool) {
        if watch.stage == Stage::Idle {
            self.idle.entry(watch.space).or_default().add(id, &watch.scope);
        } else if is_stalled {
            self.stalled.push(id);
        } else if watch.credit > 0 {
            self.ready.push_back(id);
        }
        self.by_id.insert(id, watch);
    }

    /// More is durable, or there is room again: what stalled goes on.
    pub(crate) fn unstall(&mut self) {
        self.ready.extend(self.stalled.drain(..));
    }

    /// A row of the journal is to be shown by those that have it in their scope. `address` is given where one cares.
    pub(crate) fn wake(&mut self, space: SpaceNumber, address: Option<&Address>, lsn: u64) {
        let Some(idle) = self.idle.get_mut(&space) else { return };
        let woken = idle.take(address);
        if idle.is_empty() {
            self.idle.remove(&space);
        }
        for id in woken {
            let Some(watch) = self.by_id.get_mut(&id) else { continue };
            watch.stage = Stage::Following(lsn.saturating_sub(1));
            if watch.credit > 0 {
                self.ready.push_back(id);
            }
        }
    }

    /// Every watch shows the state anew, and what the journal has after a position.
    pub(crate) fn begin_anew(&mut self, head: u64) {
        (self.idle, self.stalled) = (BTreeMap::new(), Vec::new());
        self.ready.clear();
        for (id, watch) in &mut self.by_id {
            watch.stage = Stage::Listing { head, after: None, is_reset: true };
            if watch.credit > 0 {
                self.ready.push_back(*id);
            }
        }
    }

    /// The reader has room for more events. Nothing happens to a watch that ended.
    pub(crate) fn grant(&mut self, id: RequestId, credit: u32) {
        let Some(watch) = self.by_id.get_mut(&id) else { return };
        let was_out = watch.credit == 0;
        watch.take(credit);
        if was_out && watch.credit > 0 && watch.stage != Stage::Idle {
            self.ready.push_back(id);
        }
    }

    /// The reader is gone.
    pub(crate) fn end(&mut self, id: RequestId) {
        let Some(watch) = self.by_id.remove(&id) else { return };
        let Some(idle) = self.idle.get_mut(&watch.space) else { return };
        idle.remove(id, &watch.scope);
        if idle.is_empty() {
            self.idle.remove(&watch.space);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(at: &str) -> Watch {
        let address: Address = at.parse().unwrap();
        let scope = match (address.collection.as_str(), address.key.as_str()) {
            ("all", _) => WatchScope::Space(address.space),
            (_, "all") => WatchScope::Collection(address.space, address.collection),
            _ => WatchScope::Document(address),
        };
        Watch { scope, space: SpaceNumber(1), credit: 1, untaken: Untaken::default(), stage: Stage::Idle }
    }

    fn ready(watches: &mut Watches) -> Vec<u64> {
        std::iter::from_fn(|| watches.next_ready()).map(|(id, _)| id.0).collect()
    }

    #[test]
    fn a_row_wakes_those_that_have_it_in_their_scope_and_no_other() {
        let mut watches = Watches::default();
        for (id, at) in
            [(1, "s/all/x"), (2, "s/note/all"), (3, "s/note/a"), (4, "s/note/b"), (5, "s/log/all")]
        {
            watches.put(RequestId(id), idle(at), false);
        }
        assert_eq!((watches.cares(SpaceNumber(1)), watches.cares(SpaceNumber(2))), (Some(true), None));
        watches.wake(SpaceNumber(2), None, 8);
        assert!(!watches.has_ready());
        watches.wake(SpaceNumber(1), Some(&"s/note/a".parse().unwrap()), 9);
        assert_eq!(ready(&mut watches), [1, 2, 3]);
        watches.end(RequestId(4));
        assert_eq!(watches.cares(SpaceNumber(1)), Some(true));
        watches.end(RequestId(5));
        assert!(!watches.has_idle() && watches.len() == 0);
    }

    #[test]
    fn who_takes_no_long_events_is_shown_no_more() {
        let mut watches = Watches::default();
        let mut watch = Watch { credit: 16, stage: Stage::Following(1), ..idle("s/all/x") };
        watch.show(3, UNTAKEN_BYTES_MAX - 1);
        assert_eq!(watch.credit, 13);
        watch.show(1, UNTAKEN_BYTES_MAX);
        watches.put(RequestId(1), watch, false);
        assert!(!watches.has_ready());
        watches.grant(RequestId(1), 1);
        assert!(!watches.has_ready(), "three of four are still to be taken");
        watches.grant(RequestId(1), 1);
        watches.grant(RequestId(1), 1);
        let (_, watch) = watches.next_ready().unwrap();
        assert_eq!((watch.credit, watches.has_ready()), (15, false));
    }

    #[test]
    fn a_watch_without_credit_waits_for_it() {
        let mut watches = Watches::default();
        watches.put(RequestId(1), Watch { credit: 0, ..idle("s/all/x") }, false);
        watches.wake(SpaceNumber(1), None, 9);
        assert!(!watches.has_ready());
        watches.grant(RequestId(1), 2);
        watches.grant(RequestId(1), 2);
        let (_, watch) = watches.next_ready().unwrap();
        assert_eq!((watch.credit, watch.stage, watches.has_ready()), (4, Stage::Following(8), false));
    }

    #[test]
    fn an_idle_watch_is_small() {
        assert!(size_of::<Watch>() <= 168, "{}", size_of::<Watch>());
    }
}
