mod blocked;
mod fills;
mod frames;
mod grants;
mod history;
mod indexes;
mod loading;
mod materialiser;
mod recovery;
mod requests;
mod system;
mod trimming;
mod values;
mod waiting;
mod watching;
mod writes;

use crate::documents::Documents;
use crate::effect::{Effect, Input};
use crate::journal::Journal;
use crate::reconcile::Sketches;
use crate::session::Peers;
use crate::settings::{Settings, origin_of};
use crate::status::{FillSteps, Sessions};
use crate::store::{Room, Store, StoreError};
use crate::timers::Wake;
use crate::turns::Turns;
use crate::vectors::VectorEntry;
use crate::view::View;
use crate::waits::{HubVector, Waits};
use crate::watch::Watches;
use blocked::Strike;
use document::{Address, ChangeHash, Origin, Space};
use indexes::Indexes;
use loading::Loading;
use materialiser::Materialiser;
use system::System;
use trimming::Trimming;
#[cfg(test)]
pub(crate) use values::CHANGES_PER_REQUEST_MAX;

/// The times that a replica is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds since some moment; never goes back. For waiting.
    pub now_ms: u64,
    /// Milliseconds since 1970 by the wall clock, which may lie and jump. For people.
    pub wall_ms: i64,
}

/// A replica: feed it inputs, end the turn, carry out its effects.
///
/// ```text
/// loop { handle(input)…; end_turn(); while let Some(effect) = poll_effect() { … } }
/// ```
///
/// A [`StoreError`] from any method is the end of this value: drop it with its store, and open both again. What was
/// acknowledged is on the disk; of what was not, nobody can say.
pub struct Replica<S> {
    settings: Settings,
    origin: Origin,
    journal: Journal<S>,
    documents: Documents,
    loading: Loading,
    peers: Peers,
    /// Of the deltas to all peers.
    deflaters: wire::Deflaters,
    turns: Turns,
    materialiser: Materialiser,
    indexes: Indexes,
    watches: Watches,
    waits: Waits,
    /// What the hub is known to have.
    hub: HubVector,
    system: System,
    /// Of spaces that peers are filled with.
    sketches: Sketches,
    trimming: Trimming,
    sessions: Sessions,
    fill_steps: FillSteps,
    /// What the process before this one ended with, until it is noted durably.
    strike: Option<Strike>,
    room: Room,
    /// Values that changes of others made break a rule of their schema, since it was opened.
    values_broken: u64,
    /// Idempotency keys that went before a day was over, since it was opened.
    keys_gone: u64,
    /// When that was told last, by [`Clock::now_ms`].
    keys_told_ms: Option<u64>,
    /// Raised when the spaces or the schemas are others.
    view_number: u64,
    /// Whether it waits to be opened again under a new origin.
    is_renewing: bool,
    /// [`Clock::now_ms`] of the last input.
    now_ms: u64,
    /// When the first fill is given up of which the peer says nothing.
    fill_deadline_ms: Option<u64>,
}

impl<S> std::fmt::Debug for Replica<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl<S: Store> Replica<S> {
    /// Opens a replica on its store; a new store gets the epoch of the settings with the first turn.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn open(store: S, mut settings: Settings) -> Result<Self, StoreError> {
        system::carry(&mut settings);
        let mut journal =
            Journal::open(store, (settings.epoch, settings.key.incarnation), settings.snapshots)?;
        for space in settings.spaces.keys() {
            journal.names.intern_space(&mut journal.rows, space)?;
        }
        let peers = Peers::load(&journal.rows, &settings.peers)?;
        let documents = Documents::new(settings.open_documents_bytes_max);
        let origin = origin_of(&settings.key);
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::SequenceReused) {
            journal.vectors.forget_last(journal.names.origin_number(origin));
        }
        let system = System::new(&settings);
        let mut replica = Self {
            settings,
            origin,
            journal,
            documents,
            loading: Loading::default(),
            peers,
            deflaters: wire::Deflaters::default(),
            turns: Turns::default(),
            materialiser: Materialiser::default(),
            indexes: Indexes::default(),
            watches: Watches::default(),
            waits: Waits::default(),
            hub: HubVector::default(),
            system,
            sketches: Sketches::default(),
            trimming: Trimming::default(),
            sessions: Sessions::default(),
            fill_steps: FillSteps::default(),
            strike: None,
            room: Room::default(),
            values_broken: 0,
            keys_gone: 0,
            keys_told_ms: None,
            view_number: 0,
            is_renewing: false,
            now_ms: 0,
            fill_deadline_ms: None,
        };
        replica.take_suspect()?;
        replica.open_system()?;
        replica.forget_outdated_indexes()?;
        Ok(replica)
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`StoreError`]: see [`Replica`].
    pub fn handle(&mut self, input: Input, clock: Clock) -> Result<(), StoreError> {
        self.trimming.wall_ms = clock.wall_ms;
        self.now_ms = clock.now_ms;
        match input {
            Input::Request { id, request } => {
                self.materialiser.is_busy = true;
                self.take_request(id, request, clock)
            }
            Input::PeerUp { link, peer, public_key } => self.handle_peer_up(link, &peer, public_key),
            Input::PeerDown { link } => {
                self.peers.disconnect(link);
                Ok(())
            }
            Input::Frame { link, bytes } => {
                self.materialiser.is_busy = true;
                self.handle_frame(link, &bytes, clock)
            }
            Input::WatchMore { id, credit } => {
                self.watches.grant(id, credit);
                Ok(())
            }
            Input::WatchEnd { id } => {
                self.watches.end(id);
                Ok(())
            }
            Input::Loaded(loaded) => {
                self.materialiser.is_busy = true;
                self.handle_loaded(*loaded, clock)
            }
            Input::Timeout => {
                self.answer_overdue(clock.now_ms);
                Ok(())
            }
            Input::Written(turn) => {
                self.turns.written(turn);
                Ok(())
            }
            Input::Room(room) => {
                self.handle_room(room);
                // What is held is refused now, before what is asked from here on is.
                if room == Room::ReadOnly { self.take_held(clock) } else { Ok(()) }
            }
            Input::Durable(turn) => {
                self.journal.settle(turn);
                self.documents.settle(turn);
                self.turns.settle(turn);
                self.peers.settle(turn);
                self.watches.unstall();
                self.settle_strike(turn)
            }
        }
    }

    /// Ends the turn: hands its batch to the store, and lets frames go out to peers. Returns whether more work waits
    /// without any further input; then call it again soon.
    ///
    /// # Errors
    /// [`StoreError`]: see [`Replica`].
    pub fn end_turn(&mut self) -> Result<bool, StoreError> {
        let works = self.materialise()?;
        let trims = self.trim()?;
        let fills = self.fill()?;
        self.follow_system()?;
        // Before the batch is handed over: watches bring values up to date.
        let works = self.pump_watches()? || works;
        let works = self.hold_acknowledgements()? || works;
        self.hold_fill_acknowledgements();
        self.peers.iter_mut().for_each(|peer| peer.save(&mut self.journal.rows));
        self.journal.submit()?;
        let last_in_flight = self.journal.rows.last_in_flight();
        self.turns.end(last_in_flight);
        self.peers.end_turn(last_in_flight);
        Ok(self.pump()? || works || trims || fills)
    }

    /// Checks the chain over the journal's rows after a position, at most `limit` of them, and returns the position
    /// of the last that holds: the next call goes on after it, until it returns the head.
    ///
    /// # Errors
    /// [`StoreError::BrokenJournal`] names the first row that does not follow the one before it.
    pub fn verify(&self, after: u64, limit: u64) -> Result<u64, StoreError> {
        let last = after.saturating_add(limit).min(self.journal.head());
        if last > after {
            self.journal.verify(after, last)?;
        }
        Ok(last.max(after))
    }

    /// The store: what is durable. For readers elsewhere take a snapshot of it.
    #[must_use]
    pub fn store(&self) -> &S {
        self.journal.rows.durable()
    }

    /// What others need to read the store's rows as of now. It serves until [`Replica::view_number`] is another.
    #[must_use]
    pub fn view(&self) -> View {
        let numbered = |space: &Space| Some((space.clone(), self.journal.names.space_number(space)?));
        View::new(self.settings.spaces.keys().filter_map(numbered).collect(), &self.settings.schemas)
    }

    /// Another one as soon as [`Replica::view`] is.
    #[must_use]
    pub fn view_number(&self) -> u64 {
        self.view_number
    }

    /// The next thing to do. Empty it after each turn.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.turns.pop()
    }

    /// When [`Input::Timeout`] is due at the latest, as [`Clock::now_ms`], and what for. To be asked after each turn.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(u64, Wake)> {
        // The earliest of all parts that wait for time.
        let parts = [
            self.waits.next_deadline_ms().map(|at_ms| (at_ms, Wake::Deadline)),
            self.fill_deadline_ms.map(|at_ms| (at_ms, Wake::Fill)),
        ];
        parts.into_iter().flatten().min_by_key(|(at_ms, _)| *at_ms)
    }

    /// Bytes written that are not durable, also by the turn that is going on: the edge takes no further input but durable notices
    /// while they are too many.
    #[must_use]
    pub fn in_flight_bytes(&self) -> usize {
        self.journal.rows.in_flight_bytes()
    }

    /// How many documents are open in memory, and how many bytes they take.
    #[must_use]
    pub fn open_documents(&self) -> (usize, u64) {
        (self.documents.count(), self.documents.bytes())
    }

    /// Under which origin it writes.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The version vector of a space, batches on their way included, by origin.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn vector(&self, space: &Space) -> Result<Vec<(Origin, VectorEntry)>, StoreError> {
        let number = self.journal.names.space_number(space);
        let entries = number.into_iter().flat_map(|number| self.journal.vectors.of(number));
        // A stream of which all was taken out is told to peers, and shown to nobody.
        let mut vector: Vec<_> = entries
            .filter(|(_, entry)| entry.sequence > 0)
            .map(|(origin, entry)| Ok((self.journal.names.origin(origin)?.0, entry)))
            .collect::<Result<_, StoreError>>()?;
        vector.sort_unstable_by_key(|(origin, _)| *origin);
        Ok(vector)
    }

    /// Whether documents of a space are missing that a peer is to fill it with; what waits for rows alone is none of that.
    #[must_use]
    pub fn lacks_documents(&self, space: &Space) -> bool {
        self.journal.names.space_number(space).is_some_and(|number| self.journal.lacks_documents(number))
    }

    /// The documents of a space and their heads, batches on their way included, by address.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn heads(&self, space: &Space) -> Result<Vec<(Address, Vec<ChangeHash>)>, StoreError> {
        self.journal.heads(space)
    }

    /// A digest over the sorted hashes of all changes that a document has, batches on their way included: equal where the
    /// changes are the same, in whatever order they came.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn changes_digest(&self, address: &Address) -> Result<[u8; 32], StoreError> {
        self.journal.changes_digest(address)
    }
}
