use super::beyond::Beyond;
use super::changed::Changed;
use super::lacking::{Lacking, lacking};
use super::window::Window;
use super::{ROWS_PER_TURN, WANTED_MAX};
use crate::access::PublicKey;
use crate::effect::Misbehaviour;
use crate::journal::{self, DAMAGED, DocumentPlace, Journal};
use crate::keys::{self, DocumentNumber, OriginNumber, SpaceNumber};
use crate::reconcile::{self, ItemKey, Sketch, Sketches, vector_of};
use crate::record::{self, DocumentRow};
use crate::store::{Keyspace, Store, StoreError, undamaged};
use crate::vectors::VectorEntry;
use document::{Address, Collection, Key, Origin, Space};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use wire::{
    FILL_DOCUMENTS_MAX, FillDocument, FillDocuments, FillListing, FillMore, FillName, FillOffer, FillOrigin,
    FillSymbols, FillWant, Frame, LISTED_MAX, OriginKey, Reach, TABLE_MAX, WANTED_HEADS_MAX,
};

/// Bytes of documents in a frame, about.
const FRAME_BYTES: usize = 64 * 1024;
/// Most that a frame with documents tells of streams: a snapshot may fill most of it.
const TOLD_MAX: usize = 1_024;
/// Times that a receiver may ask for documents, besides once for each listing.
const WANTS_MAX: u32 = 8;
/// Symbols of an offer to who has the vector: the documents are the same mostly, and a few of them differ else.
const SYMBOLS_BEYOND_VECTOR: usize = 8;
/// Rows that a document counts as which is read change by change, of those looked at in one turn.
const READ_ROWS: usize = 32;

/// Fills a peer with the documents of a space.
pub(crate) struct Server {
    pub(crate) fill: u64,
    pub(crate) space: SpaceNumber,
    /// The head of the journal when it began: the peer's changes go on about there.
    pub(crate) lsn: u64,
    name: Space,
    /// Whether the peer has documents, so that symbols help.
    reconciles: bool,
    /// Whether the peer has the vector, and asked for what the documents have besides: they are mostly the same.
    is_beyond_vector: bool,
    sketch: Option<Arc<Sketch>>,
    item_key: ItemKey,
    stage: Stage,
    /// What the documents may have besides the vector, as of the offer; `None` when some were missing.
    reach: Option<journal::Reach>,
    /// Symbols that were sent.
    symbols: usize,
    wants_left: u32,
    listings_left: u64,
    snapshots: bool,
    /// What is wanted, by digest of its name; gathered until the last frame of it.
    wanted: BTreeMap<u64, Vec<u8>>,
    /// How far this replica had streams, as of the offer: who takes them all has as much then.
    pub(crate) offered: Vec<(Origin, u64)>,
    /// How far the peer was told that documents have an origin's changes.
    told: BTreeMap<Origin, u64>,
    /// What is not passed on.
    beyond: Beyond,
    /// Whether the vector cannot be adopted, as it ends at a cut where this replica does not know the chain.
    lacks_chain: bool,
    /// Documents that cannot be read, to be told once.
    damaged: Vec<DocumentNumber>,
    /// Who is filled.
    peer: PublicKey,
    window: Window,
    /// Bytes of documents that were sent.
    sent: usize,
}

enum Stage {
    /// The offer is in the making.
    Offering,
    /// The peer's turn.
    Waiting,
    /// It asked for a listing of the documents after a row.
    Listing(Option<Vec<u8>>),
    /// It asked for documents.
    Sending(Sending),
}

/// Documents on their way.
#[derive(Default)]
struct Sending {
    all: bool,
    /// Rows up to this key were looked at.
    after: Option<Vec<u8>>,
    /// The last that is.
    to: Option<Vec<u8>>,
    /// Parts of the document that did not fit into the last frame.
    parts: VecDeque<FillDocument>,
    is_last_seen: bool,
    /// Whether documents were left out.
    is_short: bool,
    /// What is changed meanwhile.
    changed: Changed,
}

impl Server {
    /// `reconciles` is whether the peer has documents; `is_beyond_vector` whether it lacks nothing by its vector.
    pub(crate) fn new(
        (fill, peer): (u64, PublicKey),
        (space, name): (SpaceNumber, Space),
        lsn: u64,
        (reconciles, is_beyond_vector): (bool, bool),
    ) -> Self {
        Self {
            fill,
            space,
            lsn,
            name,
            reconciles: reconciles || is_beyond_vector,
            is_beyond_vector,
            sketch: None,
            item_key: ItemKey::new(&[0; 32]),
            stage: Stage::Offering,
            reach: None,
            symbols: 0,
            wants_left: WANTS_MAX,
            listings_left: 0,
            snapshots: false,
            wanted: BTreeMap::new(),
            offered: Vec::new(),
            told: BTreeMap::new(),
            beyond: Beyond::nothing(),
            lacks_chain: false,
            damaged: Vec::new(),
            peer,
            window: Window::new(),
            sent: 0,
        }
    }

    /// Does what is to be done, looking at no more than `rows` documents.
    pub(crate) fn advance<S: Store>(
        &mut self,
        journal: &Journal<S>,
        sketches: &mut Sketches,
        rows: &mut usize,
    ) -> Result<Vec<Frame>, StoreError> {
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Waiting => Ok(Vec::new()),
            Stage::Offering => self.offer(journal, sketches, rows),
            Stage::Listing(after) => self.list(journal, after, rows),
            Stage::Sending(sending) => self.send(journal, sending, rows),
        }
    }

    fn offer<S: Store>(
        &mut self,
        journal: &Journal<S>,
        sketches: &mut Sketches,
        rows: &mut usize,
    ) -> Result<Vec<Frame>, StoreError> {
        let (key, documents, vector, symbols);
        if self.reconciles {
            let Some(sketch) = sketches.of(journal, self.space, rows)? else {
                self.stage = Stage::Offering;
                return Ok(Vec::new());
            };
            let first = match self.is_beyond_vector {
                true => SYMBOLS_BEYOND_VECTOR,
                false => reconcile::first_symbols(sketch.documents),
            };
            self.symbols = first.min(sketch.symbols.len());
            let first = sketch.symbols.get(..self.symbols).unwrap_or_default();
            symbols = reconcile::pack(first, 0, sketch.documents);
            (key, documents, vector) = (sketch.key, sketch.documents, sketch.vector.clone());
            self.item_key = ItemKey::new(&sketch.key);
            self.reach.clone_from(&sketch.reach);
            // Documents may be made while it goes on.
            self.listings_left = sketch.documents / LISTED_MAX as u64 * 2 + 16;
            self.sketch = Some(sketch);
        } else {
            (key, documents, symbols) = ([0; 32], 0, Vec::new());
            vector = vector_of(journal, self.space)?;
            self.reach = journal.reach(self.space);
        }
        // Of what the peer has it need not be told.
        let vector = if self.is_beyond_vector { Vec::new() } else { self.passed_on(journal, vector)? };
        self.offered = vector.iter().map(|(origin, entry)| (*origin, entry.sequence)).collect();
        self.told.extend(self.offered.iter().copied());
        let origins = vector.iter().map(|(origin, entry)| self.origin(journal, *origin, *entry));
        let mut origins: Vec<_> = origins.collect::<Result<_, _>>()?;
        let (fill, space) = (self.fill, self.name.as_str().to_owned());
        let is_ahead = !journal.until(self.space).is_empty();
        let mut offer =
            FillOffer { fill, space, key, documents, origins: Vec::new(), symbols, is_ahead, more: false };
        let mut frames = Vec::new();
        loop {
            let rest = origins.split_off(origins.len().min(TABLE_MAX));
            offer.origins = std::mem::replace(&mut origins, rest);
            offer.more = !origins.is_empty();
            frames.push(Frame::FillOffer(offer.clone()));
            if !offer.more {
                return Ok(frames);
            }
            offer.symbols.clear();
        }
    }

    /// A version vector as far as its streams are passed on.
    fn passed_on<S: Store>(
        &mut self,
        journal: &Journal<S>,
        vector: Vec<(Origin, VectorEntry)>,
    ) -> Result<Vec<(Origin, VectorEntry)>, StoreError> {
        let mut passed_on = Vec::with_capacity(vector.len());
        for (origin, entry) in vector {
            let number = journal.names.origin_number(origin).ok_or(DAMAGED)?;
            let last = journal.passed_on(self.space, number);
            let entry = if entry.sequence > last {
                let at = journal.entry_at(self.space, number, last)?;
                self.lacks_chain |= at.is_none();
                at.unwrap_or(VectorEntry { sequence: last, chain: [0; 32] })
            } else {
                entry
            };
            passed_on.extend((entry.sequence > 0).then_some((origin, entry)));
        }
        Ok(passed_on)
    }

    fn origin<S: Store>(
        &self,
        journal: &Journal<S>,
        origin: Origin,
        VectorEntry { sequence, chain }: VectorEntry,
    ) -> Result<FillOrigin, StoreError> {
        let number = journal.names.origin_number(origin).ok_or(DAMAGED)?;
        let (_, key) = journal.names.origin(number)?;
        Ok(FillOrigin { key, sequence, chain })
    }

    /// The peer asks for more symbols, or a listing.
    pub(crate) fn more(&mut self, more: &FillMore) -> Result<Option<Frame>, Misbehaviour> {
        let Some(sketch) = self.sketch.as_ref().filter(|_| matches!(self.stage, Stage::Waiting)) else {
            return Err(Misbehaviour::Fill);
        };
        let Some(wanted) = more.symbols else {
            let after = more.after.as_ref().map(|name| row_key(self.space, name)).transpose()?;
            self.listings_left = self.listings_left.checked_sub(1).ok_or(Misbehaviour::Fill)?;
            self.wants_left = self.wants_left.saturating_add(1);
            self.stage = Stage::Listing(after);
            return Ok(None);
        };
        let (first, wanted) = (self.symbols, wanted as usize);
        let symbols = sketch.symbols.get(first..wanted).filter(|symbols| !symbols.is_empty());
        let symbols = symbols.ok_or(Misbehaviour::Fill)?;
        let symbols = reconcile::pack(symbols, first, sketch.documents);
        self.symbols = wanted;
        let first = u32::try_from(first).map_err(|_| Misbehaviour::Fill)?;
        Ok(Some(Frame::FillSymbols(FillSymbols { fill: self.fill, first, symbols })))
    }

    fn list<S: Store>(
        &mut self,
        journal: &Journal<S>,
        after: Option<Vec<u8>>,
        rows: &mut usize,
    ) -> Result<Vec<Frame>, StoreError> {
        if *rows < ROWS_PER_TURN {
            // A listing is made at once, and takes what a turn has.
            self.stage = Stage::Listing(after);
            return Ok(Vec::new());
        }
        *rows = 0;
        let (mut entries, mut to) = (Vec::new(), None);
        let range = keys::documents_of_after(self.space, after.as_deref());
        for (listed, row) in journal.rows.scan(range).take(LISTED_MAX).enumerate() {
            let (key, value) = row?;
            let row: DocumentRow = record::decode(Keyspace::Documents, &value)?;
            let item = self.item_key.item(keys::name_bytes(&key).ok_or(DAMAGED)?, &row.heads);
            entries.extend_from_slice(&item.document.to_be_bytes());
            entries.extend_from_slice(&item.heads.to_be_bytes());
            to = (listed + 1 == LISTED_MAX).then_some(key);
        }
        let to = to.map(|key| keys::read_document(&key).map(fill_name).ok_or(DAMAGED)).transpose()?;
        Ok(vec![Frame::FillListing(FillListing { fill: self.fill, to, entries })])
    }

    /// The peer asks for documents.
    pub(crate) fn want(&mut self, want: FillWant) -> Result<(), Misbehaviour> {
        if !matches!(self.stage, Stage::Waiting) {
            return Err(Misbehaviour::Fill);
        }
        for wanted in want.documents {
            if wanted.heads.len() > WANTED_HEADS_MAX * 8 || self.wanted.len() == WANTED_MAX {
                return Err(Misbehaviour::Fill);
            }
            self.wanted.insert(wanted.document, wanted.heads);
        }
        if want.more {
            return Ok(());
        }
        self.wants_left = self.wants_left.checked_sub(1).ok_or(Misbehaviour::Fill)?;
        self.snapshots = want.snapshots;
        let key = |name: &FillName| row_key(self.space, name);
        self.stage = Stage::Sending(Sending {
            all: want.all,
            after: want.after.as_ref().map(key).transpose()?,
            to: want.to.as_ref().map(key).transpose()?,
            is_last_seen: !want.all && self.wanted.is_empty(),
            is_short: self.lacks_chain,
            changed: Changed::after(self.lsn),
            ..Sending::default()
        });
        Ok(())
    }

    /// Frames of documents as far as the window goes.
    fn send<S: Store>(
        &mut self,
        journal: &Journal<S>,
        mut sending: Sending,
        rows: &mut usize,
    ) -> Result<Vec<Frame>, StoreError> {
        self.beyond.follow(journal, self.space)?;
        let mut frames = Vec::new();
        while self.window.has_room() {
            self.send_changed(journal, &mut sending, rows)?;
            let mut frame = FillDocuments { fill: self.fill, ..FillDocuments::default() };
            let bytes = self.gather(journal, &mut sending, &mut frame.documents, rows)?;
            let is_done = sending.is_last_seen && sending.parts.is_empty();
            if frame.documents.is_empty() && !is_done {
                break;
            }
            // Whose changes there may be is told before the documents that have them; where that is much, in frames of its own.
            while !self.tell(journal, &mut frame)? || told_in(&frame) > TOLD_MAX {
                let documents = std::mem::take(&mut frame.documents);
                let full = std::mem::replace(
                    &mut frame,
                    FillDocuments { fill: self.fill, documents, ..FillDocuments::default() },
                );
                frames.push(self.numbered(full, 0));
            }
            if is_done {
                (frame.is_done, frame.is_short) = (true, sending.is_short);
                self.wanted.clear();
                frames.push(self.numbered(frame, bytes));
                return Ok(frames);
            }
            frames.push(self.numbered(frame, bytes));
        }
        self.stage = Stage::Sending(sending);
        Ok(frames)
    }

    /// The next frame of documents, of so many bytes.
    fn numbered(&mut self, mut frame: FillDocuments, bytes: usize) -> Frame {
        frame.number = self.window.number(bytes);
        self.sent += bytes;
        Frame::FillDocuments(frame)
    }

    /// Puts about a frame of what was changed meanwhile in front, of a space that is sent whole and not at its end.
    fn send_changed<S: Store>(
        &mut self,
        journal: &Journal<S>,
        sending: &mut Sending,
        rows: &mut usize,
    ) -> Result<(), StoreError> {
        if !sending.all || sending.is_last_seen {
            return Ok(());
        }
        sending.changed.look(journal, (self.space, &self.peer), rows)?;
        let mut ahead = 0;
        while ahead < FRAME_BYTES
            && let Some((address, place)) = sending.changed.next(journal, self.sent)?
        {
            // What lies beyond a cut takes long to tell, and the turn tells of what cannot be read.
            if self.beyond.may_be_in(place.number()) {
                continue;
            }
            let wanted = (&[][..], self.snapshots);
            if let Some(Lacking { parts, is_short }) =
                undamaged(lacking(journal, (&address, &place), wanted, &self.beyond))?
            {
                let bytes = parts.iter().map(bytes_of).sum::<usize>();
                ahead += bytes;
                sending.changed.went(bytes);
                sending.is_short |= is_short;
                parts.into_iter().rev().for_each(|part| sending.parts.push_front(part));
            }
        }
        Ok(())
    }

    /// Puts documents into a frame until it is full; returns their bytes.
    fn gather<S: Store>(
        &mut self,
        journal: &Journal<S>,
        sending: &mut Sending,
        documents: &mut Vec<FillDocument>,
        rows: &mut usize,
    ) -> Result<usize, StoreError> {
        let mut bytes = 0;
        loop {
            while let Some(part) = sending.parts.pop_front() {
                let length = bytes_of(&part);
                // A snapshot may be long: it goes alone.
                if bytes > 0 && (bytes + length > FRAME_BYTES || documents.len() == FILL_DOCUMENTS_MAX) {
                    sending.parts.push_front(part);
                    return Ok(bytes);
                }
                bytes += length;
                documents.push(part);
            }
            if sending.is_last_seen || !self.next_document(journal, sending, rows)? {
                return Ok(bytes);
            }
        }
    }

    /// Finds the next document that is wanted; false when there is none, or no more rows may be looked at.
    fn next_document<S: Store>(
        &mut self,
        journal: &Journal<S>,
        sending: &mut Sending,
        rows: &mut usize,
    ) -> Result<bool, StoreError> {
        let (keyspace, mut range) = keys::documents_of_after(self.space, sending.after.as_deref());
        if let Some(to) = &sending.to {
            range.end = [to.as_slice(), &[0]].concat();
        }
        for row in journal.rows.scan((keyspace, range)) {
            let Some(left) = rows.checked_sub(1) else { return Ok(false) };
            *rows = left;
            let (key, value) = row?;
            let digest = self.item_key.document(keys::name_bytes(&key).ok_or(DAMAGED)?);
            let wanted = self.wanted.get(&digest);
            if sending.all || wanted.is_some() {
                let (collection, name) = keys::read_document(&key).ok_or(DAMAGED)?;
                let address = Address { space: self.name.clone(), collection, key: name };
                let row = record::decode(Keyspace::Documents, &value)?;
                let place = DocumentPlace { space: self.space, row };
                let heads = wanted.map_or(&[][..], Vec::as_slice);
                sending.after = Some(key);
                if self.beyond.may_be_in(place.number()) {
                    *rows = rows.saturating_sub(READ_ROWS);
                }
                let wanted = (heads, self.snapshots);
                match undamaged(lacking(journal, (&address, &place), wanted, &self.beyond))? {
                    Some(Lacking { parts, is_short }) => {
                        sending.parts = parts.into();
                        sending.is_short |= is_short;
                    }
                    None => {
                        sending.is_short = true;
                        self.damaged.push(place.number());
                    }
                }
                return Ok(true);
            }
            sending.after = Some(key);
        }
        sending.is_last_seen = true;
        Ok(false)
    }

    /// Documents that were left out because they cannot be read, each once.
    pub(crate) fn take_damaged(&mut self) -> Vec<DocumentNumber> {
        std::mem::take(&mut self.damaged)
    }

    /// Puts into a frame how far its documents may have streams, and the keys of origins, where the peer was not told.
    /// Returns whether that was all; else the frame is full.
    fn tell<S: Store>(
        &mut self,
        journal: &Journal<S>,
        frame: &mut FillDocuments,
    ) -> Result<bool, StoreError> {
        for (number, entry) in journal.vectors.of(self.space) {
            let (origin, key) = journal.names.origin(number)?;
            let sequence = entry.sequence.min(journal.passed_on(self.space, number));
            if !self.tell_of((origin, key, sequence), (&mut frame.origins, &mut frame.vector)) {
                return Ok(false);
            }
        }
        for until in journal.until(self.space) {
            // Of an origin without a number no change is here.
            if let Some(number) = journal.names.origin_number(Origin(until.origin)) {
                let (origin, key) = journal.names.origin(number)?;
                let sequence = until.sequence.min(journal.passed_on(self.space, number));
                if !self.tell_of((origin, key, sequence), (&mut frame.origins, &mut frame.filled)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn tell_of(
        &mut self,
        (origin, key, sequence): (Origin, OriginKey, u64),
        (keys, reach): (&mut Vec<OriginKey>, &mut Vec<Reach>),
    ) -> bool {
        let told = self.told.get(&origin).copied();
        if told.unwrap_or_default() >= sequence {
            return true;
        }
        if told.is_none() {
            if keys.len() == TABLE_MAX {
                return false;
            }
            keys.push(key);
        }
        self.told.insert(origin, sequence);
        reach.push(Reach { origin: origin.0, sequence });
        true
    }

    /// Frames of documents up to this one are durable at the peer.
    pub(crate) fn acknowledge(&mut self, number: u32, now_ms: u64) -> Result<(), Misbehaviour> {
        self.window.acknowledge(number, now_ms)
    }

    /// Whether the peer that took all was given everything that is here.
    pub(crate) fn gave_all<S: Store>(&self, journal: &Journal<S>) -> bool {
        self.reach.is_some() && self.reach == journal.reach(self.space)
    }

    /// Whether it goes on by itself.
    pub(crate) fn is_working(&self) -> bool {
        match &self.stage {
            Stage::Offering | Stage::Listing(_) => true,
            Stage::Waiting => false,
            Stage::Sending(_) => self.window.has_room(),
        }
    }
}

/// What a frame tells of streams.
fn told_in(frame: &FillDocuments) -> usize {
    frame.origins.len() + frame.vector.len() + frame.filled.len()
}

/// What this replica has of a space, as peers are told.
pub(super) fn entries_of<S: Store>(
    journal: &Journal<S>,
    space: SpaceNumber,
) -> Result<Vec<wire::VectorEntry>, StoreError> {
    let entry = |(number, entry): (OriginNumber, VectorEntry)| {
        let (origin, _) = journal.names.origin(number)?;
        Ok(wire::VectorEntry { origin: origin.0, sequence: entry.sequence, chain: entry.chain_short() })
    };
    journal.vectors.of(space).map(entry).collect()
}

fn bytes_of(part: &FillDocument) -> usize {
    let changes: usize = part.changes.iter().map(|body| body.0.len() + 4).sum();
    let snapshot = part.snapshot.as_ref().map_or(0, |snapshot| snapshot.0.len());
    changes + snapshot + part.heads.len() + part.name.collection.len() + part.name.key.len() + 8
}

fn fill_name((collection, key): (Collection, Key)) -> FillName {
    FillName { collection: collection.as_str().to_owned(), key: key.as_str().to_owned() }
}

/// The row's key of a document that a peer names.
pub(super) fn row_key(space: SpaceNumber, name: &FillName) -> Result<Vec<u8>, Misbehaviour> {
    match (Collection::new(name.collection.as_str()), Key::new(name.key.as_str())) {
        (Ok(collection), Ok(key)) => Ok(keys::document(space, &collection, &key).1),
        (Err(_), _) | (_, Err(_)) => Err(Misbehaviour::Name),
    }
}
