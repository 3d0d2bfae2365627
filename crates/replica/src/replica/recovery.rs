//! After a roll-back: a new origin, and one branch of a forked history in place of the other.
//!
//! A peer that knows more of this replica's own changes than it does proves that its store is an old copy. The edge then
//! draws a new incarnation and opens the replica again; its own past comes from the peers as anybody else's. What it
//! wrote under used numbers before it knew is a second branch: the hub's stands, this replica takes its own out of every
//! document and says what was in it again, under its new origin. All of that is one batch. A replica that only passes a space
//! on may have taken the branch of another: it takes it out, and says nothing, which nobody would take from it.
//!
//! Rights of a bounded counter that the old origin held stay with it: whoever restored a store cannot know that no copy
//! of it lives on and spends them.

use super::frames::{Handled, hold_frame};
use super::{Clock, Replica};
use crate::documents::{Front, Open};
use crate::effect::{DisconnectReason, Effect, Event, LinkId, Misbehaviour};
use crate::journal::{DAMAGED, DocumentPlace};
use crate::keys::{DocumentNumber, OriginNumber, SpaceNumber};
use crate::session::{FORK_FRAMES_MAX, Fork, Question};
use crate::settings::SpaceMode;
use crate::store::{Store, StoreError};
use document::{Address, ChangeHash, Document, Origin, Signature, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::Frame;

/// Most changes that a branch may have: it is taken out in one batch.
const BRANCH_CHANGES_MAX: usize = 4_096;

/// A branch, about to be taken out.
struct Branch {
    space: SpaceNumber,
    /// The streams that end earlier, and where: the forked one, and those of which a change depends on it.
    streams: BTreeMap<OriginNumber, u64>,
    documents: Vec<Affected>,
}

/// A document with changes of the branch.
struct Affected {
    address: Address,
    place: DocumentPlace,
    with: Document,
    without: Document,
    left_out: BTreeSet<ChangeHash>,
}

impl<S: Store> Replica<S> {
    /// This replica writes nothing more under its origin: the edge draws a new one and opens it again.
    pub(super) fn renew(&mut self, reason: DisconnectReason) {
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::OriginKept) {
            return;
        }
        if !std::mem::replace(&mut self.is_renewing, true) {
            self.turns.hold(Effect::Renew { reason });
        }
    }

    /// Takes what a peer says of its history: narrows the range and answers, or settles it.
    pub(super) fn take_fork(&mut self, link: LinkId, frame: &wire::Fork, clock: Clock) -> Handled {
        let Some(peer) = self.peers.of(link) else { return Ok(Ok(())) };
        let space = Space::new(frame.space.as_str()).ok();
        let Some(space) = space.filter(|space| peer.shares.contains_key(space)) else {
            return Ok(Err(Misbehaviour::Space.into()));
        };
        match Fork::read(&self.journal, frame, &space)? {
            Ok(fork) => self.settle_fork(link, (&fork, Some(frame)), clock),
            Err(misbehaviour) => Ok(Err(misbehaviour.into())),
        }
    }

    /// Settles a fork whose place is known, where this replica yields; else tells the peer more of its own history. What
    /// is known of it so far was read from a `frame` of the peer's, or is this replica's own finding.
    pub(super) fn settle_fork(
        &mut self,
        link: LinkId,
        (fork, frame): (&Fork, Option<&wire::Fork>),
        clock: Clock,
    ) -> Handled {
        let Some(peer) = self.peers.of(link) else { return Ok(Ok(())) };
        let declined = frame.is_some_and(|frame| frame.agreed + 1 == frame.differs && !frame.asks);
        let stands = peer.stands(&self.journal, fork, &self.settings.key.public_key, declined);
        let may_read = peer.reads(&fork.space);
        let Some(session) = &mut peer.session else { return Ok(Ok(())) };
        session.fork_frames += 1;
        if session.fork_frames > FORK_FRAMES_MAX {
            return Ok(Err(forked(fork)));
        }
        let mut fork = fork.clone();
        if let (Some(question), Some(_)) = (session.question_of(&fork), frame) {
            fork.are_two = question.shows_two(&fork);
            if !fork.are_two && fork.is_found() {
                return self.agree(link, &fork);
            }
            if question.fork == fork {
                return self.take_no_answer(link, &fork);
            }
            question.fork = fork.clone();
        }
        if fork.are_two && fork.is_found() && stands {
            return self.take_out(&fork, clock);
        }
        let frame = Frame::Fork(fork.frame(&self.journal, may_read)?);
        hold_frame(&mut self.turns, link, &frame);
        Ok(Ok(()))
    }

    /// A stream is one with the peer's up to the end of the question.
    fn agree(&mut self, link: LinkId, fork: &Fork) -> Handled {
        let (stream, Some(peer)) = (fork.numbers(&self.journal), self.peers.of(link)) else {
            return Ok(Ok(()));
        };
        let question = peer.session.as_mut().and_then(|session| session.question_of(fork));
        let (Some(stream), Some(false)) = (stream, question.map(|question| question.is_of_fill)) else {
            return Ok(Err(forked(fork)));
        };
        peer.agreed.insert(stream, fork.agreed);
        let is_whole = self.journal.vectors.get(stream.0, stream.1).sequence <= fork.agreed;
        if is_whole && fork.origin != self.origin {
            self.journal.vectors.confirm(&mut self.journal.rows, stream);
        }
        self.ask_next(link)
    }

    /// The peer says nothing more. Where the histories are known to be two, they cannot be settled: the rows between are
    /// gone. Where nothing is known things go on unasked, and documents with changes of both are refused when they come.
    fn take_no_answer(&mut self, link: LinkId, fork: &Fork) -> Handled {
        let (stream, Some(peer)) = (fork.numbers(&self.journal), self.peers.of(link)) else {
            return Ok(Ok(()));
        };
        let question = peer.session.as_mut().and_then(|session| session.question_of(fork));
        let (Some(stream), Some(false)) =
            (stream, question.map(|question| question.is_of_fill || fork.are_two))
        else {
            return Ok(Err(forked(fork)));
        };
        peer.agreed.insert(stream, fork.differs.saturating_sub(1));
        self.ask_next(link)
    }

    /// Asks the next question; after the last one both begin anew.
    fn ask_next(&mut self, link: LinkId) -> Handled {
        let Some(peer) = self.peers.of(link) else { return Ok(Ok(())) };
        let Some(session) = &mut peer.session else { return Ok(Ok(())) };
        session.questions.pop_front();
        let is_patient = session.fork_frames < FORK_FRAMES_MAX / 2;
        let next = session.questions.front().filter(|_| is_patient).map(|question| question.fork.clone());
        if let Some(fork) = next {
            let frame = fork.frame(&self.journal, peer.reads(&fork.space))?;
            hold_frame(&mut self.turns, link, &Frame::Fork(frame));
            return Ok(Ok(()));
        }
        self.peers.disconnect(link);
        self.turns.hold(Effect::Disconnect { link, reason: DisconnectReason::HistoriesCompared });
        Ok(Ok(()))
    }

    /// A document came with changes of an origin whose numbers are others' here: where the histories part is asked before
    /// anything else is taken.
    pub(super) fn ask_of_fill(
        &mut self,
        link: LinkId,
        space: &Space,
        origin: Origin,
        clock: Clock,
    ) -> Handled {
        let Some(peer) = self.peers.of(link) else { return Ok(Ok(())) };
        let fork = Fork::new(space, origin, 1);
        let ours = fork.numbers(&self.journal).map_or(0, |of| self.journal.vectors.get(of.0, of.1).sequence);
        let number = self.journal.names.space_number(space);
        let last = ours.min(number.map_or(0, |number| peer.confirmed.get(number, origin)));
        let Some(session) = peer.session.as_mut().filter(|_| last > 0) else {
            return Ok(Err(forked(&fork)));
        };
        let question = Question::new(space, origin, last, true);
        let fork = question.fork.clone();
        session.ask([question].into());
        self.settle_fork(link, (&fork, None), clock)
    }

    /// Takes this replica's branch of a fork out, says again what it wrote in it, and lets all peers connect again.
    fn take_out(&mut self, fork: &Fork, clock: Clock) -> Handled {
        let Fork { space, origin, agreed, .. } = fork.clone();
        let refused = forked(fork);
        #[cfg(isle_planted)]
        let fork = &planted(fork);
        let Some(branch) = self.branch(fork)? else { return Ok(Err(refused)) };
        if branch.streams.keys().any(|origin| self.journal.names.origin_number(self.origin) == Some(*origin))
        {
            self.renew(refused.clone());
            return Ok(Err(refused));
        }
        let mut authors = Vec::new();
        for (origin, last) in &branch.streams {
            self.journal.end_stream((branch.space, *origin), *last)?;
            let (origin, key) = self.journal.names.origin(*origin)?;
            authors.extend((key.public_key == self.settings.key.public_key).then_some(origin));
        }
        let (mut taken_out, mut written_again) = (0, 0);
        for affected in branch.documents {
            taken_out += affected.left_out.len() as u64;
            written_again += u64::from(self.replace(affected, &authors, clock)?);
        }
        self.journal.renew_epoch();
        self.watches.begin_anew(self.journal.durable_head());
        let event = Event::ForkSettled { space, origin, sequence: agreed, taken_out, written_again };
        self.turns.hold(Effect::Event(event));
        for link in self.peers.links() {
            self.peers.disconnect(link);
            self.turns.hold(Effect::Disconnect { link, reason: DisconnectReason::ForkSettled });
        }
        Ok(Ok(()))
    }

    /// What is to be taken out: the changes of the branch, and those that depend on them; `None` when it is too long, or
    /// no longer here as a whole.
    fn branch(&mut self, fork: &Fork) -> Result<Option<Branch>, StoreError> {
        let Some((space, origin)) = fork.numbers(&self.journal) else { return Ok(None) };
        let mut streams = BTreeMap::from([(origin, fork.agreed)]);
        loop {
            let mut hashes: BTreeMap<DocumentNumber, BTreeSet<ChangeHash>> = BTreeMap::new();
            let mut count = 0;
            for (origin, last) in &streams {
                if self.journal.entry_at(space, *origin, *last)?.is_none() {
                    return Ok(None);
                }
                let rows = self.journal.stream_after((space, *origin), *last, BRANCH_CHANGES_MAX - count)?;
                let Some(rows) = rows else { return Ok(None) };
                count += rows.len();
                for row in rows {
                    hashes.entry(DocumentNumber(row.document)).or_default().insert(ChangeHash(row.hash));
                }
            }
            let mut documents = Vec::new();
            let mut is_whole = true;
            for (number, hashes) in hashes {
                let Some(affected) = self.affected(number, &hashes)? else { return Ok(None) };
                for hash in affected.left_out.difference(&hashes) {
                    let Some(row) = self.journal.row_of(&affected.place, hash)? else { return Ok(None) };
                    // Without a stamp it cannot be told from where on its stream goes.
                    if row.sequence == 0 {
                        return Ok(None);
                    }
                    let origin = OriginNumber(row.origin);
                    let last = streams.entry(origin).or_insert(u64::MAX);
                    if row.sequence <= *last {
                        let before = self.journal.transaction_end((space, origin), row.sequence - 1)?;
                        (*last, is_whole) = (before, false);
                    }
                }
                documents.push(affected);
            }
            if is_whole {
                return Ok(Some(Branch { space, streams, documents }));
            }
        }
    }

    fn affected(
        &mut self,
        number: DocumentNumber,
        hashes: &BTreeSet<ChangeHash>,
    ) -> Result<Option<Affected>, StoreError> {
        let address = self.journal.address(number)?;
        let place = self.journal.document(&address)?.ok_or(DAMAGED)?;
        let (open, applied) = self.documents.open(&mut self.journal, &place, usize::MAX)?;
        if applied.is_ok() && open.applied < place.row.last {
            // Some may only be tried when they are durable; the peer tells of the fork again.
            self.documents.keep(number, open);
            return Ok(None);
        }
        let with = (*open.document).clone();
        self.documents.keep(number, open);
        let without = with.without(hashes);
        Ok(match (applied, without) {
            (Ok(()), Ok((without, left_out))) => Some(Affected { address, place, with, without, left_out }),
            // What cannot be applied cannot be taken out.
            (Err(_), _) | (_, Err(_)) => None,
        })
    }

    /// Puts a document without the branch in its place, and on top what it said. Returns whether it said anything.
    fn replace(&mut self, affected: Affected, authors: &[Origin], clock: Clock) -> Result<bool, StoreError> {
        let Affected { address, mut place, with, mut without, left_out } = affected;
        self.documents.replace(place.number(), self.journal.rows.current_turn());
        self.journal.replace_document(&address, &mut place, (&without, &left_out))?;
        let signature =
            Signature { message: Some("written again"), ..Signature::of(self.origin, clock.wall_ms) };
        let writes = self.settings.spaces.get(&address.space) == Some(&SpaceMode::Write);
        let may_write = writes && self.check_rights(&address.space, [&address.collection]).is_ok();
        // What every schema allowed cannot be refused for its size: it was one change before, or several.
        let again =
            may_write.then(|| without.write_again(&signature, &with, authors).ok().flatten()).flatten();
        if again.is_none() && without.changes_count() == 0 {
            let gone = self.new_value(&address, &place, (without.json(), false))?;
            gone.removed.into_iter().for_each(|place| self.journal.rows.remove(place));
            self.journal.remove_document(&address, &place);
            return Ok(false);
        }
        let is_written = again.is_some();
        #[cfg(isle_planted)]
        let twice = crate::planted::is(crate::planted::Bug::WrittenAgainTwice)
            .then(|| without.write_again(&signature, &with, authors).ok().flatten());
        let mut front = Front::Whole(Open::of(without, place.row.last));
        match again {
            Some(change) => drop(self.append(&address, &mut place, (change, 0), &mut front, clock)?),
            None => self.save_value(&address, &mut place, &front)?,
        }
        #[cfg(isle_planted)]
        if let Some(change) = twice.flatten() {
            self.append(&address, &mut place, (change, 0), &mut front, clock)?;
        }
        self.documents.keep_front(place.number(), front);
        Ok(is_written)
    }
}

fn forked(fork: &Fork) -> DisconnectReason {
    let Fork { space, origin, agreed, .. } = fork.clone();
    DisconnectReason::Forked { space, origin, sequence: agreed }
}

#[cfg(isle_planted)]
fn planted(fork: &Fork) -> Fork {
    use crate::planted::{Bug, is};
    let mut fork = fork.clone();
    fork.agreed = fork.agreed.saturating_sub(u64::from(is(Bug::ForkCutEarly)));
    fork.agreed += u64::from(is(Bug::ForkCutLate));
    fork
}
