//! A document as the set of events that were seen of it.
//!
//! Registers, elements, items, characters, marks and tombstones are tags: an event adds some and kills some that it has
//! seen, and what is there is every tag that was seen and that no seen event has killed. So adding wins over concurrent
//! removing. A register shows its tag with the highest Lamport number, then author. Numbers are sums over events.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a tag is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Name,
    /// What the counter counts on from.
    Base,
    Element,
    ElementMark,
    Item,
    ItemMark,
    Character,
    CharacterMark,
    Tombstone,
}

/// The event that added it, and its number in it.
pub(super) type TagId = (usize, usize);

/// One change.
#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) author: usize,
    /// Events that were seen when it was made, and itself.
    pub(super) past: BTreeSet<usize>,
    pub(super) adds: Vec<(Kind, String)>,
    pub(super) kills: Vec<TagId>,
    pub(super) count: Option<i64>,
    /// Rights made (from and to are one) and given.
    pub(super) grants: Vec<(usize, usize, i64)>,
    pub(super) spends: Option<i64>,
    /// The Lamport number of the operation that puts the register, and its author's origin.
    pub(super) lamport: (u64, [u8; 16]),
    /// That of the operation that puts the base.
    pub(super) base_lamport: (u64, [u8; 16]),
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) events: Vec<Event>,
}

impl Model {
    fn seen<'a>(&'a self, seen: &'a BTreeSet<usize>) -> impl Iterator<Item = (usize, &'a Event)> {
        seen.iter().map(|id| (*id, &self.events[*id]))
    }

    /// The tags of a kind that are there.
    pub(super) fn live(&self, seen: &BTreeSet<usize>, kind: &Kind) -> BTreeMap<TagId, String> {
        let killed: BTreeSet<TagId> = self.seen(seen).flat_map(|(_, event)| event.kills.clone()).collect();
        let tags = self.seen(seen).flat_map(|(id, event)| {
            event
                .adds
                .iter()
                .enumerate()
                .map(move |(number, (kind, text))| ((id, number), kind, text.clone()))
        });
        let live = tags.filter(|(id, of, _)| *of == kind && !killed.contains(id));
        live.map(|(id, _, text)| (id, text)).collect()
    }

    pub(super) fn is_deleted(&self, seen: &BTreeSet<usize>) -> bool {
        !self.live(seen, &Kind::Tombstone).is_empty()
    }

    pub(super) fn name(&self, seen: &BTreeSet<usize>) -> Option<String> {
        let tags = self.live(seen, &Kind::Name);
        tags.into_iter().max_by_key(|((event, _), _)| self.events[*event].lamport).map(|(_, text)| text)
    }

    pub(super) fn base(&self, seen: &BTreeSet<usize>) -> Option<i64> {
        let tags = self.live(seen, &Kind::Base);
        let last = tags.into_iter().max_by_key(|((event, _), _)| self.events[*event].base_lamport);
        last.map(|(_, text)| text.parse().unwrap())
    }

    pub(super) fn tallies(&self, seen: &BTreeSet<usize>) -> Option<i64> {
        self.seen(seen).filter_map(|(_, event)| event.count).reduce(|sum, by| sum + by)
    }

    fn count(&self, seen: &BTreeSet<usize>) -> Option<i64> {
        self.base(seen).into_iter().chain(self.tallies(seen)).reduce(|sum, by| sum + by)
    }

    /// What each site may spend; nothing when the counter was never written.
    pub(super) fn rights(&self, seen: &BTreeSet<usize>) -> Option<BTreeMap<usize, i64>> {
        let mut rights: BTreeMap<usize, i64> = BTreeMap::new();
        let mut is_there = false;
        for (_, event) in self.seen(seen) {
            is_there |= !event.grants.is_empty() || event.spends.is_some();
            for (from, to, by) in &event.grants {
                if from != to {
                    *rights.entry(*from).or_default() -= by;
                }
                *rights.entry(*to).or_default() += by;
            }
            *rights.entry(event.author).or_default() -= event.spends.unwrap_or(0);
        }
        is_there.then_some(rights)
    }

    /// What is shown; arrays and the text in byte order.
    pub(super) fn json(&self, seen: &BTreeSet<usize>) -> Option<Value> {
        if seen.is_empty() || self.is_deleted(seen) {
            return None;
        }
        let mut shown = Map::new();
        let mut show = |field: &str, value: Option<Value>| {
            value.map(|value| shown.insert(field.to_owned(), value));
        };
        show("name", self.name(seen).map(Value::from));
        show("on_hand", self.count(seen).map(Value::from));
        if let Some(rights) = self.rights(seen) {
            assert!(
                rights.values().all(|held| *held >= 0),
                "nobody spends what it does not hold: {rights:?}"
            );
            show("sellable", Some(json!(rights.values().sum::<i64>())));
        }
        let texts = |kind, mark| -> Option<BTreeSet<String>> {
            let live: BTreeSet<String> = self.live(seen, &kind).into_values().collect();
            (!live.is_empty() || !self.live(seen, &mark).is_empty()).then_some(live)
        };
        show("tags", texts(Kind::Element, Kind::ElementMark).map(|tags| json!(tags)));
        show("lines", texts(Kind::Item, Kind::ItemMark).map(|lines| json!(lines)));
        let body = texts(Kind::Character, Kind::CharacterMark);
        show("body", body.map(|body| Value::from(body.into_iter().collect::<String>())));
        Some(Value::Object(shown))
    }
}
