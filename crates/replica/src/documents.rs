//! Open documents: an LRU bounded in bytes. A document is opened from its snapshot and its changes, and brought up to
//! date with those that came since it was opened.

use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::keys::DocumentNumber;
use crate::store::{Store, StoreError};
use document::{ApplyError, ApplyReason, ChangeHash, Document};
use std::collections::BTreeMap;

/// Most changes applied at once: between them a document could be taken as it is.
const CHANGES_AT_ONCE_MAX: usize = 1_024;

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
}

impl Open {
    /// A document with the changes up to a position.
    pub(crate) fn of(document: Document, applied: u64) -> Self {
        Self { document: Box::new(document), applied, ..Self::new() }
    }
}

/// A document as far as its changes could be applied, and why no further.
pub(crate) type Opened = (Open, Result<(), ApplyError>);

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
        let applied =
            advance(&mut open, journal, place, (place.row.value, usize::MAX), Document::apply_known)?;
        open.tried = 0;
        Ok((open, applied))
    }

    /// A document with at most `most` of the changes that were never applied before, in the journal's order. While
    /// they are tried it is noted as suspect: if the process ends, the next one knows of which document.
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
        journal.rows.set_suspect(Some(&suspect(place)))?;
        let applied = advance(&mut open, journal, place, (place.row.last, most), Document::apply)?;
        journal.rows.set_suspect(None)?;
        Ok((open, applied))
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

/// Stands for a snapshot that cannot be read.
const UNREADABLE: ApplyError =
    ApplyError { applied: 0, change: ChangeHash([0; 32]), reason: ApplyReason::SaveDiffers };

/// What is noted before changes are tried: the document's number and the position of its last change.
fn suspect(place: &DocumentPlace) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (number, last) = bytes.split_at_mut(4);
    number.copy_from_slice(&place.number().0.to_be_bytes());
    last.copy_from_slice(&place.row.last.to_be_bytes());
    bytes
}

/// Document number and position in a note of [`suspect`].
pub(crate) fn read_suspect(bytes: &[u8]) -> Option<(DocumentNumber, u64)> {
    let (number, last) = bytes.split_at_checked(4)?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    Some((DocumentNumber(number), u64::from_be_bytes(last.try_into().ok()?)))
}

/// `None` when the snapshot cannot be read: that concerns this document, and no other.
fn load<S: Store>(journal: &Journal<S>, place: &DocumentPlace) -> Result<Option<Open>, StoreError> {
    if place.row.snapshot == 0 {
        return Ok(Some(Open::new()));
    }
    let snapshot = journal.snapshot(place)?;
    Ok(Document::load(&snapshot.bytes).ok().map(|document| Open {
        document: Box::new(document),
        applied: snapshot.lsn,
        tried: 0,
        used: 0,
    }))
}

/// Applies changes up to a position, at most so many, and all before one that cannot be applied.
fn advance<S: Store>(
    open: &mut Open,
    journal: &Journal<S>,
    place: &DocumentPlace,
    (last, most): (u64, usize),
    apply: impl Fn(&mut Document, &[Vec<u8>]) -> Result<(), ApplyError>,
) -> Result<Result<(), ApplyError>, StoreError> {
    let mut left = most;
    while open.applied < last && left > 0 {
        let at_once = left.min(CHANGES_AT_ONCE_MAX);
        let (chunks, position) = journal.chunks(place.number(), (open.applied, last), at_once)?;
        if position == open.applied {
            return Err(DAMAGED);
        }
        if let Err(error) = apply(&mut open.document, &chunks) {
            if error.applied > 0 {
                (_, open.applied) = journal.chunks(place.number(), (open.applied, last), error.applied)?;
                open.tried += error.applied;
            }
            return Ok(Err(error));
        }
        open.applied = position;
        left -= chunks.len();
        open.tried += chunks.len();
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspect_is_read_as_it_was_noted() {
        let row = crate::record::DocumentRow { number: 7, last: 1 << 40, ..Default::default() };
        let place = DocumentPlace { space: crate::keys::SpaceNumber(0), row };
        assert_eq!(read_suspect(&suspect(&place)), Some((DocumentNumber(7), 1 << 40)));
        assert_eq!((read_suspect(&[1; 11]), read_suspect(&[])), (None, None));
    }
}
