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
                self.clear_one(&Pointer::from_name(name), &entries)?;
            }
        }
        if is_map { self.set(field.name(), json::scalar(&Value::Object(Map::new()))) } else { Ok(()) }
    }

    fn clear_one(&mut self, field: &Pointer, present: &Field) -> Result<(), WriteError> {
        if present.leaf.is_some() {
            self.delete(field.name())?;
        }
        match &present.special {
            None => Ok(()),
            Some(Special::Counter(sum)) => self.tally(field, -sum, false),
            Some(Special::Bounded(_)) => Err(unremovable(field)),
            Some(Special::Set(elements)) => self.empty_set(elements),
            Some(Special::List(_)) => self.put_list(field, &[]),
            Some(Special::Text(_)) => self.put_text(field, ""),
        }
    }
}

fn unremovable(field: &Pointer) -> WriteError {
    WriteError::Unremovable { field: field.clone(), kind: FieldKind::BoundedCounter }
}
