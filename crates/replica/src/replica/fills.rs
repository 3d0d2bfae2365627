//! Fills: what peers send of them, and what is done for them in each turn.

use super::frames::hold_frame;
use super::{Clock, Replica};
use crate::access::Identities;
use crate::effect::{DisconnectReason, Effect, Event, LinkId, Misbehaviour};
use crate::journal::Journal;
use crate::keys::SpaceNumber;
use crate::session::fill::{
    FILL_IDLE_MS, FillContext, Filled, Filling, NEWCOMERS_MAX, ROWS_PER_TURN, SERVED_MAX, Server, Step,
    TAKEN_MAX,
};
use crate::session::{CONFIRMED_MAX, Peer};
use crate::settings::{Settings, origin_of};
use crate::status::FillSteps;
use crate::store::{Store, StoreError};
use crate::turns::Turns;
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::{FillAck, FillAhead, FillFinished, FillOffer, Frame, VECTOR_ENTRIES_MAX};

/// A frame was taken, or the connection is to end.
type Handled = Result<Result<(), DisconnectReason>, StoreError>;

impl<S: Store> Replica<S> {
    /// Takes a frame of a fill.
    pub(super) fn handle_fill(&mut self, link: LinkId, frame: Frame, clock: Clock) -> Handled {
        let (journal, turns) = (&mut self.journal, &mut self.turns);
        let own = (&self.settings, &self.system.identities);
        let Some(peer) = self.peers.of(link) else { return Ok(Ok(())) };
        if let Some(session) = &mut peer.session {
            session.fills.heard_ms = clock.now_ms;
        }
        match frame {
            Frame::FillOffer(offer) => Ok(take_offer(peer, journal, offer, own)),
            Frame::FillSymbols(_) | Frame::FillListing(_) | Frame::FillDocuments(_) => {
                let handled = take_filling(peer, (journal, turns), frame, (own, clock))?;
                let filling = peer.session.as_ref().and_then(|session| session.fills.filling.as_ref());
                let forked = filling.and_then(|filling| Some((filling.name.clone(), filling.forked()?)));
                match forked.filter(|_| handled.is_ok()) {
                    Some((space, origin)) => self.ask_of_fill(link, &space, origin, clock),
                    None => Ok(handled),
                }
            }
            Frame::FillFinished(finished) => take_finished(peer, journal, &finished),
            Frame::FillAhead(ahead) => take_ahead(peer, (journal, turns), &ahead, own.0),
            Frame::FillMore(_) | Frame::FillWant(_) | Frame::FillAck(_) => {
                Ok(take_served(peer, (turns, &mut self.fill_steps), frame, clock.now_ms))
            }
            Frame::Hello(_)
            | Frame::Delta(_)
            | Frame::Ack(_)
            | Frame::Rewind(_)
            | Frame::Ask
            | Frame::Fork(_)
            | Frame::Unknown(_) => Ok(Ok(())),
        }
    }

    /// Goes on with fills; returns whether there is more to do without any input.
    pub(super) fn fill(&mut self) -> Result<bool, StoreError> {
        let mut changed: BTreeSet<SpaceNumber> = self.journal.complete().into_iter().collect();
        let mut rows = ROWS_PER_TURN;
        self.take_fills(&mut rows, &mut changed)?;
        self.serve_fills(&mut rows)?;
        for space in self.journal.take_changed() {
            changed.insert(space);
            let sessions = self.peers.iter_mut().filter_map(|peer| peer.session.as_mut());
            sessions.for_each(|session| _ = session.fills.given.remove(&space));
        }
        // A peer may come to lack what it is not sent.
        changed.extend(self.journal.awaiting());
        self.find_orphaned()?;
        for peer in self.peers.iter_mut() {
            for space in &changed {
                peer.reconsider(&self.journal, *space)?;
            }
        }
        self.tell_ahead()?;
        Ok(self.give_up_stalled())
    }

    /// Finds the spaces whose stamps follow from nobody who is connected: who had them may have lost its disk.
    fn find_orphaned(&mut self) -> Result<(), StoreError> {
        let mut orphaned = BTreeSet::new();
        for space in self.journal.awaiting() {
            for until in self.journal.until(space) {
                let brings = |peer: &Peer| peer.brings(&self.journal, space, until);
                let mut brought = self.peers.iter().map(brings);
                if !brought.try_fold(false, |found, brings| Ok::<_, StoreError>(found || brings?))? {
                    orphaned.insert(space);
                    break;
                }
            }
        }
        self.journal.set_orphaned(orphaned);
        Ok(())
    }

    /// Tells peers of documents that have changes which no vector shows.
    fn tell_ahead(&mut self) -> Result<(), StoreError> {
        for session in self.peers.iter_mut().filter_map(|peer| peer.session.as_mut()) {
            while let Some(space) = session.fills.ahead_due.pop_first() {
                let space = self.journal.names.space(space)?.as_str().to_owned();
                let frame = Frame::FillAhead(FillAhead { space, asks: false });
                hold_frame(&mut self.turns, session.link, &frame);
            }
        }
        Ok(())
    }

    /// Leaves peers that say nothing more of a fill: those that fill this replica, as it takes few at a time, and those that
    /// it fills, as many as others wait for that. Returns whether some fill goes on without any input.
    fn give_up_stalled(&mut self) -> bool {
        let (mut served, mut others_wait, mut works) = (0, 0, false);
        let (mut takes, mut serves) = (Vec::new(), Vec::new());
        // Of a fill that is put off here the peer has nothing to say.
        let is_put_off = self.must_shed();
        for session in self.peers.iter().filter_map(|peer| peer.session.as_ref()) {
            let fills = &session.fills;
            let deadline = (fills.heard_ms.saturating_add(FILL_IDLE_MS), session.link);
            match &fills.filling {
                Some(_) if is_put_off => {}
                Some(filling) if filling.is_working() => works = true,
                Some(filling) if filling.is_started() => takes.push(deadline),
                Some(_) | None => {}
            }
            match &fills.server {
                Some(server) if server.is_working() => works = true,
                Some(_) => serves.push(deadline),
                None => others_wait += usize::from(fills.lacks_place),
            }
            served += usize::from(fills.server.is_some());
        }
        if served >= SERVED_MAX {
            serves.sort_unstable();
            takes.extend(serves.into_iter().take(others_wait));
        }
        let (overdue, waiting): (Vec<_>, Vec<_>) =
            takes.into_iter().partition(|(at_ms, _)| *at_ms <= self.now_ms);
        self.fill_deadline_ms = waiting.into_iter().map(|(at_ms, _)| at_ms).min();
        overdue.into_iter().for_each(|(_, link)| self.leave(link, DisconnectReason::FillStalled));
        works
    }

    /// Goes on with what peers fill this replica with, while the disk has room for it.
    fn take_fills(
        &mut self,
        rows: &mut usize,
        changed: &mut BTreeSet<SpaceNumber>,
    ) -> Result<(), StoreError> {
        if self.must_shed() {
            return Ok(());
        }
        let filling = self.peers.iter().filter_map(|peer| peer.session.as_ref()?.fills.filling.as_ref());
        let mut taken: BTreeSet<SpaceNumber> =
            filling.filter(|filling| filling.is_started()).map(|filling| filling.space).collect();
        for peer in self.peers.iter_mut() {
            let Some(session) = &mut peer.session else { continue };
            // An offer may come before the hello, by its own lane.
            if session.exchange.is_none() {
                continue;
            }
            let Some(filling) = &mut session.fills.filling else { continue };
            let snapshots = peer.shares.get(&filling.name).is_some_and(|rights| rights.snapshot);
            let step = if filling.is_started() {
                filling.advance(&mut self.journal, snapshots, rows)?
            } else if taken.len() < TAKEN_MAX && taken.insert(filling.space) {
                session.fills.heard_ms = self.now_ms;
                let (space, offered): (_, Vec<_>) = (filling.space, filling.offered().collect());
                let step = filling.start(&mut self.journal, snapshots)?;
                has(peer, space, offered.into_iter());
                step
            } else {
                continue;
            };
            if take_step(peer, &mut self.turns, step) {
                changed.extend(self.journal.complete());
            }
        }
        Ok(())
    }

    /// Goes on with what this replica fills peers with.
    fn serve_fills(&mut self, rows: &mut usize) -> Result<(), StoreError> {
        let sessions = self.peers.iter().filter_map(|peer| peer.session.as_ref());
        let mut served = sessions.filter(|session| session.fills.server.is_some()).count();
        let mut damaged = Vec::new();
        for peer in self.peers.iter_mut() {
            let (is_ready, is_free) = (awaits_offer(peer, &self.journal)?, served < SERVED_MAX);
            let begins = is_ready && is_free && begin_to_serve(peer, &self.journal)?;
            if is_ready && !is_free {
                send_journal(peer, &self.journal)?;
            }
            let Some(session) = &mut peer.session else { continue };
            session.fills.lacks_place = is_ready && !is_free && !session.fills.waiting.is_empty();
            if begins {
                served += 1;
                session.fills.heard_ms = self.now_ms;
            }
            let Some(server) = &mut session.fills.server else { continue };
            for frame in server.advance(&self.journal, &mut self.sketches, rows)? {
                self.fill_steps.count(&frame);
                hold_frame(&mut self.turns, session.link, &frame);
            }
            damaged.extend(server.take_damaged());
        }
        damaged.into_iter().try_for_each(|document| self.block_damaged(document))
    }

    /// Whether a newcomer is filled with what the journal would serve, too: by a hub, which mostly has all that it fills with,
    /// while there is no throng of those that only a fill serves.
    pub(super) fn fills_newcomers(&self) -> bool {
        let fills = self.peers.iter().filter_map(|peer| Some(&peer.session.as_ref()?.fills));
        let busy = fills.filter(|fills| fills.server.is_some() || fills.lacks_place || !fills.new.is_empty());
        self.settings.is_hub && busy.count() < NEWCOMERS_MAX
    }

    /// Acknowledges documents that came in the turn. Without that a peer sends no more than its window.
    pub(super) fn hold_fill_acknowledgements(&mut self) {
        if self.must_shed() {
            return;
        }
        for session in self.peers.iter_mut().filter_map(|peer| peer.session.as_mut()) {
            if let Some((fill, number)) = session.fills.filling.as_mut().and_then(Filling::take_ack) {
                hold_frame(&mut self.turns, session.link, &Frame::FillAck(FillAck { fill, number }));
            }
        }
    }

    /// Whether documents of a space, or changes of them, are missing here.
    pub(super) fn is_filling(&self, space: &Space) -> bool {
        let number = self.journal.names.space_number(space);
        number.is_some_and(|number| self.journal.is_incomplete(number))
    }
}

/// Whether a space that waits can be offered to a peer: nothing else is, and it has what says whose changes it may take.
fn awaits_offer<S: Store>(peer: &Peer, journal: &Journal<S>) -> Result<bool, StoreError> {
    let Some(session) = peer.session.as_ref().filter(|session| session.exchange.is_some()) else {
        return Ok(false);
    };
    let has_next = !session.fills.waiting.is_empty() && session.fills.server.is_none();
    Ok(has_next && !peer.awaits_first(journal)?)
}

/// Offers the next space: of those that wait the one with the fewest changes, so that the others wait little.
fn begin_to_serve<S: Store>(peer: &mut Peer, journal: &Journal<S>) -> Result<bool, StoreError> {
    let Some(session) = &mut peer.session else { return Ok(false) };
    let changes =
        |space: &SpaceNumber| journal.vectors.of(*space).map(|(_, entry)| entry.sequence).sum::<u64>();
    let first = session.first_space();
    let next = session.fills.waiting.iter().min_by_key(|space| (first != Some(**space), changes(space)));
    let Some(space) = next.copied() else { return Ok(false) };
    session.fills.waiting.remove(&space);
    let Some(fill) = session.fills.next_offer() else { return Ok(false) };
    let fill = (fill, session.public_key);
    let is_beyond_vector = session.fills.asked.remove(&space);
    let is_beyond_vector = is_beyond_vector && !peer.lacks(journal, space)?;
    let kind = (peer.has_documents(space), is_beyond_vector);
    let server = Server::new(fill, (space, journal.names.space(space)?.clone()), journal.head(), kind);
    if let Some(session) = &mut peer.session {
        session.fills.server = Some(server);
    }
    Ok(true)
}

/// Sends the journal in place of a fill, where it has all: nobody waits for a place whom it serves.
fn send_journal<S: Store>(peer: &mut Peer, journal: &Journal<S>) -> Result<(), StoreError> {
    let Some(session) = &mut peer.session else { return Ok(()) };
    for space in std::mem::take(&mut session.fills.new) {
        peer.reconsider(journal, space)?;
    }
    Ok(())
}

/// The peer has changes that no vector shows, or wants those of this replica. They are asked for where changes of others
/// are taken from it. What it says of other spaces is passed over: its rights may have changed.
fn take_ahead<S: Store>(
    peer: &mut Peer,
    (journal, turns): (&Journal<S>, &mut Turns),
    ahead: &FillAhead,
    own: &Settings,
) -> Handled {
    let Ok(name) = Space::new(ahead.space.as_str()) else { return Ok(Err(Misbehaviour::Name.into())) };
    let rights = peer.shares.get(&name).copied().unwrap_or_default();
    let Some(session) = &mut peer.session else { return Ok(Ok(())) };
    let (link, Some((_, receiver))) = (session.link, &session.exchange) else { return Ok(Ok(())) };
    if ahead.asks {
        if let Some(space) = journal.names.space_number(&name) {
            session.fills.take_ask(space);
            peer.reconsider(journal, space)?;
        }
    } else if rights.delivers() && (rights.relay || own.takes_own_past) && receiver.takes(&name).is_some() {
        let frame = Frame::FillAhead(FillAhead { asks: true, ..ahead.clone() });
        hold_frame(turns, link, &frame);
    }
    Ok(Ok(()))
}

fn take_offer<S: Store>(
    peer: &mut Peer,
    journal: &mut Journal<S>,
    offer: FillOffer,
    (own, identities): (&Settings, &Identities),
) -> Result<(), DisconnectReason> {
    let Some(session) = &mut peer.session else { return Ok(()) };
    let (is_free, public_key) = (session.fills.filling.is_none(), session.public_key);
    if session.fills.denied.len() >= VECTOR_ENTRIES_MAX {
        return Err(Misbehaviour::TooManyEntries.into());
    }
    let name = Space::new(offer.space.as_str()).map_err(|_| Misbehaviour::Name)?;
    // What this replica said that it takes, whichever of hello and offer came first.
    let rights = peer.shares.get(&name).copied().unwrap_or_default();
    let takes = rights.delivers()
        && session.exchange.as_ref().is_none_or(|(_, receiver)| receiver.takes(&name).is_some());
    let number = journal.names.space_number(&name).filter(|_| takes).ok_or(Misbehaviour::Space)?;
    if !is_free {
        return Err(Misbehaviour::Fill.into());
    }
    let Some(offer) = session.fills.gather(offer)? else { return Ok(()) };
    let space = &name.clone();
    let context = FillContext { public_key: &public_key, own, rights, space, identities, wall_ms: 0 };
    let new = offer.origins.iter().filter(|of| peer.confirmed.get(number, origin_of(&of.key)) == 0);
    if peer.confirmed.len() + new.count() > CONFIRMED_MAX {
        return Err(Misbehaviour::TooManyEntries.into());
    }
    let filling = Filling::new(offer, (number, name), &context)?;
    if let Some(session) = &mut peer.session {
        session.fills.filling = Some(filling);
    }
    Ok(())
}

/// A frame from the filler.
fn take_filling<S: Store>(
    peer: &mut Peer,
    (journal, turns): (&mut Journal<S>, &mut Turns),
    frame: Frame,
    ((own, identities), clock): ((&Settings, &Identities), Clock),
) -> Handled {
    let Some(session) = &mut peer.session else { return Ok(Ok(())) };
    let Some(filling) = &mut session.fills.filling else { return Ok(Ok(())) };
    let name = &filling.name.clone();
    let rights = peer.shares.get(name).copied().unwrap_or_default();
    let (public_key, wall_ms, snapshots) = (&session.public_key, clock.wall_ms, rights.snapshot);
    let context = FillContext { public_key, own, rights, space: name, identities, wall_ms };
    let space = filling.space;
    let mut vector = Vec::new();
    let step = if let Frame::FillSymbols(more) = &frame
        && filling.is(more.fill)
    {
        filling.take_symbols(journal, more, snapshots)?
    } else if let Frame::FillListing(listing) = &frame
        && filling.is(listing.fill)
    {
        filling.take_listing(listing).map(|()| Step::default()).map_err(DisconnectReason::from)
    } else if let Frame::FillDocuments(documents) = frame
        && filling.is(documents.fill)
    {
        vector.extend(documents.vector.iter().map(|of| (Origin(of.origin), of.sequence)));
        filling.take_documents(journal, documents, &context)?
    } else {
        // Of a fill that this replica ended.
        return Ok(Ok(()));
    };
    has(peer, space, vector.into_iter());
    if peer.confirmed.len() > CONFIRMED_MAX {
        return Ok(Err(Misbehaviour::TooManyEntries.into()));
    }
    Ok(step.map(|step| {
        take_step(peer, turns, step);
    }))
}

/// A filler says how far it has streams: it can take what is written on top of its documents.
fn has(peer: &mut Peer, space: SpaceNumber, vector: impl Iterator<Item = (Origin, u64)>) {
    let exchange = peer.session.as_mut().and_then(|session| session.exchange.as_mut());
    let Some((sender, _)) = exchange else { return };
    for (origin, sequence) in vector {
        sender.raise(space, origin, sequence);
        peer.confirmed.raise(space, origin, sequence);
    }
    peer.changed = true;
}

/// Sends what a step gave, and notes its end; returns whether it was that.
fn take_step(peer: &mut Peer, turns: &mut Turns, step: Step) -> bool {
    let Some(session) = &mut peer.session else { return false };
    let Some(filling) = &mut session.fills.filling else { return false };
    if step.filled.is_some()
        && let Some((fill, number)) = filling.take_ack()
    {
        hold_frame(turns, session.link, &Frame::FillAck(FillAck { fill, number }));
    }
    for frame in &step.frames {
        hold_frame(turns, session.link, frame);
    }
    let Some(filled) = step.filled else { return false };
    let (peer, space) = (peer.name.clone(), filling.name.clone());
    session.fills.denied.extend(filling.take_denied());
    session.fills.filling = None;
    match filled {
        Filled::Taken(documents) => turns.hold(Effect::Event(Event::Filled { peer, space, documents })),
        Filled::Had => {}
        Filled::Stopped(reason) => turns.hold(Effect::Event(Event::FillStopped { peer, space, reason })),
    }
    true
}

/// A frame from who is filled.
fn take_served(
    peer: &mut Peer,
    (turns, steps): (&mut Turns, &mut FillSteps),
    frame: Frame,
    now_ms: u64,
) -> Result<(), DisconnectReason> {
    let Some(session) = &mut peer.session else { return Ok(()) };
    let server = session.fills.server.as_mut().ok_or(Misbehaviour::Fill)?;
    if let Frame::FillMore(more) = &frame
        && more.fill == server.fill
    {
        if let Some(frame) = server.more(more)? {
            steps.count(&frame);
            hold_frame(turns, session.link, &frame);
        }
    } else if let Frame::FillAck(ack) = &frame
        && ack.fill == server.fill
    {
        server.acknowledge(ack.number, now_ms)?;
    } else if let Frame::FillWant(want) = frame
        && want.fill == server.fill
    {
        server.want(want)?;
    } else {
        return Err(Misbehaviour::Fill.into());
    }
    Ok(())
}

/// The peer needs no more of a fill: its changes follow.
fn take_finished<S: Store>(peer: &mut Peer, journal: &Journal<S>, finished: &FillFinished) -> Handled {
    let Some(session) = &mut peer.session else { return Ok(Ok(())) };
    let served = session.fills.server.take_if(|server| server.fill == finished.fill);
    let (Some(server), Some((sender, _))) = (served, &mut session.exchange) else {
        return Ok(Err(Misbehaviour::Fill.into()));
    };
    let space = server.space;
    session.fills.forced.remove(&space);
    session.fills.new.remove(&space);
    if !finished.taken {
        session.fills.refused.insert(space);
    } else if server.gave_all(journal) {
        session.fills.given.insert(space);
    }
    if finished.taken {
        let has: BTreeMap<_, _> =
            finished.entries.iter().map(|entry| (Origin(entry.origin), entry.sequence)).collect();
        let lacks = |(origin, sequence): &(Origin, u64)| has.get(origin).is_none_or(|has| has < sequence);
        session.fills.declined.extend(server.offered.into_iter().filter(lacks).map(|(of, _)| (space, of)));
    }
    for entry in &finished.entries {
        sender.raise(space, Origin(entry.origin), entry.sequence);
        peer.confirmed.raise(space, Origin(entry.origin), entry.sequence);
    }
    peer.changed = true;
    if peer.confirmed.len() > CONFIRMED_MAX {
        return Ok(Err(Misbehaviour::TooManyEntries.into()));
    }
    peer.reconsider(journal, space)?;
    Ok(Ok(()))
}
