//! What no replica sends, and whoever listens at its address may: it is an error, and never more.

use crate::call::{Answer, Call};
use crate::history::{Conflicts, HistoryPage};
use crate::written::Written;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{ETAG, HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Names of members of answers.
const NAMES: [&str; 26] = [
    "event",
    "cursor",
    "document",
    "documents",
    "changes",
    "address",
    "heads",
    "value",
    "values",
    "stamp",
    "origin",
    "sequence",
    "ack",
    "conflicts",
    "key",
    "explain",
    "plan",
    "examined",
    "type",
    "status",
    "violations",
    "limit",
    "next",
    "hash",
    "wall_ms",
    "patch",
];

/// JSON that looks like an answer, more or less.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["reset", "document", "synced", "changed", "local", "hub"])
            .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let name =
            prop_oneof![4 => prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 1 => ".{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// It, as an answer.
pub(crate) fn answer(value: &Value) -> Answer {
    Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from(value.to_string()) }
}

proptest! {
    #[test]
    fn an_answer_of_whatever_it_is_is_read_or_an_error(value in json(), status in 100_u16..600) {
        let mut answer = answer(&value);
        let _ = answer.clone().written(&Call::get("/".to_owned()));
        let _ = answer.value::<Written>();
        let _ = answer.value::<HistoryPage>();
        let _ = answer.value::<Conflicts>();
        answer.status = StatusCode::from_u16(status).unwrap();
        let problem = answer.problem();
        let _ = (problem.to_string(), problem.kind().len());
        let _ = answer.done();
    }

    #[test]
    fn bytes_of_whatever_they_are_are_read_or_an_error(
        body in prop::collection::vec(any::<u8>(), 0..200),
        tag in prop::collection::vec(32_u8.., 0..40),
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(tag) = HeaderValue::from_bytes(&tag) {
            headers.insert(ETAG, tag);
        }
        let answer = Answer { status: StatusCode::OK, headers, body: Bytes::from(body) };
        let _ = (answer.heads(), answer.problem());
        let _ = answer.value::<Value>();
    }
}
