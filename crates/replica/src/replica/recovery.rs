//! After a roll-back: a new origin, and one branch of a forked history in place of the other.
//!
//! A peer that knows more of this replica's own changes than it does proves that its store is an old copy. The edge then
//! draws a new incarnation and opens the replica again; its own past comes from the peers as anybody else's. What it
//! wrote under used numbers before it knew is a second branch: the hub's stands, this replica takes its own out of every
//! document and says what was in it again, under its new origin. All of that is one batch.
//!
//! Rights of a bounded counter that the old origin held stay with it: whoever restored a store cannot know that no copy
//! of it lives on and spends them.

use super::frames::{Handled, hold_frame};
use super::{Clock, Replica};
use crate::documents::Open;
use crate::effect::{DisconnectReason, Effect, Event, LinkId, Misbehaviour};
use crate::journal::{DAMAGED, DocumentPlace};
use crate::keys::{DocumentNumber, OriginNumber, SpaceNumber};
use crate::session::{FORK_FRAMES_MAX, Fork};
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
            Ok(fork) => {
                let declined = frame.agreed + 1 == frame.differs;
                self.settle_fork(link, &fork, declined, clock)
            }
            Err(misbehaviour) => Ok(Err(misbehaviour.into())),
        }
    }

    /// Settles a fork whose place is known, where this replica yields; else tells the peer more of its own history.
    pub(super) fn settle_fork(&mut self, link: LinkId, fork: &Fork, declined: bool, clock: Clock) -> Handled {
        let Some(peer) = self.peers.of(link) else { return Ok(Ok(())) };
        let Some(session) = &mut peer.session else { return Ok(Ok(())) };
        session.fork_frames += 1;
        if session.fork_frames > FORK_FRAMES_MAX {
            let Fork { space, origin, agreed, .. } = fork.clone();
            return Ok(Err(DisconnectReason::Forked { space, origin, sequence: agreed }));
        }
        let yields = peer.stands(&self.journal, fork, &self.settings.key.public_key, declined);
        if !(fork.is_found() && yields) {
            let frame = Frame::Fork(fork.frame(&self.journal)?);
            hold_frame(&mut self.turns, link, &frame);
            return Ok(Ok(()));
        }
        self.take_out(fork, clock)
    }

    /// Takes this replica's branch of a fork out, says again what it wrote in it, and lets all peers connect again.
    fn take_out(&mut self, fork: &Fork, clock: Clock) -> Handled {
        let Fork { space, origin, agreed, .. } = fork.clone();
        let refused = DisconnectReason::Forked { space: space.clone(), origin, sequence: agreed };
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
                    let last = streams.entry(OriginNumber(row.origin)).or_insert(u64::MAX);
                    if row.sequence <= *last {
                        (*last, is_whole) = (row.sequence - 1, false);
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
        self.documents.forget(place.number());
        self.journal.replace_document(&address, &mut place, (&without, &left_out))?;
        let signature =
            Signature { message: Some("written again"), ..Signature::of(self.origin, clock.wall_ms) };
        // What every schema allowed cannot be refused for its size: it was one change before, or several.
        let again = without.write_again(&signature, &with, authors).ok().flatten();
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
        let mut open = Open::of(without, place.row.last);
        match again {
            Some(change) => drop(self.append(&address, &mut place, (change, 0), &mut open, clock)?),
            None => self.save_value(&address, &mut place, &open)?,
        }
        #[cfg(isle_planted)]
        if let Some(change) = twice.flatten() {
            self.append(&address, &mut place, (change, 0), &mut open, clock)?;
        }
        let number = place.number();
        self.documents.keep(number, open);
        Ok(is_written)
    }
}

#[cfg(isle_planted)]
fn planted(fork: &Fork) -> Fork {
    use crate::planted::{Bug, is};
    let mut fork = fork.clone();
    fork.agreed = fork.agreed.saturating_sub(u64::from(is(Bug::ForkCutEarly)));
    fork.agreed += u64::from(is(Bug::ForkCutLate));
    fork
}
