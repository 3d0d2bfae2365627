use super::{item, site_with_a_service};
use serde_json::{Value, json};

#[tokio::test]
async fn documents_are_found_in_pages_and_as_lines() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    for n in 0..30 {
        let body = json!({"on_hand": n, "shelf": if n % 3 == 0 { "A" } else { "B" }});
        let put = service.call("PUT", &item(&format!("{n:02}")), &[], body.to_string()).await;
        assert_eq!(put.status.as_u16(), 200);
    }
    let base = "/v1/spaces/store-1/inventory";
    let found = service
        .get(&format!("{base}?where=/shelf=A&where=/on_hand%3E=9&order=-/on_hand&limit=3&explain=true"))
        .await;
    let page = found.json();
    let keys = |page: &Value| -> Vec<String> {
        page["documents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&page), ["27", "24", "21"], "{page}");
    assert!(page["explain"]["plan"].is_string() && page["next"].is_string());
    let next = page["next"].as_str().unwrap();
    let page = service
        .get(&format!("{base}?where=/shelf=A&where=/on_hand%3E=9&order=-/on_hand&limit=3&after={next}"))
        .await
        .json();
    assert_eq!(keys(&page), ["18", "15", "12"]);
    let explained = format!("{base}?limit=1&explain=true");
    let explained = service.call("GET", &explained, &[("accept", "application/x-ndjson")], "").await;
    let last = explained.body.split(|byte| *byte == b'\n').nth(1).unwrap();
    let last: Value = serde_json::from_slice(last).unwrap();
    assert!(last["end"]["explain"]["plan"].is_string(), "{last}");
    let lines = service
        .call("GET", &format!("{base}?select=/shelf"), &[("accept", "application/x-ndjson")], "")
        .await;
    let lines: Vec<Value> = lines
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 31);
    assert_eq!(lines[0], json!({"key": "00", "value": {"shelf": "A"}}));
    assert_eq!(lines[30], json!({"end": {"next": null, "is_behind": false}}));
    service.call("PUT", &item("b%2Fc%25"), &[], r#"{"on_hand": 1}"#).await;
    let prefixed = service.get(&format!("{base}?prefix=b/")).await.json();
    assert_eq!(keys(&prefixed), ["b/c%"], "as it is, for a transaction or another path");
    for wrong in ["where=shelf", "limit=0", "limit=many", "after=5", "colour=red"] {
        let refused = service.get(&format!("{base}?{wrong}")).await;
        assert!(refused.status.is_client_error(), "{wrong}: {refused:?}");
    }
}

/// A condition or an option that is misspelt, or sent where there is none, is never passed over.
#[tokio::test]
async fn no_operation_passes_over_a_parameter_that_it_does_not_know() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let description = service.get("/openapi.json").await.json();
    let mut operations = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        let path =
            path.replace("{space}", "store-1").replace("{collection}", "inventory").replace("{key}", "milk");
        for (method, operation) in methods.as_object().unwrap() {
            let types = operation.pointer("/requestBody/content").and_then(Value::as_object);
            let kind =
                types.and_then(|types| types.keys().next()).map(|kind| ("content-type", kind.as_str()));
            let headers: Vec<_> = kind.into_iter().collect();
            let body = if headers.is_empty() { "" } else { "{}" };
            let asked = format!("{path}?colour=red");
            let answer = service.call(&method.to_uppercase(), &asked, &headers, body).await;
            assert_eq!(answer.status.as_u16(), 400, "{method} {path}: {answer:?}");
            assert!(
                answer.json()["detail"].as_str().unwrap().contains("'colour'"),
                "{method} {path}: {answer:?}"
            );
            operations += 1;
        }
    }
    assert!(operations >= 13, "{operations}");
}

#[tokio::test]
async fn the_description_has_every_resource_and_the_page_shows_it() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let described = service.get("/openapi.json").await.json();
    assert_eq!(described["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() >= 8, "{:?}", paths.keys());
    let page = String::from_utf8(service.get("/docs").await.body.to_vec()).unwrap();
    for path in paths.keys() {
        assert!(page.contains(path.as_str()), "{path}");
    }
    assert!(page.contains("urn:isle:problem:condition-failed") && !page.contains("src=\"http"));
    let status = service.get("/v1/status").await.json();
    assert_eq!(status["name"], "store-1");
    assert_eq!(service.get("/v1/schemas").await.json()["schemas"][0]["collection"], "basket");
    let schema = service.get("/v1/schemas/inventory").await;
    assert_eq!(
        (schema.header("content-type").as_str(), &schema.json()["title"]),
        ("application/schema+json", &json!("inventory"))
    );
    assert_eq!(service.get("/v1/schemas/free").await.problem(), "not-found");
    assert_eq!(service.get("/v1/schemas/%FF").await.problem(), "malformed");
}
