use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::world::{ClientWrite, Nodes, Settled};
use document::{Address, Operation, Pointer};
use replica::Stamp;
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "counters_exact";
/// Sums that unanswered increments may come to, at most; the workload stays far below.
const SUMS_MAX: usize = 100_000;

/// A counter, bounded or not, is the sum of its acknowledged increments (grants, and spends as negative ones) and of
/// some of those of which nobody knows; a write with an idempotency key counts once however often it was sent. What
/// went with a disk does not count: whether it may have is `acknowledged_writes_survive`'s to say. The workload
/// changes counters so only, but for documents that are deleted, which are passed over.
#[derive(Debug, Default)]
pub struct CountersExact {
    counters: BTreeMap<(Address, String), Counter>,
    /// Their counters begin again when they are put after that.
    deleted: BTreeSet<Address>,
}

#[derive(Debug, Default)]
struct Counter {
    acknowledged: Vec<(Option<Stamp>, i64)>,
    /// Increments that may have happened.
    unknown: Vec<i64>,
}

impl Counter {
    /// Whether the counter may have this value.
    fn allows(&self, value: i64, is_there: impl Fn(Stamp) -> bool) -> bool {
        let there = self.acknowledged.iter().filter(|(stamp, _)| stamp.is_none_or(&is_there));
        let mut sums = BTreeSet::from([there.map(|(_, by)| by).sum::<i64>()]);
        for by in &self.unknown {
            let more: Vec<_> = sums.iter().map(|sum| sum + by).collect();
            sums.extend(more);
            if sums.len() > SUMS_MAX {
                return true;
            }
        }
        sums.contains(&value)
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
    fn observe(&mut self, observation: &Observation<'_>, _nodes: &Nodes) -> Result<(), Failure> {
        match observation {
            Observation::Acknowledged { write, stamp, .. } => {
                self.each(write, |counter, by| counter.acknowledged.push((*stamp, by)));
            }
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
            if !counter.allows(value, is_there) {
                let Counter { acknowledged, unknown } = counter;
                let acknowledged: i64 = acknowledged.iter().map(|(_, by)| by).sum();
                let finding = format!(
                    "{field} of {address} is {value}: acknowledged is {acknowledged}, and unknown {unknown:?}"
                );
                return Err(Failure::correctness(PROPERTY, finding));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_may_have_any_of_the_unknown_increments_and_no_other() {
        let counter = Counter { acknowledged: vec![(None, 10)], unknown: vec![-3, 5] };
        let allowed: Vec<i64> = (0..20).filter(|value| counter.allows(*value, |_| true)).collect();
        assert_eq!(allowed, [7, 10, 12, 15]);
    }
}
