//! Patches: carried out on the value that is shown, then put. A JSON Patch sees the schema's defaults, as whoever reads
//! the document does; a Merge Patch tests nothing and comes to the same without them.

use super::{PATCH_OPERATIONS_MAX, PATCHED_BYTES_MAX, PatchFault, WriteError, Writer};
use crate::entry::Pointer;
use crate::json;
use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::Value;

/// Longest part of a value that a refusal shows, in characters.
const SHOWN_CHARACTERS_MAX: usize = 64;
/// What a value takes besides its text, in the estimate of [`PATCHED_BYTES_MAX`].
const VALUE_COST: usize = 8;

impl Writer<'_, '_> {
    pub(super) fn merge_patch(&mut self, patch: &Value) -> Result<(), WriteError> {
        let before = json::assemble(&self.draft.shown());
        let mut after = before.clone();
        json_patch::merge(&mut after, patch);
        self.put_difference(&before, &after)
    }

    pub(super) fn patch(&mut self, patch: &json_patch::Patch) -> Result<(), WriteError> {
        if patch.len() > PATCH_OPERATIONS_MAX {
            return Err(WriteError::PatchTooLong(patch.len()));
        }
        let mut before = json::assemble(&self.draft.shown());
        if let Some(schema) = self.schema.filter(|_| self.exists()) {
            schema.fill_defaults(&mut before);
        }
        let mut after = before.clone();
        for (operation, step) in patch.iter().enumerate() {
            let fault = match json_patch::patch(&mut after, std::slice::from_ref(step)) {
                Err(error) => fault(&error.kind, step, &after),
                // Each copy may double the value.
                Ok(()) if is_too_large(step, &after) => PatchFault::TooLarge,
                Ok(()) => continue,
            };
            return Err(WriteError::Patch { operation, path: step.path().to_string(), fault });
        }
        self.put_difference(&before, &after)
    }

    fn put_difference(&mut self, before: &Value, after: &Value) -> Result<(), WriteError> {
        if before == after && self.exists() {
            return Ok(());
        }
        // Before it is asked what becomes of the fields: of what is no document all are gone.
        json::members_of(after)?;
        let present = json::fields(&self.draft.shown());
        for (name, field) in &present {
            let pointer = Pointer::from_name(name.clone());
            let Some(kind) = self.counter_at(&pointer, field) else { continue };
            let field = pointer;
            let path = field.to_string();
            if before.pointer(&path).is_some() && after.pointer(&path).is_none() {
                return Err(WriteError::Unremovable { field, kind });
            }
        }
        self.put_patched(before, after, &present)
    }
}

fn fault(kind: &PatchErrorKind, step: &PatchOperation, value: &Value) -> PatchFault {
    match kind {
        PatchErrorKind::TestFailed => {
            let found = value.pointer(step.path().as_str());
            PatchFault::Test { found: found.map(shortened) }
        }
        PatchErrorKind::InvalidPointer => PatchFault::Path,
        PatchErrorKind::InvalidFromPointer => PatchFault::From,
        PatchErrorKind::CannotMoveInsideItself => PatchFault::IntoItself,
        _ => PatchFault::Path,
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn is_too_large(step: &PatchOperation, value: &Value) -> bool {
    matches!(step, PatchOperation::Copy(_)) && estimate(value) > PATCHED_BYTES_MAX
}

/// Bytes of a value, roughly.
fn estimate(value: &Value) -> usize {
    VALUE_COST
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(estimate).sum(),
            Value::Object(members) => members.iter().map(|(key, value)| key.len() + estimate(value)).sum(),
        }
}
