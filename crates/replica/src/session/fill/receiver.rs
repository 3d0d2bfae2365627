//! What a replica does while it is filled.

mod difference;
mod documents;

use super::WANTED_MAX;
use super::server::entries_of;
use crate::access::{Identities, PublicKey, Rights};
use crate::effect::{DisconnectReason, Misbehaviour, StopReason};
use crate::journal::Journal;
use crate::keys::{self, SpaceNumber};
use crate::reconcile::{self, ItemKey, Scan, Sketch, Symbol};
use crate::session::receiver::INCARNATIONS_MAX;
use crate::settings::{Settings, origin_of};
use crate::store::{Store, StoreError};
use crate::vectors::VectorEntry;
use difference::{Comparing, Locating};
use document::{Origin, Space};
use std::collections::{BTreeMap, BTreeSet};
use wire::{FillFinished, FillName, FillOffer, FillWant, Frame, LISTED_MAX, OriginKey, Wanted};

/// What a fill must know of its peer and of time.
pub(crate) struct FillContext<'a> {
    pub(crate) public_key: &'a [u8; 32],
    /// This replica.
    pub(crate) own: &'a Settings,
    /// What the peer may do in the space.
    pub(crate) rights: Rights,
    pub(crate) space: &'a Space,
    pub(crate) identities: &'a Identities,
    pub(crate) wall_ms: i64,
}

impl FillContext<'_> {
    /// Whether changes of an origin are taken from the peer. None of this replica's present one are: it has them.
    fn may_bring(&self, key: &OriginKey) -> bool {
        let is_past = self.own.takes_own_past && key.public_key == self.own.key.public_key;
        let is_delivered = self.rights.relay || key.public_key == *self.public_key || is_past;
        is_delivered
            && *key != self.own.key
            && self.identities.may_be_filled(self.space, key, self.public_key)
    }

    /// How far documents may have a stream, of what they are said to have: nothing beyond a cut gets a stamp.
    fn reach(&self, (key, sequence): (&OriginKey, u64)) -> u64 {
        let last = self.identities.cut(self.space, origin_of(key), &key.public_key);
        last.map_or(sequence, |last| sequence.min(last))
    }
}

/// Most changes of a stream: nobody writes as many.
const SEQUENCE_MAX: u64 = 1 << 56;

/// Takes a fill from a peer.
pub(crate) struct Filling {
    /// This replica's origin.
    own: Origin,
    pub(crate) space: SpaceNumber,
    pub(crate) name: Space,
    fill: u64,
    offer: FillOffer,
    item_key: ItemKey,
    symbols: Vec<Symbol>,
    stage: Stage,
    /// Origins that the filler named.
    origins: BTreeMap<Origin, OriginKey>,
    /// Authors whose changes are not taken from it.
    denied: BTreeSet<PublicKey>,
    /// Whether the vector is here already, so that nothing is missing while it goes on.
    is_beyond_vector: bool,
    /// Documents that were asked for, and whether they came whole. In a fill of everything, those that failed.
    asked: BTreeMap<u64, Asked>,
    all: bool,
    /// Documents that came and lacked something are asked for once more, whole.
    is_retry: bool,
    /// Where the next listing starts, while listings go on.
    listing: Option<Option<FillName>>,
    number: u32,
    ack_due: Option<u32>,
    /// Documents that came.
    documents: u64,
    /// Why a document did not come whole, the first of them: the others do, and the vector is not adopted.
    left_out: Option<StopReason>,
    /// Whose changes of a document that came have numbers that others have here.
    forked: Option<Origin>,
    /// Whether rights are documents: a change of an author whose right is not known here ends the fill, not the link.
    has_authority: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    Waits,
    Came,
    /// Something that it depends on, or a head, is missing.
    Failed,
    /// A change of it is refused.
    LeftOut,
}

enum Stage {
    /// It was offered, and nothing was done.
    Offered,
    /// This replica's own symbols are in the making.
    Sketching(Box<Scan>),
    /// More symbols are under way.
    Symbols(Box<Sketch>),
    /// The documents that differ are known by digest; what is here of them is looked up after this row.
    Locating(Locating),
    /// A listing is under way.
    Listing,
    /// A listing is compared with what is here after a row, up to a row.
    Comparing(Box<Comparing>),
    /// Documents are under way.
    Receiving,
    /// The last came; the vector is to be adopted.
    Adopting,
    Finished,
}

/// What a step came to.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) frames: Vec<Frame>,
    /// It is over.
    pub(crate) filled: Option<Filled>,
}

/// How a fill ended.
pub(crate) enum Filled {
    /// With all documents, so many of which came.
    Taken(u64),
    /// They were here already.
    Had,
    /// A change in it is refused.
    Stopped(StopReason),
}

/// Whether the keys' new origins are not more incarnations than a key may have.
fn has_room<'a, S: Store>(journal: &Journal<S>, keys: impl Iterator<Item = &'a OriginKey>) -> bool {
    let mut new: BTreeMap<&PublicKey, usize> = BTreeMap::new();
    let unknown = keys.filter(|key| journal.names.origin_number(origin_of(key)).is_none());
    unknown.for_each(|key| *new.entry(&key.public_key).or_default() += 1);
    new.into_iter().all(|(key, count)| journal.names.incarnations(key) + count <= INCARNATIONS_MAX)
}

type Handled<T> = Result<Result<T, DisconnectReason>, StoreError>;

impl Filling {
    pub(crate) fn new(
        mut offer: FillOffer,
        (space, name): (SpaceNumber, Space),
        context: &FillContext<'_>,
    ) -> Result<Self, Misbehaviour> {
        // What others wrote is here already, when the peer may not relay it, or is refused when it comes.
        let denied = offer.origins.extract_if(.., |origin| !context.may_bring(&origin.key));
        let denied = denied.map(|origin| origin.key.public_key).collect();
        let symbols = reconcile::unpack(&offer.symbols, 0, offer.documents).ok_or(Misbehaviour::Fill)?;
        if offer.origins.iter().any(|origin| origin.sequence > SEQUENCE_MAX) {
            return Err(Misbehaviour::Fill);
        }
        Ok(Self {
            own: origin_of(&context.own.key),
            space,
            name,
            fill: offer.fill,
            item_key: ItemKey::new(&offer.key),
            symbols,
            stage: Stage::Offered,
            origins: offer.origins.iter().map(|origin| (origin_of(&origin.key), origin.key)).collect(),
            denied,
            is_beyond_vector: false,
            asked: BTreeMap::new(),
            all: false,
            is_retry: false,
            listing: None,
            number: 0,
            ack_due: None,
            documents: 0,
            left_out: None,
            forked: None,
            has_authority: context.identities.has_authority(),
            offer,
        })
    }

    /// Whether anything was done.
    pub(crate) fn is_started(&self) -> bool {
        !matches!(self.stage, Stage::Offered)
    }

    pub(crate) fn is(&self, fill: u64) -> bool {
        self.fill == fill
    }

    /// Whether it goes on by itself.
    pub(crate) fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Sketching(_) | Stage::Locating(_) | Stage::Comparing(_) | Stage::Adopting)
    }

    /// Whether changes of one of these authors are not taken.
    pub(crate) fn denies_any(&self, authors: &BTreeSet<PublicKey>) -> bool {
        !self.denied.is_disjoint(authors)
    }

    /// Authors whose changes were not taken: more may be known of their rights at another time.
    pub(crate) fn take_denied(&mut self) -> BTreeSet<PublicKey> {
        std::mem::take(&mut self.denied)
    }

    /// Whose history is another here than at the filler: where they part is to be found before more is taken.
    pub(crate) fn forked(&self) -> Option<Origin> {
        self.forked
    }

    /// The acknowledgement that is due, once.
    pub(crate) fn take_ack(&mut self) -> Option<(u64, u32)> {
        self.ack_due.take().map(|number| (self.fill, number))
    }

    /// Starts it, unless everything is here.
    pub(crate) fn start<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        snapshots: bool,
    ) -> Result<Step, StoreError> {
        let has = |origin: Origin| {
            let number = journal.names.origin_number(origin);
            number.map_or(0, |number| journal.vectors.get(self.space, number).sequence)
        };
        let is_had = self.offer.origins.iter().all(|of| has(origin_of(&of.key)) >= of.sequence);
        let has_vector = is_had && !journal.lacks_documents(self.space);
        if has_vector && !self.offer.is_ahead {
            return self.finish(journal, true, Filled::Had);
        }
        self.is_beyond_vector = has_vector;
        if !has_room(journal, self.origins.values()) {
            return self.finish(journal, false, Filled::Stopped(StopReason::TooManyIncarnations));
        }
        let mut documents = journal.rows.scan(keys::documents_of(self.space));
        let is_empty = documents.next().transpose()?.is_none();
        drop(documents);
        if !is_empty && !self.symbols.is_empty() {
            let scan = Scan::new(journal, self.space, self.offer.key)?;
            self.stage = Stage::Sketching(Box::new(scan));
            return Ok(Step::default());
        }
        (self.stage, self.all) = (Stage::Receiving, true);
        let want = FillWant { fill: self.fill, all: true, snapshots, ..FillWant::default() };
        Ok(Step { frames: vec![Frame::FillWant(want)], filled: None })
    }

    /// How far the filler has streams, as it offered.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (Origin, u64)> + '_ {
        self.offer.origins.iter().map(|of| (origin_of(&of.key), of.sequence))
    }

    /// Does what is to be done, looking at no more than `rows` documents.
    pub(crate) fn advance<S: Store>(
        &mut self,
        journal: &mut Journal<S>,
        snapshots: bool,
        rows: &mut usize,
    ) -> Result<Step, StoreError> {
        match std::mem::replace(&mut self.stage, Stage::Receiving) {
            Stage::Sketching(mut scan) => {
                if scan.advance(journal, rows)? {
                    let own = scan.finish(Some(self.offer.documents));
                    return self.decode(journal, Box::new(own), snapshots);
                }
                self.stage = Stage::Sketching(scan);
                Ok(Step::default())
            }
            Stage::Locating(locating) => self.locate(journal, locating, snapshots, rows),
            Stage::Comparing(comparing) => self.compare(journal, comparing, snapshots, rows),
            Stage::Adopting => self.adopt(journal),
            stage @ (Stage::Offered
            | Stage::Symbols(_)
            | Stage::Listing
            | Stage::Receiving
            | Stage::Finished) => {
                self.stage = stage;
                Ok(Step::default())
            }
        }
    }

    /// Asks for documents. With none to ask for goes on to the next listing; without one the filler says what its
    /// documents have at most.
    fn ask(
        &mut self,
        mut wanted: Vec<Wanted>,
        (after, to): (Option<FillName>, Option<FillName>),
        snapshots: bool,
    ) -> Step {
        self.stage = Stage::Receiving;
        self.asked = wanted.iter().map(|wanted| (wanted.document, Asked::Waits)).collect();
        if wanted.is_empty()
            && let Some(Some(next)) = self.listing.take_if(|next| next.is_some())
        {
            return self.ask_listing(Some(next));
        }
        if wanted.is_empty() && self.is_beyond_vector {
            // Nothing came, so that nothing is told of what it may have.
            self.stage = Stage::Adopting;
            return Step::default();
        }
        let mut frames = Vec::new();
        loop {
            let rest = wanted.split_off(wanted.len().min(LISTED_MAX));
            frames.push(Frame::FillWant(FillWant {
                fill: self.fill,
                all: false,
                snapshots,
                after: after.clone(),
                to: to.clone(),
                documents: std::mem::replace(&mut wanted, rest),
                more: !wanted.is_empty(),
            }));
            if wanted.is_empty() {
                return Step { frames, filled: None };
            }
        }
    }

    /// Everything that was asked for is here: the next listing, or the end.
    fn go_on(&mut self) -> Step {
        match self.listing.take() {
            Some(Some(after)) => self.ask_listing(Some(after)),
            Some(None) | None => {
                self.stage = Stage::Adopting;
                Step::default()
            }
        }
    }

    /// Everything that was asked for was sent.
    fn asked_for(&mut self) -> Result<Step, DisconnectReason> {
        let failed: Vec<u64> =
            self.asked.iter().filter(|(_, asked)| **asked == Asked::Failed).map(|(id, _)| *id).collect();
        let left_out = self.asked.values().filter(|asked| **asked == Asked::LeftOut).count();
        let is_short = self.asked.values().any(|asked| *asked == Asked::Waits);
        if is_short || (self.is_retry && !failed.is_empty()) || failed.len().max(left_out) > WANTED_MAX {
            return Err(Misbehaviour::Fill.into());
        }
        self.is_retry = !failed.is_empty();
        if failed.is_empty() {
            return Ok(self.go_on());
        }
        self.all = false;
        let wanted = failed.into_iter().map(|document| Wanted { document, heads: Vec::new() }).collect();
        Ok(self.ask(wanted, (None, None), false))
    }

    /// All documents are here, and with them all that the filler's vector says; or some were left out.
    fn adopt<S: Store>(&mut self, journal: &mut Journal<S>) -> Result<Step, StoreError> {
        if let Some(reason) = self.left_out {
            return self.finish(journal, false, Filled::Stopped(reason));
        }
        self.adopt_vector(journal)?;
        if !self.is_beyond_vector {
            journal.end_fill(self.space);
        } else if self.documents == 0 {
            return self.finish(journal, true, Filled::Had);
        }
        self.finish(journal, true, Filled::Taken(self.documents))
    }

    fn adopt_vector<S: Store>(&self, journal: &mut Journal<S>) -> Result<(), StoreError> {
        for origin in &self.offer.origins {
            let number = journal.names.intern_origin(&mut journal.rows, origin.key)?;
            let entry = VectorEntry { sequence: origin.sequence, chain: origin.chain };
            journal.adopt((self.space, number), entry);
        }
        Ok(())
    }

    /// Tells the filler that nothing more is needed.
    fn finish<S: Store>(
        &mut self,
        journal: &Journal<S>,
        taken: bool,
        filled: Filled,
    ) -> Result<Step, StoreError> {
        self.stage = Stage::Finished;
        let entries = entries_of(journal, self.space)?;
        let finished = FillFinished { fill: self.fill, taken, entries };
        Ok(Step { frames: vec![Frame::FillFinished(finished)], filled: Some(filled) })
    }
}
