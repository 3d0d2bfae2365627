use super::stored_json;
use crate::ChangeHash;
use crate::entry::{SequenceKind, TOMBSTONE};
use crate::sequence;
use automerge::{ROOT, ReadDoc, ScalarValue, Value as Stored, ValueRef};
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Bound;

/// What entries alone do not tell of their fields.
pub(crate) trait Contents {
    /// The plain value at the entry of this name, also where the creation of a list or text outranks it.
    fn plain(&self, name: &str) -> Option<Value>;
    /// The items of the list at the entry of this name.
    fn items(&self, name: &str) -> Vec<Value>;
    /// The text at the entry of this name.
    fn text(&self, name: &str) -> String;
}

/// The entries of a root map.
pub(crate) trait Entries: Contents {
    /// Those from one name on, before another, in byte order of their names, each with the value that is shown.
    fn range<'s>(
        &'s self,
        from: &str,
        to: Option<&str>,
    ) -> Box<dyn Iterator<Item = (Cow<'s, str>, ValueRef<'s>)> + 's>;
    /// Whether a tombstone stands, be there others that were taken back.
    fn is_deleted(&self) -> bool;
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
}

impl<D: ReadDoc> Entries for View<'_, D> {
    fn range<'s>(
        &'s self,
        from: &str,
        to: Option<&str>,
    ) -> Box<dyn Iterator<Item = (Cow<'s, str>, ValueRef<'s>)> + 's> {
        let range = (
            Bound::Included(from.to_owned()),
            to.map_or(Bound::Unbounded, |to| Bound::Excluded(to.to_owned())),
        );
        let entries = match self.heads {
            None => self.document.map_range(ROOT, range),
            Some(heads) => self.document.map_range_at(ROOT, range, heads),
        };
        Box::new(entries.map(|item| (item.key, item.value)))
    }

    fn is_deleted(&self) -> bool {
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
