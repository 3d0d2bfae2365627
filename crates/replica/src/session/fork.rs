//! Where two histories of one origin in one space part.
//!
//! A replica whose store was rolled back may write again under numbers that it has used. Whoever finds that a peer has
//! another chain at a sequence (module `hello`) tells it some of its own chains below; each side narrows the range and
//! answers, until the last common sequence is known. Then the side that yields cuts its branch (module
//! `replica::recovery`) and connects again; the other side stands.

use crate::effect::Misbehaviour;
use crate::journal::Journal;
use crate::keys::{OriginNumber, SpaceNumber};
use crate::store::{Store, StoreError};
use document::{Origin, Space};
use wire::{FORK_CHAINS_MAX, ForkChain};

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
    differs: u64,
}

impl Fork {
    pub(crate) fn new(space: &Space, origin: Origin, differs: u64) -> Self {
        Self { space: space.clone(), origin, agreed: 0, differs }
    }

    /// Whether `agreed` is the last sequence that both have in common.
    pub(crate) fn is_found(&self) -> bool {
        self.agreed + 1 == self.differs
    }

    /// Takes what the peer says of its history: the range in which they part is narrower then.
    pub(crate) fn read<S: Store>(
        journal: &Journal<S>,
        frame: &wire::Fork,
        space: &Space,
    ) -> Result<Result<Self, Misbehaviour>, StoreError> {
        let (agreed, differs, origin) = (frame.agreed, frame.differs, Origin(frame.origin));
        let mut fork = Self { space: space.clone(), origin, agreed, differs };
        let numbers = fork.numbers(journal);
        let Some(numbers) = numbers.filter(|_| agreed < differs) else { return Ok(Err(Misbehaviour::Fork)) };
        let mut last = agreed;
        for ForkChain { sequence, chain } in &frame.chains {
            if *sequence <= last || *sequence >= differs {
                return Ok(Err(Misbehaviour::Fork));
            }
            last = *sequence;
            match journal.entry_at(numbers.0, numbers.1, *sequence)? {
                Some(ours) if ours.chain_short() == *chain => fork.agreed = *sequence,
                Some(_) => {
                    fork.differs = *sequence;
                    break;
                }
                // Not here any more: the others narrow the range.
                None => {}
            }
        }
        Ok(Ok(fork))
    }

    /// What this replica says of its history.
    pub(crate) fn frame<S: Store>(&self, journal: &Journal<S>) -> Result<wire::Fork, StoreError> {
        let mut chains = Vec::new();
        if let Some((space, origin)) = self.numbers(journal) {
            let between = self.differs.saturating_sub(self.agreed).saturating_sub(1);
            let most = between.min(FORK_CHAINS_MAX as u64);
            for number in 1..=most {
                // Evenly spread, the last next to where they differ.
                let sequence = self.agreed
                    + u64::try_from(u128::from(between) * u128::from(number) / u128::from(most))
                        .unwrap_or(between);
                if let Some(entry) = journal.entry_at(space, origin, sequence)? {
                    chains.push(ForkChain { sequence, chain: entry.chain_short() });
                }
            }
        }
        let (agreed, differs) = (self.agreed, self.differs);
        Ok(wire::Fork {
            space: self.space.as_str().to_owned(),
            origin: self.origin.0,
            agreed,
            differs,
            chains,
        })
    }

    pub(crate) fn numbers<S: Store>(&self, journal: &Journal<S>) -> Option<(SpaceNumber, OriginNumber)> {
        journal.names.space_number(&self.space).zip(journal.names.origin_number(self.origin))
    }
}
