use super::lives::Lives;
use crate::observation::Observation;
use crate::world::{ClientWrite, Nodes};
use document::{Operation, Origin, Space};
use std::collections::BTreeMap;

/// Changes of a stream that follow one another: the first and the last.
pub(super) type Span = (u64, u64);

/// Changes of a stream that belong together, by the last of them; none is of two.
#[derive(Debug, Default)]
pub(super) struct Spans(BTreeMap<u64, u64>);

impl Spans {
    pub(super) fn insert(&mut self, (first, last): Span) {
        self.0.insert(last, first);
    }

    /// Those that have any of these changes.
    pub(super) fn meeting(&self, (first, last): Span) -> impl Iterator<Item = Span> + '_ {
        let those = self.0.range(first..).map(|(last, first)| (*first, *last));
        those.take_while(move |(begin, _)| *begin <= last)
    }
}

/// Which changes are one transaction, as acknowledgements say: an answer names the last. But for those that go on in an
/// old copy of a store, where their stamps come to name something else.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    streams: BTreeMap<(Space, Origin), Spans>,
    lives: Lives,
}

impl Transactions {
    /// The transaction that this acknowledges.
    pub(super) fn observe(
        &mut self,
        observation: &Observation<'_>,
        nodes: &Nodes,
    ) -> Option<(Space, Origin, Span)> {
        self.lives.observe(observation, nodes);
        let Observation::Acknowledged { write, stamp: Some(stamp), .. } = observation else { return None };
        if self.lives.may_move(write.node, Some(*stamp)) {
            return None;
        }
        let (space, origin) = (write.space.clone(), stamp.origin);
        let first = stamp.sequence.checked_sub(changes(write)?.checked_sub(1)?)?;
        self.streams.entry((space.clone(), origin)).or_default().insert((first, stamp.sequence));
        Some((space, origin, (first, stamp.sequence)))
    }

    /// The transactions with any of these changes of a stream.
    pub(super) fn meeting(&self, space: &Space, origin: Origin, span: Span) -> impl Iterator<Item = Span> {
        let spans = self.streams.get(&(space.clone(), origin)).filter(|_| !self.lives.are_two(origin));
        spans.into_iter().flat_map(move |spans| spans.meeting(span))
    }
}

/// How many changes a transaction is; `None` where a part of it may change nothing.
fn changes(write: &ClientWrite) -> Option<u64> {
    let is_change = |operation: &Operation| matches!(operation, Operation::Increment { by, .. } if *by != 0);
    let are_changes = write.parts.iter().all(|(_, operations)| operations.iter().any(is_change));
    (write.parts.len() > 1 && are_changes).then_some(write.parts.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sabotage::Sabotage;
    use crate::topology::{NodeId, Shape, Topology};
    use crate::world::World;
    use replica::Stamp;
    use serde_json::json;

    #[test]
    fn a_transaction_is_as_many_changes_as_it_has_parts_up_to_its_stamp() {
        let world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        let (node, space) = (NodeId(1), Space::new("store-1").unwrap());
        let origin = world.nodes().origin(node);
        let part = |key: &str, operation: Operation| {
            (format!("store-1/inventory/{key}").parse().unwrap(), vec![operation])
        };
        let moved = |key: &str, by| part(key, Operation::increment("/on_hand", by).unwrap());
        let acknowledged = |parts, sequence, transactions: &mut Transactions| {
            let write = &ClientWrite { id: 1, node, space: space.clone(), parts, is_retried: false };
            let stamp = Some(Stamp { origin, sequence });
            let observation = Observation::Acknowledged { write, stamp, attempts: 1 };
            transactions.observe(&observation, world.nodes()).map(|(_, _, span)| span)
        };
        let transactions = &mut Transactions::default();
        let parts = vec![moved("bin-1", -4), moved("bin-2", 2), moved("bin-3", 2)];
        assert_eq!(acknowledged(parts.clone(), 9, transactions), Some((7, 9)));
        assert_eq!(acknowledged(vec![moved("bin-1", 1)], 10, transactions), None);
        let unsure = vec![moved("bin-1", 1), part("milk", Operation::Put(json!({ "shelf": "1" })))];
        assert_eq!(acknowledged(unsure, 12, transactions), None);
        let meeting = |span, transactions: &Transactions| {
            transactions.meeting(&space, origin, span).collect::<Vec<_>>()
        };
        assert_eq!(meeting((9, 10), transactions), [(7, 9)]);
        assert!(meeting((5, 6), transactions).is_empty() && meeting((10, 12), transactions).is_empty());
        transactions.observe(&Observation::OldCopy { node }, world.nodes());
        assert!(meeting((9, 10), transactions).is_empty());
        assert_eq!(acknowledged(parts, 15, transactions), None);
    }
}
