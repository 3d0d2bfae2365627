//! Bodies: bounded in bytes, depth and time.

use super::asking::Api;
use super::calling::Caller;
use super::extract::only_text;
use super::listed;
use super::places::{LOOKED_AT_BYTES_MAX, member_at_fault};
use super::problem::{Kind, Problem};
use super::shares::Share;
use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_path_to_error::Segment;
use tokio::time::timeout;

/// The media type of a request's body, without parameters and in lower case; empty when it says none. A body that says that it
/// is in another coding or character set is refused: it would be read as something else.
pub(super) fn media_type(headers: &HeaderMap) -> Result<String, Problem> {
    let mut codings = listed::members(headers, &header::CONTENT_ENCODING);
    if let Some(coding) = codings.find(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let detail = format!("a body in the coding '{coding}' is not read");
        return Err(Problem::new(Kind::CONTENT_TYPE, detail, "send it as it is, without Content-Encoding")
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    let text = only_text(headers, "Content-Type")?.unwrap_or_default();
    let (kind, set) = listed::with_parameter(text, "charset");
    match set.filter(|set| !set.eq_ignore_ascii_case("utf-8")) {
        None => Ok(kind),
        Some(set) => {
            let detail = format!("a body in the character set '{set}' is not read");
            Err(Problem::new(Kind::CONTENT_TYPE, detail, "JSON is UTF-8 (RFC 8259, 8.1)"))
        }
    }
}

/// Refuses a body that says it is something else than one of these.
pub(super) fn expect_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Problem> {
    let found = media_type(headers)?;
    if found.is_empty() || allowed.contains(&found.as_str()) {
        return Ok(());
    }
    Err(wrong_type(&found, allowed))
}

pub(super) fn wrong_type(found: &str, allowed: &[&str]) -> Problem {
    let detail = format!("'{found}' is not taken here");
    Problem::new(Kind::CONTENT_TYPE, detail, format!("Content-Type is one of {}", allowed.join(", ")))
}

/// The room of a body and of what is read from it.
pub(super) struct Room {
    /// What it takes in memory at most, in bytes.
    pub(super) bytes: usize,
    _held: Share,
}

/// What an object with members takes in memory at least: a node of the tree that has them.
const OBJECT_BYTES: usize = 640;

/// What a value takes besides its text.
const VALUE_BYTES: usize = 64;

/// Reads a body whole. It takes room as it comes: what it says of its length keeps nobody else from writing.
async fn bytes(api: &Api, caller: &Caller, body: Body) -> Result<(Vec<u8>, Share), Problem> {
    let limits = api.limits();
    let size = body.size_hint();
    // Who asks whether to send it is told before it is sent.
    if size.lower() > limits.body_bytes as u64 {
        return Err(too_large(limits.body_bytes));
    }
    let mut room = api.body_room(caller);
    let read = timeout(limits.time, frames(body, limits.body_bytes, &mut room)).await;
    let bytes = read.map_err(|_| {
        let seconds = limits.time.as_secs();
        let hint = "send it again; `time_max` of `[http]` in isle.toml has the limit";
        Problem::new(Kind::TOO_SLOW, format!("the body did not arrive within {seconds} s"), hint)
            .limit(seconds)
            .header(header::CONNECTION, HeaderValue::from_static("close"))
    })??;
    Ok((bytes, room))
}

/// What comes of a body, as far as it may be that long and there is room.
async fn frames(mut body: Body, bytes_max: usize, room: &mut Share) -> Result<Vec<u8>, Problem> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let hint =
                "send it again, as long as Content-Length says or in chunks as RFC 9112 (7.1) has them";
            Problem::new(Kind::MALFORMED, "the body broke off, or its chunks are none", hint)
                .header(header::CONNECTION, HeaderValue::from_static("close"))
        })?;
        let Ok(bytes) = frame.into_data() else { continue };
        if read.len() + bytes.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        Api::grow_body_room(room, bytes.len())?;
        read.extend_from_slice(&bytes);
    }
    Ok(read)
}

fn too_large(limit: usize) -> Problem {
    let limit = limit as u64;
    let hint = "write in parts; `body_kib_max` of `[http]` in isle.toml has the limit";
    Problem::new(Kind::TOO_LARGE, format!("a body has at most {limit} bytes"), hint).limit(limit)
}

/// What was read from a body, and its room, which is held until the core's queue has taken it.
pub(super) struct Parsed<T>(pub(super) T, pub(super) Room);

/// Reads a body as something.
pub(super) async fn read<T>(
    api: &Api,
    caller: &Caller,
    body: Body,
    parse: impl FnOnce(&[u8]) -> Result<T, Problem>,
) -> Result<Parsed<T>, Problem> {
    let (bytes, mut room) = bytes(api, caller, body).await?;
    let Shape { objects, values, .. } = Shape::of(&bytes);
    // A megabyte of small objects becomes a hundred.
    let parsed = objects * OBJECT_BYTES + values * VALUE_BYTES;
    let whole = bytes.len() + parsed;
    let bytes_max = api.limits().bodies_bytes;
    if whole > bytes_max {
        // Of each it is said what it counts for, so that the limit, which is in bytes, can be kept.
        let detail = format!(
            "the body has {objects} objects and {values} values: read it takes {whole} bytes, {bytes_max} are allowed"
        );
        let hint = format!(
            "write in parts: an object counts {OBJECT_BYTES} bytes and a value {VALUE_BYTES} besides their text; \
             `bodies_mib_max` of `[http]` in isle.toml has the limit"
        );
        return Err(Problem::new(Kind::TOO_LARGE, detail, hint).limit(bytes_max as u64));
    }
    Api::grow_body_room(&mut room, parsed)?;
    Ok(Parsed(parse(&bytes)?, Room { bytes: whole, _held: room }))
}

/// Reads JSON.
pub(super) fn json(api: &Api, bytes: &[u8]) -> Result<Value, Problem> {
    check_depth(api.limits().depth, bytes)?;
    serde_json::from_slice(bytes).map_err(|error| malformed(&error))
}

/// Reads JSON of a shape.
pub(super) fn shape<T: DeserializeOwned>(api: &Api, bytes: &[u8]) -> Result<T, Problem> {
    check_depth(api.limits().depth, bytes)?;
    let mut read = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut read).map_err(|error| {
        let problem = malformed(error.inner());
        let place = pointer(error.path());
        let member = of_operation(bytes, &place).map(|member| format!("{place}/{member}"));
        let place = member.unwrap_or(place);
        if error.inner().is_data() && !place.is_empty() { problem.pointer(place) } else { problem }
    })?;
    read.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The member of the operation at a place for which it cannot be read.
fn of_operation(bytes: &[u8], place: &str) -> Option<String> {
    if place.is_empty() || bytes.len() > LOOKED_AT_BYTES_MAX {
        return None;
    }
    let body: Value = serde_json::from_slice(bytes).ok()?;
    member_at_fault(body.pointer(place)?).map(escaped)
}

/// A member's name as a JSON Pointer has it.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn malformed(error: &serde_json::Error) -> Problem {
    let hint = "/docs says what the body is, and where it is described for programs";
    Problem::new(Kind::MALFORMED, format!("the body cannot be read: {error}"), hint)
}

/// A place in a body as a JSON Pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    let segments = path.iter().map_while(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(escaped(key)),
        // What is below a name of a kind is not told.
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    segments.fold(String::new(), |pointer, segment| pointer + "/" + &segment)
}

/// Before it is parsed: the parser's own limit is said in its words. What is no JSON has no depth.
fn check_depth(limit: usize, bytes: &[u8]) -> Result<(), Problem> {
    if Shape::of(bytes).depth <= limit {
        return Ok(());
    }
    // What is passed over is not recursed into, however deep.
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| malformed(&error))?;
    let detail = format!("the body has more than {limit} objects and arrays within one another");
    let hint = "nest it less; `depth_max` of `[http]` in isle.toml has the limit";
    Err(Problem::new(Kind::INVALID, detail, hint).limit(limit as u64))
}

/// What a text is made of, where it is JSON.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    /// How many objects and arrays are within one another at most.
    depth: usize,
    objects: usize,
    /// Values of all kinds, about.
    values: usize,
}

impl Shape {
    fn of(bytes: &[u8]) -> Self {
        let (mut depth, mut shape, mut is_text) = (0_usize, Self::default(), false);
        let mut rest = bytes.iter();
        while let Some(byte) = rest.next() {
            match byte {
                b'"' => is_text = !is_text,
                b'\\' if is_text => drop(rest.next()),
                b'{' | b'[' if !is_text => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                    shape.objects += usize::from(*byte == b'{');
                    shape.values += 1;
                }
                b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
                b',' if !is_text => shape.values += 1,
                _ => {}
            }
        }
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_objects_and_arrays() {
        for (text, expected) in [
            ("7", 0),
            ("{}", 1),
            (r#"[{"a": 1}, [], {}]"#, 2),
            (r#"{"a": [[]], "b": {}}"#, 3),
            (r#"{"[{\"[": "}{[\\"}"#, 1),
        ] {
            assert!(serde_json::from_str::<Value>(text).is_ok(), "{text}");
            assert_eq!(Shape::of(text.as_bytes()).depth, expected, "{text}");
        }
    }

    #[test]
    fn objects_and_values_are_counted_outside_of_texts() {
        let text = br#"{"a,{": [1, 2, {"b": "},{"}], "c": {}}"#;
        assert_eq!(Shape::of(text), Shape { depth: 3, objects: 3, values: 7 });
    }

    #[test]
    fn only_json_is_too_deep() {
        let kind = |text: String| {
            let problem = check_depth(4, text.as_bytes()).unwrap_err();
            serde_json::to_value(problem).unwrap()["type"].clone()
        };
        assert!(check_depth(4, b"[[[[]]]]").is_ok());
        for deep in [5, 100_000] {
            assert_eq!(kind("[".repeat(deep) + &"]".repeat(deep)), "urn:isle:problem:invalid");
            assert_eq!(kind("[".repeat(deep)), "urn:isle:problem:malformed");
            assert_eq!(kind("{".repeat(deep) + &"}".repeat(deep)), "urn:isle:problem:malformed");
        }
    }

    #[test]
    fn what_is_in_another_coding_is_not_read() {
        let with = |name: header::HeaderName, value: &str| {
            let mut headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("2"));
            headers
        };
        for (name, value) in [
            (header::CONTENT_ENCODING, "gzip"),
            (header::CONTENT_ENCODING, "identity, br"),
            (header::CONTENT_TYPE, "application/json; charset=iso-8859-1"),
            (header::CONTENT_TYPE, "application/json; Charset=\"UTF-16\""),
        ] {
            let refused = expect_type(&with(name, value), &["application/json"]).unwrap_err();
            assert_eq!(serde_json::to_value(refused).unwrap()["status"], 415, "{value}");
        }
        for (name, value) in [
            (header::CONTENT_ENCODING, "Identity"),
            (header::CONTENT_TYPE, "application/json; charset=\"utf-8\"; charset=x"),
        ] {
            assert!(expect_type(&with(name, value), &["application/json"]).is_ok(), "{value}");
        }
    }

    #[test]
    fn parameters_of_a_media_type_do_not_count() {
        let mut headers = HeaderMap::new();
        assert!(expect_type(&headers, &["application/json"]).is_ok());
        headers.insert(header::CONTENT_TYPE, "Application/JSON; charset=utf-8".parse().unwrap());
        assert!(expect_type(&headers, &["application/json"]).is_ok());
        assert!(expect_type(&headers, &["application/merge-patch+json"]).is_err());
    }
}
