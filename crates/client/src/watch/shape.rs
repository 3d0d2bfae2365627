//! Events as the replica sends them, and what they become for a type.

use super::event::{Event, WatchError, Watched, WatchedChange};
use crate::error::Violation;
use crate::written::Stamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::VecDeque;

/// What the replica sends.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum EventShape {
    Reset { cursor: String },
    Document { cursor: String, document: DocumentShape },
    Synced { cursor: String },
    Changed { cursor: String, changes: Vec<ChangeShape> },
}

impl EventShape {
    pub(super) fn cursor(&self) -> &str {
        match self {
            Self::Reset { cursor }
            | Self::Document { cursor, .. }
            | Self::Synced { cursor }
            | Self::Changed { cursor, .. } => cursor,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct DocumentShape {
    address: String,
    heads: Vec<String>,
    value: Value,
    #[serde(default)]
    omitted: bool,
    #[serde(default)]
    violations: Vec<Violation>,
}

#[derive(Deserialize)]
pub(super) struct ChangeShape {
    stamp: Stamp,
    hash: String,
    #[serde(default)]
    wall_ms: Option<i64>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    message: Option<String>,
    document: DocumentShape,
}

/// The event with documents of `T`, before an error for each that does not fit: who goes on after the cursor of an error has
/// been given all that fits. Nothing when none is of the one key that is
/// wanted.
pub(super) fn typed<T: DeserializeOwned>(
    event: EventShape,
    key: Option<&str>,
) -> VecDeque<Result<Event<T>, WatchError>> {
    let is_wanted = |shape: &DocumentShape| key.is_none_or(|key| parts(&shape.address).1 == key);
    let mut shown = VecDeque::new();
    match event {
        EventShape::Reset { cursor } => shown.push_back(Ok(Event::Reset { cursor })),
        EventShape::Synced { cursor } => shown.push_back(Ok(Event::Synced { cursor })),
        EventShape::Document { document, cursor } => {
            if is_wanted(&document) {
                let document = watched(document, &cursor);
                shown.push_back(document.map(|document| Event::Document { cursor, document }));
            }
        }
        EventShape::Changed { changes, cursor } => {
            let (mut fitting, mut unfit) = (Vec::new(), Vec::new());
            for change in changes.into_iter().filter(|change| is_wanted(&change.document)) {
                match watched_change(change, &cursor) {
                    Ok(change) => fitting.push(change),
                    Err(error) => unfit.push(Err(error)),
                }
            }
            if !fitting.is_empty() {
                shown.push_back(Ok(Event::Changed { cursor, changes: fitting }));
            }
            shown.extend(unfit);
        }
    }
    shown
}

fn watched_change<T: DeserializeOwned>(
    shape: ChangeShape,
    cursor: &str,
) -> Result<WatchedChange<T>, WatchError> {
    let ChangeShape { stamp, hash, wall_ms, author, message, document } = shape;
    let document = watched(document, cursor)?;
    Ok(WatchedChange { stamp, hash, wall_ms, author, message, document })
}

fn watched<T: DeserializeOwned>(shape: DocumentShape, cursor: &str) -> Result<Watched<T>, WatchError> {
    let DocumentShape { address, heads, value, omitted, violations } = shape;
    let (collection, key) = parts(&address);
    let value = match value.is_null() {
        true => None,
        false => Some(serde_json::from_value(value).map_err(|error| WatchError::Type {
            document: address.clone(),
            cause: error.to_string(),
            cursor: cursor.to_owned(),
        })?),
    };
    Ok(Watched { collection, key, value, is_omitted: omitted, heads, violations })
}

/// Collection and key of an address.
fn parts(address: &str) -> (String, String) {
    let mut parts = address.splitn(3, '/').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    (next().to_owned(), key_of(next()))
}

/// A key of an address, where `%` is written `%25` and `/` is written `%2F`.
fn key_of(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::json;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_of_whatever_it_is_is_shown_or_an_error(value in json(), key in "[a-z]?") {
            if let Ok(shape) = serde_json::from_value::<EventShape>(value) {
                let _ = shape.cursor();
                let _ = typed::<i64>(shape, Some(key.as_str()).filter(|key| !key.is_empty()));
            }
        }

        #[test]
        fn an_address_of_whatever_it_is_has_a_key(address in ".{0,30}") {
            let _ = parts(&address);
        }
    }

    /// Who takes the cursor of an error and goes on after it loses nothing that fits.
    #[test]
    fn what_fits_of_a_transaction_comes_before_what_does_not() {
        let change = |key: &str, value: Value| {
            serde_json::json!({"stamp": {"origin": "0f", "sequence": 1}, "hash": "5f",
                "document": {"address": format!("store-1/item/{key}"), "heads": [], "value": value}})
        };
        let event = serde_json::json!({"event": "changed", "cursor": "c",
            "changes": [change("a", serde_json::json!("text")), change("b", serde_json::json!(7))]});
        let mut told = typed::<i64>(serde_json::from_value(event).unwrap(), None).into_iter();
        let Some(Ok(Event::Changed { changes, .. })) = told.next() else { panic!("what fits is first") };
        assert_eq!((changes.len(), changes[0].document.value), (1, Some(7)));
        let Some(Err(WatchError::Type { document, cursor, .. })) = told.next() else {
            panic!("the other is told")
        };
        assert_eq!((document.as_str(), cursor.as_str()), ("store-1/item/a", "c"));
        assert!(told.next().is_none());
    }

    #[test]
    fn keys_come_back_as_they_were() {
        assert_eq!(key_of("a%2Fb%25c"), "a/b%c");
        assert_eq!(key_of("plain"), "plain");
    }
}
