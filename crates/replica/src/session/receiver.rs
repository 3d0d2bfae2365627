use super::REWINDS_MAX;
use crate::effect::{DisconnectReason, Misbehaviour, StopReason};
use crate::journal::{DocumentPlace, Entry, Journal};
use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::settings::origin_of;
use crate::store::{Store, StoreError};
use document::{Address, ChangeRefusal, Collection, DEPENDENCIES_MAX, ForeignChange, Key, Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::{Delta, OriginKey, Row, TABLE_MAX};

/// Most incarnations of a key: stores that a replica has had. They are never forgotten, so they must not be many.
const INCARNATIONS_MAX: usize = 64;
/// Most heads of a document; half of what a change may depend on, so that a change can always join them.
const HEADS_MAX: u64 = DEPENDENCIES_MAX / 2;

/// Takes rows from a peer.
pub(crate) struct Receiver {
    generation: u32,
    epoch: u64,
    /// This replica's origin.
    own: Origin,
    /// Where the peer's next delta starts; `None` before the first of a generation.
    position: Option<u64>,
    writable: BTreeMap<Space, SpaceNumber>,
    /// The connection's tables.
    spaces: Vec<Space>,
    origins: Vec<(Origin, OriginKey)>,
    /// Streams of which a change was refused: nothing more of them is taken on this connection.
    stopped: BTreeSet<(SpaceNumber, Origin)>,
    /// An acknowledgement that leaves with the turn.
    ack_due: Option<u64>,
}

/// What a delta came to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Changes that the peer has: it sent them, and they are here.
    pub(crate) shown: Vec<(SpaceNumber, Origin, u64)>,
    /// Streams of which a change is refused, with its sequence.
    pub(crate) stopped: Vec<(Space, Origin, u64, StopReason)>,
    /// Rows do not follow what is here: the peer is asked to go back, to this generation.
    pub(crate) rewind: Option<u32>,
}

/// What became of one row.
enum Taken {
    Yes(SpaceNumber),
    /// It was here already, by another way.
    Had(SpaceNumber),
    Passed,
    Stopped(StopReason),
    Gap,
    /// The peer has more of this replica's own changes than this replica, which has so many.
    OwnPast(u64),
}

/// What a receiver must know of its peer and of time.
pub(crate) struct Context<'a> {
    pub(crate) public_key: &'a [u8; 32],
    pub(crate) relay: bool,
    pub(crate) wall_ms: i64,
}

impl Receiver {
    pub(crate) fn new(epoch: u64, own: Origin, writable: BTreeMap<Space, SpaceNumber>) -> Self {
        Self {
            generation: 0,
            epoch,
            own,
            position: None,
            writable,
            spaces: Vec::new(),
            origins: Vec::new(),
            stopped: BTreeSet::new(),
            ack_due: None,
        }
    }

    /// The acknowledgement that is due, once.
    pub(crate) fn take_ack(&mut self) -> Option<u64> {
        self.ack_due.take()
    }

    /// How far the peer's journal is here, with the delta just taken.
    pub(crate) fn cursor(&self) -> Option<wire::Cursor> {
        self.position.map(|lsn| wire::Cursor { epoch: self.epoch, lsn })
    }

    /// The spaces whose rows are taken.
    pub(crate) fn writable(&self) -> impl Iterator<Item = &Space> {
        self.writable.keys()
    }

    /// Takes a delta. A misbehaviour ends the connection; what was taken before it stays.
    pub(crate) fn take<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        delta: Delta,
        context: &Context<'_>,
    ) -> Result<Result<Outcome, DisconnectReason>, StoreError> {
        let mut outcome = Outcome::default();
        if let Err(misbehaviour) = self.extend_tables(&delta, context) {
            return Ok(Err(misbehaviour.into()));
        }
        if delta.generation != self.generation {
            return Ok(Ok(outcome));
        }
        if delta.to < delta.from || self.position.is_some_and(|position| position != delta.from) {
            return Ok(Err(Misbehaviour::Position.into()));
        }
        let documents: Result<Vec<Address>, Misbehaviour> =
            delta.documents.iter().map(|name| self.address(name)).collect();
        let documents = match documents {
            Ok(documents) => documents,
            Err(misbehaviour) => return Ok(Err(misbehaviour.into())),
        };
        for row in delta.rows {
            let place = (documents.get(row.document as usize), self.origins.get(row.origin as usize));
            let (Some(address), Some(&origin)) = place else { return Ok(Err(Misbehaviour::Table.into())) };
            let sequence = row.sequence;
            match self.take_row(journal, address, origin, &row, context.wall_ms)? {
                Taken::Passed => {}
                Taken::Yes(space) | Taken::Had(space) => outcome.shown.push((space, origin.0, sequence)),
                Taken::Stopped(reason) => {
                    outcome.stopped.push((address.space.clone(), origin.0, sequence, reason));
                }
                Taken::OwnPast(ours) => {
                    let (space, theirs) = (address.space.clone(), sequence);
                    return Ok(Err(DisconnectReason::RolledBack { space, theirs, ours }));
                }
                Taken::Gap if self.generation >= REWINDS_MAX => return Ok(Err(Misbehaviour::Gap.into())),
                Taken::Gap => {
                    self.generation += 1;
                    self.position = None;
                    // It would reach the peer after the rewind, and be taken for the new generation's.
                    self.ack_due = None;
                    outcome.rewind = Some(self.generation);
                    return Ok(Ok(outcome));
                }
            }
        }
        self.position = Some(delta.to);
        self.ack_due = Some(delta.to);
        Ok(Ok(outcome))
    }

    fn extend_tables(&mut self, delta: &Delta, context: &Context<'_>) -> Result<(), Misbehaviour> {
        if self.spaces.len() + delta.spaces.len() > TABLE_MAX
            || self.origins.len() + delta.origins.len() > TABLE_MAX
        {
            return Err(Misbehaviour::TableFull);
        }
        for space in &delta.spaces {
            let space = Space::new(space.as_str()).map_err(|_| Misbehaviour::Name)?;
            if !self.writable.contains_key(&space) {
                return Err(Misbehaviour::Space);
            }
            self.spaces.push(space);
        }
        for key in &delta.origins {
            if key.public_key != *context.public_key && !context.relay {
                return Err(Misbehaviour::Relay);
            }
            self.origins.push((origin_of(key), *key));
        }
        Ok(())
    }

    fn address(&self, name: &wire::DocumentName) -> Result<Address, Misbehaviour> {
        let space = self.spaces.get(name.space as usize).ok_or(Misbehaviour::Table)?.clone();
        match (Collection::new(name.collection.as_str()), Key::new(name.key.as_str())) {
            (Ok(collection), Ok(key)) => Ok(Address { space, collection, key }),
            (Err(_), _) | (_, Err(_)) => Err(Misbehaviour::Name),
        }
    }

    fn take_row<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        address: &Address,
        (origin, key): (Origin, OriginKey),
        row: &Row,
        accepted_ms: i64,
    ) -> Result<Taken, StoreError> {
        let Some(&space) = self.writable.get(&address.space) else { return Ok(Taken::Passed) };
        let has = journal
            .names
            .origin_number(origin)
            .map_or(0, |origin| journal.vectors.get(space, origin).sequence);
        if row.sequence <= has {
            return Ok(Taken::Had(space));
        }
        if self.stopped.contains(&(space, origin)) {
            return Ok(Taken::Passed);
        }
        if origin == self.own {
            return Ok(Taken::OwnPast(has));
        }
        if row.sequence > has + 1 {
            return Ok(Taken::Gap);
        }
        let change = match ForeignChange::parse(&row.body) {
            Ok(change) if change.origin == origin => change,
            Ok(_) => return Ok(self.stop(space, origin, ChangeRefusal::Actor.into())),
            Err(refusal) => return Ok(self.stop(space, origin, refusal.into())),
        };
        let place = journal.document(address)?;
        if !has_all(journal, place.as_ref(), &change)? {
            let stopped = self.stopped.iter().any(|(of, _)| *of == space);
            return Ok(if stopped {
                self.stop(space, origin, StopReason::DependsOnStopped)
            } else {
                Taken::Gap
            });
        }
        if let Some(reason) = check_room(journal, place.as_ref(), &change, &key)? {
            return Ok(self.stop(space, origin, reason));
        }
        let mut place = match place {
            Some(place) => place,
            None => journal.new_document(address)?,
        };
        let origin: OriginNumber = journal.names.intern_origin(&mut journal.rows, key)?;
        let (hash, dependencies, chunk) = (change.hash, &change.dependencies, change.chunk);
        journal.append(address, &mut place, Entry { origin, hash, dependencies, chunk, accepted_ms })?;
        Ok(Taken::Yes(space))
    }

    fn stop(&mut self, space: SpaceNumber, origin: Origin, reason: StopReason) -> Taken {
        self.stopped.insert((space, origin));
        Taken::Stopped(reason)
    }
}

/// Whether everything that a change depends on is here.
fn has_all<S: Store>(
    journal: &Journal<S>,
    place: Option<&DocumentPlace>,
    change: &ForeignChange,
) -> Result<bool, StoreError> {
    let Some(place) = place else { return Ok(change.dependencies.is_empty()) };
    for dependency in &change.dependencies {
        if !place.is_head(dependency) && !journal.rows.has(&keys::hash(place.number(), dependency))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why a sound change is refused all the same.
fn check_room<S: Store>(
    journal: &Journal<S>,
    place: Option<&DocumentPlace>,
    change: &ForeignChange,
    key: &OriginKey,
) -> Result<Option<StopReason>, StoreError> {
    let known = journal.names.origin_number(change.origin).is_some();
    if !known && journal.names.incarnations(&key.public_key) >= INCARNATIONS_MAX {
        return Ok(Some(StopReason::TooManyIncarnations));
    }
    let Some(place) = place else { return Ok(None) };
    if journal.rows.has(&keys::hash(place.number(), &change.hash))? {
        return Ok(Some(StopReason::Repeated));
    }
    let joins = change.dependencies.iter().any(|dependency| place.is_head(dependency));
    let full = !joins && place.heads() >= HEADS_MAX;
    Ok(full.then_some(StopReason::TooManyHeads))
}
