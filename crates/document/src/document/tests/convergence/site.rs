//! Real documents beside the model, compared after every step.

use super::model::{Event, Kind, Model, TagId};
use super::{Act, every_kind, origin};
use crate::{Document, Insertion, Operation, Pointer, Schema, Signature, WriteError};
use automerge::legacy::Key;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Default)]
struct Site {
    document: Document,
    seen: BTreeSet<usize>,
    /// Events and their chunks, in the order in which they came.
    log: Vec<(usize, Vec<u8>)>,
}

pub(super) struct Sites {
    schema: Schema,
    sites: Vec<Site>,
    model: Model,
    /// Numbers items and characters, so that each is known again.
    items: u32,
    /// Items and characters that were ever shown one before the other.
    before: BTreeSet<(String, String)>,
}

/// What an act comes to.
enum Expected {
    Change(Event),
    Nothing,
    Refused(WriteError),
}

impl Sites {
    pub(super) fn new(count: usize) -> Self {
        let sites = (0..count).map(|_| Site::default()).collect();
        Self { schema: every_kind(), sites, model: Model::default(), items: 0, before: BTreeSet::new() }
    }

    pub(super) fn document(&self, site: usize) -> &Document {
        &self.sites[site].document
    }

    pub(super) fn act(&mut self, site: usize, act: &Act) {
        let (operation, expected) = self.expect(site, act);
        let shown = [self.list(site), self.text(site)];
        let Site { document, .. } = &mut self.sites[site];
        let written = document.write(
            &Signature::of(origin(site), 0),
            Some(&self.schema),
            std::slice::from_ref(&operation),
        );
        match (written, expected) {
            (Ok(None), Expected::Nothing) => {}
            (Err(error), Expected::Refused(expected)) => assert_eq!(error, expected, "{act:?}"),
            (Ok(Some(change)), Expected::Change(mut event)) => {
                let id = self.model.events.len();
                event.author = site;
                event.lamport = (lamport(&change.chunk, "name"), origin(site).0);
                event.base_lamport = (lamport(&change.chunk, "on_hand"), origin(site).0);
                event.past = self.sites[site].seen.clone();
                event.past.insert(id);
                self.model.events.push(event);
                self.sites[site].seen.insert(id);
                self.sites[site].log.push((id, change.chunk));
            }
            (written, Expected::Change(event)) => panic!("{act:?}: {written:?}, not {event:?}"),
            (written, Expected::Nothing) => panic!("{act:?}: {written:?}, not nothing"),
            (written, Expected::Refused(error)) => panic!("{act:?}: {written:?}, not {error:?}"),
        }
        self.check(site);
        self.check_place(site, &operation, shown);
    }

    pub(super) fn exchange(&mut self, from: usize, to: usize, most: usize) {
        let lacking = self.sites[from].log.iter().filter(|(id, _)| !self.sites[to].seen.contains(id));
        let lacking: Vec<(usize, Vec<u8>)> = lacking.take(most).cloned().collect();
        let chunks: Vec<Vec<u8>> = lacking.iter().map(|(_, chunk)| chunk.clone()).collect();
        let site = &mut self.sites[to];
        site.document.apply(&chunks).unwrap();
        site.seen.extend(lacking.iter().map(|(id, _)| *id));
        site.log.extend(lacking);
        self.check(to);
    }

    pub(super) fn check_equal(&self) {
        let first = &self.sites[0].document;
        for site in &self.sites {
            assert_eq!(site.seen.len(), self.model.events.len(), "everybody has everything");
            assert_eq!((site.document.heads(), site.document.json()), (first.heads(), first.json()));
        }
    }

    /// Holds what a site shows against the model, and against the order that anybody ever saw.
    fn check(&mut self, site: usize) {
        let mut shown = self.sites[site].document.json();
        assert_eq!(shown.as_ref().map(sorted), self.model.json(&self.sites[site].seen));
        let shown = shown.take().unwrap_or_default();
        let lines =
            shown["lines"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let body = shown["body"].as_str().unwrap_or_default().chars().map(String::from);
        for sequence in [lines.collect::<Vec<_>>(), body.collect()] {
            for (place, earlier) in sequence.iter().enumerate() {
                for later in &sequence[place + 1..] {
                    let reversed = (later.clone(), earlier.clone());
                    assert!(!self.before.contains(&reversed), "{earlier} was after {later}");
                    self.before.insert((earlier.clone(), later.clone()));
                }
            }
        }
    }

    /// At the site itself an insertion is where it was made.
    fn check_place(&self, site: usize, operation: &Operation, [list, text]: [Vec<String>; 2]) {
        let splice = |mut before: Vec<String>, index: usize, delete: usize, insert: Vec<String>| {
            before.splice(index..index + delete, insert);
            before
        };
        let texts =
            |values: &[Value]| values.iter().map(|value| value.as_str().unwrap().to_owned()).collect();
        if self.model.is_deleted(&self.sites[site].seen) {
            return;
        }
        if let Operation::Insert { index, values, .. } = operation {
            assert_eq!(self.list(site), splice(list, *index, 0, texts(values)));
        } else if let Operation::Splice { index, delete, insert, .. } = operation {
            match insert {
                Insertion::Values(values) => {
                    assert_eq!(self.list(site), splice(list, *index, *delete, texts(values)));
                }
                Insertion::Text(insert) => {
                    let insert = insert.chars().map(String::from).collect();
                    assert_eq!(self.text(site), splice(text, *index, *delete, insert));
                }
            }
        }
    }

    fn list(&self, site: usize) -> Vec<String> {
        let shown = self.sites[site].document.json().unwrap_or_default();
        let lines = shown["lines"].as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    fn text(&self, site: usize) -> Vec<String> {
        let shown = self.sites[site].document.json().unwrap_or_default();
        shown["body"].as_str().unwrap_or_default().chars().map(String::from).collect()
    }

    /// The operation of an act, and what the model says that it comes to.
    fn expect(&mut self, site: usize, act: &Act) -> (Operation, Expected) {
        let (operation, event) = self.plan(site, act);
        let seen = &self.sites[site].seen;
        let is_deleted = self.model.is_deleted(seen);
        let expected = match (act, event) {
            (Act::Delete, _) if is_deleted || seen.is_empty() => Expected::Nothing,
            (Act::Delete | Act::Put { .. }, Ok(Some(event))) => Expected::Change(event),
            (Act::Remove(_) | Act::Take { .. } | Act::Erase { .. }, Ok(event)) if is_deleted => {
                event.map_or(Expected::Nothing, Expected::Change)
            }
            (_, _) if is_deleted => Expected::Refused(WriteError::Deleted),
            (_, Ok(Some(event))) => Expected::Change(event),
            (_, Ok(None)) => Expected::Nothing,
            (_, Err(error)) => Expected::Refused(error),
        };
        (operation, expected)
    }

    fn plan(&mut self, site: usize, act: &Act) -> (Operation, Result<Option<Event>, WriteError>) {
        let field = |name: &str| Pointer::parse(name).unwrap();
        let mut event = Event::default();
        let mut is_change = true;
        let operation = match act {
            Act::Name(name) => {
                let name = name.map(|name| format!("name {name}"));
                is_change = self.put_name(site, name.clone(), &mut event);
                // A merge patch that comes to an empty document makes it.
                is_change |= self.sites[site].seen.is_empty();
                Operation::MergePatch(json!({ "name": name }))
            }
            Act::Count(by) => {
                event.count = Some(*by);
                Operation::Increment { field: field("/on_hand"), by: *by }
            }
            Act::Grant { to, by } => {
                event.grants.push((site, site, i64::try_from(*by).unwrap()));
                if *to != site {
                    event.grants.push((site, *to, i64::try_from(*by).unwrap()));
                }
                Operation::Grant { field: field("/sellable"), by: *by, to: Some(origin(*to)) }
            }
            Act::Spend(by) => {
                event.spends = Some(i64::try_from(*by).unwrap());
                let operation = Operation::Spend { field: field("/sellable"), by: *by };
                return (operation, self.if_held(site, *by, event));
            }
            Act::Transfer { to, by } => {
                // To itself it changes nothing.
                let to = if *to == site { (site + 1) % self.sites.len() } else { *to };
                event.grants.push((site, to, i64::try_from(*by).unwrap()));
                let operation = Operation::Transfer { field: field("/sellable"), by: *by, to: origin(to) };
                return (operation, self.if_held(site, *by, event));
            }
            Act::Add(element) => {
                event.adds.push((Kind::Element, format!("tag {element}")));
                self.mark(site, Kind::ElementMark, &mut event);
                Operation::Add { field: field("/tags"), element: json!(format!("tag {element}")) }
            }
            Act::Remove(element) => {
                let element = format!("tag {element}");
                is_change = self.plan_removal(site, &element, &mut event);
                Operation::Remove { field: field("/tags"), element: json!(element) }
            }
            Act::Insert { .. } | Act::Take { .. } | Act::Type { .. } | Act::Erase { .. } => {
                let (operation, changes) = self.plan_sequence(site, act, &mut event);
                is_change = changes;
                operation
            }
            Act::Delete => {
                event.adds.push((Kind::Tombstone, String::new()));
                Operation::Delete
            }
            Act::Put { name, count } => {
                let name = format!("name {name}");
                self.plan_put(site, &name, *count, &mut event);
                Operation::Put(json!({"name": name, "on_hand": count}))
            }
        };
        if let (Act::Put { .. }, true) = (act, event.adds.is_empty() && event.kills.is_empty()) {
            is_change = event.count.is_some();
        }
        (operation, Ok(is_change.then_some(event)))
    }

    /// Takes an element out of the set; tells whether that changes anything.
    fn plan_removal(&mut self, site: usize, element: &str, event: &mut Event) -> bool {
        event.kills = self.of(site, &Kind::Element, |text| text == element);
        if !event.kills.is_empty() {
            self.mark(site, Kind::ElementMark, event);
            return true;
        }
        if self.of(site, &Kind::Element, |_| true).is_empty() {
            return false;
        }
        // The set is there, be it without its mark.
        self.mark(site, Kind::ElementMark, event);
        !event.adds.is_empty()
    }

    /// An act on the list or the text, and whether it changes anything.
    fn plan_sequence(&mut self, site: usize, act: &Act, event: &mut Event) -> (Operation, bool) {
        let field = |name: &str| Pointer::parse(name).unwrap();
        let mut is_change = true;
        let operation = match act {
            Act::Insert { at, count } => {
                let values = self.fresh(*count, |number| format!("line {number}"));
                event.adds.extend(values.iter().map(|value| (Kind::Item, value.clone())));
                self.mark(site, Kind::ItemMark, event);
                let index = at % (self.list(site).len() + 1);
                let values = values.into_iter().map(Value::from).collect();
                Operation::Insert { field: field("/lines"), index, values }
            }
            Act::Take { at } => {
                let list = self.list(site);
                let index = if list.is_empty() { 0 } else { at % list.len() };
                let taken = list.get(index).cloned();
                event.kills = self.of(site, &Kind::Item, |text| Some(text) == taken.as_deref());
                self.mark(site, Kind::ItemMark, event);
                is_change = !event.kills.is_empty() || !event.adds.is_empty();
                let (delete, insert) = (usize::from(taken.is_some()), Insertion::Values(vec![]));
                Operation::Splice { field: field("/lines"), index, delete, insert }
            }
            Act::Type { at, count } => {
                let characters = self.fresh(*count, |number| char::from_u32(0x4e00 + number).unwrap().into());
                event.adds.extend(characters.iter().map(|text| (Kind::Character, text.clone())));
                self.mark(site, Kind::CharacterMark, event);
                let index = at % (self.text(site).len() + 1);
                let insert = Insertion::Text(characters.concat());
                Operation::Splice { field: field("/body"), index, delete: 0, insert }
            }
            Act::Erase { at } => {
                let text = self.text(site);
                let index = if text.is_empty() { 0 } else { at % text.len() };
                let erased = text.get(index).cloned();
                event.kills = self.of(site, &Kind::Character, |text| Some(text) == erased.as_deref());
                self.mark(site, Kind::CharacterMark, event);
                is_change = !event.kills.is_empty() || !event.adds.is_empty();
                let (delete, insert) = (usize::from(erased.is_some()), Insertion::Text(String::new()));
                Operation::Splice { field: field("/body"), index, delete, insert }
            }
            Act::Name(_)
            | Act::Count(_)
            | Act::Grant { .. }
            | Act::Spend(_)
            | Act::Transfer { .. }
            | Act::Add(_)
            | Act::Remove(_)
            | Act::Delete
            | Act::Put { .. } => panic!("{act:?} is no act on a sequence"),
        };
        (operation, is_change)
    }

    /// Writes a register; tells whether that changes anything.
    fn put_name(&self, site: usize, name: Option<String>, event: &mut Event) -> bool {
        if self.model.name(&self.sites[site].seen) == name {
            return false;
        }
        event.kills.extend(self.of(site, &Kind::Name, |_| true));
        event.adds.extend(name.map(|name| (Kind::Name, name)));
        true
    }

    fn plan_put(&self, site: usize, name: &str, count: i64, event: &mut Event) {
        let seen = &self.sites[site].seen;
        self.put_name(site, Some(name.to_owned()), event);
        let (base, tallies) = (self.model.base(seen), self.model.tallies(seen));
        let on_base = count - tallies.unwrap_or(0);
        if !self.model.is_deleted(seen) {
            let is_first = base.is_none() && tallies.is_none();
            event.count = Some(on_base - base.unwrap_or(0)).filter(|by| *by != 0 || is_first);
        } else {
            event.count = Some(0).filter(|_| tallies.is_none());
            if base.unwrap_or(0) != on_base {
                event.kills.extend(self.of(site, &Kind::Base, |_| true));
                event.adds.push((Kind::Base, on_base.to_string()));
            }
        }
        for (kind, mark) in [
            (Kind::Element, Kind::ElementMark),
            (Kind::Item, Kind::ItemMark),
            (Kind::Character, Kind::CharacterMark),
        ] {
            event.kills.extend(self.of(site, &kind, |_| true));
            event.kills.extend(self.of(site, &mark, |_| true));
        }
        if self.model.is_deleted(seen) {
            event.kills.extend(self.of(site, &Kind::Tombstone, |_| true));
            let held = self.model.rights(seen).and_then(|rights| rights.get(&site).copied());
            event.spends = held.filter(|held| *held > 0);
        }
    }

    fn if_held(&self, site: usize, by: u64, event: Event) -> Result<Option<Event>, WriteError> {
        let rights = self.model.rights(&self.sites[site].seen).unwrap_or_default();
        let held = u64::try_from(rights.get(&site).copied().unwrap_or(0)).unwrap();
        if by <= held {
            return Ok(Some(event));
        }
        let others = rights.iter().filter(|(holder, held)| **holder != site && **held > 0);
        let mut holders: Vec<(String, u64)> =
            others.map(|(holder, held)| (origin(*holder).short(), held.unsigned_abs())).collect();
        holders.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        let field = Pointer::parse("/sellable").unwrap();
        Err(WriteError::NotEnough { field, missing: by - held, holders })
    }

    /// The tags of a kind that a site has, with a text.
    fn of(&self, site: usize, kind: &Kind, is_right: impl Fn(&str) -> bool) -> Vec<TagId> {
        let live = self.model.live(&self.sites[site].seen, kind).into_iter();
        live.filter(|(_, text)| is_right(text)).map(|(id, _)| id).collect()
    }

    fn mark(&self, site: usize, kind: Kind, event: &mut Event) {
        if self.of(site, &kind, |_| true).is_empty() {
            event.adds.push((kind, String::new()));
        }
    }

    fn fresh(&mut self, count: usize, text: impl Fn(u32) -> String) -> Vec<String> {
        let from = self.items;
        self.items += u32::try_from(count).unwrap();
        (from..self.items).map(text).collect()
    }
}

/// The number of the operation that puts an entry, or of the first.
fn lamport(chunk: &[u8], entry: &str) -> u64 {
    let change = automerge::Change::from_bytes(chunk.to_vec()).unwrap();
    let operations = change.decode().operations;
    let place = operations.iter().position(|operation| operation.key == Key::Map(entry.into()));
    change.start_op().get() + place.unwrap_or(0) as u64
}

/// With arrays and the text in byte order.
fn sorted(shown: &Value) -> Value {
    let mut shown = shown.clone();
    for field in ["tags", "lines"] {
        if let Some(Value::Array(items)) = shown.get_mut(field) {
            items.sort_by_key(ToString::to_string);
        }
    }
    if let Some(Value::String(body)) = shown.get_mut("body") {
        let mut characters: Vec<char> = body.chars().collect();
        characters.sort_unstable();
        *body = characters.into_iter().collect();
    }
    shown
}
