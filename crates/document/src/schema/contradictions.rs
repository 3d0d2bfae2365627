//! What no schema may say of one place.

use super::error::SchemaError;
use super::fields::is_scalar;
use super::flat::Flat;
use super::numbers::compare;
use super::{Crdt, shortened};
use serde_json::Value;
use std::cmp::Ordering;

mod values;

/// `x-` keywords.
const KNOWN: [&str; 4] = ["x-crdt", "x-index", "x-set-once", "x-version"];

/// Lower and upper bounds. Between exclusive ones no whole number has to be: that is not looked at.
const RANGES: [(&str, &str); 8] = [
    ("minimum", "maximum"),
    ("minimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "maximum"),
    ("exclusiveMinimum", "exclusiveMaximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minContains", "maxContains"),
];

/// Keywords that give a schema more than one name, dialect or place, and what does without.
const UNSUPPORTED: [(&str, &str); 11] = [
    ("$anchor", "refer to \"#/$defs/…\""),
    ("$defs", "write definitions at the root"),
    ("$dynamicAnchor", "refer to \"#/$defs/…\""),
    ("$dynamicRef", "write $ref"),
    ("$id", "leave it out"),
    ("$recursiveAnchor", "refer to \"#/$defs/…\""),
    ("$recursiveRef", "write $ref"),
    ("$schema", "write it at the root"),
    ("$vocabulary", "leave it out"),
    ("definitions", "write $defs at the root"),
    ("dependencies", "write dependentRequired or dependentSchemas"),
];
/// Those of them that the root may have.
const AT_ROOT: [&str; 3] = ["$defs", "$id", "$schema"];

/// Checks what holds for every subschema.
pub(super) fn check(root: &Value, flat: &Flat<'_>) -> Result<(), SchemaError> {
    check_names(flat)?;
    check_ranges(flat)?;
    values::check(flat)?;
    check_required(flat)?;
    check_never(root, flat)?;
    let is_mixed = flat.get("patternProperties").is_some()
        && flat.get("additionalProperties").is_some_and(Value::is_object);
    match is_mixed {
        true => {
            let instead = "patternProperties beside additionalProperties leaves open how a field merges: name the \
                           fields, or take one away";
            Err(SchemaError::Unsupported { at: flat.at("patternProperties"), instead })
        }
        false => Ok(()),
    }
}

fn check_names(flat: &Flat<'_>) -> Result<(), SchemaError> {
    for (keyword, _) in flat.keywords() {
        let at = flat.at(keyword);
        let is_at_root = at.split('/').count() == 2;
        if let Some((_, instead)) = UNSUPPORTED.iter().find(|(name, _)| *name == keyword)
            && !(is_at_root && AT_ROOT.contains(&keyword))
        {
            return Err(SchemaError::Unsupported { at, instead });
        }
        let start = keyword.get(..2).unwrap_or_default();
        let is_ours = matches!(start, "x-" | "X-" | "x_" | "X_");
        if !is_ours || KNOWN.contains(&keyword) && (keyword != "x-version" || is_at_root) {
            continue;
        }
        if keyword == "x-version" {
            return Err(SchemaError::Unsupported { at, instead: "a schema has one version, at the root" });
        }
        let distance = |known: &&str| strsim::damerau_levenshtein(known, &keyword.to_lowercase());
        let nearest = KNOWN.into_iter().min_by_key(distance).unwrap_or_default();
        return Err(SchemaError::UnknownKeyword { at, nearest });
    }
    Ok(())
}

fn check_ranges(flat: &Flat<'_>) -> Result<(), SchemaError> {
    for (lower, upper) in RANGES {
        let (Some(low), Some(high)) = (flat.get(lower), flat.get(upper)) else { continue };
        let order = compare(low, high);
        let is_exclusive = lower.starts_with("exclusive") || upper.starts_with("exclusive");
        if order == Some(Ordering::Greater) || is_exclusive && order == Some(Ordering::Equal) {
            return Err(SchemaError::EmptyRange { at: flat.at.clone(), lower, upper });
        }
    }
    Ok(())
}

fn check_required(flat: &Flat<'_>) -> Result<(), SchemaError> {
    if flat.get("additionalProperties") != Some(&Value::Bool(false))
        || flat.get("patternProperties").is_some()
    {
        return Ok(());
    }
    let named = flat.get("properties").and_then(Value::as_object);
    let mut required = flat.get("required").and_then(Value::as_array).into_iter().flatten();
    let is_forbidden = |name: &&Value| {
        let name = name.as_str().unwrap_or_default();
        named.is_none_or(|named| !named.contains_key(name))
    };
    match required.find(is_forbidden).and_then(Value::as_str) {
        Some(name) => Err(SchemaError::RequiredForbidden { at: flat.at("required"), name: shortened(name) }),
        None => Ok(()),
    }
}

/// Checks that no required field has the subschema `false`.
fn check_never(root: &Value, flat: &Flat<'_>) -> Result<(), SchemaError> {
    let required = flat.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        let Some(property) = flat.get("properties").and_then(|named| named.get(name)) else { continue };
        if Flat::of(root, property, &flat.at("properties"))?.is_never {
            return Err(SchemaError::RequiredNever { at: flat.at("required"), name: shortened(name) });
        }
    }
    Ok(())
}

/// Checks that a field's JSON type is that of its field type.
pub(super) fn check_crdt(root: &Value, flat: &Flat<'_>, crdt: Crdt) -> Result<(), SchemaError> {
    let types = flat.types();
    let is = |name: &str| types.as_deref() == Some(&[name]);
    let is_root = flat.at.is_empty();
    let (fits, needs) = match crdt {
        Crdt::Register => (true, ""),
        _ if is_root && crdt != Crdt::Map => (false, "a field: a document is a map"),
        Crdt::Counter | Crdt::BoundedCounter { .. } => (is("integer"), "the type \"integer\""),
        Crdt::Set => {
            (is("array") && has_scalars(root, flat)?, "the type \"array\" and items of scalar types")
        }
        Crdt::Map => (is("object"), "the type \"object\""),
        Crdt::List => (is("array"), "the type \"array\""),
        Crdt::Text => (is("string"), "the type \"string\""),
    };
    match fits {
        true => Ok(()),
        false => Err(SchemaError::CrdtType { at: flat.at.clone(), crdt: crdt.name(), needs }),
    }
}

fn has_scalars(root: &Value, flat: &Flat<'_>) -> Result<bool, SchemaError> {
    let Some(items) = flat.get("items") else { return Ok(false) };
    let items = Flat::of(root, items, &flat.at("items"))?;
    let is_scalar = items.types().is_some_and(|types| types.iter().all(is_scalar));
    Ok(is_scalar && flat.get("prefixItems").is_none())
}
