//! Open documents, bounded in bytes; those that were not used for long give way. A document is opened from its snapshot and its changes, and brought up to
//! date with those that came since it was opened, without those that are skipped.

use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::keys::{self, DocumentNumber};
use crate::request::BlockReason;
use crate::store::{Store, StoreError, Turn, undamaged};
use document::{ApplyError, ChangeHash, Document, ForeignChange};
use std::collections::{BTreeMap, BTreeSet};

/// Changes applied at once: between them a document could be taken as it is. Of a long document it is more.
pub(crate) const CHANGES_AT_ONCE: usize = 1_024;
/// Applying changes costs a copy of the document, and opening it all of its changes. In steps of a constant number a
/// long backlog would cost its square; in steps of at least this part of what is there it costs a few times itself.
const STEP_PART: u64 = 4;
/// Changes taken up together of a document with which the process ended.
const CHANGES_AFTER_A_STRIKE: usize = 8;

/// A document in memory. Its owner gives it back with [`Documents::keep`].
#[derive(Clone)]
pub(crate) struct Open {
    /// Boxed: it has 3.5 KB of its own, and moves between the map and whoever works on it.
    pub(crate) document: Box<Document>,
    /// Position of the last change that is in it.
    pub(crate) applied: u64,
    /// Changes that were applied for the first time since it was last opened.
    pub(crate) tried: usize,
    /// When it was last used; the key in `by_use`.
    used: u64,
}

impl Open {
    /// A document without changes.
    pub(crate) fn new() -> Self {
        Self { document: Box::new(Document::new()), applied: 0, tried: 0, used: 0 }
    }

    /// Takes in how far changes were applied.
    fn advance(&mut self, read: &Read, applied: Result<(), ApplyError>) -> Result<(), Unapplied> {
        let Err(error) = applied else {
            self.applied = read.last();
            self.tried += read.positions.len();
            return Ok(());
        };
        let at = read.chunk_positions.get(error.applied).copied();
        let before = read.positions.iter().take_while(|lsn| at.is_some_and(|at| **lsn < at));
        self.tried += before.clone().count();
        self.applied = before.last().copied().unwrap_or(self.applied);
        Err(Unapplied { at, reason: BlockReason::Refused })
    }

    /// How many changes are worth a step, at least `least`.
    pub(crate) fn step(&self, least: usize) -> usize {
        let part = self.document.changes_count() / STEP_PART;
        least.max(usize::try_from(part).unwrap_or(usize::MAX))
    }
}

impl Open {
    /// A document with the changes up to a position.
    pub(crate) fn of(document: Document, applied: u64) -> Self {
        Self { document: Box::new(document), applied, ..Self::new() }
    }
}

/// A document as far as its changes could be applied, and why no further.
pub(crate) type Opened = (Open, Result<(), Unapplied>);

/// A document has no more changes than those before one that cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unapplied {
    /// Its position, where it was never applied before.
    pub(crate) at: Option<u64>,
    pub(crate) reason: BlockReason,
}

/// The snapshot, or a change, cannot be read, or not applied though it was before: that concerns this document, and no
/// other.
const UNREADABLE: Unapplied = Unapplied { at: None, reason: BlockReason::Damaged };

pub(crate) struct Documents {
    open: BTreeMap<DocumentNumber, Open>,
    by_use: BTreeMap<u64, DocumentNumber>,
    uses: u64,
    bytes: u64,
    bytes_max: u64,
    /// Raised when changes of some document are about to be others, and when they are.
    generation: u64,
    /// The last turn that makes them so, until it is durable.
    replaced: Option<Turn>,
    /// Whether changes are first applied when they are durable: a process ended while it tried some that were not, so
    /// that nothing here can be blamed, and whoever sent them sends them again.
    pub(crate) tries_durable_only: bool,
}

impl Documents {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let (open, by_use) = (BTreeMap::new(), BTreeMap::new());
        Self {
            open,
            by_use,
            uses: 0,
            bytes: 0,
            bytes_max,
            generation: 0,
            replaced: None,
            tries_durable_only: false,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A document with the changes that are in its value: all of them were applied before.
    pub(crate) fn open_known<S: Store>(
        &mut self,
        journal: &Journal<S>,
        place: &DocumentPlace,
    ) -> Result<Opened, StoreError> {
        let mut open = match self.take(place.number()) {
            Some(open) if open.applied >= place.row.snapshot => open,
            Some(_) | None => match load(journal, place)? {
                Some(open) => open,
                None => return Ok((Open::new(), Err(UNREADABLE))),
            },
        };
        while open.applied < place.row.value {
            let span = (open.applied, place.row.value);
            let read = undamaged(read(journal, place, span, open.step(CHANGES_AT_ONCE)))?;
            let Some(read) = read else { return Ok((open, Err(UNREADABLE))) };
            let applied = open.document.apply_known(&read.chunks);
            if open.advance(&read, applied).is_err() {
                return Ok((open, Err(UNREADABLE)));
            }
        }
        open.tried = 0;
        Ok((open, Ok(())))
    }

    /// A document with about `most` of the changes that were never applied before, in the journal's order; more where
    /// that is little beside what it has, see [`STEP_PART`]. While they are tried it is noted as suspect: if the process
    /// ends, the next one knows of which document, and the one after it of which change.
    pub(crate) fn open<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        place: &DocumentPlace,
        most: usize,
    ) -> Result<Opened, StoreError> {
        let (mut open, known) = self.open_known(journal, place)?;
        if known.is_err() || open.applied >= place.row.last || most == 0 {
            return Ok((open, known));
        }
        let last = if self.tries_durable_only { journal.durable_head() } else { u64::MAX };
        let done = try_changes(&mut open, journal, place, (most, last.min(place.row.last)));
        journal.rows.set_suspect(None)?;
        Ok((open, done?))
    }

    /// The chunk of a change whose row gave way to a snapshot.
    pub(crate) fn rebuild<S: Store>(
        &mut self,
        journal: &Journal<S>,
        place: &DocumentPlace,
        hash: &ChangeHash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (open, _) = self.open_known(journal, place)?;
        let chunk = open.document.change(hash);
        self.keep(place.number(), open);
        Ok(chunk)
    }

    /// Lets go of a document with changes that nobody is to see.
    pub(crate) fn forget(&mut self, number: DocumentNumber) {
        self.take(number);
    }

    /// Lets go of a document whose changes are others from a turn on. What is read of it until that is durable is of what it
    /// was, and void.
    pub(crate) fn replace(&mut self, number: DocumentNumber, turn: Turn) {
        self.forget(number);
        self.generation += 1;
        self.replaced = Some(turn);
    }

    /// A turn is durable, and all before it.
    pub(crate) fn settle(&mut self, turn: Turn) {
        if self.replaced.is_some_and(|replaced| replaced <= turn) {
            self.generation += 1;
            self.replaced = None;
        }
    }

    /// What was read of any document under another generation is void.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a document is open.
    pub(crate) fn is_open(&self, number: DocumentNumber) -> bool {
        self.open.contains_key(&number)
    }

    /// Takes a document that was read elsewhere, unless it is open.
    pub(crate) fn offer(&mut self, number: DocumentNumber, open: Open) {
        if !self.is_open(number) {
            self.keep(number, open);
        }
    }

    /// Tells a document, if it is still open, the position of a change that it has already.
    pub(crate) fn advance(&mut self, number: DocumentNumber, applied: u64) {
        if let Some(open) = self.open.get_mut(&number) {
            open.applied = applied;
        }
    }

    fn take(&mut self, number: DocumentNumber) -> Option<Open> {
        let open = self.open.remove(&number)?;
        self.by_use.remove(&open.used);
        self.bytes -= open.document.memory_bytes();
        Some(open)
    }

    /// Gives a document back. Others make room for it.
    pub(crate) fn keep(&mut self, number: DocumentNumber, mut open: Open) {
        self.uses += 1;
        open.used = self.uses;
        open.document.let_go_of_copy();
        self.bytes += open.document.memory_bytes();
        self.by_use.insert(self.uses, number);
        self.open.insert(number, open);
        // The one just used stays, however large: it would be loaded again at once.
        while self.bytes > self.bytes_max && self.open.len() > 1 {
            let Some(number) = self.to_let_go() else { return };
            self.take(number);
        }
    }

    /// A document that gives way, and not the last: what stands at a point of time drawn between the first and the last use, or was used
    /// next after it. So one of many that were not used for long goes nearly always, as with the oldest first; and of a few
    /// more than fit that are used in turn most stay, where with the oldest first none would be here when it is needed.
    fn to_let_go(&self) -> Option<DocumentNumber> {
        let (first, _) = self.by_use.first_key_value()?;
        let (last, _) = self.by_use.last_key_value()?;
        let mixed = (self.uses ^ (self.uses >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let drawn = first + (mixed ^ (mixed >> 29)) % (last - first).max(1);
        let drawn = self.by_use.range(drawn..*last).next();
        drawn.or_else(|| self.by_use.first_key_value()).map(|(_, number)| *number)
    }
}

/// Applies about `most` changes up to a position, noted as suspect before.
fn try_changes<S: Store>(
    open: &mut Open,
    journal: &mut Journal<S>,
    place: &DocumentPlace,
    (most, last): (usize, u64),
) -> Result<Result<(), Unapplied>, StoreError> {
    // What was tried when the process ended is tried one by one, and a few at a time: they are soon taken up, so that another
    // power cut does not begin them anew.
    let one_by_one = place.row.struck.is_some();
    let most = if one_by_one { most.min(CHANGES_AFTER_A_STRIKE) } else { open.step(most) };
    let mut done = Ok(());
    while done.is_ok() && open.applied < last && open.tried < most {
        let at_once = if one_by_one { 1 } else { open.step(CHANGES_AT_ONCE) };
        let span = (open.applied, last);
        if last < place.row.last && journal.changes_after(place.number(), span, 1)?.is_empty() {
            break;
        }
        let read = undamaged(read(journal, place, span, at_once.min(most - open.tried)))?;
        let Some(read) = read else { return Ok(Err(UNREADABLE)) };
        read.skipped.iter().for_each(|(lsn, hash)| journal.skip(place, *lsn, hash));
        if let Some(suspect) = read.suspect(place) {
            journal.rows.set_suspect(Some(&suspect.to_bytes()))?;
        }
        let applied = open.document.apply(&read.chunks);
        done = open.advance(&read, applied);
    }
    Ok(done)
}

/// What is noted before changes are tried. Numbers and positions of rows that are not durable may come to be others',
/// so it says which change it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) document: DocumentNumber,
    /// The position of the last change that was tried.
    pub(crate) last: u64,
    /// blake3 of its chunk.
    pub(crate) sum: [u8; 32],
    /// The document's strikes until then: with more of them its row tells this one too.
    pub(crate) strikes: u8,
}

impl Suspect {
    pub(crate) fn of(document: DocumentNumber, (last, chunk): (u64, &[u8]), strikes: u8) -> Self {
        Self { document, last, sum: *blake3::hash(chunk).as_bytes(), strikes }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.document.0.to_be_bytes()[..], &self.last.to_be_bytes(), &self.sum, &[self.strikes]].concat()
    }

    /// Reads what [`Suspect::to_bytes`] gave.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (document, bytes) = bytes.split_first_chunk()?;
        let (last, bytes) = bytes.split_first_chunk()?;
        let (sum, strikes) = bytes.split_first_chunk()?;
        let [strikes] = *strikes else { return None };
        Some(Self {
            document: DocumentNumber(u32::from_be_bytes(*document)),
            last: u64::from_be_bytes(*last),
            sum: *sum,
            strikes,
        })
    }

    /// Whether the change that was tried is at its position.
    pub(crate) fn is_in<S: Store>(&self, journal: &Journal<S>) -> Result<bool, StoreError> {
        let chunk = journal.rows.get(&keys::change(self.document, self.last))?;
        Ok(chunk.is_some_and(|chunk| *blake3::hash(&chunk).as_bytes() == self.sum))
    }
}

/// `None` when the snapshot cannot be read.
fn load<S: Store>(journal: &Journal<S>, place: &DocumentPlace) -> Result<Option<Open>, StoreError> {
    if place.row.snapshot == 0 {
        return Ok(Some(Open::new()));
    }
    let Some(snapshot) = undamaged(journal.snapshot(place))? else { return Ok(None) };
    Ok(Document::load(&snapshot.bytes).ok().map(|document| Open::of(document, snapshot.lsn)))
}

/// Changes of a document, read from the journal.
struct Read {
    /// The position of each, those that are skipped included.
    positions: Vec<u64>,
    /// Those to be applied.
    chunks: Vec<Vec<u8>>,
    /// Their positions.
    chunk_positions: Vec<u64>,
    /// Those that are skipped because of what they depend on, found here.
    skipped: Vec<(u64, ChangeHash)>,
}

impl Read {
    fn last(&self) -> u64 {
        self.positions.last().copied().unwrap_or_default()
    }

    /// What could end the process; `None` when nothing is to be applied.
    fn suspect(&self, place: &DocumentPlace) -> Option<Suspect> {
        let (last, chunk) = self.chunk_positions.last().zip(self.chunks.last())?;
        Some(Suspect::of(place.number(), (*last, chunk), place.row.strikes))
    }
}

/// Reads at most `most` changes after a position.
fn read<S: Store>(
    journal: &Journal<S>,
    place: &DocumentPlace,
    span: (u64, u64),
    most: usize,
) -> Result<Read, StoreError> {
    let rows = journal.changes_after(place.number(), span, most)?;
    if rows.is_empty() {
        return Err(DAMAGED);
    }
    let positions = rows.iter().map(|(lsn, _)| *lsn).collect();
    let mut read = Read { positions, chunks: Vec::new(), chunk_positions: Vec::new(), skipped: Vec::new() };
    let mut found = BTreeSet::new();
    for (lsn, chunk) in rows {
        if place.row.dropped.is_some() {
            // One that cannot be parsed any more is tried, and blamed itself. The journal's row may be trimmed.
            let change = ForeignChange::body(&chunk).and_then(ForeignChange::parse).ok();
            let row = journal.find_row(lsn)?.map(|row| ChangeHash(row.hash));
            let hash = row.or(change.as_ref().map(|change| change.hash));
            if let Some(hash) = hash {
                if journal.is_skipped(place, &hash)? {
                    continue;
                }
                if let Some(change) = change
                    && depends_on_skipped(journal, place, &change, &found)?
                {
                    found.insert(hash);
                    read.skipped.push((lsn, hash));
                    continue;
                }
            }
        }
        read.chunks.push(chunk);
        read.chunk_positions.push(lsn);
    }
    Ok(read)
}

/// Whether a change depends on one that is skipped.
fn depends_on_skipped<S: Store>(
    journal: &Journal<S>,
    place: &DocumentPlace,
    change: &ForeignChange,
    found: &BTreeSet<ChangeHash>,
) -> Result<bool, StoreError> {
    for dependency in &change.dependencies {
        if found.contains(dependency) || journal.is_skipped(place, dependency)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses a document, and says whether it was open.
    fn uses(documents: &mut Documents, number: u32) -> bool {
        let open = documents.take(DocumentNumber(number));
        let was_open = open.is_some();
        documents.keep(DocumentNumber(number), open.unwrap_or_else(Open::new));
        was_open
    }

    fn room_for(count: u64) -> Documents {
        Documents::new(count * Open::new().document.memory_bytes())
    }

    #[test]
    fn of_a_few_more_than_fit_most_stay_when_they_are_used_in_turn() {
        let mut documents = room_for(90);
        let found = (0..10_000).filter(|turn| uses(&mut documents, turn % 100)).count();
        assert!(found > 6_000, "{found} of 10,000");
        assert_eq!(documents.count(), 90);
    }

    #[test]
    fn what_is_used_again_and_again_stays_when_others_pass_by() {
        let mut documents = room_for(90);
        let mut found = 0;
        for turn in 0..10_000 {
            found += usize::from(uses(&mut documents, turn % 10));
            uses(&mut documents, 1_000 + turn);
        }
        assert!(found > 9_500, "{found} of 10,000");
    }

    #[test]
    fn two_that_do_not_fit_together_are_not_kept_together() {
        let one = Open::new().document.memory_bytes();
        let mut documents = Documents::new(one + one / 2);
        uses(&mut documents, 1);
        for _ in 0..1_000 {
            uses(&mut documents, 2);
            assert!(documents.bytes <= documents.bytes_max);
        }
    }

    #[test]
    fn what_a_read_copied_is_not_kept() {
        let signature = document::Signature::of(document::Origin([7; 16]), 0);
        let mut open = Open::new();
        for n in 0..3 {
            let put = document::Operation::Put(serde_json::json!({ "n": n }));
            open.document.write(&signature, None, &[put]).unwrap();
        }
        let before = open.document.memory_bytes();
        assert!(Document::load(&open.document.save()).is_ok());
        assert!(open.document.memory_bytes() > before, "the copy is counted");
        let mut documents = Documents::new(u64::MAX);
        documents.keep(DocumentNumber(1), open);
        assert!(documents.bytes < before, "{} of {before}", documents.bytes);
    }

    #[test]
    fn a_suspect_is_read_as_it_was_noted() {
        let noted = Suspect::of(DocumentNumber(7), (1 << 40, b"chunk"), 3);
        assert_eq!(Suspect::read(&noted.to_bytes()), Some(noted));
        for length in [0, 11, 12, 43, 44, 46] {
            assert_eq!(Suspect::read(&vec![1; length]), None);
        }
    }
}
