use super::callers::{address, isle};
use super::{item, site_with_a_service};
use serde_json::json;
use tests::eventually_async;
use tests::http::HttpClient;
use tests::process::{DEADLINE, Fleet, site_config};
use tests::web_socket::{Ended, WebSocket, asking, key};

const INVENTORY: &str = "/v1/watch?space=store-1&collection=inventory";

#[tokio::test]
async fn a_feed_shows_the_state_then_changes_and_goes_on_after_a_restart() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    let mut feed = WebSocket::of(&site, INVENTORY).await;
    assert_eq!(feed.answer.headers().get("sec-websocket-protocol"), None, "none was offered");
    let event = feed.next().await.unwrap();
    assert_eq!((&event["event"], &event["document"]["value"]), (&json!("document"), &json!({"on_hand": 1})));
    assert_eq!(feed.next().await.unwrap()["event"], "synced");
    feed.say("who reads this?").await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 2}"#).await;
    let event = feed.next().await.unwrap();
    assert_eq!(event["changes"][0]["document"]["value"], json!({"on_hand": 2}));
    // What happens while nobody reads is not lost, nor shown twice.
    feed.close().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 3}"#).await;
    let site = site.restart();
    let mut service = HttpClient::of(&site).await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 4}"#).await;
    let after = format!("{INVENTORY}&after={}", event["cursor"].as_str().unwrap());
    let mut feed = WebSocket::of(&site, &after).await;
    for sequence in [3, 4] {
        let event = feed.next().await.unwrap();
        assert_eq!(event["event"], "changed");
        assert_eq!(event["changes"][0]["stamp"]["sequence"], json!(sequence));
    }
}

#[tokio::test]
async fn more_events_come_than_are_on_their_way_at_once() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    for n in 0..100 {
        service.call("PUT", &item(&n.to_string()), &[], r#"{"on_hand": 1}"#).await;
    }
    let mut feed = WebSocket::of(&site, INVENTORY).await;
    let mut documents = 0;
    while feed.next().await.unwrap()["event"] == "document" {
        documents += 1;
    }
    assert_eq!(documents, 100);
}

#[tokio::test]
async fn what_a_feed_needs_is_checked_before_the_upgrade() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nwatches_max = 1\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let address = address(&site);
    let rights = ["token", "create", "till-3", "--space", "store-1", "--rights", "inventory=read"];
    let protocols = format!("isle, isle.token.{}", isle(&site, &rights));
    let shown = ("sec-websocket-protocol", protocols.as_str());
    let (key, mut service) = (key(), HttpClient::at(address).await);
    let mut refused = async |path: &str, more: &[(&str, &str)]| {
        let headers = [&asking(&key)[..], more].concat();
        service.call("GET", path, &headers, "").await.problem()
    };
    assert_eq!(refused(INVENTORY, &[]).await, "unauthorized");
    let unknown = ("sec-websocket-protocol", "isle, isle.token.nonsense");
    assert_eq!(refused(INVENTORY, &[unknown]).await, "unauthorized");
    assert_eq!(refused("/v1/watch?space=store-1", &[shown]).await, "forbidden");
    assert_eq!(refused(&format!("{INVENTORY}&token=x"), &[shown]).await, "malformed");
    assert_eq!(refused(INVENTORY, &[shown, ("sec-websocket-version", "12")]).await, "malformed");
    // A token of a WebSocket is none of another request.
    assert_eq!(service.call("GET", &item("milk"), &[shown], "").await.problem(), "unauthorized");
    let mut feed = WebSocket::at(address, INVENTORY, &[shown]).await;
    assert_eq!(feed.answer.headers().get("sec-websocket-protocol").unwrap(), "isle");
    assert_eq!(feed.next().await.unwrap()["event"], "synced");
    let headers = [&asking(&key)[..], &[shown]].concat();
    let second = service.call("GET", INVENTORY, &headers, "").await;
    assert_eq!((second.problem().as_str(), second.header("retry-after").as_str()), ("busy", "1"));
    feed.close().await;
    eventually_async(DEADLINE, "its place is free", async || {
        let mut service = HttpClient::at(address).await;
        service.call("GET", INVENTORY, &headers, "").await.status.as_u16() == 101
    })
    .await;
}

#[tokio::test]
async fn a_feed_ends_with_its_server() {
    let (_fleet, mut site, _service) = site_with_a_service().await;
    let mut feed = WebSocket::of(&site, INVENTORY).await;
    assert_eq!(feed.next().await.unwrap()["event"], "synced");
    site.signal("TERM");
    assert_eq!(feed.next().await, Err(Ended::Closed(1001)));
    assert!(site.ended().success());
}
