//! What peers send, and what they are sent.

use super::{Clock, Replica};
use crate::access::Identities;
use crate::effect::{DisconnectReason, Effect, Event, Lane, LinkId, Misbehaviour};
use crate::journal::Journal;
use crate::keys::SpaceNumber;
use crate::session::{self, Context, Fork, Greeted, Host, Outcome, OwnHello, Peer};
use crate::store::{Room, Store, StoreError};
use crate::turns::Turns;
use crate::waits::hub_vectors;
use document::Origin;
use wire::{Ack, Frame, HUB_ENTRIES_MAX, PackedDelta, Rewind, STOPPED_MAX};

/// A frame was taken, or the connection is to end.
pub(super) type Handled = Result<Result<(), DisconnectReason>, StoreError>;
/// What a delta showed that a peer has: streams, and up to where.
pub(super) type Shown = Vec<(SpaceNumber, Origin, u64)>;

impl<S: Store> Replica<S> {
    pub(super) fn handle_peer_up(
        &mut self,
        link: LinkId,
        name: &str,
        public_key: [u8; 32],
    ) -> Result<(), StoreError> {
        if let Err(reason) = self.admit(name, &public_key)? {
            self.turns.release(Effect::Disconnect { link, reason });
            return Ok(());
        }
        match self.peers.connect(link, name, public_key) {
            Err(()) => {
                let reason = DisconnectReason::UnknownPeer { peer: name.to_owned() };
                self.turns.release(Effect::Disconnect { link, reason });
                return Ok(());
            }
            Ok(Some(old)) => {
                self.turns.release(Effect::Disconnect { link: old, reason: DisconnectReason::Replaced });
            }
            Ok(None) => {}
        }
        if let Some(peer) = self.peers.of(link) {
            let hello = peer.hello(&self.journal, self.room < Room::ReadOnly)?;
            hold_frame(&mut self.turns, link, &Frame::Hello(hello));
        }
        Ok(())
    }

    /// Whether the disk has so little room that what can wait is put off: see [`Room::Shed`].
    pub(super) fn must_shed(&self) -> bool {
        self.room >= Room::Shed
    }

    /// Without room nothing is taken from peers: a hello says so, and they keep their changes. They are sent this
    /// replica's all the same.
    pub(super) fn handle_room(&mut self, room: Room) {
        let is_full = room == Room::ReadOnly;
        if is_full != (self.room == Room::ReadOnly) {
            for link in self.peers.links() {
                self.peers.disconnect(link);
                let reason = DisconnectReason::Room { is_full };
                self.turns.release(Effect::Disconnect { link, reason });
            }
        }
        self.room = room;
        self.watches.unstall();
    }

    pub(super) fn handle_frame(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        clock: Clock,
    ) -> Result<(), StoreError> {
        // A frame may still arrive after the session's end.
        if self.peers.of(link).is_none() {
            return Ok(());
        }
        let decoded = wire::decode(bytes);
        let fills_newcomers = matches!(decoded, Ok(Frame::Hello(_))) && self.fills_newcomers();
        let Some(peer) = self.peers.of(link) else { return Ok(()) };
        let (journal, turns) = (&mut self.journal, &mut self.turns);
        let (mut forked, mut shown) = (None, Vec::new());
        let handled = match &decoded {
            Err(error) => Err(Misbehaviour::Frame(*error).into()),
            Ok(Frame::Unknown(_)) => Ok(()),
            Ok(Frame::Ask) => Err(take_ask(peer)),
            Ok(Frame::Fork(fork)) => self.take_fork(link, fork, clock)?,
            Ok(_) if peer.session.as_ref().is_some_and(|session| session.is_asked) => Ok(()),
            Ok(Frame::Hello(hello)) => {
                let public_key = &self.settings.key.public_key;
                let takes = self.room < Room::ReadOnly;
                let identities = &self.system.identities;
                let host = Host { own: self.origin, public_key, takes, identities, fills_newcomers };
                let greeted = peer.greet(journal, hello, &host)?;
                greeted.map(|greeted| {
                    if let Greeted::Started(Event::SessionStarted { rung, .. }) = &greeted {
                        self.sessions.count(*rung);
                    }
                    forked = take_greeting(peer, turns, greeted);
                })
            }
            Ok(Frame::Delta(delta)) => {
                let context = (&self.system.identities, clock);
                take_delta(peer, journal, turns, delta, (context, &mut shown))?
            }
            Ok(Frame::Ack(ack)) => take_ack(peer, journal, ack),
            Ok(Frame::Rewind(rewind)) => take_rewind(peer, journal, rewind)?,
            Ok(fill) => self.handle_fill(link, fill.clone(), clock)?,
        };
        let handled = match forked {
            Some(fork) => self.settle_fork(link, (&fork, None), clock)?,
            None => handled,
        };
        match (handled, decoded) {
            (Err(reason), _) => self.leave(link, reason),
            (Ok(()), Ok(frame)) => self.learn(link, &frame, shown),
            (Ok(()), Err(_)) => {}
        }
        self.follow_system()
    }

    pub(super) fn leave(&mut self, link: LinkId, reason: DisconnectReason) {
        if let DisconnectReason::RolledBack { space, .. } = &reason
            && self.peers.of(link).is_some_and(|peer| peer.is_believed_of_past(space))
        {
            self.renew(reason.clone());
        }
        self.peers.disconnect(link);
        self.turns.release(Effect::Disconnect { link, reason });
    }

    /// Each peer gets one acknowledgement for all that it sent in the turn, and is told what of it the hub has.
    /// Returns whether there is more to tell.
    pub(super) fn hold_acknowledgements(&mut self) -> Result<bool, StoreError> {
        let mut more = false;
        for peer in self.peers.iter_mut() {
            let Some(session) = &mut peer.session else { continue };
            let (link, is_hub) = (session.link, peer.settings.hub);
            let Some((_, receiver)) = &mut session.exchange else { continue };
            let (heard, due) = (session.heard_due.take(), receiver.take_ack());
            let writable = |space| receiver.writes(space);
            let (facts, relayed) = match (self.settings.is_hub, is_hub) {
                (true, _) => (session.hub_told.own(&self.journal), Vec::new()),
                (false, true) => (Vec::new(), Vec::new()),
                (false, false) => (Vec::new(), session.hub_told.next(&self.hub, link, writable)),
            };
            more |= facts.len().max(relayed.len()) == HUB_ENTRIES_MAX;
            if let Some(hub) = hub_vectors(&self.journal, relayed)? {
                let frame = Frame::Ack(Ack { hub: Some(hub), ..Ack::default() });
                // Behind the rows that they are about, which the peer may have from here alone: facts of streams that are
                // not there are passed over.
                self.turns.hold(frame_on(link, Lane::Live, &frame));
            }
            if heard.is_none() && due.is_none() && facts.is_empty() {
                continue;
            }
            let hub = hub_vectors(&self.journal, facts)?;
            let (durable, mut stopped) = due.map_or((None, Vec::new()), |(to, stopped)| (Some(to), stopped));
            // Before the position: it counts rows as had.
            while stopped.len() > STOPPED_MAX {
                let stopped = stopped.split_off(stopped.len() - STOPPED_MAX);
                hold_frame(&mut self.turns, link, &Frame::Ack(Ack { stopped, ..Ack::default() }));
            }
            let frame = Frame::Ack(Ack { durable, hub, heard, stopped });
            #[cfg(isle_planted)]
            if crate::planted::is(crate::planted::Bug::AckBeforeSync) {
                self.turns.release(frame_effect(link, &frame));
                continue;
            }
            hold_frame(&mut self.turns, link, &frame);
        }
        Ok(more)
    }

    /// Sends peers what is durable; returns whether there is more.
    pub(super) fn pump(&mut self) -> Result<bool, StoreError> {
        let (mut more, mut damaged) = (false, Vec::new());
        for peer in self.peers.iter_mut() {
            let greeted = peer.session.as_mut().filter(|session| session.own_hello == OwnHello::Sent);
            #[cfg(isle_planted)]
            let greeted = match crate::planted::is(crate::planted::Bug::DeltasBeforeHello) {
                true => peer.session.as_mut(),
                false => greeted,
            };
            let Some(session) = greeted else { continue };
            let Some((sender, _)) = &mut session.exchange else { continue };
            let pumped = sender.pump(&self.journal, &mut self.documents, &mut self.deflaters)?;
            more |= pumped.more;
            damaged.extend(sender.take_damaged());
            for delta in pumped.deltas {
                let link = session.link;
                self.turns.release(match delta {
                    Ok(delta) => frame_effect(link, &Frame::Delta(delta)),
                    Err(_) => Effect::Disconnect { link, reason: DisconnectReason::FrameTooLong },
                });
            }
        }
        for document in damaged {
            self.block_damaged(document)?;
            more = true;
        }
        Ok(more)
    }
}

fn frame_effect(link: LinkId, frame: &Frame) -> Effect {
    frame_on(link, lane_of(frame), frame)
}

fn frame_on(link: LinkId, lane: Lane, frame: &Frame) -> Effect {
    match wire::encode(frame) {
        Ok(bytes) => Effect::Send { link, lane, bytes },
        Err(_) => Effect::Disconnect { link, reason: DisconnectReason::FrameTooLong },
    }
}

fn lane_of(frame: &Frame) -> Lane {
    match frame {
        Frame::FillOffer(_)
        | Frame::FillMore(_)
        | Frame::FillSymbols(_)
        | Frame::FillListing(_)
        | Frame::FillWant(_)
        | Frame::FillDocuments(_)
        | Frame::FillAck(_)
        | Frame::FillFinished(_) => Lane::Bulk,
        Frame::Ack(_) | Frame::Rewind(_) => Lane::Control,
        Frame::Hello(_)
        | Frame::Delta(_)
        | Frame::Ask
        | Frame::Fork(_)
        // After the hello.
        | Frame::FillAhead(_)
        | Frame::Unknown(_) => Lane::Live,
    }
}

pub(super) fn hold_frame(turns: &mut Turns, link: LinkId, frame: &Frame) {
    turns.hold(frame_effect(link, frame));
}

fn take_delta<S: Store>(
    peer: &mut Peer,
    journal: &mut Journal<S>,
    turns: &mut Turns,
    delta: &PackedDelta,
    ((identities, clock), told): ((&Identities, Clock), &mut Shown),
) -> Handled {
    let Some(session) = &mut peer.session else { return Ok(Ok(())) };
    let Some((sender, receiver)) = &mut session.exchange else { return Ok(Err(Misbehaviour::Order.into())) };
    let context = Context { public_key: &session.public_key, identities, wall_ms: clock.wall_ms };
    let Outcome { shown, stopped, rewind } = match receiver.take(journal, delta, &context)? {
        Ok(outcome) => outcome,
        Err(reason) => return Ok(Err(reason)),
    };
    for (space, origin, sequence) in shown.iter().copied() {
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::EchoFilterLost) {
            continue;
        }
        sender.raise(space, origin, sequence);
        peer.confirmed.raise(space, origin, sequence);
    }
    *told = shown;
    if let Some(cursor) = receiver.cursor() {
        peer.cursor = Some(cursor);
    }
    peer.changed = true;
    for (space, origin, sequence, reason) in stopped {
        let peer = peer.name.clone();
        turns.release(Effect::Event(Event::StreamStopped { peer, space, origin, sequence, reason }));
    }
    if let Some(generation) = rewind {
        hold_rewind(peer, journal, turns, generation)?;
    }
    Ok(Ok(()))
}

/// The peer does not know what this replica's hello built on: the next one says all.
fn take_ask(peer: &mut Peer) -> DisconnectReason {
    peer.told = None;
    DisconnectReason::Asked
}

/// Returns the fork that is to be settled before anything else.
fn take_greeting(peer: &mut Peer, turns: &mut Turns, greeted: Greeted) -> Option<Fork> {
    match (greeted, &mut peer.session) {
        (Greeted::Started(event), _) => turns.release(Effect::Event(event)),
        (Greeted::Ask, Some(session)) => {
            session.is_asked = true;
            hold_frame(turns, session.link, &Frame::Ask);
        }
        (Greeted::Forked(fork), Some(session)) => {
            session.is_asked = true;
            return Some(fork);
        }
        (Greeted::Asks(questions), Some(session)) => {
            session.ask(questions);
            return session.questions.front().map(|question| question.fork.clone());
        }
        (Greeted::Ask | Greeted::Forked(_) | Greeted::Asks(_), None) => {}
    }
    None
}

/// Asks a peer to go back.
pub(super) fn hold_rewind<S: Store>(
    peer: &Peer,
    journal: &Journal<S>,
    turns: &mut Turns,
    generation: u32,
) -> Result<(), StoreError> {
    let Some(session) = &peer.session else { return Ok(()) };
    let Some((_, receiver)) = &session.exchange else { return Ok(()) };
    let spaces = session::vectors_of(journal, receiver.writable().map(|space| (space, true)), 0)?;
    hold_frame(turns, session.link, &Frame::Rewind(Rewind { generation, spaces }));
    turns.release(Effect::Event(Event::Rewound { peer: peer.name.clone() }));
    Ok(())
}

fn take_ack<S: Store>(peer: &mut Peer, journal: &Journal<S>, ack: &Ack) -> Result<(), DisconnectReason> {
    let exchange = peer.session.as_mut().and_then(|session| session.exchange.as_mut());
    let (sender, _) = exchange.ok_or(Misbehaviour::Order)?;
    if let Some(durable) = ack.durable {
        sender.acknowledge(durable, &mut peer.confirmed)?;
    }
    #[cfg(isle_planted)]
    let stopped = match crate::planted::is(crate::planted::Bug::StoppedCountedAsHad) {
        true => &[],
        false => ack.stopped.as_slice(),
    };
    #[cfg(not(isle_planted))]
    let stopped = &ack.stopped;
    sender.stop(journal, &mut peer.confirmed, stopped);
    peer.changed = true;
    ack.heard.map_or(Ok(()), |heard| Ok(peer.is_heard(&heard)?))
}

fn take_rewind<S: Store>(peer: &mut Peer, journal: &Journal<S>, rewind: &Rewind) -> Handled {
    let exchange = peer.session.as_mut().and_then(|session| session.exchange.as_mut());
    let Some((sender, _)) = exchange else { return Ok(Err(Misbehaviour::Order.into())) };
    if !sender.expects(rewind.generation) {
        return Ok(Err(Misbehaviour::Position.into()));
    }
    #[cfg(isle_planted)]
    if crate::planted::is(crate::planted::Bug::RewindIgnored) {
        return Ok(Ok(()));
    }
    sender.confirm(journal, &mut peer.confirmed, &rewind.spaces);
    let theirs = peer.confirmed.clone();
    let position = peer.first_lacking(journal)?.map_or(journal.head(), |first| first.saturating_sub(1));
    if let Some((sender, _)) = peer.session.as_mut().and_then(|session| session.exchange.as_mut()) {
        sender.rewind(rewind.generation, position, theirs);
    }
    peer.reconsider_all(journal)?;
    peer.order(journal)?;
    Ok(Ok(()))
}
