//! Open documents: an LRU bounded in bytes. A document is opened from its snapshot and its changes, and brought up to
//! date with those that came since it was opened, without those that are skipped.

use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::keys::DocumentNumber;
use crate::request::BlockReason;
use crate::store::{Store, StoreError, undamaged};
use document::{ApplyError, ChangeHash, Document, ForeignChange};
use std::collections::{BTreeMap, BTreeSet};

/// Changes applied at once: between them a document could be taken as it is. Of a long document it is more.
const CHANGES_AT_ONCE: usize = 1_024;
/// Applying changes costs a copy of the document, and opening it all of its changes. In steps of a constant number a
/// long backlog would cost its square; in steps of at least this part of what is there it costs a few times itself.
const STEP_PART: u64 = 4;

/// A document in memory. Its owner gives it back with [`Documents::keep`].
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
    fn step(&self, least: usize) -> usize {
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
}

impl Documents {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { open: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0, bytes: 0, bytes_max }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
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
        let done = try_changes(&mut open, journal, place, most);
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

    /// Lets go of a document whose changes are about to be others.
    pub(crate) fn forget(&mut self, number: DocumentNumber) {
        self.take(number);
    }

    fn take(&mut self, number: DocumentNumber) -> Option<Open> {
        let open = self.open.remove(&number)?;
        self.by_use.remove(&open.used);
        self.bytes -= open.document.memory_bytes();
        Some(open)
    }

    /// Gives a document back. The one used longest ago makes room for it.
    pub(crate) fn keep(&mut self, number: DocumentNumber, mut open: Open) {
        self.uses += 1;
        open.used = self.uses;
        self.bytes += open.document.memory_bytes();
        self.by_use.insert(self.uses, number);
        self.open.insert(number, open);
        // The one just used stays, however large: it would be loaded again at once.
        while self.bytes > self.bytes_max && self.open.len() > 1 {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = *oldest;
            self.take(oldest);
        }
    }
}

/// Applies about `most` changes, each noted as suspect before.
fn try_changes<S: Store>(
    open: &mut Open,
    journal: &mut Journal<S>,
    place: &DocumentPlace,
    most: usize,
) -> Result<Result<(), Unapplied>, StoreError> {
    let most = open.step(most);
    let mut done = Ok(());
    while done.is_ok() && open.applied < place.row.last && open.tried < most {
        let at_once = if place.row.strikes == 0 { open.step(CHANGES_AT_ONCE) } else { 1 };
        let span = (open.applied, place.row.last);
        let read = undamaged(read(journal, place, span, at_once.min(most - open.tried)))?;
        let Some(read) = read else { return Ok(Err(UNREADABLE)) };
        read.skipped.iter().for_each(|(lsn, hash)| journal.skip(place, *lsn, hash));
        journal.rows.set_suspect(Some(&suspect(place.number(), read.last())))?;
        let applied = open.document.apply(&read.chunks);
        done = open.advance(&read, applied);
    }
    Ok(done)
}

/// What is noted before changes are tried: the document's number and the position of the last of them.
fn suspect(document: DocumentNumber, last: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (number, position) = bytes.split_at_mut(4);
    number.copy_from_slice(&document.0.to_be_bytes());
    position.copy_from_slice(&last.to_be_bytes());
    bytes
}

/// Document number and position in a note of [`suspect`].
pub(crate) fn read_suspect(bytes: &[u8]) -> Option<(DocumentNumber, u64)> {
    let (number, last) = bytes.split_at_checked(4)?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    Some((DocumentNumber(number), u64::from_be_bytes(last.try_into().ok()?)))
}

/// `None` when the snapshot cannot be read.
fn load<S: Store>(journal: &Journal<S>, place: &DocumentPlace) -> Result<Option<Open>, StoreError> {
    if place.row.snapshot == 0 {
        return Ok(Some(Open::new()));
    }
    let Some(snapshot) = undamaged(journal.snapshot(place))? else { return Ok(None) };
    Ok(Document::load(&snapshot.bytes).ok().map(|document| Open {
        document: Box::new(document),
        applied: snapshot.lsn,
        tried: 0,
        used: 0,
    }))
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
    fn a_suspect_is_read_as_it_was_noted() {
        let noted = suspect(DocumentNumber(7), 1 << 40);
        assert_eq!(read_suspect(&noted), Some((DocumentNumber(7), 1 << 40)));
        assert_eq!((read_suspect(&[1; 11]), read_suspect(&[])), (None, None));
    }
}
