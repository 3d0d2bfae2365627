use super::{item, site_with_a_service};
use serde_json::{Value, json};
use std::time::SystemTime;
use tests::eventually_async;
use tests::http::HttpClient;
use tests::process::DEADLINE;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Writes or deletes the document, two milliseconds after everything that happened before at least; when that was, by the
/// document's history.
async fn changed(service: &mut HttpClient, method: &str, value: &str) -> i64 {
    let begun = SystemTime::now();
    let passed = || begun.elapsed().is_ok_and(|passed| passed.as_millis() > 1);
    eventually_async(DEADLINE, "the clock has gone on", async || passed()).await;
    assert_eq!(service.call(method, &item("milk"), &[], value.to_owned()).await.status.as_u16(), 200);
    let history = service.get(&format!("{}/history?limit=1", item("milk"))).await.json();
    history["changes"][0]["wall_ms"].as_i64().unwrap()
}

/// As a parameter: in milliseconds, and as RFC 3339 writes it, here and elsewhere.
fn written(wall_ms: i64) -> [String; 3] {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(wall_ms) * 1_000_000).unwrap();
    let elsewhere = time.to_offset(UtcOffset::from_hms(2, 30, 0).unwrap());
    let [here, elsewhere] = [time, elsewhere].map(|time| time.format(&Rfc3339).unwrap());
    [wall_ms.to_string(), here, elsewhere.replace('+', "%2B")]
}

#[tokio::test]
async fn a_document_is_read_as_it_was_at_a_time() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let first = changed(&mut service, "PUT", r#"{"on_hand": 1, "shelf": "A"}"#).await;
    let second = changed(&mut service, "PUT", r#"{"on_hand": 2}"#).await;
    let deleted = changed(&mut service, "DELETE", "").await;
    let put_back = changed(&mut service, "PUT", r#"{"on_hand": 7}"#).await;
    for (wall_ms, value) in [
        (0, None),
        (first - 1, None),
        (first, Some(json!({"on_hand": 1, "shelf": "A"}))),
        (second - 1, Some(json!({"on_hand": 1, "shelf": "A"}))),
        (second, Some(json!({"on_hand": 2}))),
        (deleted - 1, Some(json!({"on_hand": 2}))),
        (deleted, None),
        (put_back - 1, None),
        (put_back, Some(json!({"on_hand": 7}))),
        (put_back + 86_400_000, Some(json!({"on_hand": 7}))),
    ] {
        for at in written(wall_ms) {
            let read = service.get(&format!("{}?at={at}", item("milk"))).await;
            let shown = (read.problem() != "not-found").then(|| read.json());
            assert_eq!(shown, value, "at {at}: {read:?}");
        }
    }
    for wrong in ["yesterday", "2026-11-26", "2026-11-26T12:00:00", "1.5", ""] {
        let read = service.get(&format!("{}?at={wrong}", item("milk"))).await;
        assert_eq!(read.problem(), "malformed", "at {wrong}");
    }
    assert_eq!(service.get(&item("milk")).await.json(), Value::from_iter([("on_hand", 7)]));
}
