use super::{OPERATIONS, item};
use serde_json::json;
use tests::http::HttpClient;
use tests::process::Fleet;

/// How often the server is killed.
const KILLS: usize = 6;
/// Tills that sell at the same time.
const TILLS: usize = 8;
/// Sales of each between two kills.
const SALES: usize = 4;

/// Each sale is sent until it is answered, under its key: through kills each counts once.
#[tokio::test]
async fn sales_that_are_sent_again_count_once() {
    let fleet = Fleet::new();
    let mut site = fleet.site("store-1", "127.0.0.1:1");
    for kill in 0..KILLS {
        let mut tills = Vec::new();
        for till in 0..TILLS {
            tills.push((till, HttpClient::of(&site).await));
        }
        let selling = tills.into_iter().map(|(till, mut service)| {
            tokio::spawn(async move {
                let mut unanswered = Vec::new();
                for sale in 0..SALES {
                    let key = format!("till-{till}-{kill}-{sale}");
                    if sell(&mut service, &key).await.is_none() {
                        unanswered.push(key);
                    }
                }
                unanswered
            })
        });
        let selling: Vec<_> = selling.collect();
        if kill % 2 == 0 {
            site.kill();
        }
        let mut unanswered = Vec::new();
        for till in selling {
            unanswered.extend(till.await.unwrap());
        }
        site = site.restart();
        let mut service = HttpClient::of(&site).await;
        for key in unanswered {
            // Twice, as one whose answer is lost once more.
            let first = sell(&mut service, &key).await.unwrap();
            assert_eq!(sell(&mut service, &key).await.unwrap(), first, "{key}");
        }
    }
    let sold = i64::try_from(KILLS * TILLS * SALES).unwrap();
    let mut service = HttpClient::of(&site).await;
    assert_eq!(service.get(&item("milk")).await.json(), json!({"on_hand": -sold}));
    let other =
        service.call("PATCH", &item("milk"), &[OPERATIONS, ("idempotency-key", "till-0-0-0")], "[]").await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "key-reused"));
}

/// Sells one; the change's stamp, or nothing where no answer came.
async fn sell(service: &mut HttpClient, key: &str) -> Option<serde_json::Value> {
    let body = r#"[{"op": "increment", "field": "/on_hand", "by": -1}]"#;
    let headers = [OPERATIONS, ("idempotency-key", key)];
    let answer = service.try_call("PATCH", &item("milk"), &headers, body).await.ok()?;
    assert!(matches!(answer.status.as_u16(), 200 | 503 | 504), "{answer:?}");
    answer.status.is_success().then(|| answer.json()["stamp"].clone())
}
