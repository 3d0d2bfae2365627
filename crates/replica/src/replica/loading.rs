//! Documents that others read for the core, and the requests that wait for them.
//!
//! A request on a closed document with much history is held until that was read; what is asked of the same documents behind it
//! is held too, so that none overtakes another. Everything else goes on. Where nothing comes of it the core reads the document
//! itself, as without this.

use super::materialiser::CHANGES_PER_TURN;
use super::{Clock, Replica};
use crate::effect::{Effect, RequestId};
use crate::journal::DocumentPlace;
use crate::keys::{self, DocumentNumber};
use crate::load::{LoadOrder, Loaded};
use crate::request::{At, Request, TRANSACTION_CHANGES_MAX};
use crate::store::{Room, Store, StoreError, undamaged};
use document::Address;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of what held requests ask, about; beyond them the oldest is carried out.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Documents that one request waits for: more would not stay open together.
const LACKING_MAX: usize = 16;
/// Documents that are being read when one more in the background has time.
const ORDERED_IN_BACKGROUND_MAX: usize = 8;

/// What is being read, and who waits for it.
#[derive(Default)]
pub(super) struct Loading {
    ordered: BTreeSet<DocumentNumber>,
    /// Those of them that are to be brought up to date.
    in_background: BTreeSet<DocumentNumber>,
    held: Vec<Held>,
    held_bytes: usize,
    /// How many held requests are of each document.
    addresses: BTreeMap<Address, usize>,
}

struct Held {
    id: RequestId,
    request: Request,
    addresses: Vec<Address>,
    lacking: BTreeSet<DocumentNumber>,
    bytes: usize,
}

/// What becomes of a document with work left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// The core brings it up to date itself.
    No,
    /// It is being read.
    Reading,
    /// It will be, once others were.
    Later,
}

impl Loading {
    fn hold(&mut self, held: Held) {
        self.held_bytes += held.bytes;
        for address in &held.addresses {
            *self.addresses.entry(address.clone()).or_default() += 1;
        }
        self.held.push(held);
    }

    fn let_go(&mut self, held: &Held) {
        self.held_bytes -= held.bytes;
        for address in &held.addresses {
            if let Some(count) = self.addresses.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    self.addresses.remove(address);
                }
            }
        }
    }

    fn is_too_much(&self, held_max: usize) -> bool {
        self.held.len() > held_max || self.held_bytes > HELD_BYTES_MAX
    }

    /// The one that has waited longest: it has none before it.
    fn take_oldest(&mut self) -> Option<Held> {
        let held = (!self.held.is_empty()).then(|| self.held.remove(0))?;
        self.let_go(&held);
        Some(held)
    }

    /// A document was read, or not. Takes out the requests that lack nothing any more and have none before them that does, of
    /// the same documents.
    fn take_ready(&mut self, number: DocumentNumber) -> Vec<Held> {
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::HeldForgotten)
            && !self.held.iter().any(|held| held.lacking.iter().eq([&number]))
        {
            self.held.iter_mut().for_each(|held| held.lacking.retain(|lacking| *lacking != number));
            return Vec::new();
        }
        for held in &mut self.held {
            held.lacking.remove(&number);
        }
        // One that lacked nothing may have waited for another that was carried out as too much.
        if !self.held.iter().any(|held| held.lacking.is_empty()) {
            return Vec::new();
        }
        let mut before: BTreeSet<&Address> = BTreeSet::new();
        let mut are_ready = Vec::with_capacity(self.held.len());
        for held in &self.held {
            let is_ready =
                held.lacking.is_empty() && !held.addresses.iter().any(|address| before.contains(address));
            if !is_ready {
                before.extend(&held.addresses);
            }
            are_ready.push(is_ready);
        }
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.held).into_iter().zip(are_ready).partition(|(_, is_ready)| *is_ready);
        self.held = waiting.into_iter().map(|(held, _)| held).collect();
        let ready: Vec<Held> = ready.into_iter().map(|(held, _)| held).collect();
        ready.iter().for_each(|held| self.let_go(held));
        ready
    }
}

impl<S: Store> Replica<S> {
    /// Carries a request out, or holds it until its documents were read.
    pub(super) fn take_request(
        &mut self,
        id: RequestId,
        request: Request,
        clock: Clock,
    ) -> Result<(), StoreError> {
        let addresses = if self.may_hold(&request) { opened_by(&request) } else { Vec::new() };
        let mut lacking = BTreeSet::new();
        for address in addresses.iter().take(LACKING_MAX) {
            lacking.extend(self.load_aside(address, needs_whole(&request))?);
        }
        if lacking.is_empty() && !addresses.iter().any(|address| self.loading.addresses.contains_key(address))
        {
            return self.handle_request(id, request, clock);
        }
        let bytes = bytes_of(&request);
        self.loading.hold(Held { id, request, addresses, lacking, bytes });
        let held_max = self.settings.loads_aside.map_or(0, |policy| policy.held_max);
        while self.loading.is_too_much(held_max)
            && let Some(oldest) = self.loading.take_oldest()
        {
            self.handle_request(oldest.id, oldest.request, clock)?;
        }
        Ok(())
    }

    /// What is refused for what it is, or without room, is so at once.
    fn may_hold(&self, request: &Request) -> bool {
        if self.settings.loads_aside.is_none() || self.room == Room::ReadOnly {
            return false;
        }
        if let Request::Write { address, .. } = request {
            self.check_writable(&address.space, [&address.collection]).is_ok()
        } else if let Request::Transaction { space, writes, .. } = request {
            writes.len() <= TRANSACTION_CHANGES_MAX
                && self.check_writable(space, writes.iter().map(|write| &write.collection)).is_ok()
        } else {
            true
        }
    }

    /// Carries out what is held, in its order.
    pub(super) fn take_held(&mut self, clock: Clock) -> Result<(), StoreError> {
        while let Some(held) = self.loading.take_oldest() {
            self.handle_request(held.id, held.request, clock)?;
        }
        Ok(())
    }

    /// Of an open document, whether the whole of it is.
    #[cfg(test)]
    pub(crate) fn is_open_whole(&self, number: DocumentNumber) -> Option<bool> {
        self.documents.is_open(number).then(|| self.documents.is_whole(number))
    }

    /// Lets go of the requests that are held for documents to be read, before the replica is: none of them is carried out or
    /// answered.
    pub fn let_go_of_held(&mut self) -> Vec<RequestId> {
        std::iter::from_fn(|| self.loading.take_oldest()).map(|held| held.id).collect()
    }

    /// A document was read beside the core, or was not.
    pub(super) fn handle_loaded(&mut self, loaded: Loaded, clock: Clock) -> Result<(), StoreError> {
        let Loaded { number, generation, open } = loaded;
        self.loading.ordered.remove(&number);
        if let Some(open) = open.filter(|_| generation == self.documents.generation()) {
            self.documents.offer(number, open);
        }
        let is_in_background = self.loading.in_background.remove(&number);
        // What was read is brought up to date by a turn that has room for that.
        let mut is_needed = is_in_background && self.must_spare_disk();
        if is_in_background && !is_needed {
            is_needed = self.bring_up_loaded(number)?;
        }
        let ready = self.loading.take_ready(number);
        let waits_for_others = self.loading.held.iter().filter(|held| held.lacking.is_empty());
        is_needed |= ready.iter().chain(waits_for_others).any(|held| needs_whole(&held.request));
        ready.into_iter().try_for_each(|held| self.handle_request(held.id, held.request, clock))?;
        if !is_needed {
            self.documents.put_aside(number);
        }
        Ok(())
    }

    /// Brings a document up to date while it is open. It may be gone. Returns whether it had changes that its tip did not take:
    /// the next may be like them.
    fn bring_up_loaded(&mut self, number: DocumentNumber) -> Result<bool, StoreError> {
        let Some(address) = undamaged(self.journal.address(number))? else { return Ok(false) };
        let place = undamaged(self.journal.document(&address))?.flatten();
        let Some(mut place) = place.filter(|place| place.number() == number) else { return Ok(false) };
        let was_behind = place.row.value < place.row.last;
        self.bring_up(&address, &mut place, CHANGES_PER_TURN)?;
        Ok(was_behind)
    }

    /// Has a document read if it is long, and closed or needed whole; returns its number until that is done. For a write
    /// the tip will nearly always do.
    fn load_aside(
        &mut self,
        address: &Address,
        needs_whole: bool,
    ) -> Result<Option<DocumentNumber>, StoreError> {
        // Where all documents are open there is nothing to look for.
        if !needs_whole && self.documents.count() as u64 >= u64::from(self.journal.documents()) {
            return Ok(None);
        }
        let place = undamaged(self.journal.document(address))?.flatten();
        let Some(place) = place.filter(|place| self.is_worth_it(place)) else { return Ok(None) };
        let number = place.number();
        if !needs_whole
            && self.documents.is_open(number)
            && self.documents.tip_takes(&mut self.journal, &place, CHANGES_PER_TURN)?.is_some()
        {
            return Ok(None);
        }
        let reading_max = self.settings.loads_aside.map_or(0, |policy| policy.reading_max);
        if !self.loading.ordered.contains(&number) && self.loading.ordered.len() >= reading_max {
            return Ok(None);
        }
        self.order(address, &place);
        Ok(Some(number))
    }

    /// Has a long document read that is to be brought up to date, or saved.
    pub(super) fn load_in_background(&mut self, address: &Address, place: &DocumentPlace) -> Aside {
        let number = place.number();
        if !self.loading.ordered.contains(&number) {
            // One goes on however many are read for requests.
            let is_enough = self.loading.ordered.len() >= ORDERED_IN_BACKGROUND_MAX;
            if is_enough && !self.loading.in_background.is_empty() {
                return Aside::Later;
            }
            self.order(address, place);
        }
        self.loading.in_background.insert(number);
        Aside::Reading
    }

    /// Whether a document is long, and not open whole.
    pub(super) fn is_worth_it(&self, place: &DocumentPlace) -> bool {
        let is_plain = place.row.value > 0 && place.row.blocked.is_none() && place.row.dropped.is_none();
        self.settings.loads_aside.is_some_and(|policy| policy.is_for(&place.row))
            && is_plain
            && !self.is_struck(place)
            && !self.documents.is_whole(place.number())
    }

    fn order(&mut self, address: &Address, place: &DocumentPlace) {
        let number = place.number();
        if self.loading.ordered.insert(number) {
            let generation = self.documents.generation();
            let place = keys::document(place.space, &address.collection, &address.key);
            self.turns.release(Effect::Load(LoadOrder { number, place, generation }));
        }
    }
}

/// Whether a request asks for what a tip does not have: a history, to write into a list or text, or to choose among values.
fn needs_whole(request: &Request) -> bool {
    use document::Operation::{Choose, Insert, Splice};
    let of = |operations: &[document::Operation]| {
        operations.iter().any(|operation| matches!(operation, Choose { .. } | Insert { .. } | Splice { .. }))
    };
    if let Request::Write { operations, .. } = request {
        of(operations)
    } else if let Request::Transaction { writes, .. } = request {
        writes.iter().any(|write| of(&write.operations))
    } else {
        true
    }
}

/// The documents that a request opens, if they are there.
fn opened_by(request: &Request) -> Vec<Address> {
    match request {
        Request::Write { address, .. }
        | Request::Get { address, at: Some(At::Heads(_) | At::Wall(_)) }
        | Request::History { address, .. }
        | Request::Conflicts { address } => vec![address.clone()],
        Request::Transaction { space, writes, .. } => writes
            .iter()
            .map(|write| Address {
                space: space.clone(),
                collection: write.collection.clone(),
                key: write.key.clone(),
            })
            .collect(),
        Request::Get { at: None, .. }
        | Request::List { .. }
        | Request::Query { .. }
        | Request::Watch { .. }
        | Request::Wait { .. }
        | Request::Status
        | Request::Blocked { .. }
        | Request::Retry { .. }
        | Request::Drop { .. }
        | Request::Grant { .. }
        | Request::Revoke { .. }
        | Request::AddSchema { .. }
        | Request::Schemas => Vec::new(),
    }
}

/// How long what it asks is as JSON, which is about what it takes in memory.
fn bytes_of(request: &Request) -> usize {
    let of = |operations| serde_json::to_vec(operations).map_or(0, |json| json.len());
    if let Request::Write { operations, .. } = request {
        of(operations)
    } else if let Request::Transaction { writes, .. } = request {
        writes.iter().map(|write| of(&write.operations)).sum()
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each its documents, and how many of 9, 8 and 7 it lacks.
    fn loading(all: &[(u64, &[&str], usize)]) -> Loading {
        let mut loading = Loading::default();
        for (id, names, lacks) in all {
            let address = |name: &&str| format!("store-1/inventory/{name}").parse().unwrap();
            let addresses = names.iter().map(address).collect();
            let lacking = [7, 8, 9].into_iter().skip(3 - lacks).map(DocumentNumber).collect();
            let (id, request) = (RequestId(*id), Request::Status);
            loading.hold(Held { id, request, addresses, lacking, bytes: 1 });
        }
        loading
    }

    fn ids(held: &[Held]) -> Vec<u64> {
        held.iter().map(|held| held.id.0).collect()
    }

    #[test]
    fn what_waited_for_one_that_was_too_much_is_let_go() {
        let mut loading = loading(&[(1, &["a", "b"], 1), (2, &["b"], 0)]);
        assert_eq!(loading.take_oldest().map(|held| held.id.0), Some(1));
        assert_eq!(ids(&loading.take_ready(DocumentNumber(9))), [2]);
    }

    #[test]
    fn those_of_the_same_documents_are_let_go_in_their_order() {
        let mut loading =
            loading(&[(1, &["a"], 1), (2, &["a", "b"], 0), (3, &["b"], 0), (4, &["c"], 2), (5, &["a"], 0)]);
        // The fourth lacks 8 and 9, the first 9.
        assert_eq!(ids(&loading.take_ready(DocumentNumber(7))), [] as [u64; 0]);
        assert_eq!(ids(&loading.take_ready(DocumentNumber(8))), [] as [u64; 0]);
        assert_eq!((loading.addresses.len(), loading.held_bytes), (3, 5));
        assert_eq!(ids(&loading.take_ready(DocumentNumber(9))), [1, 2, 3, 4, 5]);
        assert_eq!((loading.addresses.len(), loading.held_bytes), (0, 0));
    }
}
