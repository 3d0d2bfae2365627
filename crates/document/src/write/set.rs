//! Sets: an entry per element. Adding wins over concurrent removing, which takes away only what it has seen.

use super::{FieldKind, WriteError, Writer};
use crate::entry::Pointer;
use crate::json;
use automerge::ScalarValue;
use serde_json::Value;
use std::collections::BTreeMap;

impl Writer<'_, '_> {
    pub(super) fn add(&mut self, field: &Pointer, element: &Value) -> Result<(), WriteError> {
        self.open_set(field)?;
        let name = element_name(field, element)?;
        // An element that is there is put anew, so that it stays whoever removes the one that is there.
        if self.draft.has(&name)? {
            self.delete(&name)?;
        }
        self.set(&name, ScalarValue::Boolean(true))
    }

    pub(super) fn remove(&mut self, field: &Pointer, element: &Value) -> Result<(), WriteError> {
        let name = element_name(field, element)?;
        let survey = self.require(field, FieldKind::Set)?;
        if survey.kind.is_some() || survey.has_plain {
            self.open_set(field)?;
        }
        if self.draft.has(&name)? { self.delete(&name) } else { Ok(()) }
    }

    /// Makes the set hold just these elements.
    pub(super) fn put_set(
        &mut self,
        field: &Pointer,
        wanted: &Value,
        present: Option<&BTreeMap<String, Value>>,
    ) -> Result<(), WriteError> {
        let (kind, given) = (FieldKind::Set, json::kind(wanted));
        let refused = |given| WriteError::FieldValue { field: field.clone(), kind, given };
        let elements = wanted.as_array().ok_or_else(|| refused(given))?;
        let names = elements.iter().map(|element| element_name(field, element));
        let mut names: Vec<String> = names.collect::<Result<_, _>>()?;
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(refused("an array with an element twice"));
        }
        self.mark(&field.set_mark())?;
        let nothing = BTreeMap::new();
        let present = present.unwrap_or(&nothing);
        for name in present.keys().filter(|name| names.binary_search(name).is_err()) {
            self.delete(name)?;
        }
        for name in names.iter().filter(|name| !present.contains_key(*name)) {
            self.set(name, ScalarValue::Boolean(true))?;
        }
        Ok(())
    }

    /// Sees to it that the field is a set. The elements of a plain array that was there before stay.
    fn open_set(&mut self, field: &Pointer) -> Result<(), WriteError> {
        self.require(field, FieldKind::Set)?;
        self.mark(&field.set_mark())?;
        if let Some(Value::Array(elements)) = self.take_plain(field)? {
            for element in elements.iter().filter(|element| !element.is_array() && !element.is_object()) {
                let name = element_name(field, element)?;
                self.set(&name, ScalarValue::Boolean(true))?;
            }
        }
        Ok(())
    }
}

fn element_name(field: &Pointer, element: &Value) -> Result<String, WriteError> {
    if element.is_array() || element.is_object() {
        return Err(WriteError::Element { field: field.clone(), given: json::kind(element) });
    }
    field.element(&element.to_string()).ok_or_else(|| WriteError::ElementTooLong { field: field.clone() })
}
