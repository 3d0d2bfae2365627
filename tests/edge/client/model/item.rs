//! What a document is, and what becomes of it, by the words of the documentation.

use super::deed::Deed;
use super::half::{self, Edit};
use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// `None` where nothing was ever written.
    value: Option<Map<String, Value>>,
    /// Nothing is shown then; what empties a field is carried out nevertheless.
    is_deleted: bool,
}

impl Model {
    pub(super) fn shown(&self) -> Option<Value> {
        let value = self.value.as_ref().filter(|_| !self.is_deleted);
        value.map(|value| shown(&Value::Object(value.clone())))
    }

    /// Carries out what a service does that knows half of each line; likewise.
    pub(super) fn edit(&mut self, edit: &Edit) -> Result<(), &'static str> {
        let Some(value) = self.value.as_mut().filter(|_| !self.is_deleted) else { return Err("missing") };
        let lines = array(value, "lines");
        *lines = edit.made_of(lines);
        Ok(())
    }

    /// Whether what that comes to depends on what the service does not see.
    pub(super) fn is_blurred(&self, edit: &Edit) -> bool {
        half::is_blurred(&self.lines(), &edit.made_of(&self.lines()))
    }

    /// Takes the lines that are shown for those that were expected, where they are so but for what cannot be told apart.
    pub(super) fn settle_on(&mut self, shown: Option<&Value>) {
        let lines = shown.and_then(|value| value["lines"].as_array()).cloned().unwrap_or_default();
        if half::are_alike(&lines, &self.lines())
            && let Some(value) = &mut self.value
        {
            value.insert("lines".to_owned(), Value::Array(lines));
        }
    }

    fn lines(&self) -> Vec<Value> {
        let lines = self.value.as_ref().and_then(|value| value.get("lines"));
        lines.and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// Carries out a deed; the kind of problem that it is refused with.
    pub(super) fn take(&mut self, deed: &Deed) -> Result<(), &'static str> {
        let is_shown = self.value.is_some() && !self.is_deleted;
        if matches!(deed, Deed::Create) {
            if is_shown {
                return Err("condition-failed");
            }
            // The rights of a bounded counter are not in it: it is granted afterwards.
            self.value = Some(Map::from_iter([("on_hand".to_owned(), json!(1))]));
            self.is_deleted = false;
            return Ok(());
        }
        if matches!(deed, Deed::Delete) {
            self.is_deleted = self.value.is_some();
            return Ok(());
        }
        if matches!(deed, Deed::Update(_) | Deed::Rewrite(..)) && !is_shown {
            return Err("missing");
        }
        if matches!(deed, Deed::Clear(_) | Deed::Untag(_)) && self.value.is_none() {
            return Ok(());
        }
        if self.is_deleted && !empties(deed) {
            return Err("invalid");
        }
        self.change(deed)
    }

    fn change(&mut self, deed: &Deed) -> Result<(), &'static str> {
        let mut value = self.value.clone().unwrap_or_default();
        match deed {
            Deed::Count(by) | Deed::Update(by) => add(&mut value, "on_hand", *by)?,
            Deed::Grant(by) => add(&mut value, "sellable", i64::try_from(*by).unwrap())?,
            Deed::Spend(by) => add(&mut value, "sellable", -i64::try_from(*by).unwrap())?,
            Deed::Shelf(Some(shelf)) => drop(value.insert("shelf".to_owned(), json!(shelf))),
            Deed::Shelf(None) => drop(value.remove("shelf")),
            Deed::Attribute(name, number) => attribute(&mut value, *name, *number),
            Deed::Tag(element) => {
                let tags = array(&mut value, "tags");
                tags.retain(|present| present != element);
                tags.push(element.clone());
            }
            Deed::Untag(element) => array(&mut value, "tags").retain(|present| present != element),
            Deed::Insert(index, line) => splice(array(&mut value, "lines"), (*index, 0), [line.clone()])?,
            Deed::Cut(index, delete) => splice(array(&mut value, "lines"), (*index, *delete), [])?,
            Deed::Splice(index, delete, insert) => {
                let body = value.get("body").and_then(Value::as_str).unwrap_or_default();
                let mut body: Vec<char> = body.chars().collect();
                splice(&mut body, (*index, *delete), insert.chars())?;
                value.insert("body".to_owned(), body.into_iter().collect::<String>().into());
            }
            Deed::Clear(field) => drop(value.remove(*field)),
            Deed::Rewrite(body, lines, tags) => {
                value.insert("body".to_owned(), json!(body));
                value.insert("lines".to_owned(), json!(lines));
                value.insert("tags".to_owned(), json!(tags));
            }
            Deed::Delete | Deed::Create => {}
        }
        self.value = Some(value);
        Ok(())
    }
}

/// Whether it only takes content away.
fn empties(deed: &Deed) -> bool {
    matches!(deed, Deed::Clear(_) | Deed::Untag(_) | Deed::Cut(..))
        || matches!(deed, Deed::Splice(_, _, insert) if insert.is_empty())
}

fn add(value: &mut Map<String, Value>, name: &str, by: i64) -> Result<(), &'static str> {
    let sum = value.get(name).and_then(Value::as_i64).unwrap_or_default() + by;
    if name == "sellable" && sum < 0 {
        return Err("not-enough");
    }
    value.insert(name.to_owned(), json!(sum));
    Ok(())
}

fn attribute(value: &mut Map<String, Value>, name: u8, number: Option<i64>) {
    let attributes = value.entry("attributes").or_insert_with(|| json!({})).as_object_mut().unwrap();
    match number {
        Some(number) => drop(attributes.insert(name.to_string(), json!(number))),
        None => drop(attributes.remove(&name.to_string())),
    }
}

fn array<'a>(value: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    value.entry(name).or_insert_with(|| json!([])).as_array_mut().unwrap()
}

fn splice<T>(
    items: &mut Vec<T>,
    (index, delete): (usize, usize),
    insert: impl IntoIterator<Item = T>,
) -> Result<(), &'static str> {
    if index + delete > items.len() {
        return Err("invalid");
    }
    items.splice(index..index + delete, insert);
    Ok(())
}

/// What is empty may be shown or not, and a set is in no order.
pub(super) fn shown(value: &Value) -> Value {
    let is_empty = |name: &str, value: &Value| match value {
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => name == "body" && text.is_empty(),
        Value::Null | Value::Bool(_) => false,
    };
    let members = value.as_object().unwrap().iter().filter(|(name, value)| !is_empty(name, value));
    let mut members: Map<String, Value> =
        members.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(tags) = members.get_mut("tags").and_then(Value::as_array_mut) {
        tags.sort_by_key(Value::to_string);
    }
    Value::Object(members)
}
