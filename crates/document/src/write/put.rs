//! Putting a whole value: what differs from the present one is written.

use super::{FieldKind, WriteError, Writer, kind_of};
use crate::ENTRIES_MAX;
use crate::entry::{EMPTY_DOCUMENT, Pointer, SequenceKind, TOMBSTONE};
use crate::json::{self, Field, JsonError, Special};
use serde_json::Value;
use std::collections::BTreeMap;

/// What becomes of fields that a put leaves out.
#[derive(Clone, Copy, PartialEq)]
enum LeftOut {
    /// Removed where the schema knows them; counters stay.
    Known,
    /// Removed: they were seen. To remove a counter is refused.
    Seen,
    /// Removed, and counters compensated: the document comes back from a deletion.
    All,
}

impl Writer<'_, '_> {
    pub(super) fn put(&mut self, value: &Value) -> Result<(), WriteError> {
        let present = json::fields(&self.draft.shown());
        self.put_over(value, &present, LeftOut::Known)
    }

    /// Puts a document that was deleted, which clears all that was there.
    pub(super) fn put_back(&mut self, value: &Value) -> Result<(), WriteError> {
        let present = json::fields(&self.draft.shown());
        self.put_over(value, &present, LeftOut::All)?;
        self.is_deleted = false;
        self.delete(TOMBSTONE)
    }

    /// Puts what a patch made of the value that is shown: only what differs, so that nothing else is settled by it.
    pub(super) fn put_patched(
        &mut self,
        before: &Value,
        after: &Value,
        present: &BTreeMap<String, Field>,
    ) -> Result<(), WriteError> {
        let differs = |name: &str| {
            let path = Pointer::from_name(name.to_owned()).to_string();
            name == EMPTY_DOCUMENT || before.pointer(&path) != after.pointer(&path)
        };
        let mut all = json::leaves(after, usize::MAX, &|name| self.keeps_whole(name, present))?;
        // What is not stored and stays as it was is a default.
        all.retain(|name, _| present.contains_key(name) || differs(name));
        if all.is_empty() {
            all.insert(EMPTY_DOCUMENT.to_owned(), after);
        }
        if all.len() > entries_max(present) {
            return Err(JsonError::TooManyEntries.into());
        }
        self.put_where(&all, present, LeftOut::Seen, differs)
    }

    fn put_over(
        &mut self,
        value: &Value,
        present: &BTreeMap<String, Field>,
        left_out: LeftOut,
    ) -> Result<(), WriteError> {
        let all = json::leaves(value, entries_max(present), &|name| self.keeps_whole(name, present))?;
        self.put_where(&all, present, left_out, |_| true)
    }

    /// Puts the leaves of a value that `is_meant` means.
    fn put_where(
        &mut self,
        all: &BTreeMap<String, &Value>,
        present: &BTreeMap<String, Field>,
        left_out: LeftOut,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<(), WriteError> {
        let wanted: BTreeMap<_, _> =
            all.iter().filter(|(name, _)| is_meant(name)).map(|(name, leaf)| (name.clone(), *leaf)).collect();
        // What is below an object that is kept whole would hide it: a version that did not know better wrote it.
        let is_in_whole = |name: &str| {
            let mut above = name.match_indices('/').filter_map(|(end, _)| name.get(..end));
            above.any(|above| wanted.contains_key(above))
        };
        let left = present.iter().filter(|(name, _)| !all.contains_key(*name));
        let left: Vec<_> = left.filter(|(name, _)| is_meant(name) || is_in_whole(name)).collect();
        self.check_above_and_below(&wanted, present)?;
        for (name, field) in left {
            self.leave_out(&Pointer::from_name(name.clone()), field, left_out)?;
        }
        for (name, leaf) in wanted {
            json::check_depth(&name, leaf)?;
            let field = Pointer::from_name(name);
            self.put_field(&field, leaf, present.get(field.name()), left_out)?;
        }
        Ok(())
    }

    /// Whether an object is one value: what is there tells, and where nothing is the schema.
    fn keeps_whole(&self, name: &str, present: &BTreeMap<String, Field>) -> bool {
        let is_whole = |field: &Field| {
            field.leaf.as_ref().and_then(Value::as_object).is_some_and(|members| !members.is_empty())
        };
        present.get(name).is_some_and(is_whole) || self.schema.is_some_and(|schema| schema.keeps_whole(name))
    }

    fn put_field(
        &mut self,
        field: &Pointer,
        leaf: &Value,
        present: Option<&Field>,
        left_out: LeftOut,
    ) -> Result<(), WriteError> {
        let special = present.and_then(|present| present.special.as_ref());
        let kind = special.map(kind_of_special).or_else(|| kind_of(self.schema_says(field)));
        let plain = present.and_then(|present| present.leaf.as_ref());
        let Some(kind) = kind else {
            if field.name() == EMPTY_DOCUMENT {
                return self.mark(EMPTY_DOCUMENT);
            }
            return if plain == Some(leaf) { Ok(()) } else { self.set(field.name(), json::scalar(leaf)) };
        };
        let is_counter = matches!(kind, FieldKind::Counter | FieldKind::BoundedCounter);
        match plain {
            Some(_) if is_counter => self.keep_base(field)?,
            Some(_) => drop(self.take_plain(field)?),
            None => {}
        }
        let refused = || WriteError::FieldValue { field: field.clone(), kind, given: json::kind(leaf) };
        let target = || json::count(leaf).ok_or_else(refused);
        let is_back = left_out == LeftOut::All;
        match kind {
            FieldKind::Counter if is_back => self.rebase(field, target()?, present),
            FieldKind::Counter => self.put_counter(field, target()?, present),
            FieldKind::BoundedCounter if is_back => self.put_back_bounded(field, Some(target()?), present),
            FieldKind::BoundedCounter => self.put_bounded(field, target()?, present),
            FieldKind::Set => {
                let elements = if let Some(Special::Set(elements)) = special { Some(elements) } else { None };
                self.put_set(field, leaf, elements)
            }
            FieldKind::List => self.put_list(field, leaf.as_array().ok_or_else(refused)?),
            FieldKind::Text => self.put_text(field, leaf.as_str().ok_or_else(refused)?),
        }
    }

    /// Takes a field away as [`Writer::put_back`] does.
    pub(super) fn clear_for_put_back(&mut self, pointer: &Pointer, field: &Field) -> Result<(), WriteError> {
        self.leave_out(pointer, field, LeftOut::All)
    }

    fn leave_out(&mut self, pointer: &Pointer, field: &Field, left_out: LeftOut) -> Result<(), WriteError> {
        let knows = |pointer: &Pointer| self.schema.is_none_or(|schema| schema.knows(pointer));
        if left_out == LeftOut::Known && pointer.name() != EMPTY_DOCUMENT && !knows(pointer) {
            return Ok(());
        }
        if let Some(kind) = self.counter_at(pointer, field) {
            self.keep_base(pointer)?;
            return match (left_out, kind == FieldKind::BoundedCounter) {
                (LeftOut::Known | LeftOut::Seen, _) => Ok(()),
                (LeftOut::All, true) => self.put_back_bounded(pointer, None, Some(field)),
                (LeftOut::All, false) => self.rebase(pointer, 0, Some(field)),
            };
        }
        if field.leaf.is_some() {
            self.delete(pointer.name())?;
        }
        match &field.special {
            None | Some(Special::Counter(_) | Special::Bounded(_)) => Ok(()),
            Some(Special::Set(elements)) => {
                self.empty_set(elements)?;
                self.delete(&pointer.set_mark())
            }
            Some(Special::List(_)) => {
                self.put_list(pointer, &[])?;
                self.delete(&pointer.sequence_mark(SequenceKind::List))
            }
            Some(Special::Text(_)) => {
                self.put_text(pointer, "")?;
                self.delete(&pointer.sequence_mark(SequenceKind::Text))
            }
        }
    }

    pub(super) fn empty_set(&mut self, elements: &BTreeMap<String, Value>) -> Result<(), WriteError> {
        elements.keys().try_for_each(|name| self.delete(name))
    }

    /// Nothing is put below a counter, set, list or text, and no value over counters: it would be acknowledged and not
    /// be seen.
    fn check_above_and_below(
        &self,
        wanted: &BTreeMap<String, &Value>,
        present: &BTreeMap<String, Field>,
    ) -> Result<(), WriteError> {
        for (name, leaf) in wanted {
            let pointer = Pointer::from_name(name.clone());
            for field in pointer.above() {
                let special = present.get(field.name()).and_then(|present| present.special.as_ref());
                let stored = special.map(kind_of_special);
                if let Some(kind) = stored.or_else(|| kind_of(self.schema_says(&field))) {
                    return Err(WriteError::FieldValue { field, kind, given: "an object" });
                }
            }
            // An empty object takes nothing away.
            if leaf.as_object().is_none_or(|members| !members.is_empty())
                && let Some(counter) = self.counter_below(name, present)
            {
                return Err(WriteError::CounterBelow { field: pointer, counter });
            }
        }
        Ok(())
    }

    /// The first counter below a field.
    fn counter_below(&self, name: &str, present: &BTreeMap<String, Field>) -> Option<Pointer> {
        let below = format!("{name}/");
        let fields = present.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below));
        let mut fields = fields.map(|(name, field)| (Pointer::from_name(name.clone()), field));
        fields.find(|(pointer, field)| self.counter_at(pointer, field).is_some()).map(|(pointer, _)| pointer)
    }
}

/// Most leaves that a document may have. One that a merge made larger can be written as long as it does not grow.
fn entries_max(present: &BTreeMap<String, Field>) -> usize {
    ENTRIES_MAX.max(present.len())
}

pub(super) fn kind_of_special(special: &Special) -> FieldKind {
    match special {
        Special::Counter(_) => FieldKind::Counter,
        Special::Bounded(_) => FieldKind::BoundedCounter,
        Special::Set(_) => FieldKind::Set,
        Special::List(_) => FieldKind::List,
        Special::Text(_) => FieldKind::Text,
    }
}
