//! Links that are slow, or paid for: lanes, caps and schedules.

use serde_json::json;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tests::bad_wire::BadWire;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, hub_config, site_config};

/// A text that does not deflate, of about 40 KiB.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::new();
    while text.len() < 40_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text += &format!("{state:016x}");
    }
    text
}

async fn is_filling(site: &Process) -> bool {
    site.status().await.spaces.iter().any(|space| space.is_filling)
}

/// A site's configuration with more lines about its hub.
fn with(address: &str, lines: &str) -> String {
    site_config("store-1", address).replace("relay = true\n", &format!("relay = true\n{lines}\n"))
}

#[tokio::test]
async fn a_price_change_overtakes_a_first_sync() {
    let fleet = Fleet::new();
    let hub = fleet.prepare("hub", &format!("{}[journal]\nkeep = \"1s\"\n", hub_config()));
    let hub = Process::start(hub);
    write_noise(&hub, 100).await;
    eventually_async(DEADLINE, "the journal is short", async || hub.status().await.trimmed >= 100).await;
    overtakes(&fleet, &hub).await;
}

#[tokio::test]
async fn a_price_change_overtakes_a_first_sync_whose_journal_is_kept() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    write_noise(&hub, 100).await;
    for number in 0..200 {
        hub.put(&format!("catalog/article/{number}"), json!({"price": number})).await;
    }
    assert_eq!(hub.status().await.trimmed, 0);
    overtakes(&fleet, &hub).await;
}

async fn write_noise(hub: &Process, notes: u64) {
    for number in 0..notes {
        hub.put(&format!("catalog/note/{number}"), json!({ "text": noise(number) })).await;
    }
}

/// The first sync of 4 MB, half when deflated, takes 40 s at this cap. A price is at the site long before, of its own space and of the
/// one that is being filled, after whose other documents it stands.
async fn overtakes(fleet: &Fleet, hub: &Process) {
    let site = fleet.start("store-1", &with(&hub.status().await.address, "receive_kbit_s_max = 400"));
    eventually_async(DEADLINE, "the first sync is under way", async || is_filling(&site).await).await;
    hub.put("store-1/note/price", json!({"price": 1.29})).await;
    site.has("store-1/note/price", json!({"price": 1.29})).await;
    hub.put("catalog/product/milk", json!({"price": 1.29})).await;
    site.has("catalog/product/milk", json!({"price": 1.29})).await;
    assert!(is_filling(&site).await, "the first sync ended before: nothing was overtaken");
}

/// What a site sends is held to its cap, counted on the wire: without one this takes a moment.
#[tokio::test]
async fn a_site_sends_no_more_than_its_line_may_carry() {
    const KBIT_S: u64 = 400;
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let wire = BadWire::start(&hub.status().await.address).await;
    let site = fleet.start("store-1", &with(&wire.address(), &format!("send_kbit_s_max = {KBIT_S}")));
    eventually_async(DEADLINE, "they are connected", async || connected(&hub).await).await;
    let (started, before) = (Instant::now(), wire.bytes_to_hub());
    for number in 0..16 {
        site.put(&format!("store-1/note/{number}"), json!({ "text": noise(number) })).await;
    }
    for number in 0..16 {
        hub.has(&format!("store-1/note/{number}"), json!({ "text": noise(number) })).await;
    }
    let (kbit, ms) =
        ((wire.bytes_to_hub() - before) * 8 / 1_000, u64::try_from(started.elapsed().as_millis()).unwrap());
    // A fifth for headers, and a second in which it may have been ahead.
    let kbit_max = KBIT_S * (ms + 1_000) / 1_000 * 6 / 5;
    assert!(kbit > 1_600 && kbit <= kbit_max, "{kbit} kbit in {ms} ms, {kbit_max} are allowed");
}

/// What a site is sent is held to its cap from the first second on: without a narrow window the hub sends 256 KiB at once.
#[tokio::test]
async fn a_site_is_sent_no_more_than_its_line_may_carry() {
    const KBIT_S: u64 = 800;
    let fleet = Fleet::new();
    let hub = fleet.hub();
    for number in 0..16 {
        hub.put(&format!("catalog/note/{number}"), json!({ "text": noise(number) })).await;
    }
    let wire = BadWire::start(&hub.status().await.address).await;
    let started = Instant::now();
    let lines = format!("receive_kbit_s_max = {KBIT_S}");
    let site = fleet.start("store-1", &with(&wire.address(), &lines));
    let has_all = async || {
        let kbit = (wire.bytes() - wire.bytes_to_hub()) * 8 / 1_000;
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap();
        // A fifth for headers, and the second that the hub may be ahead, with half of one for the first pieces.
        let kbit_max = KBIT_S * (ms + 1_500) / 1_000 * 6 / 5;
        assert!(kbit <= kbit_max, "{kbit} kbit in {ms} ms, {kbit_max} are allowed");
        site.get("catalog/note/15").await == Some(json!({ "text": noise(15) }))
    };
    eventually_async(DEADLINE, "the site has all of it", has_all).await;
    assert!(started.elapsed().as_secs() >= 2, "it took {:?}", started.elapsed());
}

/// A site that connects once a day still says at once what may not wait, and is told what waited.
/// Under a cap a long frame keeps the line silent for longer than an exchange that is done would be: ten seconds each.
#[tokio::test]
async fn a_scheduled_link_under_a_cap_brings_all_that_is_lacking() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let long = |number: u64| json!({"text": (0..4).map(|part| noise(4 * number + part)).collect::<String>()});
    for number in 0..3 {
        hub.put(&format!("catalog/note/{number}"), long(number)).await;
    }
    let lines = "receive_kbit_s_max = 64\nschedule = { every = \"1d\" }";
    let site = fleet.start("store-1", &with(&hub.status().await.address, lines));
    for number in 0..3 {
        site.has(&format!("catalog/note/{number}"), long(number)).await;
    }
    eventually_async(DEADLINE, "the exchange ends", async || {
        site.status().await.peers.iter().all(|peer| !peer.connected)
    })
    .await;
}

#[tokio::test]
async fn a_scheduled_link_ends_and_what_may_not_wait_opens_it() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    hub.put("catalog/product/milk", json!({"price": 1.19})).await;
    let schedule = "schedule = { every = \"1d\", at_once = [\"store-1\"] }";
    let site = fleet.start("store-1", &with(&hub.status().await.address, schedule));
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    site.logs(&["the exchange is done"]);
    eventually_async(DEADLINE, "the hub has noticed", async || !connected(&hub).await).await;

    hub.put("catalog/product/milk", json!({"price": 1.29})).await;
    site.add("store-1/inventory/milk", -1, None).await;
    hub.has_on_hand("store-1/inventory/milk", -1).await;
    site.has("catalog/product/milk", json!({"price": 1.29})).await;
}

/// The window from so many hours after this one until so many, as a machine in UTC reads it.
fn window(from: u64, until: u64) -> String {
    let hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3_600;
    let at = |later| format!("{:02}:00", (hour + later) % 24);
    format!("schedule = {{ between = [\"{}-{}\"] }}", at(from), at(until))
}

#[tokio::test]
async fn a_site_connects_within_its_times_of_day_and_says_when_they_are() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    hub.put("catalog/product/milk", json!({"price": 1.19})).await;
    let address = hub.status().await.address;
    let start = |schedule: String| {
        let data = fleet.path("store-1");
        std::fs::write(data.join("isle.toml"), with(&address, &schedule)).unwrap();
        Process::start_with(data, &[("TZ", "UTC".to_owned())])
    };
    fleet.prepare("store-1", "");
    let site = start(window(2, 4));
    let trouble = site.status().await.peers[0].trouble.clone().unwrap();
    assert!(trouble.starts_with("waits for its schedule: the next exchange is at "), "{trouble}");
    assert!(trouble.ends_with(":00"), "{trouble}");
    assert!(!connected(&hub).await);
    drop(site);
    let site = start(window(0, 2));
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
}

async fn connected(hub: &Process) -> bool {
    hub.status().await.peers.iter().any(|peer| peer.connected)
}
