//! The forms of texts that the description has are those that are taken: what does not fit is refused.

use super::contract::Description;
use super::{MERGE, OPERATIONS, item, site_with_a_service};
use serde_json::{Value, json};
use tests::http::Answer;

const DOCUMENT: &str = "/v1/spaces/{space}/{collection}/{key}";
const COLLECTION: &str = "/v1/spaces/{space}/{collection}";

/// As text of a URL.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A text that fits its description is not refused for its form, any other is.
fn is_held(description: &Description, schema: &Value, text: &str, fits: bool, answer: &Answer) {
    let misfits = description.misfits(schema, &json!(text));
    assert_eq!(misfits.is_empty(), fits, "{text:?} by the description: {misfits:?}");
    let is_refused = ["malformed", "invalid"].contains(&answer.problem().as_str());
    assert_eq!(is_refused, !fits, "{text:?}: {answer:?}");
}

/// The shape of a parameter; of one that may be given several times, of each.
fn parameter(description: &Description, method: &str, path: &str, name: &str) -> Value {
    let parameters = description.0["paths"][path][method]["parameters"].as_array().unwrap();
    let found = parameters.iter().find(|parameter| parameter["name"] == name);
    let schema = &found.unwrap_or_else(|| panic!("{method} {path} has {name}"))["schema"];
    schema.get("items").unwrap_or(schema).clone()
}

#[tokio::test]
async fn parts_of_a_path_are_as_described() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let description = Description::of(&mut service).await;
    let (x64, x256) = ("x".repeat(64), "x".repeat(256));
    let (x65, x257) = ("x".repeat(65), "x".repeat(257));
    for (name, fitting, others) in [
        ("space", vec!["store-1", "moon.x_2", &x64], vec!["Store", "a b", "ä", &x65]),
        ("collection", vec!["inventory", "moon.x_2", &x64], vec!["Inventory", "a/b", "ä", &x65]),
        ("key", vec!["milk", "a/ä %", &x256], vec!["a\u{7}", "a\nb", &x257]),
    ] {
        let schema = parameter(&description, "get", DOCUMENT, name);
        for (text, fits) in
            fitting.iter().map(|text| (text, true)).chain(others.iter().map(|text| (text, false)))
        {
            let [mut space, mut collection, mut key] = ["store-1", "inventory", "milk"].map(str::to_owned);
            match name {
                "space" => space = encoded(text),
                "collection" => collection = encoded(text),
                _ => key = encoded(text),
            }
            let answer = service.get(&format!("/v1/spaces/{space}/{collection}/{key}")).await;
            is_held(&description, &schema, text, fits, &answer);
        }
    }
}

#[tokio::test]
async fn what_a_query_string_says_is_as_described() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let description = Description::of(&mut service).await;
    let put = service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await.json();
    let head = put["heads"][0].as_str().unwrap();
    let (quoted, deep) = (format!("\"{head}\""), "/a".repeat(33));
    let (documents, milk) = ("/v1/spaces/store-1/inventory".to_owned(), item("milk"));
    let history = format!("{milk}/history");
    let of_history = format!("{DOCUMENT}/history");
    for (path, target, name, fitting, others) in [
        (COLLECTION, &documents, "where", vec!["/on_hand<5", "/a~1b", "/a=b"], vec!["", "on_hand<5"]),
        (
            COLLECTION,
            &documents,
            "order",
            vec!["", "-", "/a", "-/a~0"],
            vec!["a", "--/a", "/~2", "/a,/b", &deep],
        ),
        (
            COLLECTION,
            &documents,
            "select",
            vec!["/a", "/", "/a/b~1c", "/a,", "/,b/c"],
            vec!["", "a", "/~", "/a,/b", &deep],
        ),
        (
            DOCUMENT,
            &milk,
            "at",
            vec![head, &quoted, "-5", "1700000000000", "2026-11-26T12:00:00Z", "2026-11-26t12:00:00.5+01:00"],
            vec!["", "yesterday", "5f", "2026-11-26", "1.5"],
        ),
        (of_history.as_str(), &history, "before", vec![head], vec!["", "5f", "yesterday"]),
    ] {
        let schema = parameter(&description, "get", path, name);
        for (text, fits) in
            fitting.iter().map(|text| (text, true)).chain(others.iter().map(|text| (text, false)))
        {
            let answer = service.get(&format!("{target}?{name}={}", encoded(text))).await;
            is_held(&description, &schema, text, fits, &answer);
        }
    }
}

#[tokio::test]
async fn headers_are_as_described() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let description = Description::of(&mut service).await;
    let (k64, k65) = ("k".repeat(64), "k".repeat(65));
    let quoted = format!("\"{k64}\"");
    let (m512, m513) = ("m".repeat(512), "m".repeat(513));
    let tags = ["*", "\"a\"", "\"\"", "W/\"a,b\" , \"c\""];
    let no_tags = ["a", "\"a b\"", "*, \"a\"", "\"a\" \"b\""];
    for (method, name, fitting, others) in [
        ("patch", "If-Match", tags.to_vec(), no_tags.to_vec()),
        ("patch", "If-None-Match", vec!["*"], vec!["\"a\"", "a", "**"]),
        (
            "patch",
            "Idempotency-Key",
            vec!["a", "a b", "\"a\"", "\"", "\"a", &k64, &quoted],
            vec!["", "\"\"", &k65],
        ),
        ("patch", "Isle-Author", vec!["", "till-3", &k64], vec![&k65, "a\tb"]),
        ("patch", "Isle-Message", vec!["", "counted", &m512], vec![&m513, "a\tb"]),
        ("get", "If-Match", tags.to_vec(), no_tags.to_vec()),
        ("get", "If-None-Match", tags.to_vec(), no_tags.to_vec()),
    ] {
        let schema = parameter(&description, method, DOCUMENT, name);
        for (text, fits) in
            fitting.iter().map(|text| (text, true)).chain(others.iter().map(|text| (text, false)))
        {
            // Each another change: what changes nothing has no message.
            let body = json!({"shelf": text}).to_string();
            let answer =
                service.call(&method.to_uppercase(), &item("milk"), &[MERGE, (name, text)], body).await;
            is_held(&description, &schema, text, fits, &answer);
        }
    }
}

#[tokio::test]
async fn what_a_body_says_is_as_described() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let description = Description::of(&mut service).await;
    let shapes = &description.0["components"]["schemas"];
    let kinds = shapes["TypedOperation"]["oneOf"].as_array().unwrap();
    let clear = kinds.iter().find(|kind| kind["properties"]["op"]["enum"][0] == "clear").unwrap();
    let field = &clear["properties"]["field"];
    let deep = "/a".repeat(33);
    let fitting = ["/on_hand", "/counts/a~1b", "/ä"];
    let others = ["", "on_hand", "/~2", "/a~", &deep];
    for (text, fits) in fitting.iter().map(|text| (text, true)).chain(others.iter().map(|text| (text, false)))
    {
        let operation = json!([{"op": "clear", "field": text}]).to_string();
        let answer = service.call("PATCH", &item("milk"), &[OPERATIONS], operation).await;
        is_held(&description, field, text, fits, &answer);
    }
    let path = &shapes["PatchStep"]["oneOf"][0]["properties"]["path"];
    let json_patch = ("content-type", "application/json-patch+json");
    for (text, fits) in [("", true), ("/a", true), ("/a~1b", true), ("a", false), ("/~2", false)] {
        let step = json!([{"op": "add", "path": text, "value": {}}]).to_string();
        let answer = service.call("PATCH", &item("bread"), &[json_patch], step).await;
        is_held(&description, path, text, fits, &answer);
    }
    let object =
        &description.0["paths"][DOCUMENT]["put"]["requestBody"]["content"]["application/json"]["schema"];
    for (value, fits) in
        [(json!({}), true), (json!({"a": 1}), true), (json!([]), false), (json!(null), false)]
    {
        assert_eq!(description.misfits(object, &value).is_empty(), fits, "{value}");
        let answer = service.call("PUT", &item("tea"), &[], value.to_string()).await;
        assert_eq!(answer.status.is_success(), fits, "{value}: {answer:?}");
        let answer = service.call("PATCH", &item("salt"), &[MERGE], value.to_string()).await;
        assert_eq!(answer.status.is_success(), fits, "{value}: {answer:?}");
    }
}
