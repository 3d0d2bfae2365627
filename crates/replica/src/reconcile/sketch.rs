//! Sketches of spaces: built from the documents' rows when a peer needs one, a few rows a turn.

use super::symbols::{self, Symbol};
use super::{ItemKey, SYMBOLS_MAX, symbols_max};
use crate::journal::{DAMAGED, Journal, Reach};
use crate::keys::{self, SpaceNumber};
use crate::record::{self, DocumentRow};
use crate::store::{Keyspace, Store, StoreError};
use crate::vectors::VectorEntry;
use document::Origin;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Sketches kept for the next peer that asks; each takes up to half a megabyte.
const CACHED_MAX: usize = 4;
/// A sketch serves until its space has so many changes more: each costs the peer a document that it may have.
const CACHED_CHANGES_MAX: u64 = 1_024;

/// The symbols of a space.
pub(crate) struct Sketch {
    pub(crate) space: SpaceNumber,
    pub(crate) key: [u8; 32],
    /// The version vector when the scan began: every document is in it as of then, or later.
    pub(crate) vector: Vec<(Origin, VectorEntry)>,
    /// What the documents may have besides, then; `None` when some were missing.
    pub(crate) reach: Option<Reach>,
    pub(crate) documents: u64,
    pub(crate) symbols: Vec<Symbol>,
}

/// A sketch in the making.
pub(crate) struct Scan {
    sketch: Sketch,
    item_key: ItemKey,
    /// The last row that is in it.
    after: Option<Vec<u8>>,
}

impl Scan {
    /// A scan of a space under a key.
    pub(crate) fn new<S: Store>(
        journal: &Journal<S>,
        space: SpaceNumber,
        key: [u8; 32],
    ) -> Result<Self, StoreError> {
        let sketch = Sketch {
            space,
            key,
            vector: vector_of(journal, space)?,
            reach: journal.reach(space),
            documents: 0,
            symbols: vec![Symbol::default(); SYMBOLS_MAX],
        };
        Ok(Self { sketch, item_key: ItemKey::new(&key), after: None })
    }

    /// Goes on for at most `rows` documents, and takes them off; returns whether all are in it.
    pub(crate) fn advance<S: Store>(
        &mut self,
        journal: &Journal<S>,
        rows: &mut usize,
    ) -> Result<bool, StoreError> {
        let range = keys::documents_of_after(self.sketch.space, self.after.as_deref());
        let mut last = None;
        for row in journal.rows.scan(range) {
            if *rows == 0 {
                self.after = last.or(self.after.take());
                return Ok(false);
            }
            *rows -= 1;
            let (key, value) = row?;
            let document: DocumentRow = record::decode(Keyspace::Documents, &value)?;
            let item = self.item_key.item(keys::name_bytes(&key).ok_or(DAMAGED)?, &document.heads);
            let checksum = self.item_key.checksum(&item);
            symbols::toggle(&mut self.sketch.symbols, &item, checksum, 1);
            self.sketch.documents += 1;
            last = Some(key);
        }
        Ok(true)
    }

    /// The sketch, without symbols that nobody will ask for. `documents` are those of the space at the peer that
    /// fills.
    pub(crate) fn finish(mut self, documents: Option<u64>) -> Sketch {
        self.sketch.symbols.truncate(symbols_max(documents.unwrap_or(self.sketch.documents)));
        self.sketch.symbols.shrink_to_fit();
        self.sketch
    }
}

/// The version vector of a space.
pub(crate) fn vector_of<S: Store>(
    journal: &Journal<S>,
    space: SpaceNumber,
) -> Result<Vec<(Origin, VectorEntry)>, StoreError> {
    let entries = journal.vectors.of(space);
    entries.map(|(origin, entry)| Ok((journal.names.origin(origin)?.0, entry))).collect()
}

/// The sketches that this replica offers: one in the making, some kept.
#[derive(Default)]
pub(crate) struct Sketches {
    scan: Option<Scan>,
    kept: VecDeque<Arc<Sketch>>,
}

impl Sketches {
    /// The sketch of a space; `None` while it is in the making, or waits for another. `rows` is how many documents may
    /// be looked at; those that were are taken off.
    pub(crate) fn of<S: Store>(
        &mut self,
        journal: &Journal<S>,
        space: SpaceNumber,
        rows: &mut usize,
    ) -> Result<Option<Arc<Sketch>>, StoreError> {
        self.kept.retain(|sketch| sketch.space != space || serves(journal, sketch));
        if let Some(kept) = self.kept.iter().find(|sketch| sketch.space == space) {
            return Ok(Some(Arc::clone(kept)));
        }
        let mut scan = match self.scan.take() {
            Some(scan) => scan,
            None => Scan::new(journal, space, key_of(journal, space))?,
        };
        if !scan.advance(journal, rows)? {
            self.scan = Some(scan);
            return Ok(None);
        }
        let sketch = Arc::new(scan.finish(None));
        self.kept.push_back(Arc::clone(&sketch));
        if self.kept.len() > CACHED_MAX {
            self.kept.pop_front();
        }
        Ok((sketch.space == space).then_some(sketch))
    }
}

/// Whether the journal goes on from a sketch, and not for long.
fn serves<S: Store>(journal: &Journal<S>, sketch: &Sketch) -> bool {
    if sketch.reach != journal.reach(sketch.space) {
        return false;
    }
    let had: BTreeMap<Origin, u64> =
        sketch.vector.iter().map(|(origin, entry)| (*origin, entry.sequence)).collect();
    let mut changes = 0_u64;
    for (origin, entry) in journal.vectors.of(sketch.space) {
        let Ok((name, _)) = journal.names.origin(origin) else { return false };
        let had = had.get(&name).copied().unwrap_or_default();
        changes = changes.saturating_add(entry.sequence.saturating_sub(had));
        if had < entry.sequence && had + 1 < journal.vectors.first(sketch.space, origin) {
            return false;
        }
    }
    changes <= CACHED_CHANGES_MAX
}

/// A key that no writer could know: the chain covers every change up to the last, so who searches for names that
/// collide changes the key with each that he writes.
fn key_of<S: Store>(journal: &Journal<S>, space: SpaceNumber) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("isle 2026 reconcile: key of a sketch");
    hasher.update(&journal.chain());
    hasher.update(&journal.epoch().to_be_bytes());
    hasher.update(&space.0.to_be_bytes());
    *hasher.finalize().as_bytes()
}
