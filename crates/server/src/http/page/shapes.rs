//! What bodies and answers are made of, for the page.

use super::{escaped, members, text};
use serde_json::Value;
use std::fmt::Write as _;

/// A shape in words, with the way to what it is made of.
pub(super) fn shape(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#shape-{name}\"><code>{name}</code></a>");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values = values.iter().map(|value| format!("<code>{}</code>", escaped(&value.to_string())));
        return values.collect::<Vec<_>>().join(" or ");
    }
    let branches = ["oneOf", "anyOf", "allOf"].into_iter().find_map(|kind| schema.get(kind)?.as_array());
    if let Some(branches) = branches {
        return branches.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    let kinds = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return "any JSON".to_owned(),
    };
    let kind = |kind: &&str| match *kind {
        "array" => format!("list of {}", schema.get("items").map_or("any JSON".to_owned(), shape)),
        kind => escaped(kind),
    };
    kinds.iter().map(kind).collect::<Vec<_>>().join(" or ")
}

/// All that has a name, each with its members.
pub(super) fn write(page: &mut String, described: &Value) -> std::fmt::Result {
    write!(
        page,
        "<h2 id=\"shapes\">shapes</h2><p>What bodies and answers are made of. * has to be there.</p>"
    )?;
    for (name, schema) in members(described.pointer("/components/schemas")) {
        let name = escaped(name);
        write!(
            page,
            "<h3 id=\"shape-{name}\"><code>{name}</code></h3><p>{}</p>",
            text(schema, "/description")
        )?;
        let kinds = schema.get("oneOf").and_then(Value::as_array);
        match kinds.filter(|kinds| kinds.iter().any(|kind| kind.get("properties").is_some())) {
            Some(kinds) => self::kinds(page, kinds)?,
            None if schema.get("properties").is_some() => rows(page, schema)?,
            None => write!(page, "<p>{}</p>", shape(schema))?,
        }
    }
    Ok(())
}

/// The members of an object, one a row.
fn rows(page: &mut String, schema: &Value) -> std::fmt::Result {
    write!(page, "<table>")?;
    for (name, member) in members(schema.get("properties")) {
        let mark = if is_required(schema, name) { "*" } else { "" };
        let (name, shape) = (escaped(name), shape(member));
        write!(page, "<tr><td><code>{name}</code>{mark}<td>{shape}<td>{}", text(member, "/description"))?;
    }
    write!(page, "</table>")
}

/// Objects of several kinds, one a row: what tells it from the others, and its other members.
fn kinds(page: &mut String, kinds: &[Value]) -> std::fmt::Result {
    write!(page, "<table>")?;
    for kind in kinds {
        let (mut told, mut others) = (String::new(), Vec::new());
        for (name, member) in members(kind.get("properties")) {
            let values = member.get("enum").and_then(Value::as_array).map(Vec::as_slice);
            let escaped_name = escaped(name);
            match values {
                Some([value]) => {
                    write!(
                        told,
                        "<code>{escaped_name}</code>: <code>{}</code>",
                        escaped(&value.to_string())
                    )?;
                }
                Some(_) | None => {
                    let mark = if is_required(kind, name) { "*" } else { "" };
                    others.push(format!("<code>{escaped_name}</code>{mark}: {}", shape(member)));
                }
            }
        }
        write!(page, "<tr><td>{told}<td>{}<td>{}", others.join(", "), text(kind, "/description"))?;
    }
    write!(page, "</table>")
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|required| required == name))
}
