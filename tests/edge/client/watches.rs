use super::{Item, client_of, inventory, site};
use futures_util::StreamExt as _;
use isle_client::{Event, Watch, WatchError};
use serde_json::{Value, json};
use std::fmt::Debug;
use tests::process::{DEADLINE, Fleet};
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
