//! Which spaces a peer is sent: those that this replica has whole, and whose journal has all that the peer lacks. The
//! others wait for a fill, of this replica or of the peer.

use super::Peer;
use crate::access::{Identities, SYSTEM};
use crate::journal::Journal;
use crate::keys::SpaceNumber;
use crate::record::UntilRow;
use crate::store::{Store, StoreError};
use document::Origin;
use std::collections::BTreeMap;

/// Rows of a space that a peer may lack for it to go ahead of those of which it lacks more.
const AHEAD_ROWS_MAX: u64 = 64;

/// Rows of a space from which on who has nothing of it is filled: fewer are soon sent, unless they are long.
const NEWCOMER_ROWS_MIN: u64 = 256;

impl Peer {
    /// Whether the peer may be sent the space's changes, as far as the space's state here goes. While documents here
    /// have changes that came by a fill and have no stamp yet, only who has those may: what was written on top of them
    /// it can take. The filler has them; two that fill each other would wait for ever otherwise. So has who was given
    /// the documents since: stamps that went with a disk never come.
    pub(super) fn is_whole<S: Store>(&self, journal: &Journal<S>, space: SpaceNumber) -> bool {
        let mut until = journal.until(space).iter();
        let is_given = self.session.as_ref().is_some_and(|session| session.fills.given.contains(&space));
        is_given || until.all(|until| self.has(space, Origin(until.origin)) >= until.sequence)
    }

    /// Whether the peer lacks changes that are not in the journal.
    fn is_trimmed<S: Store>(&self, journal: &Journal<S>, space: SpaceNumber) -> Result<bool, StoreError> {
        let declined = self.session.as_ref().map(|session| &session.fills.declined);
        for (origin, entry) in journal.vectors.of(space) {
            let name = journal.names.origin(origin)?.0;
            let (has, last) = (self.has(space, name), entry.sequence.min(journal.passed_on(space, origin)));
            if has < last
                && has + 1 < journal.vectors.first(space, origin)
                && declined.is_none_or(|declined| !declined.contains(&(space, name)))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the space must be filled before its changes can be sent.
    pub(super) fn needs_fill<S: Store>(
        &self,
        journal: &Journal<S>,
        space: SpaceNumber,
    ) -> Result<bool, StoreError> {
        let fills = self.session.as_ref().map(|session| &session.fills);
        let is_due = fills.is_some_and(|fills| fills.forced.contains(&space) || fills.new.contains(&space));
        Ok(is_due || self.is_trimmed(journal, space)?)
    }

    /// Whether the peer has nothing of a space of which there is much. In a journal whatever is changed meanwhile stands behind
    /// all that it lacks; in a fill it goes next. The journal serves where something would be left out of a fill, and who
    /// relays: it has the rows then for those behind it.
    pub(super) fn is_newcomer<S: Store>(
        &self,
        journal: &Journal<S>,
        identities: &Identities,
        space: SpaceNumber,
    ) -> Result<bool, StoreError> {
        let name = journal.names.space(space)?;
        if name.as_str() == SYSTEM
            || self.relays(name)
            || self.has_documents(space)
            || journal.is_incomplete(space)
            || journal.cuts_of(space).next().is_some()
        {
            return Ok(false);
        }
        let mut rows = 0;
        for (origin, entry) in journal.vectors.of(space) {
            if !identities.is_known(&journal.names.origin(origin)?.1.public_key) {
                return Ok(false);
            }
            rows += entry.sequence;
        }
        Ok(rows >= NEWCOMER_ROWS_MIN)
    }

    /// Whether the peer has yet to take what it lacked of the first space when it was greeted.
    pub(crate) fn awaits_first<S: Store>(&self, journal: &Journal<S>) -> Result<bool, StoreError> {
        let Some(session) = &self.session else { return Ok(false) };
        let Some((sender, _)) = &session.exchange else { return Ok(false) };
        let Some(space) = sender.first().filter(|space| sender.sends(*space)) else { return Ok(false) };
        for (_, number, has, _) in self.lacking(journal, [space].into_iter())? {
            let next = journal.position(space, number, has + 1)?;
            let is_due = next.is_some_and(|next| next <= session.said.at.lsn);
            if is_due && !sender.is_held_up(space, journal.names.origin(number)?.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it lacks something by its vector, or documents.
    pub(crate) fn lacks<S: Store>(
        &self,
        journal: &Journal<S>,
        space: SpaceNumber,
    ) -> Result<bool, StoreError> {
        Ok(self.needs_fill(journal, space)? || !self.lacking(journal, [space].into_iter())?.is_empty())
    }

    /// Whether it has the rows of a stream up to one, and sends them: it relays, or wrote them.
    pub(crate) fn brings<S: Store>(
        &self,
        journal: &Journal<S>,
        space: SpaceNumber,
        until: &UntilRow,
    ) -> Result<bool, StoreError> {
        let origin = Origin(until.origin);
        let Some(session) = self.session.as_ref().filter(|session| session.exchange.is_some()) else {
            return Ok(false);
        };
        if self.confirmed.get(space, origin) < until.sequence {
            return Ok(false);
        }
        let key =
            journal.names.origin_number(origin).map(|number| journal.names.origin(number)).transpose()?;
        let is_theirs = key.is_some_and(|(_, key)| key.public_key == session.public_key);
        Ok(is_theirs || self.relays(journal.names.space(space)?))
    }

    /// Whether the space's changes are sent, or would be if it were connected.
    pub(super) fn is_open<S: Store>(
        &self,
        journal: &Journal<S>,
        space: SpaceNumber,
    ) -> Result<bool, StoreError> {
        Ok(self.is_whole(journal, space) && !self.needs_fill(journal, space)?)
    }

    /// Sends or withholds the space, or has it wait for a fill, as things are.
    pub(crate) fn reconsider<S: Store>(
        &mut self,
        journal: &Journal<S>,
        space: SpaceNumber,
    ) -> Result<(), StoreError> {
        if !self.wanted.as_ref().is_some_and(|wanted| wanted.contains(&space)) {
            return Ok(());
        }
        let is_open = self.is_open(journal, space)?;
        let position = self.first_lacking_of(journal, [space].into_iter())?;
        // Documents may be given at any time: the vector never says more than they have. While some are missing here
        // it would be soon again.
        let is_forced = self.session.as_ref().is_some_and(|session| session.fills.forced.contains(&space));
        let is_ready = self.is_whole(journal, space) || is_forced || !journal.lacks_documents(space);
        let lacks = self.lacks(journal, space)?;
        let Some(session) = &mut self.session else { return Ok(()) };
        let Some((sender, _)) = &mut session.exchange else { return Ok(()) };
        if is_open {
            session.fills.waiting.remove(&space);
            session.fills.asked.remove(&space);
            if sender.open(space, position.map_or(u64::MAX, |first| first.saturating_sub(1))) {
                self.order(journal)?;
            }
            return Ok(());
        }
        sender.withhold(space);
        let is_served = session.fills.server.as_ref().is_some_and(|server| server.space == space);
        if !is_ready || is_served || session.fills.refused.contains(&space) {
            return Ok(());
        }
        if lacks || session.fills.asked.contains(&space) {
            session.fills.waiting.insert(space);
        } else if journal.is_orphaned(space) {
            session.fills.tell_ahead(space, journal.filled(space));
        }
        Ok(())
    }

    /// Has spaces of which it was not sent little go ahead of those of which that is much, where there are such. What was
    /// ahead stays so.
    pub(crate) fn order<S: Store>(&mut self, journal: &Journal<S>) -> Result<(), StoreError> {
        let Some((sender, _)) = self.session.as_ref().and_then(|session| session.exchange.as_ref()) else {
            return Ok(());
        };
        let mut rows = BTreeMap::new();
        for space in self.readable(journal).filter(|space| sender.sends(*space)) {
            // What goes before all others does so without this.
            if self.is_open(journal, space)? && journal.names.space(space)?.as_str() != SYSTEM {
                rows.insert(space, (0, None));
            }
        }
        for (space, origin, has, last) in self.unsent(journal, rows.keys().copied())? {
            let position = journal.position(space, origin, has + 1)?;
            let (rows, first) = rows.entry(space).or_default();
            (*rows, *first) = (*rows + last - has, [*first, position].into_iter().flatten().min());
        }
        let open = rows.keys().copied().collect();
        let little = rows.into_iter().filter(|(_, (rows, _))| *rows <= AHEAD_ROWS_MAX);
        let little = little.map(|(space, (_, first))| (space, first)).collect();
        if let Some((sender, _)) = self.session.as_mut().and_then(|session| session.exchange.as_mut()) {
            sender.overtake(little, &open, journal.head());
        }
        Ok(())
    }

    /// [`Peer::reconsider`] for every space that the peer takes.
    pub(crate) fn reconsider_all<S: Store>(&mut self, journal: &Journal<S>) -> Result<(), StoreError> {
        for space in self.wanted.clone().unwrap_or_default() {
            self.reconsider(journal, space)?;
        }
        Ok(())
    }
}
