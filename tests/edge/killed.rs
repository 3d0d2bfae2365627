use server::local::{REQUESTS_IN_FLIGHT_MAX, Response};
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, increment};

const ADDRESS: &str = "store-1/inventory/milk";

#[tokio::test]
async fn acknowledged_writes_survive_a_kill_and_reach_the_hub() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut site = fleet.site("store-1", &hub.status().await.address);
    let mut client = site.client().await;
    // Many on their way when it is killed: each acknowledged one counts, each other one may.
    for _ in 0..REQUESTS_IN_FLIGHT_MAX {
        client.send(&increment(ADDRESS, 1, None)).await.unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < 100 {
        let (_, result) = client.receive().await.unwrap();
        assert!(matches!(result, Ok(Response::Written(Some(_)))), "{result:?}");
        acknowledged += 1;
    }
    site.kill();
    // Answers that were on their way in the socket are acknowledgements too.
    let ended = loop {
        match client.receive().await {
            Ok((_, result)) => acknowledged += i64::from(result.is_ok()),
            Err(error) => break error,
        }
    };
    let unanswered = i64::try_from(REQUESTS_IN_FLIGHT_MAX).unwrap() - acknowledged;
    assert!(unanswered == 0 || ended.is_outcome_unknown(), "{ended}");

    let site = site.restart();
    let kept = site.get(ADDRESS).await.unwrap()["on_hand"].as_i64().unwrap();
    assert!(
        (acknowledged..=acknowledged + unanswered).contains(&kept),
        "{kept} of {acknowledged} acknowledged"
    );
    hub.has_on_hand(ADDRESS, kept).await;
    site.add(ADDRESS, 1, None).await;
    hub.has_on_hand(ADDRESS, kept + 1).await;
}

#[tokio::test]
async fn a_site_that_lost_its_store_gets_everything_back_under_a_new_origin() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut site = fleet.site("store-1", &hub.status().await.address);
    site.add(ADDRESS, 5, None).await;
    hub.has_on_hand(ADDRESS, 5).await;
    let origin = site.status().await.origin;
    site.kill();
    std::fs::remove_dir_all(site.data.join("store")).unwrap();

    let site = site.restart();
    assert_ne!(site.status().await.origin, origin, "an origin is never used twice");
    site.has_on_hand(ADDRESS, 5).await;
    site.add(ADDRESS, 2, None).await;
    hub.has_on_hand(ADDRESS, 7).await;
    eventually_async(DEADLINE, "the hub owes the site nothing", async || {
        hub.status().await.peers.iter().all(|peer| peer.backlog_rows == 0 || peer.peer != "store-1")
    })
    .await;
}
