//! Open documents, bounded in bytes; those that were not used for long give way. A document is opened from its snapshot and
//! its changes, and brought up to date with those that came since it was opened, without those that are skipped. Of most
//! only the tip stays open: it is a tenth of the document, and suffices until somebody asks for the history.

use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::keys::{self, DocumentNumber};
use crate::request::BlockReason;
use crate::store::{Store, StoreError, Turn, undamaged};
use document::{ChangeHash, Document, ForeignChange, Tip};
use room::OpenRoom;
use std::collections::BTreeSet;

mod front;
mod room;
pub(crate) use front::{Front, Open};

/// Changes applied at once: between them a document could be taken as it is. Of a long document it is more.
pub(crate) const CHANGES_AT_ONCE: usize = 1_024;
/// Applying changes costs a copy of the document, and opening it all of its changes. In steps of a constant number a
/// long backlog would cost its square; in steps of at least this part of what is there it costs a few times itself.
const STEP_PART: u64 = 4;
/// Changes taken up together of a document with which the process ended.
const CHANGES_AFTER_A_STRIKE: usize = 8;

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
    room: OpenRoom,
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
        Self { room: OpenRoom::new(bytes_max), generation: 0, replaced: None, tries_durable_only: false }
    }

    pub(crate) fn count(&self) -> usize {
        self.room.count()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.room.bytes()
    }

    /// A document with the changes that are in its value: all of them were applied before.
    pub(crate) fn open_known<S: Store>(
        &mut self,
        journal: &Journal<S>,
        place: &DocumentPlace,
    ) -> Result<Opened, StoreError> {
        let front = self.room.take(place.number());
        #[cfg(debug_assertions)]
        let tip = front.clone().filter(|front| !front.is_whole() && front.applied() == place.row.value);
        let mut open = match front {
            Some(Front::Whole(open)) if open.applied >= place.row.snapshot => open,
            Some(Front::Whole(_) | Front::Tip(_)) | None => match load(journal, place)? {
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
        #[cfg(debug_assertions)]
        if let Some(tip) = tip {
            let whole = (open.document.heads(), open.document.json());
            debug_assert!(open.applied > tip.applied() || (tip.heads(), tip.json()) == whole);
        }
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
        journal.forget_arrived(place.number());
        Ok((open, done?))
    }

    /// What [`Documents::open`] gives, or its tip where that takes all of these changes.
    pub(crate) fn open_front<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        place: &DocumentPlace,
        most: usize,
    ) -> Result<(Front, Result<(), Unapplied>), StoreError> {
        let was_closed = !self.is_open(place.number());
        if let Some(tip) = self.tip(place)
            && let Some(tip) = taken(tip, journal, place, most)?
        {
            return Ok((Front::Tip(tip), Ok(())));
        }
        match was_closed {
            false => self.open_whole(journal, place, most),
            true => self.open(journal, place, most).map(|(open, applied)| (Front::Whole(open), applied)),
        }
    }

    /// What [`Documents::open`] gives, which stays whole for a while.
    pub(crate) fn open_whole<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        place: &DocumentPlace,
        most: usize,
    ) -> Result<(Front, Result<(), Unapplied>), StoreError> {
        let (mut open, applied) = self.open(journal, place, most)?;
        open.is_needed = true;
        Ok((Front::Whole(open), applied))
    }

    /// The tip that is open, or that of a document that can be made of its changes alone.
    fn tip(&mut self, place: &DocumentPlace) -> Option<Open<Tip>> {
        let is_plain = place.row.dropped.is_none() && place.row.struck.is_none() && !self.tries_durable_only;
        match self.room.get(place.number()) {
            Some(Front::Whole(_)) => None,
            // One that has everything has nothing to try or to skip.
            Some(Front::Tip(tip)) if !is_plain && tip.applied < place.row.last => None,
            Some(Front::Tip(tip)) if tip.applied < place.row.snapshot => None,
            Some(Front::Tip(_)) => match self.room.take(place.number()) {
                Some(Front::Tip(tip)) => Some(Open { tried: 0, ..tip }),
                Some(Front::Whole(_)) | None => None,
            },
            None => (is_plain && place.row.snapshot == 0).then(|| Open::of(Tip::new(), 0)),
        }
    }

    /// What [`Documents::open_known`] gives, which stays whole for a while.
    pub(crate) fn whole<S: Store>(
        &mut self,
        journal: &Journal<S>,
        place: &DocumentPlace,
    ) -> Result<Opened, StoreError> {
        let (mut open, known) = self.open_known(journal, place)?;
        open.is_needed = true;
        Ok((open, known))
    }

    /// The chunk of a change whose row gave way to a snapshot.
    pub(crate) fn rebuild<S: Store>(
        &mut self,
        journal: &Journal<S>,
        place: &DocumentPlace,
        hash: &ChangeHash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (open, _) = self.whole(journal, place)?;
        let chunk = open.document.change(hash);
        self.keep(place.number(), open);
        Ok(chunk)
    }

    /// Lets go of a document with changes that nobody is to see.
    pub(crate) fn forget(&mut self, number: DocumentNumber) {
        self.room.take(number);
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

    /// Whether a document, or its tip, is open.
    pub(crate) fn is_open(&self, number: DocumentNumber) -> bool {
        self.room.get(number).is_some()
    }

    /// Whether a document is open with its history.
    pub(crate) fn is_whole(&self, number: DocumentNumber) -> bool {
        self.room.get(number).is_some_and(Front::is_whole)
    }

    /// Takes a document that was read elsewhere, unless it is open whole. It stays whole until [`Documents::put_aside`].
    pub(crate) fn offer(&mut self, number: DocumentNumber, open: Open) {
        if !self.is_whole(number) {
            self.forget(number);
            self.room.put(number, Front::Whole(Open { is_needed: true, ..open }));
        }
    }

    /// Keeps no more than the tip of a document that is open.
    pub(crate) fn put_aside(&mut self, number: DocumentNumber) {
        if self.is_whole(number)
            && let Some(Front::Whole(open)) = self.room.take(number)
        {
            self.room.put(number, open.without_history());
        }
    }

    /// Has the tip of a document, if it is open, take about `most` of its changes, and tells how many. `None` where it does
    /// not take all of them: it is let go of then, as it will not do.
    pub(crate) fn tip_takes<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        place: &DocumentPlace,
        most: usize,
    ) -> Result<Option<usize>, StoreError> {
        let is_open = self.is_open(place.number());
        let Some(tip) = self.tip(place).filter(|_| is_open) else { return Ok(None) };
        let Some(tip) = taken(tip, journal, place, most)? else { return Ok(None) };
        let tried = tip.tried;
        self.room.put(place.number(), Front::Tip(tip));
        Ok(Some(tried))
    }

    /// Tells a document, if it is still open, the position of a change that it has already.
    pub(crate) fn advance(&mut self, number: DocumentNumber, applied: u64) {
        if let Some(front) = self.room.get_mut(number) {
            front.advance(applied);
        }
    }

    /// Gives a document back. Others make room for it.
    pub(crate) fn keep(&mut self, number: DocumentNumber, mut open: Open) {
        open.document.let_go_of_copy();
        self.room.put(number, open.put_aside());
    }

    /// Gives back as much of a document as there is.
    pub(crate) fn keep_front(&mut self, number: DocumentNumber, front: Front) {
        match front {
            Front::Whole(open) => self.keep(number, open),
            tip @ Front::Tip(_) => self.room.put(number, tip),
        }
    }
}

/// A tip with the changes of its document that are in its value, and about `most` others; `None` where it does not take all
/// of them.
fn taken<S: Store>(
    mut tip: Open<Tip>,
    journal: &mut Journal<S>,
    place: &DocumentPlace,
    most: usize,
) -> Result<Option<Open<Tip>>, StoreError> {
    #[cfg(isle_planted)]
    if crate::planted::is(crate::planted::Bug::TipKept) && tip.applied > 0 {
        tip.applied = place.row.last;
    }
    let is_taken = undamaged(take_changes(&mut tip, journal, place, most))?.unwrap_or(false);
    if tip.tried > 0 {
        journal.rows.set_suspect(None)?;
    }
    Ok(is_taken.then_some(tip))
}

fn take_changes<S: Store>(
    tip: &mut Open<Tip>,
    journal: &mut Journal<S>,
    place: &DocumentPlace,
    most: usize,
) -> Result<bool, StoreError> {
    // Known once what is in the value was taken: see `STEP_PART`.
    let mut most_tried = None;
    while tip.applied < place.row.last {
        let is_known = tip.applied < place.row.value;
        let (last, left) = match is_known {
            true => (place.row.value, usize::MAX),
            false => {
                let most = *most_tried.get_or_insert_with(|| if most == 0 { 0 } else { tip.step(most) });
                (place.row.last, most.saturating_sub(tip.tried))
            }
        };
        if left == 0 {
            break;
        }
        let at_once = tip.step(CHANGES_AT_ONCE).min(left);
        let span = (tip.applied, last);
        let changes = match is_known {
            true => journal.changes_after(place.number(), span, at_once)?,
            false => journal.take_changes_after(place.number(), span, at_once)?,
        };
        let Some((last, chunk)) = changes.last() else { return Err(DAMAGED) };
        if !is_known {
            tip.tried += changes.len();
            let suspect = Suspect::of(place.number(), (*last, chunk), place.row.strikes);
            journal.rows.set_suspect(Some(&suspect.to_bytes()))?;
        }
        if !tip.take(changes) {
            return Ok(false);
        }
    }
    Ok(true)
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

    #[test]
    fn what_a_read_copied_is_not_kept() {
        let signature = document::Signature::of(document::Origin([7; 16]), 0);
        let mut open = Open { is_needed: true, ..Open::new() };
        for n in 0..3 {
            let put = document::Operation::Put(serde_json::json!({ "n": n }));
            open.document.write(&signature, None, &[put]).unwrap();
        }
        let before = open.document.memory_bytes();
        assert!(Document::load(&open.document.save()).is_ok());
        assert!(open.document.memory_bytes() > before, "the copy is counted");
        let mut documents = Documents::new(u64::MAX);
        documents.keep(DocumentNumber(1), open);
        assert!(documents.bytes() < before, "{} of {before}", documents.bytes());
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
