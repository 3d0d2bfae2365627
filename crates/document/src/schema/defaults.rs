//! Defaults: supplied when a document is read, never written.

use super::error::SchemaError;
use super::fields::Field;
use super::violations::Validator;
use crate::entry;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Supplies what is missing in an object. A missing object is made where a member of it has a default; what is there
/// is left as it is, null too.
pub(super) fn fill(field: &Field, value: &mut Value) {
    let Value::Object(members) = value else { return };
    if !field.supplies {
        return;
    }
    for (segment, member) in field.members.iter().filter(|(_, member)| member.supplies) {
        let key = entry_key(segment);
        match members.get_mut(&*key) {
            Some(value) => fill(member, value),
            None if member.is_supplied => drop(members.insert(key.into_owned(), supplied(member))),
            None => {}
        }
    }
    let Some(additional) = field.additional.as_deref().filter(|field| field.supplies) else { return };
    for (key, value) in members.iter_mut() {
        if !field.members.contains_key(&*entry_segment(key)) {
            fill(additional, value);
        }
    }
}

/// Whether [`fill`] would add anything.
pub(super) fn lacks(field: &Field, value: &Value) -> bool {
    let Value::Object(members) = value else { return false };
    let lacks_member = |(segment, member): (&String, &Field)| match members.get(&*entry_key(segment)) {
        Some(value) => lacks(member, value),
        None => member.is_supplied,
    };
    let lacks_below = |additional: &Field| {
        let mut others = members.iter().filter(|(key, _)| !field.members.contains_key(&*entry_segment(key)));
        others.any(|(_, value)| lacks(additional, value))
    };
    field.supplies
        && (field.members.iter().any(lacks_member) || field.additional.as_deref().is_some_and(lacks_below))
}

/// What stands for a missing field.
fn supplied(field: &Field) -> Value {
    field.default.clone().unwrap_or_else(|| {
        let mut object = Value::Object(Map::new());
        fill(field, &mut object);
        object
    })
}

/// Checks that whatever is supplied keeps the rules of the place where it appears.
pub(super) fn check(root: &Field, validator: &Validator) -> Result<(), SchemaError> {
    if !root.supplies {
        return Ok(());
    }
    let mut places = Vec::new();
    let example = example(root, "", &mut places);
    let violations = validator.violations(&example);
    for (place, at) in &places {
        let is_at_place = |field: &str| {
            field.strip_prefix(place.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(broken) = violations.iter().find(|violation| is_at_place(&violation.field)) {
            let (rule, fault) = (broken.rule.clone(), broken.message.clone());
            return Err(SchemaError::DefaultBreaksRule { at: at.clone(), rule, fault });
        }
    }
    Ok(())
}

/// A document of nothing but what is supplied, one member standing for any other. `places` gets the JSON Pointer of
/// each supplied field, and of its subschema.
fn example(field: &Field, place: &str, places: &mut Vec<(String, String)>) -> Value {
    if let Some(default) = &field.default {
        return default.clone();
    }
    let mut object = Map::new();
    for (segment, member) in field.members.iter().filter(|(_, member)| member.supplies) {
        let key = entry_key(segment);
        let mut place = format!("{place}/");
        super::flat::push_key(&mut place, &key);
        let value = example(member, &place, places);
        if member.is_supplied {
            let at = if member.default.is_some() { "/default" } else { "" };
            places.push((place, format!("{}{at}", member.at)));
        }
        object.insert(key.into_owned(), value);
    }
    if let Some(additional) = field.additional.as_deref().filter(|field| field.supplies) {
        let names = (0_u32..).map(|number| format!("member {number}"));
        let free = names.into_iter().find(|name| !field.members.contains_key(name)).unwrap_or_default();
        let place = format!("{place}/{free}");
        object.insert(free, example(additional, &place, places));
    }
    Value::Object(object)
}

/// The key that a segment of an entry's name stands for.
fn entry_key(segment: &str) -> Cow<'_, str> {
    match segment.contains('~') {
        true => segment.replace("~2", "+").replace("~1", "/").replace("~0", "~").into(),
        false => segment.into(),
    }
}

/// The segment of an entry's name that stands for a key.
fn entry_segment(key: &str) -> Cow<'_, str> {
    if !key.contains(['~', '/']) && !key.starts_with('+') {
        return key.into();
    }
    let mut segment = String::with_capacity(key.len() + 2);
    entry::push_segment(&mut segment, key);
    segment.into()
}
