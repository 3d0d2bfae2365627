//! Whether one version of a schema may replace another: every value that the earlier one allows is allowed.
//!
//! Keyword by keyword, at each place: what is not shown is refused. Two subschemas of the same place are compared with
//! their references followed, so that a rule may move into `$defs`.

use super::error::SchemaError;
use super::fields::Field;
use super::flat::Flat;
use super::numbers::compare;
use super::{Crdt, flat};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Keywords that allow every value, or are looked at with another.
const FREE: [&str; 23] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "deprecated",
    "description",
    "else",
    "examples",
    "format",
    "maxContains",
    "minContains",
    "properties",
    "readOnly",
    "then",
    "title",
    "writeOnly",
    "x-crdt",
    "x-index",
    "x-version",
];

/// Rules about a whole object that a member more, or another value of one, can break.
const WHOLE: [&str; 12] = [
    "allOf",
    "anyOf",
    "const",
    "dependentRequired",
    "dependentSchemas",
    "enum",
    "if",
    "maxProperties",
    "not",
    "oneOf",
    "propertyNames",
    "unevaluatedProperties",
];

/// All types; `integer` is part of `number`.
const TYPES: [&str; 6] = ["array", "boolean", "null", "number", "object", "string"];

/// Compares a version with the one that it is to replace.
pub(super) fn check(later: (&Value, &Field), earlier: (&Value, &Field)) -> Result<(), SchemaError> {
    let roots = Roots { later: later.0, earlier: earlier.0 };
    roots.place(later.0, earlier.0, Some((later.1, earlier.1)), "", false)
}

/// What references are followed in.
#[derive(Clone, Copy)]
struct Roots<'a> {
    later: &'a Value,
    earlier: &'a Value,
}

/// The fields of both versions, where the place is one.
type Both<'f> = Option<(&'f Field, &'f Field)>;

impl<'a> Roots<'a> {
    /// `has_whole` is whether a rule about a whole object stands above.
    fn place(
        self,
        later: &'a Value,
        earlier: &'a Value,
        fields: Both<'_>,
        at: &str,
        has_whole: bool,
    ) -> Result<(), SchemaError> {
        let (now, was) = (Flat::of(self.later, later, at)?, Flat::of(self.earlier, earlier, at)?);
        if was.is_never && fields.is_none() {
            return Ok(());
        }
        if now.is_never && !was.is_never {
            return Err(SchemaError::Tightened { at: at.to_owned() });
        }
        let has_whole = has_whole || WHOLE.iter().any(|keyword| now.get(keyword).is_some());
        if let Some((now_field, was_field)) = fields {
            check_field(now_field, was_field, at, has_whole)?;
        }
        for (keyword, value) in now.keywords().filter(|(keyword, _)| !FREE.contains(keyword)) {
            if !self.allows(keyword, value, &now, &was, fields)? {
                return Err(SchemaError::Tightened { at: now.at(keyword) });
            }
        }
        self.check_scopes(&now, &was)?;
        self.members(&now, &was, fields, has_whole)
    }

    /// Whether a rule is kept by all that the earlier version allows; false when that is not shown.
    fn allows(
        self,
        keyword: &str,
        value: &'a Value,
        now: &Flat<'a>,
        was: &Flat<'a>,
        fields: Both<'_>,
    ) -> Result<bool, SchemaError> {
        Ok(match keyword {
            "type" => allows_types(now, was),
            "enum" | "const" => allows_values(now, was, keyword),
            "minimum" => {
                is_above(was, "minimum", value, false) || is_above(was, "exclusiveMinimum", value, false)
            }
            "exclusiveMinimum" => {
                is_above(was, "exclusiveMinimum", value, false) || is_above(was, "minimum", value, true)
            }
            "maximum" => {
                is_below(was, "maximum", value, false) || is_below(was, "exclusiveMaximum", value, false)
            }
            "exclusiveMaximum" => {
                is_below(was, "exclusiveMaximum", value, false) || is_below(was, "maximum", value, true)
            }
            "minLength" | "minItems" | "minProperties" => {
                value.as_f64() == Some(0.0) || is_above(was, keyword, value, false)
            }
            "maxLength" | "maxItems" | "maxProperties" => is_below(was, keyword, value, false),
            "uniqueItems" | "x-set-once" => value == &Value::Bool(false) || was.get(keyword) == Some(value),
            "required" => {
                check_required(now, was, fields)?;
                true
            }
            "additionalProperties" | "items" => true,
            "contains" => self.are_same(&["contains", "minContains", "maxContains"], now, was)?,
            "if" => self.are_same(&["if", "then", "else"], now, was)?,
            // What these look at depends on all the rest.
            "unevaluatedItems" | "unevaluatedProperties" => self.is_same_place(now, was)?,
            _ => self.is_same(keyword, now, was)?,
        })
    }

    /// Keywords that others leave their values to: without them others would judge those.
    fn check_scopes(self, now: &Flat<'a>, was: &Flat<'a>) -> Result<(), SchemaError> {
        for keyword in ["patternProperties", "prefixItems"] {
            if !self.is_same(keyword, now, was)? {
                return Err(SchemaError::Tightened { at: now.at(keyword) });
            }
        }
        Ok(())
    }

    /// Compares what is below: members, other members, items.
    fn members(
        self,
        now: &Flat<'a>,
        was: &Flat<'a>,
        fields: Both<'_>,
        has_whole: bool,
    ) -> Result<(), SchemaError> {
        let names = |flat: &Flat<'a>| flat.get("properties").and_then(Value::as_object);
        let (now_named, was_named) = (names(now), names(was));
        for name in was_named.into_iter().flat_map(Map::keys) {
            if now_named.is_none_or(|named| !named.contains_key(name)) {
                return Err(SchemaError::FieldRemoved { at: member_at(now, name) });
            }
        }
        let other = was.get("additionalProperties");
        for (name, later) in now_named.into_iter().flatten() {
            let at = member_at(now, name);
            let named = was_named.and_then(|named| named.get(name));
            let earlier = named.or_else(|| other.filter(|other| other.is_object()));
            let below = fields.and_then(|(now, was)| {
                let segment = segment(name);
                Some((now.find([&*segment])?, was.find([&*segment])?))
            });
            match earlier {
                Some(earlier) => self.place(later, earlier, below, &at, has_whole)?,
                None if is_ruled(was, name) => return Err(SchemaError::Tightened { at }),
                None => check_added(fields, name, &at, has_whole)?,
            }
        }
        self.others(now, was, fields, has_whole)?;
        match (now.get("items"), was.get("items")) {
            (None, _) => Ok(()),
            (Some(later), earlier) => {
                self.place(later, earlier.unwrap_or(&Value::Bool(true)), None, &now.at("items"), true)
            }
        }
    }

    /// Compares `additionalProperties`.
    fn others(
        self,
        now: &Flat<'a>,
        was: &Flat<'a>,
        fields: Both<'_>,
        has_whole: bool,
    ) -> Result<(), SchemaError> {
        let below =
            fields.and_then(|(now, was)| Some((now.additional.as_deref()?, was.additional.as_deref()?)));
        let at = now.at("additionalProperties");
        match (now.get("additionalProperties"), was.get("additionalProperties")) {
            (_, Some(Value::Bool(false))) => Ok(()),
            (None | Some(Value::Bool(true)), Some(Value::Object(_))) => Err(SchemaError::FieldRemoved { at }),
            (None | Some(Value::Bool(true)), _) => Ok(()),
            (Some(later), earlier) => {
                self.place(later, earlier.unwrap_or(&Value::Bool(true)), below, &at, has_whole)
            }
        }
    }

    fn is_same(self, keyword: &str, now: &Flat<'a>, was: &Flat<'a>) -> Result<bool, SchemaError> {
        match (now.get(keyword), was.get(keyword)) {
            (None, None) => Ok(true),
            (Some(later), Some(earlier)) => {
                Ok(flat::followed(self.later, later)? == flat::followed(self.earlier, earlier)?)
            }
            (Some(_), None) | (None, Some(_)) => Ok(false),
        }
    }

    fn are_same(self, keywords: &[&str], now: &Flat<'a>, was: &Flat<'a>) -> Result<bool, SchemaError> {
        let mut same = keywords.iter().map(|keyword| self.is_same(keyword, now, was));
        same.try_fold(true, |all, same| Ok(all && same?))
    }

    fn is_same_place(self, now: &Flat<'a>, was: &Flat<'a>) -> Result<bool, SchemaError> {
        let is_rule = |keyword: &&str| !matches!(*keyword, "x-version" | "title" | "description" | "$defs");
        let rules = |flat: &Flat<'a>| flat.keywords().map(|(keyword, _)| keyword).filter(is_rule).collect();
        let (now_rules, was_rules): (Vec<&str>, Vec<&str>) = (rules(now), rules(was));
        Ok(now_rules == was_rules && self.are_same(&now_rules, now, was)?)
    }
}

/// How a field merges stays, and so does a bound, which the counter's value is reckoned from.
fn check_field(now: &Field, was: &Field, at: &str, has_whole: bool) -> Result<(), SchemaError> {
    match (now.crdt, was.crdt) {
        _ if now.is_whole != was.is_whole => {
            let is_open = |field: &Field| field.crdt == Crdt::Register && !field.is_whole;
            let name = |field: &Field| if is_open(field) { Crdt::Map.name() } else { field.crdt.name() };
            let (crdt, earlier) = (name(now), name(was));
            return Err(SchemaError::CrdtChanged { at: at.to_owned(), crdt, earlier });
        }
        (now, was) if now == was => {}
        (Crdt::BoundedCounter { .. }, Crdt::BoundedCounter { .. }) => {
            return Err(SchemaError::Tightened { at: format!("{at}/minimum") });
        }
        (now, was) => {
            let (crdt, earlier) = (now.name(), was.name());
            return Err(SchemaError::CrdtChanged { at: at.to_owned(), crdt, earlier });
        }
    }
    let is_changed = now.default != was.default;
    match is_changed && (has_whole || now.default.is_none()) {
        true => Err(SchemaError::DefaultChanged { at: format!("{at}/default") }),
        false => Ok(()),
    }
}

/// Whether earlier documents may have had to have such a member, or rules of it, though it was not named.
fn is_ruled(was: &Flat<'_>, name: &str) -> bool {
    let required = was.get("required").and_then(Value::as_array);
    let is_required = required.is_some_and(|names| names.iter().any(|required| required == name));
    is_required || was.get("patternProperties").is_some()
}

/// A new field is supplied to documents that exist; rules about the whole of one may not allow that.
fn check_added(fields: Both<'_>, name: &str, at: &str, has_whole: bool) -> Result<(), SchemaError> {
    let added = fields.and_then(|(now, _)| now.members.get(&*segment(name)));
    match added.is_some_and(|field| field.supplies) && has_whole {
        true => Err(SchemaError::DefaultChanged { at: at.to_owned() }),
        false => Ok(()),
    }
}

fn check_required(now: &Flat<'_>, was: &Flat<'_>, fields: Both<'_>) -> Result<(), SchemaError> {
    let names = |flat: &Flat<'_>| -> Vec<String> {
        let names = flat.get("required").and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let before = names(was);
    let is_supplied = |name: &str| {
        let field = fields.and_then(|(now, _)| now.members.get(&*segment(name)));
        field.is_some_and(|field| field.is_supplied)
    };
    match names(now).into_iter().find(|name| !before.contains(name) && !is_supplied(name)) {
        Some(name) => Err(SchemaError::NewlyRequired { at: now.at("required"), name }),
        None => Ok(()),
    }
}

fn allows_types(now: &Flat<'_>, was: &Flat<'_>) -> bool {
    let Some(now) = now.types() else { return true };
    let allows = |name: &&str| now.contains(name) || *name == "integer" && now.contains(&"number");
    match was.types() {
        Some(was) => was.iter().all(allows),
        None => TYPES.iter().all(allows),
    }
}

/// Whether the values that the earlier version lists are all allowed.
fn allows_values(now: &Flat<'_>, was: &Flat<'_>, keyword: &str) -> bool {
    let listed = |flat: &Flat<'_>, keyword: &str| match (keyword, flat.get(keyword)) {
        ("enum", Some(Value::Array(values))) => Some(values.clone()),
        ("const", Some(value)) => Some(vec![value.clone()]),
        _ => None,
    };
    let allowed = listed(now, keyword).unwrap_or_default();
    let before = listed(was, "const").or_else(|| listed(was, "enum"));
    before.is_some_and(|before| before.iter().all(|value| allowed.contains(value)))
}

/// Whether the earlier lower bound is at or above a value.
fn is_above(was: &Flat<'_>, keyword: &str, value: &Value, strictly: bool) -> bool {
    let order = was.get(keyword).and_then(|bound| compare(bound, value));
    order == Some(Ordering::Greater) || !strictly && order == Some(Ordering::Equal)
}

/// Whether the earlier upper bound is at or below a value.
fn is_below(was: &Flat<'_>, keyword: &str, value: &Value, strictly: bool) -> bool {
    let order = was.get(keyword).and_then(|bound| compare(bound, value));
    order == Some(Ordering::Less) || !strictly && order == Some(Ordering::Equal)
}

fn member_at(flat: &Flat<'_>, name: &str) -> String {
    let mut at = flat.at("properties") + "/";
    flat::push_key(&mut at, name);
    at
}

fn segment(name: &str) -> String {
    let mut segment = String::new();
    crate::entry::push_segment(&mut segment, name);
    segment
}

#[cfg(test)]
mod tests;
