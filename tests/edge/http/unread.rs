//! What a service is told of a document that it writes and may not read.

use super::callers::{address, isle};
use super::{MERGE, OPERATIONS, item};
use serde_json::{Value, json};
use tests::http::{Answer, HttpClient};
use tests::process::{Fleet, Process, site_config};

const TRANSACTIONS: &str = "/v1/spaces/store-1/transactions";

/// What is there, and in no answer.
const SECRETS: [&str; 4] = ["4711", "6083", "A-17", "paid"];

/// A site whose documents the owner wrote.
async fn site() -> (Fleet, Process) {
    let fleet = Fleet::new();
    let site = fleet
        .start("store-1", &(site_config("store-1", "127.0.0.1:1") + "[http]\nlisten = \"127.0.0.1:0\"\n"));
    let mut owner = HttpClient::of(&site).await;
    let documents = [
        ("inventory/milk", json!({"on_hand": 4711, "sellable": 6083, "shelf": "A-17"})),
        (
            "basket/1",
            json!({"till": "A-17", "state": "paid", "totals": {"units": 1, "sum": 4711}, "closed_ms": 6083}),
        ),
        ("note/1", json!({"body": "x".repeat(4711)})),
    ];
    for (path, value) in documents {
        let put = owner.call("PUT", &format!("/v1/spaces/store-1/{path}"), &[], value.to_string()).await;
        assert_eq!(put.status.as_u16(), 200, "{put:?}");
    }
    (fleet, site)
}

/// A service with these rights, and how it shows them.
async fn service(site: &Process, rights: &str) -> (HttpClient, String) {
    let create = ["token", "create", "scanner", "--space", "store-1", "--rights", rights];
    let token = format!("Bearer {}", isle(site, &create));
    (HttpClient::at(address(site)).await, token)
}

/// Nothing of the answer tells of what is there, or where it stands in its history.
fn tells_nothing(answer: &Answer) {
    let body = String::from_utf8_lossy(&answer.body);
    assert!(SECRETS.iter().all(|secret| !body.contains(secret)), "{body}");
    assert!(answer.header("etag").is_empty(), "{answer:?}");
    let told = answer.json();
    let members = ["ack", "type", "title", "status", "detail", "hint", "document", "field", "pointer"];
    assert!(told.as_object().unwrap().keys().all(|name| members.contains(&name.as_str())), "{told}");
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_a_document_that_its_writer_may_not_read() {
    let (_fleet, site) = site().await;
    let (mut service, token) = service(&site, "write").await;
    let shown = ("authorization", token.as_str());
    let stale = "\"".to_owned() + &"5f".repeat(32) + "\"";
    let condition = ("if-match", stale.as_str());
    let absent = ("if-none-match", "*");
    let basket = "/v1/spaces/store-1/basket/1";
    let refusals = [
        (item("milk"), MERGE, r#"{"on_hand": "many"}"#.to_owned(), None, "invalid", json!("/on_hand")),
        (item("milk"), MERGE, "{}".to_owned(), Some(condition), "condition-failed", Value::Null),
        (item("milk"), MERGE, "{}".to_owned(), Some(absent), "condition-failed", Value::Null),
        (
            item("milk"),
            OPERATIONS,
            operation("spend", "/sellable", 9_000),
            None,
            "not-enough",
            json!("/sellable"),
        ),
        (
            item("milk"),
            OPERATIONS,
            operation("increment", "/on_hand", i64::MAX),
            None,
            "invalid",
            json!("/on_hand"),
        ),
        (
            basket.to_owned(),
            MERGE,
            r#"{"totals": {"units": 2, "sum": 2}}"#.to_owned(),
            None,
            "invalid",
            Value::Null,
        ),
        (basket.to_owned(), MERGE, r#"{"state": "open"}"#.to_owned(), None, "invalid", json!("/state")),
        (
            "/v1/spaces/store-1/note/1".to_owned(),
            OPERATIONS,
            r#"[{"op": "splice", "field": "/body", "index": 9000, "insert": "y"}]"#.to_owned(),
            None,
            "invalid",
            json!("/body"),
        ),
    ];
    for (path, kind, body, condition, problem, field) in refusals {
        let headers: Vec<_> = [shown, kind].into_iter().chain(condition).collect();
        let refused = service.call("PATCH", &path, &headers, body.clone()).await;
        assert_eq!(refused.problem(), problem, "{path} {body}: {refused:?}");
        tells_nothing(&refused);
        assert!(field.is_null() || refused.json()["field"] == field, "{body}: {refused:?}");
    }
}

fn operation(name: &str, field: &str, by: i64) -> String {
    json!([{"op": name, "field": field, "by": by}]).to_string()
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_answered_as_one_that_does() {
    let (_fleet, site) = site().await;
    let (mut service, token) = service(&site, "write").await;
    let shown = ("authorization", token.as_str());
    let mut answers = Vec::new();
    for shelf in ["A-17", "B-1", "B-1"] {
        let patch = json!({"shelf": shelf}).to_string();
        answers.push(service.call("PATCH", &item("milk"), &[shown, MERGE], patch.clone()).await);
        let write = json!({"collection": "inventory", "key": "milk", "operations": [{"op": "merge_patch", "patch": {"shelf": shelf}}]});
        let body = json!({"writes": [write]}).to_string();
        answers.push(service.call("POST", TRANSACTIONS, &[shown], body).await);
    }
    for answer in answers {
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"ack": "local"})));
        tells_nothing(&answer);
    }
}

#[tokio::test]
async fn of_a_transaction_it_is_told_of_the_documents_that_it_reads() {
    let (_fleet, site) = site().await;
    let (mut service, token) = service(&site, "write,inventory=read").await;
    let shown = ("authorization", token.as_str());
    let both = |on_hand: Value, state: &str| {
        json!({"writes": [
            {"collection": "inventory", "key": "milk", "operations": [{"op": "merge_patch", "patch": {"on_hand": on_hand}}]},
            {"collection": "basket", "key": "1", "operations": [{"op": "merge_patch", "patch": {"state": state}}]},
        ]})
        .to_string()
    };
    let hidden = service.call("POST", TRANSACTIONS, &[shown], both(json!(1), "open")).await;
    assert_eq!(hidden.json()["document"], "store-1/basket/1", "{hidden:?}");
    tells_nothing(&hidden);
    let read = service.call("POST", TRANSACTIONS, &[shown], both(json!("many"), "paid")).await;
    let told = read.json();
    assert_eq!((&told["document"], &told["field"]), (&json!("store-1/inventory/milk"), &json!("/on_hand")));
    assert!(told["detail"].as_str().unwrap().contains("on_hand"), "{told}");
    let one = json!({"writes": [{"collection": "inventory", "key": "milk", "operations": [{"op": "merge_patch", "patch": {"on_hand": 7}}]}]});
    let alone = service.call("POST", TRANSACTIONS, &[shown], one.to_string()).await;
    assert!(alone.json()["stamp"].is_object() && !alone.header("etag").is_empty(), "{alone:?}");
}
