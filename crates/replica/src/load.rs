//! Documents read beside the core, on other threads: one with much history takes Automerge long to load, and whatever came
//! behind it would wait.
//!
//! What is loaded are the changes that are durable and were applied before. Those that came since the core applies itself,
//! as to any open document, so that it does not matter what is written meanwhile; what was taken out meanwhile does, and
//! makes what was loaded void.

use crate::documents::{CHANGES_AT_ONCE, Open};
use crate::journal::{DAMAGED, snapshot_of};
use crate::keys::{self, DocumentNumber, Place};
use crate::record::{self, DocumentRow, SnapshotRow};
use crate::store::{ReadRows, StoreError};
use document::Document;
use std::fmt;

/// Which closed documents are read beside the core: those with so many changes, or so many bytes of them; and how much at a
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadPolicy {
    /// Changes.
    pub changes_min: u64,
    /// Bytes of changes.
    pub bytes_min: u64,
    /// Requests that wait for documents to be read; beyond them the oldest is carried out, and the core reads what it lacks.
    pub held_max: usize,
    /// Documents that are being read at a time; beyond them the core reads one itself.
    pub reading_max: usize,
}

/// Smaller ones take less than to hand them over.
impl Default for LoadPolicy {
    fn default() -> Self {
        Self { changes_min: 64, bytes_min: 16 * 1024, held_max: 128, reading_max: 256 }
    }
}

impl LoadPolicy {
    /// Whether a document is among them.
    pub(crate) fn is_for(self, row: &DocumentRow) -> bool {
        row.changes >= self.changes_min || row.bytes >= self.bytes_min
    }
}

/// A document to be read, by [`Effect::Load`](crate::Effect::Load).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOrder {
    pub(crate) number: DocumentNumber,
    pub(crate) place: Place,
    pub(crate) generation: u64,
}

/// What came of it, for [`Input::Loaded`](crate::Input::Loaded).
#[derive(Clone)]
pub struct Loaded {
    pub(crate) number: DocumentNumber,
    pub(crate) generation: u64,
    /// None where it is to be read by the core, which deals with whatever is wrong.
    pub(crate) open: Option<Open>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, generation, open } = self;
        let applied = open.as_ref().map(|open| open.applied);
        write!(f, "Loaded {{ {number:?}, generation {generation}, applied {applied:?} }}")
    }
}

/// The rows of a document, none of which is read again.
#[derive(Debug)]
pub struct Found {
    order: LoadOrder,
    rows: Option<DocumentRows>,
}

struct DocumentRows {
    snapshot: Option<SnapshotRow>,
    /// Positions and chunks of the changes after it.
    changes: Vec<(u64, Vec<u8>)>,
}

impl fmt::Debug for DocumentRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentRows").field("changes", &self.changes.len()).finish_non_exhaustive()
    }
}

impl LoadOrder {
    /// Reads the document's rows. They may be let go of before it is loaded from them.
    #[must_use]
    pub fn read(&self, rows: &impl ReadRows) -> Found {
        Found { order: self.clone(), rows: self.rows(rows).ok().flatten() }
    }

    /// Nothing was read: the core does it.
    #[must_use]
    pub fn failed(&self) -> Loaded {
        Loaded { number: self.number, generation: self.generation, open: None }
    }

    fn rows(&self, rows: &impl ReadRows) -> Result<Option<DocumentRows>, StoreError> {
        let (keyspace, key) = &self.place;
        let Some(row) = rows.get(*keyspace, key)? else { return Ok(None) };
        let row: DocumentRow = record::decode(*keyspace, &row)?;
        // Of one whose changes are skipped, or may not be tried, the core knows more.
        let is_plain = row.dropped.is_none() && row.blocked.is_none() && row.value > 0;
        if row.number != self.number.0 || !is_plain {
            return Ok(None);
        }
        let snapshot = match row.snapshot {
            0 => None,
            _ => Some(snapshot_of(rows, self.number, &row)?),
        };
        let (keyspace, range) = keys::changes(self.number, row.snapshot, row.value);
        let change = |row: Result<(Vec<u8>, Vec<u8>), StoreError>| {
            let (key, chunk) = row?;
            Ok((keys::read_change(&key).ok_or(DAMAGED)?, chunk))
        };
        let changes = rows.scan(keyspace, range).map(change).collect::<Result<Vec<_>, StoreError>>()?;
        let last = changes.last().map_or(row.snapshot, |(lsn, _)| *lsn);
        Ok((last >= row.value).then_some(DocumentRows { snapshot, changes }))
    }
}

impl Found {
    /// Makes the document of them, which may take long.
    #[must_use]
    pub fn load(self) -> Loaded {
        Loaded { open: self.rows.and_then(DocumentRows::open), ..self.order.failed() }
    }
}

impl DocumentRows {
    fn open(self) -> Option<Open> {
        let mut open = match self.snapshot {
            None => Open::new(),
            Some(snapshot) => Open::of(Document::load(&snapshot.bytes).ok()?, snapshot.lsn),
        };
        let mut changes = self.changes.into_iter();
        loop {
            let step = changes.by_ref().take(open.step(CHANGES_AT_ONCE));
            let (positions, chunks): (Vec<u64>, Vec<Vec<u8>>) = step.unzip();
            let Some(last) = positions.last() else { return Some(open) };
            open.document.apply_known(&chunks).ok()?;
            open.applied = *last;
        }
    }
}
