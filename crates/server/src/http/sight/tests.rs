use super::*;
use crate::local::Violation;
use serde_json::json;
use std::num::NonZeroU32;

fn named(operations: &Value) -> Named {
    Named::by(&serde_json::from_value::<Vec<Operation>>(operations.clone()).unwrap(), NAMED_BYTES_MAX)
}

fn unread(documents: &[(&str, Value)]) -> Sight {
    let unread = |(address, operations): &(&str, Value)| Unread {
        address: (*address).to_owned(),
        named: named(operations),
    };
    Sight { unread: documents.iter().map(unread).collect() }
}

const KINDS: [RefusalKind; 16] = [
    RefusalKind::Malformed,
    RefusalKind::TooLong,
    RefusalKind::UnknownSpace,
    RefusalKind::ReadOnly,
    RefusalKind::Invalid,
    RefusalKind::ConditionFailed,
    RefusalKind::NotEnough,
    RefusalKind::Blocked,
    RefusalKind::Damaged,
    RefusalKind::KeyReused,
    RefusalKind::DiskFull,
    RefusalKind::Behind,
    RefusalKind::Backup,
    RefusalKind::Unavailable,
    RefusalKind::UnknownOutcome,
    RefusalKind::Other,
];

fn secret(kind: RefusalKind) -> Refusal {
    let violation = |field: &str| Violation {
        field: field.to_owned(),
        rule: "/properties/secret/maximum".to_owned(),
        message: "secret".to_owned(),
    };
    Refusal {
        field: Some("/secret".into()),
        violations: [violation("/secret"), violation("/shelf")].into(),
        limit: NonZeroU32::new(17),
        ..Refusal::new(kind, "secret 17").hinted("secret holders")
    }
}

#[test]
fn nothing_is_left_of_a_refusal_that_tells_of_an_unread_document() {
    let sight = unread(&[("s/c/k", json!([{"op": "put", "value": {"shelf": "A"}}]))]);
    for kind in KINDS {
        let told = sight.refusal(secret(kind));
        assert_eq!(told.kind, kind);
        if fixed(kind).is_none() {
            assert_eq!(told, secret(kind), "it is of the request or the replica");
            continue;
        }
        assert!(!serde_json::to_string(&told).unwrap().contains("secret"), "{told:?}");
        assert_eq!((told.field.as_deref(), told.violations.len(), told.limit), (Some("/shelf"), 0, None));
        assert_eq!(Sight { unread: Vec::new() }.refusal(secret(kind)), secret(kind), "who reads is told all");
    }
}

#[test]
fn of_several_documents_those_that_are_read_are_told_of() {
    let shelf = json!([{"op": "clear", "field": "/shelf"}]);
    let sight = unread(&[("s/c/hidden", shelf.clone()), ("s/c/other", json!([]))]);
    let refused = |document: Option<&str>| {
        let refusal = Refusal { document: document.map(Into::into), ..secret(RefusalKind::Invalid) };
        (sight.refusal(refusal.clone()), refusal)
    };
    let (told, whole) = refused(Some("s/c/seen"));
    assert_eq!(told, whole);
    for (document, field) in
        [(Some("s/c/hidden"), Some("/shelf")), (Some("s/c/other"), None), (None, Some("/shelf"))]
    {
        let (told, _) = refused(document);
        assert_eq!((told.document.as_deref(), told.field.as_deref()), (document, field));
        assert_eq!(told.message, "the write does not fit");
    }
}

#[test]
fn fields_are_named_as_they_were_sent() {
    let operations = json!([
        {"op": "merge_patch", "patch": {"a": {"b/c": [1, {"d": null}]}}},
        {"op": "patch", "patch": [
            {"op": "add", "path": "/e", "value": {"~": 1}},
            {"op": "move", "from": "/f", "path": "/g"},
        ]},
        {"op": "increment", "field": "/h/i", "by": 1},
        {"op": "settle", "field": "/j", "value": {"k": 1}},
        {"op": "delete"},
    ]);
    let named = named(&operations);
    for field in ["/a", "/a/b~1c", "/a/b~1c/0", "/a/b~1c/1/d", "/e", "/e/~0", "/f", "/g", "/h/i", "/j/k"] {
        assert!(named.has(field), "{field}");
    }
    for field in ["", "/", "/h", "/b~1c", "/d", "/a/b~1c/2"] {
        assert!(!named.has(field), "{field}");
    }
}

#[test]
fn what_is_kept_of_a_long_write_is_bounded() {
    let members: serde_json::Map<_, _> = (0..20_000).map(|n| (format!("{n:05}"), json!(n))).collect();
    let named = named(&json!([{"op": "put", "value": members}]));
    assert!(named.has("/00000") && !named.has("/19999"));
    assert!(named.fields.iter().map(String::len).sum::<usize>() <= NAMED_BYTES_MAX);
}

/// A name that is long stands before each of many others: they are not put together one by one.
#[test]
fn a_long_name_above_many_costs_no_more_than_it_has() {
    let many: serde_json::Map<_, _> = (0..50_000).map(|n| (n.to_string(), json!(n))).collect();
    for length in [NAMED_BYTES_MAX - 8, 500_000] {
        let named = named(&json!([
            {"op": "put", "value": {"x".repeat(length): many}},
            {"op": "clear", "field": "/late"},
        ]));
        assert_eq!((named.room, named.has("/late")), (0, false));
        assert!(named.fields.len() <= 8, "{}", named.fields.len());
    }
}
