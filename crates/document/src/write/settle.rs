//! Deciding between concurrent values.

use super::{WriteError, Writer, kind_of};
use crate::entry::Pointer;
use crate::json;
use serde_json::Value;

impl Writer<'_, '_> {
    pub(super) fn settle(&mut self, field: &Pointer, value: &Value) -> Result<(), WriteError> {
        let survey = self.survey(field);
        let is_merged = survey.kind.is_some() || kind_of(self.schema_says(field)).is_some();
        // An object is one value where the schema says so; elsewhere its members are registers.
        let is_one =
            !json::has_members(value) || self.schema.is_some_and(|schema| schema.keeps_whole(field.name()));
        if !survey.has_plain
            && !survey.has_members
            && let Some((list, index)) = field.item()
        {
            return self.settle_item(field, &list, index, value);
        }
        if is_merged || survey.has_members || !survey.has_plain || !is_one {
            return Err(WriteError::NoRegister { field: field.clone() });
        }
        json::check_depth(field.name(), value)?;
        self.set(field.name(), json::scalar(value))
    }
}
