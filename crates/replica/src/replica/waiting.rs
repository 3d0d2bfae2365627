//! Requests that wait for the hub, and what is learned of what it has.

use super::frames::Shown;
use super::{Clock, Replica};
use crate::effect::{Effect, LinkId, RequestId};
use crate::request::{RequestError, Response, Stamp};
use crate::session::Peer;
use crate::store::Store;
use crate::waits::{Level, WAIT_MS_MAX, WaitError, WaitFor, read_hub_vectors};
use document::{Origin, Space};
use wire::{Frame, SpaceVector};

impl<S: Store> Replica<S> {
    /// Whether a request can wait so; to be asked before anything is written for it.
    pub(super) fn check_wait(&self, wait: WaitFor) -> Result<(), WaitError> {
        if wait == WaitFor::Local || self.settings.is_hub {
            return Ok(());
        }
        let can_confirm = self.peers.iter().any(Peer::may_tell_of_hub);
        match (can_confirm, self.waits.is_full()) {
            (false, _) => Err(WaitError::NoHub),
            (true, true) => Err(WaitError::TooMany),
            (true, false) => Ok(()),
        }
    }

    /// Answers a write when it is as safe as was asked for.
    pub(super) fn answer_written(
        &mut self,
        id: RequestId,
        space: &Space,
        stamp: Option<Stamp>,
        (wait, clock): (WaitFor, Clock),
    ) {
        match (wait, stamp) {
            (WaitFor::Local, _) => {
                self.turns.hold(Effect::Reply { id, result: Ok(Response::Written(stamp)) });
            }
            (WaitFor::Hub { .. }, None) => self.answer_reached(id, None, Level::Local),
            (WaitFor::Hub { within_ms }, Some(stamp)) => self.wait(id, space, stamp, (within_ms, clock)),
        }
    }

    /// Waits for a change that was made earlier; `Ok` when the answer follows.
    pub(super) fn wait_for(
        &mut self,
        id: RequestId,
        (space, stamp): (&Space, Stamp),
        (wait, clock): (WaitFor, Clock),
    ) -> Result<(), RequestError> {
        if !self.settings.spaces.contains_key(space) {
            return Err(RequestError::UnknownSpace(space.clone()));
        }
        self.check_wait(wait)?;
        let names = &self.journal.names;
        let stream = names.space_number(space).zip(names.origin_number(stamp.origin));
        let has = stream.map_or(0, |(space, origin)| self.journal.vectors.get(space, origin).sequence);
        if !(1..=has).contains(&stamp.sequence) {
            return Err(WaitError::UnknownChange(stamp).into());
        }
        match wait {
            WaitFor::Local => self.answer_reached(id, Some(stamp), Level::Local),
            WaitFor::Hub { within_ms } => self.wait(id, space, stamp, (within_ms, clock)),
        }
        Ok(())
    }

    fn wait(&mut self, id: RequestId, space: &Space, stamp: Stamp, (within_ms, clock): (u64, Clock)) {
        let number = self.journal.names.space_number(space);
        match number {
            Some(space) if !self.settings.is_hub && self.hub.get(space, stamp.origin) < stamp.sequence => {
                let deadline_ms = clock.now_ms.saturating_add(within_ms.min(WAIT_MS_MAX));
                self.waits.add(id, space, stamp, deadline_ms);
            }
            Some(_) | None => self.answer_reached(id, Some(stamp), Level::Hub),
        }
    }

    /// Answers whose time is over: their changes are here, and stay.
    pub(super) fn answer_overdue(&mut self, now_ms: u64) {
        for (id, stamp) in self.waits.overdue(now_ms) {
            self.answer_reached(id, Some(stamp), Level::Local);
        }
    }

    fn answer_reached(&mut self, id: RequestId, stamp: Option<Stamp>, level: Level) {
        self.turns.hold(Effect::Reply { id, result: Ok(Response::Reached { stamp, level }) });
    }

    /// Takes from a frame what the hub has. `shown` are the changes of a delta that were taken or are here already.
    pub(super) fn learn(&mut self, link: LinkId, frame: &Frame, shown: Shown) {
        let Some(peer) = self.peers.of(link) else { return };
        if self.settings.is_hub {
            if let Some(session) = &mut peer.session {
                shown.into_iter().for_each(|(space, origin, _)| session.hub_told.came(space, origin));
            }
            return;
        }
        let is_hub = peer.settings.hub;
        let facts = match frame {
            // A hello leaves out what was kept of an earlier one.
            Frame::Hello(_) if is_hub => peer.confirmed.iter().collect(),
            Frame::Rewind(rewind) if is_hub => read_hub_vectors(&self.journal, named(&rewind.spaces)),
            Frame::Delta(_) if is_hub => shown,
            Frame::Ack(ack) => {
                // A relay is believed where it relays.
                let told = |vector: &&wire::HubSpace| {
                    is_hub || Space::new(vector.space.as_str()).is_ok_and(|space| peer.relays(&space))
                };
                let vectors = ack.hub.iter().flatten().filter(told).map(|vector| {
                    let entry = |entry: &wire::HubEntry| (Origin(entry.origin), entry.sequence);
                    (vector.space.as_str(), vector.entries.iter().map(entry).collect())
                });
                read_hub_vectors(&self.journal, vectors)
            }
            Frame::Hello(_)
            | Frame::Rewind(_)
            | Frame::Delta(_)
            | Frame::Ask
            | Frame::Fork(_)
            | Frame::FillOffer(_)
            | Frame::FillMore(_)
            | Frame::FillSymbols(_)
            | Frame::FillListing(_)
            | Frame::FillWant(_)
            | Frame::FillDocuments(_)
            | Frame::FillAck(_)
            | Frame::FillFinished(_)
            | Frame::Unknown(_) => {
                return;
            }
        };
        for (space, origin, sequence) in facts {
            if self.hub.raise((space, origin, sequence), link) {
                for (id, stamp) in self.waits.reached(space, origin, sequence) {
                    self.answer_reached(id, Some(stamp), Level::Hub);
                }
            }
        }
    }
}

fn named(vectors: &[SpaceVector]) -> impl Iterator<Item = (&str, Vec<(Origin, u64)>)> {
    vectors.iter().map(|vector| {
        let entry = |entry: &wire::VectorEntry| (Origin(entry.origin), entry.sequence);
        (vector.space.as_str(), vector.entries.iter().map(entry).collect())
    })
}
