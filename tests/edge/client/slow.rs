use super::{client_of, site};
use futures_util::StreamExt as _;
use isle_client::Event;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::eventually_async;
use tests::http::HttpClient;
use tests::process::{DEADLINE, Fleet};
use tests::web_socket::{Ended, WebSocket};
use tokio::time::timeout;

/// Changes, and how long each is: more together than is on its way to a reader that takes nothing.
const CHANGES: u64 = 64;
const LENGTH: usize = 64 * 1024;

/// Longer than the 20 seconds after which a reader is slow, and shorter than the 30 after which its connection is cut.
const NOTHING_TAKEN: Duration = Duration::from_secs(25);

/// Readers of server-sent events and of a WebSocket, by their last cursor, and one of the client library, which does that for it.
#[tokio::test]
async fn a_reader_that_was_slow_goes_on_and_sees_every_change_once() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let long = client_of(&site).space("store-1").collection::<Value>("long");
    let path = "/v1/watch?space=store-1&collection=long";
    let mut feed = HttpClient::of(&site).await.feed(path, &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "synced");
    let mut socket = WebSocket::of(&site, path).await;
    assert_eq!(socket.next().await.unwrap()["event"], "synced");
    let mut watch = long.watch().begin().await.unwrap();
    assert!(matches!(watch.next().await, Some(Ok(Event::Synced { .. }))));

    let begun = Instant::now();
    for number in 0..CHANGES {
        let text = format!("{number}{}", "x".repeat(LENGTH));
        long.document("a").change().merge(&json!({"text": text})).await.unwrap();
    }
    eventually_async(DEADLINE, "nothing was taken for long", async || begun.elapsed() > NOTHING_TAKEN).await;

    let (mut shown, mut last) = (Vec::new(), String::new());
    loop {
        let event = feed.next().await.expect("it is told that it was slow");
        if event.name == "slow" {
            assert_eq!(event.id, "", "it goes on with the cursor before");
            break;
        }
        shown.push(sequence(&event.data));
        last = event.id;
    }
    assert_eq!(feed.next().await, None, "and let go");
    assert!(shown.last() < Some(&CHANGES), "not all was on its way");
    let mut feed = HttpClient::of(&site).await.feed(path, &[("last-event-id", &last)]).await;
    while shown.last() != Some(&CHANGES) {
        shown.push(sequence(&feed.next().await.unwrap().data));
    }
    assert_eq!(shown, (1..=CHANGES).collect::<Vec<_>>());

    let (mut shown, mut last) = (Vec::new(), String::new());
    loop {
        let event = socket.next().await.expect("it is told that it was slow");
        if event["event"] == "slow" {
            assert_eq!(event.get("cursor"), None, "it goes on with the cursor before");
            break;
        }
        shown.push(sequence(&event));
        event["cursor"].as_str().unwrap().clone_into(&mut last);
    }
    assert_eq!(socket.next().await, Err(Ended::Closed(1013)), "and let go");
    assert!(shown.last() < Some(&CHANGES), "not all was on its way");
    let mut socket = WebSocket::of(&site, &format!("{path}&after={last}")).await;
    while shown.last() != Some(&CHANGES) {
        shown.push(sequence(&socket.next().await.unwrap()));
    }
    assert_eq!(shown, (1..=CHANGES).collect::<Vec<_>>());

    let mut shown = Vec::new();
    while shown.last() != Some(&CHANGES) {
        let event = timeout(DEADLINE, watch.next()).await.expect("an event in time").unwrap().unwrap();
        let Event::Changed { changes, .. } = event else { panic!("{event:?}") };
        shown.push(changes[0].stamp.sequence);
    }
    assert_eq!(shown, (1..=CHANGES).collect::<Vec<_>>());
    // None is shown anything twice: what comes next is new.
    long.document("b").create(&json!({})).await.unwrap();
    assert_eq!(sequence(&feed.next().await.unwrap().data), CHANGES + 1);
    assert_eq!(sequence(&socket.next().await.unwrap()), CHANGES + 1);
    let event = timeout(DEADLINE, watch.next()).await.expect("an event in time").unwrap().unwrap();
    let Event::Changed { changes, .. } = event else { panic!("{event:?}") };
    assert_eq!(changes[0].stamp.sequence, CHANGES + 1);
}

/// The number of the only change of an event.
fn sequence(event: &Value) -> u64 {
    event["changes"][0]["stamp"]["sequence"].as_u64().unwrap()
}
