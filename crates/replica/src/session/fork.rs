//! Where two histories of one origin in one space part.
//!
//! A replica whose store was rolled back may write again under numbers that it has used. Whoever finds that a peer has
//! another chain at a sequence (module `hello`) tells it some of its own chains below; each side narrows the range and
//! answers, until the last common sequence is known. Then the side that yields cuts its branch (module
//! `replica::recovery`) and connects again; the other side stands.
//!
//! Rows that were trimmed have no chains. With each chain goes the hash of its change: whether that change is here is
//! known for ever.
//!
//! Who was rolled back cannot always tell by itself: the peer has more than it, or its own rows are gone. It asks (module
//! `questions`) in the same frames, with a range that ends after the last sequence that both have. When the histories are
//! one up to there, nothing is taken out.

use crate::effect::Misbehaviour;
use crate::journal::Journal;
use crate::keys::{self, DocumentNumber, OriginNumber, SpaceNumber};
use crate::store::{Store, StoreError};
use document::{Address, ChangeHash, Collection, Key, Origin, Space};
use wire::{FORK_CHAINS_MAX, ForkChain, ForkChange};

/// Frames about forks of a connection: each narrows the range to a 64th, and a fork is rare.
pub(crate) const FORK_FRAMES_MAX: u32 = 16;

/// A stream with two histories, and between which sequences they part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    pub(crate) space: Space,
    pub(crate) origin: Origin,
    /// The histories are one up to here.
    pub(crate) agreed: u64,
    /// They are two here.
    pub(crate) differs: u64,
    /// Whether that is known. In a question `differs` is one more than the last sequence that both have.
    pub(crate) are_two: bool,
}

impl Fork {
    pub(crate) fn new(space: &Space, origin: Origin, differs: u64) -> Self {
        Self { space: space.clone(), origin, agreed: 0, differs, are_two: true }
    }

    /// Whether the histories are two at all, up to the last sequence that both have.
    pub(crate) fn question(space: &Space, origin: Origin, last: u64) -> Self {
        Self { are_two: false, ..Self::new(space, origin, last.saturating_add(1)) }
    }

    /// Whether `agreed` is the last sequence that both have in common.
    pub(crate) fn is_found(&self) -> bool {
        self.agreed + 1 == self.differs
    }

    /// Whether it is about the same stream.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.space == other.space && self.origin == other.origin
    }

    /// Takes what the peer says of its history: the range in which they part is narrower then.
    pub(crate) fn read<S: Store>(
        journal: &Journal<S>,
        frame: &wire::Fork,
        space: &Space,
    ) -> Result<Result<Self, Misbehaviour>, StoreError> {
        let (agreed, differs, origin) = (frame.agreed, frame.differs, Origin(frame.origin));
        let mut fork = Self { space: space.clone(), origin, agreed, differs, are_two: !frame.asks };
        let numbers = fork.numbers(journal);
        let Some(numbers) = numbers.filter(|_| agreed < differs) else { return Ok(Err(Misbehaviour::Fork)) };
        let mut last = agreed;
        for theirs in &frame.chains {
            if theirs.sequence <= last || theirs.sequence >= differs {
                return Ok(Err(Misbehaviour::Fork));
            }
            last = theirs.sequence;
            match is_ours(journal, (space, numbers), theirs)? {
                Some(true) => fork.agreed = theirs.sequence,
                Some(false) => {
                    (fork.differs, fork.are_two) = (theirs.sequence, true);
                    break;
                }
                // Nothing is known of it any more: the others narrow the range.
                None => {}
            }
        }
        Ok(Ok(fork))
    }

    /// What this replica says of its history; which changes they are only to a peer that `may_read` the space.
    pub(crate) fn frame<S: Store>(
        &self,
        journal: &Journal<S>,
        may_read: bool,
    ) -> Result<wire::Fork, StoreError> {
        let mut chains = Vec::new();
        if let Some(stream) = self.numbers(journal) {
            // Of what is before nothing is known here.
            let after = self.agreed.max(journal.first_known(stream)?.saturating_sub(1));
            let between = self.differs.saturating_sub(after).saturating_sub(1);
            let most = between.min(FORK_CHAINS_MAX as u64);
            for number in 1..=most {
                // Evenly spread, the last next to where they differ.
                let sequence = after
                    + u64::try_from(u128::from(between) * u128::from(number) / u128::from(most))
                        .unwrap_or(between);
                if let Some(entry) = journal.entry_at(stream.0, stream.1, sequence)? {
                    let change = if may_read { named(journal, stream, sequence)? } else { None };
                    chains.push(ForkChain { sequence, chain: entry.chain_short(), change });
                }
            }
        }
        let (agreed, differs) = (self.agreed, self.differs);
        let space = self.space.as_str().to_owned();
        Ok(wire::Fork { space, origin: self.origin.0, agreed, differs, chains, asks: !self.are_two })
    }

    pub(crate) fn numbers<S: Store>(&self, journal: &Journal<S>) -> Option<(SpaceNumber, OriginNumber)> {
        journal.names.space_number(&self.space).zip(journal.names.origin_number(self.origin))
    }
}

/// Whether a sequence has the same change here; `None` when nobody can tell any more.
fn is_ours<S: Store>(
    journal: &Journal<S>,
    (space, numbers): (&Space, (SpaceNumber, OriginNumber)),
    theirs: &ForkChain,
) -> Result<Option<bool>, StoreError> {
    if let Some(ours) = journal.entry_at(numbers.0, numbers.1, theirs.sequence)? {
        return Ok(Some(ours.chain_short() == theirs.chain));
    }
    let Some(change) = &theirs.change else { return Ok(None) };
    let names = (Collection::new(change.collection.as_str()), Key::new(change.key.as_str()));
    let (Ok(collection), Ok(key)) = names else { return Ok(None) };
    let place = journal.document(&Address { space: space.clone(), collection, key })?;
    let hash = ChangeHash(change.hash);
    let is_here = |number: DocumentNumber| journal.rows.has(&keys::hash(number, &hash));
    if place.map(|place| is_here(place.number())).transpose()? == Some(true) {
        return Ok(Some(true));
    }
    // While documents are missing here, one that is not here proves nothing.
    let has = journal.vectors.get(numbers.0, numbers.1).sequence >= theirs.sequence;
    Ok((has && !journal.lacks_documents(numbers.0)).then_some(false))
}

/// The change with a sequence, as a peer finds it.
fn named<S: Store>(
    journal: &Journal<S>,
    stream: (SpaceNumber, OriginNumber),
    sequence: u64,
) -> Result<Option<ForkChange>, StoreError> {
    let Some(change) = journal.change_at(stream, sequence)? else { return Ok(None) };
    let address = journal.address_of(DocumentNumber(change.document))?;
    Ok(address.map(|address| ForkChange {
        collection: address.collection.as_str().to_owned(),
        key: address.key.as_str().to_owned(),
        hash: change.hash,
    }))
}
