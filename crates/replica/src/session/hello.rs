use super::{Peer, Receiver, Sender, vectors_of};
use crate::effect::{DisconnectReason, Event, Misbehaviour, Rung};
use crate::journal::Journal;
use crate::keys::SpaceNumber;
use crate::settings::Access;
use crate::store::{Store, StoreError};
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::{Hello, PROTOCOL_VERSION};

/// The spaces that both sides share on this connection, and what the peer may do in each.
type Shared = BTreeMap<Space, (SpaceNumber, Access)>;

impl Peer {
    /// What this replica says first; `takes` is whether it has room for changes.
    pub(crate) fn hello<S: Store>(&self, journal: &Journal<S>, takes: bool) -> Result<Hello, StoreError> {
        Ok(Hello {
            protocol: PROTOCOL_VERSION,
            epoch: journal.epoch(),
            cursor: self.cursor,
            spaces: vectors_of(
                journal,
                self.settings.spaces.iter().map(|(space, access)| (space, access.write && takes)),
            )?,
            incomplete: self
                .settings
                .spaces
                .keys()
                .filter(|space| {
                    let number = journal.names.space_number(space);
                    number.is_some_and(|number| journal.lacks_documents(number))
                })
                .map(|space| space.as_str().to_owned())
                .collect(),
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
            shared.values().filter(|(_, access)| access.read).map(|(space, _)| *space).collect();
        self.wanted = Some(readable.clone());
        if let Some(session) = &mut self.session {
            let forced = shared.iter().filter(|(space, (number, _))| {
                readable.contains(number) && hello.incomplete.iter().any(|name| name == space.as_str())
            });
            session.fills.forced = forced.map(|(_, (number, _))| *number).collect();
        }
        let (rung, position) = self.rung(journal, hello)?;
        let writable = shared
            .iter()
            .filter(|(_, (_, access))| access.write && takes)
            .map(|(space, (number, _))| (space.clone(), *number))
            .collect();
        let known =
            hello.cursor.filter(|cursor| cursor.epoch == journal.epoch()).map_or(0, |cursor| cursor.lsn);
        let sender = Sender::new(position, known, readable, self.confirmed.clone());
        let receiver = Receiver::new(hello.epoch, own, writable);
        if let Some(session) = &mut self.session {
            session.exchange = Some((sender, receiver));
        }
        self.reconsider_all(journal)?;
        let backlog_rows = self.backlog_rows(journal)?;
        Ok(Ok(Event::SessionStarted { peer: self.name.clone(), rung, backlog_rows }))
    }

    fn share<S: Store>(&self, journal: &mut Journal<S>, hello: &Hello) -> Result<Shared, StoreError> {
        let mut shared = Shared::new();
        for (space, access) in &self.settings.spaces {
            if let Some(theirs) = hello.spaces.iter().find(|vector| vector.space == space.as_str()) {
                let number = journal.names.intern_space(&mut journal.rows, space)?;
                let access = Access { read: access.read && theirs.takes, ..*access };
                shared.insert(space.clone(), (number, access));
            }
        }
        Ok(shared)
    }

    /// The first step of the ladder that serves, and the position to send from. A cursor serves when nothing that
    /// the peer lacks lies before it: a space that was shared anew, or a change that was once refused, does.
    fn rung<S: Store>(&self, journal: &Journal<S>, hello: &Hello) -> Result<(Rung, u64), StoreError> {
        let filled = self.fill_rung(journal)?;
        let Some(first) = self.first_lacking(journal)? else {
            return Ok((filled.unwrap_or(Rung::Equal), journal.head()));
        };
        if let Some(rung) = filled {
            return Ok((rung, first.saturating_sub(1)));
        }
        match hello.cursor.filter(|cursor| cursor.epoch == journal.epoch() && cursor.lsn < first) {
            Some(cursor) => Ok((Rung::Cursor, cursor.lsn)),
            None => Ok((Rung::Vector, first.saturating_sub(1))),
        }
    }
}

impl Peer {
    /// The step of the ladder when some space must be filled.
    fn fill_rung<S: Store>(&self, journal: &Journal<S>) -> Result<Option<Rung>, StoreError> {
        let mut rung = None;
        for space in self.wanted.iter().flatten() {
            if self.is_whole(journal, *space) && self.needs_fill(journal, *space)? {
                if self.has_documents(*space) {
                    return Ok(Some(Rung::Reconcile));
                }
                rung = Some(Rung::Fill);
            }
        }
        Ok(rung)
    }

    /// Whether the peer may have documents of the space.
    pub(crate) fn has_documents(&self, space: SpaceNumber) -> bool {
        let is_forced = self.session.as_ref().is_some_and(|session| session.fills.forced.contains(&space));
        is_forced || self.confirmed.has_any(space)
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
