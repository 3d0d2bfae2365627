use super::{OPERATIONS, item};
use serde_json::json;
use tests::http::HttpClient;
use tests::process::Fleet;
use tokio::sync::mpsc;

/// How often the server is killed.
const KILLS: usize = 6;
/// Tills that sell at the same time.
const TILLS: usize = 8;
/// Answers after which the server is killed.
const ANSWERS: usize = 24;
/// Sales of a till that is never stopped: far more than it makes.
const SALES_MAX: usize = 100_000;

/// Each sale is sent until it is answered, under its key: through kills, which meet every till in the middle of one, each
/// counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sales_that_are_sent_again_count_once() {
    let fleet = Fleet::new();
    let mut site = fleet.site("store-1", "127.0.0.1:1");
    let mut sold = 0;
    for kill in 0..KILLS {
        let (answered, mut answers) = mpsc::unbounded_channel();
        let mut selling = Vec::new();
        for till in 0..TILLS {
            let service = HttpClient::of(&site).await;
            selling.push(tokio::spawn(sell_until_unanswered(
                service,
                format!("{till}-{kill}"),
                answered.clone(),
            )));
        }
        for _ in 0..ANSWERS {
            answers.recv().await.unwrap();
        }
        site.kill();
        let mut unanswered = Vec::new();
        for till in selling {
            let (sales, key) = till.await.unwrap();
            sold += sales;
            unanswered.push(key);
        }
        site = site.restart();
        let mut service = HttpClient::of(&site).await;
        for key in unanswered {
            // Twice, as one whose answer is lost once more.
            let first = sell(&mut service, &key).await.unwrap();
            assert_eq!(sell(&mut service, &key).await.unwrap(), first, "{key}");
        }
    }
    let mut service = HttpClient::of(&site).await;
    assert_eq!(service.get(&item("milk")).await.json(), json!({"on_hand": -i64::try_from(sold).unwrap()}));
    let other = service.call("PATCH", &item("milk"), &[OPERATIONS, ("idempotency-key", "0-0-0")], "[]").await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "key-reused"));
}

/// How many sales were sent, and the key of the last, which got no answer.
async fn sell_until_unanswered(
    mut service: HttpClient,
    till: String,
    answered: mpsc::UnboundedSender<()>,
) -> (usize, String) {
    for sale in 0..SALES_MAX {
        let key = format!("{till}-{sale}");
        if sell(&mut service, &key).await.is_none() {
            return (sale + 1, key);
        }
        let _ = answered.send(());
    }
    panic!("the server is killed");
}

/// Sells one; the change's stamp, or nothing where no answer came.
async fn sell(service: &mut HttpClient, key: &str) -> Option<serde_json::Value> {
    let body = r#"[{"op": "increment", "field": "/on_hand", "by": -1}]"#;
    let headers = [OPERATIONS, ("idempotency-key", key)];
    let answer = service.try_call("PATCH", &item("milk"), &headers, body).await.ok()?;
    assert!(matches!(answer.status.as_u16(), 200 | 503 | 504), "{answer:?}");
    answer.status.is_success().then(|| answer.json()["stamp"].clone())
}
