use super::lives::Lives;
use super::shown::Shown;
use crate::failure::Failure;
use crate::network::RowName;
use crate::observation::{Checker, Observation};
use crate::topology::NodeId;
use crate::world::{ClientWrite, Nodes, Settled};
use document::{Address, Operation, Origin, Pointer};
use replica::Stamp;
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "counters_exact";
/// Sums that unanswered increments may come to, at most; the workload stays far below.
const SUMS_MAX: usize = 100_000;

/// A counter, bounded or not, is the sum of its acknowledged increments (grants, and spends as negative ones) and of
/// some of those of which nobody knows; a write with an idempotency key counts once however often it was sent. One whose
/// stamp went with a disk counts once or not: whether it may have gone is `acknowledged_writes_survive`'s to say. The workload
/// changes counters so only, but for documents that are deleted, which are passed over. Of a store that goes on as an old
/// copy, what was acknowledged in either life counts once, whatever became of its stamp.
#[derive(Debug, Default)]
pub struct CountersExact {
    counters: BTreeMap<(Address, String), Counter>,
    /// Their counters begin again when they are put after that.
    deleted: BTreeSet<Address>,
    lives: Lives,
    shown: Shown,
}

/// Where an acknowledged increment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// Wherever its stamp is; everywhere when it changed nothing.
    Stamp(Option<Stamp>),
    /// It counts, though its stamp may name another change, unless this node loses its disk.
    By(NodeId),
    /// It may have gone with a disk.
    Perhaps,
}

#[derive(Debug, Default)]
struct Counter {
    acknowledged: Vec<(Held, i64)>,
    /// Increments that may have happened.
    unknown: Vec<i64>,
}

impl Counter {
    /// Whether the counter may have this value; `None` when it may have more than anybody can look at.
    fn allows(&self, value: i64, is_there: impl Fn(Stamp) -> bool) -> Option<bool> {
        let there = self.acknowledged.iter().filter(|(held, _)| match held {
            Held::Stamp(stamp) => stamp.is_none_or(&is_there),
            Held::By(_) => true,
            Held::Perhaps => false,
        });
        // A fill brings documents before stamps: what went with a disk in between may be in them all the same.
        let perhaps = self.acknowledged.iter().filter(|(held, _)| match held {
            Held::Stamp(stamp) => stamp.is_some_and(|stamp| !is_there(stamp)),
            Held::By(_) => false,
            Held::Perhaps => true,
        });
        let perhaps = perhaps.map(|(_, by)| by);
        let mut sums = BTreeSet::from([there.map(|(_, by)| by).sum::<i64>()]);
        for by in self.unknown.iter().chain(perhaps) {
            let more: Vec<_> = sums.iter().map(|sum| sum + by).collect();
            sums.extend(more);
            if sums.len() > SUMS_MAX {
                return None;
            }
        }
        Some(sums.contains(&value))
    }
}

impl CountersExact {
    fn each(&mut self, write: &ClientWrite, count: impl Fn(&mut Counter, i64)) {
        for (address, operation) in write.operations() {
            let Some((field, by)) = counted(operation) else { continue };
            let counter = (address.clone(), field.to_string());
            count(self.counters.entry(counter).or_default(), by);
        }
    }

    /// Finds anew where increments are.
    fn place(&mut self, place: impl Fn(&Address, Held, &Shown) -> Held) {
        for ((address, _), counter) in &mut self.counters {
            for (held, _) in &mut counter.acknowledged {
                *held = place(address, *held, &self.shown);
            }
        }
    }

    /// Of what the node has written, that stays of which another said that it has it.
    fn old_copy(&mut self, origin: Origin) {
        self.place(|address, held, shown| match held {
            Held::Stamp(Some(Stamp { origin: of, sequence })) if of == origin => {
                let row = RowName { space: address.space.clone(), origin, sequence };
                shown.holder(&row).map_or(held, Held::By)
            }
            _ => held,
        });
    }

    /// And that which is in the copy.
    fn opened(&mut self, node: NodeId, nodes: &Nodes) {
        let origin = nodes.origin(node);
        self.place(|address, held, _| match held {
            Held::Stamp(Some(Stamp { origin: of, sequence })) if of == origin => {
                let has = nodes.vector(node, &address.space).get(&origin).copied().unwrap_or(0);
                if has >= sequence { Held::By(node) } else { Held::Perhaps }
            }
            _ => held,
        });
    }
}

/// What an operation adds to a counter, and to which.
fn counted(operation: &Operation) -> Option<(&Pointer, i64)> {
    if let Operation::Increment { field, by } = operation {
        return Some((field, *by));
    }
    if let Operation::Grant { field, by, .. } = operation {
        return Some((field, by.cast_signed()));
    }
    if let Operation::Spend { field, by } = operation {
        return Some((field, -by.cast_signed()));
    }
    None
}

impl Checker for CountersExact {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        self.shown.observe(observation, nodes);
        match observation {
            Observation::Acknowledged { write, stamp, .. } => {
                let is_second = self.lives.may_move(write.node, *stamp);
                let held = if is_second { Held::By(write.node) } else { Held::Stamp(*stamp) };
                self.each(write, |counter, by| counter.acknowledged.push((held, by)));
            }
            Observation::Destroyed { node } => {
                self.shown.forget(*node);
                self.place(|_, held, _| if held == Held::By(*node) { Held::Perhaps } else { held });
            }
            Observation::OldCopy { node } => self.old_copy(nodes.origin(*node)),
            Observation::Opened { node } if self.lives.is_second(*node) => self.opened(*node, nodes),
            Observation::Unknown { write } => self.each(write, |counter, by| counter.unknown.push(by)),
            Observation::Submitted { write, .. } => self.deleted.extend(write.deleted().cloned()),
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        let kept = self.counters.iter().filter(|((address, _), _)| !self.deleted.contains(address));
        for ((address, field), counter) in kept {
            let value = settled.document(address).and_then(|document| document.pointer(field));
            let value = value.and_then(serde_json::Value::as_i64).unwrap_or(0);
            let is_there = |stamp: Stamp| settled.has(&address.space, stamp);
            let Counter { acknowledged, unknown } = counter;
            let acknowledged: i64 = acknowledged.iter().map(|(_, by)| by).sum();
            let finding = match counter.allows(value, is_there) {
                Some(true) => continue,
                Some(false) => format!(
                    "{field} of {address} is {value}: acknowledged is {acknowledged}, and unknown {unknown:?}"
                ),
                // A workload that leaves so much open shows nothing.
                None => format!("{field} of {address} may be any of more than {SUMS_MAX} sums"),
            };
            return Err(Failure::correctness(PROPERTY, finding));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_may_have_any_of_the_unknown_increments_and_no_other() {
        let counter = Counter { acknowledged: vec![(Held::Stamp(None), 10)], unknown: vec![-3, 5] };
        let allowed: Vec<i64> =
            (0..20).filter(|value| counter.allows(*value, |_| true) == Some(true)).collect();
        assert_eq!(allowed, [7, 10, 12, 15]);
    }

    #[test]
    fn a_counter_of_which_too_much_is_unknown_is_no_proof() {
        let unknown = (0..20).map(|power| 1 << power).collect();
        let counter = Counter { acknowledged: Vec::new(), unknown };
        assert_eq!(counter.allows(7, |_| true), None);
    }
}
