//! Watches that have shown everything, by what they wait for: a row finds those that it concerns without a look at the
//! others.

use super::scope::WatchScope;
use crate::effect::RequestId;
use document::{Address, Collection, Key};
use std::collections::{BTreeMap, BTreeSet};

/// The idle watches of a space.
#[derive(Default)]
pub(super) struct Idle {
    /// Of the whole space.
    whole: BTreeSet<RequestId>,
    by_collection: BTreeMap<Collection, Within>,
}

/// Those in a collection.
#[derive(Default)]
struct Within {
    whole: BTreeSet<RequestId>,
    by_key: BTreeMap<Key, BTreeSet<RequestId>>,
    by_prefix: BTreeMap<Box<str>, BTreeSet<RequestId>>,
    /// How many prefixes there are of a length in bytes.
    lengths: BTreeMap<usize, usize>,
}

impl Idle {
    pub(super) fn add(&mut self, id: RequestId, scope: &WatchScope) {
        let Some(collection) = scope.collection() else {
            self.whole.insert(id);
            return;
        };
        let within = self.by_collection.entry(collection.clone()).or_default();
        match scope {
            WatchScope::Document(address) => within.by_key.entry(address.key.clone()).or_default().insert(id),
            WatchScope::Keys(_, _, prefix) => within.of_prefix(prefix).insert(id),
            WatchScope::Collection(..) | WatchScope::Space(_) => within.whole.insert(id),
        };
    }

    pub(super) fn remove(&mut self, id: RequestId, scope: &WatchScope) {
        let Some(collection) = scope.collection() else {
            self.whole.remove(&id);
            return;
        };
        let Some(within) = self.by_collection.get_mut(collection) else { return };
        match scope {
            WatchScope::Document(address) => {
                let is_last = within.by_key.get_mut(&address.key).is_some_and(|ids| {
                    ids.remove(&id);
                    ids.is_empty()
                });
                if is_last {
                    within.by_key.remove(&address.key);
                }
            }
            WatchScope::Keys(_, _, prefix) => {
                let is_last = within.by_prefix.get_mut(prefix.as_str()).is_some_and(|ids| {
                    ids.remove(&id);
                    ids.is_empty()
                });
                if is_last {
                    within.take_prefix(prefix);
                }
            }
            WatchScope::Collection(..) | WatchScope::Space(_) => drop(within.whole.remove(&id)),
        }
        if within.is_empty() {
            self.by_collection.remove(collection);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.by_collection.is_empty()
    }

    /// Whether some wait for a part of the space, so that it matters which document changed.
    pub(super) fn cares(&self) -> bool {
        !self.by_collection.is_empty()
    }

    /// Takes out those that wait for a document; `None` where it does not matter which.
    pub(super) fn take(&mut self, address: Option<&Address>) -> Vec<RequestId> {
        let mut woken: Vec<RequestId> = std::mem::take(&mut self.whole).into_iter().collect();
        let Some(address) = address else { return woken };
        let Some(within) = self.by_collection.get_mut(&address.collection) else { return woken };
        woken.extend(std::mem::take(&mut within.whole));
        woken.extend(within.by_key.remove(&address.key).unwrap_or_default());
        let key = address.key.as_str();
        let lengths: Vec<usize> = within.lengths.range(..=key.len()).map(|(length, _)| *length).collect();
        for prefix in lengths.into_iter().filter_map(|length| key.get(..length)) {
            woken.extend(within.take_prefix(prefix));
        }
        if within.is_empty() {
            self.by_collection.remove(&address.collection);
        }
        woken
    }
}

impl Within {
    fn of_prefix(&mut self, prefix: &str) -> &mut BTreeSet<RequestId> {
        if !self.by_prefix.contains_key(prefix) {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        self.by_prefix.entry(prefix.into()).or_default()
    }

    fn take_prefix(&mut self, prefix: &str) -> BTreeSet<RequestId> {
        let Some(ids) = self.by_prefix.remove(prefix) else { return BTreeSet::new() };
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
        ids
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.by_key.is_empty() && self.by_prefix.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keys and prefixes of one, two and three bytes a character.
    fn scope(kind: u8, text: &str) -> WatchScope {
        let address: Address = format!("s/c/{text}x").parse().unwrap();
        let Address { space, collection, .. } = address.clone();
        match kind {
            0 => WatchScope::Space(space),
            1 => WatchScope::Collection(space, collection),
            2 => WatchScope::Collection(space, "other".parse().unwrap()),
            3 => WatchScope::Document(address),
            _ => WatchScope::Keys(space, collection, text.to_owned()),
        }
    }

    proptest! {
        #[test]
        fn a_row_takes_out_those_whose_scope_has_it(
            scopes in prop::collection::vec((0..6_u8, "[aé€]{0,3}"), 0..24),
            ended in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            keys in prop::collection::vec("[aé€]{1,4}x?", 1..5),
        ) {
            let mut idle = Idle::default();
            let mut left: BTreeMap<RequestId, WatchScope> = BTreeMap::new();
            for (number, (kind, text)) in scopes.iter().enumerate() {
                let (id, scope) = (RequestId(number as u64), scope(*kind, text));
                idle.add(id, &scope);
                left.insert(id, scope);
            }
            for index in ended.iter().filter(|_| !scopes.is_empty()) {
                let id = RequestId(index.index(scopes.len()) as u64);
                if let Some(scope) = left.remove(&id) {
                    idle.remove(id, &scope);
                }
            }
            for key in keys {
                let address: Address = format!("s/c/{key}").parse().unwrap();
                let mut taken = idle.take(Some(&address));
                taken.sort_unstable();
                let expected: Vec<RequestId> =
                    left.extract_if(.., |_, scope| scope.contains(&address)).map(|(id, _)| id).collect();
                prop_assert_eq!(taken, expected);
                prop_assert_eq!(idle.is_empty(), left.is_empty());
            }
        }
    }
}
