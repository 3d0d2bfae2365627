//! Emptying a field.

use super::{FieldKind, WriteError, Writer};
use crate::Crdt;
use crate::entry::Pointer;
use crate::json::{self, Field, Special};
use serde_json::{Map, Value};

impl Writer<'_, '_> {
    pub(super) fn clear(&mut self, field: &Pointer) -> Result<(), WriteError> {
        let mut present = json::fields(&self.draft.shown());
        let below = format!("{}/", field.name());
        let members = present.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below));
        let members: Vec<String> = members.map(|(name, _)| name.clone()).collect();
        let is_marked =
            present.get(field.name()).is_some_and(|at| at.leaf.as_ref().is_some_and(Value::is_object));
        // A map stays, be it without members.
        let is_map = self.schema_says(field) == Crdt::Map && !self.is_deleted;
        let is_there = is_map && (is_marked || !members.is_empty());
        let own = Some(field.name().to_owned()).filter(|_| !(is_there && is_marked));
        for name in members.into_iter().chain(own) {
            if let Some(entries) = present.remove(&name) {
                let field = Pointer::from_name(name);
                match self.is_deleted {
                    true => self.clear_for_put_back(&field, &entries)?,
                    false => self.clear_one(&field, &entries)?,
                }
            }
        }
        if is_there && !is_marked {
            self.set(field.name(), json::scalar(&Value::Object(Map::new())))
        } else {
            Ok(())
        }
    }

    fn clear_one(&mut self, field: &Pointer, present: &Field) -> Result<(), WriteError> {
        if let Some(kind) = self.counter_at(field, present) {
            self.keep_base(field)?;
            return match kind == FieldKind::BoundedCounter {
                true => self.clear_bounded(field, present),
                false => self.rebase(field, 0, Some(present)),
            };
        }
        if present.leaf.is_some() {
            self.delete(field.name())?;
        }
        match &present.special {
            None | Some(Special::Counter(_) | Special::Bounded(_)) => Ok(()),
            Some(Special::Set(elements)) => {
                // A put elsewhere may have taken the mark.
                self.mark(&field.set_mark())?;
                self.empty_set(elements)
            }
            Some(Special::List(_)) => self.put_list(field, &[]),
            Some(Special::Text(_)) => self.put_text(field, ""),
        }
    }
}
