//! How many idempotency keys a replica keeps.

use super::{MERGE, OPERATIONS, item};
use tests::http::HttpClient;
use tests::process::{Fleet, site_config};

/// The least that the setting takes.
const KEYS_MAX: usize = 65_536;
/// Services that write at once.
const SERVICES: usize = 64;

/// Where more keys come than are kept, the oldest one counts anew and a late one does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_keys_than_the_setting_says_are_not_kept() {
    let fleet = Fleet::new();
    let setting = format!("[http]\nidempotency_keys_max = {KEYS_MAX}\n");
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + &setting));
    let mut service = HttpClient::of(&site).await;
    for _ in 0..2 {
        sell(&mut service, "first").await;
    }
    assert_eq!(service.get(&item("milk")).await.json()["on_hand"], 1);
    let mut writing = Vec::new();
    for number in 0..SERVICES {
        let mut service = HttpClient::of(&site).await;
        writing.push(tokio::spawn(async move {
            // Nothing is changed by it, and its key is kept.
            for write in 0..KEYS_MAX / SERVICES {
                let key = format!("{number}-{write}");
                let written =
                    service.call("PATCH", &item("milk"), &[MERGE, ("idempotency-key", &key)], "{}").await;
                assert_eq!(written.status.as_u16(), 200, "{written:?}");
            }
        }));
    }
    for service in writing {
        service.await.unwrap();
    }
    for key in ["last", "last", "first"] {
        sell(&mut service, key).await;
    }
    assert_eq!(service.get(&item("milk")).await.json()["on_hand"], 3, "the last once, and the first again");
}

async fn sell(service: &mut HttpClient, key: &str) {
    let sale = r#"[{"op": "increment", "field": "/on_hand", "by": 1}]"#;
    let sold = service.call("PATCH", &item("milk"), &[OPERATIONS, ("idempotency-key", key)], sale).await;
    assert_eq!(sold.status.as_u16(), 200, "{sold:?}");
}
