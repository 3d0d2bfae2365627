//! The description as a page for people: it needs nothing from elsewhere.

mod shapes;

use super::problem::Kind;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use utoipa::openapi::OpenApi;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\
    h2{margin-top:3rem;border-bottom:1px solid #d5dbe3}h3{margin-bottom:.2rem}code{font-size:.9em;background:#f1f4f8;\
    padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}.method{display:inline-block;min-width:4.5rem;font-weight:700}\
    table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem \
    .25rem 0;border-bottom:1px solid #eef1f5}td:first-child{white-space:nowrap}nav a{margin-right:1rem}\
    @media(prefers-color-scheme:dark){body{background:#14181f;color:#dde3ec}code{background:#232a35}\
    h2,td,th{border-color:#2e3744}a{color:#8ab4ff}}";

/// The page.
pub(super) fn of(description: &OpenApi) -> String {
    let described = serde_json::to_value(description).unwrap_or_default();
    let mut page = String::new();
    // Writing to a text does not fail.
    let _ = write(&mut page, &described);
    page
}

fn write(page: &mut String, described: &Value) -> std::fmt::Result {
    let title = text(described, "/info/title");
    write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{}</p>",
        text(described, "/info/description")
    )?;
    write!(page, "<p>For programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p><nav>")?;
    let none = Vec::new();
    let tags = described.get("tags").and_then(Value::as_array).unwrap_or(&none);
    for tag in tags {
        let name = text(tag, "/name");
        write!(page, "<a href=\"#{name}\">{name}</a>")?;
    }
    write!(page, "<a href=\"#shapes\">shapes</a><a href=\"#problems\">problems</a></nav>")?;
    for tag in tags {
        let name = text(tag, "/name");
        write!(page, "<h2 id=\"{name}\">{name}</h2><p>{}</p>", text(tag, "/description"))?;
        for (path, methods) in members(described.get("paths")) {
            for (method, operation) in members(Some(methods)) {
                if operation.pointer("/tags/0").and_then(Value::as_str) == Some(&name) {
                    self::operation(page, (method, path), operation)?;
                }
            }
        }
    }
    shapes::write(page, described)?;
    write!(
        page,
        "<h2 id=\"problems\">problems</h2><p>Errors are <code>application/problem+json</code> (RFC 9457). \
        <code>type</code> is one of these, and stays what it is:</p><table>"
    )?;
    for kind in Kind::ALL {
        let Kind { name, status, title } = kind;
        write!(page, "<tr><td><code>urn:isle:problem:{name}</code><td>{}<td>{title}", status.as_u16())?;
    }
    write!(page, "</table></html>")
}

fn operation(page: &mut String, (method, path): (&str, &str), operation: &Value) -> std::fmt::Result {
    let method = method.to_uppercase();
    write!(page, "<h3><span class=\"method\">{method}</span><code>{}</code></h3>", escaped(path))?;
    write!(page, "<p>{}", text(operation, "/summary"))?;
    let more = text(operation, "/description");
    write!(page, "{}</p>", if more.is_empty() { String::new() } else { format!("<br>{more}") })?;
    let none = Vec::new();
    let parameters = operation.get("parameters").and_then(Value::as_array).unwrap_or(&none);
    let told = parameters.iter().filter(|parameter| !text(parameter, "/description").is_empty());
    let mut rows = String::new();
    for parameter in told {
        let (name, place) = (text(parameter, "/name"), text(parameter, "/in"));
        write!(rows, "<tr><td><code>{name}</code><td>{place}<td>{}", text(parameter, "/description"))?;
    }
    if !rows.is_empty() {
        write!(page, "<table>{rows}</table>")?;
    }
    for (kind, content) in members(operation.pointer("/requestBody/content")) {
        write!(page, "<p>Body: <code>{kind}</code>, {}", shape_of(content))?;
        if let Some(example) = content.get("example") {
            write!(page, ", as <code>{}</code>", escaped(&example.to_string()))?;
        }
        write!(page, "</p>")?;
    }
    let Some(done) = operation.pointer("/responses/200") else { return Ok(()) };
    write!(page, "<p>Answer: {}", text(done, "/description"))?;
    for (kind, content) in members(done.get("content")) {
        write!(page, "; <code>{kind}</code>, {}", shape_of(content))?;
    }
    let mut rows = String::new();
    for (name, header) in members(done.get("headers")) {
        write!(rows, "<tr><td><code>{name}</code><td>header<td>{}", text(header, "/description"))?;
    }
    write!(page, "</p>{}", if rows.is_empty() { rows } else { format!("<table>{rows}</table>") })
}

fn shape_of(content: &Value) -> String {
    content.get("schema").map_or("any JSON".to_owned(), shapes::shape)
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
        .map(|(name, value)| (name.as_str(), value))
}

/// The text at a place, for a page; empty where there is none.
fn text(value: &Value, place: &str) -> String {
    escaped(value.pointer(place).and_then(Value::as_str).unwrap_or_default())
}

/// With what stands between accents as code.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut parts = text.split('`');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for (number, part) in parts.enumerate() {
        shown.push_str(if number % 2 == 0 { "<code>" } else { "</code>" });
        shown.push_str(part);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_and_not_read_as_html() {
        assert_eq!(escaped("`a<b` & c"), "<code>a&lt;b</code> &amp; c");
    }
}
