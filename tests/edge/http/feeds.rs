use super::{item, site_with_a_service};
use serde_json::json;
use tests::eventually_async;
use tests::http::HttpClient;
use tests::process::{DEADLINE, Fleet, site_config};

#[tokio::test]
async fn a_feed_shows_the_state_then_changes_and_goes_on_after_a_restart() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    let path = "/v1/watch?space=store-1&collection=inventory";
    let mut feed = HttpClient::of(&site).await.feed(path, &[]).await;
    let event = feed.next().await.unwrap();
    assert_eq!((event.name.as_str(), &event.data["document"]["value"]), ("document", &json!({"on_hand": 1})));
    assert_eq!(feed.next().await.unwrap().name, "synced");
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 2}"#).await;
    let event = feed.next().await.unwrap();
    assert_eq!(event.name, "changed");
    assert_eq!(event.data["changes"][0]["document"]["value"], json!({"on_hand": 2}));
    // What happens while nobody reads is not lost, nor shown twice.
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 3}"#).await;
    drop(feed);
    let site = site.restart();
    let mut service = HttpClient::of(&site).await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 4}"#).await;
    let mut feed = HttpClient::of(&site).await.feed(path, &[("last-event-id", &event.id)]).await;
    for sequence in [3, 4] {
        let event = feed.next().await.unwrap();
        let change = &event.data["changes"][0];
        assert_eq!((event.name.as_str(), &change["stamp"]["sequence"]), ("changed", &json!(sequence)));
        // It is shown as of its change or of a later one.
        assert_eq!(change["document"]["value"], json!({"on_hand": 4}));
    }
}

#[tokio::test]
async fn more_events_come_than_are_on_their_way_at_once() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    for n in 0..100 {
        service.call("PUT", &item(&n.to_string()), &[], r#"{"on_hand": 1}"#).await;
    }
    let mut feed = HttpClient::of(&site).await.feed("/v1/watch?space=store-1", &[]).await;
    let mut documents = 0;
    while feed.next().await.unwrap().name == "document" {
        documents += 1;
    }
    assert_eq!(documents, 100);
}

/// Room is given back for several events at once, by number and by bytes; the core counts otherwise.
#[tokio::test]
async fn events_of_whatever_length_come_one_after_the_other() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    let mut feed = HttpClient::of(&site).await.feed("/v1/watch?space=store-1", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "synced");
    for n in 0..60 {
        let length = [1, 1, 7_000, 1, 60_000, 1, 1, 1, 1, 1, 30_000][n % 11];
        let document = json!({ "text": "a".repeat(length) }).to_string();
        service.call("PUT", &item(&n.to_string()), &[], document).await;
        if n % 7 == 0 {
            continue;
        }
        // Some wait for those before them, others come alone.
        let address = json!(format!("store-1/inventory/{n}"));
        while feed.next().await.unwrap().data["changes"][0]["document"]["address"] != address {}
    }
}

#[tokio::test]
async fn a_feed_that_cannot_begin_is_refused() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    for (query, problem) in [
        ("", "malformed"),
        ("space=moon", "unknown-space"),
        ("space=store-1&prefix=a", "malformed"),
        ("space=store-1&after=nonsense", "invalid"),
    ] {
        assert_eq!(service.get(&format!("/v1/watch?{query}")).await.problem(), problem, "{query}");
    }
    assert_eq!(service.get("/v1/status").await.status.as_u16(), 200, "and the connection goes on");
}

#[tokio::test]
async fn a_cursor_of_another_store_is_told_to_serve_no_more_and_the_state_follows() {
    let (_fleet, other, mut elsewhere) = site_with_a_service().await;
    elsewhere.call("PUT", &item("milk"), &[], r#"{"on_hand": 9}"#).await;
    let path = "/v1/watch?space=store-1&collection=inventory";
    let mut feed = HttpClient::of(&other).await.feed(path, &[]).await;
    let foreign = feed.next().await.unwrap().id;
    let (_fleet, site, mut service) = site_with_a_service().await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    let mut feed = HttpClient::of(&site).await.feed(path, &[("last-event-id", &foreign)]).await;
    let mut shown = Vec::new();
    for _ in 0..3 {
        let event = feed.next().await.unwrap();
        shown.push((event.name, event.data["document"]["value"]["on_hand"].as_i64()));
    }
    let [reset, document, synced] = ["reset", "document", "synced"].map(str::to_owned);
    assert_eq!(shown, [(reset, None), (document, Some(1)), (synced, None)]);
}

/// The rows after it are gone, so that nobody can tell what changed since: the state says all of it.
#[tokio::test]
async fn a_cursor_before_what_was_trimmed_is_answered_with_the_state() {
    let fleet = Fleet::new();
    let config = site_config("store-1", "127.0.0.1:1") + "[journal]\nkeep = \"1s\"\n";
    let site = fleet.start("store-1", &config);
    let mut service = HttpClient::of(&site).await;
    let path = "/v1/watch?space=store-1&collection=inventory";
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    let mut feed = HttpClient::of(&site).await.feed(path, &[]).await;
    let old = feed.next().await.unwrap().id;
    drop(feed);
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 2}"#).await;
    eventually_async(DEADLINE, "both changes are trimmed", async || {
        // Rows go when something happens.
        service.call("PUT", &item("bread"), &[], r#"{"on_hand": 7}"#).await;
        site.status().await.trimmed >= 2
    })
    .await;
    let mut feed = HttpClient::of(&site).await.feed(path, &[("last-event-id", &old)]).await;
    let mut shown = Vec::new();
    while shown.last().is_none_or(|(name, _)| name != "synced") {
        let event = feed.next().await.unwrap();
        shown.push((event.name, event.data["document"]["value"]["on_hand"].as_i64()));
    }
    let of = |name: &str, on_hand| (name.to_owned(), on_hand);
    let state = [of("reset", None), of("document", Some(7)), of("document", Some(2)), of("synced", None)];
    assert_eq!(shown, state);
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 3}"#).await;
    assert_eq!(feed.next().await.unwrap().name, "changed", "and it goes on");
}

#[tokio::test]
async fn a_quiet_feed_says_that_it_is_alive() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    let mut feed = HttpClient::of(&site).await.feed("/v1/watch?space=store-1", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "synced");
    let heartbeat = feed.block().await.unwrap();
    assert!(heartbeat.lines().all(|line| line.is_empty() || line.starts_with(':')), "{heartbeat:?}");
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    assert_eq!(feed.next().await.unwrap().name, "changed", "and it goes on");
}

#[tokio::test]
async fn a_feed_ends_with_its_server() {
    let (_fleet, mut site, _service) = site_with_a_service().await;
    let mut feed = HttpClient::of(&site).await.feed("/v1/watch?space=store-1", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "synced");
    site.signal("TERM");
    assert!(site.ended().success());
    assert_eq!(feed.next().await, None);
}
