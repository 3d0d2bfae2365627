//! The deltas that are on their way to a peer without an acknowledgement.
//!
//! The rows stay in the journal; of each delta is kept what its acknowledgement will say, in queues without an allocation
//! for each: a hub with 500 peers may have 100 under way to every one.

use crate::keys::SpaceNumber;
use document::Origin;
use std::collections::{BTreeMap, VecDeque};

/// Deltas for which an empty window keeps room.
const KEPT: usize = 16;

#[derive(Default)]
pub(super) struct Window {
    deltas: VecDeque<InFlight>,
    /// Of each delta, one after the other, the last sequence in it, per stream.
    last: VecDeque<(SpaceNumber, Origin, u64)>,
    bytes: usize,
}

/// A delta that is not acknowledged.
struct InFlight {
    to: u64,
    bytes: u32,
    streams: u32,
}

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.deltas.is_empty()
    }

    /// Bytes of changes in all of them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A delta that ends at a position leaves; `last` is the last sequence in it, per stream.
    pub(super) fn push(&mut self, to: u64, bytes: usize, last: &BTreeMap<(SpaceNumber, Origin), u64>) {
        // Both are bounded by what a frame may have.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let streams = u32::try_from(last.len()).unwrap_or(u32::MAX);
        self.bytes += bytes as usize;
        self.deltas.push_back(InFlight { to, bytes, streams });
        self.last.extend(last.iter().map(|((space, origin), sequence)| (*space, *origin, *sequence)));
    }

    /// The peer has everything up to a position; `had` is told of each stream how far.
    pub(super) fn acknowledge(&mut self, durable: u64, mut had: impl FnMut(SpaceNumber, Origin, u64)) {
        while self.deltas.front().is_some_and(|delta| delta.to <= durable) {
            let Some(InFlight { bytes, streams, .. }) = self.deltas.pop_front() else { break };
            self.bytes -= bytes as usize;
            for (space, origin, sequence) in self.last.drain(..streams as usize) {
                had(space, origin, sequence);
            }
        }
        if self.is_empty() {
            self.deltas.shrink_to(KEPT);
            self.last.shrink_to(KEPT);
        }
    }
}
