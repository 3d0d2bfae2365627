//! Bodies: bounded in bytes, depth and time.

use super::asking::{Api, Place};
use super::problem::{Kind, Problem};
use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::Deref;
use tokio::time::timeout;

/// The media type of a request's body, without parameters and in lower case; empty when it says none.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses a body that says it is something else than one of these.
pub(super) fn expect_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Problem> {
    let found = media_type(headers);
    if found.is_empty() || allowed.contains(&found.as_str()) {
        return Ok(());
    }
    Err(wrong_type(&found, allowed))
}

pub(super) fn wrong_type(found: &str, allowed: &[&str]) -> Problem {
    let detail = format!("'{found}' is not taken here");
    Problem::new(Kind::CONTENT_TYPE, detail).hint(format!("Content-Type is one of {}", allowed.join(", ")))
}

/// A body, and its room.
struct Whole {
    bytes: Bytes,
    _room: Place,
}

impl Deref for Whole {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body whole. One that does not say how long it is takes the room of the longest.
async fn bytes(api: &Api, body: Body) -> Result<Whole, Problem> {
    let limits = api.limits();
    let said = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    let room = api.body_room(said.unwrap_or(usize::MAX).min(limits.body_bytes))?;
    let read = timeout(limits.time, axum::body::to_bytes(body, limits.body_bytes)).await;
    match read {
        Ok(Ok(bytes)) => Ok(Whole { bytes, _room: room }),
        // It failed, or it is longer: axum does not tell them apart, and for a connection that failed nobody reads this.
        Ok(Err(_)) => {
            let limit = limits.body_bytes as u64;
            Err(Problem::new(Kind::TOO_LARGE, format!("a body has at most {limit} bytes"))
                .hint("write in parts; `body_kib_max` of `[http]` in isle.toml has the limit")
                .limit(limit))
        }
        Err(_) => {
            let seconds = limits.time.as_secs();
            Err(Problem::new(Kind::MALFORMED, format!("the body did not arrive within {seconds} s"))
                .limit(seconds))
        }
    }
}

/// What was read from a body, and how long that was. The body is gone, and its room free: its write may wait for the hub.
pub(super) struct Parsed<T>(pub(super) T, pub(super) usize);

/// Reads a body as something.
pub(super) async fn read<T>(
    api: &Api,
    body: Body,
    parse: impl FnOnce(&[u8]) -> Result<T, Problem>,
) -> Result<Parsed<T>, Problem> {
    let whole = bytes(api, body).await?;
    Ok(Parsed(parse(&whole)?, whole.len()))
}

/// Reads JSON.
pub(super) fn json(api: &Api, bytes: &[u8]) -> Result<Value, Problem> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let limit = api.limits().depth;
    if is_deeper(&value, limit) {
        let detail = format!("the body has more than {limit} objects and arrays within one another");
        return Err(Problem::new(Kind::INVALID, detail).limit(limit as u64));
    }
    Ok(value)
}

/// Reads JSON of a shape.
pub(super) fn shape<T: DeserializeOwned>(api: &Api, bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_value(json(api, bytes)?).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(Kind::MALFORMED, format!("the body cannot be read: {error}"))
}

/// The parser goes 128 deep at most, so that this does too.
fn is_deeper(value: &Value, depth: usize) -> bool {
    let below = |value| depth == 0 || is_deeper(value, depth - 1);
    match value {
        Value::Array(items) => depth == 0 || items.iter().any(below),
        Value::Object(members) => depth == 0 || members.values().any(below),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn depth_counts_objects_and_arrays() {
        for (value, depth) in [(json!(7), 0), (json!({}), 1), (json!([{"a": 1}]), 2), (json!({"a": [[]]}), 3)]
        {
            assert!(!is_deeper(&value, depth), "{value}");
            assert!(depth == 0 || is_deeper(&value, depth - 1), "{value}");
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
