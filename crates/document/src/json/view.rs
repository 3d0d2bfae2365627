use super::stored_json;
use crate::ChangeHash;
use crate::entry::{SequenceKind, TOMBSTONE};
use crate::sequence;
use automerge::iter::MapRange;
use automerge::{ROOT, ReadDoc, ScalarValue, Value as Stored, ValueRef};
use serde_json::Value;

/// What entries alone do not tell of their fields.
pub(crate) trait Contents {
    /// The plain value at the entry of this name, also where the creation of a list or text outranks it.
    fn plain(&self, name: &str) -> Option<Value>;
    /// The items of the list at the entry of this name.
    fn items(&self, name: &str) -> Vec<Value>;
    /// The text at the entry of this name.
    fn text(&self, name: &str) -> String;
}

/// What is read: a document or a transaction, at its present or at earlier heads.
pub(crate) struct View<'a, D> {
    document: &'a D,
    heads: Option<&'a [ChangeHash]>,
}

impl<'a, D: ReadDoc> View<'a, D> {
    /// What is there.
    pub(crate) fn now(document: &'a D) -> Self {
        Self { document, heads: None }
    }

    /// What was there at these heads.
    pub(crate) fn at(document: &'a D, heads: &'a [ChangeHash]) -> Self {
        Self { document, heads: Some(heads) }
    }

    /// The entries of the root map in byte order of their names.
    pub(super) fn entries(&self) -> MapRange<'a> {
        match self.heads {
            None => self.document.map_range(ROOT, ..),
            Some(heads) => self.document.map_range_at(ROOT, .., heads),
        }
    }

    /// Whether a tombstone stands, be there others that were taken back.
    pub(crate) fn is_deleted(&self) -> bool {
        let values = match self.heads {
            None => self.document.get_all(ROOT, TOMBSTONE),
            Some(heads) => self.document.get_all_at(ROOT, TOMBSTONE, heads),
        };
        values.is_ok_and(|values| values.iter().any(|(value, _)| is_true(value)))
    }
}

impl<D: ReadDoc> Contents for View<'_, D> {
    fn plain(&self, name: &str) -> Option<Value> {
        let values = match self.heads {
            None => self.document.get_all(ROOT, name),
            Some(heads) => self.document.get_all_at(ROOT, name, heads),
        };
        // The highest comes last.
        let scalars = values.ok()?.into_iter().rev().map(|(value, _)| value);
        let mut scalars =
            scalars.filter_map(|value| if let Stored::Scalar(scalar) = value { Some(scalar) } else { None });
        scalars.next().map(|scalar| stored_json(&scalar.into_owned().into()))
    }

    fn items(&self, name: &str) -> Vec<Value> {
        let list = sequence::object(SequenceKind::List, name);
        let items = match self.heads {
            None => self.document.list_range(list, ..),
            Some(heads) => self.document.list_range_at(list, .., heads),
        };
        let json = |value| match value {
            ValueRef::Scalar(value) => stored_json(&value),
            ValueRef::Object(_) => Value::Null,
        };
        items.map(|item| json(item.value)).collect()
    }

    fn text(&self, name: &str) -> String {
        let text = sequence::object(SequenceKind::Text, name);
        let characters = match self.heads {
            None => self.document.text(text),
            Some(heads) => self.document.text_at(text, heads),
        };
        characters.unwrap_or_default()
    }
}

fn is_true(value: &Stored<'_>) -> bool {
    matches!(value, Stored::Scalar(scalar) if **scalar == ScalarValue::Boolean(true))
}
