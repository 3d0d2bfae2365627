use super::fork::Fork;
use super::peers::Said;
use super::questions::Question;
use super::{Peer, Receiver, Sender, vectors_of};
use crate::access::{Identities, PublicKey, Rights, SYSTEM};
use crate::effect::{DisconnectReason, Event, Misbehaviour, Rung};
use crate::journal::Journal;
use crate::keys::SpaceNumber;
use crate::record::SharesRow;
use crate::store::{Store, StoreError};
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::{Cursor, Heard, Hello, PROTOCOL_OLDEST, PROTOCOL_VERSION};

/// Most entries that are kept of what a peer has: a few hellos' worth.
pub(crate) const CONFIRMED_MAX: usize = 4 * wire::VECTOR_ENTRIES_MAX;

/// The spaces that both sides share on this connection, and what the peer may do in each.
type Shared = BTreeMap<Space, (SpaceNumber, Rights)>;

/// This replica, as far as a peer's hello is about it.
pub(crate) struct Host<'a> {
    pub(crate) own: Origin,
    pub(crate) public_key: &'a PublicKey,
    /// Whether its hello said that it takes changes.
    pub(crate) takes: bool,
    pub(crate) identities: &'a Identities,
    /// Whether it fills a peer that its journal would serve, too.
    pub(crate) fills_newcomers: bool,
}

/// What a hello came to.
pub(crate) enum Greeted {
    /// Rows flow from here on.
    Started(Event),
    /// It builds on what this replica does not know: the peer is to say all.
    Ask,
    /// A stream has two histories.
    Forked(Fork),
    /// The peer is to say first whether streams have two.
    Asks(VecDeque<Question>),
}

impl Peer {
    /// What this replica says first; `takes` is whether it has room for changes. What the peer has kept of an earlier
    /// hello is left out.
    pub(crate) fn hello<S: Store>(&mut self, journal: &Journal<S>, takes: bool) -> Result<Hello, StoreError> {
        let shares = self.shares.iter().map(|(space, rights)| (space, may_deliver(*rights) && takes));
        let subscription = digest(shares.clone());
        let at = Cursor { epoch: journal.epoch(), lsn: journal.head() };
        let told = self.told.filter(|told| told.at.epoch == at.epoch && told.subscription == subscription);
        let since = told.map_or(0, |told| told.at.lsn);
        let mut spaces = vectors_of(journal, shares, since)?;
        if since > 0 {
            spaces.retain(|vector| !vector.entries.is_empty());
        }
        if let Some(session) = &mut self.session {
            session.said = Said { at, subscription };
        }
        Ok(Hello {
            protocol: PROTOCOL_VERSION,
            epoch: at.epoch,
            cursor: self.cursor,
            spaces,
            since,
            head: at.lsn,
            subscription,
            incomplete: self.incomplete(journal),
        })
    }

    /// Takes the peer's hello: from here on rows flow.
    pub(crate) fn greet<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        hello: &Hello,
        host: &Host<'_>,
    ) -> Result<Result<Greeted, DisconnectReason>, StoreError> {
        let Host { own, public_key, takes, identities, fills_newcomers } = *host;
        if self.session.as_ref().is_none_or(|session| session.exchange.is_some()) {
            return Ok(Err(Misbehaviour::Order.into()));
        }
        if hello.protocol < PROTOCOL_OLDEST {
            return Ok(Err(DisconnectReason::Protocol { theirs: hello.protocol, ours: PROTOCOL_VERSION }));
        }
        if !self.knows_base(hello) {
            return Ok(Ok(Greeted::Ask));
        }
        let shared = self.share(journal, hello)?;
        match check_histories(journal, hello, &shared, (own, self))? {
            Ok(None) => {}
            Ok(Some(fork)) => return Ok(Ok(Greeted::Forked(fork))),
            Err(reason) => return Ok(Err(reason)),
        }
        let questions = self.questions(journal, hello, (own, public_key))?;
        if !questions.is_empty() {
            return Ok(Ok(Greeted::Asks(questions)));
        }
        if let Err(misbehaviour) = self.hear(journal, hello) {
            return Ok(Err(misbehaviour.into()));
        }
        let readable: BTreeSet<SpaceNumber> =
            shared.values().filter(|(_, rights)| rights.read).map(|(space, _)| *space).collect();
        self.wanted = Some(readable.clone());
        if let Some(session) = &mut self.session {
            let forced = shared.iter().filter(|(space, (number, _))| {
                readable.contains(number) && hello.incomplete.iter().any(|name| name == space.as_str())
            });
            session.fills.forced = forced.map(|(_, (number, _))| *number).collect();
        }
        let mut new = BTreeSet::new();
        for space in readable.iter().filter(|_| fills_newcomers) {
            if self.is_newcomer(journal, identities, *space)? {
                new.insert(*space);
            }
        }
        if let Some(session) = &mut self.session {
            session.fills.new = new;
        }
        let (rung, position) = self.rung(journal, hello)?;
        #[cfg(isle_planted)]
        let position = position + u64::from(crate::planted::is(crate::planted::Bug::RowDroppedAtReconnect));
        let writable = shared
            .iter()
            .filter(|(_, (_, rights))| may_deliver(*rights) && takes)
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
        self.reconsider_all(journal)?;
        self.order(journal)?;
        let backlog_rows = self.backlog_rows(journal)?;
        Ok(Ok(Greeted::Started(Event::SessionStarted { peer: self.name.clone(), rung, backlog_rows })))
    }

    /// Whether this replica knows what a hello leaves out.
    fn knows_base(&self, hello: &Hello) -> bool {
        let heard = self.heard.filter(|heard| heard.epoch == hello.epoch).map_or(0, |heard| heard.lsn);
        let shares = self.their_shares.as_ref().is_some_and(|shares| shares.digest == hello.subscription);
        hello.since == 0 || (shares && hello.since <= heard)
    }

    /// Keeps what a hello says. News are acknowledged, so that the peer need not say them again; not while it shares a
    /// space that this replica does not know, of which nothing can be kept.
    fn hear<S: Store>(&mut self, journal: &Journal<S>, hello: &Hello) -> Result<(), Misbehaviour> {
        let mut is_kept = true;
        for vector in &hello.spaces {
            let Ok(space) = Space::new(vector.space.as_str()) else { return Err(Misbehaviour::Name) };
            match (journal.names.space_number(&space), hello.since) {
                (None, _) => is_kept = false,
                (Some(space), 0) => self.confirmed.replace(space, &vector.entries),
                (Some(space), _) => self.confirmed.merge(space, &vector.entries),
            }
        }
        if self.confirmed.len() > CONFIRMED_MAX {
            return Err(Misbehaviour::TooManyEntries);
        }
        if hello.since == 0 {
            let spaces = hello.spaces.iter().map(|vector| (vector.space.clone(), vector.takes));
            self.their_shares = Some(SharesRow { digest: hello.subscription, spaces: spaces.collect() });
        }
        let is_news = hello.since == 0 || !hello.spaces.is_empty();
        if let Some(session) = self.session.as_mut().filter(|_| is_kept && is_news) {
            session.heard_due = Some(Heard { lsn: hello.head, subscription: hello.subscription });
            self.is_urgent = true;
        }
        self.heard = is_kept.then_some(Cursor { epoch: hello.epoch, lsn: hello.head });
        self.cursor = self.cursor.filter(|cursor| cursor.epoch == hello.epoch);
        self.changed = true;
        Ok(())
    }

    /// The peer has kept this replica's hello.
    pub(crate) fn is_heard(&mut self, heard: &Heard) -> Result<(), Misbehaviour> {
        let said = self.session.as_ref().map(|session| session.said);
        let said = said.filter(|said| said.at.lsn == heard.lsn && said.subscription == heard.subscription);
        self.told = Some(said.ok_or(Misbehaviour::Position)?);
        Ok(())
    }

    fn share<S: Store>(&self, journal: &mut Journal<S>, hello: &Hello) -> Result<Shared, StoreError> {
        let mut shared = Shared::new();
        for (space, rights) in &self.shares {
            let takes = match hello.since {
                0 => hello
                    .spaces
                    .iter()
                    .find(|vector| vector.space == space.as_str())
                    .map(|vector| vector.takes),
                _ => self.their_shares.as_ref().and_then(|shares| shares.takes(space)),
            };
            if let Some(takes) = takes {
                let number = journal.names.intern_space(&mut journal.rows, space)?;
                let rights = Rights { read: rights.read && takes, ..*rights };
                shared.insert(space.clone(), (number, rights));
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

    /// The spaces that this replica lacks documents of, whatever the peer knows: there are few, for a short time.
    fn incomplete<S: Store>(&self, journal: &Journal<S>) -> Vec<String> {
        let lacks = |space: &&Space| {
            journal.names.space_number(space).is_some_and(|number| journal.lacks_documents(number))
        };
        self.shares.keys().filter(lacks).map(|space| space.as_str().to_owned()).collect()
    }

    /// Whether the peer may have documents of the space.
    pub(crate) fn has_documents(&self, space: SpaceNumber) -> bool {
        let is_forced = self.session.as_ref().is_some_and(|session| session.fills.forced.contains(&space));
        is_forced || self.confirmed.has_any(space)
    }
}

fn may_deliver(rights: Rights) -> bool {
    #[cfg(isle_planted)]
    if crate::planted::is(crate::planted::Bug::WriteRightForgotten) {
        return true;
    }
    rights.delivers()
}

/// Refuses a peer that has more of this replica's own changes than itself, in a space where it is believed if there is
/// one; and finds a stream of which the two have other changes under the same stamps.
fn check_histories<S: Store>(
    journal: &Journal<S>,
    hello: &Hello,
    shared: &Shared,
    (own, peer): (Origin, &Peer),
) -> Result<Result<Option<Fork>, DisconnectReason>, StoreError> {
    let (mut forked, mut unbelieved) = (None, None);
    for vector in &hello.spaces {
        let Ok(space) = Space::new(vector.space.as_str()) else { return Ok(Err(Misbehaviour::Name.into())) };
        let Some((number, _)) = shared.get(&space) else { continue };
        for theirs in &vector.entries {
            let origin = Origin(theirs.origin);
            let known = journal.names.origin_number(origin);
            // A copy from before this replica's first change does not know its own origin.
            let has = known.map_or(0, |known| journal.vectors.get(*number, known).sequence);
            if origin == own && theirs.sequence > has {
                let is_believed = peer.is_believed_of_past(&space);
                let (space, theirs, ours) = (space.clone(), theirs.sequence, has);
                let reason = DisconnectReason::RolledBack { space, theirs, ours };
                if is_believed {
                    return Ok(Err(reason));
                }
                unbelieved.get_or_insert(reason);
                continue;
            }
            let Some(known) = known else { continue };
            let ours = journal.vectors.get(*number, known);
            let meet = theirs.sequence <= ours.sequence;
            let at = if meet { journal.entry_at(*number, known, theirs.sequence)? } else { None };
            if at.is_some_and(|at| theirs.sequence > 0 && at.chain_short() != theirs.chain) {
                forked.get_or_insert(Fork::new(&space, origin, theirs.sequence));
            }
        }
    }
    Ok(unbelieved.map_or(Ok(forked), Err))
}

/// Stands for which spaces are shared, and of which changes are taken.
fn digest<'a>(shares: impl Iterator<Item = (&'a Space, bool)>) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for (space, takes) in shares {
        // Names hold no byte 0.
        hasher.update(space.as_str().as_bytes()).update(&[0, u8::from(takes)]);
    }
    let mut digest = [0; 8];
    hasher.finalize_xof().fill(&mut digest);
    digest
}
