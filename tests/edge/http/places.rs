//! Who asks for much leaves places to others, and is told what it met.

use super::callers::isle;
use super::{item, site_with_a_service};
use tests::eventually_async;
use tests::http::{Answer, HttpClient};
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const TRANSACTIONS: &str = "/v1/spaces/store-1/transactions";

fn token(site: &Process, name: &str, rights: &str) -> String {
    let secret = isle(site, &["token", "create", name, "--space", "store-1", "--rights", rights]);
    format!("Bearer {secret}")
}

fn site(settings: &str) -> (Fleet, Process) {
    let fleet = Fleet::new();
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + "[http]\n" + settings));
    (fleet, site)
}

/// A request whose body is begun with so many spaces.
async fn begun(site: &Process, request: &str, length: &str, token: &str, bytes: usize) -> UnixStream {
    let mut stream = UnixStream::connect(site.data.join("http.sock")).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nhost: site\r\nauthorization: {token}\r\n{length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; bytes]).await.unwrap();
    stream
}

async fn sold(site: &Process, token: Option<&str>) -> Answer {
    let shown: Vec<_> = token.into_iter().map(|token| ("authorization", token)).collect();
    HttpClient::of(site).await.call("PUT", &item("milk"), &shown, r#"{"on_hand": 1}"#).await
}

#[tokio::test]
async fn what_is_said_of_a_body_takes_no_room() {
    let (_fleet, site, _) = site_with_a_service().await;
    let reads = token(&site, "board", "read");
    let length = "content-length: 1048576";
    let mut refused = begun(&site, &format!("POST {TRANSACTIONS}"), length, &reads, 0).await;
    let mut status = [0; 12];
    refused.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 403", "without a body");
    let writes = token(&site, "till", "write");
    let mut silent = Vec::new();
    for length in [length, "transfer-encoding: chunked"] {
        for _ in 0..9 {
            silent.push(begun(&site, &format!("PUT {}", item("bread")), length, &writes, 0).await);
        }
    }
    for token in [None, Some(writes.as_str())] {
        let sold = sold(&site, token).await;
        assert_eq!(sold.status.as_u16(), 200, "{sold:?}");
    }
}

#[tokio::test]
async fn bodies_of_one_caller_leave_room_to_others() {
    let (_fleet, site) = site("bodies_mib_max = 2\n");
    let [till, scanner] = ["till", "scanner"].map(|name| token(&site, name, "write"));
    let put = format!("PUT {}", item("bread"));
    // A quarter is 512 KiB. What is all that a caller has may be more.
    let slow = begun(&site, &put, "content-length: 1000000", &till, 600 << 10).await;
    eventually_async(DEADLINE, "what was sent has come", async || {
        sold(&site, Some(&till)).await.problem() == "busy"
    })
    .await;
    let refused = sold(&site, Some(&till)).await;
    let problem = refused.json();
    assert_eq!(problem["limit"], 512 << 10, "{refused:?}");
    assert!(problem["hint"].as_str().unwrap().contains("`bodies_mib_max`"), "{refused:?}");
    for token in [None, Some(scanner.as_str())] {
        let sold = sold(&site, token).await;
        assert_eq!(sold.status.as_u16(), 200, "{sold:?}");
    }
    drop(slow);
    eventually_async(DEADLINE, "it is free again", async || {
        sold(&site, Some(&till)).await.status.is_success()
    })
    .await;
}

#[tokio::test]
async fn feeds_of_one_caller_leave_places_to_others() {
    let (_fleet, site) = site("watches_max = 8\n");
    let path = "/v1/watch?space=store-1";
    let mut feeds = Vec::new();
    for _ in 0..2 {
        feeds.push(HttpClient::of(&site).await.feed(path, &[]).await);
    }
    let refused = HttpClient::of(&site).await.get(path).await;
    assert_eq!((refused.problem().as_str(), &refused.json()["limit"]), ("busy", &2.into()), "{refused:?}");
    let board = token(&site, "board", "read");
    feeds.push(HttpClient::of(&site).await.feed(path, &[("authorization", &board)]).await);
}

#[tokio::test]
async fn who_finds_all_connections_taken_is_told_so() {
    let (_fleet, site) = site("connections_max = 2\nwatches_max = 1\n");
    let mut taken = [HttpClient::of(&site).await, HttpClient::of(&site).await];
    for service in &mut taken {
        assert_eq!(service.get(&item("milk")).await.problem(), "not-found");
    }
    let answer = HttpClient::of(&site).await.get(&item("milk")).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after").as_str()), (503, "1"), "{answer:?}");
    assert_eq!((answer.problem().as_str(), answer.header("connection").as_str()), ("busy", "close"));
    drop(taken);
    eventually_async(DEADLINE, "a place is free again", async || {
        HttpClient::of(&site).await.get(&item("milk")).await.problem() == "not-found"
    })
    .await;
}
