use super::{Peer, Receiver, Sender, vectors_of};
use crate::access::{Rights, SYSTEM};
use crate::effect::{DisconnectReason, Event, Misbehaviour, Rung};
use crate::journal::Journal;
use crate::keys::SpaceNumber;
use crate::store::{Store, StoreError};
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::{Hello, PROTOCOL_VERSION};

/// The spaces that both sides share on this connection, and what the peer may do in each.
type Shared = BTreeMap<Space, (SpaceNumber, Rights)>;

impl Peer {
    /// What this replica says first; `takes` is whether it has room for changes.
    pub(crate) fn hello<S: Store>(&self, journal: &Journal<S>, takes: bool) -> Result<Hello, StoreError> {
        Ok(Hello {
            protocol: PROTOCOL_VERSION,
            epoch: journal.epoch(),
            cursor: self.cursor,
            spaces: vectors_of(
                journal,
                self.shares.iter().map(|(space, rights)| (space, rights.delivers() && takes)),
            )?,
        })
    }

    /// Takes the peer's hello: from here on rows flow. `takes` is what this replica's hello said.
    pub(crate) fn greet<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        hello: &Hello,
        (own, takes): (Origin, bool),
    ) -> Result<Result<Event, DisconnectReason>, StoreError> {
        if self.session.as_ref().is_none_or(|session| session.exchange.is_some()) {
            return Ok(Err(Misbehaviour::Order.into()));
        }
        if hello.protocol != PROTOCOL_VERSION {
            return Ok(Err(DisconnectReason::Protocol { theirs: hello.protocol, ours: PROTOCOL_VERSION }));
        }
        let shared = self.share(journal, hello)?;
        if let Err(reason) = check_histories(journal, hello, &shared, own)? {
            return Ok(Err(reason));
        }
        for vector in &hello.spaces {
            if let Some((space, _)) =
                Space::new(vector.space.as_str()).ok().and_then(|space| shared.get(&space))
            {
                self.confirmed.replace(*space, &vector.entries);
            }
        }
        self.cursor = self.cursor.filter(|cursor| cursor.epoch == hello.epoch);
        self.changed = true;
        let readable: BTreeSet<SpaceNumber> =
            shared.values().filter(|(_, rights)| rights.read).map(|(space, _)| *space).collect();
        self.wanted = Some(readable.clone());
        let (rung, position) = self.rung(journal, hello)?;
        let writable = shared
            .iter()
            .filter(|(_, (_, rights))| rights.delivers() && takes)
            .map(|(space, taken)| (space.clone(), *taken))
            .collect();
        let first = shared.iter().filter(|(space, (_, rights))| space.as_str() == SYSTEM && rights.read);
        let first = first.map(|(_, (number, _))| *number).next();
        let known =
            hello.cursor.filter(|cursor| cursor.epoch == journal.epoch()).map_or(0, |cursor| cursor.lsn);
        let sender = Sender::new((position, known), (readable, first), self.confirmed.clone());
        let receiver = Receiver::new(hello.epoch, own, writable);
        if let Some(session) = &mut self.session {
            session.exchange = Some((sender, receiver));
        }
        let backlog_rows = self.backlog_rows(journal)?;
        Ok(Ok(Event::SessionStarted { peer: self.name.clone(), rung, backlog_rows }))
    }

    fn share<S: Store>(&self, journal: &mut Journal<S>, hello: &Hello) -> Result<Shared, StoreError> {
        let mut shared = Shared::new();
        for (space, rights) in &self.shares {
            if let Some(theirs) = hello.spaces.iter().find(|vector| vector.space == space.as_str()) {
                let number = journal.names.intern_space(&mut journal.rows, space)?;
                let rights = Rights { read: rights.read && theirs.takes, ..*rights };
                shared.insert(space.clone(), (number, rights));
            }
        }
        Ok(shared)
    }

    /// The first step of the ladder that serves, and the position to send from. A cursor serves when nothing that
    /// the peer lacks lies before it: a space that was shared anew, or a change that was once refused, does.
    fn rung<S: Store>(&self, journal: &Journal<S>, hello: &Hello) -> Result<(Rung, u64), StoreError> {
        let Some(first) = self.first_lacking(journal)? else {
            return Ok((Rung::Equal, journal.head()));
        };
        match hello.cursor.filter(|cursor| cursor.epoch == journal.epoch() && cursor.lsn < first) {
            Some(cursor) => Ok((Rung::Cursor, cursor.lsn)),
            None => Ok((Rung::Vector, first.saturating_sub(1))),
        }
    }
}

/// Refuses a peer that has other changes under the same stamps, or more of this replica's own than itself.
fn check_histories<S: Store>(
    journal: &Journal<S>,
    hello: &Hello,
    shared: &Shared,
    own: Origin,
) -> Result<Result<(), DisconnectReason>, StoreError> {
    for vector in &hello.spaces {
        let Ok(space) = Space::new(vector.space.as_str()) else { return Ok(Err(Misbehaviour::Name.into())) };
        let Some((number, _)) = shared.get(&space) else { continue };
        for theirs in &vector.entries {
            let origin = Origin(theirs.origin);
            let ours = journal.names.origin_number(origin).map(|origin| journal.vectors.get(*number, origin));
            let ours = ours.unwrap_or_default();
            if origin == own && theirs.sequence > ours.sequence {
                let (theirs, ours) = (theirs.sequence, ours.sequence);
                return Ok(Err(DisconnectReason::RolledBack { space, theirs, ours }));
            }
            if theirs.sequence == ours.sequence && theirs.sequence > 0 && theirs.chain != ours.chain_short() {
                return Ok(Err(DisconnectReason::Forked { space, origin, sequence: theirs.sequence }));
            }
        }
    }
    Ok(Ok(()))
}
