use super::WANTED_MAX;
use super::server::{entries_of, row_key};
use crate::access::{Identities, Rights};
use crate::effect::{DisconnectReason, Misbehaviour, StopReason};
use crate::journal::{DAMAGED, DocumentPlace, Entry, FilledDocument, Journal};
use crate::keys::{self, SpaceNumber};
use crate::reconcile::{self, ItemKey, Scan, Sketch, Symbol};
use crate::record::{self, DocumentRow};
use crate::session::receiver::{check_room, has_all};
use crate::settings::origin_of;
use crate::store::{Keyspace, Store, StoreError};
use crate::vectors::VectorEntry;
use document::{Address, Collection, Document, ForeignChange, Key, Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::{
    FillDocument, FillDocuments, FillFinished, FillListing, FillMore, FillName, FillOffer, FillSymbols,
    FillWant, Frame, LISTED_BYTES, LISTED_MAX, OriginKey, WANTED_HEADS_MAX, Wanted,
};

/// What a fill must know of its peer and of time.
pub(crate) struct FillContext<'a> {
    pub(crate) public_key: &'a [u8; 32],
    /// This replica's own key: what it wrote, in an earlier incarnation perhaps, anybody may bring back.
    pub(crate) own_key: &'a [u8; 32],
    /// What it may do in the space.
    pub(crate) rights: Rights,
    pub(crate) space: &'a Space,
    pub(crate) identities: &'a Identities,
    pub(crate) wall_ms: i64,
}

impl FillContext<'_> {
    /// Whether changes of an origin are taken from the peer.
    fn may_bring(&self, key: &OriginKey) -> bool {
        let is_delivered = self.rights.relay || [self.public_key, self.own_key].contains(&&key.public_key);
        is_delivered && self.identities.may_be_filled(self.space, key, self.public_key)
    }
}

/// Takes a fill from a peer.
pub(crate) struct Filling {
    pub(crate) space: SpaceNumber,
    pub(crate) name: Space,
    fill: u64,
    offer: FillOffer,
    item_key: ItemKey,
    symbols: Vec<Symbol>,
    stage: Stage,
    /// Origins that the filler named.
    origins: BTreeMap<Origin, OriginKey>,
    /// Documents that were asked for, and whether they came whole. In a fill of everything, those that failed.
    asked: BTreeMap<u64, Asked>,
    all: bool,
    /// Documents that came and lacked something are asked for once more, whole.
    is_retry: bool,
    /// Where the next listing starts, while listings go on.
    listing: Option<Option<FillName>>,
    number: u32,
    ack_due: Option<u32>,
    /// Documents that came.
    documents: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    Waits,
    Came,
    /// Something that it depends on, or a head, is missing.
    Failed,
}

enum Stage {
    /// It was offered, and nothing was done.
    Offered,
    /// This replica's own symbols are in the making.
    Sketching(Box<Scan>),
    /// More symbols are under way.
    Symbols(Box<Sketch>),
    /// The documents that differ are known by digest; what is here of them is looked up after this row.
    Locating {
        after: Option<Vec<u8>>,
        theirs: BTreeMap<u64, Vec<u8>>,
        ours: BTreeSet<u64>,
    },
    /// A listing is under way.
    Listing,
    /// A listing is compared with what is here after a row, up to a row.
    Comparing(Box<Comparing>),
    /// Documents are under way.
    Receiving,
    /// The last came; the vector is to be adopted.
    Adopting,
    Finished,
}

/// See [`Stage::Comparing`].
struct Comparing {
    from: Option<FillName>,
    to: Option<FillName>,
    /// Rows up to this key were compared.
    after: Option<Vec<u8>>,
    /// What is listed and was not met yet: digests of name and heads.
    entries: BTreeMap<u64, u64>,
    wanted: Vec<Wanted>,
}

/// What a step came to.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) frames: Vec<Frame>,
    /// It is over.
    pub(crate) filled: Option<Filled>,
}

/// How a fill ended.
pub(crate) enum Filled {
    /// With all documents, so many of which came.
    Taken(u64),
    /// They were here already.
    Had,
    /// A change in it is refused.
    Stopped(StopReason),
}

/// What became of a part of a document.
enum Part {
    Taken,
    /// Something that it depends on is missing.
    Lacks,
    Stopped(StopReason),
}

type Handled<T> = Result<Result<T, DisconnectReason>, StoreError>;

impl Filling {
    pub(crate) fn new(
        mut offer: FillOffer,
        (space, name): (SpaceNumber, Space),
        context: &FillContext<'_>,
    ) -> Result<Self, Misbehaviour> {
        // What others wrote is here already, when the peer may not relay it, or is refused when it comes.
        offer.origins.retain(|origin| context.may_bring(&origin.key));
        let symbols = reconcile::unpack(&offer.symbols, 0, offer.documents).ok_or(Misbehaviour::Fill)?;
        Ok(Self {
            space,
            name,
            fill: offer.fill,
            item_key: ItemKey::new(&offer.key),
            symbols,
            stage: Stage::Offered,
            origins: offer.origins.iter().map(|origin| (origin_of(&origin.key), origin.key)).collect(),
            asked: BTreeMap::new(),
            all: false,
            is_retry: false,
            listing: None,
            number: 0,
            ack_due: None,
            documents: 0,
            offer,
        })
    }

    /// Whether anything was done.
    pub(crate) fn is_started(&self) -> bool {
        !matches!(self.stage, Stage::Offered)
    }

    pub(crate) fn is(&self, fill: u64) -> bool {
        self.fill == fill
    }

    /// Whether it goes on by itself.
    pub(crate) fn is_working(&self) -> bool {
        matches!(
            self.stage,
            Stage::Sketching(_) | Stage::Locating { .. } | Stage::Comparing(_) | Stage::Adopting
        )
    }

    /// The acknowledgement that is due, once.
    pub(crate) fn take_ack(&mut self) -> Option<(u64, u32)> {
        self.ack_due.take().map(|number| (self.fill, number))
    }

    /// Starts it, unless everything is here.
    pub(crate) fn start<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        snapshots: bool,
    ) -> Result<Step, StoreError> {
        let has = |origin: Origin| {
            let number = journal.names.origin_number(origin);
            number.map_or(0, |number| journal.vectors.get(self.space, number).sequence)
        };
        let is_had = self.offer.origins.iter().all(|of| has(origin_of(&of.key)) >= of.sequence);
        if is_had && !journal.lacks_documents(self.space) {
            return self.finish(journal, true, Filled::Had);
        }
        let mut documents = journal.rows.scan(keys::documents_of(self.space));
        let is_empty = documents.next().transpose()?.is_none();
        drop(documents);
        journal.begin_fill(self.space);
        journal.raise_until(self.space, self.offered());
        if !is_empty && !self.symbols.is_empty() {
            let scan = Scan::new(journal, self.space, self.offer.key)?;
            self.stage = Stage::Sketching(Box::new(scan));
            return Ok(Step::default());
        }
        (self.stage, self.all) = (Stage::Receiving, true);
        let want = FillWant { fill: self.fill, all: true, snapshots, ..FillWant::default() };
        Ok(Step { frames: vec![Frame::FillWant(want)], filled: None })
    }

    /// How far the filler has streams, as it offered.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (Origin, u64)> + '_ {
        self.offer.origins.iter().map(|of| (origin_of(&of.key), of.sequence))
    }

    /// Does what is to be done, looking at no more than `rows` documents.
    pub(crate) fn advance<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        snapshots: bool,
        rows: &mut usize,
    ) -> Result<Step, StoreError> {
        match std::mem::replace(&mut self.stage, Stage::Receiving) {
            Stage::Sketching(mut scan) => {
                if scan.advance(journal, rows)? {
                    let own = scan.finish(Some(self.offer.documents));
                    return self.decode(journal, Box::new(own), snapshots);
                }
                self.stage = Stage::Sketching(scan);
                Ok(Step::default())
            }
            Stage::Locating { after, theirs, ours } => {
                self.locate(journal, (after, theirs, ours), snapshots, rows)
            }
            Stage::Comparing(comparing) => self.compare(journal, comparing, snapshots, rows),
            Stage::Adopting => self.adopt(journal),
            stage => {
                self.stage = stage;
                Ok(Step::default())
            }
        }
    }

    /// Finds out what differs, or asks for more.
    fn decode<S: Store>(
        &mut self,
        journal: &Journal<S>,
        own: Box<Sketch>,
        snapshots: bool,
    ) -> Result<Step, StoreError> {
        let difference = reconcile::subtract(&self.symbols, &own.symbols);
        let have = difference.len();
        let estimate = reconcile::difference_of(&difference);
        if let Some(decoded) = reconcile::decode(&self.item_key, difference) {
            let theirs: BTreeMap<u64, Vec<u8>> =
                decoded.theirs.iter().map(|item| (item.document, Vec::new())).collect();
            let ours = decoded.ours.iter().map(|item| item.document);
            let ours = ours.filter(|document| theirs.contains_key(document)).collect();
            if theirs.len() > WANTED_MAX {
                return Ok(self.ask_listing(None));
            }
            return self.locate(journal, (None, theirs, ours), snapshots, &mut 0);
        }
        // An estimate that proved too low is raised by an eighth.
        let wanted = reconcile::symbols_for(estimate).max(have + have / 8 + 32);
        if wanted > own.symbols.len() {
            return Ok(self.ask_listing(None));
        }
        let symbols = u32::try_from(wanted).ok();
        self.stage = Stage::Symbols(own);
        let more = FillMore { fill: self.fill, symbols, after: None };
        Ok(Step { frames: vec![Frame::FillMore(more)], filled: None })
    }

    fn ask_listing(&mut self, after: Option<FillName>) -> Step {
        self.stage = Stage::Listing;
        self.listing = Some(after.clone());
        let more = FillMore { fill: self.fill, symbols: None, after };
        Step { frames: vec![Frame::FillMore(more)], filled: None }
    }

    /// More symbols came.
    pub(crate) fn take_symbols<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        more: &FillSymbols,
        snapshots: bool,
    ) -> Handled<Step> {
        let Stage::Symbols(own) = std::mem::replace(&mut self.stage, Stage::Receiving) else {
            return Ok(Err(Misbehaviour::Fill.into()));
        };
        let first = self.symbols.len();
        let symbols = reconcile::unpack(&more.symbols, first, self.offer.documents);
        let Some(symbols) = symbols.filter(|symbols| !symbols.is_empty() && more.first as usize == first)
        else {
            return Ok(Err(Misbehaviour::Fill.into()));
        };
        self.symbols.extend(symbols);
        if self.symbols.len() > own.symbols.len() {
            return Ok(Err(Misbehaviour::Fill.into()));
        }
        self.decode(journal, own, snapshots).map(Ok)
    }

    /// Looks up the heads of documents that differ and are here, then asks for all that differ.
    fn locate<S: Store>(
        &mut self,
        journal: &Journal<S>,
        (mut after, mut theirs, mut ours): (Option<Vec<u8>>, BTreeMap<u64, Vec<u8>>, BTreeSet<u64>),
        snapshots: bool,
        rows: &mut usize,
    ) -> Result<Step, StoreError> {
        if !ours.is_empty() {
            for row in journal.rows.scan(keys::documents_of_after(self.space, after.as_deref())) {
                let Some(left) = rows.checked_sub(1) else {
                    self.stage = Stage::Locating { after, theirs, ours };
                    return Ok(Step::default());
                };
                *rows = left;
                let (key, value) = row?;
                let digest = self.item_key.document(keys::name_bytes(&key).ok_or(DAMAGED)?);
                if ours.remove(&digest) {
                    let row: DocumentRow = record::decode(Keyspace::Documents, &value)?;
                    theirs.insert(digest, prefixes(&row.heads));
                }
                after = Some(key);
                if ours.is_empty() {
                    break;
                }
            }
        }
        let wanted = theirs.into_iter().map(|(document, heads)| Wanted { document, heads }).collect();
        Ok(self.ask(wanted, (None, None), snapshots))
    }

    /// Asks for documents. With none to ask for goes on to the next listing; without one the filler says what its
    /// documents have at most.
    fn ask(
        &mut self,
        mut wanted: Vec<Wanted>,
        (after, to): (Option<FillName>, Option<FillName>),
        snapshots: bool,
    ) -> Step {
        self.stage = Stage::Receiving;
        self.asked = wanted.iter().map(|wanted| (wanted.document, Asked::Waits)).collect();
        if wanted.is_empty()
            && let Some(Some(next)) = self.listing.take_if(|next| next.is_some())
        {
            return self.ask_listing(Some(next));
        }
        let mut frames = Vec::new();
        loop {
            let rest = wanted.split_off(wanted.len().min(LISTED_MAX));
            frames.push(Frame::FillWant(FillWant {
                fill: self.fill,
                all: false,
                snapshots,
                after: after.clone(),
                to: to.clone(),
                documents: std::mem::replace(&mut wanted, rest),
                more: !wanted.is_empty(),
            }));
            if wanted.is_empty() {
                return Step { frames, filled: None };
            }
        }
    }

    /// Everything that was asked for is here: the next listing, or the end.
    fn go_on(&mut self) -> Step {
        match self.listing.take() {
            Some(Some(after)) => self.ask_listing(Some(after)),
            Some(None) | None => {
                self.stage = Stage::Adopting;
                Step::default()
            }
        }
    }

    /// A listing came.
    pub(crate) fn take_listing(&mut self, listing: FillListing) -> Result<(), Misbehaviour> {
        let (entries, rest) = listing.entries.as_chunks::<LISTED_BYTES>();
        let is_asked = matches!(self.stage, Stage::Listing);
        if !is_asked || !rest.is_empty() || entries.len() > LISTED_MAX {
            return Err(Misbehaviour::Fill);
        }
        let from = self.listing.take().flatten();
        let after = from.as_ref().map(|name| row_key(self.space, name)).transpose()?;
        let to = listing.to.as_ref().map(|name| row_key(self.space, name)).transpose()?;
        // Listings that do not go on would never end.
        if to.is_some() && to <= after {
            return Err(Misbehaviour::Fill);
        }
        let read = |entry: &[u8; LISTED_BYTES]| {
            let number = u128::from_be_bytes(*entry);
            ((number >> 64) as u64, number as u64)
        };
        self.listing = Some(listing.to.clone());
        let entries = entries.iter().map(read).collect();
        let comparing = Comparing { from, to: listing.to, after, entries, wanted: Vec::new() };
        self.stage = Stage::Comparing(Box::new(comparing));
        Ok(())
    }

    /// Compares what is here with a listing.
    fn compare<S: Store>(
        &mut self,
        journal: &Journal<S>,
        mut comparing: Box<Comparing>,
        snapshots: bool,
        rows: &mut usize,
    ) -> Result<Step, StoreError> {
        let (keyspace, mut range) = keys::documents_of_after(self.space, comparing.after.as_deref());
        if let Some(Ok(to)) = comparing.to.as_ref().map(|name| row_key(self.space, name)) {
            range.end = [to.as_slice(), &[0]].concat();
        }
        for row in journal.rows.scan((keyspace, range)) {
            let Some(left) = rows.checked_sub(1) else {
                self.stage = Stage::Comparing(comparing);
                return Ok(Step::default());
            };
            *rows = left;
            let (key, value) = row?;
            let row: DocumentRow = record::decode(Keyspace::Documents, &value)?;
            let item = self.item_key.item(keys::name_bytes(&key).ok_or(DAMAGED)?, &row.heads);
            if let Some(heads) = comparing.entries.remove(&item.document)
                && heads != item.heads
            {
                let heads = prefixes(&row.heads);
                comparing.wanted.push(Wanted { document: item.document, heads });
            }
            comparing.after = Some(key);
        }
        let Comparing { from, to, entries, mut wanted, .. } = *comparing;
        wanted.extend(entries.into_keys().map(|document| Wanted { document, heads: Vec::new() }));
        Ok(self.ask(wanted, (from, to), snapshots))
    }

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
                continue;
            }
            if self.origins.len() >= wire::TABLE_MAX {
                return Ok(Err(Misbehaviour::TooManyEntries.into()));
            }
            self.origins.insert(origin_of(&key), key);
        }
        // What others wrote is not taken from a peer that may not relay: its documents bring none of it.
        let reach = frame.vector.iter().chain(&frame.filled).map(|of| (Origin(of.origin), of.sequence));
        let reach = reach.filter(|(origin, _)| self.origins.contains_key(origin));
        journal.raise_until(self.space, reach);
        if journal.until(self.space).len() > wire::VECTOR_ENTRIES_MAX {
            return Ok(Err(Misbehaviour::TooManyEntries.into()));
        }
        for document in frame.documents {
            match self.take_document(journal, document, context)? {
                Ok(None) => {}
                Ok(Some(reason)) => return self.finish(journal, false, Filled::Stopped(reason)).map(Ok),
                Err(misbehaviour) => return Ok(Err(misbehaviour.into())),
            }
        }
        Ok(if frame.is_done { self.asked_for() } else { Ok(Step::default()) })
    }

    /// Everything that was asked for was sent.
    fn asked_for(&mut self) -> Result<Step, DisconnectReason> {
        let failed: Vec<u64> =
            self.asked.iter().filter(|(_, asked)| **asked == Asked::Failed).map(|(id, _)| *id).collect();
        let is_short = self.asked.values().any(|asked| *asked == Asked::Waits);
        if is_short || (self.is_retry && !failed.is_empty()) || failed.len() > WANTED_MAX {
            return Err(Misbehaviour::Fill.into());
        }
        self.is_retry = !failed.is_empty();
        if failed.is_empty() {
            return Ok(self.go_on());
        }
        self.all = false;
        let wanted = failed.into_iter().map(|document| Wanted { document, heads: Vec::new() }).collect();
        Ok(self.ask(wanted, (None, None), false))
    }

    fn take_document<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        document: FillDocument,
        context: &FillContext<'_>,
    ) -> Result<Result<Option<StopReason>, Misbehaviour>, StoreError> {
        let names =
            (Collection::new(document.name.collection.as_str()), Key::new(document.name.key.as_str()));
        let (Ok(collection), Ok(key)) = names else { return Ok(Err(Misbehaviour::Name)) };
        let digest = {
            let (_, key) = keys::document(self.space, &collection, &key);
            self.item_key.document(keys::name_bytes(&key).ok_or(DAMAGED)?)
        };
        if !self.all && !self.asked.contains_key(&digest) {
            return Ok(Err(Misbehaviour::Fill));
        }
        let address = Address { space: self.name.clone(), collection, key };
        let part = match self.take_part(journal, &address, &document, context)? {
            Ok(part) => part,
            Err(misbehaviour) => return Ok(Err(misbehaviour)),
        };
        let asked = match part {
            Part::Stopped(reason) => return Ok(Ok(Some(reason))),
            Part::Lacks => Asked::Failed,
            Part::Taken if document.heads.is_empty() => return Ok(Ok(None)),
            Part::Taken => {
                self.documents += 1;
                if has_heads(journal, &address, &document.heads)? { Asked::Came } else { Asked::Failed }
            }
        };
        // Of two documents whose names collide the one that came counts.
        if !self.all || asked == Asked::Failed {
            self.asked.insert(digest, asked);
        }
        Ok(Ok(None))
    }

    fn take_part<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        address: &Address,
        part: &FillDocument,
        context: &FillContext<'_>,
    ) -> Result<Result<Part, Misbehaviour>, StoreError> {
        let mut place = journal.document(address)?;
        if let Some(snapshot) = &part.snapshot {
            if !context.rights.snapshot {
                return Ok(Err(Misbehaviour::Fill));
            }
            let Some(loaded) = Loaded::read(&snapshot.0) else { return Ok(Err(Misbehaviour::Fill)) };
            for change in &loaded.changes {
                if let Err(misbehaviour) = self.key_of(change) {
                    return Ok(Err(misbehaviour));
                }
            }
            if place.is_some() {
                // It was written here meanwhile: its changes are taken one by one.
                for change in loaded.changes {
                    match self.take_change(journal, address, &mut place, change, context.wall_ms)? {
                        Ok(Part::Taken) => {}
                        other => return Ok(other),
                    }
                }
            } else {
                place = self.put_loaded(journal, address, (loaded, snapshot.0.clone()), context.wall_ms)?;
            }
        }
        for body in &part.changes {
            let change = match ForeignChange::parse(&body.0) {
                Ok(change) => change,
                Err(refusal) => return Ok(Ok(Part::Stopped(refusal.into()))),
            };
            match self.take_change(journal, address, &mut place, change, context.wall_ms)? {
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

    /// The key of a change's author.
    fn key_of(&self, change: &ForeignChange) -> Result<OriginKey, Misbehaviour> {
        self.origins.get(&change.origin).copied().ok_or(Misbehaviour::Relay)
    }

    fn take_change<S: Store>(
        &self,
        journal: &mut Journal<S>,
        address: &Address,
        place: &mut Option<DocumentPlace>,
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
            Err(misbehaviour) => return Ok(Err(misbehaviour)),
        };
        if !has_all(journal, place.as_ref(), &change)? {
            return Ok(Ok(Part::Lacks));
        }
        if let Some(reason) = check_room(journal, place.as_ref(), &change, &key)? {
            return Ok(Ok(Part::Stopped(reason)));
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

    /// All documents are here: so is all that the filler's vector says.
    fn adopt<S: Store>(&mut self, journal: &mut Journal<S>) -> Result<Step, StoreError> {
        for origin in &self.offer.origins {
            let number = journal.names.intern_origin(&mut journal.rows, origin.key)?;
            let entry = VectorEntry { sequence: origin.sequence, chain: origin.chain };
            journal.adopt((self.space, number), entry);
        }
        journal.end_fill(self.space);
        self.finish(journal, true, Filled::Taken(self.documents))
    }

    /// Tells the filler that nothing more is needed.
    fn finish<S: Store>(
        &mut self,
        journal: &Journal<S>,
        taken: bool,
        filled: Filled,
    ) -> Result<Step, StoreError> {
        self.stage = Stage::Finished;
        let entries = entries_of(journal, self.space)?;
        let finished = FillFinished { fill: self.fill, taken, entries };
        Ok(Step { frames: vec![Frame::FillFinished(finished)], filled: Some(filled) })
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

/// The first bytes of heads, of as many as are told.
fn prefixes(heads: &[u8]) -> Vec<u8> {
    let (heads, _) = heads.as_chunks::<32>();
    heads.iter().take(WANTED_HEADS_MAX).flat_map(|head| head.iter().take(8).copied()).collect()
}
