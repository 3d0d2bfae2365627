//! The server as an operator has it: release processes, QUIC, certificates and fsyncs on this machine.
//!
//! `sync.live.latency`: 100 updates a second at a site, each from when it is sent until a watch at the hub shows it, durable
//! at both; the reference is three `fdatasync` of the same disk at the same pace, and a millisecond.
//! `first.live.rate`, `sync.live.rate`: as many as go, 256 on their way, until the hub has acknowledged all; the second also
//! when histories grow beyond the memory for open documents. A peer of the same kind, samod 0.16 without any fsync, was
//! measured at 207 to 473.
//! `sync.catchup`: a site with 10,000 documents that was off while 1,000 of them changed ten times each: from when it is
//! ready until the hub knows that it has all; bytes are of datagrams, handshake included.
//! `sync.first`: the same for a new site.
//! `server.*`: memory, start and size of a site's server, on a machine of 256 MiB where that can be had (a control group).
//! `server.million.*`: the most that a server of a million documents ever had resident, on one of 128 MiB, and its start after
//! a kill.
//!
//! Measured on two shared cores, `fdatasync` 0.15 to 0.2 ms (0.3 at the pace of the updates), with the profile `dist` and,
//! where that differs, with `release`: latency 1.9 (2.0 to 2.6) ms at the median and 3.2 (3.9 to 6.9) at the 99th
//! percentile; 13,300 to 16,700 updates/s (12,400 to 14,600, and on a quicker machine 19,200 to 23,500), both cores full,
//! from 24,000 in the best round to 6,000 in the sixth, in which all documents come to their first snapshot; first sync 0.2
//! to 0.3 s, catch-up 0.35 to 0.47 s and 174 KB; 17.2 to 18.4 MiB resident, 62.0 with 100,000 documents (with `release`,
//! before its description of the API waited until it is asked for, 28 to 30, and 70 to 75); 19.9 (30.5) MiB of program; a
//! start 16 ms, where closing left no journal to be read. Before jemalloc, a million documents: 75 to 79 (88) MiB at the
//! most, a start after a kill 0.6 to 0.9 s: fjall reads its journal, which it begins anew at 64 MB and not earlier, and
//! looks up the name of the keyspace for each of its rows.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::disk::{fdatasync_ms_every, fdatasyncs_per_second};
use benches::reach::{Goal, Row, measuring, record};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use server::local::{LocalClient, Request, Response, WatchEvent};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::bad_wire::BadWire;
use tests::memory_limit::MemoryLimit;
use tests::process::{Fleet, Process, increment, put, site_config};
use tests::{eventually_async, program};
use tokio::runtime::Runtime;

/// On their way at once.
const IN_FLIGHT: usize = 256;
/// Between two updates whose latency is measured.
const UPDATE_INTERVAL: Duration = Duration::from_millis(10);
const DEADLINE: Duration = Duration::from_secs(120);

/// What a run that only tests does of `count`.
fn scaled(count: usize) -> usize {
    if measuring() { count } else { (count / 100).max(10) }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

fn row(name: &str, unit: &str, value: f64, reference: Option<f64>, goal: Goal) {
    println!("{name}: {value:.3} {unit}, reference {reference:?}");
    let row = Row { name: name.into(), unit: unit.into(), value, reference, goal };
    record(&row).expect("the row is written");
}

/// Sends all of it, never more than [`IN_FLIGHT`] without an answer.
async fn send_all(client: &mut LocalClient, requests: impl Iterator<Item = Request>) {
    let mut on_their_way = 0;
    for request in requests {
        if on_their_way == IN_FLIGHT {
            client.receive().await.expect("an answer").1.expect("written");
            on_their_way -= 1;
        }
        client.send(&request).await.expect("sent");
        on_their_way += 1;
    }
    for _ in 0..on_their_way {
        client.receive().await.expect("an answer").1.expect("written");
    }
}

async fn in_step(replica: &Process, peer: &str) {
    eventually_async(DEADLINE, "the peer has everything", async || {
        let peers = replica.status().await.peers;
        peers.iter().any(|of| of.peer == peer && of.connected && of.backlog_rows == 0)
    })
    .await;
}

fn latency(_: &mut Criterion) {
    let fdatasync_ms = fdatasync_ms_every(UPDATE_INTERVAL);
    let mut took_ms = runtime().block_on(async {
        let fleet = Fleet::new();
        let hub = fleet.hub();
        let site = fleet.site("store-1", &hub.status().await.address);
        let (mut client, mut reader) = (site.client().await, hub.client().await);
        let space = "store-1".parse().expect("a space");
        reader
            .send(&Request::Watch { space, collection: None, prefix: None, from: None })
            .await
            .expect("a watch");
        in_step(&site, "hub").await;
        let count = scaled(1_000);
        let seen = tokio::spawn(async move { watch(&mut reader, count).await });
        let mut ticks = tokio::time::interval(UPDATE_INTERVAL);
        let mut sent = BTreeMap::new();
        let mut started = BTreeMap::new();
        for number in 0..count {
            ticks.tick().await;
            let address = format!("store-1/inventory/{}", number % 100);
            started.insert(client.send(&increment(&address, -1, None)).await.expect("sent"), Instant::now());
            while client.unanswered() > 4 || (number + 1 == count && client.unanswered() > 0) {
                let (id, answer) = client.receive().await.expect("an answer");
                let Ok(Response::Written(Some(written))) = answer else { panic!("{answer:?}") };
                sent.insert(written.stamp.sequence, started[&id]);
            }
        }
        let seen = seen.await.expect("events");
        seen.iter().map(|(sequence, at)| (*at - sent[sequence]).as_secs_f64() * 1e3).collect::<Vec<_>>()
    });
    took_ms.sort_by(f64::total_cmp);
    let (p50, p99) = (took_ms[took_ms.len() / 2], took_ms[took_ms.len() * 99 / 100]);
    let reference = 3.0 * fdatasync_ms + 1.0;
    row("sync.live.latency.p50", "ms", p50, Some(reference), Goal::ratio_at_most(1.0));
    row("sync.live.latency.p99", "ms", p99, None, Goal::value_at_most(20.0));
}

/// When each of so many changes was shown, by its number.
async fn watch(reader: &mut LocalClient, count: usize) -> BTreeMap<u64, Instant> {
    let mut seen = BTreeMap::new();
    while seen.len() < count {
        let Ok(Response::Watched(events)) = reader.receive().await.expect("events").1 else {
            panic!("no events")
        };
        let now = Instant::now();
        for event in events {
            if let WatchEvent::Changed { changes, .. } = event {
                seen.extend(changes.iter().map(|change| (change.stamp.sequence, now)));
            }
        }
    }
    seen
}

fn rate(_: &mut Criterion) {
    let rates = runtime().block_on(async {
        let fleet = Fleet::new();
        let hub = fleet.hub();
        let site = fleet.site("store-1", &hub.status().await.address);
        let (mut client, count) = (site.client().await, scaled(10_000));
        let mut rates = Vec::new();
        for _ in 0..if measuring() { 10 } else { 1 } {
            let started = Instant::now();
            let address = |number: usize| format!("store-1/inventory/{}", number % 200);
            send_all(&mut client, (0..count).map(|number| increment(&address(number), -1, None))).await;
            in_step(&site, "hub").await;
            rates.push(count as f64 / started.elapsed().as_secs_f64());
        }
        rates
    });
    println!("updates/s, durable at site and hub, round by round: {rates:.0?}");
    let fdatasyncs = Some(fdatasyncs_per_second());
    // The first five rounds fit into the memory for open documents.
    let first = median(rates.get(..5).unwrap_or(&rates));
    row("first.live.rate", "updates/s", first, fdatasyncs, Goal::value_at_least(5_000.0));
    row("sync.live.rate", "updates/s", median(&rates), fdatasyncs, Goal::value_at_least(15_000.0));
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Documents of the catalog, as a hub has them.
fn product(number: usize, price: usize) -> Request {
    let value = json!({ "name": format!("product {number}"), "price": price, "department": "dairy" });
    put(&format!("catalog/article/{number}"), value, None)
}

/// How long a site took that was just started, from when it was ready, and what that cost on the wire.
async fn joined(hub: &Process, wire: &BadWire, start: impl FnOnce() -> Process) -> (Process, f64, u64) {
    let bytes = wire.bytes();
    let site = start();
    let started = Instant::now();
    in_step(hub, "store-1").await;
    in_step(&site, "hub").await;
    (site, started.elapsed().as_secs_f64(), wire.bytes() - bytes)
}

fn catch_up(_: &mut Criterion) {
    let documents = scaled(10_000);
    let (first_s, catchup_s, bytes) = runtime().block_on(async {
        let fleet = Fleet::new();
        let hub = fleet.hub();
        let mut client = hub.client().await;
        send_all(&mut client, (0..documents).map(|number| product(number, 1))).await;
        let wire = BadWire::start(&hub.status().await.address).await;
        let (mut site, first_s, first_bytes) =
            joined(&hub, &wire, || fleet.site("store-1", &wire.address())).await;
        println!("first sync: {first_bytes} bytes for {documents} documents");
        site.signal("TERM");
        site.ended();
        eventually_async(DEADLINE, "the hub has noticed", async || {
            hub.status().await.peers.iter().all(|peer| !peer.connected)
        })
        .await;
        let changed = documents / 10;
        send_all(&mut client, (0..documents).map(|change| product(change % changed, 2 + change))).await;
        let (_site, catchup_s, bytes) = joined(&hub, &wire, || site.restart()).await;
        (first_s, catchup_s, bytes)
    });
    row("sync.first", "s", first_s, None, Goal::value_at_most(1.0));
    row("sync.catchup", "s", catchup_s, None, Goal::value_at_most(0.5));
    row("sync.catchup.bytes", "KB", bytes as f64 / 1e3, None, Goal::value_at_most(320.0));
}

/// A site with a million documents on a machine of 128 MiB: loaded through its core, sold from, killed and started again.
fn million(_: &mut Criterion) {
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    let documents = scaled(1_000_000);
    let (loaded_s, sold_s, resident, start_ms) = runtime().block_on(async {
        let fleet = Fleet::new();
        let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
        let limit = MemoryLimit::new("server.million.rss", 128 << 20);
        let start = |data| match &limit {
            Some(limit) => Process::start_within(data, limit),
            None => Process::start(data),
        };
        let mut site = start(data.clone());
        let mut client = site.client().await;
        let address = |number: usize| format!("store-1/inventory/{number}");
        let stock = |number: usize| {
            put(&address(number), json!({ "product": number.to_string(), "on_hand": 9 }), None)
        };
        let started = Instant::now();
        send_all(&mut client, (0..documents).map(stock)).await;
        let loaded_s = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let sales = (0..documents / 20).map(|sale| increment(&address(sale * 7_919 % documents), -1, None));
        send_all(&mut client, sales).await;
        let sold_s = started.elapsed().as_secs_f64();
        let mut resident = site.peak_bytes();
        site.kill();
        drop(site);
        let started = Instant::now();
        let site = start(data);
        let start_ms = started.elapsed().as_secs_f64() * 1e3;
        assert_eq!(site.status().await.documents, documents as u64);
        assert_eq!(site.get(&address(7_919)).await.expect("it is there")["on_hand"], 8);
        let mut client = site.client().await;
        let space = "store-1".parse().expect("a space");
        let query = replica::Query::default();
        let asked = Request::Query { space, collection: "inventory".parse().expect("a collection"), query };
        let Ok(Response::Found(found)) = client.call(&asked).await else { panic!("no page") };
        assert_eq!(found.documents.len(), 100.min(documents));
        resident = resident.max(site.peak_bytes());
        (loaded_s, sold_s, resident, start_ms)
    });
    let (loads, sales) = (documents as f64 / loaded_s, documents as f64 / 20.0 / sold_s);
    println!("{documents} documents: {loads:.0} loaded a second, {sales:.0} sold from a second");
    row("server.million.rss", "MiB", mib(resident), None, Goal::value_at_most(128.0));
    row("server.million.start", "ms", start_ms, None, Goal::value_at_most(1_000.0));
}

/// Of the machine on which a site with 100,000 documents runs.
const MEMORY_BYTES: u64 = 256 << 20;

fn footprint(_: &mut Criterion) {
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    let (idle, loaded, start_ms) = runtime().block_on(async {
        let fleet = Fleet::new();
        let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
        // The machine's memory, where that can be limited; the page cache counts.
        let limit = MemoryLimit::new("server.rss", MEMORY_BYTES);
        let site = match &limit {
            Some(limit) => Process::start_within(data, limit),
            None => Process::start(data),
        };
        let idle = site.resident_bytes();
        let mut client = site.client().await;
        // Also where nothing is measured: that so many fit is a promise.
        let documents = 100_000;
        let address = |number: usize| format!("store-1/inventory/{number}");
        let stock = |number: usize| {
            put(&address(number), json!({ "product": number.to_string(), "on_hand": 9 }), None)
        };
        send_all(&mut client, (0..documents).map(stock)).await;
        let sales = (0..scaled(5_000)).map(|sale| increment(&address(sale * 7 % documents), -1, None));
        send_all(&mut client, sales).await;
        let loaded = site.resident_bytes();
        assert!(loaded <= MEMORY_BYTES, "{loaded} bytes");
        assert!(limit.as_ref().is_none_or(|limit| limit.most_bytes() <= MEMORY_BYTES));
        let data = site.data.clone();
        drop(client);
        site.signal("TERM");
        let mut site = site;
        site.ended();
        let started = Instant::now();
        let site = Process::start(data);
        let start_ms = started.elapsed().as_secs_f64() * 1e3;
        assert_eq!(site.status().await.documents, documents as u64);
        (idle, loaded, start_ms)
    });
    row("server.rss.idle", "MiB", mib(idle), None, Goal::value_at_most(20.0));
    row("server.rss", "MiB", mib(loaded), None, Goal::value_at_most(64.0));
    row("server.start", "ms", start_ms, None, Goal::value_at_most(300.0));
    let directory = tempfile::tempdir().expect("a directory");
    let stripped = directory.path().join("isle");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(program::path()).status();
    assert!(strip.expect("strip, of binutils").success(), "the program is not stripped");
    let size = stripped.metadata().expect("the stripped program").len();
    row("server.size", "MiB", mib(size), None, Goal::value_at_most(20.0));
}

criterion_group!(server, latency, rate, catch_up, footprint, million);
criterion_main!(server);
