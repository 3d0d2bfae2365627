//! Writes of whole fields, in the model.

use super::Sites;
use super::plan::character;
use crate::Operation;
use crate::document::tests::convergence::Act;
use crate::document::tests::convergence::model::{Event, Kind};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Sites {
    /// Writes a register; tells whether that changes anything.
    pub(super) fn put_name(&self, site: usize, name: Option<String>, event: &mut Event) -> bool {
        if self.model.name(&self.sites[site].seen) == name {
            return false;
        }
        event.kills.extend(self.of(site, &Kind::Name, |_| true));
        event.adds.extend(name.map(|name| (Kind::Name, name)));
        true
    }

    /// Decides a register, where it has a value; tells whether that changes anything. The value that is shown stays, and
    /// those beside it go.
    pub(super) fn settle_name(&self, site: usize, name: String, event: &mut Event) -> Option<bool> {
        let (shown, text) = self.model.last_tag(&self.sites[site].seen, &Kind::Name)?;
        event.kills.extend(self.of(site, &Kind::Name, |_| true));
        if text == name {
            event.kills.retain(|tag| *tag != shown);
        } else {
            event.adds.push((Kind::Name, name));
        }
        Some(!event.kills.is_empty())
    }

    pub(super) fn plan_put(&self, site: usize, name: &str, count: i64, event: &mut Event) {
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

    pub(super) fn put_count(&self, site: usize, count: i64, event: &mut Event) {
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
    pub(super) fn plan_left_out(&self, site: usize, fields: &[&str], event: &mut Event) {
        let tags = self.model.tags(&self.sites[site].seen, |kind| fields.contains(&field_of(kind)));
        event.kills.extend(tags.into_keys());
    }

    pub(super) fn plan_put_all(
        &mut self,
        site: usize,
        name: u8,
        elements: u8,
        event: &mut Event,
    ) -> Operation {
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
    pub(super) fn plan_nested(&self, site: usize, act: &Act, event: &mut Event) -> (Operation, bool) {
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
            Act::Name(_)
            | Act::Count(_)
            | Act::Grant { .. }
            | Act::Spend(_)
            | Act::Transfer { .. }
            | Act::Add(_)
            | Act::Remove(_)
            | Act::Insert { .. }
            | Act::Take { .. }
            | Act::Type { .. }
            | Act::Erase { .. }
            | Act::Delete
            | Act::Put { .. }
            | Act::PutAll { .. }
            | Act::PatchName { .. }
            | Act::Settle(_)
            | Act::Replace { .. }
            | Act::Clear(_) => panic!("{act:?} is on no field with members"),
        };
        (Operation::MergePatch(patch), self.put_nested(site, field, wanted.as_ref(), event))
    }

    /// Brings a field to this value; only what is shown otherwise is written.
    pub(super) fn put_nested(
        &self,
        site: usize,
        field: &'static str,
        wanted: Option<&Value>,
        event: &mut Event,
    ) -> bool {
        let seen = &self.sites[site].seen;
        if self.model.nested(seen, field).as_ref() == wanted {
            return false;
        }
        let nothing = serde_json::Map::new();
        let members = wanted.and_then(Value::as_object).unwrap_or(&nothing);
        let shown = self.model.members(seen, field);
        let keys: BTreeSet<&String> = members.keys().chain(shown.keys()).collect();
        for key in keys {
            let (value, kind) = (members.get(key).and_then(Value::as_str), Kind::Member(field, key.clone()));
            if value != shown.get(key).map(String::as_str) {
                event.kills.extend(self.of(site, &kind, |_| true));
                event.adds.extend(value.map(|value| (kind, value.to_owned())));
            }
        }
        let plain = match wanted {
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

    /// Empties a field; tells whether that changes anything.
    pub(super) fn plan_clear(&self, site: usize, field: &str, event: &mut Event) -> bool {
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
