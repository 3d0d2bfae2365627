mod overtaking;

use super::window::Window;
use super::{Confirmed, REWINDS_MAX, StopCause};
use crate::documents::Documents;
use crate::effect::Misbehaviour;
use crate::journal::{DAMAGED, Journal};
use crate::keys::{self, DocumentNumber, OriginNumber, SpaceNumber};
use crate::record::{self, JournalRow};
use crate::store::{Keyspace, Store, StoreError, undamaged};
use document::{ChangeHash, ForeignChange, Origin};
use overtaking::Overtaking;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use wire::{
    Deflaters, Delta, DeltaEncoder, DocumentName, EncodeError, PackedDelta, Row, SpaceVector, Stopped,
};

/// Bytes of changes in a frame, about. Larger frames compress no better and hold up what follows.
const FRAME_BYTES: usize = 64 * 1024;
/// Most changes of a frame.
const FRAME_ROWS_MAX: usize = 1_024;
/// Bytes of changes on their way to the peer without an acknowledgement.
const WINDOW_BYTES_MAX: usize = 1024 * 1024;
/// Journal rows looked at for one peer in one turn, so that no turn is long.
const SCAN_ROWS_MAX: usize = 4_096;
/// Changes built again from their documents in one turn, because a snapshot stands in their place.
const REBUILT_MAX: usize = 64;
/// Rows of the first space sent before all others; more go in the journal's order.
const FIRST_ROWS_MAX: usize = 1_024;
/// The peer's cursor is moved over rows that are not for it once there are so many.
const SKIPPED_ROWS_MAX: u64 = 1_024;

/// Sends a peer what this replica's journal has for it.
pub(crate) struct Sender {
    generation: u32,
    /// Journal rows up to here were looked at.
    position: u64,
    /// The peer was told a position up to here.
    announced: u64,
    /// The highest position ever told on this connection; a rewind leaves it.
    announced_max: u64,
    readable: BTreeSet<SpaceNumber>,
    /// The space whose rows go before all others and share no frame with them: what it says of others' rights is taken
    /// before their rows.
    first: Option<SpaceNumber>,
    /// Whether the first space's rows are still to be sent before all others.
    first_due: bool,
    /// Rows of it that were sent so.
    first_rows: usize,
    /// What the peer has, or has been sent.
    theirs: Confirmed,
    /// What it has shown to have on this connection, by what it sent: a rewind, which may have been passed by that, takes
    /// nothing of it back.
    shown: BTreeMap<(SpaceNumber, Origin), u64>,
    /// Streams of which it takes no more until it asks for a rewind.
    stopped: BTreeMap<(SpaceNumber, Origin), StoppedAt>,
    /// Streams that have a change which cannot be read here: no more of them is sent.
    unreadable: BTreeSet<(SpaceNumber, Origin)>,
    /// The documents of those changes, to be told once.
    damaged: Vec<DocumentNumber>,
    /// What goes ahead of the others, while there is much of those.
    overtaking: Option<Overtaking>,
    encoder: DeltaEncoder,
    window: Window,
}

/// Where a peer stopped a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoppedAt {
    /// What it has of it.
    pub(crate) sequence: u64,
    /// Why, as far as it says.
    pub(crate) cause: Option<StopCause>,
}

/// A delta in the making.
#[derive(Default)]
struct Draft {
    delta: Delta,
    /// Whether its rows are of the first space.
    is_first: bool,
    bytes: usize,
    /// Of them, those that went ahead of the journal's order.
    ahead_bytes: usize,
    documents: BTreeMap<DocumentNumber, u32>,
    /// Of the delta's documents.
    numbers: Vec<DocumentNumber>,
    spaces: BTreeMap<SpaceNumber, u32>,
    origins: BTreeMap<OriginNumber, u32>,
    last: BTreeMap<(SpaceNumber, Origin), u64>,
    /// Bodies and rows of a transaction that is not whole yet.
    transaction: Vec<(Vec<u8>, JournalRow)>,
}

impl Draft {
    fn is_full(&self) -> bool {
        self.bytes >= FRAME_BYTES || self.delta.rows.len() >= FRAME_ROWS_MAX
    }
}

/// What was done in a turn for one peer.
#[derive(Default)]
struct Steps {
    /// Journal rows that were looked at.
    rows: usize,
    /// Changes that were built again.
    rebuilt: usize,
}

impl Steps {
    fn has_more(&self) -> bool {
        self.rows < SCAN_ROWS_MAX && self.rebuilt < REBUILT_MAX
    }
}

/// What a pump gave: frames to send, and whether there is more to look at.
pub(crate) struct Pumped {
    pub(crate) deltas: Vec<Result<PackedDelta, EncodeError>>,
    pub(crate) more: bool,
}

/// A pump in the making.
struct Pumping<'a> {
    deflaters: &'a mut Deflaters,
    deltas: Vec<Result<PackedDelta, EncodeError>>,
}

impl Pumping<'_> {
    fn end(self, more: bool) -> Pumped {
        Pumped { deltas: self.deltas, more }
    }
}

impl Sender {
    /// `position` is where to send from; `known` is what the peer says it has of the journal; `first` goes before all
    /// else that is readable.
    pub(crate) fn new(
        (position, known): (u64, u64),
        (readable, first): (BTreeSet<SpaceNumber>, Option<SpaceNumber>),
        theirs: Confirmed,
    ) -> Self {
        Self {
            generation: 0,
            position,
            announced: known.min(position),
            announced_max: 0,
            readable,
            first,
            first_due: first.is_some(),
            first_rows: 0,
            theirs,
            shown: BTreeMap::new(),
            stopped: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            damaged: Vec::new(),
            overtaking: None,
            encoder: DeltaEncoder::default(),
            window: Window::default(),
        }
    }

    /// Journal rows up to here were looked at.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether it is sent a space.
    pub(crate) fn sends(&self, space: SpaceNumber) -> bool {
        self.readable.contains(&space)
    }

    /// The space whose rows go before all others.
    pub(crate) fn first(&self) -> Option<SpaceNumber> {
        self.first
    }

    /// Whether no more of a stream comes to the peer for the time being.
    pub(crate) fn is_held_up(&self, space: SpaceNumber, origin: Origin) -> bool {
        self.stopped.contains_key(&(space, origin)) || self.unreadable.contains(&(space, origin))
    }

    /// How far the peer has a stream, or was sent it.
    pub(crate) fn sent(&self, space: SpaceNumber, origin: Origin) -> u64 {
        self.theirs.get(space, origin)
    }

    /// Sends nothing of a space from here on.
    pub(crate) fn withhold(&mut self, space: SpaceNumber) {
        self.readable.remove(&space);
        // When it is sent again, it is from where it was left.
        if let Some(ahead) = &mut self.overtaking {
            ahead.withhold(space);
        }
    }

    /// Sends a space from `position` on, also what other spaces' rows went past; returns whether it was not sent before.
    pub(crate) fn open(&mut self, space: SpaceNumber, position: u64) -> bool {
        let is_new = self.readable.insert(space);
        if is_new {
            self.position = self.position.min(position);
        }
        is_new
    }

    /// The peer has this change: it sent it.
    pub(crate) fn raise(&mut self, space: SpaceNumber, origin: Origin, sequence: u64) {
        self.theirs.raise(space, origin, sequence);
        // Only what is more: a peer makes up origins with nothing.
        if self.shown.get(&(space, origin)).copied().unwrap_or(0) < sequence {
            self.shown.insert((space, origin), sequence);
        }
    }

    /// Streams of which it takes no more until it asks for a rewind.
    pub(crate) fn stopped(&self) -> &BTreeMap<(SpaceNumber, Origin), StoppedAt> {
        &self.stopped
    }

    /// Frames for what is durable and not sent, as far as the window allows.
    pub(crate) fn pump<S: Store>(
        &mut self,
        journal: &Journal<S>,
        documents: &mut Documents,
        deflaters: &mut Deflaters,
    ) -> Result<Pumped, StoreError> {
        let mut pumping = Pumping { deflaters, deltas: Vec::new() };
        if self.pump_before_others(journal, documents, &mut pumping)? {
            return Ok(pumping.end(false));
        }
        let (from, last) = (self.position, journal.durable_head());
        #[cfg(isle_planted)]
        let last = match crate::planted::is(crate::planted::Bug::CursorBeforeBatch) {
            true => journal.head(),
            false => last,
        };
        // Deltas of rows that were passed before end where the last one did: only one is under way, so that its
        // acknowledgement is of no other.
        let is_behind = from < self.announced;
        if from >= last || (is_behind && !self.window.is_empty()) {
            return Ok(pumping.end(false));
        }
        let (keyspace, range) = keys::journal_after(from, last);
        let (mut draft, mut steps, mut is_within) = (self.draft(), Steps::default(), false);
        let mut rows = journal.rows.durable().scan(keyspace, range);
        // A transaction is never split: it is at most a frame.
        while is_within || (self.window.bytes() < WINDOW_BYTES_MAX && steps.has_more()) {
            let Some(row) = rows.next() else {
                self.position = last;
                break;
            };
            steps.rows += 1;
            let (key, value) = row?;
            let lsn = keys::read_journal(&key).ok_or(DAMAGED)?;
            let row: JournalRow = record::decode(Keyspace::Journal, &value)?;
            if self.wants(journal, &row)? {
                let is_first = self.first == Some(SpaceNumber(row.space));
                if !draft.delta.rows.is_empty() && draft.is_first != is_first {
                    self.seal(journal, &mut pumping, std::mem::take(&mut draft));
                    if is_behind {
                        return Ok(pumping.end(false));
                    }
                    draft = self.draft();
                }
                draft.is_first = is_first;
                steps.rebuilt += usize::from(self.read_into(&mut draft, journal, documents, (lsn, &row))?);
            }
            self.position = lsn;
            is_within = row.follow > 0;
            #[cfg(isle_planted)]
            if crate::planted::is(crate::planted::Bug::TransactionCutByFrame) {
                is_within = false;
            }
            if !is_within && !draft.is_first {
                self.read_ahead(&mut draft, journal, documents, &mut steps)?;
            }
            if draft.is_full() && !is_within {
                self.seal(journal, &mut pumping, std::mem::take(&mut draft));
                draft = self.draft();
                if is_behind {
                    return Ok(pumping.end(false));
                }
            }
        }
        let skipped = self.position.saturating_sub(self.announced);
        if !draft.delta.rows.is_empty() || skipped >= SKIPPED_ROWS_MAX {
            self.seal(journal, &mut pumping, draft);
        }
        Ok(pumping.end(self.position < last && self.window.bytes() < WINDOW_BYTES_MAX))
    }

    /// Sends what goes before all others; returns whether those are to wait. The frames end at one position: only one is
    /// under way, so that its acknowledgement is of no other.
    fn pump_before_others<S: Store>(
        &mut self,
        journal: &Journal<S>,
        documents: &mut Documents,
        pumping: &mut Pumping<'_>,
    ) -> Result<bool, StoreError> {
        if self.first_due && self.window.is_empty() {
            self.first_due = self.pump_first(journal, documents, pumping)?;
        }
        Ok(self.first_due)
    }

    /// Sends a frame of what the peer lacks of the first space, stream by stream; what is beyond some rows goes with the
    /// journal. The frames stay at the position: they move no cursor. Returns whether there is another.
    fn pump_first<S: Store>(
        &mut self,
        journal: &Journal<S>,
        documents: &mut Documents,
        pumping: &mut Pumping<'_>,
    ) -> Result<bool, StoreError> {
        let Some(space) = self.first else { return Ok(false) };
        let mut draft = self.draft();
        let mut is_within = false;
        for (number, entry) in journal.vectors.of(space) {
            let has = self.theirs.get(space, journal.names.origin(number)?.0);
            for sequence in has + 1..=entry.sequence.min(journal.passed_on(space, number)) {
                if !is_within && self.first_rows >= FIRST_ROWS_MAX {
                    break;
                }
                let lsn = journal.position(space, number, sequence)?;
                let Some(lsn) = lsn.filter(|lsn| *lsn <= journal.durable_head()) else { break };
                let row = journal.row(lsn)?;
                if !self.wants(journal, &row)? {
                    break;
                }
                self.read_into(&mut draft, journal, documents, (lsn, &row))?;
                (self.first_rows, is_within) = (self.first_rows + 1, row.follow > 0);
                if draft.is_full() && !is_within {
                    self.seal(journal, pumping, draft);
                    return Ok(true);
                }
            }
        }
        if !draft.delta.rows.is_empty() {
            self.seal(journal, pumping, draft);
        }
        Ok(false)
    }

    fn draft(&self) -> Draft {
        let delta = Delta { generation: self.generation, from: self.announced, ..Delta::default() };
        Draft { delta, ..Draft::default() }
    }

    fn wants<S: Store>(&self, journal: &Journal<S>, row: &JournalRow) -> Result<bool, StoreError> {
        let space = SpaceNumber(row.space);
        let (origin, _) = journal.names.origin(OriginNumber(row.origin))?;
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::ReadRightForgotten) {
            return Ok(self.theirs.get(space, origin) < row.sequence);
        }
        Ok(self.readable.contains(&space)
            && self.theirs.get(space, origin) < row.sequence
            && !self.stopped.contains_key(&(space, origin))
            && !self.unreadable.contains(&(space, origin))
            && row.sequence <= journal.passed_on(space, OriginNumber(row.origin)))
    }

    /// Reads a change into the draft, its transaction once that is whole. Of a stream whose change cannot be read nothing
    /// more is sent: what follows would find a gap. Returns whether the change was built again.
    fn read_into<S: Store>(
        &mut self,
        draft: &mut Draft,
        journal: &Journal<S>,
        documents: &mut Documents,
        (lsn, row): (u64, &JournalRow),
    ) -> Result<bool, StoreError> {
        let Some(read) = undamaged(body_of(journal, documents, lsn, row))? else {
            let (origin, _) = journal.names.origin(OriginNumber(row.origin))?;
            self.unreadable.insert((SpaceNumber(row.space), origin));
            self.damaged.push(DocumentNumber(row.document));
            draft.transaction.clear();
            return Ok(false);
        };
        let mut is_rebuilt = false;
        if let Some((body, rebuilt)) = read {
            is_rebuilt = rebuilt;
            draft.transaction.push((body, *row));
        }
        #[cfg(isle_planted)]
        let is_cut = crate::planted::is(crate::planted::Bug::TransactionCutByFrame);
        #[cfg(not(isle_planted))]
        let is_cut = false;
        if row.follow == 0 || is_cut {
            for (body, row) in std::mem::take(&mut draft.transaction) {
                self.add(journal, draft, body, &row)?;
            }
        }
        Ok(is_rebuilt)
    }

    /// Documents of which a change could not be read, each once.
    pub(crate) fn take_damaged(&mut self) -> Vec<DocumentNumber> {
        std::mem::take(&mut self.damaged)
    }

    fn add<S: Store>(
        &mut self,
        journal: &Journal<S>,
        draft: &mut Draft,
        body: Vec<u8>,
        row: &JournalRow,
    ) -> Result<(), StoreError> {
        let number = DocumentNumber(row.document);
        let document = match draft.documents.get(&number) {
            Some(index) => *index,
            None => self.add_document(journal, draft, number)?,
        };
        let (origin, key) = journal.names.origin(OriginNumber(row.origin))?;
        let next = u32::try_from(draft.origins.len()).map_err(|_| DAMAGED)?;
        let index = *draft.origins.entry(OriginNumber(row.origin)).or_insert_with(|| {
            draft.delta.origins.push(key);
            next
        });
        let follow = NonZeroU16::new(row.follow);
        draft.bytes += body.len() + 8;
        draft.delta.rows.push(Row { document, origin: index, sequence: row.sequence, body, follow });
        draft.last.insert((SpaceNumber(row.space), origin), row.sequence);
        self.theirs.raise(SpaceNumber(row.space), origin, row.sequence);
        Ok(())
    }

    fn add_document<S: Store>(
        &self,
        journal: &Journal<S>,
        draft: &mut Draft,
        number: DocumentNumber,
    ) -> Result<u32, StoreError> {
        let address = journal.address(number)?;
        let space = journal.names.space_number(&address.space).ok_or(DAMAGED)?;
        let next = u32::try_from(draft.spaces.len()).map_err(|_| DAMAGED)?;
        let space = *draft.spaces.entry(space).or_insert_with(|| {
            draft.delta.spaces.push(address.space.as_str().to_owned());
            next
        });
        let index = u32::try_from(draft.delta.documents.len()).map_err(|_| DAMAGED)?;
        let (collection, key) = (address.collection.as_str().to_owned(), address.key.as_str().to_owned());
        draft.bytes += collection.len() + key.len() + 8;
        draft.delta.documents.push(DocumentName { space, collection, key });
        draft.documents.insert(number, index);
        draft.numbers.push(number);
        Ok(index)
    }

    fn seal<S: Store>(&mut self, journal: &Journal<S>, pumping: &mut Pumping<'_>, mut draft: Draft) {
        self.announced = self.announced.max(self.position);
        draft.delta.to = self.announced;
        self.announced_max = self.announced_max.max(self.announced);
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::WindowIgnored) {
            draft.bytes = 0;
        }
        self.window.push(self.announced, draft.bytes, &draft.last);
        // Changes that travel as rows were sent before what depends on them; creations of lists and texts do not.
        pumping.deltas.push(self.encoder.pack(&draft.delta, pumping.deflaters, |document, hash| {
            draft.numbers.get(document).is_some_and(|number| {
                journal.rows.has(&keys::hash(*number, &ChangeHash(*hash))).unwrap_or(false)
            })
        }));
    }

    /// The peer has everything up to `durable`.
    pub(crate) fn acknowledge(
        &mut self,
        durable: u64,
        confirmed: &mut Confirmed,
    ) -> Result<(), Misbehaviour> {
        if durable > self.announced_max {
            return Err(Misbehaviour::Position);
        }
        self.window.acknowledge(durable, |space, origin, sequence| {
            if !self.stopped.contains_key(&(space, origin)) {
                confirmed.raise(space, origin, sequence);
            }
        });
        Ok(())
    }

    /// The peer takes no more of some streams: what was sent beyond what it names is not had.
    pub(crate) fn stop<S: Store>(
        &mut self,
        journal: &Journal<S>,
        confirmed: &mut Confirmed,
        stopped: &[Stopped],
    ) {
        for Stopped { space, origin, sequence, cause } in stopped {
            let space = document::Space::new(space.as_str()).ok();
            let space = space.and_then(|space| journal.names.space_number(&space));
            let Some(space) = space.filter(|space| self.readable.contains(space)) else { continue };
            // Only of origins that there are: a peer cannot make this grow.
            if journal.names.origin_number(Origin(*origin)).is_some() {
                let stream = (space, Origin(*origin));
                let sequence = self.shown.get(&stream).map_or(*sequence, |shown| *shown.max(sequence));
                let cause = cause.and_then(StopCause::from_number);
                self.stopped.insert(stream, StoppedAt { sequence, cause });
                confirmed.set(space, Origin(*origin), sequence);
            }
        }
    }

    /// The peer asks to be sent again what it lacks: from `position`, in a new generation.
    pub(crate) fn rewind(&mut self, generation: u32, position: u64, theirs: Confirmed) {
        self.generation = generation;
        self.position = position;
        self.announced = position;
        self.theirs = theirs;
        self.overtaking = None;
        self.stopped.clear();
        self.window = Window::default();
    }

    /// Whether a rewind may follow: generations count up by one, and not for ever.
    pub(crate) fn expects(&self, generation: u32) -> bool {
        generation == self.generation + 1 && generation <= REWINDS_MAX
    }

    /// Takes the vectors of a rewind as what the peer has of the spaces that it is sent.
    pub(crate) fn confirm<S: Store>(
        &self,
        journal: &Journal<S>,
        confirmed: &mut Confirmed,
        vectors: &[SpaceVector],
    ) {
        for vector in vectors {
            let space = document::Space::new(vector.space.as_str()).ok();
            let space = space.and_then(|space| journal.names.space_number(&space));
            if let Some(space) = space.filter(|space| self.readable.contains(space)) {
                confirmed.replace(space, &vector.entries);
                #[cfg(isle_planted)]
                if crate::planted::is(crate::planted::Bug::ShownForgotten) {
                    continue;
                }
                let of_space = (space, Origin([0; 16]))..=(space, Origin([255; 16]));
                for ((_, origin), sequence) in self.shown.range(of_space) {
                    confirmed.raise(space, *origin, *sequence);
                }
            }
        }
    }
}

/// The body of a change, and whether it was built again; `None` when the branch that it was in was taken out.
fn body_of<S: Store>(
    journal: &Journal<S>,
    documents: &mut Documents,
    lsn: u64,
    row: &JournalRow,
) -> Result<Option<(Vec<u8>, bool)>, StoreError> {
    let (chunk, is_rebuilt) = match stored_chunk(journal, lsn, row)? {
        Some(chunk) => (chunk, false),
        None if journal.is_stamped(lsn, row)? => (rebuilt_chunk(journal, documents, row)?, true),
        None => return Ok(None),
    };
    Ok(Some((ForeignChange::body(&chunk).map_err(|_| DAMAGED)?.to_vec(), is_rebuilt)))
}

/// A change as it is stored; `None` when a snapshot stands in its place.
fn stored_chunk<S: Store>(
    journal: &Journal<S>,
    lsn: u64,
    row: &JournalRow,
) -> Result<Option<Vec<u8>>, StoreError> {
    let (keyspace, key) = keys::change(DocumentNumber(row.document), lsn);
    journal.rows.durable().get(keyspace, &key)
}

fn rebuilt_chunk<S: Store>(
    journal: &Journal<S>,
    documents: &mut Documents,
    row: &JournalRow,
) -> Result<Vec<u8>, StoreError> {
    let address = journal.address(DocumentNumber(row.document))?;
    let place = journal.document(&address)?.ok_or(DAMAGED)?;
    documents.rebuild(journal, &place, &ChangeHash(row.hash))?.ok_or(DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shows_nothing_takes_no_memory() {
        let mut sender = Sender::new((0, 0), (BTreeSet::new(), None), Confirmed::default());
        for number in 0..=255 {
            sender.raise(SpaceNumber(1), Origin([number; 16]), 0);
        }
        assert!(sender.shown.is_empty());
    }
}
