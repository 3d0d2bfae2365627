use super::lives::Lives;
use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use document::{Address, Key, Operation, Space};
use replica::{WatchEvent, WatchedDocument, WatchedValue};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "never_oversold";

/// No node ever shows fewer than 0 sellable units, cut off or not; and never are more units acknowledged as promised
/// than may have been granted, wherever that was.
#[derive(Debug, Default)]
pub struct NeverOversold {
    sold: BTreeMap<Address, Sold>,
    /// A document that is put after it was deleted begins again: grants that came before do not count.
    deleted: BTreeSet<Address>,
    /// Rights of it were given or spent on an old copy of a store, which cannot know that they were before.
    twice: BTreeSet<Address>,
    lives: Lives,
}

/// Units of a document.
#[derive(Debug, Default)]
struct Sold {
    /// That grants may have made.
    granted: u64,
    /// That were acknowledged as spent.
    spent: u64,
}

impl NeverOversold {
    fn spent(&mut self, address: &Address, by: u64) -> Result<(), Failure> {
        let sold = self.sold.entry(address.clone()).or_default();
        sold.spent += by;
        if sold.spent <= sold.granted || self.deleted.contains(address) || self.twice.contains(address) {
            return Ok(());
        }
        let finding =
            format!("of {address} {} units are promised, {} were granted", sold.spent, sold.granted);
        Err(Failure::correctness(PROPERTY, finding))
    }
}

impl Checker for NeverOversold {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        if let Observation::Submitted { write, .. } = observation
            && self.lives.is_second(write.node)
        {
            let uses = |operation: &Operation| {
                matches!(operation, Operation::Spend { .. } | Operation::Transfer { .. })
            };
            let used = write.operations().filter(|(_, operation)| uses(operation));
            self.twice.extend(used.map(|(address, _)| address.clone()));
        }
        match observation {
            Observation::Submitted { write, attempt: 1 } => {
                self.deleted.extend(write.deleted().cloned());
                for (address, operation) in write.operations() {
                    if let Operation::Grant { by, .. } = operation {
                        self.sold.entry(address.clone()).or_default().granted += by;
                    }
                }
                Ok(())
            }
            Observation::Acknowledged { write, .. } => {
                for (address, operation) in write.operations() {
                    if let Operation::Spend { by, .. } = operation {
                        self.spent(address, *by)?;
                    }
                }
                Ok(())
            }
            Observation::Looked { node, space, goods, .. } => {
                let is_twice = |key: &Key| {
                    self.twice.iter().any(|address| address.space == **space && address.key == *key)
                };
                let goods = goods.iter().filter(|(key, _)| !is_twice(key));
                goods.into_iter().try_for_each(|(key, document)| check(*node, space, key.as_str(), document))
            }
            Observation::Watched { node, events, .. } => {
                let documents = events.iter().flat_map(shown);
                let once = documents.filter(|document| !self.twice.contains(&document.address));
                once.into_iter().try_for_each(|WatchedDocument { address, value, .. }| match value {
                    WatchedValue::Json(json) => check(*node, &address.space, address.key.as_str(), json),
                    WatchedValue::Absent | WatchedValue::Omitted => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        for (space, nodes) in &settled.spaces {
            for (node, content) in nodes {
                let once = content.documents.iter().filter(|(address, _)| !self.twice.contains(*address));
                for (address, (_, document)) in once {
                    document
                        .iter()
                        .try_for_each(|document| check(*node, space, address.key.as_str(), document))?;
                }
            }
        }
        Ok(())
    }
}

/// The documents that an event of a watch shows.
fn shown(event: &WatchEvent) -> Vec<&WatchedDocument> {
    match event {
        WatchEvent::Document { document, .. } => vec![document],
        WatchEvent::Changed { changes, .. } => changes.iter().map(|change| &change.document).collect(),
        WatchEvent::Reset { .. } | WatchEvent::Synced { .. } => Vec::new(),
    }
}

fn check(node: NodeId, space: &Space, key: &str, document: &Value) -> Result<(), Failure> {
    match document.get("sellable") {
        Some(units) if units.as_u64().is_none() => {
            let finding =
                format!("{} shows {units} sellable units of {key} in {space}", Topology::name(node));
            Err(Failure::correctness(PROPERTY, finding))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn units_below_zero_are_seen() {
        let space = Space::new("store-1").unwrap();
        let is_fine = |document: &Value| check(NodeId(1), &space, "product-1", document).is_ok();
        assert!(is_fine(&json!({ "sellable": 0 })) && is_fine(&json!({})));
        assert!(!is_fine(&json!({ "sellable": -1 })));
    }

    #[test]
    fn more_is_never_promised_than_was_granted() {
        let address: Address = "store-1/inventory/milk".parse().unwrap();
        let sold = Sold { granted: 5, spent: 0 };
        let mut checker =
            NeverOversold { sold: [(address.clone(), sold)].into(), ..NeverOversold::default() };
        assert!(checker.spent(&address, 5).is_ok());
        assert!(checker.spent(&address, 1).is_err());
    }
}
