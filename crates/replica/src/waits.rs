//! Requests that wait until the hub has their change, and what is known of what it has.

mod hub;

pub(crate) use hub::{HubVector, Told, hub_vectors, read_hub_vectors};

use crate::effect::RequestId;
use crate::keys::SpaceNumber;
use crate::request::Stamp;
use crate::store::Turn;
use document::{ChangeHash, Origin};
use std::collections::{BTreeMap, BTreeSet};

/// Most requests that wait for the hub at a time.
pub const WAITS_MAX: usize = 4_096;
/// Longest wait, in milliseconds; longer ones are cut to it.
pub const WAIT_MS_MAX: u64 = 10 * 60 * 1_000;

/// How safe a change is to be when its request is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitFor {
    /// On the disk of this replica.
    #[default]
    Local,
    /// On the disk of the hub; or, after this time, on that of this replica.
    Hub {
        /// In milliseconds; at most [`WAIT_MS_MAX`].
        within_ms: u64,
    },
}

/// How safe a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// On the disk of this replica.
    Local,
    /// On the disk of the hub.
    Hub,
}

/// Why nobody can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// [`WAITS_MAX`] requests wait.
    #[error("{WAITS_MAX} requests wait for the hub: write without waiting, or try again later")]
    TooMany,
    /// Nobody would ever confirm it.
    #[error("no peer of this replica is the hub or a relay: none could confirm the change")]
    NoHub,
    /// The stamp is of no change that is here.
    #[error("change {} of {} is not here", .0.sequence, .0.origin)]
    UnknownChange(Stamp),
}

/// A request that waits.
#[derive(Clone, Debug)]
struct Waiting {
    space: SpaceNumber,
    stamp: Stamp,
    heads: Vec<ChangeHash>,
    rests_on: Turn,
    deadline_ms: u64,
}

/// A request that waits no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) id: RequestId,
    /// Its change.
    pub(crate) stamp: Stamp,
    /// The heads of its document with it, for the answer.
    pub(crate) heads: Vec<ChangeHash>,
    /// The turn that makes the change durable here.
    pub(crate) rests_on: Turn,
}

/// All requests that wait.
#[derive(Default)]
pub(crate) struct Waits {
    by_id: BTreeMap<RequestId, Waiting>,
    by_stamp: BTreeSet<(SpaceNumber, Origin, u64, RequestId)>,
    by_deadline: BTreeSet<(u64, RequestId)>,
}

impl Waits {
    pub(crate) fn is_full(&self) -> bool {
        self.by_id.len() >= WAITS_MAX
    }

    /// The request waits for a change of a space, until a moment at the latest.
    pub(crate) fn add(&mut self, request: Ended, space: SpaceNumber, deadline_ms: u64) {
        let Ended { id, stamp, heads, rests_on } = request;
        self.by_id.insert(id, Waiting { space, stamp, heads, rests_on, deadline_ms });
        self.by_stamp.insert((space, stamp.origin, stamp.sequence, id));
        self.by_deadline.insert((deadline_ms, id));
    }

    /// The hub has a stream up to a sequence: takes out who waited for that.
    pub(crate) fn reached(&mut self, space: SpaceNumber, origin: Origin, sequence: u64) -> Vec<Ended> {
        let range = (space, origin, 0, RequestId(0))..=(space, origin, sequence, RequestId(u64::MAX));
        let ids: Vec<_> = self.by_stamp.range(range).map(|(_, _, _, id)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes out whose time is over.
    pub(crate) fn overdue(&mut self, now_ms: u64) -> Vec<Ended> {
        let range = ..=(now_ms, RequestId(u64::MAX));
        let ids: Vec<_> = self.by_deadline.range(range).map(|(_, id)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes out whose change is here as safely as this turn is.
    pub(crate) fn kept(&mut self, turn: Turn) -> Vec<Ended> {
        let kept = self.by_id.iter().filter(|(_, waiting)| waiting.rests_on <= turn);
        let ids: Vec<_> = kept.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.by_deadline.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    fn remove(&mut self, id: RequestId) -> Option<Ended> {
        let Waiting { space, stamp, heads, rests_on, deadline_ms } = self.by_id.remove(&id)?;
        self.by_stamp.remove(&(space, stamp.origin, stamp.sequence, id));
        self.by_deadline.remove(&(deadline_ms, id));
        Some(Ended { id, stamp, heads, rests_on })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_with_their_change_or_their_time() {
        let (space, other) = (SpaceNumber(1), SpaceNumber(2));
        let stamp = |sequence| Stamp { origin: Origin([1; 16]), sequence };
        let ended = |id, sequence| Ended {
            id: RequestId(id),
            stamp: stamp(sequence),
            heads: vec![ChangeHash([7; 32])],
            rests_on: Turn(id),
        };
        let mut waits = Waits::default();
        for (id, space, sequence, at) in
            [(1, space, 3, 90), (2, space, 4, 50), (3, space, 9, 70), (4, other, 1, 60)]
        {
            waits.add(ended(id, sequence), space, at);
        }
        assert_eq!(waits.next_deadline_ms(), Some(50));
        assert_eq!(waits.reached(space, Origin([2; 16]), 9), []);
        assert_eq!(waits.reached(space, Origin([1; 16]), 8), [ended(1, 3), ended(2, 4)]);
        assert_eq!((waits.next_deadline_ms(), waits.overdue(59)), (Some(60), vec![]));
        assert_eq!(waits.overdue(60), [ended(4, 1)]);
        assert_eq!((waits.kept(Turn(2)), waits.kept(Turn(3))), (vec![], vec![ended(3, 9)]));
        assert_eq!((waits.next_deadline_ms(), waits.by_stamp.len()), (None, 0));
    }
}
