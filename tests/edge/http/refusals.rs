//! What is refused is told with what to do about it, and means the same wherever it is asked.

use super::{MERGE, OPERATIONS, item, site_with_a_service};
use serde_json::{Value, json};
use tests::http::{Answer, HttpClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const INVENTORY: &str = "/v1/spaces/store-1/inventory";
const TRANSACTIONS: &str = "/v1/spaces/store-1/transactions";
const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

/// That it is a problem of a kind, and says what to do, which is not what it says already.
fn is_told(answer: &Answer, kind: &str) -> Value {
    let problem = answer.json();
    assert_eq!(answer.problem(), kind, "{answer:?}");
    let (detail, hint) = (problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap());
    assert!(!hint.is_empty() && !detail.contains(hint) && !hint.contains(detail), "{detail}: {hint}");
    problem
}

#[tokio::test]
async fn conditions_that_cannot_be_read_are_refused_of_what_is_not_there_too() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    for key in ["milk", "bread"] {
        for name in ["if-match", "if-none-match"] {
            is_told(&service.call("GET", &item(key), &[(name, "garbage")], "").await, "malformed");
        }
    }
}

#[tokio::test]
async fn numbers_of_what_is_shown_have_a_limit_that_is_said() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    let history = format!("{}/history", item("milk"));
    for limit in ["0", "1001"] {
        for path in [&history, INVENTORY] {
            let refused = is_told(&service.get(&format!("{path}?limit={limit}")).await, "invalid");
            assert_eq!(refused["limit"], 1_000);
        }
    }
    for (name, given, most) in
        [("where", "where=/a&".repeat(17), 16), ("select", "select=/a&".repeat(65), 64)]
    {
        let refused = is_told(&service.get(&format!("{INVENTORY}?{given}")).await, "invalid");
        assert_eq!(refused["limit"], most);
        assert!(refused["detail"].as_str().unwrap().contains(&format!("'{name}'")), "{refused}");
    }
    let (long, deep) = ("k".repeat(257), "/a".repeat(33));
    for (path, limit) in [
        (item(&long), 256),
        (format!("{INVENTORY}?order={deep}"), 32),
        (format!("{INVENTORY}?select=/{}", "a".repeat(1_025)), 1_024),
    ] {
        assert_eq!(is_told(&service.get(&path).await, "malformed")["limit"], limit, "{path}");
    }
    for (name, value, limit) in [
        ("idempotency-key", "k".repeat(65), 64),
        ("prefer", "ack=hub; wait=301".to_owned(), 300),
        ("isle-message", "m".repeat(513), 512),
    ] {
        let refused = service.call("PATCH", &item("milk"), &[MERGE, (name, &value)], "{}").await;
        assert_eq!(is_told(&refused, "malformed")["limit"], limit, "{name}");
    }
}

#[tokio::test]
async fn queries_that_mean_nothing_are_refused() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    for query in [
        "where=/price%3E%3E3",
        "where=/price%3C",
        "where=/price%3C%3E4",
        "where=/price==5",
        "order=/a,/b",
        "select=/a,/b",
    ] {
        is_told(&service.get(&format!("{INVENTORY}?{query}")).await, "malformed");
    }
    let refused = service.get(&format!("{INVENTORY}?select=/a,/b")).await;
    assert!(refused.json()["hint"].as_str().unwrap().contains("several times"), "{refused:?}");
    let quoted = service.get(&format!("{INVENTORY}?where=/name=%22%22&select=/a,&order=/b,")).await;
    assert_eq!(quoted.status.as_u16(), 200, "{quoted:?}");
}

#[tokio::test]
async fn broken_percent_encoding_is_refused() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    for path in [
        item("%zz"),
        item("%ff"),
        item("100%"),
        format!("{INVENTORY}?prefix=%zz"),
        format!("{INVENTORY}?prefix=%ff"),
        format!("{INVENTORY}?prefix=%"),
        format!("{INVENTORY}?pre%zzfix=a"),
    ] {
        is_told(&service.get(&path).await, "malformed");
    }
    let read = service.get(&format!("{INVENTORY}?prefix=a+b%2B%C3%BC&&")).await;
    assert_eq!(read.status.as_u16(), 200, "{read:?}");
}

/// What came back from a request with these header lines.
async fn sent(site: &tests::process::Process, lines: &str) -> String {
    let mut stream = UnixStream::connect(site.data.join("http.sock")).await.unwrap();
    let body = r#"{"on_hand": 1}"#;
    let head = format!("PUT {} HTTP/1.1\r\nhost: site\r\nconnection: close\r\n", item("milk"));
    let request = format!("{head}content-length: {}\r\n{lines}\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_header_that_is_there_twice_is_refused() {
    let (_fleet, site, _) = site_with_a_service().await;
    for (name, value) in [
        ("Idempotency-Key", "k"),
        ("Authorization", "Bearer x"),
        ("Content-Type", "application/json"),
        ("Isle-Message", "counted"),
        ("Isle-Author", "till-3"),
    ] {
        let line = format!("{name}: {value}\r\n");
        let answer = sent(&site, &line.repeat(2)).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("is there twice"), "{name}: {answer}");
    }
    // A list may be written on several lines (RFC 9110, 5.3).
    let answer = sent(&site, "If-Match: \"a\"\r\nIf-Match: \"b\"\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 412 "), "{answer}");
}

#[tokio::test]
async fn a_key_in_quotes_counts_as_without() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let sale = r#"[{"op": "increment", "field": "/on_hand", "by": -1}]"#;
    for key in ["k1", "\"k1\"", "k1"] {
        let sold = service.call("PATCH", &item("milk"), &[OPERATIONS, ("idempotency-key", key)], sale).await;
        assert_eq!(sold.status.as_u16(), 200, "{sold:?}");
    }
    assert_eq!(service.get(&item("milk")).await.json()["on_hand"], -1);
}

#[tokio::test]
async fn problems_say_what_to_do_in_the_words_of_the_api() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    let head = "5f".repeat(32);
    let (tag, history) = (format!("\"{head}\""), format!("{}/history", item("milk")));
    let conflicts = format!("{}/conflicts", item("milk"));
    let none: &[(&str, &str)] = &[];
    for (method, path, headers, body, kind) in [
        ("GET", item("bread").as_str(), none, "", "not-found"),
        ("GET", "/v1/schemas/moon", none, "", "not-found"),
        ("GET", "/nothing", none, "", "not-found"),
        ("POST", &item("milk"), none, "", "method-not-allowed"),
        ("GET", "/v1/spaces/moon/a/b", none, "", "unknown-space"),
        ("GET", "/v1/spaces/MOON/a/b", none, "", "malformed"),
        ("GET", &item("milk"), &[("if-match", &tag)], "", "condition-failed"),
        ("PUT", &item("milk"), &[("if-match", &tag)], "{}", "condition-failed"),
        ("PUT", &item("milk"), &[("if-match", &tag), ("if-none-match", "*")], "{}", "malformed"),
        ("PUT", &item("milk"), &[("idempotency-key", "")], "{}", "malformed"),
        ("GET", &format!("{history}?before=5f"), none, "", "invalid"),
        ("GET", &format!("{history}?before={head}"), none, "", "invalid"),
        ("GET", &format!("{history}?limit=many"), none, "", "malformed"),
        ("GET", &format!("{INVENTORY}?after=5f"), none, "", "invalid"),
        ("GET", &format!("{INVENTORY}?limit=1&limit=1"), none, "", "malformed"),
        ("GET", &format!("{INVENTORY}?moon=1"), none, "", "malformed"),
        ("GET", "/v1/watch", none, "", "malformed"),
        ("GET", "/v1/watch?space=store-1&prefix=a", none, "", "malformed"),
        ("GET", "/v1/watch?space=store-1&after=5f", none, "", "invalid"),
        ("GET", "/v1/watch?space=store-1", &[("upgrade", "websocket")], "", "malformed"),
        ("GET", &item("milk"), &[("authorization", "Bearer x")], "", "unauthorized"),
        ("GET", &item("milk"), &[("authorization", "Basic x")], "", "unauthorized"),
        ("POST", &conflicts, none, r#"{"field": "/a"}"#, "invalid"),
        ("POST", &conflicts, none, r#"{"field": "a", "value": 1}"#, "invalid"),
        ("POST", &conflicts, none, r#"{"field": "/a", "hash": "5f"}"#, "invalid"),
        ("PUT", &item("milk"), none, "7", "invalid"),
        ("PATCH", &item("milk"), &[MERGE], "7", "invalid"),
        ("PATCH", &item("milk"), &[JSON_PATCH], r#"[{"op": "remove", "path": "/moon"}]"#, "invalid"),
        (
            "PATCH",
            &item("milk"),
            &[OPERATIONS],
            r#"[{"op": "spend", "field": "/on_hand", "by": 1}]"#,
            "invalid",
        ),
    ] {
        let problem = is_told(&service.call(method, path, headers, body).await, kind);
        let said = problem.to_string();
        assert!(!said.contains("isle doc") && !said.contains("'fields'"), "{said}");
    }
}

#[tokio::test]
async fn a_patch_that_is_no_object_is_told_so_before_all_else() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let sale = r#"[{"op": "increment", "field": "/on_hand", "by": -1}]"#;
    service.call("PATCH", &item("milk"), &[OPERATIONS], sale).await;
    for body in ["7", "[]", "null"] {
        let refused = is_told(&service.call("PATCH", &item("milk"), &[MERGE], body).await, "invalid");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with("a document is a JSON object, not "), "{detail}");
    }
    let before = service.get(&format!("{}?at=1", item("milk"))).await;
    let detail = before.json()["detail"].as_str().unwrap().to_owned();
    assert!(before.problem() == "not-found" && detail.ends_with("at that time"), "{before:?}");
}

fn counted(field: &str, by: impl Into<Value>) -> Value {
    json!({"op": "increment", "field": field, "by": by.into()})
}

/// An element of what is no set.
fn misfit() -> Value {
    json!({"op": "add", "field": "/shelf", "element": 1})
}

async fn is_told_at(
    service: &mut HttpClient,
    request: (&str, &str, (&str, &str)),
    body: Value,
    pointer: &str,
) {
    let (method, path, header) = request;
    let refused = service.call(method, path, &[header], body.to_string()).await;
    let problem = refused.json();
    assert!(problem["hint"].is_string(), "{refused:?}");
    assert_eq!(problem["pointer"], pointer, "{body}: {refused:?}");
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_its_operation() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1, "shelf": "A"}"#).await;
    let (path, fits, copy) =
        (item("milk"), counted("/on_hand", 1), json!({"op": "copy", "from": "/moon", "path": "/a"}));
    let (removed, test) =
        (json!({"op": "remove", "path": "/moon"}), json!({"op": "test", "path": "/on_hand", "value": 7}));
    for (kind, body, pointer) in [
        (OPERATIONS, json!([counted("/on_hand", "2")]), "/0/by"),
        (OPERATIONS, json!([fits, counted("on_hand", 2)]), "/1/field"),
        (OPERATIONS, json!([fits, misfit()]), "/1"),
        (OPERATIONS, json!([misfit()]), "/0"),
        (OPERATIONS, json!([{"op": "delete", "moon": 1}]), "/0/moon"),
        (JSON_PATCH, json!([{"op": "remove", "path": "/shelf"}, removed]), "/1/path"),
        (JSON_PATCH, json!([copy]), "/0/from"),
        (JSON_PATCH, json!([test]), "/0/value"),
        (JSON_PATCH, json!([{"op": "replace", "path": 5, "value": 1}]), "/0/path"),
    ] {
        is_told_at(&mut service, ("PATCH", &path, kind), body, pointer).await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_its_write() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let write = |key: &str, operations: Value| json!({"collection": "inventory", "key": key, "operations": operations});
    let fits = json!([counted("/on_hand", 1)]);
    let conditional = |condition: &str| json!({"collection": "inventory", "key": "b", "operations": fits, "if_match": condition});
    for (writes, pointer) in [
        (json!([write("a", fits.clone()), write("b", json!([fits[0], misfit()]))]), "/writes/1/operations/1"),
        (json!([write("a", json!([misfit()])), write("b", fits.clone())]), "/writes/0/operations/0"),
        (json!([write("a", fits.clone()), write("a", fits.clone())]), "/writes/1"),
        (json!([write("a", fits.clone()), conditional("garbage")]), "/writes/1/if_match"),
        (json!([write("a", fits.clone()), conditional("*")]), "/writes/1"),
        (json!([write("a", json!([counted("/on_hand", "2")]))]), "/writes/0/operations/0/by"),
    ] {
        let request = ("POST", TRANSACTIONS, ("content-type", "application/json"));
        is_told_at(&mut service, request, json!({"writes": writes}), pointer).await;
    }
}

/// A schema says what a field is; the place of what breaks it is that of the field.
#[tokio::test]
async fn a_field_of_a_put_or_merge_patch_is_its_place() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    for (method, headers) in [("PUT", vec![]), ("PATCH", vec![MERGE])] {
        let refused = service.call(method, &item("milk"), &headers, r#"{"on_hand": "many"}"#).await;
        let problem = is_told(&refused, "invalid");
        assert_eq!(problem["pointer"], "/on_hand", "{refused:?}");
    }
}
