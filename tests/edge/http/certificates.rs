use super::callers::{address, isle};
use super::{MERGE, item};
use crate::enrolment::{Hub, ends_ms, now_ms};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tests::eventually_async;
use tests::http::{Answer, HttpClient};
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::tls;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// A site that speaks TLS.
fn site(fleet: &Fleet, more: &str) -> Process {
    let http = format!("[http]\nlisten = \"127.0.0.1:0\"\ntls = true\n{more}");
    fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + &http))
}

async fn connected(site: &Process, shown: Option<&Path>) -> HttpClient {
    let stream = tls::call(address(site), "store-1", &site.data.join("identity"), shown).await.unwrap();
    HttpClient::over(stream).await
}

#[tokio::test]
async fn a_certificate_says_who_calls_and_what_was_said_of_it_what_it_may() {
    let fleet = Fleet::new();
    let site = site(&fleet, "loopback_without_token = true\n");
    assert!(site.output().contains("answers services on https://127.0.0.1:"), "{}", site.output());
    let till = fleet.prepare("till-9", "").join("identity");
    let mut service = connected(&site, Some(&till)).await;
    let refused = service.get(&item("milk")).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (401, "unauthorized"), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.body).contains("till-9"), "{refused:?}");
    let rights =
        ["--certificate", "till-9", "--space", "store-1", "--rights", "inventory=read,inventory=write"];
    let told = isle(&site, &[&["token", "create"], &rights[..]].concat());
    assert!(told.starts_with("who shows the certificate of till-9 may, until"), "{told}");
    let listed = isle(&site, &["token", "list"]);
    assert!(listed.contains("certificate"), "{listed}");
    let put = service.call("PUT", &item("milk"), &[("isle-author", "the boss")], r#"{"on_hand": 1}"#).await;
    assert_eq!(put.status.as_u16(), 200, "{put:?}");
    let history = service.get(&format!("{}/history", item("milk"))).await.json();
    assert_eq!(history["changes"][0]["author"], "till-9");
    let other = service.call("PATCH", "/v1/spaces/store-1/note/milk", &[MERGE], "{}").await;
    assert_eq!(other.problem(), "forbidden");
    let page = service.call("GET", &item("milk"), &[("origin", "https://evil.example")], "").await;
    assert_eq!(page.problem(), "forbidden", "its browser shows the certificate by itself");
    // A token that is shown counts.
    let token = isle(&site, &["token", "create", "label", "--space", "store-1", "--rights", "note=read"]);
    let bearer = format!("Bearer {token}");
    let with_token = service.call("GET", &item("milk"), &[("authorization", &bearer)], "").await;
    assert_eq!(with_token.problem(), "forbidden");
    let mut feed =
        connected(&site, Some(&till)).await.feed("/v1/watch?space=store-1&collection=inventory", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "document");
    isle(&site, &["token", "revoke", "till-9"]);
    assert_eq!(service.get(&item("milk")).await.problem(), "unauthorized", "from the next request on");
}

#[tokio::test]
async fn who_shows_no_certificate_shows_a_token_and_another_fleets_is_refused() {
    let fleet = Fleet::new();
    let site = site(&fleet, "");
    let mut service = connected(&site, None).await;
    assert_eq!(service.get(&item("milk")).await.problem(), "unauthorized");
    let token = isle(&site, &["token", "create", "label", "--space", "store-1", "--rights", "write"]);
    let bearer = format!("Bearer {token}");
    let put = service.call("PUT", &item("milk"), &[("authorization", &bearer)], r#"{"on_hand": 1}"#).await;
    assert_eq!(put.status.as_u16(), 200, "{put:?}");
    let others = Fleet::new();
    let stranger = others.prepare("till-9", "").join("identity");
    let stream = tls::call(address(&site), "store-1", &site.data.join("identity"), Some(&stranger)).await;
    let refused: Option<Answer> = match stream {
        Err(_) => None,
        Ok(stream) => HttpClient::over(stream).await.try_call("GET", &item("milk"), &[], "").await.ok(),
    };
    assert!(refused.is_none(), "{refused:?}");
    let trusts_others = tls::call(address(&site), "store-1", &stranger, None).await;
    assert!(trusts_others.is_err(), "the site is of another authority");
}

#[tokio::test]
async fn a_connection_says_nothing_more_of_who_calls_than_its_certificate_does() {
    let fleet = Fleet::new();
    let site = site(&fleet, "");
    let till = fleet.prepare("till-9", "").join("identity");
    fleet.certify("till-9", Duration::from_secs(5));
    isle(
        &site,
        &["token", "create", "--certificate", "till-9", "--space", "store-1", "--rights", "read,write"],
    );
    let mut service = connected(&site, Some(&till)).await;
    let feeding = connected(&site, Some(&till)).await;
    let put = service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    assert_eq!(put.status.as_u16(), 200, "{put:?}");
    let mut feed = feeding.feed("/v1/watch?space=store-1&collection=inventory", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "document");
    eventually_async(DEADLINE, "the certificate has ended", async || {
        let answer = service.get(&item("milk")).await;
        let ended = answer.problem() == "unauthorized";
        assert!(!ended || String::from_utf8_lossy(&answer.body).contains("certificate of 'till-9' ended at"));
        ended
    })
    .await;
    isle(&site, &["doc", "put", "store-1/inventory/milk", r#"{"on_hand": 2}"#]);
    while let Some(event) = feed.next().await {
        assert_ne!(event.name, "document", "the feed shows it nothing more");
    }
    fleet.certify("till-9", Duration::from_hours(1));
    assert_eq!(connected(&site, Some(&till)).await.get(&item("milk")).await.json()["on_hand"], 2);
}

#[tokio::test]
async fn services_are_shown_the_certificate_that_was_renewed() {
    let hub = Hub::new().with_certificates("10s");
    let _running = hub.start();
    let mut site = hub.joined("site");
    site.kill();
    let config = site.data.join("isle.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "\n[http]\nlisten = \"127.0.0.1:0\"\ntls = true\n").unwrap();
    let site = site.restart();
    let first = ends_ms(&site).await;
    let mut before = connected(&site, None).await;
    // Who says nothing is let go.
    eventually_async(DEADLINE, "the first certificates have ended", async || {
        before.get(&item("milk")).await;
        now_ms() > first + 1_000
    })
    .await;
    // A client looks at the clock.
    let mut after = connected(&site, None).await;
    for service in [&mut after, &mut before] {
        assert_eq!(service.get(&item("milk")).await.problem(), "unauthorized");
    }
}

#[tokio::test]
async fn handshakes_count_among_the_connections_and_have_a_deadline() {
    let fleet = Fleet::new();
    let site = site(&fleet, "connections_max = 2\nwatches_max = 1\n");
    let mut silent = TcpStream::connect(address(&site)).await.unwrap();
    let second = TcpStream::connect(address(&site)).await.unwrap();
    let asked = async || connected(&site, None).await.get(&item("milk")).await;
    let turned_away = asked().await;
    assert_eq!((turned_away.problem().as_str(), turned_away.header("retry-after").as_str()), ("busy", "1"));
    eventually_async(DEADLINE, "the silent ones are let go", async || {
        asked().await.problem() == "unauthorized"
    })
    .await;
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    drop(second);
    // What is no TLS is no request.
    eventually_async(DEADLINE, "plain HTTP is refused", async || {
        let mut plain = HttpClient::at(address(&site)).await;
        plain.try_call("GET", &item("milk"), &[], "").await.is_err()
    })
    .await;
}
