use super::{REWINDS_MAX, StopCause};
use crate::access::{Delivery, Identities, PublicKey, Rights};
use crate::effect::{DisconnectReason, Misbehaviour, StopReason};
use crate::journal::{DocumentPlace, Entry, Journal};
use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::request::{TRANSACTION_BYTES_MAX, TRANSACTION_CHANGES_MAX};
use crate::settings::origin_of;
use crate::store::{Store, StoreError};
use document::{
    Address, ChangeHash, ChangeRefusal, Collection, DEPENDENCIES_MAX, ForeignChange, Key, Origin, Space,
};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use wire::{Delta, DeltaDecoder, DocumentPlace as PlaceName, OriginKey, PackedDelta, Row, Stopped, Unpacked};

/// Most incarnations of a key: stores that a replica has had. They are never forgotten, so they must not be many.
pub(super) const INCARNATIONS_MAX: usize = 64;
/// Most streams that are stopped on a connection. A peer that makes up incarnations makes no more of them.
const STREAMS_STOPPED_MAX: usize = 16 * wire::STOPPED_MAX;
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
    /// The spaces of which rows are taken, and what the peer may do there.
    writable: BTreeMap<Space, (SpaceNumber, Rights)>,
    decoder: DeltaDecoder,
    /// Of the delta that is being taken.
    spaces: Vec<Space>,
    origins: Vec<(Origin, OriginKey)>,
    /// Streams of which a change was refused: nothing more of them is taken on this connection.
    stopped: BTreeMap<(SpaceNumber, Origin), Stop>,
    /// An acknowledgement that leaves with the turn.
    ack_due: Option<u64>,
    /// Streams that stopped since the last one.
    stopped_due: Vec<Stopped>,
    /// Streams of which the peer was told in this generation that they stopped.
    told: BTreeSet<(Space, Origin)>,
}

/// Why a stream is stopped.
enum Stop {
    /// For good.
    Refused(StopReason),
    /// Another stream of the space was.
    DependsOnStopped,
    /// For want of a right to this change.
    Access { space: Space, key: OriginKey, sequence: u64, reason: StopReason },
}

impl Stop {
    fn reason(&self) -> StopReason {
        match self {
            Self::Refused(reason) | Self::Access { reason, .. } => *reason,
            Self::DependsOnStopped => StopReason::DependsOnStopped,
        }
    }
}

/// Whether streams can be taken again.
pub(crate) enum Reconsidered {
    /// None is to be asked for.
    Settled,
    /// The peer is asked to go back, to this generation.
    Rewind(u32),
    /// It was asked too often on this connection.
    Exhausted,
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
    pub(crate) public_key: &'a PublicKey,
    pub(crate) identities: &'a Identities,
    pub(crate) wall_ms: i64,
}

impl Receiver {
    pub(crate) fn new(epoch: u64, own: Origin, writable: BTreeMap<Space, (SpaceNumber, Rights)>) -> Self {
        Self {
            generation: 0,
            epoch,
            own,
            position: None,
            writable,
            decoder: DeltaDecoder::default(),
            spaces: Vec::new(),
            origins: Vec::new(),
            stopped: BTreeMap::new(),
            ack_due: None,
            stopped_due: Vec::new(),
            told: BTreeSet::new(),
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

    /// Whether rows of the space are taken.
    pub(crate) fn writes(&self, space: SpaceNumber) -> bool {
        self.writable.values().any(|(number, _)| *number == space)
    }

    /// The space's number, when its rows are taken.
    pub(crate) fn takes(&self, space: &Space) -> Option<SpaceNumber> {
        self.writable.get(space).map(|(number, _)| *number)
    }

    /// The spaces whose rows are taken.
    pub(crate) fn writable(&self) -> impl Iterator<Item = &Space> {
        self.writable.keys()
    }

    /// Takes a delta. A misbehaviour ends the connection; what was taken before it stays.
    pub(crate) fn take<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        packed: &PackedDelta,
        context: &Context<'_>,
    ) -> Result<Result<Outcome, DisconnectReason>, StoreError> {
        let mut outcome = Outcome::default();
        if packed.generation != self.generation {
            return Ok(Ok(outcome));
        }
        let mut failure = None;
        let unpacked = self.decoder.unpack(packed, |place, prefix| {
            resolve(journal, place, prefix).unwrap_or_else(|error| {
                failure = Some(error);
                None
            })
        });
        if let Some(error) = failure {
            return Err(error);
        }
        let delta = match unpacked {
            Ok(Unpacked::Delta(delta)) => delta,
            Ok(Unpacked::Gap) if self.generation >= REWINDS_MAX => return Ok(Err(Misbehaviour::Gap.into())),
            Ok(Unpacked::Gap) => {
                outcome.rewind = Some(self.rewind());
                return Ok(Ok(outcome));
            }
            Err(error) => return Ok(Err(Misbehaviour::Frame(error).into())),
        };
        if let Err(misbehaviour) = self.take_names(&delta, context) {
            return Ok(Err(misbehaviour.into()));
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
            match self.take_transaction(journal, (&documents, transaction), context, &mut outcome)? {
                Ok(()) => {}
                Err(Refusal::Leave(reason)) => return Ok(Err(reason)),
                Err(Refusal::Gap) if self.generation >= REWINDS_MAX => {
                    return Ok(Err(Misbehaviour::Gap.into()));
                }
                Err(Refusal::Gap) => {
                    outcome.rewind = Some(self.rewind());
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

    /// Begins the next generation.
    fn rewind(&mut self) -> u32 {
        self.generation += 1;
        self.position = None;
        // It would reach the peer after the rewind, and be taken for the new generation's.
        self.ack_due = None;
        // The peer forgets which streams stopped: it is told again.
        self.stopped_due.clear();
        self.told.clear();
        self.generation
    }

    /// What is known of rights changed: streams that were stopped for want of one are taken up again.
    pub(crate) fn reconsider(&mut self, identities: &Identities, peer: &PublicKey) -> Reconsidered {
        let mut freed = BTreeSet::new();
        for ((number, origin), stop) in &self.stopped {
            let Stop::Access { space, key, sequence, .. } = stop else { continue };
            let rights = self.writable.get(space).map_or_else(Rights::default, |(_, rights)| *rights);
            let (origin, sequence) = (*origin, *sequence);
            if identities.check(&Delivery { peer, rights, space, origin, key, sequence }).is_ok() {
                freed.insert((*number, origin));
            }
        }
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::RightNeverWakes) {
            freed.clear();
        }
        if freed.is_empty() {
            return Reconsidered::Settled;
        }
        let spaces: BTreeSet<SpaceNumber> = freed.iter().map(|(space, _)| *space).collect();
        self.stopped.retain(|stream, stop| {
            let hangs_on_freed = matches!(stop, Stop::DependsOnStopped) && spaces.contains(&stream.0);
            !freed.contains(stream) && !hangs_on_freed
        });
        match self.position {
            // A rewind is under way.
            None => Reconsidered::Settled,
            // The last one is left for a gap.
            Some(_) if self.generation + 1 >= REWINDS_MAX => Reconsidered::Exhausted,
            Some(_) => Reconsidered::Rewind(self.rewind()),
        }
    }

    fn take_names(&mut self, delta: &Delta, context: &Context<'_>) -> Result<(), Misbehaviour> {
        self.spaces.clear();
        self.origins.clear();
        for space in &delta.spaces {
            let space = Space::new(space.as_str()).map_err(|_| Misbehaviour::Name)?;
            if !self.writable.contains_key(&space) {
                return Err(Misbehaviour::Space);
            }
            self.spaces.push(space);
        }
        // With an authority each row is looked at: rights change, and a peer may not know yet.
        let may_relay =
            context.identities.has_authority() || self.writable.values().any(|(_, rights)| rights.relay);
        #[cfg(isle_planted)]
        let may_relay = may_relay || crate::planted::is(crate::planted::Bug::AcceptedByDeliverer);
        for key in &delta.origins {
            if key.public_key != *context.public_key && !may_relay {
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
        context: &Context<'_>,
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
            match self.check_row(journal, context, address, (origin, before), row)? {
                Checked::Ready(checked) => ready.push(checked),
                Checked::Had(space) => outcome.shown.push((space, origin.0, sequence)),
                Checked::Passed => return Ok(Ok(())),
                Checked::Stopped(reason) => {
                    self.tell_stopped(journal, address, (origin.0, reason));
                    outcome.stopped.push((address.space.clone(), origin.0, sequence, reason));
                    let too_many = self.stopped.len() > STREAMS_STOPPED_MAX;
                    let refused = too_many.then(|| Refusal::Leave(Misbehaviour::TooManyEntries.into()));
                    return Ok(refused.map_or(Ok(()), Err));
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
            append(journal, checked, context.wall_ms)?;
        }
        Ok(Ok(()))
    }

    /// Whether a row can be taken after `before` others of its stream. Writes nothing.
    fn check_row<'a, S: Store>(
        &mut self,
        journal: &Journal<S>,
        context: &Context<'_>,
        address: &'a Address,
        ((origin, key), before): ((Origin, OriginKey), u64),
        row: &Row,
    ) -> Result<Checked<'a>, StoreError> {
        let Some(&(space, rights)) = self.writable.get(&address.space) else { return Ok(Checked::Passed) };
        let has = journal
            .names
            .origin_number(origin)
            .map_or(0, |origin| journal.vectors.get(space, origin).sequence);
        let sequence = row.sequence;
        if sequence <= has {
            return Ok(Checked::Had(space));
        }
        if let Some(stop) = self.stopped.get(&(space, origin)) {
            self.tell_stopped(journal, address, (origin, stop.reason()));
            return Ok(Checked::Passed);
        }
        let (peer, in_space) = (context.public_key, &address.space);
        let delivery = Delivery { peer, rights, space: in_space, origin, key: &key, sequence };
        if let Err(reason) = context.identities.check(&delivery) {
            let stop = Stop::Access { space: in_space.clone(), key, sequence, reason };
            self.stopped.insert((space, origin), stop);
            return Ok(Checked::Stopped(reason));
        }
        // Of one's own past only who relays in the space is believed: a row from anybody else is refused above.
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
            && !known.is_followed_by(&change.dependencies)
            && journal.is_unstamped(known, &change.hash)?
        {
            let checked = CheckedRow { space, address, place, key, change, sequence, follow, is_known: true };
            return Ok(Checked::Ready(Box::new(checked)));
        }
        if !has_all(journal, place.as_ref(), &change)? {
            // What was beyond a cut never comes: after some rewinds what hangs on it stops, and the rest goes on.
            let stopped = self.stopped.keys().any(|(of, _)| *of == space)
                || self.generation >= REWINDS_MAX && context.identities.is_cut(in_space);
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
    fn tell_stopped<S: Store>(
        &mut self,
        journal: &Journal<S>,
        address: &Address,
        (origin, reason): (Origin, StopReason),
    ) {
        let number = journal.names.origin_number(origin).zip(self.writable.get(&address.space));
        let sequence = number.map_or(0, |(origin, space)| journal.vectors.get(space.0, origin).sequence);
        if !self.told.insert((address.space.clone(), origin)) {
            return;
        }
        let space = address.space.as_str().to_owned();
        let cause = StopCause::of(reason).and_then(StopCause::number);
        self.stopped_due.push(Stopped { space, origin: origin.0, sequence, cause });
    }

    fn stop<'a>(&mut self, space: SpaceNumber, origin: Origin, reason: StopReason) -> Checked<'a> {
        let depends = reason == StopReason::DependsOnStopped;
        let stop = if depends { Stop::DependsOnStopped } else { Stop::Refused(reason) };
        self.stopped.insert((space, origin), stop);
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

/// A change of a document whose hash begins so. It may be another one than is meant: the digest of the delta tells.
fn resolve<S: Store>(
    journal: &Journal<S>,
    place: &PlaceName<'_>,
    prefix: &[u8; 8],
) -> Result<Option<[u8; 32]>, StoreError> {
    let names = (Space::new(place.space), Collection::new(place.collection), Key::new(place.key));
    let (Ok(space), Ok(collection), Ok(key)) = names else { return Ok(None) };
    let Some(place) = journal.document(&Address { space, collection, key })? else { return Ok(None) };
    let (heads, _) = place.row.heads.as_chunks::<32>();
    if let Some(head) = heads.iter().find(|head| head.starts_with(prefix)) {
        return Ok(Some(*head));
    }
    let mut first = [0; 32];
    first.first_chunk_mut().into_iter().for_each(|start: &mut [u8; 8]| *start = *prefix);
    let row = journal.rows.scan(keys::hashes_from(place.number(), &ChangeHash(first))).next().transpose()?;
    let hash = row.as_ref().and_then(|(key, _)| key.last_chunk::<32>());
    Ok(hash.copied().filter(|hash| hash.starts_with(prefix)))
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
    if place.is_followed_by(&change.dependencies) {
        return Ok(None);
    }
    if journal.rows.has(&keys::hash(place.number(), &change.hash))? {
        return Ok(Some(StopReason::Repeated));
    }
    // Of a document with dropped changes one that joins heads comes this far.
    let joins = change.dependencies.iter().any(|dependency| place.is_head(dependency));
    Ok((!joins && place.heads() >= HEADS_MAX).then_some(StopReason::TooManyHeads))
}
