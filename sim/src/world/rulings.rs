//! What the hub says of sites, where rights are given by documents.

use super::World;
use crate::failure::Failure;
use crate::observation::Observation;
use crate::topology::{NodeId, Topology};
use document::{Collection, Schema, Space};
use replica::{Input, Request, RequestError, RequestId, Response, Rights};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) const HUB: NodeId = NodeId(0);
/// Requests of the hub's operator are numbered from here on.
const FIRST_REQUEST: u64 = 1 << 61;

/// What a site may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What the settings say.
    Full,
    /// The same, but for its own space.
    Narrow,
    /// Nothing, for ever.
    Revoked,
}

/// What is said of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Of which.
    pub node: NodeId,
    /// What.
    pub rule: Rule,
}

/// What the operator asked for and has no answer to. It is asked again when the hub comes back.
#[derive(Default)]
pub(super) struct Rulings {
    open: VecDeque<Open>,
    requests: u64,
    /// Sites of which it was ever said that they may do less than the settings say.
    pub(super) denied: BTreeSet<NodeId>,
}

/// A ruling that is not durable at the hub, as far as is known.
struct Open {
    id: RequestId,
    ruling: Ruling,
    /// Refused for want of room. What is said of the site next takes its place: an operator who has revoked a site does
    /// not try again to let it in.
    is_refused: bool,
}

/// The space of the documents that say it.
pub(crate) fn system() -> Option<Space> {
    Space::new("system").ok()
}

impl World {
    /// The hub says what a site may do.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub fn rule(&mut self, ruling: Ruling) -> Result<(), Failure> {
        if !self.nodes.has(ruling.node) || self.nodes.node(HUB).settings.authority.is_none() {
            return Ok(());
        }
        self.observe(&Observation::Asked { ruling })?;
        self.rulings.open.retain(|open| !(open.is_refused && open.ruling.node == ruling.node));
        self.nodes.denied_mut(ruling);
        self.rulings.denied.extend((ruling.rule != Rule::Full).then_some(ruling.node));
        self.ask_hub(ruling);
        Ok(())
    }

    /// The hub gives everyone the next version of a schema, which says the same.
    pub fn next_schema(&mut self, collection: &str) {
        let Ok(collection) = Collection::new(collection) else { return };
        let settings = &self.nodes.node(HUB).settings;
        let next = settings.schemas.get(&collection).and_then(|schema| {
            let version = |number: u32| format!("\"x-version\": {number}");
            let text = schema.text().replace(&version(schema.version()), &version(schema.version() + 1));
            Schema::parse(&text).ok()
        });
        if let Some(schema) = next.filter(|_| settings.authority.is_some()) {
            self.ask(HUB, Request::AddSchema { collection, schema });
        }
    }

    fn next_request(&mut self) -> RequestId {
        self.rulings.requests += 1;
        RequestId(FIRST_REQUEST + self.rulings.requests)
    }

    fn ask_hub(&mut self, ruling: Ruling) {
        let id = self.next_request();
        self.rulings.open.push_back(Open { id, ruling, is_refused: false });
        let settings = &self.nodes.node(ruling.node).settings;
        let (public_key, name) = (settings.key.public_key, settings.name.clone());
        let request = match ruling.rule {
            Rule::Revoked => Request::Revoke { public_key },
            Rule::Full | Rule::Narrow => Request::Grant { public_key, name, spaces: self.given(ruling) },
        };
        self.give(HUB, Input::Request { id, request });
    }

    /// What the settings of those that the site is linked with say, as they would in a document.
    fn given(&self, Ruling { node, rule }: Ruling) -> BTreeMap<Space, Rights> {
        let name = Topology::name(node);
        let mut given: BTreeMap<Space, Rights> = BTreeMap::new();
        for other in self.nodes.ids() {
            let Some(peer) = self.nodes.node(other).settings.peers.get(&name) else { continue };
            for (space, access) in &peer.spaces {
                let relay = peer.relay && access.write;
                let rights = given.entry(space.clone()).or_default();
                rights.read |= access.read;
                rights.write |= access.write && self.nodes.may_write(node, space);
                rights.relay |= relay;
            }
        }
        given.retain(|space, _| rule == Rule::Full || !self.nodes.may_write(node, space));
        // Who brings others what the hub writes brings them what it says of rights too. Who relays anything else is not
        // trusted with that.
        let is_above = Space::new("catalog").is_ok_and(|space| given.get(&space).is_some_and(|of| of.relay));
        let relay = Rights { read: true, relay: true, ..Rights::default() };
        given.extend(system().filter(|_| is_above).map(|space| (space, relay)));
        given
    }

    /// The hub is up again.
    pub(super) fn rule_again(&mut self, node: NodeId) {
        let open: Vec<_> = if node == HUB { self.rulings.open.drain(..).collect() } else { Vec::new() };
        for Open { ruling, .. } in open {
            self.ask_hub(ruling);
        }
    }

    /// An answer of the hub; whether it is one to its operator.
    pub(super) fn ruled(
        &mut self,
        id: RequestId,
        result: &Result<Response, RequestError>,
    ) -> Result<bool, Failure> {
        let Some(place) = self.rulings.open.iter().position(|open| open.id == id) else {
            return Ok(id.0 >= FIRST_REQUEST && id.0 < FIRST_REQUEST << 1);
        };
        let Some(Open { ruling, .. }) = self.rulings.open.remove(place) else { return Ok(true) };
        match result {
            Ok(_) => {
                let own = self.nodes.origin(HUB);
                let sequence = system()
                    .map_or(0, |space| self.nodes.vector(HUB, &space).get(&own).copied().unwrap_or(0));
                self.observe(&Observation::Ruled { ruling, sequence })?;
            }
            // It is asked again when the hub comes back, unless something newer is said.
            Err(RequestError::DiskFull) => {
                let newer = self.rulings.open.iter().any(|open| open.ruling.node == ruling.node);
                if !newer {
                    self.rulings.open.push_back(Open { id, ruling, is_refused: true });
                }
            }
            Err(error) => {
                let finding = format!("the hub does not say {ruling:?}: {error}");
                return Err(Failure::correctness("requests_are_answered", finding));
            }
        }
        Ok(true)
    }
}
