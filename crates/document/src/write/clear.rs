//! Emptying a field.

use super::{FieldKind, WriteError, Writer};
use crate::Crdt;
use crate::entry::Pointer;
use crate::json::{self, Field, Special, View};
use serde_json::{Map, Value};

impl Writer<'_, '_> {
    pub(super) fn clear(&mut self, field: &Pointer) -> Result<(), WriteError> {
        let mut present = json::fields(&View::now(self.transaction));
        let below = format!("{}/", field.name());
        let members = present.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below));
        let members: Vec<String> = members.map(|(name, _)| name.clone()).collect();
        let is_map = self.schema_says(field) == Crdt::Map && !members.is_empty();
        for name in members.into_iter().chain([field.name().to_owned()]) {
            if let Some(entries) = present.remove(&name) {
                let field = Pointer::from_name(name);
                match self.is_deleted {
                    true => self.clear_for_put_back(&field, &entries)?,
                    false => self.clear_one(&field, &entries)?,
                }
            }
        }
        if is_map && !self.is_deleted {
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
            Some(Special::Set(elements)) => self.empty_set(elements),
            Some(Special::List(_)) => self.put_list(field, &[]),
            Some(Special::Text(_)) => self.put_text(field, ""),
        }
    }
}
