use super::lives::Lives;
use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::world::{ClientWrite, Nodes, Settled};
use document::{Address, Operation, Origin};
use replica::Stamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Fields that are registers, and that the workload writes by puts alone.
const REGISTERS: [&str; 9] =
    ["product", "shelf", "text", "price", "department", "title", "till", "basket", "last_seen"];

/// In the end a document's registers have values that were put, and none of a put that a later acknowledged put had
/// seen. The workload puts the same fields in all puts of a document, with values of which one is unlike any other.
#[derive(Debug, Default)]
pub struct Registers {
    puts: BTreeMap<Address, BTreeMap<u64, Put>>,
    /// Documents that are deleted now and then, which are passed over.
    deleted: BTreeSet<Address>,
    lives: Lives,
}

#[derive(Debug)]
struct Put {
    value: Value,
    /// What the node had of the space when the write was sent for the first time.
    seen: BTreeMap<Origin, u64>,
    outcome: Outcome,
    /// A disk was lost while it was tried again and again, or replaced by an old copy: it may have been done twice, or
    /// with something else in sight, or once although the last attempt was refused.
    is_doubled: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// Sent, and not answered.
    Open,
    /// Acknowledged. One that was sent again may have been done with less in sight than when it was first sent.
    Acknowledged {
        stamp: Option<Stamp>,
        attempts: u32,
    },
    Refused,
}

impl Put {
    /// Whether it was surely not written: an attempt on a disk that was lost may have gone out from there, and whoever
    /// refuses the next one knows nothing of it.
    fn is_refused(&self) -> bool {
        self.outcome == Outcome::Refused && !self.is_doubled
    }

    /// Whether it was surely written by someone who had seen the other.
    fn overwrites(&self, other: &Self) -> bool {
        match (&self.outcome, &other.outcome) {
            (
                Outcome::Acknowledged { stamp: Some(_), attempts: 1 },
                Outcome::Acknowledged { stamp: Some(stamp), .. },
            ) if !other.is_doubled && !self.is_doubled => {
                self.seen.get(&stamp.origin).is_some_and(|seen| *seen >= stamp.sequence)
            }
            _ => false,
        }
    }
}

impl Registers {
    fn submitted(&mut self, write: &ClientWrite, nodes: &Nodes) {
        self.deleted.extend(write.deleted().cloned());
        for (address, operation) in write.operations() {
            if let Operation::Put(value) = operation {
                let seen = nodes.vector(write.node, &write.space);
                let put = Put { value: value.clone(), seen, outcome: Outcome::Open, is_doubled: false };
                self.puts.entry(address.clone()).or_default().insert(write.id, put);
            }
        }
    }

    fn double(&mut self, write: &ClientWrite) {
        for (address, _) in &write.parts {
            let put = self.puts.get_mut(address).and_then(|puts| puts.get_mut(&write.id));
            put.into_iter().for_each(|put| put.is_doubled = true);
        }
    }

    /// The origin has two histories from here on.
    fn double_all(&mut self, of: Origin) {
        for put in self.puts.values_mut().flat_map(BTreeMap::values_mut) {
            if let Outcome::Acknowledged { stamp: Some(stamp), .. } = &put.outcome {
                put.is_doubled |= stamp.origin == of;
            }
        }
    }

    fn answered(&mut self, write: &ClientWrite, outcome: &Outcome) {
        for (address, _) in &write.parts {
            if let Some(put) = self.puts.get_mut(address).and_then(|puts| puts.get_mut(&write.id)) {
                put.outcome = outcome.clone();
            }
        }
    }
}

impl Checker for Registers {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        match observation {
            Observation::Submitted { write, attempt: 1 } => self.submitted(write, nodes),
            Observation::Acknowledged { write, stamp, attempts } => {
                self.answered(write, &Outcome::Acknowledged { stamp: *stamp, attempts: *attempts });
                if self.lives.may_move(write.node, *stamp) {
                    self.double(write);
                }
            }
            Observation::Refused { write, .. } => self.answered(write, &Outcome::Refused),
            Observation::Unknown { write } => self.double(write),
            Observation::OldCopy { node } => self.double_all(nodes.origin(*node)),
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        // What went with a disk hides nothing. Its change may be there all the same, without its stamp: in a document that
        // somebody was filled with before.
        for (address, puts) in &mut self.puts {
            for put in puts.values_mut() {
                if let Outcome::Acknowledged { stamp: Some(stamp), .. } = &put.outcome {
                    put.is_doubled |= !settled.has(&address.space, *stamp);
                }
            }
        }
        let mut kept = self.puts.iter().filter(|(address, _)| !self.deleted.contains(*address));
        kept.try_for_each(|(address, puts)| check(address, puts, settled.document(address)))
    }
}

fn check(address: &Address, puts: &BTreeMap<u64, Put>, document: Option<&Value>) -> Result<(), Failure> {
    let candidates: Vec<&Put> = puts
        .values()
        .filter(|put| !put.is_refused())
        .filter(|put| !puts.values().any(|later| later.overwrites(put)))
        .collect();
    let fields = candidates.iter().filter_map(|put| put.value.as_object()).flat_map(|object| object.keys());
    let fields = fields.filter(|field| REGISTERS.contains(&field.as_str()));
    let is_written =
        candidates.iter().any(|put| matches!(put.outcome, Outcome::Acknowledged { .. }) && !put.is_doubled);
    for field in fields {
        let shown = document.and_then(|document| document.get(field));
        let is_fine = match shown {
            Some(_) => candidates.iter().any(|put| put.value.get(field) == shown),
            None => !is_written,
        };
        if !is_fine {
            let finding = format!("{field} of {address} is {shown:?}, which none of the last puts wrote");
            return Err(Failure::correctness("registers", finding));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ORIGIN: Origin = Origin([1; 16]);

    fn put(number: u64, seen: u64) -> Put {
        let stamp = Some(Stamp { origin: ORIGIN, sequence: number });
        Put {
            value: json!({ "shelf": number }),
            seen: BTreeMap::from([(ORIGIN, seen)]),
            outcome: Outcome::Acknowledged { stamp, attempts: 1 },
            is_doubled: false,
        }
    }

    fn is_fine(puts: Vec<Put>, document: Option<&Value>) -> bool {
        let address = "s/c/k".parse().unwrap();
        let puts = puts.into_iter().enumerate().map(|(id, put)| (id as u64, put)).collect();
        check(&address, &puts, document).is_ok()
    }

    #[test]
    fn the_last_put_wins_and_no_other() {
        assert!(is_fine(vec![put(1, 0), put(2, 1)], Some(&json!({ "shelf": 2 }))));
        assert!(!is_fine(vec![put(1, 0), put(2, 1)], Some(&json!({ "shelf": 1 }))));
        assert!(!is_fine(vec![put(1, 0), put(2, 1)], None));
    }

    #[test]
    fn either_of_two_concurrent_puts_may_win_and_no_third() {
        assert!(is_fine(vec![put(1, 0), put(2, 0)], Some(&json!({ "shelf": 1 }))));
        assert!(is_fine(vec![put(1, 0), put(2, 0)], Some(&json!({ "shelf": 2 }))));
        assert!(!is_fine(vec![put(1, 0), put(2, 0)], Some(&json!({ "shelf": 3 }))));
    }

    #[test]
    fn a_put_without_an_answer_may_have_happened() {
        let mut lost = put(2, 1);
        lost.outcome = Outcome::Open;
        assert!(is_fine(vec![put(1, 0), lost], Some(&json!({ "shelf": 2 }))));
    }

    #[test]
    fn a_put_that_is_refused_when_its_disk_is_lost_may_have_happened_before() {
        let shown = |number: u64, is_doubled| {
            let refused = Put { outcome: Outcome::Refused, is_doubled, ..put(2, 1) };
            is_fine(vec![put(1, 0), refused], Some(&json!({ "shelf": number })))
        };
        assert!(shown(1, true) && shown(2, true));
        assert!(shown(1, false) && !shown(2, false));
    }
}
