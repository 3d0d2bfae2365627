use super::lives::Lives;
use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{ClientWrite, Nodes, Settled};
use document::{Address, Operation, Origin, Space};
use replica::Stamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "sessions_hold";

/// A service that stays with one node reads what it wrote, and nothing older than what it has read: of a register
/// whose puts are all unlike each other, no value is shown that one which was written or shown there had replaced, before it
/// asked.
#[derive(Debug, Default)]
pub struct SessionsHold {
    puts: BTreeMap<(Address, String), Put>,
    open: BTreeMap<u64, BTreeMap<Origin, u64>>,
    /// Values written or shown at a node, by document; and the last look that was asked for before.
    known: BTreeMap<NodeId, BTreeMap<Address, BTreeMap<String, u64>>>,
    /// The last look that was asked for.
    look: u64,
    /// Documents that are deleted now and then, and puts that may have been done twice.
    passed: BTreeSet<Address>,
    lives: Lives,
}

#[derive(Debug)]
struct Put {
    stamp: Stamp,
    /// What its author had of the space when it was written for the first and only time; `None` when it may have been
    /// tried before.
    seen: Option<BTreeMap<Origin, u64>>,
}

impl Put {
    fn replaced(&self, other: &Self) -> bool {
        let seen = self.seen.as_ref().and_then(|seen| seen.get(&other.stamp.origin));
        seen.is_some_and(|seen| *seen >= other.stamp.sequence)
    }
}

fn shelf(write: &ClientWrite) -> Option<(&Address, &str)> {
    write.operations().find_map(|(address, operation)| match operation {
        Operation::Put(value) => Some((address, value.get("shelf")?.as_str()?)),
        _ => None,
    })
}

impl SessionsHold {
    fn acknowledged(&mut self, write: &ClientWrite, stamp: Stamp, attempts: u32) {
        let seen = self.open.remove(&write.id).filter(|_| attempts == 1);
        if let Some((address, value)) = shelf(write) {
            self.puts.insert((address.clone(), value.to_owned()), Put { stamp, seen });
            self.know(write.node, address, value);
        }
    }

    fn know(&mut self, node: NodeId, address: &Address, value: &str) {
        let known = self.known.entry(node).or_default().entry(address.clone()).or_default();
        known.entry(value.to_owned()).or_insert(self.look);
    }

    fn looked(
        &mut self,
        (node, look): (NodeId, Option<u64>),
        space: &Space,
        key: &document::Key,
        document: &Value,
    ) -> Result<(), Failure> {
        let Some(value) = document.get("shelf").and_then(Value::as_str) else { return Ok(()) };
        let Ok(address) = format!("{space}/inventory/{key}").parse::<Address>() else { return Ok(()) };
        if self.passed.contains(&address) {
            return Ok(());
        }
        let put = |value: &str| self.puts.get(&(address.clone(), value.to_owned()));
        let known = self.known.get(&node).and_then(|known| known.get(&address)).into_iter().flatten();
        let later = put(value).and_then(|shown| {
            // The answer to a look may be on its way while another shows more.
            let mut before = known.into_iter().filter(|(_, asked)| look.is_none_or(|look| **asked < look));
            before.find(|(known, _)| put(known).is_some_and(|known| known.replaced(shown)))
        });
        if let Some((later, _)) = later {
            let name = Topology::name(node);
            let finding = format!("{name} shows {value} of {address}, where {later} was, which replaced it");
            return Err(Failure::correctness(PROPERTY, finding));
        }
        let value = value.to_owned();
        self.know(node, &address, &value);
        Ok(())
    }
}

impl Checker for SessionsHold {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        match observation {
            // It may be written again, with something else in sight.
            Observation::Acknowledged { write, stamp, .. } if self.lives.may_move(write.node, *stamp) => {}
            Observation::Submitted { write, attempt: 1 } => {
                self.passed.extend(write.deleted().cloned());
                self.open.insert(write.id, nodes.vector(write.node, &write.space));
            }
            Observation::Acknowledged { write, stamp: Some(stamp), attempts } => {
                self.acknowledged(write, *stamp, *attempts);
            }
            Observation::Unknown { write } => {
                self.passed.extend(write.parts.iter().map(|(address, _)| address.clone()));
            }
            Observation::Looking { look } => self.look = *look,
            Observation::Looked { look, node, space, goods, is_whole: true } => {
                for (key, document) in *goods {
                    self.looked((*node, *look), space, key, document)?;
                }
            }
            Observation::Destroyed { node } => drop(self.known.remove(node)),
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_was_replaced_is_not_shown_again() {
        let (node, other) = (NodeId(1), NodeId(2));
        let (space, key) = (Space::new("store-1").unwrap(), "milk".parse().unwrap());
        let address: Address = "store-1/inventory/milk".parse().unwrap();
        let stamp = |sequence| Stamp { origin: Origin([1; 16]), sequence };
        let put = |sequence| {
            let seen = Some(BTreeMap::from([(Origin([1; 16]), sequence - 1)]));
            ((address.clone(), format!("shelf-{sequence}")), Put { stamp: stamp(sequence), seen })
        };
        let puts = BTreeMap::from([put(1), put(2)]);
        let mut checker = SessionsHold { puts, ..SessionsHold::default() };
        checker.look = 5;
        let mut is_fine = |node, look, shelf| {
            checker.looked((node, look), &space, &key, &json!({ "shelf": shelf })).is_ok()
        };
        assert!(is_fine(node, None, "shelf-1") && is_fine(node, None, "shelf-2"));
        assert!(!is_fine(node, None, "shelf-1"));
        assert!(is_fine(node, Some(5), "shelf-1"), "it was asked for before the other was shown");
        assert!(!is_fine(node, Some(6), "shelf-1"));
        assert!(is_fine(other, None, "shelf-1"), "another node may be behind");
    }
}
