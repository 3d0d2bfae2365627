use super::fill::Fills;
use super::questions::{Agreed, Question};
use super::sender::StoppedAt;
use super::{Confirmed, Fork, Receiver, Sender};
use crate::access::{PublicKey, Shares, settled_shares};
use crate::effect::LinkId;
use crate::journal::Journal;
use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::record::{self, PeerRow, SharesRow};
use crate::rows::Rows;
use crate::settings::PeerSettings;
use crate::status::{PeerStatus, STOPPED_SHOWN_MAX, StoppedStream};
use crate::store::{Store, StoreError, Turn};
use crate::waits::Told;
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Whether this replica's hello left. Nothing else leaves before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnHello {
    /// It waits for the end of the turn.
    Waiting,
    /// It waits until a turn is durable.
    Held(Turn),
    /// It is on its way.
    Sent,
}

/// What a hello of this replica says: as of which position of its journal, and the digest of what it shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) at: wire::Cursor,
    pub(crate) subscription: [u8; 8],
}

/// A connection to a peer. Sender and receiver are there once its hello came.
pub(crate) struct Session {
    pub(crate) link: LinkId,
    pub(crate) public_key: PublicKey,
    pub(crate) own_hello: OwnHello,
    pub(crate) said: Said,
    /// The peer was asked to connect again; what it sends until then is passed over.
    pub(crate) is_asked: bool,
    /// Frames about forks so far.
    pub(crate) fork_frames: u32,
    /// What the peer is asked of streams that may have two histories, one after another.
    pub(crate) questions: VecDeque<Question>,
    /// An acknowledgement of the peer's hello that leaves with the turn.
    pub(crate) heard_due: Option<wire::Heard>,
    /// What it was told of the hub's changes.
    pub(crate) hub_told: Told,
    pub(crate) exchange: Option<(Sender, Receiver)>,
    pub(crate) fills: Fills,
}

impl Session {
    /// The space whose rows go to the peer before all others.
    pub(crate) fn first_space(&self) -> Option<SpaceNumber> {
        self.exchange.as_ref().and_then(|(sender, _)| sender.first())
    }

    /// The peer is asked about streams; what else it sends is passed over from here on.
    pub(crate) fn ask(&mut self, questions: VecDeque<Question>) {
        (self.is_asked, self.questions) = (true, questions);
    }

    /// What is being asked about a stream.
    pub(crate) fn question_of(&mut self, fork: &Fork) -> Option<&mut Question> {
        self.questions.front_mut().filter(|question| question.fork.is_of(fork))
    }
}

/// A replica in the settings, connected or not, or one that was let in by its access document.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) settings: PeerSettings,
    /// What it may do; fixed while it is connected.
    pub(crate) shares: Shares,
    pub(crate) session: Option<Session>,
    pub(crate) cursor: Option<wire::Cursor>,
    /// The position of its journal as of which it last said what it has.
    pub(crate) heard: Option<wire::Cursor>,
    /// The spaces that it shares, as it last said.
    pub(crate) their_shares: Option<SharesRow>,
    /// What it has kept of what this replica said since it opened. A store may be an older copy of the one that it spoke
    /// for before.
    pub(crate) told: Option<Said>,
    /// What it has of this replica's spaces, as last heard.
    pub(crate) confirmed: Confirmed,
    /// The spaces that it takes changes of, as it last said; before that, those that it may read.
    pub(crate) wanted: Option<BTreeSet<SpaceNumber>>,
    /// Up to where own streams are known to be one with its.
    pub(crate) agreed: Agreed,
    /// Whether the row in the store is behind.
    pub(crate) changed: bool,
    /// Whether it is to be written with this turn: a crash would make the next hellos long.
    pub(crate) is_urgent: bool,
}

impl Peer {
    fn load<S: Store>(rows: &Rows<S>, name: &str, settings: &PeerSettings) -> Result<Self, StoreError> {
        let row: PeerRow = rows.record(&keys::peer(name))?.unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            shares: settled_shares(settings),
            session: None,
            cursor: row.cursor,
            heard: row.heard,
            their_shares: row.shares,
            told: None,
            confirmed: Confirmed::load(rows, name)?,
            wanted: None,
            agreed: Agreed::new(),
            changed: false,
            is_urgent: false,
        })
    }

    /// Puts its rows into the next batch: with the rows that the cursor speaks of, never before them.
    pub(crate) fn save<S: Store>(&mut self, rows: &mut Rows<S>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let Self { cursor, heard, .. } = *self;
        let row = record::encode(&PeerRow { cursor, heard, shares: self.their_shares.clone() });
        if std::mem::take(&mut self.is_urgent) {
            rows.put(keys::peer(&self.name), row);
        } else {
            rows.put_lazily(keys::peer(&self.name), row);
        }
        self.confirmed.save(rows, &self.name);
    }

    /// Whether its branch of a fork stands: it relays to this replica, which has made the branch itself, or it is the
    /// hub. A hub that has made the branch itself is asked first: where it was told the place and answers, it has
    /// `declined` to yield. So of two replicas one yields, whoever finds the place.
    pub(crate) fn stands<S: Store>(
        &self,
        journal: &Journal<S>,
        fork: &Fork,
        own: &[u8; 32],
        declined: bool,
    ) -> bool {
        let number = journal.names.origin_number(fork.origin);
        let key = number.and_then(|number| journal.names.origin(number).ok());
        let is_of = |public_key: &PublicKey| key.is_some_and(|(_, key)| key.public_key == *public_key);
        let is_theirs = self.session.as_ref().is_some_and(|session| is_of(&session.public_key));
        self.relays(&fork.space) && (is_of(own) || self.settings.hub && (declined || !is_theirs))
    }

    /// Whether it is believed of some space what the hub has.
    pub(crate) fn may_tell_of_hub(&self) -> bool {
        self.settings.hub || self.shares.values().any(|rights| rights.relay)
    }

    /// Whether changes of others are taken from it in a space.
    pub(crate) fn relays(&self, space: &Space) -> bool {
        self.shares.get(space).is_some_and(|rights| rights.relay)
    }

    /// Whether it is believed that this replica's store is an old copy, when it has more of its changes in a space: who
    /// relays there, whatever it relays elsewhere. The hub that relays elsewhere is, too: in a space that it only reads
    /// nobody else could say so.
    pub(crate) fn is_believed_of_past(&self, space: &Space) -> bool {
        self.relays(space) || self.settings.hub && self.shares.values().any(|rights| rights.relay)
    }

    /// Whether it may read a space.
    pub(crate) fn reads(&self, space: &Space) -> bool {
        self.shares.get(space).is_some_and(|rights| rights.read)
    }

    /// How far it was sent the journal, when it is.
    pub(crate) fn position(&self) -> Option<u64> {
        let (sender, _) = self.session.as_ref()?.exchange.as_ref()?;
        Some(sender.position())
    }

    /// How far it has a stream, or was sent it.
    pub(super) fn has(&self, space: SpaceNumber, origin: Origin) -> u64 {
        let exchange = self.session.as_ref().and_then(|session| session.exchange.as_ref());
        let sent = exchange.map_or(0, |(sender, _)| sender.sent(space, origin));
        sent.max(self.confirmed.get(space, origin))
    }

    /// The spaces whose changes it is sent, as far as this replica has anything of them.
    pub(super) fn readable<'a, S: Store>(
        &'a self,
        journal: &'a Journal<S>,
    ) -> impl Iterator<Item = SpaceNumber> + 'a {
        let readable = self.shares.iter().filter(|(_, rights)| rights.read);
        let numbers = readable.filter_map(|(space, _)| journal.names.space_number(space));
        numbers.filter(|space| self.wanted.as_ref().is_none_or(|wanted| wanted.contains(space)))
    }

    /// The streams of which it lacks something: how far it has them, and how far they go.
    pub(super) fn lacking<S: Store>(
        &self,
        journal: &Journal<S>,
        spaces: impl Iterator<Item = SpaceNumber>,
    ) -> Result<Vec<(SpaceNumber, OriginNumber, u64, u64)>, StoreError> {
        beyond(journal, spaces, |space, origin| self.confirmed.get(space, origin))
    }

    /// The same of those of which it was not sent all.
    pub(super) fn unsent<S: Store>(
        &self,
        journal: &Journal<S>,
        spaces: impl Iterator<Item = SpaceNumber>,
    ) -> Result<Vec<(SpaceNumber, OriginNumber, u64, u64)>, StoreError> {
        beyond(journal, spaces, |space, origin| self.has(space, origin))
    }

    /// Rows that it lacks.
    pub(crate) fn backlog_rows<S: Store>(&self, journal: &Journal<S>) -> Result<u64, StoreError> {
        Ok(self.lacking(journal, self.readable(journal))?.iter().map(|(_, _, has, last)| last - has).sum())
    }

    /// The position of the first row that it lacks, of those that are sent.
    pub(crate) fn first_lacking<S: Store>(&self, journal: &Journal<S>) -> Result<Option<u64>, StoreError> {
        let mut open = Vec::new();
        for space in self.readable(journal) {
            if self.is_open(journal, space)? {
                open.push(space);
            }
        }
        self.first_lacking_of(journal, open.into_iter())
    }

    /// The position of the first row that it lacks of some spaces.
    pub(super) fn first_lacking_of<S: Store>(
        &self,
        journal: &Journal<S>,
        spaces: impl Iterator<Item = SpaceNumber>,
    ) -> Result<Option<u64>, StoreError> {
        let mut first = None;
        for (space, origin, has, _) in self.lacking(journal, spaces)? {
            let position = journal.position(space, origin, has + 1)?;
            first = [first, position].into_iter().flatten().min();
        }
        Ok(first)
    }

    pub(crate) fn status<S: Store>(
        &self,
        journal: &Journal<S>,
        wall_ms: i64,
    ) -> Result<PeerStatus, StoreError> {
        let first = self.first_lacking(journal)?;
        let accepted_ms = first.map(|lsn| journal.row(lsn)).transpose()?.map(|row| row.accepted_ms);
        let exchange = self.session.as_ref().and_then(|session| session.exchange.as_ref());
        let all_stopped = exchange.map(|(sender, _)| sender.stopped());
        let stopped = all_stopped.into_iter().flatten().take(STOPPED_SHOWN_MAX);
        let stopped = stopped.map(|(&(space, origin), &StoppedAt { sequence, cause })| {
            let space = journal.names.space(space)?.clone();
            Ok(StoppedStream { space, origin, sequence, cause })
        });
        Ok(PeerStatus {
            stopped: stopped.collect::<Result<_, StoreError>>()?,
            stopped_count: all_stopped.map_or(0, |stopped| stopped.len() as u64),
            peer: self.name.clone(),
            connected: exchange.is_some(),
            backlog_rows: self.backlog_rows(journal)?,
            // A wall clock that went back shows no lag rather than a wrong one.
            lag_ms: accepted_ms
                .map_or(0, |accepted_ms| u64::try_from(wall_ms.saturating_sub(accepted_ms)).unwrap_or(0)),
        })
    }
}

/// All replicas in the settings.
pub(crate) struct Peers {
    by_name: BTreeMap<String, Peer>,
    names: BTreeMap<LinkId, String>,
}

impl Peers {
    pub(crate) fn load<S: Store>(
        rows: &Rows<S>,
        settings: &BTreeMap<String, PeerSettings>,
    ) -> Result<Self, StoreError> {
        let peer = |(name, settings): (&String, &PeerSettings)| {
            Ok((name.clone(), Peer::load(rows, name, settings)?))
        };
        Ok(Self {
            by_name: settings.iter().map(peer).collect::<Result<_, StoreError>>()?,
            names: BTreeMap::new(),
        })
    }

    /// The peer of this name.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut Peer> {
        self.by_name.get_mut(name)
    }

    /// Adds a peer that is not in the settings.
    pub(crate) fn add<S: Store>(&mut self, rows: &Rows<S>, name: &str) -> Result<(), StoreError> {
        let peer = Peer::load(rows, name, &PeerSettings::default())?;
        self.by_name.insert(name.to_owned(), peer);
        Ok(())
    }

    /// Starts a session; returns the connection that it replaces. `Err` when nobody has this name.
    pub(crate) fn connect(
        &mut self,
        link: LinkId,
        name: &str,
        public_key: PublicKey,
    ) -> Result<Option<LinkId>, ()> {
        let peer = self.by_name.get_mut(name).ok_or(())?;
        let replaced = peer.session.replace(Session {
            link,
            public_key,
            own_hello: OwnHello::Waiting,
            said: Said::default(),
            is_asked: false,
            fork_frames: 0,
            questions: VecDeque::new(),
            heard_due: None,
            hub_told: Told::default(),
            exchange: None,
            fills: Fills::default(),
        });
        if let Some(old) = &replaced {
            self.names.remove(&old.link);
        }
        self.names.insert(link, name.to_owned());
        Ok(replaced.map(|old| old.link))
    }

    /// Ends a session, if the connection still has one.
    pub(crate) fn disconnect(&mut self, link: LinkId) {
        if let Some(peer) = self.names.remove(&link).and_then(|name| self.by_name.get_mut(&name)) {
            peer.session = None;
        }
    }

    /// The peer of a connection that has a session.
    pub(crate) fn of(&mut self, link: LinkId) -> Option<&mut Peer> {
        self.by_name.get_mut(self.names.get(&link)?)
    }

    /// The connections that have a session.
    pub(crate) fn links(&self) -> Vec<LinkId> {
        self.names.keys().copied().collect()
    }

    /// Every connected peer was sent what it is to have of the journal up to here.
    pub(crate) fn lowest_position(&self) -> u64 {
        let sessions = self.by_name.values().filter_map(|peer| peer.session.as_ref());
        let position = |session: &Session| {
            let (sender, _) = session.exchange.as_ref()?;
            let filled = session.fills.server.as_ref().map_or(u64::MAX, |server| server.lsn);
            Some(sender.position().min(filled))
        };
        sessions.filter_map(position).min().unwrap_or(u64::MAX)
    }

    /// The turn ended; what it held waits for `last_in_flight`.
    pub(crate) fn end_turn(&mut self, last_in_flight: Option<Turn>) {
        let sessions = self.by_name.values_mut().filter_map(|peer| peer.session.as_mut());
        for session in sessions.filter(|session| session.own_hello == OwnHello::Waiting) {
            session.own_hello = last_in_flight.map_or(OwnHello::Sent, OwnHello::Held);
        }
    }

    /// A turn and all before it are durable.
    pub(crate) fn settle(&mut self, turn: Turn) {
        let sessions = self.by_name.values_mut().filter_map(|peer| peer.session.as_mut());
        for session in sessions {
            if matches!(session.own_hello, OwnHello::Held(held) if held <= turn) {
                session.own_hello = OwnHello::Sent;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> + '_ {
        self.by_name.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> + '_ {
        self.by_name.values_mut()
    }
}

/// Streams that go on after what `has` says.
fn beyond<S: Store>(
    journal: &Journal<S>,
    spaces: impl Iterator<Item = SpaceNumber>,
    has: impl Fn(SpaceNumber, Origin) -> u64,
) -> Result<Vec<(SpaceNumber, OriginNumber, u64, u64)>, StoreError> {
    let mut beyond = Vec::new();
    for space in spaces {
        for (origin, entry) in journal.vectors.of(space) {
            let has = has(space, journal.names.origin(origin)?.0);
            let last = entry.sequence.min(journal.passed_on(space, origin));
            if has < last {
                beyond.push((space, origin, has, last));
            }
        }
    }
    Ok(beyond)
}
