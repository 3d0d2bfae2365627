use crate::command::words;
use serde_json::json;
use server::local::{RefusalKind, Response};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;
use tests::process::{DEADLINE, Fleet, Process, increment, put, site_config, spawn};
use tests::program;
use tests::{eventually_async, faults};

#[tokio::test]
async fn a_signal_ends_it_in_order_and_nothing_is_lost() {
    let fleet = Fleet::new();
    let mut hub = fleet.hub();
    let site = fleet.site("store-1", &hub.status().await.address);
    hub.put("catalog/product/milk", json!({"price": 1.19})).await;
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    for signal in ["TERM", "INT"] {
        hub.signal(signal);
        let status = hub.ended();
        assert_eq!(status.code(), Some(0), "SIG{signal}: {}", hub.log());
        assert!(!hub.data.join("isle.sock").exists());
        hub = hub.restart();
        assert_eq!(hub.get("catalog/product/milk").await, Some(json!({"price": 1.19})));
    }
    site.logs(&["disconnected", "peer=hub"]);
    site.put("store-1/inventory/milk", json!({"shelf": "A3"})).await;
}

/// Nothing was written, so no outcome is unknown.
#[tokio::test]
async fn who_watches_is_told_that_the_server_ended() {
    let fleet = Fleet::new();
    let mut site = fleet.start("store-1", &site_config("store-1", "127.0.0.1:1"));
    site.put("store-1/inventory/milk", json!({"shelf": "A3"})).await;
    for signal in ["TERM", "KILL"] {
        let mut watching = Command::new(program::path())
            .args(words("watch", &site.data, &["store-1/inventory"]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut shown = BufReader::new(watching.stdout.take().unwrap()).lines();
        assert!(shown.next().unwrap().unwrap().contains("\"document\""));
        site.signal(signal);
        let ended = watching.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(4), "SIG{signal}: {told}");
        assert!(told.contains("--from") && !told.contains("idempotency"), "{told}");
        site.ended();
        site = site.restart();
    }
}

/// The order comes while services write as fast as they can: what was answered is there, what was not is nowhere twice.
#[tokio::test(flavor = "multi_thread")]
async fn writes_under_way_are_durable_or_refused() {
    const WRITERS: usize = 32;
    let fleet = Fleet::new();
    let mut site = fleet.start("store-1", &site_config("store-1", "127.0.0.1:1"));
    let mut writing = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let mut client = site.client().await;
        writing.spawn(async move {
            let mut answered = 0;
            while let Ok(Response::Written(_)) =
                client.call(&increment("store-1/inventory/milk", 1, None)).await
            {
                answered += 1;
            }
            answered
        });
    }
    eventually_async(DEADLINE, "many wrote", async || {
        let reading = site.get("store-1/inventory/milk").await;
        reading.is_some_and(|value| value["on_hand"].as_u64() > Some(500))
    })
    .await;
    site.signal("TERM");
    assert_eq!(site.ended().code(), Some(0), "{}", site.log());
    let answered: u64 = writing.join_all().await.into_iter().sum();
    let site = site.restart();
    let kept = site.get("store-1/inventory/milk").await.unwrap()["on_hand"].as_u64().unwrap();
    assert!((answered..=answered + WRITERS as u64).contains(&kept), "{answered} answered, {kept} kept");
}

/// A service manager kills what takes longer than it was told. Services and peers hear the end all the same.
#[tokio::test]
async fn a_disk_that_hangs_does_not_keep_it_from_ending() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let config = site_config("store-1", &hub.status().await.address);
    let data = fleet.prepare("store-1", &config);
    let hung = fleet.directory.path().join("hung");
    let Some(variables) = faults::hanging(fleet.directory.path(), &data.join("store"), &hung) else { return };
    let mut site = Process::start_with(data.clone(), &variables);
    site.put("store-1/note/1", json!({"n": 1})).await;
    hub.has("store-1/note/1", json!({"n": 1})).await;
    fs::write(&hung, "").unwrap();
    let mut client = site.client().await;
    client.send(&put("store-1/note/1", json!({"n": 2}), None)).await.unwrap();
    let told = Instant::now();
    site.signal("TERM");
    // It may not have been taken, or read, yet.
    if let Ok((_, answer)) = client.receive().await {
        let kind = answer.unwrap_err().kind;
        assert!([RefusalKind::UnknownOutcome, RefusalKind::Unavailable].contains(&kind), "{kind:?}");
    }
    hub.logs(&["disconnected", "peer=store-1"]);
    assert_eq!(site.ended().code(), Some(1), "{}", site.log());
    assert!(told.elapsed().as_secs() < 10, "it ends by itself");
    site.logs(&["the store is not closed after 5s: its disk is slow, or does not answer"]);

    // While the store is opened nothing can be lost.
    let mut opening = Process::spawn_with(data, &variables);
    opening.logs(&["opening the store"]);
    opening.signal("TERM");
    assert_eq!(opening.ended().code(), Some(0), "{}", opening.log());
    fs::remove_file(&hung).unwrap();
    let kept = opening.restart().get("store-1/note/1").await.unwrap();
    assert!(kept == json!({"n": 1}) || kept == json!({"n": 2}), "{kept}");
}

#[test]
fn a_replica_that_has_done_nothing_yet_ends_at_once() {
    let fleet = Fleet::new();
    let mut site = fleet.start("store-1", "name = \"store-1\"\n[spaces]\nstore-1 = \"write\"\n");
    site.signal("TERM");
    assert!(site.ended().success());
    assert!(!site.log().contains("stopping before everything is durable"), "{}", site.log());
}

#[tokio::test]
async fn a_second_server_in_the_same_directory_is_refused() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let (output, log) = (hub.output(), hub.log());
    let mut second = spawn(&hub.data);
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert!(hub.log().contains("another server is running in"), "{}", hub.log());
    // The first one goes on.
    assert!(output.contains("hub is ready: listens on 127.0.0.1:") && log.contains("store opened"));
    assert_eq!(hub.get("catalog/product/milk").await, None);
}
