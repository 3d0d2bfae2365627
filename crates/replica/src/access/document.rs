//! Access documents: `schemas/collections/access.json`.

use super::{AccessFault, Rights, SYSTEM};
use document::{Origin, Schema, SchemaError, Space};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The last change that is taken, by space and origin.
pub(crate) type Cuts = BTreeMap<(Space, Origin), u64>;

/// What a document says of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessDocument {
    pub(crate) name: String,
    pub(crate) spaces: BTreeMap<Space, Rights>,
    pub(crate) is_revoked: bool,
    /// Of spaces that it may not write any more.
    pub(crate) cuts: Cuts,
}

/// Its JSON.
#[derive(Serialize, Deserialize)]
struct Shape {
    name: String,
    #[serde(default)]
    spaces: BTreeMap<String, Vec<Right>>,
    #[serde(default, skip_serializing_if = "is_false")]
    revoked: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    cuts: BTreeMap<String, BTreeMap<String, u64>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Right {
    Read,
    Write,
    Relay,
    Snapshot,
}

/// The schema that access documents keep.
///
/// # Errors
/// Never, unless the file in the sources is damaged.
pub(crate) fn access_schema() -> Result<Schema, SchemaError> {
    Schema::parse(include_str!("../../../../schemas/collections/access.json"))
}

impl AccessDocument {
    /// Reads a document.
    pub(crate) fn read(schema: &Schema, value: &Value) -> Result<Self, AccessFault> {
        if let Some(violation) = schema.violations(value).into_iter().next() {
            return Err(AccessFault::Schema(violation));
        }
        let shape = Shape::deserialize(value).map_err(|_| AccessFault::Shape)?;
        let mut document = Self { name: shape.name, is_revoked: shape.revoked, ..Self::default() };
        for (name, rights) in shape.spaces {
            document.spaces.insert(Space::new(name)?, Right::together(&rights));
        }
        for (name, origins) in shape.cuts {
            let space = Space::new(name)?;
            for (origin, last) in origins {
                let origin: Origin = origin.parse()?;
                document.cuts.insert((space.clone(), origin), last);
            }
        }
        Ok(document)
    }

    pub(crate) fn to_json(&self) -> Value {
        let rights = |(space, rights): (&Space, &Rights)| (space.to_string(), Right::apart(*rights));
        let mut shape = Shape {
            name: self.name.clone(),
            spaces: self.spaces.iter().map(rights).collect(),
            revoked: self.is_revoked,
            cuts: BTreeMap::new(),
        };
        for ((space, origin), last) in &self.cuts {
            shape.cuts.entry(space.to_string()).or_default().insert(origin.to_string(), *last);
        }
        // Texts, numbers and names become JSON without fail.
        serde_json::to_value(shape).unwrap_or_default()
    }

    /// What it may do in a space other than `system`.
    pub(crate) fn rights(&self, space: &Space) -> Rights {
        let given = self.spaces.get(space).copied().unwrap_or_default();
        if self.is_revoked { Rights::default() } else { given }
    }

    /// Whether changes that it writes are taken, without end.
    pub(crate) fn writes(&self, space: &Space) -> bool {
        space.as_str() != SYSTEM && self.rights(space).write
    }

    /// The last of its changes that is taken; `None` when there is no end to them.
    pub(crate) fn cut(&self, space: &Space, origin: Origin) -> Option<u64> {
        let last = || self.cuts.get(&(space.clone(), origin)).copied().unwrap_or(0);
        (!self.writes(space)).then(last)
    }
}

impl Right {
    fn together(rights: &[Self]) -> Rights {
        let has = |right| rights.contains(&right);
        Rights {
            read: has(Self::Read),
            write: has(Self::Write),
            relay: has(Self::Relay),
            snapshot: has(Self::Snapshot),
        }
    }

    fn apart(rights: Rights) -> Vec<Self> {
        let all = [
            (rights.read, Self::Read),
            (rights.write, Self::Write),
            (rights.relay, Self::Relay),
            (rights.snapshot, Self::Snapshot),
        ];
        all.into_iter().filter_map(|(has, right)| has.then_some(right)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<AccessDocument, AccessFault> {
        AccessDocument::read(&access_schema().unwrap(), value)
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let store = Space::new("store-1").unwrap();
        let all = Rights { read: true, write: true, relay: true, snapshot: true };
        for bits in 0..16_u8 {
            let has = |bit: u8| bits & bit > 0;
            let rights = Rights { read: has(1), write: has(2), relay: has(4), snapshot: has(8) };
            let document = AccessDocument {
                name: "site".into(),
                spaces: [(store.clone(), rights), (Space::new("catalog").unwrap(), all)].into(),
                is_revoked: has(1),
                cuts: [((store.clone(), Origin([bits; 16])), 7)].into(),
            };
            assert_eq!(read(&document.to_json()), Ok(document));
        }
    }

    #[test]
    fn a_document_that_breaks_a_rule_grants_nothing() {
        let origin = "00".repeat(16);
        let broken = [
            json!({}),
            json!({"name": ""}),
            json!({"name": 1}),
            json!({"name": "a", "spaces": ["store-1"]}),
            json!({"name": "a", "spaces": {"store-1": ["admin"]}}),
            json!({"name": "a", "spaces": {"store-1": "read"}}),
            json!({"name": "a", "spaces": {"Store": ["read"]}}),
            json!({"name": "a", "revoked": "no"}),
            json!({"name": "a", "cuts": {"store-1": {"xyz": 1}}}),
            json!({"name": "a", "cuts": {"store-1": {origin.clone(): 0}}}),
            json!({"name": "a", "cuts": {"store-1": {origin.clone(): -1}}}),
            json!({"name": "a", "cuts": {"store-1": {origin: 1e30}}}),
        ];
        for value in broken {
            assert!(read(&value).is_err(), "{value}");
        }
        assert!(read(&json!({"name": "a", "later": true})).is_ok(), "a newer version may say more");
    }
}
