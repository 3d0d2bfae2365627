use super::{ScenarioError, node, time};
use crate::schedule::{Event, Scheduled};
use crate::topology::Topology;
use serde::Deserialize;

/// What the hub says of rights and schemas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    at: String,
    kind: RuleKind,
    node: Option<String>,
    #[serde(default)]
    narrow: bool,
    collection: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RuleKind {
    Grant,
    Revoke,
    Schema,
}

impl Rule {
    pub(super) fn event(&self, topology: &Topology) -> Result<Scheduled, ScenarioError> {
        let kind = match self.kind {
            RuleKind::Grant => "grant",
            RuleKind::Revoke => "revoke",
            RuleKind::Schema => "schema",
        };
        let missing =
            |field| ScenarioError::Missing { kind: kind.into(), at: self.at.as_str().into(), field };
        let on = || node(topology, self.node.as_deref().ok_or_else(|| missing("node"))?);
        let event = match self.kind {
            RuleKind::Grant => Event::Grant { node: on()?, narrow: self.narrow },
            RuleKind::Revoke => Event::Revoke { node: on()? },
            RuleKind::Schema => {
                Event::Schema { collection: self.collection.clone().ok_or_else(|| missing("collection"))? }
            }
        };
        Ok(Scheduled { at_us: time(&self.at)?, event })
    }
}
