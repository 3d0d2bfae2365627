//! Streams of this replica's own of which only a peer can tell whether it has other changes under their stamps.
//!
//! The store may be an old copy. Of an earlier origin whose changes were written here, a peer that has more than this
//! replica may have another branch; of any own stream, a peer that has less may have one where this replica's rows are
//! gone. Until it has said that the histories are one, nothing is taken from it and nothing sent: rows or documents of
//! the other branch would come on top of this one. What was confirmed of an earlier origin is kept with its version
//! vector, so that a crash in between only asks again.

use super::{Fork, Peer};
use crate::access::PublicKey;
use crate::journal::Journal;
use crate::keys::{OriginNumber, SpaceNumber};
use crate::store::{Store, StoreError};
use document::{Origin, Space};
use std::collections::{BTreeMap, VecDeque};
use wire::Hello;

/// Up to where own streams are known to be one with a peer's, as long as the process lives.
pub(crate) type Agreed = BTreeMap<(SpaceNumber, OriginNumber), u64>;

/// What a peer is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The range as it was last told.
    pub(crate) fork: Fork,
    /// The last sequence that both have.
    last: u64,
    /// It is asked because a document with other changes came: that the histories are one is no answer.
    pub(crate) is_of_fill: bool,
}

impl Question {
    /// `last` is the last sequence that both have.
    pub(crate) fn new(space: &Space, origin: Origin, last: u64, is_of_fill: bool) -> Self {
        Self { fork: Fork::question(space, origin, last), last, is_of_fill }
    }

    /// Whether what was read of the peer's history shows two. It does not say so itself when it is of an earlier version.
    pub(crate) fn shows_two(&self, fork: &Fork) -> bool {
        fork.differs <= self.last
    }
}

impl Peer {
    /// The streams that the peer is to be asked about before anything of its hello is kept. It is asked only where it
    /// relays: nobody else is believed about this replica's own changes. What it was known to have before this hello is of
    /// this history: it was sent it, or asked.
    pub(crate) fn questions<S: Store>(
        &self,
        journal: &mut Journal<S>,
        hello: &Hello,
        (own, public_key): (Origin, &PublicKey),
    ) -> Result<VecDeque<Question>, StoreError> {
        let mut questions = VecDeque::new();
        for (name, _) in self.shares.iter().filter(|(_, rights)| rights.relay) {
            let Some(space) = journal.names.space_number(name) else { continue };
            let vector = hello.spaces.iter().filter(|vector| vector.space == name.as_str());
            for entry in vector.flat_map(|vector| &vector.entries) {
                let (origin, theirs) = (Origin(entry.origin), entry.sequence);
                let Some(number) = journal.names.origin_number(origin) else { continue };
                let (stream, ours) = ((space, number), journal.vectors.get(space, number).sequence);
                let (_, key) = journal.names.origin(number)?;
                if key.public_key != *public_key || !journal.vectors.is_unconfirmed(stream) {
                    continue;
                }
                if theirs == ours && origin != own {
                    // The chains were compared.
                    journal.vectors.confirm(&mut journal.rows, stream);
                    continue;
                }
                let last = ours.min(theirs);
                let agreed = self.agreed.get(&stream).copied().unwrap_or(0);
                let is_agreed = last <= agreed || theirs <= self.confirmed.get(space, origin);
                let is_compared = theirs <= ours && journal.entry_at(space, number, theirs)?.is_some();
                if last > 0 && !is_agreed && !is_compared {
                    questions.push_back(Question::new(name, origin, last, false));
                }
            }
        }
        Ok(questions)
    }
}
