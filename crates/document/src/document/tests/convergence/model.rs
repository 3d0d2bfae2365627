//! A document as the set of events that were seen of it.
//!
//! Registers, elements, items, characters, marks and tombstones are tags: an event adds some and kills some that it has
//! seen, and what is there is every tag that was seen and that no seen event has killed. So adding wins over concurrent
//! removing. A register, a member and an item show their tag with the highest Lamport number, then author. A plain value
//! where members are is hidden by them. Numbers are sums over events.

use super::NESTED;
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
    /// What is at a place in the list, which the number names.
    Item(u32),
    ItemMark,
    Character,
    CharacterMark,
    Tombstone,
    /// A plain value of a field, and `{}` for an object without members.
    Plain(&'static str),
    Member(&'static str, String),
}

impl Kind {
    /// The entry whose operation's number decides between tags; items have none.
    fn entry(&self) -> String {
        match self {
            Self::Name => "name".to_owned(),
            Self::Base => "on_hand".to_owned(),
            Self::Plain(field) => (*field).to_owned(),
            Self::Member(field, key) => format!("{field}/{key}"),
            Self::Item(_) => String::new(),
            Self::Element
            | Self::ElementMark
            | Self::ItemMark
            | Self::Character
            | Self::CharacterMark
            | Self::Tombstone => panic!("all of {self:?} are shown"),
        }
    }
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
    /// The Lamport numbers of the operations, by entry; of the last in a sequence under no name.
    pub(super) numbers: BTreeMap<String, u64>,
    /// The author's origin.
    pub(super) origin: [u8; 16],
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) events: Vec<Event>,
}

impl Model {
    fn seen<'a>(&'a self, seen: &'a BTreeSet<usize>) -> impl Iterator<Item = (usize, &'a Event)> {
        seen.iter().map(|id| (*id, &self.events[*id]))
    }

    /// The tags that are there, of kinds that `is_meant` means.
    pub(super) fn tags(
        &self,
        seen: &BTreeSet<usize>,
        is_meant: impl Fn(&Kind) -> bool,
    ) -> BTreeMap<TagId, (Kind, String)> {
        let killed: BTreeSet<TagId> = self.seen(seen).flat_map(|(_, event)| event.kills.clone()).collect();
        let tags = self.seen(seen).flat_map(|(id, event)| {
            event.adds.iter().enumerate().map(move |(number, tag)| ((id, number), tag.clone()))
        });
        tags.filter(|(id, (kind, _))| is_meant(kind) && !killed.contains(id)).collect()
    }

    /// The tags of a kind that are there.
    pub(super) fn live(&self, seen: &BTreeSet<usize>, kind: &Kind) -> BTreeMap<TagId, String> {
        let tags = self.tags(seen, |of| of == kind).into_iter();
        tags.map(|(id, (_, text))| (id, text)).collect()
    }

    /// What is shown of a kind: the last of its tags.
    pub(super) fn last(&self, seen: &BTreeSet<usize>, kind: &Kind) -> Option<String> {
        self.last_tag(seen, kind).map(|(_, text)| text)
    }

    /// The tag of a kind that is shown.
    pub(super) fn last_tag(&self, seen: &BTreeSet<usize>, kind: &Kind) -> Option<(TagId, String)> {
        let number = |event: usize| {
            let event = &self.events[event];
            (event.numbers.get(&kind.entry()), event.origin)
        };
        let tags = self.live(seen, kind).into_iter();
        tags.max_by_key(|((event, _), _)| number(*event))
    }

    /// What is shown of several kinds.
    fn shown(&self, seen: &BTreeSet<usize>, is_meant: impl Fn(&Kind) -> bool) -> BTreeMap<Kind, String> {
        let kinds: BTreeSet<Kind> = self.tags(seen, is_meant).into_values().map(|(kind, _)| kind).collect();
        kinds.into_iter().filter_map(|kind| Some((kind.clone(), self.last(seen, &kind)?))).collect()
    }

    /// The members of a field.
    pub(super) fn members(&self, seen: &BTreeSet<usize>, field: &str) -> BTreeMap<String, String> {
        let shown = self.shown(seen, |kind| matches!(kind, Kind::Member(of, _) if *of == field));
        let member = |(kind, text)| {
            let Kind::Member(_, key) = kind else { panic!("{kind:?} is no member") };
            (key, text)
        };
        shown.into_iter().map(member).collect()
    }

    /// A field of members or with a plain value.
    pub(super) fn nested(&self, seen: &BTreeSet<usize>, field: &'static str) -> Option<Value> {
        let members = self.members(seen, field);
        if !members.is_empty() {
            return Some(json!(members));
        }
        let plain = self.last(seen, &Kind::Plain(field))?;
        Some(if plain == "{}" { json!({}) } else { json!(plain) })
    }

    /// The items of the list by their places' numbers.
    pub(super) fn items(&self, seen: &BTreeSet<usize>) -> BTreeMap<u32, String> {
        let shown = self.shown(seen, |kind| matches!(kind, Kind::Item(_)));
        let item = |(kind, text)| {
            let Kind::Item(place) = kind else { panic!("{kind:?} is no item") };
            (place, text)
        };
        shown.into_iter().map(item).collect()
    }

    pub(super) fn is_deleted(&self, seen: &BTreeSet<usize>) -> bool {
        !self.live(seen, &Kind::Tombstone).is_empty()
    }

    pub(super) fn name(&self, seen: &BTreeSet<usize>) -> Option<String> {
        self.last(seen, &Kind::Name)
    }

    pub(super) fn base(&self, seen: &BTreeSet<usize>) -> Option<i64> {
        self.last(seen, &Kind::Base).map(|text| text.parse().unwrap())
    }

    pub(super) fn tallies(&self, seen: &BTreeSet<usize>) -> Option<i64> {
        self.seen(seen).filter_map(|(_, event)| event.count).reduce(|sum, by| sum + by)
    }

    pub(super) fn count(&self, seen: &BTreeSet<usize>) -> Option<i64> {
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
        for field in NESTED {
            show(field, self.nested(seen, field));
        }
        let texts = |live: BTreeSet<String>, mark| -> Option<BTreeSet<String>> {
            (!live.is_empty() || !self.live(seen, &mark).is_empty()).then_some(live)
        };
        let live = |kind| self.live(seen, &kind).into_values().collect();
        show("tags", texts(live(Kind::Element), Kind::ElementMark).map(|tags| json!(tags)));
        let items = self.items(seen).into_values().collect();
        show("lines", texts(items, Kind::ItemMark).map(|lines| json!(lines)));
        let body = texts(live(Kind::Character), Kind::CharacterMark);
        show("body", body.map(|body| Value::from(body.into_iter().collect::<String>())));
        Some(Value::Object(shown))
    }
}
