//! `client.connected`: one update after another by a client of a server, over its Unix socket, each durable; the reference is
//! an `fdatasync` of the same disk at the same pace, and half a millisecond.
//! `client.embedded`: the same with a replica in this process, in memory.
//! `watch.latency`: from sending a write until another process's feed shows it; the reference is an `fdatasync` and a
//! millisecond.
//! `watch.fanout`: 1,000 feeds on one server, of which each write concerns ten: memory for each, and how much slower writes are.
//!
//! Measured on two shared cores with the profile `dist`, `fdatasync` 0.14 to 0.2 ms at this pace: connected 0.57 to 0.79 ms (87
//! to 115 % of its reference), embedded 32 to 53 us, a feed 0.64 to 0.93 ms (51 to 79 %). With `release` on a day when
//! `fdatasync` took 0.42 ms and each wake of a thread several times as long: 17 to 18 KiB for each of 1,000 feeds, and writes at
//! 99 to 105 % of those without, or 115 to 118 % where each follows the last at once: its ten readers are written to on the same
//! two cores. Readers that parse what they are shown, in the benchmark's process, made that 118 to 126 % and 144 to 191 %.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::cpu::median;
use benches::disk::fdatasync_ms_every;
use benches::reach::{Goal, Row, measuring, record};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::StreamExt as _;
use isle_client::{Client, Collection, Connection, Embedding, Event, Watch};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::process::{Fleet, Process, site_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

const INTERVAL: Duration = Duration::from_millis(5);
const DOCUMENTS: usize = 100;
const WATCHERS: usize = 1_000;
/// Groups of documents; a watcher follows one.
const GROUPS: usize = 100;
/// What a feed sends after the initial state.
const SYNCED: &[u8] = b"event: synced";

fn scaled(count: usize) -> usize {
    if measuring() { count } else { (count / 50).max(10) }
}

fn row(name: &str, unit: &str, value: f64, reference: Option<f64>, goal: Goal) {
    println!("{name}: {value:.3} {unit}, reference {reference:?}");
    let row = Row { name: name.into(), unit: unit.into(), value, reference, goal };
    record(&row).expect("the row is written");
}

fn connect(site: &Process) -> Collection<Value> {
    let client = Client::connect(Connection::unix(site.data.join("http.sock"))).expect("a client");
    client.space("store-1").collection("inventory")
}

/// Milliseconds of each of so many updates, one in each interval.
async fn updates_ms(inventory: &Collection<Value>, count: usize, interval: Option<Duration>) -> Vec<f64> {
    let mut took_ms = Vec::new();
    for number in 0..count {
        let document = inventory.document(format!("{}/item", number % DOCUMENTS));
        let started = Instant::now();
        document.counter("/on_hand").add(-1).await.expect("written");
        took_ms.push(started.elapsed().as_secs_f64() * 1e3);
        if let Some(interval) = interval {
            tokio::time::sleep(interval.saturating_sub(started.elapsed())).await;
        }
    }
    took_ms
}

async fn stock(inventory: &Collection<Value>) {
    for number in 0..DOCUMENTS {
        let item = json!({"product": number.to_string(), "on_hand": 100});
        inventory.document(format!("{number}/item")).create(&item).await.expect("written");
    }
}

/// A site that runs as long as the scene is held, and what it has.
async fn stocked() -> ((Fleet, Process), Collection<Value>) {
    let fleet = Fleet::new();
    let site = fleet.start("store-1", &site_config("store-1", "127.0.0.1:9"));
    let inventory = connect(&site);
    stock(&inventory).await;
    ((fleet, site), inventory)
}

fn connected(_: &mut Criterion) {
    let fdatasync_ms = fdatasync_ms_every(INTERVAL);
    let took_ms = Runtime::new().expect("a runtime").block_on(async {
        let (_scene, inventory) = stocked().await;
        updates_ms(&inventory, scaled(1_000), Some(INTERVAL)).await
    });
    let reference = Some(fdatasync_ms + 0.5);
    row("client.connected", "ms", median(took_ms), reference, Goal::ratio_at_most(1.0));
}

fn embedded(_: &mut Criterion) {
    let took_ms = Runtime::new().expect("a runtime").block_on(async {
        let fleet = Fleet::new();
        let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
        let memory = NonZeroU32::new(256).expect("not zero");
        let client = Client::embed(Embedding::at(data).in_memory(memory)).await.expect("a replica");
        let inventory = client.space("store-1").collection("inventory");
        stock(&inventory).await;
        updates_ms(&inventory, scaled(4_000), None).await
    });
    row("client.embedded", "us", median(took_ms) * 1e3, None, Goal::value_at_most(40.0));
}

/// Takes events up to the one that shows the initial state whole.
async fn synced(feed: &mut Watch<Value>) {
    while let Some(event) = feed.next().await {
        if let Event::Synced { .. } = event.expect("an event") {
            return;
        }
    }
    panic!("the feed has ended");
}

fn latency(_: &mut Criterion) {
    let fdatasync_ms = fdatasync_ms_every(INTERVAL);
    let took_ms = Runtime::new().expect("a runtime").block_on(async {
        let (_scene, inventory) = stocked().await;
        let mut feed = inventory.watch().begin().await.expect("a feed");
        synced(&mut feed).await;
        let mut took_ms = Vec::new();
        for number in 0..scaled(1_000) {
            let document = inventory.document(format!("{}/item", number % DOCUMENTS));
            let started = Instant::now();
            let writing = tokio::spawn(document.counter("/on_hand").add(-1).into_future());
            let shown = feed.next().await.expect("the feed goes on").expect("an event");
            took_ms.push(started.elapsed().as_secs_f64() * 1e3);
            assert!(matches!(shown, Event::Changed { .. }), "{shown:?}");
            writing.await.expect("a task").expect("written");
            tokio::time::sleep(INTERVAL.saturating_sub(started.elapsed())).await;
        }
        took_ms
    });
    let reference = Some(fdatasync_ms + 1.0);
    row("watch.latency", "ms", median(took_ms), reference, Goal::ratio_at_most(1.0));
}

/// A feed of a group that has shown the initial state, to be read without looking at it: what a reader makes of its events costs
/// the reader's machine, which is this one.
async fn begun(site: &Process, group: usize) -> UnixStream {
    let mut feed = UnixStream::connect(site.data.join("http.sock")).await.expect("a connection");
    let target = format!("/v1/watch?space=store-1&collection=inventory&prefix={group}%2F");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    feed.write_all(request.as_bytes()).await.expect("asked");
    let (mut shown, mut some) = (Vec::new(), [0; 4_096]);
    while !shown.windows(SYNCED.len()).any(|shown| shown == SYNCED) {
        let count = feed.read(&mut some).await.expect("the feed goes on");
        assert!(count > 0, "the feed has ended: {}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(some.get(..count).unwrap_or_default());
    }
    feed
}

/// Reads it, and counts the bytes.
async fn drain(mut feed: UnixStream, shown_bytes: Arc<AtomicUsize>) {
    let mut some = [0; 4_096];
    loop {
        let count = feed.read(&mut some).await.expect("the feed goes on");
        assert!(count > 0, "the feed has ended");
        shown_bytes.fetch_add(count, Ordering::Relaxed);
    }
}

/// Two servers, of which one is watched: their updates take turns, so that both have the same disk and the same hour. The row
/// is of updates at the pace of the other scenes; one that comes as soon as the last is acknowledged meets its events.
fn fanout(_: &mut Criterion) {
    let watchers = scaled(WATCHERS);
    let (kib, alone_ms, watched_ms) = Runtime::new().expect("a runtime").block_on(async {
        let fleet = Fleet::new();
        let limits = "[http]\nconnections_max = 4400\nwatches_max = 4200\n";
        let config = site_config("store-1", "127.0.0.1:9") + limits;
        let site = fleet.start("store-1", &config);
        let elsewhere = Fleet::new();
        let other = elsewhere.start("store-1", &config);
        let (watched, unwatched) = (connect(&site), connect(&other));
        stock(&watched).await;
        stock(&unwatched).await;
        let before = site.resident_bytes();
        let (mut reading, shown_bytes) = (Vec::new(), Arc::<AtomicUsize>::default());
        for number in 0..watchers {
            let feed = begun(&site, number % GROUPS).await;
            reading.push(tokio::spawn(drain(feed, Arc::clone(&shown_bytes))));
        }
        let kib = (site.resident_bytes().saturating_sub(before)) as f64 / 1024.0 / watchers as f64;
        let (mut alone, mut beside) = (f64::NAN, f64::NAN);
        for interval in [None, Some(INTERVAL)] {
            let (mut alone_ms, mut watched_ms) = (Vec::new(), Vec::new());
            for _ in 0..scaled(1_000) / 10 {
                watched_ms.extend(updates_ms(&watched, 10, interval).await);
                alone_ms.extend(updates_ms(&unwatched, 10, interval).await);
            }
            (alone, beside) = (median(alone_ms), median(watched_ms));
            println!("watch.fanout.writes: {:.0} % with an interval of {interval:?}", 100.0 * beside / alone);
        }
        // Each write is an event of some hundred bytes for the readers of its group.
        let events = 2 * scaled(1_000) / 10 * 10 * watchers / GROUPS;
        let shown_bytes = shown_bytes.load(Ordering::Relaxed);
        assert!(shown_bytes > 100 * events, "{shown_bytes} bytes are no {events} events");
        assert!(reading.iter().all(|reading| !reading.is_finished()), "a feed has ended");
        reading.iter().for_each(tokio::task::JoinHandle::abort);
        (kib, alone, beside)
    });
    row("watch.fanout.memory", "KiB", kib, None, Goal::value_at_most(30.0));
    row("watch.fanout.writes", "ms", watched_ms, Some(alone_ms), Goal::ratio_at_most(1.1));
}

criterion_group!(client, connected, embedded, latency, fanout);
criterion_main!(client);
