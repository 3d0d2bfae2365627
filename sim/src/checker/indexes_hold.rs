use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{INDEXED, Nodes, Settled, SettledSpace};
use serde_json::Value;

/// Once everything is at rest, the index of a field has the documents that there are, in the order of their values,
/// and no row that a document left behind.
#[derive(Debug, Default)]
pub struct IndexesHold;

impl Checker for IndexesHold {
    fn observe(&mut self, _observation: &Observation<'_>, _nodes: &Nodes) -> Result<(), Failure> {
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        for (space, nodes) in &settled.spaces {
            for (node, content) in nodes {
                if !content.wrong_indexes.is_empty() {
                    let (name, wrong) = (Topology::name(*node), &content.wrong_indexes);
                    let finding =
                        format!("index rows of {wrong:?} in {space} at {name} are not those of its values");
                    return Err(Failure::correctness("indexes_hold", finding));
                }
                for (collection, field) in INDEXED {
                    let expected = in_order(content, collection, field);
                    let found = content.by_index.get(&(collection, field));
                    let found: Vec<&str> = found.into_iter().flatten().map(|key| key.as_str()).collect();
                    if found != expected {
                        let name = Topology::name(*node);
                        let finding = format!(
                            "{name} has {collection} of {space} by {field} as {found:?}, they are {expected:?}"
                        );
                        return Err(Failure::correctness("indexes_hold", finding));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Keys of a collection in the order of a field that has natural numbers or short texts: those without it first.
fn in_order<'a>(content: &'a SettledSpace, collection: &str, field: &str) -> Vec<&'a str> {
    let documents = content.documents.iter().filter(|(address, _)| address.collection.as_str() == collection);
    let shown = documents.filter_map(|(address, (_, json))| {
        let value = json.as_ref().filter(|json| !json.is_null())?.pointer(field);
        let rank = (value.and_then(Value::as_u64), value.and_then(Value::as_str));
        Some((rank, address.key.as_str()))
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort_unstable();
    shown.into_iter().map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::NodeId;
    use document::{Address, Collection, Key, Space};
    use serde_json::json;

    /// Two products, the one without a price first, as the index of prices has them.
    fn content(by_price: &[&str]) -> SettledSpace {
        let documents = [("bread", json!({ "price": 3 })), ("milk", json!({})), ("gone", Value::Null)];
        let documents = documents.into_iter().map(|(key, json)| {
            let address: Address = format!("catalog/product/{key}").parse().unwrap();
            (address, (Vec::new(), Some(json)))
        });
        let keys = |keys: &[&str]| keys.iter().map(|key| Key::new(*key).unwrap()).collect();
        let mut content = SettledSpace { documents: documents.collect(), ..SettledSpace::default() };
        content.by_index.insert(("product", "/price"), keys(by_price));
        content.by_index.insert(("product", "/department"), keys(&["bread", "milk"]));
        content
    }

    fn is_fine(content: SettledSpace) -> bool {
        let nodes = [(NodeId(1), content)].into();
        let settled = Settled { spaces: [(Space::new("catalog").unwrap(), nodes)].into() };
        IndexesHold.settle(&settled).is_ok()
    }

    #[test]
    fn an_index_with_a_row_too_many_or_few_or_in_another_order_is_seen() {
        assert!(is_fine(content(&["milk", "bread"])));
        assert!(!is_fine(content(&["bread", "milk"])));
        assert!(!is_fine(content(&["bread"])));
        assert!(!is_fine(content(&["gone", "milk", "bread"])));
        assert!(!is_fine(content(&["milk", "bread", "bread"])), "a row of a former value");
    }

    #[test]
    fn rows_that_are_not_those_of_the_values_are_seen() {
        let wrong_indexes = vec![Collection::new("product").unwrap()];
        assert!(!is_fine(SettledSpace { wrong_indexes, ..content(&["milk", "bread"]) }));
    }
}
