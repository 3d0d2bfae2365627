//! Which documents differ from the filler's: by symbols, or by listings.

use super::{Filling, Handled, Stage, Step};
use crate::effect::Misbehaviour;
use crate::journal::{DAMAGED, Journal};
use crate::keys;
use crate::reconcile::{self, Sketch};
use crate::record::{self, DocumentRow};
use crate::session::fill::WANTED_MAX;
use crate::session::fill::server::row_key;
use crate::store::{Keyspace, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use wire::{
    FillListing, FillMore, FillName, FillSymbols, Frame, LISTED_BYTES, LISTED_MAX, WANTED_HEADS_MAX, Wanted,
};

/// See [`Stage::Locating`].
pub(super) struct Locating {
    /// Rows up to this key were looked at.
    after: Option<Vec<u8>>,
    /// Digests of the documents that differ, and the first bytes of the heads of those that were found here.
    theirs: BTreeMap<u64, Vec<u8>>,
    /// Digests of those that are here and were not found yet.
    ours: BTreeSet<u64>,
}

/// See [`Stage::Comparing`].
pub(super) struct Comparing {
    from: Option<FillName>,
    to: Option<FillName>,
    /// Rows up to this key were compared.
    after: Option<Vec<u8>>,
    /// What is listed and was not met yet: digests of name and heads.
    entries: BTreeMap<u64, u64>,
    wanted: Vec<Wanted>,
}

impl Filling {
    /// Finds out what differs, or asks for more.
    pub(super) fn decode<S: Store>(
        &mut self,
        journal: &Journal<S>,
        own: Box<Sketch>,
        snapshots: bool,
    ) -> Result<Step, StoreError> {
        let difference = reconcile::subtract(&self.symbols, &own.symbols);
        let have = difference.len();
        let estimate = reconcile::difference_of(&difference);
        if let Some(decoded) = reconcile::decode(&self.item_key, difference) {
            #[cfg(isle_planted)]
            let decoded = planted(decoded);
            let theirs: BTreeMap<u64, Vec<u8>> =
                decoded.theirs.iter().map(|item| (item.document, Vec::new())).collect();
            let ours = decoded.ours.iter().map(|item| item.document);
            let ours = ours.filter(|document| theirs.contains_key(document)).collect();
            if theirs.len() > WANTED_MAX {
                return Ok(self.ask_listing(None));
            }
            return self.locate(journal, Locating { after: None, theirs, ours }, snapshots, &mut 0);
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

    pub(super) fn ask_listing(&mut self, after: Option<FillName>) -> Step {
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
    pub(super) fn locate<S: Store>(
        &mut self,
        journal: &Journal<S>,
        Locating { mut after, mut theirs, mut ours }: Locating,
        snapshots: bool,
        rows: &mut usize,
    ) -> Result<Step, StoreError> {
        if !ours.is_empty() {
            for row in journal.rows.scan(keys::documents_of_after(self.space, after.as_deref())) {
                let Some(left) = rows.checked_sub(1) else {
                    self.stage = Stage::Locating(Locating { after, theirs, ours });
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

    /// A listing came.
    pub(crate) fn take_listing(&mut self, listing: &FillListing) -> Result<(), Misbehaviour> {
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
        self.listing = Some(listing.to.clone());
        let read = |entry: &[u8; LISTED_BYTES]| {
            let (document, heads) = entry.split_first_chunk::<8>()?;
            Some((u64::from_be_bytes(*document), u64::from_be_bytes(heads.try_into().ok()?)))
        };
        let entries = entries.iter().filter_map(read).collect();
        let comparing = Comparing { from, to: listing.to.clone(), after, entries, wanted: Vec::new() };
        self.stage = Stage::Comparing(Box::new(comparing));
        Ok(())
    }

    /// Compares what is here with a listing.
    pub(super) fn compare<S: Store>(
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
}

/// The first bytes of heads, of as many as are told.
fn prefixes(heads: &[u8]) -> Vec<u8> {
    let (heads, _) = heads.as_chunks::<32>();
    heads.iter().take(WANTED_HEADS_MAX).flat_map(|head| head.iter().take(8).copied()).collect()
}

#[cfg(isle_planted)]
fn planted(mut decoded: reconcile::Decoded) -> reconcile::Decoded {
    if crate::planted::is(crate::planted::Bug::DifferenceLeftOut) {
        decoded.theirs.pop();
    }
    decoded
}
