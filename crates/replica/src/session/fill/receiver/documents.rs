//! Documents of a fill: each is taken in parts, a part as a whole document or as changes.

use super::{Asked, FillContext, Filling, Handled, SEQUENCE_MAX, Stage, Step, has_room};
use crate::effect::{DisconnectReason, Misbehaviour, StopReason};
use crate::journal::{DAMAGED, DocumentPlace, Entry, FilledDocument, Journal};
use crate::keys;
use crate::session::receiver::{check_room, has_all};
use crate::settings::origin_of;
use crate::store::{Store, StoreError, undamaged};
use document::{Address, Collection, Document, ForeignChange, Key, Origin};
use std::collections::{BTreeMap, BTreeSet};
use wire::{FillDocument, FillDocuments, OriginKey};

/// What became of a part of a document.
enum Part {
    Taken,
    /// Something that it depends on is missing.
    Lacks,
    Stopped(StopReason),
    /// It has a change of this replica's present origin that this replica does not have.
    OwnPast,
    /// It has another change of this origin under a number that is taken here.
    Forked(Origin),
}

/// How many changes each origin has in a document, once somebody must know.
type Numbers = Option<BTreeMap<Origin, u64>>;

impl Filling {
    /// Documents came.
    pub(crate) fn take_documents<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        frame: FillDocuments,
        context: &FillContext<'_>,
    ) -> Handled<Step> {
        if !matches!(self.stage, Stage::Receiving) || frame.number != self.number.wrapping_add(1) {
            return Ok(Err(Misbehaviour::Fill.into()));
        }
        (self.number, self.ack_due) = (frame.number, Some(frame.number));
        for key in frame.origins {
            if !context.may_bring(&key) {
                self.denied.insert(key.public_key);
                if self.denied.len() > wire::VECTOR_ENTRIES_MAX {
                    return Ok(Err(Misbehaviour::TooManyEntries.into()));
                }
                continue;
            }
            if self.origins.len() >= wire::VECTOR_ENTRIES_MAX {
                return Ok(Err(Misbehaviour::TooManyEntries.into()));
            }
            self.origins.insert(origin_of(&key), key);
        }
        // From here on documents are missing, or ahead of the vector. An offer alone changes nothing.
        if !self.is_beyond_vector {
            journal.begin_fill(self.space);
        }
        let told = frame.vector.iter().chain(&frame.filled).map(|of| (Origin(of.origin), of.sequence));
        // What others wrote is not taken from a peer that may not relay: its documents bring none of it. What was offered is
        // looked at each time: more of it may be allowed than with the frame before.
        let reach = self.offered().chain(told).filter_map(|(origin, sequence)| {
            let key = self.origins.get(&origin)?;
            Some((origin, context.reach((key, sequence.min(SEQUENCE_MAX)))))
        });
        journal.raise_until(self.space, reach);
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::AdoptedEarly) {
            self.adopt_vector(journal)?;
        }
        if journal.until(self.space).len() > wire::VECTOR_ENTRIES_MAX {
            return Ok(Err(Misbehaviour::TooManyEntries.into()));
        }
        for document in frame.documents {
            if let Err(reason) = self.take_document(journal, &document, context)? {
                return Ok(Err(reason));
            }
            if self.forked.is_some() {
                return Ok(Ok(Step::default()));
            }
        }
        if frame.is_short {
            self.left_out.get_or_insert(StopReason::FillerDamaged);
            self.asked
                .values_mut()
                .filter(|asked| **asked == Asked::Waits)
                .for_each(|asked| *asked = Asked::Came);
        }
        Ok(if frame.is_done { self.asked_for() } else { Ok(Step::default()) })
    }

    fn take_document<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        document: &FillDocument,
        context: &FillContext<'_>,
    ) -> Handled<()> {
        let names =
            (Collection::new(document.name.collection.as_str()), Key::new(document.name.key.as_str()));
        let (Ok(collection), Ok(key)) = names else { return Ok(Err(Misbehaviour::Name.into())) };
        let digest = {
            let (_, key) = keys::document(self.space, &collection, &key);
            self.item_key.document(keys::name_bytes(&key).ok_or(DAMAGED)?)
        };
        if !self.all && !self.asked.contains_key(&digest) {
            return Ok(Err(Misbehaviour::Fill.into()));
        }
        if self.asked.get(&digest) == Some(&Asked::LeftOut) {
            // What follows rests on what was refused.
            return Ok(Ok(()));
        }
        let address = Address { space: self.name.clone(), collection, key };
        let part = match self.take_part(journal, &address, document, context)? {
            Ok(part) => part,
            Err(misbehaviour) => return Ok(Err(misbehaviour.into())),
        };
        let asked = match part {
            Part::Stopped(reason) => self.leave_out(reason),
            Part::OwnPast => match self.own_past(journal, context) {
                Ok(reason) => self.leave_out(reason),
                Err(rolled_back) => return Ok(Err(rolled_back)),
            },
            Part::Forked(origin) => {
                self.forked = Some(origin);
                return Ok(Ok(()));
            }
            Part::Lacks => Asked::Failed,
            Part::Taken if document.heads.is_empty() => return Ok(Ok(())),
            Part::Taken => {
                self.documents += 1;
                if has_heads(journal, &address, &document.heads)? { Asked::Came } else { Asked::Failed }
            }
        };
        // Of two documents whose names collide the one that came counts.
        if !self.all || matches!(asked, Asked::Failed | Asked::LeftOut) {
            self.asked.insert(digest, asked);
        }
        Ok(Ok(()))
    }

    /// A document does not come whole: the others do.
    fn leave_out(&mut self, reason: StopReason) -> Asked {
        self.left_out.get_or_insert(reason);
        Asked::LeftOut
    }

    fn take_part<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        address: &Address,
        part: &FillDocument,
        context: &FillContext<'_>,
    ) -> Result<Result<Part, Misbehaviour>, StoreError> {
        let mut place = journal.document(address)?;
        let mut numbers = None;
        if let Some(snapshot) = &part.snapshot {
            if !context.rights.snapshot {
                return Ok(Err(Misbehaviour::Fill));
            }
            let Some(loaded) = Loaded::read(&snapshot.0) else { return Ok(Err(Misbehaviour::Fill)) };
            if place.is_some() {
                // It was written here meanwhile: its changes are taken one by one.
                for change in loaded.changes {
                    let document = (address, &mut place, &mut numbers);
                    match self.take_change(journal, document, change, context.wall_ms)? {
                        Ok(Part::Taken) => {}
                        other => return Ok(other),
                    }
                }
            } else {
                let keys = loaded.changes.iter().map(|change| self.key_of(change));
                let keys: Vec<OriginKey> = match keys.collect() {
                    Ok(keys) => keys,
                    Err(refusal) => return Ok(refusal),
                };
                if !has_room(journal, BTreeSet::from_iter(&keys).into_iter()) {
                    return Ok(Ok(Part::Stopped(StopReason::TooManyIncarnations)));
                }
                place = self.put_loaded(journal, address, (loaded, snapshot.0.clone()), context.wall_ms)?;
            }
        }
        for body in &part.changes {
            let change = match ForeignChange::parse(&body.0) {
                Ok(change) => change,
                Err(refusal) => return Ok(Ok(Part::Stopped(refusal.into()))),
            };
            let document = (address, &mut place, &mut numbers);
            match self.take_change(journal, document, change, context.wall_ms)? {
                Ok(Part::Taken) => {}
                other => return Ok(other),
            }
        }
        Ok(Ok(Part::Taken))
    }

    fn put_loaded<S: Store>(
        &self,
        journal: &mut Journal<S>,
        address: &Address,
        (loaded, bytes): (Loaded, Vec<u8>),
        accepted_ms: i64,
    ) -> Result<Option<DocumentPlace>, StoreError> {
        let mut place = journal.new_document(address)?;
        let last = loaded.changes.last().and_then(|change| self.origins.get(&change.origin));
        let last = *last.ok_or(DAMAGED)?;
        for change in &loaded.changes {
            if let Some(key) = self.origins.get(&change.origin) {
                journal.names.intern_origin(&mut journal.rows, *key)?;
            }
        }
        let origin = journal.names.intern_origin(&mut journal.rows, last)?;
        let (changes, heads) = (&loaded.changes, &loaded.heads);
        let filled = FilledDocument { origin, changes, heads, bytes, accepted_ms };
        journal.put_filled(address, &mut place, filled);
        Ok(Some(place))
    }

    /// What comes of a change of this replica's own, which it has no more: from who relays it proves that its store is an
    /// old copy.
    fn own_past<S: Store>(
        &self,
        journal: &Journal<S>,
        context: &FillContext<'_>,
    ) -> Result<StopReason, DisconnectReason> {
        if !context.rights.relay {
            return Ok(StopReason::NoRelay);
        }
        let own = journal.names.origin_number(self.own);
        let ours = own.map_or(0, |own| journal.vectors.get(self.space, own).sequence);
        Err(DisconnectReason::RolledBack { space: self.name.clone(), theirs: ours + 1, ours })
    }

    /// The key of a change's author, or what comes of the part without it.
    fn key_of(&self, change: &ForeignChange) -> Result<OriginKey, Result<Part, Misbehaviour>> {
        if change.origin == self.own {
            return Err(Ok(Part::OwnPast));
        }
        self.origins.get(&change.origin).copied().ok_or(match (self.has_authority, self.is_beyond_vector) {
            (true, _) => Ok(Part::Stopped(StopReason::RightUnknown)),
            // It offers what it has, as it was asked to.
            (false, true) => Ok(Part::Stopped(StopReason::NoRelay)),
            (false, false) => Err(Misbehaviour::Relay),
        })
    }

    fn take_change<S: Store>(
        &self,
        journal: &mut Journal<S>,
        (address, place, numbers): (&Address, &mut Option<DocumentPlace>, &mut Numbers),
        change: ForeignChange,
        accepted_ms: i64,
    ) -> Result<Result<Part, Misbehaviour>, StoreError> {
        if let Some(place) = place.as_ref()
            && journal.rows.has(&keys::hash(place.number(), &change.hash))?
        {
            return Ok(Ok(Part::Taken));
        }
        let key = match self.key_of(&change) {
            Ok(key) => key,
            Err(refusal) => return Ok(refusal),
        };
        if !has_all(journal, place.as_ref(), &change)? {
            return Ok(Ok(Part::Lacks));
        }
        if let Some(reason) = check_room(journal, place.as_ref(), &change, &key)? {
            return Ok(Ok(Part::Stopped(reason)));
        }
        if let Some(place) = place.as_ref()
            && is_forked(journal, place, &change, numbers)?
        {
            return Ok(Ok(Part::Forked(change.origin)));
        }
        let mut taken = match place.take() {
            Some(place) => place,
            None => journal.new_document(address)?,
        };
        let origin = journal.names.intern_origin(&mut journal.rows, key)?;
        let (hash, dependencies, chunk) = (change.hash, &change.dependencies, change.chunk);
        let entry = Entry { origin, hash, dependencies, chunk, accepted_ms, follow: 0, value: None };
        journal.append_filled(address, &mut taken, entry);
        *place = Some(taken);
        Ok(Ok(Part::Taken))
    }
}

/// A whole document from a peer, read.
struct Loaded {
    changes: Vec<ForeignChange>,
    heads: Vec<document::ChangeHash>,
}

impl Loaded {
    /// `None` when it cannot be read, or has a change that would be refused alone.
    fn read(bytes: &[u8]) -> Option<Self> {
        let document = Document::load(bytes).ok()?;
        let changes = document.changes()?;
        let parse = |chunk: &Vec<u8>| ForeignChange::parse(ForeignChange::body(chunk).ok()?).ok();
        let changes: Vec<_> = changes.iter().map(parse).collect::<Option<_>>()?;
        let heads = document.heads();
        (!changes.is_empty()).then_some(Self { changes, heads })
    }
}

/// Whether another change has the number of this one, which is not here: then its author's store was rolled back. Who has
/// seen all that is here has no other.
fn is_forked<S: Store>(
    journal: &Journal<S>,
    place: &DocumentPlace,
    change: &ForeignChange,
    numbers: &mut Numbers,
) -> Result<bool, StoreError> {
    let (heads, _) = place.row.heads.as_chunks::<32>();
    if heads.iter().all(|head| change.dependencies.iter().any(|dependency| dependency.0 == *head)) {
        return Ok(false);
    }
    if numbers.is_none() {
        *numbers = undamaged(journal.numbers_of(place))?;
    }
    let taken = numbers.as_ref().and_then(|numbers| numbers.get(&change.origin));
    Ok(taken.is_some_and(|taken| change.document_sequence <= *taken))
}

/// Whether a document has these heads, or changes after them.
fn has_heads<S: Store>(journal: &Journal<S>, address: &Address, heads: &[u8]) -> Result<bool, StoreError> {
    let Some(place) = journal.document(address)? else { return Ok(false) };
    let (heads, rest) = heads.as_chunks::<32>();
    for head in heads {
        let hash = document::ChangeHash(*head);
        if !place.is_head(&hash) && !journal.rows.has(&keys::hash(place.number(), &hash))? {
            return Ok(false);
        }
    }
    Ok(rest.is_empty())
}
