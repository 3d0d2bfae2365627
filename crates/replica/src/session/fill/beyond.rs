//! What lies beyond a cut, of documents that a peer is filled with: it stays here, and with it what depends on it.
//!
//! A document that has such changes is sent as it is without them, and the fill says that it is short: the peer adopts no
//! vector, since it is not told how far others' streams go without what depends on the rest. Whether a change lies beyond a
//! cut is said by its row. Of one whose row is gone, or that came by a fill, it is known only where all such rows of its
//! stream lie before the cut; else it stays here, too.

use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::keys::{DocumentNumber, OriginNumber, SpaceNumber};
use crate::store::{Store, StoreError};
use document::{ChangeHash, ForeignChange};
use std::collections::{BTreeMap, BTreeSet};

/// Most changes beyond the cuts of a space whose documents are looked up; where there are more, each document is read.
const LOOKED_UP_MAX: u64 = 4_096;

/// Which documents of a space have changes beyond a cut.
pub(super) struct Beyond {
    /// The cuts that it was made for.
    cuts: BTreeMap<OriginNumber, u64>,
    /// `None`: any may have some.
    documents: Option<BTreeSet<DocumentNumber>>,
}

/// What is passed on of a document.
pub(super) struct Kept {
    pub(super) chunks: Vec<Vec<u8>>,
    /// The heads without the rest; `None` when there is none.
    pub(super) heads: Option<Vec<u8>>,
}

impl Beyond {
    pub(super) fn nothing() -> Self {
        Self { cuts: BTreeMap::new(), documents: Some(BTreeSet::new()) }
    }

    /// Brings it up to what is cut in the space: more may be while the fill goes on.
    pub(super) fn follow<S: Store>(
        &mut self,
        journal: &Journal<S>,
        space: SpaceNumber,
    ) -> Result<(), StoreError> {
        let cuts: BTreeMap<_, _> = journal.cuts_of(space).collect();
        if cuts != self.cuts {
            self.documents = documents_beyond(journal, space, &cuts)?;
            self.cuts = cuts;
        }
        Ok(())
    }

    /// Whether a document may have changes beyond a cut.
    pub(super) fn may_be_in(&self, document: DocumentNumber) -> bool {
        self.documents.as_ref().is_none_or(|documents| documents.contains(&document))
    }
}

/// The documents of the rows beyond cuts; `None` where some of those rows are gone, or they are too many.
fn documents_beyond<S: Store>(
    journal: &Journal<S>,
    space: SpaceNumber,
    cuts: &BTreeMap<OriginNumber, u64>,
) -> Result<Option<BTreeSet<DocumentNumber>>, StoreError> {
    let (mut documents, mut left) = (BTreeSet::new(), LOOKED_UP_MAX);
    for (origin, last) in cuts {
        let held = journal.vectors.get(space, *origin).sequence;
        let Some(rest) = left.checked_sub(held.saturating_sub(*last)) else { return Ok(None) };
        left = rest;
        for sequence in last + 1..=held {
            let Some(lsn) = journal.position(space, *origin, sequence)? else { return Ok(None) };
            let Some(row) = journal.find_row(lsn)? else { return Ok(None) };
            documents.insert(DocumentNumber(row.document));
        }
    }
    Ok(Some(documents))
}

/// The changes of a document that are passed on, of all of them; each comes after what it depends on.
pub(super) fn keep<S: Store>(
    journal: &Journal<S>,
    place: &DocumentPlace,
    chunks: Vec<Vec<u8>>,
) -> Result<Kept, StoreError> {
    let (mut kept, mut left_out, mut heads) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for chunk in chunks {
        let change = ForeignChange::body(&chunk).and_then(ForeignChange::parse).map_err(|_| DAMAGED)?;
        let depends = change.dependencies.iter().any(|dependency| left_out.contains(dependency));
        if depends || is_beyond(journal, place, &change)? {
            left_out.insert(change.hash);
            continue;
        }
        change.dependencies.iter().for_each(|dependency| _ = heads.remove(dependency));
        heads.insert(change.hash);
        kept.push(chunk);
    }
    let heads = (!left_out.is_empty()).then(|| heads.iter().flat_map(|ChangeHash(head)| *head).collect());
    Ok(Kept { chunks: kept, heads })
}

/// Whether a change lies beyond a cut, or may.
fn is_beyond<S: Store>(
    journal: &Journal<S>,
    place: &DocumentPlace,
    change: &ForeignChange,
) -> Result<bool, StoreError> {
    // Of an origin without a number no change has a stamp here: the creations of lists and texts.
    let Some(origin) = journal.names.origin_number(change.origin) else { return Ok(false) };
    let last = journal.passed_on(place.space, origin);
    if last == u64::MAX {
        return Ok(false);
    }
    let row = journal.row_of(place, &change.hash)?.filter(|row| row.sequence > 0);
    let unstamped = || {
        let gone = journal.vectors.first(place.space, origin) - 1;
        if journal.is_incomplete(place.space) { u64::MAX } else { gone }
    };
    Ok(row.map_or_else(unstamped, |row| row.sequence) > last)
}
