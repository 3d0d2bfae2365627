//! Readers of feeds: each space of each node has one, and one that watches less of it: a collection, the keys with a prefix,
//! or one document. Now and then one goes away and comes back, mostly with its cursor, sometimes with nothing.

use super::World;
use crate::dice::Dice;
use crate::failure::Failure;
use crate::observation::Observation;
use crate::topology::NodeId;
use document::{Address, Collection, Key, Space};
use replica::{Input, Request, RequestId, WatchCursor, WatchEvent, WatchScope};
use std::collections::BTreeMap;

/// Room of a reader for events; it is given back as it takes them.
const CREDIT: u32 = 8;
/// Of 100 times that it is shown something, a reader goes away so often.
const LEAVES_PERCENT: u64 = 5;
/// Of 100 times that it comes back, it has forgotten everything so often.
const FORGETS_PERCENT: u64 = 20;
/// Collections that are watched alone, where there are several.
const COLLECTIONS: [&str; 3] = ["inventory", "basket", "note"];
/// Documents that are watched alone.
const DOCUMENTS: u64 = 12;
/// Requests from here on are of watches.
const FIRST_REQUEST: u64 = 1 << 40;

#[derive(Default)]
pub(super) struct Watchers {
    is_on: bool,
    requests: u64,
    by_request: BTreeMap<RequestId, (NodeId, WatchScope)>,
    readers: BTreeMap<(NodeId, WatchScope), Reader>,
}

#[derive(Default)]
struct Reader {
    cursor: Option<WatchCursor>,
    /// Whether it was shown nothing yet since it began without a cursor.
    is_anew: bool,
    /// What was drawn for it so far.
    draws: u64,
}

impl World {
    /// From now on every space of every node that opens is watched.
    pub fn add_watchers(&mut self) {
        self.watchers.is_on = true;
    }

    /// A node is up: its readers come back.
    pub(super) fn start_watchers(&mut self, node: NodeId) {
        if !self.watchers.is_on {
            return;
        }
        self.watchers.by_request.retain(|_, (at, _)| *at != node);
        let spaces: Vec<Space> = self.nodes.spaces(node).cloned().collect();
        for space in spaces {
            let narrow = narrow(self.seed, node, &space);
            for scope in [WatchScope::Space(space)].into_iter().chain(narrow) {
                self.start_watcher(node, scope);
            }
        }
    }

    fn start_watcher(&mut self, node: NodeId, scope: WatchScope) {
        let forgets = self.draw(node, &scope, FORGETS_PERCENT);
        let id = RequestId(FIRST_REQUEST + self.watchers.requests);
        self.watchers.requests += 1;
        let reader = self.watchers.readers.entry((node, scope.clone())).or_default();
        if forgets {
            reader.cursor = None;
        }
        reader.is_anew = reader.cursor.is_none();
        let from = reader.cursor.clone();
        self.watchers.by_request.insert(id, (node, scope.clone()));
        let request = Request::Watch { scope, from, credit: CREDIT };
        self.give(node, Input::Request { id, request });
    }

    pub(super) fn watched(
        &mut self,
        node: NodeId,
        id: RequestId,
        events: &[WatchEvent],
    ) -> Result<(), Failure> {
        // A reader that went away is shown nothing.
        let Some((_, scope)) = self.watchers.by_request.get(&id).cloned() else { return Ok(()) };
        let reader = self.watchers.readers.entry((node, scope.clone())).or_default();
        let is_anew = std::mem::take(&mut reader.is_anew);
        reader.cursor = events.last().map(|event| event.cursor().clone());
        let used = u32::try_from(events.len()).unwrap_or(u32::MAX);
        if used > CREDIT {
            return Err(Failure::correctness("watches_keep_to_their_credit", format!("{used} events")));
        }
        self.observe(&Observation::Watched { node, scope: &scope, is_anew, events })?;
        if self.draw(node, &scope, LEAVES_PERCENT) {
            self.watchers.by_request.remove(&id);
            self.give(node, Input::WatchEnd { id });
            self.start_watcher(node, scope);
        } else {
            self.give(node, Input::WatchMore { id, credit: used });
        }
        Ok(())
    }

    fn draw(&mut self, node: NodeId, scope: &WatchScope, percent: u64) -> bool {
        let seed = self.seed;
        let reader = self.watchers.readers.entry((node, scope.clone())).or_default();
        reader.draws += 1;
        // What is drawn for the reader of a whole space depends on no other.
        let kind = match scope {
            WatchScope::Space(_) => "watch",
            WatchScope::Collection(..) | WatchScope::Keys(..) | WatchScope::Document(_) => "narrow watch",
        };
        Dice::of(seed, &format!("{kind} {}", scope.space()), &[node.0 as u64, reader.draws]).chance(percent)
    }
}

/// What is watched of a space besides all of it.
fn narrow(seed: u64, node: NodeId, space: &Space) -> Option<WatchScope> {
    let mut dice = Dice::of(seed, &format!("narrow watch {space}"), &[node.0 as u64]);
    let names = if space.as_str() == "catalog" { &["product"][..] } else { &COLLECTIONS[..] };
    let collection = Collection::new(*dice.pick(names)?).ok()?;
    let number = dice.below(DOCUMENTS);
    // Most writes are to what is named so; the prefix has some of them.
    let (goods, key) = match collection.as_str() {
        "product" => ("product", format!("product-{number}")),
        _ => ("inventory", format!("product-{number}")),
    };
    let goods = Collection::new(goods).ok()?;
    Some(match dice.below(3) {
        0 => WatchScope::Collection(space.clone(), collection),
        1 => WatchScope::Keys(space.clone(), goods, "product-1".to_owned()),
        _ => WatchScope::Document(Address {
            space: space.clone(),
            collection: goods,
            key: Key::new(key).ok()?,
        }),
    })
}
