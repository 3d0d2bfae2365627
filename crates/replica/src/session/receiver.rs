use super::REWINDS_MAX;
use crate::effect::{DisconnectReason, Misbehaviour, StopReason};
use crate::journal::{DocumentPlace, Entry, Journal};
use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::request::{TRANSACTION_BYTES_MAX, TRANSACTION_CHANGES_MAX};
use crate::settings::origin_of;
use crate::store::{Store, StoreError};
use document::{Address, ChangeRefusal, Collection, DEPENDENCIES_MAX, ForeignChange, Key, Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use wire::{Delta, OriginKey, Row, STOPPED_MAX, Stopped, TABLE_MAX};

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
    /// Streams that stopped since the last one.
    stopped_due: Vec<Stopped>,
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

/// Whether a row can be taken.
enum Checked<'a> {
    Ready(Box<CheckedRow<'a>>),
    /// It was here already, by another way.
    Had(SpaceNumber),
    Passed,
    Stopped(StopReason),
    Gap,
    /// The peer has more of this replica's own changes than this replica, which has so many.
    OwnPast(u64),
}

/// A row that can be taken.
struct CheckedRow<'a> {
    space: SpaceNumber,
    address: &'a Address,
    place: Option<DocumentPlace>,
    key: OriginKey,
    change: ForeignChange,
    sequence: u64,
    follow: u16,
    /// It came by a fill before, without its stamp.
    is_known: bool,
}

/// Why the rest of a delta is not taken.
enum Refusal {
    Gap,
    Leave(DisconnectReason),
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
            stopped_due: Vec::new(),
        }
    }

    /// The acknowledgement that is due, once: a position, and the streams that stopped.
    pub(crate) fn take_ack(&mut self) -> Option<(u64, Vec<Stopped>)> {
        Some((self.ack_due.take()?, std::mem::take(&mut self.stopped_due)))
    }

    /// How far the peer's journal is here, with the delta just taken.
    pub(crate) fn cursor(&self) -> Option<wire::Cursor> {
        self.position.map(|lsn| wire::Cursor { epoch: self.epoch, lsn })
    }

    /// The space's number, when its rows are taken.
    pub(crate) fn takes(&self, space: &Space) -> Option<SpaceNumber> {
        self.writable.get(space).copied()
    }

    /// The spaces whose rows are taken.
    pub(crate) fn writable(&self) -> impl Iterator<Item = &Space> {
        self.writable.keys()
    }

    /// Takes a delta. A misbehaviour ends the connection; what was taken before it stays.
    pub(crate) fn take<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        delta: &Delta,
        context: &Context<'_>,
    ) -> Result<Result<Outcome, DisconnectReason>, StoreError> {
        let mut outcome = Outcome::default();
        if let Err(misbehaviour) = self.extend_tables(delta, context) {
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
        let mut rest = delta.rows.as_slice();
        while let Some((transaction, after)) = first_transaction(rest) {
            rest = after;
            match self.take_transaction(journal, (&documents, transaction), context.wall_ms, &mut outcome)? {
                Ok(()) => {}
                Err(Refusal::Leave(reason)) => return Ok(Err(reason)),
                Err(Refusal::Gap) if self.generation >= REWINDS_MAX => {
                    return Ok(Err(Misbehaviour::Gap.into()));
                }
                Err(Refusal::Gap) => {
                    self.generation += 1;
                    self.position = None;
                    // It would reach the peer after the rewind, and be taken for the new generation's.
                    self.ack_due = None;
                    self.stopped_due.clear();
                    self.stopped.clear();
                    outcome.rewind = Some(self.generation);
                    return Ok(Ok(outcome));
                }
            }
        }
        if !rest.is_empty() {
            return Ok(Err(Misbehaviour::Transaction.into()));
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
        #[cfg(isle_planted)]
        let context = &Context {
            relay: context.relay || crate::planted::is(crate::planted::Bug::AcceptedByDeliverer),
            ..*context
        };
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

    /// Takes the rows of a transaction, all or none of those that are not here yet. A row alone is one.
    fn take_transaction<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        (documents, rows): (&[Address], &[Row]),
        accepted_ms: i64,
        outcome: &mut Outcome,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let bytes = rows.iter().map(|row| row.body.len()).sum::<usize>();
        if rows.len() > 1 && bytes > TRANSACTION_BYTES_MAX {
            return Ok(Err(Refusal::Leave(Misbehaviour::Transaction.into())));
        }
        let mut ready = Vec::with_capacity(rows.len());
        let mut addresses = BTreeSet::new();
        for row in rows {
            let place = (documents.get(row.document as usize), self.origins.get(row.origin as usize));
            let (Some(address), Some(&origin)) = place else {
                return Ok(Err(Refusal::Leave(Misbehaviour::Table.into())));
            };
            let elsewhere = addresses.first().is_some_and(|first: &&Address| first.space != address.space);
            if elsewhere || !addresses.insert(address) {
                return Ok(Err(Refusal::Leave(Misbehaviour::Transaction.into())));
            }
            let (sequence, before) = (row.sequence, ready.len() as u64);
            match self.check_row(journal, address, (origin, before), row)? {
                Checked::Ready(checked) => ready.push(checked),
                Checked::Had(space) => outcome.shown.push((space, origin.0, sequence)),
                Checked::Passed => return Ok(Ok(())),
                Checked::Stopped(reason) => {
                    self.tell_stopped(journal, address, origin.0);
                    outcome.stopped.push((address.space.clone(), origin.0, sequence, reason));
                    return Ok(Ok(()));
                }
                Checked::OwnPast(ours) => {
                    let (space, theirs) = (address.space.clone(), sequence);
                    let reason = DisconnectReason::RolledBack { space, theirs, ours };
                    return Ok(Err(Refusal::Leave(reason)));
                }
                Checked::Gap => return Ok(Err(Refusal::Gap)),
            }
        }
        for checked in ready {
            outcome.shown.push((checked.space, checked.change.origin, checked.sequence));
            append(journal, checked, accepted_ms)?;
        }
        Ok(Ok(()))
    }

    /// Whether a row can be taken after `before` others of its stream. Writes nothing.
    fn check_row<'a, S: Store>(
        &mut self,
        journal: &Journal<S>,
        address: &'a Address,
        ((origin, key), before): ((Origin, OriginKey), u64),
        row: &Row,
    ) -> Result<Checked<'a>, StoreError> {
        let Some(&space) = self.writable.get(&address.space) else { return Ok(Checked::Passed) };
        let has = journal
            .names
            .origin_number(origin)
            .map_or(0, |origin| journal.vectors.get(space, origin).sequence);
        let sequence = row.sequence;
        if sequence <= has {
            return Ok(Checked::Had(space));
        }
        if self.stopped.contains(&(space, origin)) {
            return Ok(Checked::Passed);
        }
        if origin == self.own {
            return Ok(Checked::OwnPast(has));
        }
        #[cfg(isle_planted)]
        let sequence = match crate::planted::is(crate::planted::Bug::GapAccepted) {
            true => has + before + 1,
            false => sequence,
        };
        if sequence > has + before + 1 {
            return Ok(Checked::Gap);
        }
        let change = match ForeignChange::parse(&row.body) {
            Ok(change) if change.origin == origin => change,
            Ok(_) => return Ok(self.stop(space, origin, ChangeRefusal::Actor.into())),
            Err(refusal) => return Ok(self.stop(space, origin, refusal.into())),
        };
        let place = journal.document(address)?;
        let follow = row.follow.map_or(0, NonZeroU16::get);
        if let Some(known) = &place
            && journal.is_unstamped(known, &change.hash)?
        {
            let checked = CheckedRow { space, address, place, key, change, sequence, follow, is_known: true };
            return Ok(Checked::Ready(Box::new(checked)));
        }
        if !has_all(journal, place.as_ref(), &change)? {
            let stopped = self.stopped.iter().any(|(of, _)| *of == space);
            return Ok(if stopped {
                self.stop(space, origin, StopReason::DependsOnStopped)
            } else {
                Checked::Gap
            });
        }
        if let Some(reason) = check_room(journal, place.as_ref(), &change, &key)? {
            return Ok(self.stop(space, origin, reason));
        }
        let checked = CheckedRow { space, address, place, key, change, sequence, follow, is_known: false };
        Ok(Checked::Ready(Box::new(checked)))
    }

    /// The peer is told of a stream that stopped, so that it neither sends more of it nor takes it as had.
    fn tell_stopped<S: Store>(&mut self, journal: &Journal<S>, address: &Address, origin: Origin) {
        let number = journal.names.origin_number(origin).zip(self.writable.get(&address.space));
        let sequence = number.map_or(0, |(origin, space)| journal.vectors.get(*space, origin).sequence);
        if self.stopped_due.len() < STOPPED_MAX {
            let space = address.space.as_str().to_owned();
            self.stopped_due.push(Stopped { space, origin: origin.0, sequence });
        }
    }

    fn stop<'a>(&mut self, space: SpaceNumber, origin: Origin, reason: StopReason) -> Checked<'a> {
        self.stopped.insert((space, origin));
        Checked::Stopped(reason)
    }
}

/// The rows of the first transaction, and those after it; `None` when there is none, or it is not whole: the rows of
/// one are of one stream, consecutive, and count down.
fn first_transaction(rows: &[Row]) -> Option<(&[Row], &[Row])> {
    let first = rows.first()?;
    let follow = first.follow.map_or(0, |follow| usize::from(follow.get()));
    if follow >= TRANSACTION_CHANGES_MAX {
        return None;
    }
    let (transaction, rest) = rows.split_at_checked(follow + 1)?;
    let counts_down = transaction.iter().enumerate().all(|(index, row)| {
        row.origin == first.origin
            && row.sequence == first.sequence.saturating_add(index as u64)
            && row.follow.map_or(0, |follow| usize::from(follow.get())) == follow - index
    });
    counts_down.then_some((transaction, rest))
}

fn append<S: Store>(
    journal: &mut Journal<S>,
    checked: Box<CheckedRow<'_>>,
    accepted_ms: i64,
) -> Result<(), StoreError> {
    let CheckedRow { address, place, key, change, follow, is_known, .. } = *checked;
    let mut place = match place {
        Some(place) => place,
        None => journal.new_document(address)?,
    };
    let origin: OriginNumber = journal.names.intern_origin(&mut journal.rows, key)?;
    let (hash, dependencies, chunk) = (change.hash, &change.dependencies, change.chunk);
    let entry = Entry { origin, hash, dependencies, chunk, accepted_ms, follow, value: None };
    if is_known {
        journal.append_known(&place, entry);
    } else {
        journal.append(address, &mut place, entry)?;
    }
    Ok(())
}

/// Whether everything that a change depends on is here.
pub(super) fn has_all<S: Store>(
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
pub(super) fn check_room<S: Store>(
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
