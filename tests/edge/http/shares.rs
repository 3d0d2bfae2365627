//! What one caller's slow readers leave to others.

use super::callers::isle;
use tests::eventually_async;
use tests::http::{Answer, HttpClient};
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const NOTES: &str = "/v1/spaces/store-1/note";

/// Documents of which a result has more than a socket and a page hold.
async fn site(lines_max: u32) -> (Fleet, Process) {
    let fleet = Fleet::new();
    let settings = format!("[http]\nlines_max = {lines_max}\n");
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + &settings));
    let mut owner = HttpClient::of(&site).await;
    let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(150 << 10));
    for number in 0..24 {
        let put = owner.call("PUT", &format!("{NOTES}/{number}"), &[], long.clone()).await;
        assert_eq!(put.status.as_u16(), 200, "{put:?}");
    }
    (fleet, site)
}

/// The header of a caller: none of the owner.
fn caller(site: &Process, name: &str) -> String {
    isle(site, &["token", "create", name, "--space", "store-1", "--rights", "read"])
}

/// A result as lines, of which nothing is taken but its status.
async fn slow_reader(site: &Process, token: Option<&str>) -> UnixStream {
    let mut reader = UnixStream::connect(site.data.join("http.sock")).await.unwrap();
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request =
        format!("GET {NOTES} HTTP/1.1\r\nhost: site\r\naccept: application/x-ndjson\r\n{token}\r\n");
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    reader.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    reader
}

/// The same, taken whole.
async fn lines(site: &Process, token: Option<&str>) -> Answer {
    let token = token.map(|token| format!("Bearer {token}"));
    let shown = token.as_deref().map(|token| ("authorization", token));
    let headers: Vec<_> = shown.into_iter().chain([("accept", "application/x-ndjson")]).collect();
    HttpClient::of(site).await.call("GET", NOTES, &headers, "").await
}

fn is_refused(answer: &Answer, words: &str, limit: u64) {
    let problem = answer.json();
    assert_eq!((answer.problem().as_str(), &problem["limit"]), ("busy", &limit.into()), "{answer:?}");
    let (detail, hint) = (problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap());
    assert!(detail.starts_with(words) && hint.contains("`lines_max`"), "{detail}: {hint}");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn slow_readers_of_one_caller_leave_lines_to_others() {
    let (_fleet, site) = site(8).await;
    let [till, scanner, board] = ["till", "scanner", "board"].map(|name| caller(&site, name));
    let mut slow = vec![slow_reader(&site, None).await, slow_reader(&site, None).await];
    is_refused(&lines(&site, None).await, "2 results as lines of this caller", 2);
    let others = lines(&site, Some(&till)).await;
    assert_eq!(others.status.as_u16(), 200, "{others:?}");
    assert_eq!(others.body.iter().filter(|byte| **byte == b'\n').count(), 25, "all of it");
    for token in [&till, &scanner, &board] {
        slow.extend([slow_reader(&site, Some(token)).await, slow_reader(&site, Some(token)).await]);
    }
    let dashboard = caller(&site, "dashboard");
    is_refused(&lines(&site, Some(&dashboard)).await, "8 results as lines are", 8);
    slow.pop();
    eventually_async(DEADLINE, "a place is free again", async || {
        lines(&site, Some(&dashboard)).await.status.is_success()
    })
    .await;
}

/// Where there are few places, a caller has one.
#[tokio::test]
async fn the_only_place_is_anybodys() {
    let (_fleet, site) = site(1).await;
    let till = caller(&site, "till");
    let slow = slow_reader(&site, Some(&till)).await;
    is_refused(&lines(&site, Some(&till)).await, "1 results as lines of this caller", 1);
    is_refused(&lines(&site, None).await, "1 results as lines are", 1);
    drop(slow);
    eventually_async(DEADLINE, "it is free again", async || lines(&site, None).await.status.is_success())
        .await;
}
