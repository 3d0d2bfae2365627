//! A subschema with its references followed (JSON Schema 2020-12 core, section 8.2.3.1).

use super::error::SchemaError;
use serde_json::Value;
use std::collections::BTreeMap;

/// Keywords that say nothing about a value; beside a reference they may differ from what it refers to.
const ANNOTATIONS: [&str; 9] = [
    "$comment",
    "default",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
];

/// Keywords that look at each other: a subschema and what it refers to cannot share them out.
const GROUPS: [&[&str]; 4] = [
    &["additionalProperties", "patternProperties", "properties"],
    &["items", "prefixItems"],
    &["contains", "maxContains", "minContains"],
    &["else", "if", "then"],
];

/// Where references may lead.
const DEFINITIONS: &str = "#/$defs/";

/// The keywords that hold for one place, each with the subschema that it is written in.
#[derive(Debug, Default)]
pub(super) struct Flat<'a> {
    /// Where the subschema is.
    pub(super) at: String,
    /// Whether no value at all is allowed: the subschema `false`.
    pub(super) is_never: bool,
    /// The references that were followed.
    pub(super) references: Vec<&'a str>,
    keywords: BTreeMap<&'a str, (String, &'a Value)>,
}

impl<'a> Flat<'a> {
    /// Follows the references of a subschema.
    pub(super) fn of(root: &'a Value, schema: &'a Value, at: &str) -> Result<Self, SchemaError> {
        let mut flat = Self { at: at.to_owned(), ..Self::default() };
        let (mut schema, mut here) = (schema, at.to_owned());
        loop {
            flat.is_never |= schema == &Value::Bool(false);
            let Value::Object(members) = schema else { return Ok(flat) };
            for (keyword, value) in members.iter().filter(|(keyword, _)| *keyword != "$ref") {
                flat.add(keyword, value, &here)?;
            }
            let Some(reference) = members.get("$ref") else { return Ok(flat) };
            let reference = reference.as_str().unwrap_or_default();
            let at = || format!("{here}/$ref");
            let unknown = || SchemaError::Reference { at: at(), reference: reference.to_owned() };
            let name = reference.strip_prefix(DEFINITIONS).ok_or_else(unknown)?;
            if name.contains(['/', '%']) {
                return Err(unknown());
            }
            if flat.references.contains(&reference) {
                return Err(SchemaError::Recursive { at: at() });
            }
            let place = reference.trim_start_matches('#');
            schema = root.pointer(place).ok_or_else(unknown)?;
            flat.references.push(reference);
            here = place.to_owned();
        }
    }

    fn add(&mut self, keyword: &'a str, value: &'a Value, here: &str) -> Result<(), SchemaError> {
        let group = GROUPS.iter().find(|group| group.contains(&keyword)).copied();
        let group = group.unwrap_or(std::slice::from_ref(&keyword));
        let elsewhere = |member: &&str| self.keywords.get(*member).is_some_and(|(at, _)| at != here);
        if !group.iter().any(elsewhere) {
            self.keywords.insert(keyword, (here.to_owned(), value));
        } else if !ANNOTATIONS.contains(&keyword) {
            return Err(SchemaError::SaidTwice { at: self.at.clone(), keyword: keyword.to_owned() });
        }
        Ok(())
    }

    /// The keyword's value.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.keywords.get(keyword).map(|(_, value)| *value)
    }

    /// JSON Pointer to the keyword; one that is missing would be in the subschema itself.
    pub(super) fn at(&self, keyword: &str) -> String {
        let at = self.keywords.get(keyword).map_or(&self.at, |(at, _)| at);
        let mut pointer = format!("{at}/");
        push_key(&mut pointer, keyword);
        pointer
    }

    /// All keywords, in byte order.
    pub(super) fn keywords(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.keywords.iter().map(|(keyword, (_, value))| (*keyword, *value))
    }

    /// The type names that the subschema allows; `None` when it names none, which allows all.
    pub(super) fn types(&self) -> Option<Vec<&'a str>> {
        match self.get("type")? {
            Value::String(one) => Some(vec![one]),
            Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    }

    /// The subschemas directly below, in the order of the keywords' kinds.
    pub(super) fn children(&self) -> Vec<Child<'a>> {
        let mut children = Vec::new();
        for keyword in ONE {
            let child =
                self.get(keyword).map(|schema| Child { keyword, key: "", at: self.at(keyword), schema });
            children.extend(child);
        }
        for keyword in LISTED {
            let listed = self.get(keyword).and_then(Value::as_array).into_iter().flatten().enumerate();
            children.extend(listed.map(|(index, schema)| {
                let at = format!("{}/{index}", self.at(keyword));
                Child { keyword, key: "", at, schema }
            }));
        }
        for keyword in NAMED {
            let named = self.get(keyword).and_then(Value::as_object).into_iter().flatten();
            children.extend(named.map(|(key, schema)| {
                let mut at = self.at(keyword) + "/";
                push_key(&mut at, key);
                Child { keyword, key, at, schema }
            }));
        }
        children
    }
}

/// A subschema below another.
pub(super) struct Child<'a> {
    /// The keyword that holds it.
    pub(super) keyword: &'static str,
    /// Its name there, if it has one.
    pub(super) key: &'a str,
    /// JSON Pointer to it.
    pub(super) at: String,
    pub(super) schema: &'a Value,
}

/// Keywords that hold one subschema.
const ONE: [&str; 11] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords that hold an array of subschemas.
const LISTED: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords that hold subschemas by name.
const NAMED: [&str; 3] = ["dependentSchemas", "patternProperties", "properties"];

/// Appends a key to a JSON Pointer as people write it.
pub(super) fn push_key(pointer: &mut String, key: &str) {
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// A keyword's value with the references in it followed, so that two can be compared. An object that looks like a
/// reference but is a value (`const`) compares by the same means, which can only find more differences.
pub(super) fn followed(root: &Value, value: &Value) -> Result<Value, SchemaError> {
    match value {
        Value::Object(members) if members.get("$ref").is_some_and(Value::is_string) => {
            let flat = Flat::of(root, value, "")?;
            if flat.is_never {
                return Ok(Value::Bool(false));
            }
            let keywords =
                flat.keywords().map(|(keyword, value)| Ok((keyword.to_owned(), followed(root, value)?)));
            Ok(Value::Object(keywords.collect::<Result<_, _>>()?))
        }
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| Ok((key.clone(), followed(root, value)?)));
            Ok(Value::Object(members.collect::<Result<_, _>>()?))
        }
        Value::Array(values) => values.iter().map(|value| followed(root, value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
    }
}
