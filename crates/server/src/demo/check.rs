//! Whether what replicas hold is what they have to hold.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::documents::{Contents, ON_HAND};

/// Differences that are kept; further ones are counted.
const DIFFERENCES_MAX: usize = 20;

/// A document that is not what it has to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    /// The replica that was asked.
    pub(super) replica: String,
    /// `space/collection/key`.
    pub(super) document: String,
    /// None: there should be none.
    pub(super) expected: Option<Value>,
    /// None: there is none.
    pub(super) found: Option<Value>,
}

/// Documents compared so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// Documents that were compared.
    pub(super) documents: u64,
    /// How many of them differ.
    pub(super) different: u64,
    /// The first of those.
    pub(super) differences: Vec<Difference>,
}

impl Comparison {
    /// Compares what `replica` has of a collection with what it has to have.
    pub(super) fn compare(&mut self, replica: &str, expected: &Contents, found: &BTreeMap<String, Value>) {
        let keys: std::collections::BTreeSet<&String> =
            expected.documents.keys().chain(found.keys()).collect();
        for key in keys {
            self.documents += 1;
            let (wanted, present) = (expected.documents.get(key), found.get(key));
            if is_equal(wanted, present) {
                continue;
            }
            self.different += 1;
            if self.differences.len() < DIFFERENCES_MAX {
                self.differences.push(Difference {
                    replica: replica.to_owned(),
                    document: format!("{}/{}/{key}", expected.space, expected.collection),
                    expected: wanted.cloned(),
                    found: present.cloned(),
                });
            }
        }
    }

    /// Whether all is as it has to be.
    pub(super) fn is_equal(&self) -> bool {
        self.different == 0
    }
}

/// Numbers are equal when their values are, so that `3` and `3.0` are one price.
fn is_equal(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let fields = one.keys().chain(other.keys());
            fields.into_iter().all(|field| is_equal(one.get(field), other.get(field)))
        }
        (Some(Value::Number(one)), Some(Value::Number(other))) => {
            one == other
                || one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one.total_cmp(&other).is_eq())
        }
        (one, other) => one == other,
    }
}

/// Units that have left the shelves: those of the opening stock less those that are there. Documents that are
/// missing count as not sold from.
pub(super) fn units_sold<'a>(
    opening_stock: impl Iterator<Item = (&'a str, i64)>,
    found: &BTreeMap<String, Value>,
) -> i64 {
    let sold = opening_stock.map(|(product, opening)| {
        let on_hand = found.get(product).and_then(|document| document.get(ON_HAND)).and_then(Value::as_i64);
        on_hand.map_or(0, |on_hand| opening.saturating_sub(on_hand))
    });
    sold.fold(0, i64::saturating_add)
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: ", self.document, self.replica)?;
        match (&self.expected, &self.found) {
            (Some(Value::Object(expected)), Some(Value::Object(found))) => {
                let mut fields: Vec<&String> = expected.keys().chain(found.keys()).collect();
                fields.sort_unstable();
                fields.dedup();
                let mut separator = "";
                for field in fields {
                    let (wanted, present) = (expected.get(field), found.get(field));
                    if !is_equal(wanted, present) {
                        let (wanted, present) = (Shown(wanted), Shown(present));
                        write!(f, "{separator}{field} should be {wanted}, found {present}")?;
                        separator = "; ";
                    }
                }
                Ok(())
            }
            (expected, found) => {
                write!(f, "should be {}, found {}", Shown(expected.as_ref()), Shown(found.as_ref()))
            }
        }
    }
}

/// A value, or that there is none.
struct Shown<'a>(Option<&'a Value>);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use document::{Collection, Space};
    use serde_json::json;

    use super::*;

    fn documents<const N: usize>(documents: [(&str, Value); N]) -> BTreeMap<String, Value> {
        documents.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn comparison<const N: usize, const M: usize>(
        expected: [(&str, Value); N],
        found: [(&str, Value); M],
    ) -> Comparison {
        let expected = Contents {
            space: Space::new("store-7").unwrap(),
            collection: Collection::new("inventory").unwrap(),
            documents: documents(expected),
        };
        let mut comparison = Comparison::default();
        comparison.compare("hub", &expected, &documents(found));
        comparison
    }

    #[test]
    fn equal_documents_differ_in_nothing() {
        let equal = comparison(
            [("milk", json!({ "on_hand": 10, "price": 3.0 }))],
            [("milk", json!({ "price": 3, "on_hand": 10 }))],
        );
        assert!(equal.is_equal());
        assert_eq!(equal.documents, 1);
    }

    #[track_caller]
    fn differs(expected: Option<Value>, found: Option<Value>, shown: &str) {
        let one = |value: Option<Value>| value.map(|value| ("milk".to_owned(), value)).into_iter().collect();
        let expected = Contents {
            space: Space::new("store-7").unwrap(),
            collection: Collection::new("inventory").unwrap(),
            documents: one(expected),
        };
        let mut comparison = Comparison::default();
        comparison.compare("hub", &expected, &one(found));
        assert_eq!(comparison.different, 1);
        assert_eq!(comparison.differences[0].to_string(), shown);
    }

    #[test]
    fn a_difference_names_replica_document_and_field() {
        differs(
            Some(json!({ "on_hand": 10, "product": "milk" })),
            Some(json!({ "on_hand": 11, "product": "milk" })),
            "store-7/inventory/milk at hub: on_hand should be 10, found 11",
        );
        differs(
            Some(json!({ "on_hand": 10, "product": "milk" })),
            Some(json!({ "on_hand": 9 })),
            "store-7/inventory/milk at hub: on_hand should be 10, found 9; product should be \"milk\", found nothing",
        );
        let milk = Some(json!({ "on_hand": 10 }));
        differs(
            milk.clone(),
            None,
            "store-7/inventory/milk at hub: should be {\"on_hand\":10}, found nothing",
        );
        differs(None, milk, "store-7/inventory/milk at hub: should be nothing, found {\"on_hand\":10}");
    }

    #[test]
    fn differences_are_counted_and_only_the_first_are_kept() {
        let keys: Vec<String> = (0..50).map(|key| format!("{key:02}")).collect();
        let expected = Contents {
            space: Space::new("store-7").unwrap(),
            collection: Collection::new("inventory").unwrap(),
            documents: keys.iter().map(|key| (key.clone(), json!({ "on_hand": 1 }))).collect(),
        };
        let mut comparison = Comparison::default();
        comparison.compare("hub", &expected, &BTreeMap::new());
        assert_eq!((comparison.documents, comparison.different), (50, 50));
        assert_eq!(comparison.differences.len(), DIFFERENCES_MAX);
        assert_eq!(comparison.differences[0].document, "store-7/inventory/00");
    }

    #[test]
    fn units_sold_are_what_is_missing_from_the_opening_stock() {
        let found = documents([("milk", json!({ "on_hand": 7 })), ("beer", json!({ "on_hand": -1 }))]);
        let opening = [("milk", 10), ("beer", 3), ("bread", 5)];
        assert_eq!(units_sold(opening.into_iter(), &found), 3 + 4);
    }
}
