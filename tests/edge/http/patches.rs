use super::{MERGE, site_with_a_service};
use serde_json::{Value, json};
use tests::http::HttpClient;

/// RFC 7396, appendix A, and RFC 6902, appendix A, as `document` has them.
const MERGE_PATCHES: &str = include_str!("../../../schemas/patches/rfc7396.json");
const JSON_PATCHES: &str = include_str!("../../../schemas/patches/rfc6902.json");

const STEPS: (&str, &str) = ("content-type", "application/json-patch+json");

fn cases(table: &str) -> Vec<Value> {
    let cases: Vec<Value> = serde_json::from_str(table).unwrap();
    assert_eq!(cases.len(), 15);
    cases
}

/// What a document is that was `target` and was patched, and how the patch was answered.
async fn patched(
    service: &mut HttpClient,
    target: &Value,
    kind: (&str, &str),
    patch: &Value,
) -> (Value, u16) {
    // No schema says what is in it.
    let path = "/v1/spaces/store-1/loose/patched";
    let put = service.call("PUT", path, &[], target.to_string()).await;
    assert!(put.status.is_success(), "{target}: {put:?}");
    let answer = service.call("PATCH", path, &[kind], patch.to_string()).await;
    (service.get(path).await.json(), answer.status.as_u16())
}

#[tokio::test]
async fn merge_patches_do_what_the_standard_says() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    for case in cases(MERGE_PATCHES) {
        let inside = |part: &str| json!({"in": case[part]});
        // A member that is null is taken out.
        let expected = if case["patch"].is_null() { json!({}) } else { inside("result") };
        let found = patched(&mut service, &inside("target"), MERGE, &inside("patch")).await;
        assert_eq!(found, (expected, 200), "{case}");
        if !case["target"].is_object() {
            continue;
        }
        // A document is an object: what would make it something else is refused, and it stays.
        let expected =
            if case["patch"].is_object() { (&case["result"], 200) } else { (&case["target"], 422) };
        let found = patched(&mut service, &case["target"], MERGE, &case["patch"]).await;
        assert_eq!((&found.0, found.1), expected, "{case}");
    }
}

#[tokio::test]
async fn json_patches_do_what_the_standard_says() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    for case in cases(JSON_PATCHES) {
        let (found, status) = patched(&mut service, &case["target"], STEPS, &case["patch"]).await;
        match case.get("result") {
            Some(result) => assert_eq!((&found, status), (result, 200), "{case}"),
            None => {
                assert!(matches!(status, 412 | 422), "{case}: {status}");
                assert_eq!(found, case["target"], "{case}: nothing of it is done");
            }
        }
    }
}
