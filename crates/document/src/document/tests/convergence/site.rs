//! Real documents beside the model, compared after every step.

use super::model::{Event, Kind, Model, TagId};
use super::{Act, every_kind, origin};
use crate::{Document, Insertion, Operation, PatchFault, Pointer, Schema, Signature, WriteError};
use automerge::legacy::Key;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
                (event.numbers, event.origin) = (numbers(&change.chunk), origin(site).0);
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
            (Act::Delete | Act::Put { .. } | Act::PutAll { .. }, Ok(Some(event))) => Expected::Change(event),
            (Act::Remove(_) | Act::Take { .. } | Act::Erase { .. } | Act::Clear(_), Ok(event))
                if is_deleted =>
            {
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
            // A list without items has none to replace; what is put back takes the place of what was there.
            Act::Replace { .. } if self.list(site).is_empty() => {
                return self.plan(site, &Act::Insert { at: 0, count: 1 });
            }
            Act::PutAll { name, .. } if self.model.is_deleted(&self.sites[site].seen) => {
                return self.plan(site, &Act::Put { name: *name, count: 0 });
            }
            Act::PutAll { name, elements } => self.plan_put_all(site, *name, *elements, &mut event),
            Act::Member { .. } | Act::Plain(_) => {
                let (operation, changes) = self.plan_nested(site, act, &mut event);
                is_change = changes || self.sites[site].seen.is_empty();
                operation
            }
            Act::PatchName { expected, name } => {
                let (operation, outcome) = self.plan_patch(site, *expected, *name, &mut event);
                match outcome {
                    Ok(changes) => is_change = changes,
                    Err(error) => return (operation, Err(error)),
                }
                operation
            }
            Act::Clear(cleared) => {
                is_change = self.plan_clear(site, cleared, &mut event);
                Operation::Clear { field: field(&format!("/{cleared}")) }
            }
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
            Act::Insert { .. }
            | Act::Take { .. }
            | Act::Replace { .. }
            | Act::Type { .. }
            | Act::Erase { .. } => {
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
                let values = self.insert_items(*count, event);
                self.mark(site, Kind::ItemMark, event);
                let index = at % (self.list(site).len() + 1);
                let values = values.into_iter().map(Value::from).collect();
                Operation::Insert { field: field("/lines"), index, values }
            }
            Act::Take { at } => {
                let list = self.list(site);
                let index = if list.is_empty() { 0 } else { at % list.len() };
                let taken = list.get(index).cloned();
                event.kills = taken
                    .as_deref()
                    .map_or(Vec::new(), |taken| self.of(site, &self.item(site, taken), |_| true));
                self.mark(site, Kind::ItemMark, event);
                is_change = !event.kills.is_empty() || !event.adds.is_empty();
                let (delete, insert) = (usize::from(taken.is_some()), Insertion::Values(vec![]));
                Operation::Splice { field: field("/lines"), index, delete, insert }
            }
            Act::Replace { at } => {
                let list = self.list(site);
                let index = at % list.len();
                let item = self.item(site, &list[index]);
                event.kills = self.of(site, &item, |_| true);
                let value = self.fresh(1, |number| format!("line {number}")).swap_remove(0);
                event.adds.push((item, value.clone()));
                self.mark(site, Kind::ItemMark, event);
                let path = format!("/lines/{index}");
                patch(json!([{"op": "replace", "path": path, "value": value}]))
            }
            Act::Type { at, count } => {
                let characters = self.fresh(*count, character);
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
            | Act::Put { .. }
            | Act::PutAll { .. }
            | Act::Member { .. }
            | Act::Plain(_)
            | Act::PatchName { .. }
            | Act::Clear(_) => panic!("{act:?} is no act on a sequence"),
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
        self.put_count(site, count, event);
        self.plan_left_out(site, &["tags", "lines", "body", "attributes"], event);
        if self.model.is_deleted(seen) {
            // What the schema does not know stays in a document that is there.
            self.plan_left_out(site, &["extra"], event);
        }
        if self.model.is_deleted(seen) {
            event.kills.extend(self.of(site, &Kind::Tombstone, |_| true));
            let held = self.model.rights(seen).and_then(|rights| rights.get(&site).copied());
            event.spends = held.filter(|held| *held > 0);
        }
    }

    fn put_count(&self, site: usize, count: i64, event: &mut Event) {
        let seen = &self.sites[site].seen;
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
    }

    /// Everything that these fields have goes, with their marks.
    fn plan_left_out(&self, site: usize, fields: &[&str], event: &mut Event) {
        let tags = self.model.tags(&self.sites[site].seen, |kind| fields.contains(&field_of(kind)));
        event.kills.extend(tags.into_keys());
    }

    fn plan_put_all(&mut self, site: usize, name: u8, elements: u8, event: &mut Event) -> Operation {
        let (mut lines, body) = (self.list(site), self.text(site).concat());
        let name = format!("name {name}");
        let count = self.model.count(&self.sites[site].seen).unwrap_or(0);
        self.put_name(site, Some(name.clone()), event);
        self.put_count(site, count, event);
        self.plan_left_out(site, &["attributes"], event);
        let wanted: BTreeSet<String> =
            (0..3).filter(|bit| elements >> bit & 1 == 1).map(|bit| format!("tag {bit}")).collect();
        event.kills.extend(self.of(site, &Kind::Element, |text| !wanted.contains(text)));
        let lacking =
            wanted.iter().filter(|text| self.of(site, &Kind::Element, |there| there == *text).is_empty());
        event.adds.extend(lacking.map(|text| (Kind::Element, text.clone())));
        lines.extend(self.insert_items(1, event));
        let character = self.fresh(1, character).concat();
        event.adds.push((Kind::Character, character.clone()));
        for mark in [Kind::ElementMark, Kind::ItemMark, Kind::CharacterMark] {
            self.mark(site, mark, event);
        }
        Operation::Put(json!({"name": name, "on_hand": count, "tags": wanted, "lines": lines,
            "body": body + &character}))
    }

    /// A merge patch of a field with members, and whether it changes anything.
    fn plan_nested(&self, site: usize, act: &Act, event: &mut Event) -> (Operation, bool) {
        let text = |value: &u8| format!("value {value}");
        let (field, patch, wanted) = match act {
            Act::Member { field, key, value } => {
                let (key, value) = (format!("key {key}"), value.as_ref().map(text));
                let mut members = self.model.members(&self.sites[site].seen, field);
                match &value {
                    Some(value) => drop(members.insert(key.clone(), value.clone())),
                    None => drop(members.remove(&key)),
                }
                (*field, json!({(*field): {key: value}}), Some(json!(members)))
            }
            Act::Plain(value) => {
                let value = value.as_ref().map(text);
                ("extra", json!({"extra": value}), value.map(Value::from))
            }
            other => panic!("{other:?} is on no field with members"),
        };
        (Operation::MergePatch(patch), self.put_nested(site, field, wanted, event))
    }

    /// Brings a field to this value; only what is shown otherwise is written.
    fn put_nested(&self, site: usize, field: &'static str, wanted: Option<Value>, event: &mut Event) -> bool {
        let seen = &self.sites[site].seen;
        if self.model.nested(seen, field) == wanted {
            return false;
        }
        let nothing = serde_json::Map::new();
        let members = wanted.as_ref().and_then(Value::as_object).unwrap_or(&nothing);
        let shown = self.model.members(seen, field);
        let keys: BTreeSet<&String> = members.keys().chain(shown.keys()).collect();
        for key in keys {
            let (value, kind) = (members.get(key).and_then(Value::as_str), Kind::Member(field, key.clone()));
            if value != shown.get(key).map(String::as_str) {
                event.kills.extend(self.of(site, &kind, |_| true));
                event.adds.extend(value.map(|value| (kind, value.to_owned())));
            }
        }
        let plain = match &wanted {
            Some(Value::Object(members)) if members.is_empty() => Some("{}"),
            Some(Value::String(text)) => Some(text.as_str()),
            _ => None,
        };
        if plain != self.model.last(seen, &Kind::Plain(field)).as_deref() {
            event.kills.extend(self.of(site, &Kind::Plain(field), |_| true));
            event.adds.extend(plain.map(|text| (Kind::Plain(field), text.to_owned())));
        }
        true
    }

    /// A JSON Patch of the register, and whether it changes anything.
    fn plan_patch(
        &self,
        site: usize,
        expected: u8,
        name: u8,
        event: &mut Event,
    ) -> (Operation, Result<bool, WriteError>) {
        let (expected, name) = (format!("name {expected}"), format!("name {name}"));
        let Some(shown) = self.model.name(&self.sites[site].seen) else {
            let changes = self.put_name(site, Some(name.clone()), event);
            return (patch(json!([{"op": "add", "path": "/name", "value": name}])), Ok(changes));
        };
        let operation = patch(json!([
            {"op": "test", "path": "/name", "value": expected},
            {"op": "replace", "path": "/name", "value": name},
        ]));
        if shown != expected {
            let fault = PatchFault::Test { found: Some(json!(shown).to_string()) };
            return (operation, Err(WriteError::Patch { operation: 0, path: "/name".to_owned(), fault }));
        }
        (operation, Ok(self.put_name(site, Some(name), event)))
    }

    /// Empties a field; tells whether that changes anything.
    fn plan_clear(&self, site: usize, field: &str, event: &mut Event) -> bool {
        let seen = &self.sites[site].seen;
        let (content, marks): (Vec<_>, Vec<_>) = self
            .model
            .tags(seen, |kind| field_of(kind) == field)
            .into_iter()
            .partition(|(_, (kind, text))| mark_of(field).as_ref() != Some(kind) && text != "{}");
        event.kills.extend(content.iter().map(|(id, _)| *id));
        if self.model.is_deleted(seen) {
            event.kills.extend(marks.iter().map(|(id, _)| *id));
        } else if !content.is_empty() && marks.is_empty() {
            let mark = if field == "attributes" { Some(Kind::Plain("attributes")) } else { mark_of(field) };
            let text = if field == "attributes" { "{}" } else { "" };
            event.adds.extend(mark.map(|mark| (mark, text.to_owned())));
        }
        !event.kills.is_empty() || !event.adds.is_empty()
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

    /// The place of the item that is shown so.
    fn item(&self, site: usize, text: &str) -> Kind {
        let items = self.model.items(&self.sites[site].seen);
        Kind::Item(*items.iter().find(|(_, shown)| *shown == text).unwrap().0)
    }

    /// New items, each at a place of its own.
    fn insert_items(&mut self, count: usize, event: &mut Event) -> Vec<String> {
        let from = self.items;
        let values = self.fresh(count, |number| format!("line {number}"));
        event.adds.extend((from..).map(Kind::Item).zip(values.iter().cloned()));
        values
    }

    fn fresh(&mut self, count: usize, text: impl Fn(u32) -> String) -> Vec<String> {
        let from = self.items;
        self.items += u32::try_from(count).unwrap();
        (from..self.items).map(text).collect()
    }
}

fn character(number: u32) -> String {
    char::from_u32(0x4e00 + number).unwrap().into()
}

fn patch(operations: Value) -> Operation {
    Operation::Patch(serde_json::from_value(operations).unwrap())
}

fn field_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Name => "name",
        Kind::Base => "on_hand",
        Kind::Element | Kind::ElementMark => "tags",
        Kind::Item(_) | Kind::ItemMark => "lines",
        Kind::Character | Kind::CharacterMark => "body",
        Kind::Tombstone => "",
        Kind::Plain(field) | Kind::Member(field, _) => field,
    }
}

/// What says that a field without content is there.
fn mark_of(field: &str) -> Option<Kind> {
    match field {
        "tags" => Some(Kind::ElementMark),
        "lines" => Some(Kind::ItemMark),
        "body" => Some(Kind::CharacterMark),
        _ => None,
    }
}

/// The number of the last operation at each entry, and in a sequence under no name.
fn numbers(chunk: &[u8]) -> BTreeMap<String, u64> {
    let change = automerge::Change::from_bytes(chunk.to_vec()).unwrap();
    let operations = change.decode().operations.into_iter().zip(change.start_op().get()..);
    let entry = |key| match key {
        Key::Map(name) => name.to_string(),
        Key::Seq(_) => String::new(),
    };
    operations.map(|(operation, number)| (entry(operation.key), number)).collect()
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
