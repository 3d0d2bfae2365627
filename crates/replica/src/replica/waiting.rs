//! Requests that wait for the hub, and what is learned of what it has.

use super::frames::Shown;
use super::{Clock, Replica};
use crate::effect::{Effect, LinkId, RequestId};
use crate::request::{RequestError, Response, Stamp, Written};
use crate::session::Peer;
use crate::store::{Store, StoreError, Turn};
use crate::waits::{Ended, Level, WAIT_MS_MAX, WaitError, WaitFor, read_hub_vectors};
use document::{ChangeHash, Origin, Space};
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
        written: Written,
        (wait, clock): (WaitFor, Clock),
    ) -> Result<(), StoreError> {
        let Written { stamp, heads } = written;
        let response = match (wait, stamp) {
            (WaitFor::Local, _) => Response::Written(Written { stamp, heads }),
            // Nothing was changed that could be confirmed; what the hub has itself is at the hub.
            (WaitFor::Hub { .. }, None) => {
                let level = if self.settings.is_hub { Level::Hub } else { Level::Local };
                Response::Reached { stamp, heads, level }
            }
            (WaitFor::Hub { within_ms }, Some(stamp)) => {
                return self.wait(id, space, (stamp, heads), (within_ms, clock));
            }
        };
        let reply = Effect::Reply { id, result: Ok(response) };
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::ReplyBeforeSync) {
            self.turns.release(reply);
            return Ok(());
        }
        self.turns.hold(reply);
        Ok(())
    }

    /// Waits for a change that was made earlier; `Ok` when the answer follows.
    pub(super) fn wait_for(
        &mut self,
        id: RequestId,
        (space, stamp): (&Space, Stamp),
        (wait, clock): (WaitFor, Clock),
    ) -> Result<Result<(), RequestError>, StoreError> {
        if let Err(error) = self.check_known(space, stamp, wait) {
            return Ok(Err(error));
        }
        match wait {
            WaitFor::Local => {
                let rests_on = self.rests_on(space, stamp)?;
                self.answer_reached(Ended { id, stamp, heads: Vec::new(), rests_on }, Level::Local);
            }
            WaitFor::Hub { within_ms } => self.wait(id, space, (stamp, Vec::new()), (within_ms, clock))?,
        }
        Ok(Ok(()))
    }

    /// Whether there is such a change, and the request can wait for it.
    fn check_known(&self, space: &Space, stamp: Stamp, wait: WaitFor) -> Result<(), RequestError> {
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
        Ok(())
    }

    fn wait(
        &mut self,
        id: RequestId,
        space: &Space,
        (stamp, heads): (Stamp, Vec<ChangeHash>),
        (within_ms, clock): (u64, Clock),
    ) -> Result<(), StoreError> {
        let request = Ended { id, stamp, heads, rests_on: self.rests_on(space, stamp)? };
        let number = self.journal.names.space_number(space);
        match number {
            Some(space) if !self.settings.is_hub && self.hub.get(space, stamp.origin) < stamp.sequence => {
                let deadline_ms = clock.now_ms.saturating_add(within_ms.min(WAIT_MS_MAX));
                self.waits.add(request, space, deadline_ms);
            }
            Some(_) | None => self.answer_reached(request, Level::Hub),
        }
        Ok(())
    }

    /// The turn that makes a change durable here; the first of all when it is, or its row was trimmed.
    fn rests_on(&self, space: &Space, stamp: Stamp) -> Result<Turn, StoreError> {
        let names = &self.journal.names;
        let stream = names.space_number(space).zip(names.origin_number(stamp.origin));
        let Some((space, origin)) = stream else { return Ok(Turn::default()) };
        let lsn = self.journal.position(space, origin, stamp.sequence)?;
        Ok(lsn.map_or(Turn::default(), |lsn| self.journal.turn_of(lsn)))
    }

    /// Answers whose time is over: their changes are here, and stay.
    pub(super) fn answer_overdue(&mut self, now_ms: u64) {
        for request in self.waits.overdue(now_ms) {
            self.answer_reached(request, Level::Local);
        }
    }

    /// Answers the requests that wait for the hub and whose changes are safe here, as if their time were over. For a
    /// replica that takes no more inputs: without it they would be told what is told of the rest, and it is not so.
    pub fn end_waits(&mut self) {
        for request in self.waits.kept(self.turns.last_written()) {
            self.answer_reached(request, Level::Local);
        }
    }

    /// An answer rests on its change alone: what is on its way beside it may fail, and takes nothing back.
    fn answer_reached(&mut self, request: Ended, level: Level) {
        let Ended { id, stamp, heads, rests_on } = request;
        let result = Ok(Response::Reached { stamp: Some(stamp), heads, level });
        self.turns.reply_after(rests_on, Effect::Reply { id, result });
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
            #[cfg(isle_planted)]
            Frame::Ack(_) if crate::planted::is(crate::planted::Bug::HubVectorFromAck) => {
                peer.confirmed.iter().collect()
            }
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
            | Frame::FillAhead(_)
            | Frame::Unknown(_) => {
                return;
            }
        };
        for (space, origin, sequence) in facts {
            if self.hub.raise((space, origin, sequence), link) {
                for request in self.waits.reached(space, origin, sequence) {
                    self.answer_reached(request, Level::Hub);
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
