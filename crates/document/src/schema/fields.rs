//! Reads a schema's fields, and refuses one that contradicts itself.

use super::Crdt;
use super::contradictions;
use super::error::SchemaError;
use super::flat::{Child, Flat};
use crate::entry::{self, NAME_BYTES_MAX};
use crate::{DEPTH_MAX, Pointer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most subschemas of a schema, its references followed. It bounds what a check of one value costs.
pub const SUBSCHEMAS_MAX: usize = 1_024;

/// Names of the field types as `x-crdt` has them.
pub(super) const CRDT_NAMES: [&str; 7] =
    ["register", "counter", "bounded-counter", "set", "map", "list", "text"];

/// What a schema says of one place in a document.
#[derive(Debug)]
pub(super) struct Field {
    /// JSON Pointer to its subschema.
    pub(super) at: String,
    pub(super) crdt: Crdt,
    /// A register of objects that says so itself: an object there is one value, and has no fields.
    pub(super) is_whole: bool,
    /// What is read where nothing was written.
    pub(super) default: Option<Value>,
    /// Members by segment, as entries are named.
    pub(super) members: BTreeMap<String, Field>,
    /// Any other member.
    pub(super) additional: Option<Box<Field>>,
    /// Whether it is supplied where it is missing: it has a default, or a member has.
    pub(super) is_supplied: bool,
    /// Whether anything is supplied here or below.
    pub(super) supplies: bool,
}

impl Field {
    /// What is said of the place that the segments lead to from here.
    pub(super) fn find<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        segments
            .into_iter()
            .try_fold(self, |field, segment| field.members.get(segment).or(field.additional.as_deref()))
    }
}

/// Everything about a schema's fields.
pub(super) struct Fields {
    pub(super) root: Field,
    /// Fields with an index, in byte order of their names.
    pub(super) indexes: Vec<Pointer>,
    /// Fields that are set once, and where that is said.
    pub(super) set_once: Vec<SetOnce>,
}

/// A register that no write changes once it has a value.
pub(crate) struct SetOnce {
    pub(crate) field: Pointer,
    /// JSON Pointer to the rule.
    pub(super) rule: String,
    pub(super) default: Option<Value>,
}

/// Reads and checks the fields of a schema whose shape is that of JSON Schema.
pub(super) fn read(root: &Value) -> Result<Fields, SchemaError> {
    let mut reader = Reader {
        root,
        active: Vec::new(),
        subschemas: 0,
        in_definition: true,
        indexes: Vec::new(),
        set_once: Vec::new(),
    };
    // Definitions first: each is checked even if nothing refers to it.
    for (name, schema) in root.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        let mut at = "/$defs/".to_owned();
        super::flat::push_key(&mut at, name);
        reader.field(schema, &at, None)?;
    }
    reader.in_definition = false;
    let field = reader.field(root, "", Some(""))?;
    reader.indexes.sort_unstable();
    Ok(Fields { root: field, indexes: reader.indexes, set_once: reader.set_once })
}

struct Reader<'a> {
    root: &'a Value,
    /// The references that lead here, level by level.
    active: Vec<Vec<&'a str>>,
    subschemas: usize,
    /// A definition has no place in a document yet.
    in_definition: bool,
    indexes: Vec<Pointer>,
    set_once: Vec<SetOnce>,
}

impl<'a> Reader<'a> {
    /// A field: `name` is its entry's, empty for the document, none where it is not known.
    fn field(&mut self, schema: &'a Value, at: &str, name: Option<&str>) -> Result<Field, SchemaError> {
        let flat = self.enter(schema, at)?;
        let crdt = crdt(&flat)?;
        contradictions::check_crdt(self.root, &flat, crdt)?;
        self.index(&flat, crdt, name)?;
        let may_be_object = flat.types().is_none_or(|types| types.contains(&"object"));
        let is_whole =
            crdt == Crdt::Register && flat.get("x-crdt").is_some() && may_be_object && !at.is_empty();
        let mut field = Field {
            at: at.to_owned(),
            crdt,
            is_whole,
            default: default(&flat, crdt)?,
            members: BTreeMap::new(),
            additional: None,
            is_supplied: false,
            supplies: false,
        };
        self.set_once(&flat, &field, may_be_object, name)?;
        let has_fields = matches!(crdt, Crdt::Register | Crdt::Map) && !is_whole;
        for child in flat.children() {
            match child.keyword {
                "properties" if has_fields => self.member(&mut field, &child, name)?,
                "additionalProperties" if has_fields => {
                    if child.schema.is_object() {
                        field.additional = Some(Box::new(self.field(child.schema, &child.at, None)?));
                    }
                }
                _ => self.inside(&child)?,
            }
        }
        let mut members = field.members.values();
        field.is_supplied = field.default.is_some() || members.any(|member| member.is_supplied);
        let mut below = field.members.values().chain(field.additional.as_deref());
        field.supplies = field.is_supplied || below.any(|field| field.supplies);
        self.active.pop();
        Ok(field)
    }

    fn member(
        &mut self,
        field: &mut Field,
        child: &Child<'a>,
        name: Option<&str>,
    ) -> Result<(), SchemaError> {
        let mut segment = String::new();
        entry::push_segment(&mut segment, child.key);
        let name = name.map(|name| match name {
            "" => segment.clone(),
            name => format!("{name}/{segment}"),
        });
        if name.as_ref().map_or(segment.len(), String::len) > NAME_BYTES_MAX {
            let expected = "a field whose keys have 1,024 bytes together at most";
            return Err(SchemaError::Expected { at: child.at.clone(), expected });
        }
        let member = self.field(child.schema, &child.at, name.as_deref())?;
        field.members.insert(segment, member);
        Ok(())
    }

    /// A subschema in an array or under a condition: no field of its own.
    fn inside(&mut self, child: &Child<'a>) -> Result<(), SchemaError> {
        let flat = self.enter(child.schema, &child.at)?;
        for keyword in ["x-crdt", "x-index", "x-set-once", "default"] {
            if flat.get(keyword).is_some() {
                return Err(SchemaError::Misplaced { at: flat.at(keyword), keyword });
            }
        }
        flat.children().iter().try_for_each(|child| self.inside(child))?;
        self.active.pop();
        Ok(())
    }

    /// Follows references and checks what holds for every subschema.
    fn enter(&mut self, schema: &'a Value, at: &str) -> Result<Flat<'a>, SchemaError> {
        self.subschemas += 1;
        if self.subschemas > SUBSCHEMAS_MAX {
            return Err(SchemaError::TooManySubschemas);
        }
        if self.active.len() > DEPTH_MAX {
            return Err(SchemaError::TooDeep { at: at.to_owned() });
        }
        let flat = Flat::of(self.root, schema, at)?;
        let is_active = |reference: &&str| self.active.iter().any(|level| level.contains(reference));
        if flat.references.iter().any(is_active) {
            return Err(SchemaError::Recursive { at: format!("{at}/$ref") });
        }
        contradictions::check(self.root, &flat)?;
        self.active.push(flat.references.clone());
        Ok(flat)
    }

    fn set_once(
        &mut self,
        flat: &Flat<'a>,
        field: &Field,
        may_be_object: bool,
        name: Option<&str>,
    ) -> Result<(), SchemaError> {
        if !is_said(flat, "x-set-once")? {
            return Ok(());
        }
        let rule = flat.at("x-set-once");
        // An object that merges member by member has no value of its own.
        let is_one = field.crdt == Crdt::Register && (field.is_whole || !may_be_object);
        match name {
            Some(name) if is_one && !name.is_empty() => {
                let (field, default) = (Pointer::from_name(name.to_owned()), field.default.clone());
                self.set_once.push(SetOnce { field, rule, default });
                Ok(())
            }
            None if is_one && self.in_definition => Ok(()),
            _ => Err(SchemaError::SetOnce { at: rule }),
        }
    }

    fn index(&mut self, flat: &Flat<'a>, crdt: Crdt, name: Option<&str>) -> Result<(), SchemaError> {
        if !is_said(flat, "x-index")? {
            return Ok(());
        }
        let has_order = match crdt {
            Crdt::Counter | Crdt::BoundedCounter { .. } => true,
            Crdt::Register => flat.types().is_some_and(|types| types.iter().all(is_scalar)),
            Crdt::Set | Crdt::Map | Crdt::List | Crdt::Text => false,
        };
        match name {
            Some(name) if has_order && !name.is_empty() => {
                self.indexes.push(Pointer::from_name(name.to_owned()));
                Ok(())
            }
            None if has_order && self.in_definition => Ok(()),
            _ => Err(SchemaError::Index { at: flat.at("x-index") }),
        }
    }
}

/// Whether a keyword that is true or false says true.
fn is_said(flat: &Flat<'_>, keyword: &str) -> Result<bool, SchemaError> {
    match flat.get(keyword) {
        None => Ok(false),
        Some(Value::Bool(is_said)) => Ok(*is_said),
        Some(_) => Err(SchemaError::Expected { at: flat.at(keyword), expected: "true or false" }),
    }
}

/// Whether a type's values have no parts.
pub(super) fn is_scalar(name: &&str) -> bool {
    !matches!(*name, "array" | "object")
}

/// The field type.
pub(super) fn crdt(flat: &Flat<'_>) -> Result<Crdt, SchemaError> {
    let Some(value) = flat.get("x-crdt") else { return Ok(Crdt::Register) };
    Ok(match value.as_str().unwrap_or_default() {
        "register" => Crdt::Register,
        "counter" => Crdt::Counter,
        "bounded-counter" => {
            let minimum = flat.get("minimum").and_then(Value::as_i64);
            let needs = "a minimum of a whole number of 64 bits: its bound";
            let missing = || SchemaError::CrdtType { at: flat.at.clone(), crdt: "bounded-counter", needs };
            Crdt::BoundedCounter { minimum: minimum.ok_or_else(missing)? }
        }
        "set" => Crdt::Set,
        "map" => Crdt::Map,
        "list" => Crdt::List,
        "text" => Crdt::Text,
        _ => {
            let name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return Err(SchemaError::UnknownCrdt { at: flat.at("x-crdt"), name: super::shortened(name) });
        }
    })
}

/// The default, if it may have one.
fn default(flat: &Flat<'_>, crdt: Crdt) -> Result<Option<Value>, SchemaError> {
    let Some(value) = flat.get("default") else { return Ok(None) };
    if crdt == Crdt::Register && !value.is_object() && !flat.at.is_empty() {
        return Ok(Some(value.clone()));
    }
    let crdt = if value.is_object() { "map" } else { crdt.name() };
    Err(SchemaError::DefaultKind { at: flat.at("default"), crdt })
}
