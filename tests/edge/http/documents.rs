use super::{MERGE, OPERATIONS, item, site_with_a_service};
use serde_json::json;
use tests::eventually_async;
use tests::http::HttpClient;
use tests::process::{DEADLINE, Fleet};

#[tokio::test]
async fn a_document_is_put_read_changed_and_deleted() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let path = item("milk%2F1l");
    assert_eq!(service.get(&path).await.problem(), "not-found");
    let put = service.call("PUT", &path, &[], r#"{"product": "milk", "on_hand": 12}"#).await;
    assert_eq!((put.status.as_u16(), put.json()["ack"].as_str()), (200, Some("local")), "{put:?}");
    let read = service.get(&path).await;
    assert_eq!(read.json(), json!({"product": "milk", "on_hand": 12}));
    assert_eq!(read.header("etag"), put.header("etag"));
    let sold = service.call(
        "PATCH",
        &path,
        &[OPERATIONS],
        r#"[{"op": "increment", "field": "/on_hand", "by": -2}]"#,
    );
    assert_eq!(sold.await.status.as_u16(), 200);
    let said = ("isle-message", "utf-8''f%C3%BCr%20Gr%C3%BC%C3%9Fe");
    let moved = service.call("PATCH", &path, &[MERGE, said], r#"{"shelf": "A-12"}"#).await;
    assert_eq!(moved.status.as_u16(), 200);
    assert_eq!(service.get(&path).await.json(), json!({"product": "milk", "on_hand": 10, "shelf": "A-12"}));
    let earlier = format!("{path}?at={}", put.header("etag").trim_matches('"'));
    assert_eq!(service.get(&earlier).await.json()["on_hand"], 12);
    let history = service.get(&format!("{path}/history?limit=2")).await.json();
    assert_eq!(history["changes"][0]["patch"], json!([{"op": "add", "path": "/shelf", "value": "A-12"}]));
    assert_eq!(history["changes"][0]["message"], "für Grüße");
    assert_eq!(history["next"], history["changes"][1]["hash"]);
    assert_eq!(service.get(&format!("{path}/conflicts")).await.json(), json!({"conflicts": []}));
    assert_eq!(service.call("DELETE", &path, &[], "").await.status.as_u16(), 200);
    let gone = service.get(&path).await;
    assert_eq!((gone.status.as_u16(), gone.header("etag").is_empty()), (404, false), "a deletion has heads");
}

/// Of what does not fit into one answer the rest is told to be there.
#[tokio::test]
async fn a_long_history_is_told_to_its_end() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let long = "x".repeat(20_000);
    for (key, writes, shelf) in [("short", 300, "A"), ("long", 60, long.as_str())] {
        for n in 0..writes {
            let body = json!({"on_hand": n, "shelf": format!("{shelf}{n}")}).to_string();
            assert_eq!(service.call("PUT", &item(key), &[], body).await.status.as_u16(), 200);
        }
        let (mut told, mut pages, mut next) = (0, 0, String::new());
        loop {
            let page = service.get(&format!("{}/history?limit=1000{next}", item(key))).await.json();
            told += page["changes"].as_array().unwrap().len();
            pages += 1;
            let Some(before) = page["next"].as_str() else { break };
            next = format!("&before={before}");
        }
        assert_eq!(told, writes, "{key}");
        assert!(pages > 1, "{key}");
    }
}

/// Most clients take such steps out of a path. What a command put there can be read and deleted by those that do not.
#[tokio::test]
async fn nothing_is_written_where_no_url_leads() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    for key in [".", "..", "%2e", "%2E%2e"] {
        for (method, headers, body) in [("PUT", &[][..], "{}"), ("PATCH", &[MERGE][..], "{}")] {
            let refused = service.call(method, &item(key), headers, body).await;
            assert_eq!(refused.problem(), "malformed", "{method} {key}: {refused:?}");
            assert!(refused.json()["hint"].as_str().unwrap().contains("another name"), "{refused:?}");
        }
    }
    let write = |operation: &str| {
        format!(r#"{{"writes": [{{"collection": "inventory", "key": "..", "operations": [{operation}]}}]}}"#)
    };
    let transactions = "/v1/spaces/store-1/transactions";
    let refused = service.call("POST", transactions, &[], write(r#"{"op": "put", "value": {}}"#)).await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["pointer"]),
        ("malformed", &"/writes/0/key".into()),
        "{refused:?}"
    );
    for key in [".", ".."] {
        site.add(&format!("store-1/inventory/{key}"), 1, None).await;
        assert_eq!(service.get(&item(key)).await.json()["on_hand"], 1);
    }
    assert_eq!(service.call("DELETE", &item("."), &[], "").await.status.as_u16(), 200);
    assert_eq!(
        service.call("POST", transactions, &[], write(r#"{"op": "delete"}"#)).await.status.as_u16(),
        200
    );
}

/// What the hub has itself is at the hub, also where a write changes nothing.
#[tokio::test]
async fn at_the_hub_a_write_that_changes_nothing_is_at_the_hub() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut service = HttpClient::of(&hub).await;
    for is_new in [true, false] {
        let wait = [("prefer", "ack=hub; wait=5s")];
        let put = service.call("PUT", &item("milk"), &wait, r#"{"on_hand": 1}"#).await.json();
        assert_eq!((&put["ack"], put["stamp"].is_object()), (&"hub".into(), is_new), "{put}");
    }
}

/// Whose condition the headers are of several documents does not say: nothing is written as if there were none.
#[tokio::test]
async fn a_transaction_takes_no_condition_by_header() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let body = json!({"writes": [{"collection": "inventory", "key": "milk",
        "operations": [{"op": "increment", "field": "/on_hand", "by": 1}]}]});
    for (name, member) in [("if-match", "if_match"), ("if-none-match", "if_none_match")] {
        let headers = [("content-type", "application/json"), (name, "*")];
        let answer =
            service.call("POST", "/v1/spaces/store-1/transactions", &headers, body.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "malformed"), "{answer:?}");
        let hint = answer.json()["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains(&format!("`{member}`")), "{hint}");
    }
    assert_eq!(service.get(&item("milk")).await.problem(), "not-found");
}

#[tokio::test]
async fn conditions_are_checked_with_the_write() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let path = item("milk");
    let new = ("if-none-match", "*");
    let first = service.call("PUT", &path, &[new], r#"{"on_hand": 1}"#).await;
    assert_eq!(first.status.as_u16(), 200);
    let again = service.call("PUT", &path, &[new], r#"{"on_hand": 2}"#).await;
    assert_eq!((again.status.as_u16(), again.problem().as_str()), (412, "condition-failed"));
    let tag = first.header("etag");
    let second = service.call("PATCH", &path, &[MERGE, ("if-match", &tag)], r#"{"on_hand": 3}"#).await;
    assert_eq!(second.status.as_u16(), 200);
    let late = service.call("PATCH", &path, &[MERGE, ("if-match", &tag)], r#"{"on_hand": 4}"#).await;
    assert_eq!(late.problem(), "condition-failed");
    assert_eq!(service.get(&path).await.json(), json!({"on_hand": 3}));
    let tag = second.header("etag");
    let known = service.call("GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    assert_eq!(service.call("GET", &path, &[("if-match", &tag)], "").await.status.as_u16(), 200);
    let other = service.call("GET", &path, &[("if-match", &first.header("etag"))], "").await;
    assert_eq!((other.problem().as_str(), other.header("etag")), ("condition-failed", tag.clone()));
    let tested = service
        .call(
            "PATCH",
            &path,
            &[("content-type", "application/json-patch+json")],
            r#"[{"op": "test", "path": "/on_hand", "value": 7}, {"op": "add", "path": "/shelf", "value": "B"}]"#,
        )
        .await;
    assert_eq!(
        (tested.problem().as_str(), &tested.json()["field"]),
        ("condition-failed", &json!("/on_hand"))
    );
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let path = "/v1/spaces/store-1/transactions";
    let moved = json!({"writes": [
        {"collection": "inventory", "key": "back", "operations": [{"op": "put", "value": {"on_hand": 5}}]},
        {"collection": "inventory", "key": "shelf", "operations": [{"op": "increment", "field": "/on_hand", "by": 5}]},
    ]});
    let written = service.call("POST", path, &[], moved.to_string()).await;
    assert_eq!(written.status.as_u16(), 200, "{written:?}");
    let torn = json!({"writes": [
        {"collection": "inventory", "key": "back", "operations": [{"op": "increment", "field": "/on_hand", "by": -5}]},
        {"collection": "inventory", "key": "shelf", "if_none_match": "*", "operations": [{"op": "put", "value": {}}]},
    ]});
    let refused = service.call("POST", path, &[], torn.to_string()).await;
    assert_eq!(refused.problem(), "condition-failed");
    assert_eq!(refused.json()["document"], "store-1/inventory/shelf");
    let misfit = json!({"writes": [
        {"collection": "inventory", "key": "back", "operations": [{"op": "increment", "field": "/on_hand", "by": -5}]},
        {"collection": "inventory", "key": "shelf", "operations": [{"op": "merge_patch", "patch": {"on_hand": "many"}}]},
    ]});
    let refused = service.call("POST", path, &[], misfit.to_string()).await;
    let told = refused.json();
    assert_eq!(refused.problem(), "invalid");
    assert_eq!((&told["document"], &told["field"]), (&json!("store-1/inventory/shelf"), &json!("/on_hand")));
    for key in ["back", "shelf"] {
        assert_eq!(service.get(&item(key)).await.json(), json!({"on_hand": 5}));
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_the_field() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let path = item("milk");
    let put = service.call("PUT", &path, &[], r#"{"on_hand": "many", "sellable": -1}"#).await;
    assert_eq!((put.status.as_u16(), put.header("content-type").as_str()), (422, "application/problem+json"));
    assert_eq!(put.json()["field"], "/on_hand", "{put:?}");
    service.call("PUT", &path, &[], r#"{"on_hand": 1, "sellable": 1}"#).await;
    let spent =
        service.call("PATCH", &path, &[OPERATIONS], r#"[{"op": "spend", "field": "/sellable", "by": 2}]"#);
    let spent = spent.await;
    assert_eq!((spent.status.as_u16(), spent.problem().as_str()), (409, "not-enough"), "{spent:?}");
    assert_eq!(spent.json()["field"], "/sellable");
    for (method, path, problem) in [
        ("GET", "/v1/spaces/moon/inventory/milk", "unknown-space"),
        ("PUT", "/v1/spaces/catalog/product/milk", "read-only"),
        ("GET", "/v1/nothing", "not-found"),
        ("POST", &path, "method-not-allowed"),
        ("GET", &item("milk?when=now"), "malformed"),
    ] {
        assert_eq!(service.call(method, path, &[], "{}").await.problem(), problem, "{method} {path}");
    }
    let typed = service.call("PATCH", &path, &[("content-type", "text/plain")], "{}").await;
    assert_eq!((typed.status.as_u16(), typed.problem().as_str()), (415, "content-type"));
}

#[tokio::test]
async fn a_write_waits_for_the_hub_where_it_says_so() {
    let fleet = Fleet::new();
    let mut hub = fleet.hub();
    let site = fleet.site("store-1", &hub.status().await.address);
    let mut service = HttpClient::of(&site).await;
    let prefer = ("prefer", "ack=hub; wait=30s");
    let put =
        service.call("PUT", &item("milk"), &[prefer, ("isle-author", "till-3")], r#"{"on_hand": 1}"#).await;
    assert_eq!(put.json()["ack"], "hub", "{put:?}");
    let mut at_hub = HttpClient::of(&hub).await;
    assert_eq!(at_hub.get(&item("milk")).await.json(), json!({"on_hand": 1}));
    let history = at_hub.get(&format!("{}/history", item("milk"))).await.json();
    assert_eq!(history["changes"][0]["author"], "till-3");
    hub.kill();
    let prefer = ("prefer", "ack=hub; wait=10ms");
    let put = service.call("PUT", &item("milk"), &[prefer], r#"{"on_hand": 2}"#).await;
    assert_eq!(put.json()["ack"], "local", "it stands, and the answer says how safe it is");
}

#[tokio::test]
async fn a_conflict_is_settled_for_everybody() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut at_hub = HttpClient::of(&hub).await;
    at_hub.call("PUT", &item("milk"), &[], r#"{"on_hand": 1, "shelf": "A"}"#).await;
    // Cut off, the site makes the same document.
    let site = fleet.site("store-1", "127.0.0.1:1");
    HttpClient::of(&site).await.call("PUT", &item("milk"), &[], r#"{"on_hand": 1, "shelf": "B"}"#).await;
    let config = tests::process::site_config("store-1", &hub.status().await.address);
    std::fs::write(site.data.join("isle.toml"), config).unwrap();
    let site = site.restart();
    let mut service = HttpClient::of(&site).await;
    let path = format!("{}/conflicts", item("milk"));
    let mut told = json!(null);
    eventually_async(DEADLINE, "the site has both values", async || {
        told = service.get(&path).await.json();
        told["conflicts"][0]["values"].as_array().is_some_and(|values| values.len() == 2)
    })
    .await;
    let conflict = &told["conflicts"][0];
    assert_eq!(conflict["field"], "/shelf");
    // The one that is shown: a put of it would write nothing.
    let chosen = &conflict["values"][1];
    assert_eq!(chosen["wins"], true);
    for wrong in [
        json!({"field": "/shelf"}),
        json!({"field": "/shelf", "hash": "5f"}),
        json!({"field": "/on_hand", "value": 1}),
    ] {
        let refused = service.call("POST", &path, &[], wrong.to_string()).await;
        assert_eq!(refused.problem(), "invalid", "{wrong}: {refused:?}");
    }
    let whole = json!({"field": "", "value": {}}).to_string();
    let whole = service.call("POST", &path, &[], whole).await.json();
    assert_eq!(whole["pointer"], "/field", "{whole}");
    assert!(whole["detail"].as_str().unwrap().contains("the whole document"), "{whole}");
    assert_eq!(conflict["choosable"], true);
    let settle = json!({"field": "/shelf", "hash": chosen["hash"]}).to_string();
    // Who looked, and settles what somebody has changed since.
    let seen = service.get(&path).await.header("etag");
    assert_eq!(seen, service.get(&item("milk")).await.header("etag"));
    service.call("PATCH", &item("milk"), &[MERGE], r#"{"on_hand": 9}"#).await;
    let late = service.call("POST", &path, &[("if-match", &seen)], settle.clone()).await;
    assert_eq!(late.problem(), "condition-failed", "{late:?}");
    let terms = [("prefer", "ack=hub; wait=30s"), ("idempotency-key", "settle-1")];
    let settled = service.call("POST", &path, &terms, settle.clone()).await.json();
    assert_eq!(settled["ack"], "hub");
    // The answer was lost: it is given again, though the conflict has ended.
    assert_eq!(service.call("POST", &path, &terms, settle.clone()).await.json()["stamp"], settled["stamp"]);
    let ended = service.call("POST", &path, &[], settle).await;
    assert_eq!((ended.problem().as_str(), &ended.json()["field"]), ("invalid", &json!("/shelf")));
    for service in [&mut service, &mut at_hub] {
        assert_eq!(service.get(&path).await.json(), json!({"conflicts": []}));
        assert_eq!(service.get(&item("milk")).await.json()["shelf"], chosen["value"]);
    }
    // Null is a value, which the schema does not take here.
    let settle = json!({"field": "/shelf", "value": null}).to_string();
    let refused = service.call("POST", &path, &[], settle).await;
    assert_eq!(refused.json()["violations"][0]["field"], "/shelf", "{refused:?}");
}
