//! Lists and texts.

mod difference;

use super::{FieldKind, Insertion, WriteError, Writer};
use crate::DEPTH_MAX;
use crate::entry::{Pointer, SequenceKind};
use crate::json::{self, Contents as _};
use crate::sequence;
use automerge::transaction::{Transactable as _, Transaction};
use automerge::{ObjId, ReadDoc as _};
use difference::Step;
use serde_json::Value;

/// Longest texts that are compared character by character, as the product of their lengths without the ends that are
/// equal. Longer ones are replaced between those.
const COMPARED_MAX: usize = 4_000_000;

/// What a character takes in a change besides itself, or one that is deleted, rounded up.
const CHARACTER_COST: usize = 8;

impl<'b> Writer<'_, 'b> {
    pub(super) fn insert(
        &mut self,
        field: &Pointer,
        index: usize,
        values: &[Value],
    ) -> Result<(), WriteError> {
        self.require(field, FieldKind::List)?;
        self.splice_list(field, index, 0, values)
    }

    pub(super) fn splice(
        &mut self,
        field: &Pointer,
        index: usize,
        delete: usize,
        insert: &Insertion,
    ) -> Result<(), WriteError> {
        match insert {
            Insertion::Values(values) => {
                self.require(field, FieldKind::List)?;
                self.splice_list(field, index, delete, values)
            }
            Insertion::Text(text) => {
                self.require(field, FieldKind::Text)?;
                self.splice_text(field, index, delete, text)
            }
        }
    }

    fn splice_list(
        &mut self,
        field: &Pointer,
        index: usize,
        delete: usize,
        values: &[Value],
    ) -> Result<(), WriteError> {
        let Some(list) = self.open(field, SequenceKind::List)? else { return Ok(()) };
        if let Some(Value::Array(items)) = self.take_plain(field)? {
            self.insert_items(field, &list, 0, &items)?;
        }
        self.check_place(field, &list, index, delete)?;
        for _ in 0..delete {
            self.delete_item(&list, index)?;
        }
        self.insert_items(field, &list, index, values)
    }

    fn splice_text(
        &mut self,
        field: &Pointer,
        index: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), WriteError> {
        let Some(text) = self.open(field, SequenceKind::Text)? else { return Ok(()) };
        if let Some(Value::String(plain)) = self.take_plain(field)? {
            self.replace_characters(&text, 0, 0, &plain)?;
        }
        self.check_place(field, &text, index, delete)?;
        self.replace_characters(&text, index, delete, insert)
    }

    /// Makes the list hold just these items. What both ends share stays; between, so do items that are equal, and where
    /// one stands for another it takes its place, so that two who change one item at once do not make two of it.
    pub(super) fn put_list(&mut self, field: &Pointer, wanted: &[Value]) -> Result<(), WriteError> {
        let Some(list) = self.open(field, SequenceKind::List)? else { return Ok(()) };
        let present = self.draft.shown().items(field.name());
        for step in difference::steps(&present, wanted) {
            match step {
                Step::Replace { index, item } => {
                    self.count_item(field, item)?;
                    let put = self.items()?.put(&list, index, json::scalar(item));
                    put.map_err(|_| WriteError::Document)?;
                }
                Step::Delete { index } => self.delete_item(&list, index)?,
                Step::Insert { index, item } => {
                    self.insert_items(field, &list, index, std::slice::from_ref(item))?
                }
            }
        }
        Ok(())
    }

    /// Puts a value in the place of an item, also where it is the one that is shown.
    pub(super) fn settle_item(
        &mut self,
        item: &Pointer,
        list: &Pointer,
        index: usize,
        value: &Value,
    ) -> Result<(), WriteError> {
        let no_item = || WriteError::NoRegister { field: item.clone() };
        self.require(list, FieldKind::List).map_err(|_| no_item())?;
        let Some(object) = self.open(list, SequenceKind::List)? else { return Ok(()) };
        if index >= self.items()?.length(&object) {
            return Err(no_item());
        }
        self.count_item(list, value)?;
        self.items()?.put(&object, index, json::scalar(value)).map_err(|_| WriteError::Document)
    }

    /// Makes the text read so.
    pub(super) fn put_text(&mut self, field: &Pointer, wanted: &str) -> Result<(), WriteError> {
        let Some(text) = self.open(field, SequenceKind::Text)? else { return Ok(()) };
        let present = self.draft.shown().text(field.name());
        let difference = difference::between(&present, wanted);
        let (old, new) = (difference.old.chars().count(), difference.new.chars().count());
        if old > 0 && new > 0 && old.saturating_mul(new) <= COMPARED_MAX {
            self.count_characters(old, difference.new)?;
            return self.items()?.update_text(&text, wanted).map_err(|_| WriteError::Document);
        }
        self.replace_characters(&text, difference.index, old, difference.new)
    }

    /// The object of a list or text; `None` when it is to be created first.
    fn open(&mut self, field: &Pointer, kind: SequenceKind) -> Result<Option<ObjId>, WriteError> {
        let object = sequence::object(kind, field.name());
        let Some(transaction) = self.draft.transaction() else {
            self.wants_automerge = true;
            return Ok(None);
        };
        if transaction.object_type(&object).is_err() {
            self.lacking.push((kind, field.name().to_owned()));
            return Ok(None);
        }
        self.mark(&field.sequence_mark(kind))?;
        Ok(Some(object))
    }

    /// Where items and characters are.
    fn items(&mut self) -> Result<&mut Transaction<'b>, WriteError> {
        self.draft.transaction().ok_or(WriteError::Document)
    }

    fn check_place(
        &mut self,
        field: &Pointer,
        object: &ObjId,
        index: usize,
        delete: usize,
    ) -> Result<(), WriteError> {
        let length = self.items()?.length(object);
        if index.checked_add(delete).is_some_and(|end| end <= length) {
            return Ok(());
        }
        Err(WriteError::Index { field: field.clone(), index, delete, length })
    }

    fn insert_items(
        &mut self,
        field: &Pointer,
        list: &ObjId,
        index: usize,
        items: &[Value],
    ) -> Result<(), WriteError> {
        for (offset, item) in items.iter().enumerate() {
            self.count_item(field, item)?;
            let inserted = self.items()?.insert(list, index + offset, json::scalar(item));
            inserted.map_err(|_| WriteError::Document)?;
        }
        Ok(())
    }

    fn delete_item(&mut self, list: &ObjId, index: usize) -> Result<(), WriteError> {
        self.count(0, 1)?;
        self.items()?.delete(list, index).map_err(|_| WriteError::Document)
    }

    fn replace_characters(
        &mut self,
        text: &ObjId,
        index: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), WriteError> {
        self.count_characters(delete, insert)?;
        let delete = isize::try_from(delete).map_err(|_| WriteError::TooManyEntries)?;
        self.items()?.splice_text(text, index, delete, insert).map_err(|_| WriteError::Document)
    }

    fn count_item(&mut self, field: &Pointer, item: &Value) -> Result<(), WriteError> {
        if json::value_depth(item, DEPTH_MAX) >= DEPTH_MAX {
            return Err(WriteError::ItemTooDeep { field: field.clone() });
        }
        let text = if let Value::String(text) = item { text.len() } else { 0 };
        let nested = if item.is_array() || item.is_object() { item.to_string().len() } else { 0 };
        self.count(text + nested, 1)
    }

    /// Characters beside one another take little: their numbers and lengths are runs.
    fn count_characters(&mut self, delete: usize, insert: &str) -> Result<(), WriteError> {
        let characters = delete + insert.chars().count();
        self.count_bytes(insert.len() + characters * CHARACTER_COST)?;
        self.count_entries(characters)
    }
}
