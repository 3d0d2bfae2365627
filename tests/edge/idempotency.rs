use serde_json::json;
use server::local::{CallError, RefusalKind, Response, Written};
use tests::process::{Fleet, increment, put};

const ADDRESS: &str = "store-1/inventory/milk";

#[tokio::test]
async fn a_write_that_is_sent_again_under_its_key_counts_once() {
    let fleet = Fleet::new();
    let mut site = fleet.site("store-1", "127.0.0.1:9");
    site.add(ADDRESS, -3, Some("basket-1")).await;
    site.add(ADDRESS, -3, Some("basket-1")).await;
    assert_eq!(site.get(ADDRESS).await, Some(json!({"on_hand": -3})));
    site.kill();
    let site = site.restart();
    site.add(ADDRESS, -3, Some("basket-1")).await;
    assert_eq!(site.get(ADDRESS).await, Some(json!({"on_hand": -3})));
    site.add(ADDRESS, -3, Some("basket-2")).await;
    assert_eq!(site.get(ADDRESS).await, Some(json!({"on_hand": -6})));
}

#[tokio::test]
async fn the_answer_to_a_repeated_write_is_that_of_the_first() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:9");
    let mut client = site.client().await;
    let sale = increment(ADDRESS, 1, Some("basket-1"));
    let first = client.call(&sale).await.unwrap();
    let Response::Written(Some(Written { heads, .. })) = &first else { panic!("{first:?}") };
    assert_eq!(heads.len(), 1);
    assert_eq!(client.call(&sale).await.unwrap(), first);
}

#[tokio::test]
async fn a_key_of_another_document_is_refused() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:9");
    site.add(ADDRESS, 1, Some("basket-1")).await;
    let request = put("store-1/inventory/butter", json!({"shelf": "A3"}), Some("basket-1"));
    let error = site.client().await.call(&request).await.unwrap_err();
    let CallError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.kind, RefusalKind::KeyReused);
    assert_eq!(site.get("store-1/inventory/butter").await, None);
}
