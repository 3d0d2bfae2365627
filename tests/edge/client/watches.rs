use super::{Item, client_of, inventory, site};
use futures_util::StreamExt as _;
use isle_client::{Event, Watch, WatchError};
use serde_json::{Value, json};
use std::fmt::Debug;
use tests::process::{DEADLINE, Fleet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

async fn next<T: Debug>(feed: &mut Watch<T>) -> Event<T> {
    timeout(DEADLINE, feed.next()).await.expect("an event in time").expect("the feed goes on").unwrap()
}

/// Key and count of the only change of an event.
fn changed(event: &Event<Item>) -> (&str, i64) {
    let Event::Changed { changes, .. } = event else { panic!("{event:?}") };
    let [change] = changes.as_slice() else { panic!("{event:?}") };
    (change.document.key.as_str(), change.document.value.as_ref().unwrap().on_hand)
}

#[tokio::test]
async fn a_feed_goes_on_through_restarts_of_either_side() {
    let fleet = Fleet::new();
    let mut site = site(&fleet);
    let items = inventory(&client_of(&site));
    items.document("a/b").create(&Item::default()).await.unwrap();
    let mut feed = items.watch().begin().await.unwrap();
    let Event::Document { document, .. } = next(&mut feed).await else { panic!() };
    assert_eq!((document.collection.as_str(), document.key.as_str()), ("inventory", "a/b"));
    assert!(matches!(next(&mut feed).await, Event::Synced { .. }));
    let mut kept = String::new();
    for round in 0..3 {
        for number in 0..4 {
            items
                .document(format!("r{round}/{number}"))
                .create(&Item { on_hand: number, ..Item::default() })
                .await
                .unwrap();
        }
        // Killed while the feed has not taken what was written.
        site.kill();
        site = site.restart();
        for number in 0..4 {
            let event = next(&mut feed).await;
            assert_eq!(changed(&event), (format!("r{round}/{number}").as_str(), number));
            if (round, number) == (1, 1) {
                event.cursor().clone_into(&mut kept);
            }
        }
    }
    // Another reader, from where this one was once.
    let mut late = items.watch().after(kept).begin().await.unwrap();
    for (round, number) in [(1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)] {
        assert_eq!(changed(&next(&mut late).await), (format!("r{round}/{number}").as_str(), number));
    }
}

#[tokio::test]
async fn one_document_is_watched_alone() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let items = inventory(&client_of(&site));
    let milk = items.document("milk");
    let mut feed = milk.watch().begin().await.unwrap();
    assert!(matches!(next(&mut feed).await, Event::Synced { .. }));
    items.document("milk-2").create(&Item::default()).await.unwrap();
    milk.create(&Item { on_hand: 3, ..Item::default() }).await.unwrap();
    assert_eq!(changed(&next(&mut feed).await), ("milk", 3));
    milk.delete().await.unwrap();
    let Event::Changed { changes, .. } = next(&mut feed).await else { panic!() };
    assert_eq!((changes[0].document.value.clone(), changes[0].author.as_deref()), (None, Some("till-3")));
}

#[tokio::test]
async fn a_document_that_does_not_fit_is_told_and_passed() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let client = client_of(&site);
    let free = client.space("store-1").collection::<Value>("free");
    let mut feed = client.space("store-1").collection::<Item>("free").watch().begin().await.unwrap();
    assert!(matches!(next(&mut feed).await, Event::Synced { .. }));
    free.document("bad").create(&json!({"on_hand": "many"})).await.unwrap();
    free.document("good").create(&json!({"on_hand": 2})).await.unwrap();
    let told = timeout(DEADLINE, feed.next()).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(&told, WatchError::Type { document, .. } if document == "store-1/free/bad"), "{told}");
    assert_eq!(changed(&next(&mut feed).await), ("good", 2));
    let both = client
        .space("store-1")
        .transaction()
        .with(free.document("bad").change().merge(&json!({"shelf": "B"})));
    both.with(free.document("good").change().merge(&json!({"on_hand": 3}))).await.unwrap();
    // Who goes on after the error's cursor has been shown the one that fits.
    assert_eq!(changed(&next(&mut feed).await), ("good", 3), "the one that fits is shown");
    assert!(timeout(DEADLINE, feed.next()).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let client = client_of(&site);
    let refused = client.space("nowhere").watch().begin().await.unwrap_err();
    assert_eq!(refused.kind(), Some("unknown-space"));
    let after = client.space("store-1").watch().after("nonsense").begin().await.unwrap_err();
    assert_eq!(after.kind(), Some("invalid"));
}

/// Answers one after another, each over a connection of its own; the last is given for ever.
async fn answering(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        let mut last = String::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            last = answers.next().unwrap_or(last);
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(last.as_bytes()).await;
        }
    });
    address
}

fn failed(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

/// What will not pass by itself ends a feed; what will does not.
#[tokio::test]
async fn a_failure_that_does_not_pass_ends_a_feed() {
    let event = "data: {\"event\": \"synced\", \"cursor\": \"c\"}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let begun = format!("{head}{event}");
    let passing = ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"].map(failed);
    let answers =
        [begun.clone()].into_iter().chain(passing).chain([begun, failed("500 Internal Server Error")]);
    let address = answering(answers.collect()).await;
    let client = isle_client::Client::connect(isle_client::Connection::tcp(address)).unwrap();
    let mut feed = client.space("store-1").collection::<Item>("inventory").watch().begin().await.unwrap();
    for _ in 0..2 {
        assert!(matches!(next(&mut feed).await, Event::Synced { .. }));
    }
    let ended = timeout(DEADLINE, feed.next()).await.expect("it is told").unwrap();
    let Err(WatchError::Refused(problem)) = ended else { panic!("{ended:?}") };
    assert_eq!(problem.status, 500);
    assert!(timeout(DEADLINE, feed.next()).await.expect("it has ended").is_none());
    let address = answering(vec![failed("500 Internal Server Error")]).await;
    let client = isle_client::Client::connect(isle_client::Connection::tcp(address)).unwrap();
    let begun = client.space("store-1").collection::<Item>("inventory").watch().begin();
    let refused = timeout(DEADLINE, begun).await.expect("it is told").unwrap_err();
    assert!(matches!(refused, isle_client::CallError::Refused(_)), "{refused}");
}
