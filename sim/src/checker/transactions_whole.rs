use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::schedule::BIN_PREFIX;
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use document::Space;
use serde_json::Value;

/// Wherever all bins of a space are seen at once, what is in them comes to 0: the workload changes them by
/// transactions alone, each of which takes out of one as much as it puts into others.
#[derive(Debug, Default)]
pub struct TransactionsWhole;

impl Checker for TransactionsWhole {
    fn observe(&mut self, observation: &Observation<'_>, _nodes: &Nodes) -> Result<(), Failure> {
        match observation {
            Observation::Looked { node, space, goods, is_whole: true, .. } => {
                check(*node, space, goods.iter().map(|(key, document)| (key.as_str(), document)))
            }
            _ => Ok(()),
        }
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        for (space, nodes) in &settled.spaces {
            // Who says that something is missing shows no whole: nothing more may come of it, see `FillsEnd`.
            for (node, content) in nodes.iter().filter(|(_, content)| !content.is_filling) {
                let documents = content.documents.iter();
                let documents =
                    documents.filter_map(|(address, (_, json))| Some((address.key.as_str(), json.as_ref()?)));
                check(*node, space, documents)?;
            }
        }
        Ok(())
    }
}

fn check<'a>(
    node: NodeId,
    space: &Space,
    documents: impl Iterator<Item = (&'a str, &'a Value)>,
) -> Result<(), Failure> {
    let bins: Vec<(&str, i64)> = documents
        .filter(|(key, _)| key.starts_with(BIN_PREFIX))
        .map(|(key, document)| (key, document.get("on_hand").and_then(Value::as_i64).unwrap_or(0)))
        .collect();
    if bins.iter().map(|(_, units)| units).sum::<i64>() == 0 {
        return Ok(());
    }
    let finding = format!("{} shows part of a transaction in {space}: {bins:?}", Topology::name(node));
    Err(Failure::correctness("transactions_whole", finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bins_come_to_nothing_and_other_goods_do_not_count() {
        let space = Space::new("store-1").unwrap();
        let is_fine = |first: i64| {
            let documents = [
                ("bin-1", json!({ "on_hand": first })),
                ("bin-2", json!({ "on_hand": 5 })),
                ("product-1", json!({ "on_hand": 7 })),
            ];
            check(NodeId(1), &space, documents.iter().map(|(key, document)| (*key, document))).is_ok()
        };
        assert!(is_fine(-5));
        assert!(!is_fine(-4));
    }
}
