//! What the model says that an act comes to.

use super::{Expected, Sites};
use crate::document::tests::convergence::model::{Event, Kind, TagId};
use crate::document::tests::convergence::{Act, origin};
use crate::{Insertion, Operation, PatchFault, Pointer, WriteError};
use serde_json::{Value, json};

impl Sites {
    /// The operation of an act, and what the model says that it comes to.
    pub(super) fn expect(&mut self, site: usize, act: &Act) -> (Operation, Expected) {
        let act = &self.instead(site, act);
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

    /// What is done where an act means nothing: a list without items has none to replace, and what is put back takes the
    /// place of what was there.
    fn instead(&self, site: usize, act: &Act) -> Act {
        let is_deleted = self.model.is_deleted(&self.sites[site].seen);
        if matches!(act, Act::Replace { .. }) && self.list(site).is_empty() {
            Act::Insert { at: 0, count: 1 }
        } else if let (Act::PutAll { name, .. }, true) = (act, is_deleted) {
            Act::Put { name: *name, count: 0 }
        } else {
            act.clone()
        }
    }

    pub(super) fn plan(&mut self, site: usize, act: &Act) -> (Operation, Result<Option<Event>, WriteError>) {
        let field = |name: &str| Pointer::parse(name).unwrap();
        let mut event = Event::default();
        let mut is_change = true;
        let operation = match act {
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
            Act::Settle(name) => return self.plan_settle(site, format!("name {name}"), event),
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
            Act::Count(_) | Act::Grant { .. } | Act::Spend(_) | Act::Transfer { .. } => {
                return self.plan_number(site, act, event);
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

    fn plan_settle(
        &self,
        site: usize,
        name: String,
        mut event: Event,
    ) -> (Operation, Result<Option<Event>, WriteError>) {
        let field = Pointer::parse("/name").unwrap();
        let operation = Operation::Settle { field: field.clone(), value: json!(name) };
        let settled = self.settle_name(site, name, &mut event).ok_or(WriteError::NoRegister { field });
        (operation, settled.map(|changes| changes.then_some(event)))
    }

    /// An act on a counter, all of which change something.
    pub(super) fn plan_number(
        &self,
        site: usize,
        act: &Act,
        mut event: Event,
    ) -> (Operation, Result<Option<Event>, WriteError>) {
        let field = |name: &str| Pointer::parse(name).unwrap();
        let operation = match act {
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
            Act::Name(_)
            | Act::Add(_)
            | Act::Remove(_)
            | Act::Insert { .. }
            | Act::Take { .. }
            | Act::Type { .. }
            | Act::Erase { .. }
            | Act::Delete
            | Act::Put { .. }
            | Act::PutAll { .. }
            | Act::Member { .. }
            | Act::Plain(_)
            | Act::PatchName { .. }
            | Act::Settle(_)
            | Act::Replace { .. }
            | Act::Clear(_) => panic!("{act:?} is no act on a counter"),
        };
        (operation, Ok(Some(event)))
    }

    /// Takes an element out of the set; tells whether that changes anything.
    pub(super) fn plan_removal(&mut self, site: usize, element: &str, event: &mut Event) -> bool {
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
    pub(super) fn plan_sequence(&mut self, site: usize, act: &Act, event: &mut Event) -> (Operation, bool) {
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
            | Act::Settle(_)
            | Act::Clear(_) => panic!("{act:?} is no act on a sequence"),
        };
        (operation, is_change)
    }

    /// A JSON Patch of the register, and whether it changes anything.
    pub(super) fn plan_patch(
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

    pub(super) fn if_held(&self, site: usize, by: u64, event: Event) -> Result<Option<Event>, WriteError> {
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
    pub(super) fn of(&self, site: usize, kind: &Kind, is_right: impl Fn(&str) -> bool) -> Vec<TagId> {
        let live = self.model.live(&self.sites[site].seen, kind).into_iter();
        live.filter(|(_, text)| is_right(text)).map(|(id, _)| id).collect()
    }

    pub(super) fn mark(&self, site: usize, kind: Kind, event: &mut Event) {
        if self.of(site, &kind, |_| true).is_empty() {
            event.adds.push((kind, String::new()));
        }
    }

    /// The place of the item that is shown so.
    pub(super) fn item(&self, site: usize, text: &str) -> Kind {
        let items = self.model.items(&self.sites[site].seen);
        Kind::Item(*items.iter().find(|(_, shown)| *shown == text).unwrap().0)
    }

    /// New items, each at a place of its own.
    pub(super) fn insert_items(&mut self, count: usize, event: &mut Event) -> Vec<String> {
        let from = self.items;
        let values = self.fresh(count, |number| format!("line {number}"));
        event.adds.extend((from..).map(Kind::Item).zip(values.iter().cloned()));
        values
    }

    pub(super) fn fresh(&mut self, count: usize, text: impl Fn(u32) -> String) -> Vec<String> {
        let from = self.items;
        self.items += u32::try_from(count).unwrap();
        (from..self.items).map(text).collect()
    }
}

pub(super) fn character(number: u32) -> String {
    char::from_u32(0x4e00 + number).unwrap().into()
}

fn patch(operations: Value) -> Operation {
    Operation::Patch(serde_json::from_value(operations).unwrap())
}
